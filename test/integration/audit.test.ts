import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { appendLines, auditKeys, readLines } from '../../src/adapters/redis/audit-stream.ts';
import { connectRedis, type RedisClient } from '../../src/adapters/redis/connection.ts';
import { createGrantStore } from '../../src/adapters/redis/grant-store.ts';
import { runAuditCli } from '../../src/cli/audit.ts';
import { createAuditChain, createVerifier, type Head } from '../../src/domain/audit/chain.ts';
import { become } from '../../src/domain/grant/grant.ts';
import { newGrantId } from '../../src/domain/ids.ts';
import { AUDIT_KEY, type AuditOnRedis, auditEntry, auditOn } from '../support/audit.ts';
import { sampleGrant } from '../support/grants.ts';
import { useRedis } from '../support/redis.ts';
import { silentLog } from '../support/silent-log.ts';

/** The audit on a real Redis, by the hands of the bot, of an attacker who can write Redis, and of an auditor who has only the key. */
const redis = useRedis({ appendfsync: 'always' });
const OTHER_KEY = Buffer.alloc(32, 4);
const { stream, outbox } = auditKeys('default');

let client: RedisClient;
const clients: RedisClient[] = [];
async function connected(): Promise<RedisClient> {
  const made = await connectRedis(redis().url, { role: 'requests', log: silentLog() });
  clients.push(made);
  return made;
}
beforeEach(async () => {
  client = await connected();
  await client.flushall();
});
afterEach(async () => {
  for (const made of clients.splice(0)) made.disconnect();
});

async function cli(
  args: readonly string[],
  env: Record<string, string | undefined> = {},
): Promise<{ code: number; out: string[]; err: string[] }> {
  const out: string[] = [];
  const err: string[] = [];
  const settings = { REDIS_URL: redis().url, SEAL_KEY: AUDIT_KEY.toString('base64'), ...env };
  const to = (lines: string[]) => (text: string) => {
    lines.push(...text.split('\n'));
  };
  const code = await runAuditCli(args, { print: to(out), complain: to(err) }, settings);
  return { code, out, err };
}

async function stored(): Promise<string[]> {
  const lines: string[] = [];
  for await (const { line } of readLines(client, stream)) lines.push(line);
  return lines;
}
/** Of the lines that are JSON. */
async function storedEvents(): Promise<string[]> {
  return (await stored())
    .filter((line) => line.startsWith('{'))
    .map((line) => (JSON.parse(line) as { event: string }).event);
}

/** The audit of one process, with some entries. */
async function begun(...events: string[]): Promise<AuditOnRedis> {
  const on = auditOn(await connected());
  await on.audit.start();
  for (const event of events) await on.audit.record(auditEntry(event));
  return on;
}

