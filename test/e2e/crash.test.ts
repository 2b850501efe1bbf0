import { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import { describeWithCluster } from '../support/cluster.ts';
import { type Stage, useStage } from '../support/e2e.ts';

/** Long enough that a busy machine has it active in time, short enough to wait for. */
const WINDOW = '10s';

async function active(s: Stage, line: string): Promise<string> {
  const id = await s.request(line);
  await s.press('ben', id, 'approve');
  await s.until(id, 'Active until', 40_000);
  return id;
}
const expiry = async (s: Stage, id: string): Promise<number> =>
  Date.parse(
    await s.adminKubectl([
      '-n',
      s.namespaces.staging,
      'get',
      'rolebinding',
      `drawbridge-${id}`,
      '-o',
      'jsonpath={.metadata.annotations.drawbridge\\.internal/expires-at}',
    ]),
  );

describeWithCluster('when the bot is killed', (kube) => {
  const stage = useStage(kube);

  test('and its grant expires meanwhile, all of it is gone within 5 s of the next start', async () => {
    const s = stage();
    const { staging } = s.namespaces;
    const id = await active(s, `debug ${staging}/deploy/checkout ${WINDOW} killed`);
    const [pod = ''] = await s.podsOf(staging, 'checkout');
    const bot = s.bots.get('bot');
    await bot?.kill9();
    // The lease would do it too: take it away as an administrator could, so that only the bot is left.
    await s.adminKubectl(['-n', staging, 'delete', 'job', `drawbridge-${id}`, '--cascade=orphan']);
    const end = await expiry(s, id);
    // Late enough that people are told.
    await s.slack.control.waitFor(() => Date.now() > end + 5500, { timeout: 30_000 });
    expect(await s.can('ada', 'get', `pods/${pod}`, '-n', staging)).toBe('yes');
    await bot?.restart();
    const ready = Date.now();
    await s.slack.control.waitFor(async () => (await s.can('ada', 'get', `pods/${pod}`, '-n', staging)) === 'no', {
      timeout: 10_000,
    });
    expect(Date.now() - ready).toBeLessThan(5000);
    const words = await s.until(id, 'access was confirmed gone');
    expect(await s.objectsOf(id)).toEqual([]);
    // How late it was: in the audit, as a metric, and in the message.
    const lateness = (await bot?.audit())?.find((line) => line.id === id && line.event === 'expired')?.lateness ?? 0;
    expect(lateness).toBeGreaterThan(5500);
    expect(lateness).toBeLessThan(Date.now() - end);
    expect(words).toContain(`That the rights had ended was confirmed ${Math.round(lateness / 1000)} s late.`);
    const metrics = await (await fetch(`${bot?.opsUrl}/metrics`)).text();
    const sum = 'drawbridge_revocation_lateness_seconds_sum{profile="debug",cause="expired"}';
    expect(metrics).toContain(`${sum} ${lateness / 1000}\n`);
  });

  test('and Redis loses everything, a running grant is adopted, keeps its message, and ends in time', async () => {
    const s = stage();
    const { staging } = s.namespaces;
    const id = await active(s, `debug ${staging}/deploy/checkout 20s forgotten`);
    const end = await expiry(s, id);
    const { ts } = await s.message(id);
    const bot = s.bots.get('bot');
    await bot?.kill9();
    const redis = new Redis(s.redisUrl);
    await redis.flushall();
    redis.disconnect();
    await bot?.restart();
    await s.type('ada', `status ${id}`);
    await s.toldTo('ada', 'forgotten');
    await s.until(id, 'access was confirmed gone', 30_000);
    expect((await s.message(id)).ts).toBe(ts);
    expect(Date.now()).toBeGreaterThanOrEqual(end);
    expect(Date.now() - end).toBeLessThan(5000);
    expect(await s.objectsOf(id)).toEqual([]);
    expect(await s.audited(id)).toContain('adopted');
  });

  test('two bots on one Redis make one grant of two clicks', async () => {
    const s = stage();
    const { staging } = s.namespaces;
    const second = await s.startBot({ name: 'second' });
    await s.slack.control.connected(2);
    const id = await s.request(`debug ${staging}/deploy/checkout 5m twice`);
    await Promise.all([s.press('ben', id, 'approve'), s.press('ben', id, 'approve')]);
    await s.until(id, 'Active until');
    expect((await s.audited(id)).filter((event) => event === 'active')).toHaveLength(1);
    expect((await s.objectsOf(id)).filter((name) => name.startsWith('RoleBinding'))).toHaveLength(1);
    await s.type('ada', `revoke ${id}`);
    await s.until(id, 'Revoked');
    await second.stop();
  });
});

describeWithCluster('when bot and Redis are gone for good', (kube) => {
  const stage = useStage(kube);

  test('namespace, workload and workspace grants still end at their time, also after an extension', async () => {
    const s = stage();
    const { staging } = s.namespaces;
    const [pod = ''] = await s.podsOf(staging, 'checkout');
    const extended = await active(s, `debug ${staging}/deploy/checkout 25s extended`);
    const first = await expiry(s, extended);
    await s.type('ada', `extend ${extended} 10s`);
    await s.until(extended, 'Approve extension');
    await s.press('ben', extended, 'approveExtension');
    await s.dm('ada', 'Extended until');
    const grants = {
      namespace: await active(s, `view ${staging} 15s all of it`),
      workspace: await active(s, `troubleshoot ${staging}/deploy/catalog 15s inside`),
      extended,
    };
    const ends = await Promise.all(Object.values(grants).map((id) => expiry(s, id)));
    expect(await expiry(s, extended)).toBe(first + 10_000);
    await s.bots.get('bot')?.kill9();
    await s.redis.stop();

    const last = Math.max(...ends);
    // Not early: the extended one is still there after the end that it had at first.
    await s.slack.control.waitFor(() => Date.now() > first + 2000, { timeout: 60_000 });
    if (Date.now() < last) expect(await s.can('ada', 'get', `pods/${pod}`, '-n', staging)).toBe('yes');
    await s.slack.control.waitFor(
      async () => !(await s.grantObjects()).some((name) => name.startsWith('RoleBinding')),
      {
        timeout: last - Date.now() + 20_000,
        what: 'no RoleBinding is left',
      },
    );
    expect(await s.can('ada', 'get', `pods/${pod}`, '-n', staging)).toBe('no');
    expect(await s.can('ada', 'list', 'configmaps', '-n', staging)).toBe('no');
    await s.slack.control.waitFor(
      async () => (await s.grantObjects()).every((name) => name.startsWith('NetworkPolicy')),
      { timeout: 20_000 },
    );
    // What stays is the guard: it allows nothing that its pod, which is gone, could use.
    expect((await s.grantObjects()).map((name) => name.split('/')[1])).toEqual([s.installation.workspacesNamespace]);
  });
});
