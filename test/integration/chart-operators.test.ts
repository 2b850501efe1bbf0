import { expect, test } from 'vitest';
import { type Rendered, renderChart } from '../../src/sandbox/chart.ts';
import { exampleValues } from '../support/chart.ts';

type Changes = Readonly<Record<string, unknown>>;
const render = (changes: Changes, release = 'drawbridge') =>
  renderChart(exampleValues({}, changes), { release, namespace: 'platform' });

const named = (objects: readonly Rendered[], kind: string, name: string): Rendered => {
  const found = objects.find((object) => object.kind === kind && object.metadata.name === name);
  if (found === undefined) throw new Error(`no ${kind} ${name}`);
  return found;
};

interface PodSpec {
  readonly containers: readonly [Readonly<Record<string, unknown>>];
  readonly [key: string]: unknown;
}
interface Pod {
  readonly metadata: { readonly labels: object; readonly annotations?: object };
  readonly spec: PodSpec;
}
/** The pods that the chart makes, by the names of what makes them. */
function podsIn(objects: readonly Rendered[]): Map<string, Pod> {
  const pods = new Map<string, Pod>();
  for (const object of objects) {
    const { kind, metadata } = object;
    const at = object['spec'] as { template?: unknown; jobTemplate?: { spec: { template: unknown } } } | undefined;
    const pod = kind === 'Pod' ? object : kind === 'CronJob' ? at?.jobTemplate?.spec.template : at?.template;
    if (pod !== undefined) pods.set(metadata.name, pod as Pod);
  }
  return pods;
}

const DIGEST = `sha256:${'a'.repeat(64)}`;
const HTTP = { 'slack.mode': 'http' };
const SECRET = { SLACK_BOT_TOKEN: 'xoxb-1', SLACK_APP_TOKEN: 'xapp-1', REDIS_URL: 'redis://r', SEAL_KEY: 'k' };
const withSecret = (secret: object, more: Changes = {}): Changes => ({ existingSecret: '', secret, ...more });

test('half of what Jira takes is refused', async () => {
  const half = { ...SECRET, JIRA_URL: 'https://example.atlassian.net', JIRA_TOKEN: 'jira-token-1' };
  await expect(render(withSecret(half))).rejects.toThrow(/has JIRA_URL, JIRA_TOKEN alone: .* belong together/);
  await expect(render(withSecret({ ...half, JIRA_USER: 'bot@example.test' }))).resolves.toBeDefined();
});

test('all pods run where they may, with the image that was named and the Secrets that pull it', async () => {
  const scheduling = {
    nodeSelector: { pool: 'system' },
    tolerations: [{ key: 'system', operator: 'Exists' }],
    priorityClassName: 'system-cluster-critical',
  };
  const pods = podsIn(
    await render({
      ...scheduling,
      'valkey.enabled': true,
      'valkey.image.digest': DIGEST,
      'image.repository': 'registry.example.test/drawbridge',
      'image.digest': DIGEST,
      imagePullSecrets: [{ name: 'pull' }],
      'workspaces.imagePullSecrets': [{ name: 'registry' }, { name: 'mirror' }],
    }),
  );
  expect([...pods.keys()].toSorted()).toEqual([
    'drawbridge',
    'drawbridge-canary',
    'drawbridge-check',
    'drawbridge-reaper',
    'drawbridge-valkey',
  ]);
  const pulling = (name: string) =>
    name === 'drawbridge-canary' ? [{ name: 'registry' }, { name: 'mirror' }] : [{ name: 'pull' }];
  for (const [name, { spec }] of pods) {
    expect(spec).toMatchObject({ ...scheduling, imagePullSecrets: pulling(name) });
    expect(spec.containers[0]['image']).toMatch(new RegExp(`:[^@]+@${DIGEST}$`));
  }
  const probe = pods.get('drawbridge')?.spec.containers[0]['env'] as { name: string; value: string }[];
  expect(probe.find(({ name }) => name === 'PROBE_IMAGE')?.value).toMatch(`@${DIGEST}`);
  // The bot names them on workspaces.
  expect(probe).toContainEqual({ name: 'WORKSPACES_PULL_SECRETS', value: 'registry,mirror' });
});