describe('the audit', () => {
  it('begins once, however many start, and each entry is one printed line and one of the chain', async () => {
    const started = await Promise.all([begun(), begun(), begun()]);
    expect(await storedEvents()).toEqual(['chain-began']);
    const [first] = started;
    const actor = { user: 'ada@example.test', slackId: 'U0ADA' };
    await first.audit.record(auditEntry('requested', { id: 'g-7k3fq2', actor, note: 'two\nlines' }));
    await first.audit.record(auditEntry('denied', { id: 'g-7k3fq2' }));
    const printed = started.flatMap((on) => on.printed).map((line) => JSON.stringify(line));
    expect(printed.toSorted()).toEqual((await stored()).toSorted());
    expect(first.printed.at(-2)).toMatchObject({ audit: 1, seq: 2, id: 'g-7k3fq2', actor, note: 'two\nlines' });
    const { code, out } = await cli(['verify']);
    expect(code).toBe(0);
    expect(out.join()).toMatch(/3 entries, seq 1 .* to seq 3.*head 3:.*good/);
  });

  it('of two processes that append a thousand entries at once is one unbroken chain', async () => {
    const worker = fileURLToPath(new URL('../support/append-audit.ts', import.meta.url));
    const run = (name: string) => promisify(execFile)(process.execPath, [worker, redis().url, name, '500']);
    await Promise.all([run('a'), run('b')]);
    const { code, out } = await cli(['verify']);
    expect(code).toBe(0);
    expect(out[0]).toMatch(/^1001 entries, seq 1 .* to seq 1001 /);
    const events = await storedEvents();
    for (const name of ['a', 'b'])
      expect(events.filter((event) => event.startsWith(`${name} `))).toEqual(
        Array.from({ length: 500 }, (_, i) => `${name} ${i}`),
      );
  }, 60_000);

  it('prints its head, by which a later state can be judged', async () => {
    const { audit, printed } = await begun('a', 'b');
    await audit.look();
    const head = String(printed.at(-1)?.['auditHead']);
    expect(head).toMatch(/^3:/);
    await audit.record(auditEntry('c'));
    expect((await cli(['verify', '--head', head])).code).toBe(0);
  });

  it('goes on under a new key from the start of the process on, and the old one is needed for what is old', async () => {
    await begun('a');
    const rotated = auditOn(client, { keys: [OTHER_KEY, AUDIT_KEY] });
    await rotated.audit.start();
    await rotated.audit.look();
    await rotated.audit.record(auditEntry('b'));
    expect(await storedEvents()).toEqual(['chain-began', 'a', 'audit-key-changed', 'b']);
    const [oldKey, newKey] = [AUDIT_KEY, OTHER_KEY].map((key) => key.toString('base64'));
    expect((await cli(['verify'], { SEAL_KEY: `${newKey},${oldKey}` })).code).toBe(0);
    const retired = await cli(['verify'], { SEAL_KEY: newKey });
    expect(retired.code).toBe(1);
    expect(retired.err.filter((line) => line.includes('none of SEAL_KEY'))).toHaveLength(2);
    // The bot itself does not need the old one any more.
    const without = auditOn(client, { keys: [OTHER_KEY] });
    await without.audit.start();
    await without.audit.record(auditEntry('c'));
    expect(without.broken).toEqual([]);
    expect((await cli(['verify'], { SEAL_KEY: `${newKey},${oldKey}` })).code).toBe(0);
  });

  it('is trimmed to the newest entries, never to fewer than are to be kept', async () => {
    const chain = createAuditChain({ keys: [AUDIT_KEY], instance: 'default' });
    let end = { id: '', head: null as Head | null };
    for (let i = 0; i < 30; i++) {
      const lines = Array.from({ length: 10 }, (_, j) => {
        const signed = chain.sign({ ...auditEntry('e'), at: new Date().toISOString(), entry: `${i}.${j}` }, end.head);
        end = { ...end, head: signed.head };
        return { outboxed: '', line: signed.line };
      });
      const answer = await appendLines(client, { stream, outbox }, end.id, lines, 50);
      if (answer.kind !== 'done') throw new Error(answer.kind);
      end = { ...end, id: answer.id };
    }
    const left = await client.xlen(stream);
    expect(left).toBeGreaterThanOrEqual(50);
    expect(left).toBeLessThan(150);
    const problemsWith = async (keep: number) => {
      const verifier = createVerifier(chain, keep);
      for (const line of await stored()) verifier.take(line);
      return verifier.finish(end.head === null ? [] : [end.head]).problems;
    };
    expect(await problemsWith(50)).toEqual([]);
    await client.xtrim(stream, 'MAXLEN', 49);
    expect(await problemsWith(50)).toEqual([{ seq: 252, what: expect.stringContaining('is the oldest') }]);
  });
});

