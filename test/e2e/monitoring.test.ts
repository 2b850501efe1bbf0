import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { auditKeys } from '../../src/adapters/redis/audit-stream.ts';
import { keyPrefix } from '../../src/adapters/redis/connection.ts';
import type { Bot } from '../../src/sandbox/bot.ts';
import { renderChart } from '../../src/sandbox/chart.ts';
import { readKubeconfig, writeKubeconfig } from '../../src/sandbox/cluster/kubeconfig.ts';
import { type ApiProxy, startApiProxy } from '../chaos/api-proxy.ts';
import { exampleValues } from '../support/chart.ts';
import { describeWithCluster, type TestCluster } from '../support/cluster.ts';
import { queriesOf, readDashboard } from '../support/dashboard.ts';
import { useStage } from '../support/e2e.ts';
import { type Firing, findPrometheus, type Prometheus, startPrometheus } from '../support/prometheus.ts';

/**
 * The chart's alerts, fired by the faults that they are for: a real Prometheus scrapes a real bot. Only how long a fault must last (`for`) is
 * shortened, and an entry of the audit made older than it is.
 */

const JOB = 'drawbridge/drawbridge';
const programs = await findPrometheus();

async function rules(): Promise<unknown> {
  const objects = await renderChart(exampleValues({}, { 'monitoring.rules.enabled': true }));
  const { spec } = objects.find(({ kind }) => kind === 'PrometheusRule') as unknown as {
    spec: { groups: { name: string; rules: object[] }[] };
  };
  return {
    groups: spec.groups.map((group) => ({ ...group, rules: group.rules.map((rule) => ({ ...rule, for: '0s' })) })),
  };
}

const urlOf = (server: Server): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