test('all pods have the labels and annotations that operators add, beside those of the chart', async () => {
  const marks = { podLabels: { team: 'platform' }, podAnnotations: { 'example.test/inject': 'no' } };
  const values = { 'valkey.enabled': true, 'valkey.password': 'p'.repeat(32) };
  const [plain, marked] = (await Promise.all([render(values), render({ ...values, ...marks })])).map(podsIn);
  expect([...(marked?.keys() ?? [])]).toHaveLength(5);
  for (const [name, { metadata }] of plain ?? [])
    expect(marked?.get(name)?.metadata).toEqual({
      ...metadata,
      labels: { ...metadata.labels, ...marks.podLabels },
      annotations: { ...metadata.annotations, ...marks.podAnnotations },
    });
});

test('the bot’s pods have what operators add, and what the chart sets all the same', async () => {
  const objects = await render({
    affinity: { podAntiAffinity: {} },
    extraEnv: [{ name: 'NODE_EXTRA_CA_CERTS', value: '/tls/ca.crt' }],
    extraEnvFrom: [{ configMapRef: { name: 'proxy' } }],
    extraVolumes: [{ name: 'tls', secret: { secretName: 'ca' } }],
    extraVolumeMounts: [{ name: 'tls', mountPath: '/tls', readOnly: true }],
  });
  const spec = podsIn(objects).get('drawbridge')?.spec as PodSpec;
  expect(spec).toMatchObject({ affinity: { podAntiAffinity: {} } });
  const [bot] = spec.containers;
  expect(bot).toMatchObject({ startupProbe: { httpGet: { path: '/healthz', port: 'ops' } } });
  expect(bot['env']).toContainEqual({ name: 'NODE_EXTRA_CA_CERTS', value: '/tls/ca.crt' });
  // Of two sources the later one counts.
  expect(bot['envFrom']).toEqual([{ configMapRef: { name: 'proxy' } }, { secretRef: { name: 'drawbridge' } }]);
  expect(bot['volumeMounts']).toMatchObject([{ mountPath: '/etc/drawbridge' }, { mountPath: '/tls' }]);
  expect(spec['volumes']).toMatchObject([{ name: 'policy' }, { name: 'tls' }]);
});

test('another account of the bot is the one that RBAC and the admission policies know', async () => {
  const objects = await render({ 'serviceAccount.name': 'jit', 'serviceAccount.annotations': { role: 'x' } });
  expect(named(objects, 'ServiceAccount', 'jit').metadata).toMatchObject({ annotations: { role: 'x' } });
  expect(podsIn(objects).get('drawbridge')?.spec).toMatchObject({ serviceAccountName: 'jit' });
  const subjects = objects.flatMap(({ subjects: all = [] }) => all as { name: string }[]).map(({ name }) => name);
  expect(new Set(subjects)).toEqual(new Set(['jit', 'drawbridge-reaper']));
  const policiesOf = (all: readonly Rendered[]) =>
    JSON.stringify(all.filter(({ kind }) => kind === 'ValidatingAdmissionPolicy'));
  const usual = policiesOf(await render({}));
  const account = (name: string) => `system:serviceaccount:platform:${name}\\"`;
  expect(usual.split(account('drawbridge')).length).toBeGreaterThan(3);
  expect(policiesOf(objects).split(account('jit'))).toHaveLength(usual.split(account('drawbridge')).length);
  expect(policiesOf(objects)).not.toContain(account('drawbridge'));
});