describe('whoever can write Redis', () => {
  const edit = (line: string, change: object) => JSON.stringify({ ...(JSON.parse(line) as object), ...change });
  const at = (lines: readonly string[], seq: number) => lines[seq - 1] ?? '';
  const foreign = createAuditChain({ keys: [OTHER_KEY], instance: 'default' });
  const elsewhere = createAuditChain({ keys: [AUDIT_KEY], instance: 'other' });
  const after = (line: string) => JSON.parse(line) as { seq: number; mac: string };
  const fields = { entry: 'x', at: '2026-01-05T09:00:00.000Z', event: 'approval' };

  /** What is done to a chain of six, what `verify` names, and whether a head that was printed at its end is needed for that. */
  const deeds: [name: string, deed: (lines: string[]) => string[], named: RegExp[], head?: true][] = [
    ['changes a field', (l) => l.with(2, edit(at(l, 3), { event: 'denied' })), [/^seq 3 was changed or forged/]],
    ['changes a MAC', (l) => l.with(2, edit(at(l, 3), { mac: 'A'.repeat(43) })), [/^seq 3 was changed or forged/]],
    ['puts another key in', (l) => l.with(2, edit(at(l, 3), { key: foreign.keyId })), [/^seq 3 names the key "k-/]],
    ['renumbers an entry', (l) => l.with(2, edit(at(l, 3), { seq: 9 })), [/^seq 3 is missing/, /^seq 9 was changed/]],
    ['deletes one in the middle', (l) => l.toSpliced(2, 1), [/^seq 3 is missing$/]],
    ['deletes several', (l) => l.toSpliced(1, 3), [/^seq 2 to 4 are missing$/]],
    ['deletes the beginning', (l) => l.slice(2), [/^seq 3 is the oldest/]],
    ['swaps two', (l) => l.with(2, at(l, 4)).with(3, at(l, 3)), [/^seq 3 is out of order: it stands after seq 4/]],
    ['copies one to the end', (l) => [...l, at(l, 2)], [/^seq 2 is there twice: a copy stands after seq 6/]],
    [
      'writes rubbish',
      (l) => l.toSpliced(3, 0, 'rubbish'),
      [/^an entry without a number is no entry of the chain \(it stands after seq 3\)/],
    ],
    [
      'forges one, with a key of his own',
      (l) => [...l, foreign.sign(fields, after(at(l, 6))).line],
      [/^seq 7 names the key "k-\w+", which is none of SEAL_KEY/],
    ],
    [
      'forges one that names our key',
      (l) => [
        ...l,
        edit(foreign.sign(fields, after(at(l, 6))).line, { key: (JSON.parse(at(l, 6)) as { key: string }).key }),
      ],
      [/^seq 7 was changed or forged: its MAC is wrong/],
    ],
    [
      'takes one from another installation with the same key',
      (l) => [...l, elsewhere.sign(fields, after(at(l, 6))).line],
      [/^seq 7 was changed or forged/],
    ],
    ['cuts the end', (l) => l.slice(0, 4), [/^seq 6 is a given head and not here, the chain ends at 4/], true],
    ['deletes everything', () => [], [/^there is no sound entry/, /^seq 6 is a given head and not here/], true],
  ];

  it.each(deeds)('and %s is found, and what is wrong is named', async (name, deed, named, needsHead) => {
    await begun('a', 'b', 'c', 'd', 'e');
    const before = await stored();
    const { seq, mac } = after(at(before, 6));
    expect((await cli(['verify', '--head', `${seq}:${mac}`])).code).toBe(0);
    await client.del(stream);
    for (const line of deed(before)) await client.xadd(stream, '*', 'line', line);
    const { code, out, err } = await cli(['verify', ...(needsHead ? ['--head', `${seq}:${mac}`] : [])]);
    expect(out).toEqual([]);
    expect(code).toBe(1);
    for (const pattern of named) expect(err).toContainEqual(expect.stringMatching(pattern));
    expect(err.filter((line) => line.startsWith('seq ') || line.startsWith('an entry'))).toHaveLength(
      named.filter((pattern) => !pattern.source.includes('no sound')).length,
    );
    // What is forged is not exported.
    const exported = await cli(['export', '--since', '1d']);
    expect(exported.code).toBe(name === 'cuts the end' ? 0 : 1);
    for (const line of exported.out) expect(before).toContain(line);
  });

  it('and writes another field beside a line is found', async () => {
    await begun('a');
    const [line = ''] = (await stored()).slice(-1);
    await client.xrevrange(stream, '+', '-', 'COUNT', 1).then(([last]) => client.xdel(stream, last?.[0] ?? ''));
    await client.xadd(stream, '*', 'line', line, 'more', 'x');
    expect((await cli(['verify'])).code).toBe(1);
  });

  it('and cuts the end or empties Redis is told of within a look, though the bots go on appending', async () => {
    const one = await begun('a', 'b', 'c');
    const two = await begun();
    for (const { audit } of [one, two]) await audit.look();
    const head = String(one.printed.at(-1)?.['auditHead']);
    const [last] = await client.xrevrange(stream, '+', '-', 'COUNT', 1);
    await client.xdel(stream, last?.[0] ?? '');
    await two.audit.record(auditEntry('instead'));
    await two.audit.record(auditEntry('and on'));
    for (const { audit } of [one, two]) await audit.look();
    for (const { broken } of [one, two])
      expect(broken[0]).toMatch(/chain in Redis is broken: (it ends at seq 3|seq 4 )/);
    expect((await cli(['verify'])).code).toBe(0);
    const found = await cli(['verify', '--head', head]);
    expect(found.code).toBe(1);
    expect(found.err).toContainEqual(expect.stringMatching(/^seq 4 is not the entry of the given head/));

    await client.flushall();
    const told = one.broken.length;
    await one.audit.record(auditEntry('anew'));
    await one.audit.look();
    expect(one.broken.length).toBeGreaterThan(told);
    expect(await storedEvents()).toEqual(['chain-began', 'anew']);
    const { out } = await cli(['verify']);
    expect(out).toContainEqual(expect.stringMatching(/the chain began then: .*this process knew the head 4:/));
    expect((await cli(['verify', '--head', head])).code).toBe(1);
  });

  it('and cuts behind the back of one bot, while another goes on, is found by the first', async () => {
    const one = await begun('a');
    await one.audit.look();
    await one.audit.record(auditEntry('b'));
    const [last] = await client.xrevrange(stream, '+', '-', 'COUNT', 1);
    await client.xdel(stream, last?.[0] ?? '');
    const two = await begun('c', 'd', 'e');
    expect(two.broken).toEqual([]);
    await one.audit.look();
    expect(one.broken).toEqual([expect.stringContaining('seq 3 is another entry')]);
  });

  it('and appends rubbish does not stop the chain: it goes on after its last own entry', async () => {
    const { audit, broken } = await begun('a');
    await audit.look();
    for (let i = 0; i < 3; i++) await client.xadd(stream, '*', 'line', `rubbish ${i}`);
    await audit.record(auditEntry('b'));
    expect((await storedEvents()).at(-1)).toBe('b');
    await audit.look();
    expect(broken).toHaveLength(1);
    const { code, err } = await cli(['verify']);
    expect(code).toBe(1);
    expect(err.filter((line) => line.startsWith('seq'))).toEqual([]);
    expect(err.filter((line) => line.startsWith('an entry without a number'))).toHaveLength(3);
  });

  it('can not have the bot sign what is put into the outbox', async () => {
    const { audit, broken } = await begun();
    await client.hset(outbox, 'x', JSON.stringify(fields), 'y', `${'A'.repeat(43)} ${JSON.stringify(fields)}`);
    await audit.collect();
    await audit.collect();
    expect(await storedEvents()).toEqual(['chain-began']);
    expect(broken).toHaveLength(2);
  });
});

describe('while Redis is away', () => {
  afterEach(() => redis().restart());

  it('entries are printed unchained, and are chained in their order when it is back, once each', async () => {
    const { audit, printed, log } = await begun('before');
    await redis().kill9();
    for (const event of ['a', 'b', 'c']) await audit.record(auditEntry(event));
    const unchained = printed.slice(2);
    expect(unchained.map(({ event, chained, seq }) => [event, chained, seq])).toEqual(
      ['a', 'b', 'c'].map((event) => [event, false, undefined]),
    );
    expect(log.lines.filter(({ level }) => level === 'error')).toHaveLength(1);
    await redis().restart();
    await expect.poll(() => printed.filter(({ seq }) => seq !== undefined).length, { timeout: 10_000 }).toBe(5);
    await audit.record(auditEntry('after'));
    client = await connected();
    expect(await storedEvents()).toEqual(['chain-began', 'before', 'a', 'b', 'c', 'after']);
    expect(printed.slice(5, 8).map(({ entry }) => entry)).toEqual(unchained.map(({ entry }) => entry));
    expect((await cli(['verify'])).code).toBe(0);
  }, 30_000);

  it('an entry whose answer never came is not appended twice', async () => {
    const { audit } = await begun();
    await client.client('PAUSE', 5000, 'WRITE');
    const started = Date.now();
    await audit.record(auditEntry('slow'));
    expect(Date.now() - started).toBeLessThan(4000);
    await expect.poll(storedEvents, { timeout: 10_000 }).toContain('slow');
    await audit.record(auditEntry('next'));
    expect(await storedEvents()).toEqual(['chain-began', 'slow', 'next']);
    expect((await cli(['verify'])).code).toBe(0);
  }, 30_000);

  it('for longer than the memory lasts, what was left out is said in the chain', async () => {
    let lost = 0;
    const told: string[] = [];
    const on = auditOn(await connected(), {
      watcher: { lost: (count) => (lost += count), broken: (what) => told.push(what) },
    });
    await on.audit.start();
    await redis().kill9();
    await Promise.all(Array.from({ length: 10_007 }, (_, i) => on.audit.record(auditEntry(`e${i}`))));
    expect(lost).toBe(7);
    expect(on.printed.filter(({ chained }) => chained === false)).toHaveLength(10_007);
    await redis().restart();
    client = await connected();
    await expect.poll(() => client.xlen(stream), { timeout: 30_000 }).toBe(10_002);
    const lines = (await stored()).map((line) => JSON.parse(line) as { event: string; note: string });
    expect(lines.at(-2)?.event).toBe('e9999');
    expect(lines.at(-1)).toMatchObject({
      event: 'audit-lost',
      note: expect.stringMatching(/^7 entries since .* stdout only/),
    });
    expect(told).toEqual([
      expect.stringMatching(/^The audit in Redis is not whole: 7 entries since .*Keep that stdout/),
    ]);
    expect((await cli(['verify'])).code).toBe(0);
  }, 60_000);
});

describe('the entry of a change', () => {
  const denied = (id: string) => () => auditEntry('denied', { id });
  const denials = async (id: string) =>
    (await stored())
      .map((l) => JSON.parse(l) as { id: string; event: string })
      .filter((l) => l.id === id && l.event === 'denied');

  async function storeOf(on: Pick<AuditOnRedis, 'audit'>) {
    const grants = createGrantStore({
      redis: await connected(),
      instance: 'default',
      log: silentLog(),
      audit: on.audit,
    });
    return grants;
  }

  /** A process that dies after each change, before its entry is chained. */
  async function mortal() {
    const on = await begun();
    const prepare: typeof on.audit.prepare = (entry) => ({ ...on.audit.prepare(entry), settle: async () => {} });
    return storeOf({ audit: { ...on.audit, prepare } });
  }

  it('is chained by another process when the one that made the change died in between, once', async () => {
    const store = await mortal();
    const grant = sampleGrant({ id: newGrantId() });
    await store.create(grant, () => auditEntry('requested', { id: grant.id }));
    await store.change(grant.id, (g) => become(g, 'denied'), denied(grant.id));
    expect(await storedEvents()).toEqual(['chain-began']);
    const others = await Promise.all([begun(), begun(), begun()]);
    await Promise.all(others.map(({ audit }) => audit.collect()));
    await others[0].audit.collect();
    expect(await storedEvents()).toEqual(['chain-began', 'requested', 'denied']);
    expect(await client.hlen(outbox)).toBe(0);
    expect((await cli(['verify'])).code).toBe(0);
  });

  it('is there exactly as often as the change was made, whoever is faster: the one that made it or those that collect', async () => {
    const on = await begun();
    const [store, ...others] = [await storeOf(on), await begun(), await begun()];
    const ids = Array.from({ length: 40 }, () => newGrantId());
    const over = new AbortController();
    const collectors = others.map(async ({ audit }) => {
      while (!over.signal.aborted) await audit.collect();
    });
    await Promise.all(
      ids.map(async (id) => {
        await store.create(sampleGrant({ id }), () => auditEntry('requested', { id }));
        // Of several who want the same one makes the change.
        await Promise.all(
          [1, 2, 3].map(() =>
            store.change(id, (g) => (g.state === 'pending' ? become(g, 'denied') : null), denied(id)),
          ),
        );
      }),
    );
    over.abort();
    await Promise.all(collectors);
    for (const id of ids) expect(await denials(id)).toHaveLength(1);
    expect(await client.xlen(stream)).toBe(1 + 2 * ids.length);
    expect(on.log.lines.filter(({ level }) => level === 'error')).toEqual([]);
    expect((await cli(['verify'])).code).toBe(0);
  });

  it('is there once when its own process finds it in the outbox while it waits for its place', async () => {
    await begun();
    const redis = await connected();
    const go = Promise.withResolvers<void>();
    const asSoonAsMay = redis.eval.bind(redis) as (...command: unknown[]) => Promise<unknown>;
    Object.assign(redis, { eval: (...command: unknown[]) => go.promise.then(() => asSoonAsMay(...command)) });
    const { audit, printed } = auditOn(redis);
    const first = audit.record(auditEntry('first'));
    const [before, meanwhile, after] = ['before', 'meanwhile', 'after'].map((event) =>
      audit.prepare(auditEntry(event)),
    );
    if (before === undefined || meanwhile === undefined || after === undefined) throw new Error('not three');
    for (const { name, value } of [before, meanwhile, after]) await client.hset(outbox, name, value);
    const settled = [before.settle()];
    const found = audit.collect();
    settled.push(meanwhile.settle());
    // By then the answer to the look into the outbox is there.
    await redis.ping();
    settled.push(after.settle());
    go.resolve();
    await Promise.all([first, found, ...settled]);
    expect((await storedEvents()).toSorted()).toEqual(['after', 'before', 'chain-began', 'first', 'meanwhile']);
    expect(printed.map(({ event }) => event).toSorted()).toEqual(['after', 'before', 'first', 'meanwhile']);
    expect((await cli(['verify'])).code).toBe(0);
  });

  it('that somebody takes out of the outbox is chained all the same, and the log says so', async () => {
    const on = await begun();
    const prepare: typeof on.audit.prepare = (entry) => {
      const prepared = on.audit.prepare(entry);
      return { ...prepared, settle: () => client.del(outbox).then(() => prepared.settle()) };
    };
    const store = await storeOf({ audit: { ...on.audit, prepare } });
    const grant = sampleGrant({ id: newGrantId() });
    await store.create(grant);
    await store.change(grant.id, (g) => become(g, 'denied'), denied(grant.id));
    expect(await denials(grant.id)).toHaveLength(1);
    expect(on.log.lines).toContainEqual(
      expect.objectContaining({ text: expect.stringContaining('taken out of the outbox') }),
    );
  });

  it('is not written for a change that is not made', async () => {
    const on = await begun();
    const store = await storeOf(on);
    const grant = sampleGrant({ id: newGrantId() });
    await store.create(grant);
    expect(await store.create(grant, () => auditEntry('requested'))).toBe(false);
    await store.change(grant.id, () => null, denied(grant.id));
    const refused = store.change(
      grant.id,
      () => {
        throw new Error('no');
      },
      denied(grant.id),
    );
    await expect(refused).rejects.toThrow('no');
    await on.audit.collect();
    expect(await storedEvents()).toEqual(['chain-began']);
  });
});

describe('npm run audit', () => {
  it('exports what is younger, as lines of the chain or as CSV', async () => {
    const { audit } = await begun();
    await audit.record(auditEntry('old', { at: Date.UTC(2026, 0, 5, 9) }));
    await audit.record(auditEntry('new', { note: '=1+1' }));
    const lines = await stored();
    expect((await cli(['export', '--since', '1h'])).out).toEqual([lines[0], lines[2]]);
    expect((await cli(['export', '--since', '2026-01-05T10:00:00+01:00'])).out).toEqual(lines);
    const csv = await cli(['export', '--since', '1h', '--format', 'csv']);
    expect(csv.out).toHaveLength(3);
    expect(csv.out[2]).toContain(",'=1+1,");
    expect(csv.err.at(-1)).toMatch(/^good/);
  });

  it('needs neither Slack nor a cluster nor a policy, and says which of its settings is wrong', async () => {
    const { code, err } = await cli(['verify'], { SEAL_KEY: 'abc', REDIS_URL: undefined });
    expect(code).toBe(2);
    expect(err.join()).toMatch(/REDIS_URL is not set.*SEAL_KEY is wrong/s);
    expect(err.join()).not.toMatch(/SLACK_BOT_TOKEN is not set/);
  });

  it.each([
    [[], /expected a subcommand: verify, export/],
    [['verfy'], /did you mean 'verify'/],
    [['verify', '--head', '12'], /--head 12: expected SEQ:MAC/],
    [['export'], /expected --since/],
    [['export', '--since', 'yesterday'], /--since yesterday: expected/],
    [['export', '--since', '1h', '--format', 'xml'], /expected jsonl or csv/],
  ])('%j is refused with exit code 2', async (args, expected) => {
    const { code, err } = await cli(args);
    expect(code).toBe(2);
    expect(err.join()).toMatch(expected);
  });

  it('says that Redis can not be reached, without its password, with exit code 3', async () => {
    await redis().kill9();
    const { code, err } = await cli(['verify'], { REDIS_URL: `redis://bot:hunter2-hunter2@127.0.0.1:${redis().port}` });
    expect(code).toBe(3);
    expect(err.join()).toContain(`127.0.0.1:${redis().port}`);
    expect(err.join()).not.toContain('hunter2');
    await redis().restart();
  }, 20_000);

  it('finds nothing where nothing is, and says so', async () => {
    expect((await cli(['verify'])).code).toBe(1);
    await begun('a');
    expect((await cli(['verify'], { INSTANCE: 'other' })).code).toBe(1);
  });
});
