import { readFile } from 'node:fs/promises';
import { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import { runAuditCli } from '../../src/cli/audit.ts';
import type { Bot } from '../../src/sandbox/bot.ts';
import { ACCESS, PEOPLE } from '../../src/sandbox/scenery.ts';
import { describeWithCluster } from '../support/cluster.ts';
import { type Stage, textOf, useStage } from '../support/e2e.ts';

/** Redis says no, under a bot that runs: people are told so, nothing is half done, and what is open ends. */

const REFUSED = 'Redis does not answer as it should, so nothing was requested or changed. Try again in a minute.';

async function admin(s: Stage, ...command: [string, ...string[]]): Promise<unknown> {
  const redis = new Redis(s.redisUrl);
  try {
    return await redis.call(...command);
  } finally {
    redis.disconnect();
  }
}

interface Fault {
  readonly name: string;
  readonly begin: (s: Stage) => Promise<unknown>;
  readonly end: (s: Stage) => Promise<unknown>;
}
const FAULTS: readonly Fault[] = [
  {
    name: 'is down',
    begin: (s) => s.redis.kill9(),
    end: (s) => s.redis.restart(),
  },
  {
    name: 'is read-only (a replica whose master is gone)',
    begin: (s) => admin(s, 'REPLICAOF', '127.0.0.1', '1'),
    end: (s) => admin(s, 'REPLICAOF', 'NO', 'ONE'),
  },
  {
    name: 'takes no writes for want of replicas',
    begin: (s) => admin(s, 'CONFIG', 'SET', 'min-replicas-to-write', '1'),
    end: (s) => admin(s, 'CONFIG', 'SET', 'min-replicas-to-write', '0'),
  },
  {
    name: 'is out of memory',
    begin: (s) => admin(s, 'CONFIG', 'SET', 'maxmemory', '1'),
    end: (s) => admin(s, 'CONFIG', 'SET', 'maxmemory', '0'),
  },
];

/** Seconds of processor time that a process has used. */
async function processorTime({ pid }: Bot): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** What a Redis may lose that says yes to everything. */
const RISKS = [
  /may evict what it stores .*grants and their revocations.*noeviction/,
  /keeps nothing on disk.*forgets all grants and revocations.*appendonly yes/,
];

describeWithCluster('when Redis', (kube) => {
  const stage = useStage(kube, { redis: { appendfsync: 'always' } });

  test.each(FAULTS)('$name, nothing is requested or granted, and what is open ends', async ({ name, begin, end }) => {
    const s = stage();
    const { staging } = s.namespaces;
    const bot = s.bots.get('bot');
    if (bot === undefined) throw new Error('no bot');
    const { pid } = bot;
    const [pod = ''] = await s.podsOf(staging, 'checkout');
    const can = () => s.can('ada', 'get', `pods/${pod}`, '-n', staging);
    const waiting = await s.request(`debug ${staging}/deploy/checkout 5m not approved: Redis ${name}`);
    const id = await s.request(`debug ${staging}/deploy/checkout 10s approved: Redis ${name}`);
    await s.press('ben', id, 'approve');
    await s.until(id, 'Active until');
    const path = '-o=jsonpath={.metadata.annotations.drawbridge\\.internal/expires-at}';
    const due = Date.parse(await s.adminKubectl(['-n', staging, 'get', 'rolebinding', `drawbridge-${id}`, path]));
    const before = { lines: (await bot.lines()).length, used: await processorTime(bot), at: Date.now() };
    const objects = await s.grantObjects();
    const told = async (person: 'ada' | 'ben') =>
      (await s.slack.control.ephemerals(PEOPLE[person].id)).filter((message) => textOf(message).includes(REFUSED))
        .length;
    const refused = { ada: await told('ada'), ben: await told('ben') };
    await begin(s);
    try {
      await s.type('ada', `request debug ${staging}/deploy/checkout 5m asked while Redis ${name}`);
      await s.press('ben', waiting, 'approve');
      for (const person of ['ada', 'ben'] as const)
        await s.slack.control.waitFor(async () => (await told(person)) > refused[person], {
          timeout: 10_000,
          what: `${person} is told that nothing was done`,
        });
      expect(await s.grantObjects()).toEqual(objects);
      expect(await s.words(waiting)).toContain('Access requested');

      await s.slack.control.waitFor(async () => (await can()) === 'no', { timeout: 40_000, what: 'its lease ends it' });
      expect(Date.now() - due).toBeGreaterThan(0);
      expect(Date.now() - due).toBeLessThan(6000);
      const seconds = (Date.now() - before.at) / 1000;
      expect((await processorTime(bot)) - before.used).toBeLessThan(seconds / 4);
      expect((await bot.lines()).length - before.lines).toBeLessThan(40);
    } finally {
      await end(s);
    }
    const words = await s.until(id, 'access was confirmed gone', 20_000);
    expect(words).not.toContain('The rights ended');
    expect(bot.pid).toBe(pid);
    await s.press('ben', waiting, 'approve');
    await s.until(waiting, 'Active until');
    await s.type('ada', `revoke ${waiting}`);
    await s.until(waiting, 'Revoked');
    const opening = ['requested', 'approval', 'applying', 'active', 'ending'];
    expect(await s.audited(id)).toEqual([...opening, 'expired']);
    expect(await s.audited(waiting)).toEqual([...opening, 'revoked']);
    const all = (await s.slack.control.messages(ACCESS)).map(textOf).join();
    expect(all).not.toContain('asked while');
    expect(await s.grantObjects()).toEqual([]);
    const said: string[] = [];
    const out = { print: (text: string) => said.push(text), complain: (text: string) => said.push(text) };
    expect(await runAuditCli(['verify'], out, s.settings), said.join()).toBe(0);
  });

  test('may lose what it stores, the start of the bot says what is at risk', async () => {
    const s = stage();
    const warnings = async (bot: Bot | undefined) =>
      ((await bot?.lines()) ?? [])
        .map(({ msg }) => String(msg))
        .filter((text) => RISKS.some((risk) => risk.test(text)));
    expect(await warnings(s.bots.get('bot'))).toEqual([]);
    await admin(s, 'CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru');
    await admin(s, 'CONFIG', 'SET', 'appendonly', 'no');
    const warned = await s.startBot({ name: 'warned' });
    expect(await warnings(warned)).toEqual(RISKS.map((risk) => expect.stringMatching(risk) as string));
  });
});