const refused: [string, Changes, RegExp][] = [
  [
    'a setting of the chart',
    { extraEnv: [{ name: 'INSTANCE', value: 'x' }] },
    /extraEnv: INSTANCE is set by the chart/,
  ],
  [
    'the Redis of the chart',
    { 'valkey.enabled': true, extraEnv: [{ name: 'REDIS_URL', value: 'x' }] },
    /extraEnv: REDIS_URL is set/,
  ],
  [
    'Secrets that the leash does not know of',
    { extraEnv: [{ name: 'WORKSPACES_PULL_SECRETS', value: 'x' }] },
    /extraEnv: WORKSPACES_PULL_SECRETS is set by the chart/,
  ],
  [
    'another way to hear from Slack',
    { extraEnv: [{ name: 'SLACK_MODE', value: 'http' }] },
    /extraEnv: SLACK_MODE is set by the chart/,
  ],
  [
    'a Secret that the bot is not given',
    { extraEnv: [{ name: 'SECRET_NAME', value: 'x' }] },
    /extraEnv: SECRET_NAME is set by the chart/,
  ],
  [
    'a key that the reaper does not know',
    { extraEnv: [{ name: 'SEAL_KEY', value: 'x' }] },
    /extraEnv: SEAL_KEY belongs/,
  ],
  ['a label of grants', { podLabels: { 'drawbridge.internal/grant': 'x' } }, /podLabels: drawbridge.internal\/grant/],
  ['a label of selectors', { podLabels: { 'app.kubernetes.io/name': 'x' } }, /podLabels: app.kubernetes.io\/name/],
  ['the volume of the policy', { extraVolumes: [{ name: 'policy' }] }, /the volume 'policy' is the chart's own/],
  ...['/etc/drawbridge', '/etc//drawbridge/x', '/app', '/tmp/../app/dist'].map(
    (mountPath): [string, Changes, RegExp] => [
      `a mount at ${mountPath}`,
      { extraVolumeMounts: [{ name: 'x', mountPath }] },
      /would lie over the program or its policy/,
    ],
  ),
  ['the default account', { 'serviceAccount.name': 'default' }, /'default' is the account of others too/],
  ['the account of the reaper', { 'serviceAccount.name': 'drawbridge-reaper' }, /is the account of others too/],
  ['a digest that is none', { 'image.digest': 'latest' }, /at '\/image\/digest'/],
  ['an ingress that leads nowhere', { 'slack.ingress.enabled': true }, /Slack calls the bot only with slack.mode http/],
  ['a route that leads nowhere', { 'slack.httpRoute.enabled': true }, /Slack calls the bot only with slack.mode http/],
  [
    'a route of no gateway',
    { ...HTTP, 'slack.httpRoute.enabled': true },
    /slack.httpRoute.parentRefs: name the Gateway/,
  ],
  ['half a Secret', withSecret({ SLACK_BOT_TOKEN: 'x' }), /secret: lacks SEAL_KEY, SLACK_APP_TOKEN, REDIS_URL/],
  [
    'the Secret of both modes',
    withSecret({ ...SECRET, SLACK_SIGNING_SECRET: 'x' }),
    /secret: .* give the one of slack/,
  ],
  [
    'a signature of nothing',
    withSecret({ ...SECRET, AUDIT_WEBHOOK_SECRET: 'x' }),
    /secret: has AUDIT_WEBHOOK_SECRET without AUDIT_WEBHOOK_URL/,
  ],
  ['metrics on the port that Slack calls', { ...HTTP, 'slack.port': 9090 }, /slack.port: is opsPort too/],
  ['the Secret of the other mode', withSecret(SECRET, HTTP), /secret: lacks SLACK_SIGNING_SECRET/],
];
test.each(refused)('refuses %s, and says so', async (_name, changes, message) => {
  await expect(render(changes)).rejects.toThrow(message);
});

test('with a Valkey of the chart the Secret needs no Redis', async () => {
  const { REDIS_URL: _, ...secret } = SECRET;
  expect(await render(withSecret(secret, { 'valkey.enabled': true }))).not.toEqual([]);
});

test('what Slack calls is reached by an ingress or a route, and nothing else is', async () => {
  const objects = await render({
    ...HTTP,
    'slack.ingress': { enabled: true, className: 'nginx', host: 'jit.example.test', tlsSecret: 'tls' },
    'slack.httpRoute': { enabled: true, parentRefs: [{ name: 'public' }], hostnames: ['jit.example.test'] },
  });
  const service = named(objects, 'Service', 'drawbridge').spec as { ports: object[] };
  expect(service.ports).toEqual([{ name: 'slack', port: 80, targetPort: 'slack' }]);
  expect(named(objects, 'Ingress', 'drawbridge').spec).toEqual({
    ingressClassName: 'nginx',
    tls: [{ secretName: 'tls', hosts: ['jit.example.test'] }],
    rules: [
      {
        host: 'jit.example.test',
        http: {
          paths: [
            {
              path: '/slack/events',
              pathType: 'Exact',
              backend: { service: { name: 'drawbridge', port: { name: 'slack' } } },
            },
          ],
        },
      },
    ],
  });
  expect(named(objects, 'HTTPRoute', 'drawbridge').spec).toEqual({
    parentRefs: [{ name: 'public' }],
    hostnames: ['jit.example.test'],
    rules: [
      {
        matches: [{ path: { type: 'Exact', value: '/slack/events' } }],
        backendRefs: [{ name: 'drawbridge', port: 80 }],
      },
    ],
  });
});

test('the policies of the chart’s own pods let in by the ports of metrics and Slack, and out by those that it needs', async () => {
  const monitors = [{ namespaceSelector: { matchLabels: { name: 'monitoring' } } }];
  const objects = await render({ ...HTTP, networkPolicy: { enabled: true, redisPort: 6380, opsFrom: monitors } });
  const port = (number: number | string, protocol = 'TCP') => ({ port: number, protocol });
  const dns = [port(53, 'UDP'), port(53)];
  expect(named(objects, 'NetworkPolicy', 'drawbridge').spec).toMatchObject({
    policyTypes: ['Ingress', 'Egress'],
    ingress: [{ ports: [port('ops')], from: monitors }, { ports: [port('slack')] }],
    egress: [{ ports: [...dns, port(443), port(6443), port(6380)] }],
  });
  expect(named(objects, 'NetworkPolicy', 'drawbridge-reaper').spec).toEqual({
    podSelector: { matchLabels: { 'app.kubernetes.io/name': 'drawbridge-reaper' } },
    policyTypes: ['Ingress', 'Egress'],
    egress: [{ ports: [...dns, port(443), port(6443)] }],
  });
});

test('they let out to where the policy asks who is on call and about tickets', async () => {
  const objects = await render({
    'networkPolicy.enabled': true,
    'policy.oncall': {
      db: { url: 'https://oncall.example.test:8443/db' },
      web: { url: 'https://oncall.example.test/' },
    },
    'policy.tickets': { pattern: 'OPS-[0-9]+', url: 'https://[2001:db8::1]:9443/tickets' },
  });
  const ports = (policy: string) =>
    (named(objects, 'NetworkPolicy', policy)['spec'] as { egress: { ports: { port: number }[] }[] }).egress.flatMap(
      (rule) => rule.ports.map(({ port }) => port),
    );
  expect(ports('drawbridge')).toEqual([53, 53, 443, 6443, 6379, 8443, 9443]);
  expect(ports('drawbridge-reaper')).toEqual([53, 53, 443, 6443]);
});

test('the longest names of releases make names that Kubernetes takes, and two of them stay two', async () => {
  const MOST: Readonly<Record<string, number>> = { CronJob: 52, StatefulSet: 52, Service: 63, Deployment: 63, Pod: 63 };
  const release = (end: string) => `${'a'.repeat(52)}${end}`;
  const [one, other] = await Promise.all(
    ['x', 'y'].map((end) => render({ ...HTTP, 'valkey.enabled': true, 'networkPolicy.enabled': true }, release(end))),
  );
  if (one === undefined || other === undefined) throw new Error('nothing was rendered');
  const places = (objects: readonly Rendered[]) => objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`);
  for (const { kind, metadata } of one) {
    expect([kind, metadata.name, metadata.name.length <= (MOST[kind] ?? 253)]).toEqual([kind, metadata.name, true]);
    for (const value of Object.values(metadata.labels ?? {})) expect(value.length).toBeLessThanOrEqual(63);
  }
  const shared = places(one).filter((place) => places(other).includes(place));
  expect(shared).toEqual(['Namespace drawbridge-workspaces']);
  // Of a longer name Kubernetes would cut what admission knows the bot's pods by.
  const own = JSON.stringify(one.find(({ metadata }) => metadata.name.endsWith('-own')));
  for (const name of podsIn(one).keys()) {
    expect(name.length).toBeLessThanOrEqual(63);
    if (!/-(canary|check)$/.test(name))
      expect([name, own.includes(name), name.length <= 57]).toEqual([name, true, true]);
  }
});