const suite = (kube: TestCluster) => {
  const stage = useStage(kube, { bot: false });
  let proxy: ApiProxy;
  let bot: Bot;
  let prometheus: Prometheus;
  let redis: Redis;
  let receiver: Server;
  let receives = true;

  beforeAll(async () => {
    const s = stage();
    proxy = await startApiProxy(kube.url, join(kube.dir, 'pki'));
    const { server, credentials } = await readKubeconfig(s.settings['KUBECONFIG'] ?? '');
    const kubeconfig = join(s.dir, 'proxied.kubeconfig');
    await writeKubeconfig(kubeconfig, { ...server, url: proxy.url }, credentials);
    receiver = createServer((_request, response) => void response.writeHead(receives ? 200 : 503).end());
    receiver.listen(0, '127.0.0.1');
    await once(receiver, 'listening');
    bot = await s.startBot({ env: { KUBECONFIG: kubeconfig, AUDIT_WEBHOOK_URL: urlOf(receiver) } });
    redis = new Redis(s.redisUrl, { maxRetriesPerRequest: null });
    redis.on('error', () => undefined);
    prometheus = await startPrometheus({
      program: programs?.prometheus ?? '',
      target: new URL(bot.opsUrl).host,
      labels: { job: JOB, pod: 'drawbridge-0' },
      rules: await rules(),
    });
  }, 120_000);
  afterAll(async () => {
    await prometheus?.stop();
    redis?.disconnect();
    receiver?.close();
    await proxy?.stop();
  });

  const until = (what: string, look: () => Promise<boolean>) =>
    stage().slack.control.waitFor(look, { timeout: 40_000, what });

  /** Waits until all of these fire: each a name, or a name and a label. */
  async function fire(...wanted: readonly (readonly [string, Firing?])[]): Promise<void> {
    const fits =
      (labels: Firing) =>
      ([name, more = {}]: readonly [string, Firing?]) =>
        labels['alertname'] === name && Object.entries(more).every(([label, value]) => labels[label] === value);
    for (const one of wanted)
      await until(one[0] + JSON.stringify(one[1] ?? {}), async () =>
        (await prometheus.firing()).some((labels) => fits(labels)(one)),
      );
  }

  const mended = (name: string) =>
    until(`${name} is over`, async () => !(await prometheus.firing()).some(({ alertname }) => alertname === name));

  async function active(why: string): Promise<string> {
    const s = stage();
    const id = await s.request(`debug ${s.namespaces.staging}/deploy/checkout 10m ${why}`);
    await s.press('ben', id, 'approve');
    await s.until(id, 'Active until');
    return id;
  }

  test('a healthy installation raises none', async () => {
    await until(
      'scrapes',
      async () => ((await prometheus.query(`count_over_time(up{job="${JOB}"}[1m])`))[0] ?? 0) >= 4,
    );
    // A busy machine stalls whatever begins, which would be forgiven: it must last.
    const names = (await prometheus.firing()).map(({ alertname }) => alertname);
    expect(names.filter((name) => name !== 'DrawbridgeEventLoopStalls')).toEqual([]);
  });

  test('somebody changes an object of a grant, and Slack lets nobody be told of it', async () => {
    const s = stage();
    const id = await active('to be tampered with');
    s.slack.faults.next({ kind: 'error', error: 'internal_error' }, { method: 'chat.postMessage', times: 10_000 });
    await s.adminKubectl([
      'annotate',
      '--overwrite',
      'rolebinding',
      `drawbridge-${id}`,
      '-n',
      s.namespaces.staging,
      'drawbridge.internal/expires-at=2099-01-01T00:00:00Z',
    ]);
    await fire(
      ['DrawbridgeTampering'],
      ['DrawbridgeAlarmsUntold'],
      ['DrawbridgeCallsFail', { dependency: 'Slack' }],
      ['DrawbridgeQueueFails', { queue: 'words' }],
    );
    s.slack.faults.clear();
  });

  test('the policy file breaks', async () => {
    const { policyFile } = stage();
    const good = await readFile(policyFile, 'utf8');
    await writeFile(policyFile, `${good}\nprofile: {}\n`);
    await fire(['DrawbridgeDegraded', { condition: 'policy file' }]);
    await writeFile(policyFile, good);
    await mended('DrawbridgeDegraded');
  });

  test('the API server goes away while grants are to be ended', async () => {
    const s = stage();
    const ids = [await active('to be ended late'), await active('to be ended as late')];
    proxy.away(true);
    for (const id of ids) await s.type('ada', `revoke ${id}`);
    await fire(
      ['DrawbridgeNotReady', { condition: 'kubernetes', pod: 'drawbridge-0' }],
      ['DrawbridgeCallsFail', { dependency: 'Kubernetes' }],
      ['DrawbridgeModelStale', { of: 'grants', kind: 'RoleBinding' }],
      ['DrawbridgeModelStale', { of: 'cluster', kind: 'Pod' }],
      ['DrawbridgeRevocationOverdue'],
      ['DrawbridgeQueueFails', { queue: 'deeds' }],
    );
    proxy.away(false);
    await fire(['DrawbridgeRevokedLate']);
    for (const name of ['DrawbridgeRevocationOverdue', 'DrawbridgeModelStale', 'DrawbridgeNotReady'])
      await mended(name);
  });

  test('more has to be told than Slack takes', async () => {
    const s = stage();
    s.slack.faults.next({ kind: 'hang' }, { method: 'chat.postMessage', times: 10_000 });
    const words = new Queue('words', {
      connection: redis,
      prefix: keyPrefix(s.installation.instance),
      skipVersionCheck: true,
    });
    const alarms = Array.from({ length: 150 }, (_, i) => ({ v: 1, kind: 'alarm', id: null, text: `alarm ${i}` }));
    await words.addBulk(alarms.map((data) => ({ name: data.kind, data, opts: { removeOnComplete: true } })));
    await fire(['DrawbridgeQueueWaits', { queue: 'words' }]);
    await words.drain();
    await words.close();
    s.slack.faults.clear();
    await mended('DrawbridgeQueueWaits');
  });

  test("the API server's clock is wrong", async () => {
    proxy.clockAhead(10_000);
    await active('to be answered');
    await fire(['DrawbridgeClockWrong', { of: 'kubernetes', pod: 'drawbridge-0' }]);
    proxy.clockAhead(0);
  });

  test('the receiver of the audit takes nothing for ten minutes, and then somebody cuts the audit', async () => {
    receives = false;
    const s = stage();
    await s.type('ada', 'list');
    const { stream, cursor } = auditKeys(s.installation.instance);
    // The same chain, stored ten minutes ago, of which nothing was handed on.
    const entries = await redis.xrange(stream, '-', '+');
    const earlier = (id: string) => id.replace(/^\d+/, (at) => String(Number(at) - 600_000));
    const moved = redis.multi().del(stream, cursor);
    for (const [id, fields] of entries) moved.xadd(stream, earlier(id), ...fields);
    await moved.exec();
    await fire(['DrawbridgeAuditWebhookLags']);
    receives = true;
    await mended('DrawbridgeAuditWebhookLags');
    await redis.del(stream);
    await active('to be audited');
    await fire(['DrawbridgeAuditBroken']);
  });

  test('Redis is killed', async () => {
    const server = stage().redis;
    await server.kill9();
    await fire(['DrawbridgeNotReady', { condition: 'redis' }], ['DrawbridgeCallsFail', { dependency: 'Redis' }]);
    await server.restart();
    await mended('DrawbridgeNotReady');
  });

  test('the process is held up', async () => {
    process.kill(bot.pid, 'SIGSTOP');
    await sleep(1200);
    process.kill(bot.pid, 'SIGCONT');
    await until('the stall', async () => {
      const [longest = 0] = await prometheus.query('max(drawbridge_event_loop_delay_seconds{quantile="1"})');
      return longest > 1;
    });
    await fire(['DrawbridgeEventLoopStalls', { pod: 'drawbridge-0' }]);
  });

  test('each query of the dashboard is answered, and where there is something, with that', async () => {
    const nothing: string[] = [];
    for (const query of queriesOf(await readDashboard())) {
      const values = await prometheus.query(query.replaceAll('$job', JOB).replaceAll('$__rate_interval', '1m'));
      if (values.length === 0) nothing.push(/drawbridge_\w+/.exec(query)?.[0] ?? query);
    }
    const passing = ['drawbridge_condition', 'drawbridge_grants'];
    expect(nothing.filter((metric) => !passing.includes(metric))).toEqual([]);
  });

  test('the last replica goes', async () => {
    await bot.stop();
    await fire(['DrawbridgeAbsent']);
  });
};

describe.skipIf(programs === null)('by a real Prometheus', () =>
  describeWithCluster('the alerts, by their faults', suite),
);
