import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import type { Bot } from '../../src/sandbox/bot.ts';
import { freePort } from '../../src/sandbox/ports.ts';
import { ACCESS, PEOPLE } from '../../src/sandbox/scenery.ts';
import { describeWithCluster } from '../support/cluster.ts';
import { type Stage, textOf, useStage } from '../support/e2e.ts';
import { HOSTED, redisUser } from '../support/redis-users.ts';

/** What the bot needs of Redis, Slack and Kubernetes is named when it is missing, in front of everybody whom it concerns, and found again. */

interface Readiness {
  readonly ready: boolean;
  readonly failing: Readonly<Record<string, string>>;
  readonly degraded: Readonly<Record<string, string>>;
}

const readiness = async (bot: Bot): Promise<Readiness> =>
  (await fetch(`${bot.opsUrl}/readyz`)).json() as Promise<Readiness>;

async function untilReadiness(s: Stage, bot: Bot, fits: (now: Readiness) => boolean, what: string): Promise<void> {
  const look = async () => fits(await readiness(bot).catch(() => ({ ready: false, failing: {}, degraded: {} })));
  await s.slack.control.waitFor(look, { timeout: 30_000, what: `${bot.name}: ${what}` });
}

const metricsOf = async (bot: Bot): Promise<string> => (await fetch(`${bot.opsUrl}/metrics`)).text();

/** A grant from the request to its end. */
async function journey(s: Stage, why: string): Promise<void> {
  const { staging } = s.namespaces;
  const id = await s.request(`debug ${staging}/deploy/checkout 5m ${why}`);
  await s.press('ben', id, 'approve');
  await s.until(id, 'Active until');
  await s.type('ada', `revoke ${id}`);
  await s.until(id, 'Revoked');
}

/** The only bot from now on. */
async function onlyBot(s: Stage, name: string, redisUrl: string, waitReady = true): Promise<Bot> {
  for (const bot of s.bots.values()) await bot.stop();
  return s.startBot({ name, env: { REDIS_URL: redisUrl }, waitReady });
}

