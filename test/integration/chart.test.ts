import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { parsePolicy } from '../../src/config/policy-text.ts';
import { loadSettings } from '../../src/config/settings.ts';
import { policySchema } from '../../src/domain/policy/schema.ts';
import { helm, installChart, type Rendered, renderChart, uninstallChart } from '../../src/sandbox/chart.ts';
import { CHART, type ChartValues, chartFiles } from '../../src/sandbox/chart-values.ts';
import { exampleValues } from '../support/chart.ts';
import { describeWithCluster } from '../support/cluster.ts';
import { handOf } from '../support/hand.ts';
import { changed, NO_LEASE, newGrants, objectsOf } from '../support/made.ts';

interface Rule {
  readonly apiGroups: string[];
  readonly resources: string[];
  readonly verbs: string[];
  readonly resourceNames?: string[];
}
interface EnvironmentVariable {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: { readonly secretKeyRef?: { readonly name: string; readonly key: string } };
}
interface PodTemplate {
  readonly metadata: { labels: Readonly<Record<string, string>> };
  readonly spec: { containers: [{ image: string; env: EnvironmentVariable[] }] };
}

const shipped = (file: string): unknown => parse(readFileSync(join(CHART, '../..', file), 'utf8'));
const secret = {
  SLACK_BOT_TOKEN: 'xoxb-1',
  SLACK_APP_TOKEN: 'xapp-1',
  REDIS_URL: 'redis://localhost:6379',
  SEAL_KEY: Buffer.alloc(32, 7).toString('base64'),
};
/** The values with which an operator might install. */
const variants: Record<string, () => ChartValues> = {
  'the example values': () => exampleValues(),
  'the shipped example policy': () => ({
    existingSecret: 'drawbridge',
    policy: shipped('policy.example.yaml') as ChartValues['policy'],
  }),
  'http mode, one replica, a Secret of its own': () =>
    exampleValues(
      {},
      {
        existingSecret: '',
        secret: { ...secret, SLACK_APP_TOKEN: undefined, SLACK_SIGNING_SECRET: '0123456789abcdef' },
        slack: {
          mode: 'http',
          port: 8080,
          ingress: { enabled: true, className: 'nginx', host: 'jit.example.test', tlsSecret: 'tls' },
        },
        'networkPolicy.enabled': true,
        replicas: 1,
        instance: 'blue',
        imagePullSecrets: [{ name: 'pull' }],
        workspaces: { namespace: 'drawbridge-workspaces', quota: {} },
        probe: { enabled: false },
      },
    ),
  'all that operators set': () =>
    exampleValues(
      {},
      {
        nodeSelector: { pool: 'system' },
        tolerations: [{ key: 'system', operator: 'Exists' }],
        affinity: { podAntiAffinity: {} },
        podLabels: { team: 'platform' },
        podAnnotations: { 'example.test/scrape': 'no' },
        serviceAccount: { name: 'jit', annotations: { 'example.test/role': 'x' } },
        extraEnv: [{ name: 'NODE_EXTRA_CA_CERTS', value: '/tls/ca.crt' }],
        extraEnvFrom: [{ configMapRef: { name: 'proxy' } }],
        extraVolumes: [{ name: 'tls', secret: { secretName: 'ca' } }],
        extraVolumeMounts: [{ name: 'tls', mountPath: '/tls', readOnly: true }],
        'image.digest': `sha256:${'a'.repeat(64)}`,
        'networkPolicy.enabled': true,
      },
    ),
  'a Valkey beside the bot, with a volume': () =>
    exampleValues({}, { 'valkey.enabled': true, 'valkey.persistence.enabled': true }),
};

const of = (objects: readonly Rendered[], kind: string) => objects.filter((object) => object.kind === kind);
const one = (objects: readonly Rendered[], kind: string): Rendered => {
  const [object] = of(objects, kind);
  if (object === undefined) throw new Error(`no ${kind}`);
  return object;
};

/** What a container finds in a variable: from a Secret of the chart, or of its pod the namespace, `platform`. */
function valueOf({ value, valueFrom }: EnvironmentVariable, objects: readonly Rendered[]): string | undefined {
  const from = valueFrom?.secretKeyRef;
  if (from === undefined) return value ?? 'platform';
  const found = of(objects, 'Secret').find(({ metadata }) => metadata.name === from.name);
  return (found?.stringData as Record<string, string> | undefined)?.[from.key];
}

