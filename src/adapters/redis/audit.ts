import { randomBytes } from 'node:crypto';
import type { Audit, AuditEntry } from '../../app/ports/audit.ts';
import { type AuditChain, formatHead, type Head } from '../../domain/audit/chain.ts';
import { type Appended, appendLines, auditKeys, readLines, type StoredLine, storedLine } from './audit-stream.ts';
import type { RedisClient, RedisLog } from './connection.ts';

/** Entries that go to Redis in one step. */
const BATCH = 100;
/** Entries that are kept in memory while Redis is away; what comes then is on stdout only. */
const MOST_WAITING = 10_000;
const RETRY_MS = 1000;
/** Who loses this often against others meets a fault, not a crowd. */
const MOST_TRIES = 200;
/** How far back the last sound entry is looked for when the newest ones are not. */
const LOOK_BACK = 1000;

/** An entry as it is printed and stored, but for its place in the chain. */
export interface AuditLine extends Omit<AuditEntry, 'at'> {
  /** What tells this entry from every other: one that was printed before it was chained is printed again, with the same. */
  readonly entry: string;
  /** RFC 3339, UTC. */
  readonly at: string;
}

/** An entry that is to be stored together with what it tells of. */
export interface Prepared {
  /** Where it waits in the outbox, and what waits there: for the script that makes the change. */
  readonly name: string;
  readonly value: string;
  /** After the change was made: gives the entry its place in the chain. Never throws. */
  settle(): Promise<void>;
}

export interface ChainedAudit extends Audit {
  prepare(entry: AuditEntry): Prepared;
  /** Begins the chain where there is none. Call it once, before all else. */
  start(): Promise<void>;
  /** Chains what processes that died left in the outbox. */
  collect(): Promise<void>;
  /** Holds what was appended since the last look against the chain, and prints its head. */
  look(): Promise<void>;
  /** Gives what waits a last chance. */
  close(): Promise<void>;
}

export interface AuditWatcher {
  /** An entry was said for the first time. */
  said(entry: AuditLine, how: 'chained' | 'unchained'): void;
  /** An entry is on stdout only, for good. */
  lost(count: number): void;
  /** The audit in Redis is not whole: a sentence for administrators. */
  broken(what: string): void;
}

interface Waiting {
  readonly fields: AuditLine;
  /** Nobody has appended it before this entry of the stream; empty: not known. */
  readonly since: string;
  /** Made by this process; else found in the outbox. */
  readonly own: boolean;
  outboxed: boolean;
  /** It may be in the chain already: an attempt ended without an answer, or another took it from the outbox. */
  uncertain: 'no' | 'no answer' | 'taken';
  said: boolean;
  resolve(): void;
}

/** The end of the stream: the id of its last entry (empty: there is none), and the last sound line. */
interface End {
  readonly id: string;
  readonly head: Head | null;
}

/**
 * The audit: a chain of lines in a Redis stream, each of them also one line on stdout (`write`). Appending is a compare-and-set on the end
 * of the stream, since the key never leaves the process. While Redis is away, lines are printed at once with `"chained":false`, and wait
 * in memory for their place.
 */