describeWithCluster('what the bot needs', (kube) => {
  const stage = useStage(kube, { bot: false });

  test('a Redis user that hosters give (+@all -@dangerous) is enough', async () => {
    const s = stage();
    const { url } = await redisUser(s.redis, HOSTED['all but what is dangerous']);
    const bot = await onlyBot(s, 'hosted', url);
    expect(await readiness(bot)).toEqual({ ready: true, failing: {}, degraded: {} });
    await journey(s, 'with a user of a hoster');
  });

  test('commands that Redis refuses are named, the bot is not ready, and goes on by itself once they are allowed', async () => {
    const s = stage();
    const user = await redisUser(s.redis, '+@all -@dangerous -evalsha -bzpopmin');
    const bot = await onlyBot(s, 'forbidden', user.url, false);
    const { pid } = bot;
    const named = ({ ready, failing }: Readiness) =>
      !ready && /may not run BZPOPMIN, EVALSHA\. Allow it: ACL SETUSER/.test(failing['redis commands'] ?? '');
    await untilReadiness(s, bot, named, 'names the commands');
    expect(await metricsOf(bot)).toContain('drawbridge_condition{condition="redis commands",severity="not ready"} 1');
    expect(await metricsOf(bot)).toMatch(/drawbridge_api_errors_total\{dependency="Redis"\} [1-9]/);
    expect((await bot.lines()).map(({ msg }) => msg)).toContain('the Redis user may not run BZPOPMIN, EVALSHA');
    await user.allow('+@all -@dangerous');
    await untilReadiness(s, bot, ({ ready }) => ready, 'is ready again');
    await journey(s, 'after all was allowed');
    expect(bot.pid).toBe(pid);
    await s.dm('dee', 'Mended: it is no longer so that the Redis user may not run BZPOPMIN, EVALSHA');
  });

  test('a channel without the bot: ready, but a request is refused by name, until it is there', async () => {
    const s = stage();
    const bot = await onlyBot(s, 'channelless', s.redisUrl);
    const { directory } = s.slack.control;
    const members = directory.members(ACCESS) ?? [];
    const me = (await s.slack.control.messages(ACCESS)).find(({ user }) => user !== undefined)?.user;
    directory.setMembers(
      ACCESS,
      members.filter((id) => id !== me),
    );
    await bot.restart();
    const missing = ({ ready, degraded }: Readiness) =>
      ready && /not in the approvals channel/.test(degraded['slack channel'] ?? '');
    await untilReadiness(s, bot, missing, 'misses the channel');
    await s.dm('dee', /the bot is not in the approvals channel.*Invite it there/);
    await s.type('ada', `request debug ${s.namespaces.staging}/deploy/checkout 5m nobody would be asked`);
    await s.toldTo('ada', /Nothing is granted now, since the bot is not in the approvals channel/);
    directory.setMembers(ACCESS, members);
    await s.changePolicy((policy) => {
      policy.approvals.timeout = '59m';
    });
    await untilReadiness(s, bot, ({ degraded }) => degraded['slack channel'] === undefined, 'finds the channel');
    await journey(s, 'the channel is there again');
  });

  test('a channel that is archived: administrators and the requester hear at once, and it is named until it is mended', async () => {
    const s = stage();
    const bot = [...s.bots.values()].at(-1);
    if (bot === undefined) throw new Error('no bot');
    const { directory } = s.slack.control;
    const heard = async (person: 'ada' | 'dee', text: RegExp) =>
      (await s.slack.control.dms(PEOPLE[person].id)).filter((message) => text.test(textOf(message))).length;
    const alarm = /can't be posted in .*is_archived.*approvals\.channel/s;
    expect([await heard('dee', alarm), await heard('ada', /Nobody could be asked/)]).toEqual([0, 0]);
    directory.setArchived(ACCESS, true);
    await s.type('ada', `request debug ${s.namespaces.staging}/deploy/checkout 5m the channel is archived`);
    await s.dm('dee', alarm, 10_000);
    await s.dm('ada', 'Nobody could be asked yet', 10_000);
    const missing = ({ ready, degraded }: Readiness) => ready && /is archived/.test(degraded['slack channel'] ?? '');
    await untilReadiness(s, bot, missing, 'names the archived channel');
    await s.type('ada', `request debug ${s.namespaces.staging}/deploy/checkout 5m asked again`);
    await s.toldTo('ada', /Nothing is granted now, since the approvals channel \S+ is archived/);
    directory.setArchived(ACCESS, false);
    await s.changePolicy((policy) => {
      policy.approvals.timeout = '58m';
    });
    await untilReadiness(s, bot, ({ degraded }) => degraded['slack channel'] === undefined, 'finds the channel');
    await s.dm('dee', 'Mended: it is no longer so that the approvals channel');
    await journey(s, 'the channel is open again');
    expect(await heard('dee', alarm)).toBe(1);
  });

  test('a policy file that breaks is told to administrators once, and that it is good again', async () => {
    const s = stage();
    const bot = [...s.bots.values()].at(-1);
    if (bot === undefined) throw new Error('no bot');
    const good = await readFile(s.policyFile, 'utf8');
    const told = async (words: string) =>
      (await s.slack.control.dms(PEOPLE.dee.id)).filter((message) => textOf(message).includes(words)).length;
    const BAD = 'the policy file is bad';
    for (const times of [1, 2]) {
      await writeFile(s.policyFile, `${good}\nprofile: {}\n`);
      await s.slack.control.waitFor(async () => (await told('unknown key')) === times, {
        timeout: 20_000,
        what: `administrators are told ${times} times`,
      });
      const { ready, degraded } = await readiness(bot);
      expect({ ready, degraded }).toEqual({
        ready: true,
        degraded: { 'policy file': expect.stringContaining(BAD) as string },
      });
      expect(JSON.stringify(degraded)).not.toContain('unknown key');
      await writeFile(s.policyFile, good);
      await s.slack.control.waitFor(async () => (await told(`no longer so that ${BAD}`)) === times, {
        timeout: 20_000,
        what: `administrators are told ${times} times that it is good again`,
      });
    }
    expect((await readiness(bot)).degraded).toEqual({});
  });

  /** The bot starts again while Slack refuses a token, and is ready by itself once it is taken. */
  async function startRefused(
    bot: Bot,
    method: string,
    need: string,
    lacks: string,
    meanwhile: () => Promise<unknown> = async () => {},
  ) {
    const s = stage();
    s.slack.faults.next({ kind: 'error', error: 'invalid_auth' }, { method, times: 10_000 });
    await bot.restart({ waitReady: false });
    const { pid } = bot;
    const named = ({ ready, failing }: Readiness) => !ready && failing[need]?.startsWith(lacks) === true;
    await untilReadiness(s, bot, named, 'names the token');
    expect((await readiness(bot)).failing[need]).toContain('start Drawbridge with');
    await meanwhile();
    expect(await readiness(bot)).toMatchObject({ ready: false });
    s.slack.faults.clear();
    await untilReadiness(s, bot, ({ ready }) => ready, 'is ready once the token is taken');
    await journey(s, 'the token is taken again');
    expect(bot.pid).toBe(pid);
  }

  test('a bot token that Slack refuses at the start is named, and grants are ended on time', async () => {
    const s = stage();
    const bot = await onlyBot(s, 'refused bot token', s.redisUrl);
    const id = await s.request(`debug ${s.namespaces.staging}/deploy/checkout 13s while a token is refused`);
    await s.press('ben', id, 'approve');
    await s.until(id, 'Active until');
    await startRefused(bot, 'auth.test', 'slack token', 'Slack refuses SLACK_BOT_TOKEN: invalid_auth', () =>
      s.slack.control.waitFor(async () => (await s.objectsOf(id)).length === 0, { timeout: 40_000, what: 'the end' }),
    );
  });

  test('an app token that Slack refuses at the start is named', async () => {
    const bot = await onlyBot(stage(), 'refused app token', stage().redisUrl);
    const lacks = 'Slack refuses SLACK_APP_TOKEN: invalid_auth';
    await startRefused(bot, 'apps.connections.open', 'slack connection', lacks);
  });

  test('rights to end grants that are missing in Kubernetes are named, and it is not ready until they are there', async () => {
    const s = stage();
    const bot = [...s.bots.values()].at(-1);
    if (bot === undefined) throw new Error('no bot');
    const role = `clusterrole/${s.installation.serviceAccount}`;
    const path = async () => {
      const { rules } = JSON.parse(await s.adminKubectl(['get', role, '-o', 'json'])) as {
        rules: { resources: string[] }[];
      };
      return `/rules/${rules.findIndex(({ resources }) => resources.includes('rolebindings'))}/verbs`;
    };
    const verbs = async (value: string[]) =>
      s.adminKubectl([
        'patch',
        role,
        '--type=json',
        '-p',
        JSON.stringify([{ op: 'replace', path: await path(), value }]),
      ]);
    await verbs(['get', 'list', 'watch']);
    await bot.restart({ waitReady: false });
    const named = ({ ready, failing }: Readiness) =>
      !ready && /may not delete on roles, delete on rolebindings/.test(failing['kubernetes rights'] ?? '');
    await untilReadiness(s, bot, named, 'names the rights');
    await verbs(['get', 'list', 'watch', 'delete']);
    await untilReadiness(s, bot, ({ ready }) => ready, 'is ready again');
  });

  describe('the check of an installation', () => {
    /** Runs it as `npm run check-installation` and the chart's `helm test` do. */
    const check = (s: Stage, settings: Record<string, string | undefined> = {}) =>
      new Promise<{ code: number; failed: string[]; ok: string[]; said: string }>((done) => {
        const env = { PATH: process.env['PATH'], ...s.settings, ...settings };
        execFile(process.execPath, ['src/cli/check-installation.ts'], { env }, (error, stdout, stderr) => {
          const beginning = (word: string) =>
            stdout.split('\n').flatMap((line) => (line.startsWith(word) ? [line.slice(word.length).trim()] : []));
          const code = error === null ? 0 : Number(error.code);
          done({ code, failed: beginning('FAILED'), ok: beginning('ok'), said: stdout + stderr });
        });
      });
    const OF_POLICY = ['admission webhooks', 'canary', 'kubernetes rights', 'kubernetes watch', 'leash', 'profiles'];
    const OF_SLACK = [
      'slack channel',
      'slack channels of profiles',
      'slack connection',
      'slack lists',
      'slack scopes',
      'slack token',
    ];
    const ALL = ['clock', 'kubernetes', 'policy file', 'redis', 'redis commands', ...OF_POLICY, ...OF_SLACK].toSorted();

    test('says of everything that it is there, needs no bot, and leaves nothing', async () => {
      const s = stage();
      for (const bot of s.bots.values()) await bot.stop();
      const before = (await s.slack.control.messages(ACCESS)).length;
      const { code, failed, ok } = await check(s);
      expect({ code, failed, ok: ok.toSorted() }).toEqual({ code: 0, failed: [], ok: ALL });
      expect(await s.slack.control.messages(ACCESS)).toHaveLength(before);
      expect(await s.grantObjects()).toEqual([]);
    });

    test('names what Redis and Slack refuse, what to do, and no secret', async () => {
      const s = stage();
      const { url } = await redisUser(s.redis, '+@all -@dangerous -evalsha');
      for (const method of ['auth.test', 'apps.connections.open'])
        s.slack.faults.next({ kind: 'error', error: 'invalid_auth' }, { method, times: 10 });
      const { code, failed, ok, said } = await check(s, { REDIS_URL: url });
      s.slack.faults.clear();
      expect(code).toBe(1);
      expect(failed).toEqual([
        expect.stringMatching(/^redis commands: the Redis user may not run EVALSHA\. Allow it: ACL SETUSER/),
        expect.stringMatching(/^slack token: Slack refuses SLACK_BOT_TOKEN: invalid_auth\. Install/),
        expect.stringMatching(/^slack connection: Slack refuses SLACK_APP_TOKEN: invalid_auth\. Make/),
      ]);
      expect(ok).toHaveLength(ALL.length - failed.length);
      for (const secret of [new URL(url).password, s.settings['SLACK_BOT_TOKEN'], s.settings['SEAL_KEY']])
        expect(said).not.toContain(secret);
    });

    test('finds a leash that does not hold, and a canary that does not run', async () => {
      const s = stage();
      const scale = (replicas: number) =>
        s.adminKubectl([
          'scale',
          'deployment',
          '-n',
          s.installation.workspacesNamespace,
          '-l',
          'app.kubernetes.io/component=canary',
          `--replicas=${replicas}`,
        ]);
      await scale(0);
      // Whom the policies do not know is not held by them: as if the name of the account were wrong.
      const { code, failed } = await check(s, { KUBECONFIG: kube.adminKubeconfig });
      await scale(1);
      expect(code).toBe(1);
      expect(failed).toEqual([
        expect.stringMatching(
          /^leash: .*lets it write a RoleBinding that the policy \*-leash-rolebindings must refuse/,
        ),
        expect.stringMatching(/^canary: no canary is Ready in /),
      ]);
    });

    test('goes on with the rest where Redis and the API server are away', async () => {
      const s = stage();
      const kubeconfig = (await readFile(s.settings['KUBECONFIG'] ?? '', 'utf8')).replace(
        /https:\/\/127\.0\.0\.1:\d+/,
        `https://127.0.0.1:${await freePort()}`,
      );
      await writeFile(`${s.dir}/nowhere.kubeconfig`, kubeconfig, { mode: 0o600 });
      const away = { REDIS_URL: `redis://127.0.0.1:${await freePort()}`, KUBECONFIG: `${s.dir}/nowhere.kubeconfig` };
      const { code, failed, ok } = await check(s, away);
      expect({ code, ok: ok.toSorted() }).toEqual({ code: 1, ok: ['policy file', ...OF_SLACK] });
      expect(failed.map((line) => line.split(':')[0])).toEqual(['redis', 'kubernetes']);
    });

    test('names a policy that can not be used, and settings that are missing', async () => {
      const s = stage();
      const unread = await check(s, { POLICY_FILE: '/nowhere/policy.yaml' });
      expect(unread).toMatchObject({ code: 1, ok: ['redis', 'kubernetes', 'redis commands', 'clock'] });
      expect(unread.failed).toEqual([expect.stringMatching(/^policy file: .*\/nowhere\/policy\.yaml/)]);
      const unset = await check(s, { REDIS_URL: undefined });
      expect(unset).toMatchObject({ code: 2, ok: [], said: expect.stringContaining('REDIS_URL') as string });
    });
  });
});