/** The bot has one in the release's namespace, the canary one among the workspaces. */
const deployment = (objects: readonly Rendered[], which: 'bot' | 'canary'): Rendered => {
  const workspaces = one(objects, 'Namespace').metadata.name;
  const found = of(objects, 'Deployment').filter(
    ({ metadata }) => (metadata.namespace === workspaces) === (which === 'canary'),
  );
  if (found[0] === undefined || found.length > 1) throw new Error(`${found.length} Deployments of the ${which}`);
  return found[0];
};
const templateOf = (object: Rendered) => (object.spec as { template: PodTemplate }).template;

describe('the chart', () => {
  test.each(Object.entries(variants))('helm lint is content with %s', async (_name, values) => {
    expect(await helm(['lint', CHART, '--strict', '--values', 'values.json'], values())).toContain('0 chart(s) failed');
  });

  test.each(Object.entries(chartFiles()))('its %s is the one of the sources', (name, content) => {
    expect(JSON.parse(readFileSync(join(CHART, name), 'utf8'))).toEqual(content);
  });

  test('its values are all explained', () => {
    const schema = chartFiles()['values.schema.json'] as { properties: object };
    const values = shipped('helm/drawbridge/values.yaml') as object;
    expect([...Object.keys(values), 'policy', 'global'].toSorted()).toEqual(Object.keys(schema.properties).toSorted());
  });

  const wrong: [string, Record<string, unknown>, RegExp][] = [
    ['no policy', { policy: {} }, /at '\/policy': missing properties 'version', 'identity'/],
    ['an unknown value', { replicaCount: 2 }, /additional properties 'replicaCount' not allowed/],
    [
      'an unknown key of the policy',
      { 'policy.profiles.debug.durations': {} },
      /at '\/policy\/profiles\/debug': additional properties 'durations'/,
    ],
    [
      'a wildcard',
      { 'policy.profiles.debug.rules.0.verbs': ['*'] },
      /at '\/policy\/profiles\/debug\/rules\/0\/verbs\/0': '\*' does not match/,
    ],
    ['a namespace that is none', { 'policy.profiles.debug.namespaces': ['Staging'] }, /'Staging' does not match/],
    ['replicas as text', { replicas: '2' }, /at '\/replicas': got string, want integer/],
    ['a mode that is none', { 'slack.mode': 'smoke' }, /at '\/slack\/mode': value must be one of 'socket', 'http'/],
    ['an unknown secret', { existingSecret: '', 'secret.SLACK_TOKEN': 'x' }, /additional properties 'SLACK_TOKEN'/],
    ['no controllers', { 'admission.controllers': [] }, /at '\/admission\/controllers': minItems/],
    ['no Secret', { existingSecret: '' }, /existingSecret: name the Secret/],
    ['two Secrets', { secret }, /existingSecret and secret: give one of them/],
    [
      'workspaces beside the bot',
      { 'workspaces.namespace': 'drawbridge' },
      /workspaces.namespace: 'drawbridge' is the namespace of the release/,
    ],
    [
      'kube-system',
      { 'policy.profiles.debug.namespaces': ['staging', 'kube-system'] },
      /profiles.debug.namespaces: 'kube-system' belongs to Kubernetes/,
    ],
    [
      'the bot’s own namespace',
      { 'policy.profiles.debug.namespaces': ['drawbridge'] },
      /profiles.debug.namespaces: 'drawbridge' belongs to Kubernetes or to Drawbridge/,
    ],
    [
      'a role that outlives its grant, unless that is said',
      { 'policy.profiles.observe.clusterRole': 'edit' },
      /profiles.observe.clusterRole: 'edit' has rights by which access outlives the grant: say acknowledgePersistence/,
    ],
    [
      'node shells without a place for their records',
      { 'nodes.enabled': true },
      /nodes.enabled: needs accounts.enabled/,
    ],
    [
      'a shell that is not acknowledged',
      {
        'policy.profiles.machine': {
          ...exampleValues().policy.profiles.events,
          scope: 'node',
          namespaces: undefined,
          rules: undefined,
          nodes: ['*'],
          shell: { image: 'x' },
        },
      },
      /profiles.machine.shell: is root on the node/,
    ],
    [
      'the namespace of node shells',
      { 'policy.profiles.debug.namespaces': ['drawbridge-nodes'] },
      /'drawbridge-nodes' belongs to Kubernetes or to Drawbridge/,
    ],
    [
      'the workspaces namespace',
      { 'policy.profiles.debug.namespaces': ['drawbridge-workspaces'] },
      /'drawbridge-workspaces' belongs to Kubernetes or to Drawbridge/,
    ],
  ];
  test.each(wrong)('refuses %s, and says so', async (_name, changes, message) => {
    await expect(renderChart(exampleValues({}, { 'slack.port': 3000, ...changes }))).rejects.toThrow(message);
  });

  test.each([
    ['', 'secrets', 'get'],
    ['', 'serviceaccounts/token', 'create'],
    ['', 'pods/ephemeralcontainers', 'patch'],
    ['', 'pods', 'create'],
    ['apps', 'deployments', 'patch'],
    ['batch', 'cronjobs', 'update'],
    ['rbac.authorization.k8s.io', 'rolebindings', 'create'],
    ['rbac.authorization.k8s.io', 'clusterroles', 'bind'],
    ['rbac.authorization.k8s.io', 'clusterroles', 'escalate'],
    ['certificates.k8s.io', 'certificatesigningrequests/approval', 'update'],
    ['certificates.k8s.io', 'signers', 'sign'],
    ['', 'nodes/proxy', 'get'],
    ['networking.k8s.io', 'networkpolicies', 'delete'],
    ['', 'pods/status', 'patch'],
    ['', 'pods/binding', 'create'],
    ['networking.k8s.io', 'networkpolicies', 'list'],
    ['', 'users', 'impersonate'],
    ['', 'secrets', 'delete'],
    ['', 'pods', 'delete'],
    ['', 'configmaps', 'update'],
    ['apps', 'deployments/scale', 'patch'],
    ['rbac.authorization.k8s.io', 'roles', 'list'],
    ['', 'secrets', 'patch'],
    ['', 'secrets', 'deletecollection'],
    ['', 'podtemplates', 'create'],
    ['', 'namespaces', 'patch'],
    ['authentication.k8s.io', 'userextras/scopes', 'impersonate'],
    ['admissionregistration.k8s.io', 'validatingadmissionpolicybindings', 'delete'],
    ['', 'services', 'update'],
    ['discovery.k8s.io', 'endpointslices', 'create'],
    ['argoproj.io', 'workflows', 'create'],
    ['argoproj.io', 'workflows', 'get'],
    ['', 'configmaps', 'frob'],
    ['', 'pods/exec', 'create'],
    ['', 'pods/portforward', 'create'],
  ])('of inline rules it takes what the policy takes, in the same words: %s %s %s', async (group, resource, verb) => {
    const rules = [{ apiGroups: [group], resources: [resource], verbs: [verb] }];
    for (const acknowledgePersistence of [false, true]) {
      const values = exampleValues(
        {},
        { 'policy.profiles.events': { ...exampleValues().policy.profiles.events, rules, acknowledgePersistence } },
      );
      const [problem] = policySchema.safeParse(values.policy).error?.issues ?? [];
      const rendered = await renderChart(values).then(
        () => null,
        (error: unknown) => String(error),
      );
      if (problem === undefined) expect(rendered).toBeNull();
      else {
        const [does = '', after] = problem.message.split(/(?: \([^)]*\))?: (?=may|say)/);
        expect(rendered).toContain(`policy.profiles.events.rules[0]: ${does}`);
        expect(rendered).toContain(after);
      }
    }
  });

  test('a group that has the resource does not excuse one that is of others', async () => {
    const rules = [{ apiGroups: ['', 'argoproj.io'], resources: ['pods'], verbs: ['delete'] }];
    await expect(renderChart(exampleValues({}, { 'policy.profiles.events.rules': rules }))).rejects.toThrow(
      /changes what controllers of others may act on \(pods.argoproj.io\)/,
    );
  });

  test.each(Object.entries(variants))('the bot starts with what it is given: %s', async (_name, values) => {
    const objects = await renderChart(values(), { release: 'blue', namespace: 'platform' });
    const given = values().secret ?? secret;
    const [container] = templateOf(deployment(objects, 'bot')).spec.containers;
    const environment = Object.fromEntries(
      container.env.map((variable) => [variable.name, valueOf(variable, objects)]),
    );
    const loaded = loadSettings({ ...given, ...environment });
    const unset = loadSettings({ ...given, SEAL_KEY: '', ...environment });
    expect(JSON.stringify(unset)).toContain(
      `SEAL_KEY is not set in the Secret platform/${values().existingSecret || 'blue-drawbridge'}`,
    );
    expect(loaded).toMatchObject({
      ok: true,
      settings: {
        workspacesNamespace: one(objects, 'Namespace').metadata.name,
        ownNamespace: 'platform',
        instance: values().instance ?? 'blue-drawbridge',
        probeImage: values().probe?.enabled === false ? undefined : container.image,
        slack: { transport: { mode: values().slack?.mode ?? 'socket' } },
      },
    });
    const file = (one(objects, 'ConfigMap').data as Record<string, string>)['policy.yaml'] ?? '';
    expect(parsePolicy(file, 'policy.yaml')).toEqual({ ok: true, policy: policySchema.parse(values().policy) });
    if (values().secret !== undefined)
      expect(one(objects, 'Secret').stringData).toEqual(JSON.parse(JSON.stringify(given)));
  });

  test.each([
    ['socket', 'SLACK_APP_TOKEN', { SLACK_SIGNING_SECRET: '0123456789abcdef' }],
    ['http', 'SLACK_SIGNING_SECRET', { SLACK_APP_TOKEN: 'xapp-1' }],
  ])(
    'a Secret of the other mode than %s does not choose the mode: the bot says what it lacks',
    async (mode, lacks, has) => {
      const objects = await renderChart(exampleValues({}, { 'slack.mode': mode }));
      const [container] = templateOf(deployment(objects, 'bot')).spec.containers;
      const environment = Object.fromEntries(
        container.env.map((variable) => [variable.name, valueOf(variable, objects)]),
      );
      const { SLACK_APP_TOKEN: _, ...rest } = secret;
      expect(loadSettings({ ...rest, ...has, ...environment })).toEqual({
        ok: false,
        problems: [expect.stringContaining(`${lacks} is not set in the Secret`)],
      });
    },
  );

  test('the canary is of the same image, and known by its component: no label of ours, none of the bot’s own', async () => {
    const objects = await renderChart(exampleValues({}, { image: { repository: 'r.example.test/d', tag: '7' } }));
    const { metadata, spec } = templateOf(deployment(objects, 'canary'));
    expect(spec.containers[0].image).toBe('r.example.test/d:7');
    expect(spec).toMatchObject({ automountServiceAccountToken: false });
    expect(spec).not.toHaveProperty('serviceAccountName');
    expect(metadata.labels).toEqual({
      'app.kubernetes.io/name': 'drawbridge',
      'app.kubernetes.io/instance': 'drawbridge',
      'app.kubernetes.io/component': 'canary',
    });
    const [deny] = of(objects, 'NetworkPolicy');
    expect(deny).toMatchObject({ spec: { podSelector: {}, policyTypes: ['Ingress', 'Egress'] } });
    expect(of(objects, 'NetworkPolicy')).toHaveLength(1);
  });

  test('without the probe there is no canary, and the bot is told of none', async () => {
    const objects = await renderChart(exampleValues({}, { 'probe.enabled': false }));
    expect(of(objects, 'Deployment').map(({ metadata }) => metadata.name)).toEqual(['drawbridge']);
    const [container] = templateOf(deployment(objects, 'bot')).spec.containers;
    expect(container.env.map(({ name }) => name)).not.toContain('PROBE_IMAGE');
  });

  test('the names of what is not in a namespace carry the release', async () => {
    const objects = await renderChart(exampleValues(), { release: 'blue', namespace: 'platform' });
    const names = objects
      .filter(({ metadata }) => metadata.namespace === undefined)
      .map(({ metadata }) => metadata.name);
    expect(names.filter((name) => !name.startsWith('blue-drawbridge'))).toEqual(['drawbridge-workspaces']);
    expect(deployment(objects, 'bot').metadata).toMatchObject({ name: 'blue-drawbridge', namespace: 'platform' });
  });

  test.each(Object.entries(variants))(
    'the bot’s rights are those that the policy asks for: %s',
    async (_name, values) => {
      const objects = await renderChart(values());
      const rules = [...of(objects, 'ClusterRole'), ...of(objects, 'Role')].flatMap((role) => role.rules as Rule[]);
      const all = rules.flatMap((rule) => [...rule.apiGroups, ...rule.resources, ...rule.verbs]);
      for (const never of [
        '*',
        'secrets',
        'escalate',
        'impersonate',
        'deletecollection',
        'serviceaccounts/token',
        'approve',
      ])
        expect(all).not.toContain(never);
      const { profiles } = policySchema.parse(values().policy);
      const named = Object.values(profiles).flatMap((p) =>
        [p.clusterRole, p.role].filter((name) => name !== undefined),
      );
      const binds = rules.filter((rule) => rule.verbs.includes('bind'));
      expect(binds.flatMap((rule) => rule.resourceNames ?? ['ALL']).toSorted()).toEqual(named.toSorted());
      // Everywhere: reading, deleting what is ours, and what the profiles with a pattern need.
      const everywhere = of(objects, 'ClusterRoleBinding').map(({ metadata }) => metadata.name);
      const patterned = Object.entries(profiles).filter(
        ([, p]) => p.namespaces?.some((name) => name.includes('*')) ?? true,
      );
      expect(everywhere.toSorted()).toEqual(
        ['drawbridge', 'drawbridge-reaper', ...patterned.map(([name]) => `drawbridge-gives-${name}`)].toSorted(),
      );
    },
  );
});