export function createAudit(options: {
  readonly redis: RedisClient;
  readonly instance: string;
  readonly chain: AuditChain;
  readonly write: (line: string) => void;
  readonly log: RedisLog;
  readonly now?: () => number;
  readonly watcher?: Partial<AuditWatcher>;
}): ChainedAudit {
  const { redis, chain, log, now = Date.now, watcher = {} } = options;
  const keys = auditKeys(options.instance);
  const waiting: Waiting[] = [];
  let end: End | null = null;
  let draining = false;
  let away = false;
  let retry: NodeJS.Timeout | undefined;
  let lost = { count: 0, from: '' };
  /** The id of the last end that was known; empty: none was. */
  let knownId = '';
  /** The last head that was known, and the one before it if that went away: neither may leave the chain unseen. */
  let known: Head | null = null;
  let replaced: Head | null = null;
  /** Up to here the chain was looked at entry by entry. */
  let seen: (Head & { id: string }) | null = null;
  const forgeries = new Set<string>();

  const fieldsOf = ({ at, ...rest }: AuditEntry): AuditLine => ({
    entry: randomBytes(12).toString('base64url'),
    at: new Date(at).toISOString(),
    ...rest,
  });
  const print = (line: string) => {
    try {
      options.write(`${line}\n`);
    } catch (error) {
      log.error({ err: error }, 'an audit entry could not be printed');
    }
  };
  const broken = (what: string) => {
    log.error({ what }, 'the audit in Redis is not whole');
    watcher.broken?.(what);
  };

  const breakOff = (what: string) =>
    broken(
      `The audit chain in Redis is broken: ${what}. Redis lost data, or somebody changed it; \`npm run audit -- verify\` says more, and stdout has every entry.`,
    );

  function sayUnchained(item: Waiting): void {
    if (!item.said) {
      print(JSON.stringify({ audit: 1, ...item.fields, chained: false }));
      watcher.said?.(item.fields, 'unchained');
    }
    item.said = true;
    item.resolve();
  }

  function sayChained(item: Waiting, line: string): void {
    print(line);
    if (!item.said) watcher.said?.(item.fields, 'chained');
    item.said = true;
  }

  async function enqueue(item: Omit<Waiting, 'uncertain' | 'said' | 'resolve'>): Promise<void> {
    await new Promise<void>((resolve) => {
      const full: Waiting = { ...item, uncertain: 'no', said: false, resolve };
      if (waiting.length >= MOST_WAITING) {
        sayUnchained(full);
        // What is in the outbox too is found there later.
        if (item.outboxed) return;
        lost = { count: lost.count + 1, from: lost.from === '' ? item.fields.at : lost.from };
        watcher.lost?.(1);
        return;
      }
      waiting.push(full);
      void drain();
    });
  }

  const own = (event: string, note: string): Waiting => ({
    fields: fieldsOf({ at: now(), event, id: null, actor: null, note }),
    since: knownId,
    own: true,
    outboxed: false,
    uncertain: 'no',
    said: false,
    resolve: () => {},
  });

  /**
   * What this process has stored it may find in the outbox as well, while it waits: then the entry waits twice, and one step would append both,
   * since both are in the outbox until it is done. The other one waits for the next step, which finds it gone from there.
   */
  function nextBatch(): Waiting[] {
    const batch = new Map<string, Waiting>();
    for (const item of waiting) {
      const { entry } = item.fields;
      if (item.own || !batch.has(entry)) batch.set(entry, item);
      if (batch.size === BATCH) break;
    }
    return [...batch.values()];
  }

  /** Appends what waits, in order, until nothing does or Redis fails. */
  async function drain(): Promise<void> {
    if (draining) return;
    draining = true;
    clearTimeout(retry);
    try {
      while (waiting.length > 0) {
        await append(nextBatch());
        if (away) log.info({}, 'audit entries are chained again');
        away = false;
        if (lost.count > 0 && waiting.length < MOST_WAITING) {
          const { count, from } = lost;
          lost = { count: 0, from: '' };
          const what = `${count} entries since ${from} are on stdout only: Redis was away too long`;
          waiting.push(own('audit-lost', what));
          broken(`The audit in Redis is not whole: ${what}. Keep that stdout.`);
        }
      }
    } catch (error) {
      end = null;
      if (!away) log.error({ err: error }, 'audit entries can not be chained: they are printed, and wait');
      away = true;
      for (const item of waiting) sayUnchained(item);
      retry = setTimeout(() => void drain(), RETRY_MS);
      retry.unref();
    } finally {
      draining = false;
    }
  }

  /** Takes those that have their place off the list; answers the others. */
  function done(items: readonly Waiting[], isDone: (item: Waiting) => boolean): Waiting[] {
    const gone = new Set(items.filter(isDone));
    for (const item of gone) item.resolve();
    waiting.splice(0, waiting.length, ...waiting.filter((item) => !gone.has(item)));
    return items.filter((item) => !gone.has(item));
  }

  /** Gives these entries their places; those that have one already keep it. @throws when Redis fails: then nothing is known of any */
  async function append(batch: readonly Waiting[]): Promise<void> {
    let rest = [...batch];
    for (let attempt = 0; attempt < MOST_TRIES; attempt++) {
      let at = end ?? reach(await readEnd());
      const unsure = rest.filter((item) => item.uncertain !== 'no');
      if (unsure.length > 0) {
        const places = await placesOf(unsure);
        if (places.end !== null) at = reach(places.end);
        for (const [item, line] of places.found) sayChained(item, line);
        rest = done(rest, (item) => places.found.has(item));
        for (const item of rest.filter(({ uncertain }) => uncertain === 'taken')) {
          log.error(
            { entry: item.fields.entry },
            'an audit entry was taken out of the outbox, and is not in the chain',
          );
          item.outboxed = false;
          item.uncertain = 'no answer';
        }
      }
      const signed = signAll(at.head, at.head === null ? [own('chain-began', beginning()), ...rest] : rest);
      const head = signed.at(-1)?.head;
      if (head === undefined) return;
      let answer: Appended;
      try {
        const lines = signed.map(({ item, line }) => ({ outboxed: item.outboxed ? item.fields.entry : '', line }));
        answer = await appendLines(redis, keys, at.id, lines);
      } catch (error) {
        for (const item of rest) if (item.own) item.uncertain = 'no answer';
        throw error;
      }
      if (answer.kind === 'done') {
        reach({ id: answer.id, head });
        for (const { item, line } of signed) sayChained(item, line);
        done(rest, () => true);
        return;
      }
      if (answer.kind === 'moved') end = null;
      else {
        const taken = new Set(answer.names);
        for (const item of rest) if (item.own && taken.has(item.fields.entry)) item.uncertain = 'taken';
        // Left by a process that died, and chained by another one meanwhile.
        rest = done(rest, (item) => !item.own && taken.has(item.fields.entry));
      }
    }
    throw new Error(`others appended ${MOST_TRIES} times in a row`);
  }

  function signAll(after: Head | null, items: readonly Waiting[]): { item: Waiting; line: string; head: Head }[] {
    let last = after;
    return items.map((item) => {
      const signed = chain.sign(item.fields, last);
      last = signed.head;
      return { item, ...signed };
    });
  }

  function beginning(): string {
    const before = known ?? replaced;
    return before === null
      ? 'no entry was there'
      : `no entry was there; this process knew the head ${formatHead(before)}`;
  }

  /** The end of the stream is known anew. Where it is behind what was known, entries have gone. */
  function reach(next: End): End {
    const before = known;
    const { head } = next;
    end = next;
    knownId = next.id;
    known = head;
    if (
      before !== null &&
      (head === null || head.seq < before.seq || (head.seq === before.seq && head.mac !== before.mac))
    ) {
      replaced = before;
      breakOff(`it ends at seq ${head?.seq ?? 0}, and had seq ${before.seq}`);
    }
    return next;
  }

  const headOf = ({ line }: StoredLine): Head | null => {
    const reading = chain.read(line);
    return reading.sound ? { seq: reading.link.seq, mac: reading.link.mac } : null;
  };

  const newestLines = async (count: number) =>
    (await redis.xrevrange(keys.stream, '+', '-', 'COUNT', count)).map(storedLine);

  /** What stands after the last sound line is passed over: the chain goes on from there, and whoever verifies it finds the rest. */
  async function readEnd(): Promise<End> {
    for (const count of [1, LOOK_BACK]) {
      const newest = await newestLines(count);
      const id = newest[0]?.id ?? '';
      const head = newest.map(headOf).find((found) => found !== null) ?? null;
      if (head !== null || id === '') return { id, head };
      if (count === LOOK_BACK) return { id, head: null };
    }
    return { id: '', head: null };
  }

  /** Which of these entries are in the chain by now, as which line, and where it ended then (null: nothing new was there). */
  async function placesOf(items: readonly Waiting[]): Promise<{ found: Map<Waiting, string>; end: End | null }> {
    const [since = ''] = items.map((item) => item.since).toSorted(byId);
    const wanted = new Map(items.map((item) => [item.fields.entry, item]));
    const found = new Map<Waiting, string>();
    let last = null as End | null;
    for await (const stored of readLines(redis, keys.stream, since)) {
      const reading = chain.read(stored.line);
      const item = reading.sound ? wanted.get(reading.link.entry) : undefined;
      if (item !== undefined) found.set(item, stored.line);
      last = { id: stored.id, head: reading.sound ? reading.link : (last?.head ?? null) };
    }
    return { found, end: last === null || last.head === null ? null : last };
  }

  return {
    record: (entry) => enqueue({ fields: fieldsOf(entry), since: knownId, own: true, outboxed: false }),

    prepare(entry) {
      const item = { fields: fieldsOf(entry), since: knownId, own: true, outboxed: true };
      const name = item.fields.entry;
      return { name, value: chain.wrap(name, JSON.stringify(item.fields)), settle: () => enqueue(item) };
    },

    async start() {
      await append([]);
      const [newest] = await newestLines(1);
      const reading = newest === undefined ? null : chain.read(newest.line);
      // So the old key is needed for what is old only, never to go on.
      if (reading?.sound === true && reading.link.key !== chain.keyId)
        await append([own('audit-key-changed', `from ${reading.link.key} to ${chain.keyId}`)]);
    },

    async collect() {
      const here = new Set(waiting.map((item) => item.fields.entry));
      const left: AuditLine[] = [];
      for (const [name, value] of Object.entries(await redis.hgetall(keys.outbox))) {
        if (here.has(name) || forgeries.has(name)) continue;
        const text = chain.unwrap(name, value);
        if (text !== null) left.push(JSON.parse(text) as AuditLine);
        else {
          forgeries.add(name);
          broken('Somebody else than Drawbridge wrote into the outbox of the audit in Redis; it is not taken over.');
        }
      }
      left.sort((a, b) => a.at.localeCompare(b.at));
      await Promise.all(left.map((fields) => enqueue({ fields, since: '', own: false, outboxed: true })));
    },

    async look() {
      const expected = known;
      const wrong: string[] = [];
      let from = seen;
      let start = from?.id ?? '';
      const [newest] = await newestLines(1);
      const [still] = from === null ? [newest] : (await redis.xrange(keys.stream, from.id, from.id)).map(storedLine);
      const head = still === undefined ? null : headOf(still);
      if (from !== null && head?.mac !== from.mac) {
        wrong.push(`seq ${from.seq} is not there any more`);
        from = null;
        start = '';
      } else if (from === null && newest !== undefined) {
        // The first look begins with the newest entry: what is older, `verify` holds against the keys of its time.
        if (head === null) wrong.push('its newest entry is none of ours');
        else from = { ...head, id: newest.id };
        start = newest.id;
      }
      for await (const stored of readLines(redis, keys.stream, start)) {
        const reading = chain.read(stored.line);
        if (!reading.sound) {
          wrong.push(`an entry after seq ${from?.seq ?? 0} ${reading.problem}`);
          continue;
        }
        const { seq, mac, prev } = reading.link;
        if (from !== null && (seq !== from.seq + 1 || prev !== from.mac))
          wrong.push(`seq ${seq} does not follow seq ${from.seq}`);
        if (expected?.seq === seq && expected.mac !== mac) wrong.push(`seq ${seq} is another entry`);
        from = { seq, mac, id: stored.id };
      }
      if (expected !== null && expected.seq > (from?.seq ?? 0)) wrong.push(`seq ${expected.seq} is not there any more`);
      seen = from;
      if (wrong[0] !== undefined) breakOff(wrong[0]);
      if (from !== null)
        print(
          JSON.stringify({
            auditHead: formatHead(from),
            at: new Date(now()).toISOString(),
            instance: options.instance,
          }),
        );
    },

    async close() {
      clearTimeout(retry);
      if (waiting.length > 0) await drain();
      clearTimeout(retry);
      if (waiting.length > 0) log.error({ count: waiting.length }, 'audit entries were printed, but never chained');
    },
  };
}

/** The order of ids of a stream; the empty one, which is before all, comes first. */
function byId(a: string, b: string): number {
  const [aTime = 0, aNumber = 0] = a.split('-').map(Number);
  const [bTime = 0, bNumber = 0] = b.split('-').map(Number);
  return aTime - bTime || aNumber - bNumber;
}