describe('a satellite', () => {
  const values = (changes: Readonly<Record<string, unknown>> = {}) =>
    exampleValues(
      {},
      {
        mode: 'satellite',
        hub: { cluster: 'prod', user: '' },
        existingSecret: 'key',
        'policy.clusters': { staging: {}, prod: { context: 'p' } },
        ...Object.fromEntries(
          Object.keys(exampleValues().policy.profiles).map((name) => [
            `policy.profiles.${name}.clusters`,
            name === 'debug' ? ['staging'] : ['pro*'],
          ]),
        ),
        ...changes,
      },
    );
  const kinds = (objects: readonly Rendered[]) => [...new Set(objects.map(({ kind }) => kind))].toSorted();

  test('has all of the hub but the bot: the same leash, to the letter, and what the policy gives here alone', async () => {
    const hub = await renderChart(values({ mode: 'hub', hub: {} }));
    const satellite = await renderChart(values());
    const guards = (objects: readonly Rendered[]) =>
      of(objects, 'ValidatingAdmissionPolicy').map(({ metadata }) => metadata.name);
    expect(guards(satellite)).toEqual(guards(hub));
    expect(kinds(satellite)).not.toContain('ConfigMap');
    expect(satellite.filter(({ kind }) => kind === 'Deployment').map(({ metadata }) => metadata.name)).toEqual([
      'drawbridge-canary',
    ]);
    const given = (objects: readonly Rendered[]) =>
      of(objects, 'ClusterRole').flatMap(({ metadata }) => /-gives-(.*)/.exec(metadata.name)?.[1] ?? []);
    expect(given(hub)).toEqual(['debug']);
    expect(given(satellite)).not.toContain('debug');
    expect(given(satellite).length).toBeGreaterThan(2);
  });

  test('its reaper has the key of this cluster and no other', async () => {
    const [reaper] = of(await renderChart(values()), 'CronJob');
    const text = JSON.stringify(reaper);
    expect(text).toContain(
      '"name":"CLUSTER_SEAL_KEY","valueFrom":{"secretKeyRef":{"name":"key","key":"CLUSTER_SEAL_KEY"}}',
    );
    expect(text).not.toContain('"SEAL_KEY"');
  });

  test('a user of another authenticator is bound and leashed in the place of an account', async () => {
    const objects = await renderChart(values({ 'hub.user': 'bot@prod' }));
    const accounts = of(objects, 'ServiceAccount').map(({ metadata }) => metadata.name);
    expect(accounts).toEqual(['drawbridge-reaper']);
    const user = { apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'bot@prod' };
    expect(of(objects, 'ClusterRoleBinding')).toContainEqual(
      expect.objectContaining({ metadata: expect.objectContaining({ name: 'drawbridge' }), subjects: [user] }),
    );
    const leash = JSON.stringify(
      of(objects, 'ValidatingAdmissionPolicy').find(({ metadata }) => metadata.name === 'drawbridge-leash'),
    );
    expect(leash).toContain('request.userInfo.username in [\\"bot@prod\\"');
    expect(leash).not.toContain('system:serviceaccount:drawbridge:drawbridge\\"');
  });

  test.each([
    ['of no name', { 'hub.cluster': '' }, "hub.cluster: '' is no cluster of the policy (clusters: prod, staging)"],
    ['without its key', { existingSecret: '' }, 'existingSecret: name the Secret with CLUSTER_SEAL_KEY'],
    ['with what only the bot has', { 'valkey.enabled': true }, 'secret and valkey: belong where the bot is'],
    ['of a user of Kubernetes itself', { 'hub.user': 'system:admin' }, 'hub.user: is the Kubernetes user of the bot'],
    ['that is none', { mode: 'hub', 'hub.user': 'bot@prod' }, 'hub.user: is the Kubernetes user of the bot'],
  ])('%s is refused', async (_what, changes, message) => {
    await expect(renderChart(values(changes))).rejects.toThrow(message);
  });
});

describeWithCluster('the chart in a cluster', (cluster) => {
  /** The values with namespaces that are there. */
  async function settled(values: ChartValues): Promise<{ values: ChartValues; namespace: string }> {
    const names = { staging: await cluster.freshNamespace('staging'), shop: await cluster.freshNamespace('shop') };
    const payments = await cluster.freshNamespace('payments');
    const workspaces = await cluster.freshNamespace('workspaces');
    const text = JSON.stringify(values, (key, value: unknown) =>
      key === 'namespaces' && Array.isArray(value)
        ? value.map((name: string) => (({ ...names, payments }) as Record<string, string>)[name] ?? name)
        : value,
    );
    const copy = JSON.parse(text) as ChartValues;
    return {
      values: { ...copy, workspaces: { ...copy.workspaces, namespace: workspaces } },
      namespace: await cluster.freshNamespace('platform', { 'pod-security.kubernetes.io/enforce': 'restricted' }),
    };
  }

  test.each(Object.entries(variants))(
    'every object is accepted by the API server without a warning: %s',
    async (_name, variant) => {
      const { values, namespace } = await settled(variant());
      const items = await renderChart(values, { release: namespace, namespace });
      const apply = (objects: readonly Rendered[], ...args: string[]) =>
        cluster.kubectl(['apply', ...args, '-f', '-'], {
          input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }),
        });
      // Those of pods must be there, and what is only dry-run is not.
      await apply(items.filter(({ kind, metadata }) => kind === 'ServiceAccount' && metadata.namespace === namespace));
      const { code, stdout, stderr } = await apply(items, '--dry-run=server', '--validate=strict');
      expect([code, stderr]).toEqual([0, '']);
      expect(stdout.trim().split('\n')).toHaveLength(items.length);
    },
  );

  test.each(['bot', 'canary', 'Valkey'] as const)(
    'the pod of the %s satisfies Pod Security restricted',
    async (which) => {
      const { values, namespace } = await settled(exampleValues({}, { 'valkey.enabled': true }));
      const objects = await renderChart(values, { release: namespace, namespace });
      const template = templateOf(which === 'Valkey' ? one(objects, 'StatefulSet') : deployment(objects, which));
      await cluster.apply([one(objects, 'ServiceAccount')]);
      const admin = await handOf(cluster.adminKubeconfig);
      const pod = {
        apiVersion: 'v1',
        kind: 'Pod',
        ...template,
        metadata: { ...template.metadata, name: which.toLowerCase(), namespace },
      };
      expect(await admin.create(pod, true)).toBe('accepted');
      expect(await admin.create({ ...pod, spec: { ...template.spec, hostNetwork: true } } as typeof pod, true)).toMatch(
        /violates PodSecurity/,
      );
    },
  );

  const SIGNS = { AUDIT_WEBHOOK_SECRET: '0123456789abcdef' };
  const SIGNING = { SLACK_SIGNING_SECRET: '0123456789abcdef' };
  test.each<[string, object | null, Readonly<Record<string, unknown>>, RegExp | null]>([
    ['is whole', secret, {}, null],
    ['is not there yet', null, {}, null],
    ['lacks the key of seals', { ...secret, SEAL_KEY: undefined }, {}, /lacks SEAL_KEY.*openssl rand -base64 32/],
    ['has an empty token', { ...secret, SLACK_BOT_TOKEN: '' }, {}, /lacks SLACK_BOT_TOKEN[^,]/],
    ['lacks several', { SEAL_KEY: 'x' }, {}, /lacks SLACK_BOT_TOKEN, SLACK_APP_TOKEN, REDIS_URL[^,]/],
    ['is of the other mode', secret, { 'slack.mode': 'http' }, /lacks SLACK_SIGNING_SECRET[^,]/],
    ['is of both modes', { ...secret, ...SIGNING }, {}, /give the one of slack.mode/],
    [
      'is of both modes with what is beside it',
      secret,
      { extraEnv: [{ name: 'SLACK_SIGNING_SECRET', value: 'x' }] },
      /give the one of slack.mode/,
    ],
    ['signs what is posted nowhere', { ...secret, ...SIGNS }, {}, /has AUDIT_WEBHOOK_SECRET without AUDIT_WEBHOOK_URL/],
    [
      'signs what is posted where another variable says',
      { ...secret, ...SIGNS },
      { extraEnv: [{ name: 'AUDIT_WEBHOOK_URL', value: 'https://siem.example.test/in' }] },
      null,
    ],
    ['lacks the Redis that the chart makes', { ...secret, REDIS_URL: undefined }, { 'valkey.enabled': true }, null],
    [
      'lacks what another variable gives',
      { ...secret, REDIS_URL: undefined },
      { extraEnv: [{ name: 'REDIS_URL', value: 'redis://r' }] },
      null,
    ],
    ['may have the rest beside it', { SEAL_KEY: 'x' }, { extraEnvFrom: [{ secretRef: { name: 'slack' } }] }, null],
    [
      'lacks the key that the reaper takes from it',
      { ...secret, SEAL_KEY: undefined },
      { extraEnvFrom: [{ secretRef: { name: 'slack' } }] },
      /lacks SEAL_KEY/,
    ],
  ])('of a Secret that %s the chart knows before anything is installed', async (_what, data, changes, refusal) => {
    const name = `slack-${randomUUID()}`;
    if (data !== null)
      await cluster.apply([
        { apiVersion: 'v1', kind: 'Secret', metadata: { namespace: 'default', name }, stringData: data },
      ]);
    const values = exampleValues({}, { existingSecret: name, ...changes });
    const where = ['--namespace', 'default', '--kubeconfig', cluster.adminKubeconfig];
    const rendered = helm(['template', 'x', CHART, ...where, '--values', 'values.json', '--dry-run=server'], values);
    if (refusal === null) return expect(await rendered).toContain('kind: Deployment');
    await expect(rendered).rejects.toThrow(refusal);
    await expect(rendered).rejects.toThrow(`the Secret default/${name} `);
  });

  test('an upgrade moves rights and leash with the policy, and an uninstall leaves nothing', async () => {
    const [before, after] = [await cluster.freshNamespace('staging'), await cluster.freshNamespace('staging')];
    const shop = await cluster.freshNamespace('shop');
    const team = await cluster.freshNamespace('team');
    const namespace = await cluster.freshNamespace('platform');
    const options = { kubeconfig: cluster.adminKubeconfig, release: namespace, namespace };
    const values = (staging: string) =>
      exampleValues({ staging, shop }, { 'workspaces.namespace': `${namespace}-workspaces`, 'valkey.enabled': true });
    const password = async () => {
      const secret = ['get', 'secret', `${namespace}-drawbridge-valkey`, '-n', namespace, '-o', 'jsonpath={.data}'];
      return (JSON.parse((await cluster.kubectl(secret)).stdout) as { password: string }).password;
    };

    const at = await installChart({ ...options, values: values(before) });
    expect(at).toEqual({
      release: namespace,
      namespace,
      serviceAccount: `${namespace}-drawbridge`,
      instance: `${namespace}-drawbridge`,
      workspacesNamespace: `${namespace}-workspaces`,
      accountsNamespace: 'drawbridge-accounts',
      nodesNamespace: 'drawbridge-nodes',
      probeImage: 'drawbridge:0.1.0',
    });
    const bot = await handOf(await cluster.serviceAccountKubeconfig(namespace, at.serviceAccount));
    const context = { instance: at.instance, workspacesNamespace: at.workspacesNamespace };
    const guard = (staging: string) => {
      return objectsOf(newGrants({ staging, shop, team }), context).guard;
    };
    expect(await bot.apply(guard(before), true)).toBe('accepted');
    expect(await bot.apply(guard(after), true)).toMatch(/^403 .*lets out to pods that a profile/);

    const made = await password();
    expect(await installChart({ ...options, values: values(after) })).toEqual(at);
    expect(await password()).toBe(made);
    expect(await bot.apply(guard(after), true)).toBe('accepted');
    expect(await bot.apply(guard(before), true)).toMatch(/^403 .*lets out to pods that a profile/);
    const lease = (staging: string) =>
      changed(guard(staging), {
        'metadata.namespace': staging,
        'metadata.ownerReferences': [{ apiVersion: 'batch/v1', kind: 'Job', name: 'x', uid: NO_LEASE }],
      });
    expect(await bot.apply(lease(before), true)).toMatch(/^403 .*cannot patch resource/);
    expect(await bot.apply(lease(after), true)).toMatch(/^403 .*-leash/);

    // The probe's image moves with the release too; a workspace that is there keeps its own, and can still be extended.
    const { workspace } = objectsOf(newGrants({ staging: after, shop, team }), context);
    const longer = changed(workspace, { 'spec.activeDeadlineSeconds': 1200 });
    expect(await bot.apply(workspace)).toBe('accepted');
    const pulling = { namespace: `${namespace}-workspaces`, imagePullSecrets: [{ name: 'registry' }] };
    // What templates note among the values is of one render: a later one must not find the policy of this one.
    const release = ['--namespace', namespace, '--kubeconfig', cluster.adminKubeconfig];
    expect(await helm(['get', 'values', namespace, '--all', ...release], null)).not.toContain('readPolicy');
    await installChart({ ...options, values: { ...values(after), image: { tag: 'next' }, workspaces: pulling } });
    expect(await bot.apply(longer)).toBe('accepted');
    const fresh = () => objectsOf(newGrants({ staging: after, shop, team }), context).workspace;
    expect(await bot.apply(fresh(), true)).toMatch(/^403 .*no init container but the probe/);
    const image = 'spec.template.spec.initContainers.0.image';
    expect(await bot.apply(changed(fresh(), { [image]: 'drawbridge:next' }), true)).toBe('accepted');
    // Passwords for images are named by the installation, not by whoever holds the bot's token.
    const pulled = (...pullSecrets: string[]) => {
      const { workspace: made } = objectsOf(newGrants({ staging: after, shop, team }), { ...context, pullSecrets });
      return bot.apply(changed(made, { [image]: 'drawbridge:next' }), true);
    };
    expect(await pulled('registry')).toBe('accepted');
    expect(await pulled('another')).toMatch(/^403 .*imagePullSecrets\[another\]/);
    expect(await pulled('registry', 'another')).toMatch(/^403 .*imagePullSecrets\[another\]/);
    const secrets = { 'spec.template.spec.imagePullSecrets': [{ name: 'registry' }] };
    const { lease: plain } = objectsOf(newGrants({ staging: after, shop, team }), context);
    expect(await bot.apply(changed(plain, secrets), true)).toMatch(/^403 .*imagePullSecrets\[registry\]/);
    await installChart({ ...options, values: { ...values(after), probe: { enabled: false } } });
    expect(await bot.apply(fresh(), true)).toMatch(/^403 .*no init container \(probe.enabled is false\)/);
    expect(await bot.remove(workspace)).toBe('accepted');

    await uninstallChart(options.kubeconfig, options);
    const kinds =
      'clusterroles,clusterrolebindings,validatingadmissionpolicies,validatingadmissionpolicybindings,namespaces';
    const left = await cluster.kubectl(['get', kinds, '-o', 'name', '-l', `app.kubernetes.io/instance=${namespace}`]);
    expect(left.stdout).toBe('');
    const inside = await cluster.kubectl([
      'get',
      'deployments,statefulsets,services,configmaps,secrets,serviceaccounts,roles,rolebindings,networkpolicies',
      '-A',
      '-o',
      'name',
      '-l',
      `app.kubernetes.io/instance=${namespace}`,
    ]);
    expect(inside.stdout).toBe('');
  }, 120_000);
});
