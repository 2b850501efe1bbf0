import * as fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { stringify } from 'yaml';
import { plainCidrs } from '../../../src/cli/policy/plain-cidrs.ts';
import { contains, overlaps, parseCidr } from '../../../src/network/cidr.ts';
import { connectionsJson, manifestDir, runPolicy } from '../../support/policy-cli.ts';

type Files = Readonly<Record<string, string | readonly object[]>>;

async function run(files: Files, ...options: string[]) {
  await using made = await manifestDir(files);
  const { code, out, err } = await runPolicy('connections', '-f', made.dir, ...options);
  return { code, out, err: err.replaceAll(`${made.dir}/`, '') };
}

async function listed(files: Files, ...options: string[]) {
  const { code, out, err } = await run(files, '-o', 'json', ...options);
  expect({ code, err }).toEqual({ code: 0, err: expect.not.stringContaining('document') });
  return connectionsJson.parse(JSON.parse(out)).connections;
}

type End = { namespace: string; kind: string; name: string } | { cidr: string };
const say = (end: End) => ('cidr' in end ? end.cidr : `${end.namespace}/${end.kind}/${end.name}`);

/** `from -> to ports`, in the order of the answer. */
async function lines(files: Files, ...options: string[]) {
  return (await listed(files, ...options)).map(({ from, to, ports }) => {
    const text = ports.map((port) => `${port.from}-${port.to}/${port.protocol}`).join();
    return `${say(from)} -> ${say(to)} ${text === '1-65535/TCP,1-65535/UDP,1-65535/SCTP' ? 'all' : text}`;
  });
}

/** The workloads that appear: nothing isolates them unless a policy of the test does. */
async function workloads(files: Files) {
  return [...new Set((await listed(files)).flatMap(({ from, to }) => [from, to]).map(say))].filter(
    (t) => !t.includes('/0'),
  );
}

const labels = (app: string) => ({ labels: { app } });
const template = (app: string, spec: object = {}) => ({
  metadata: labels(app),
  spec: {
    containers: [{ name: 'app', image: 'example.test/app:1', ports: [{ name: 'http', containerPort: 8080 }] }],
    ...spec,
  },
});
const apps = (kind: string, name: string, spec: object = {}, namespace = 'shop') => ({
  apiVersion: 'apps/v1',
  kind,
  metadata: { name, namespace },
  spec: { selector: { matchLabels: { app: name } }, template: template(name), ...spec },
});
const pod = (name: string, rest: object = {}, namespace = 'shop') => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace, ...labels(name) },
  spec: template(name).spec,
  ...rest,
});
const job = (name: string, spec: object = {}) => ({
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: { name, namespace: 'shop' },
  spec: { template: template(name), ...spec },
});
const policy = (name: string, spec: object, namespace = 'shop') => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { name, namespace },
  spec,
});
const list = (...items: object[]) => ({ apiVersion: 'v1', kind: 'List', items });
const denyAll = policy('deny', { podSelector: {}, policyTypes: ['Ingress', 'Egress'] });
/** Lets `from` open connections to `to`, on both sides. */
const allow = (from: object, to: object, ports: object[]) => [
  policy('allow-in', { podSelector: to, ingress: [{ from: [{ podSelector: from }], ports }] }),
  policy('allow-out', { podSelector: from, policyTypes: ['Egress'], egress: [{ to: [{ podSelector: to }], ports }] }),
];
const app = (name: string) => ({ matchLabels: { app: name } });

const shop: object[] = [
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop', labels: { team: 'shop' } } },
  apps('Deployment', 'web', { replicas: 3 }),
  apps('StatefulSet', 'db', { replicas: 2 }),
  apps('Deployment', 'watch', {}, 'ops'),
  apps('DaemonSet', 'agent', { template: template('agent', { hostNetwork: true }) }, 'ops'),
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web', namespace: 'shop' },
    spec: { selector: { app: 'web' }, ports: [{ port: 80 }] },
  },
  denyAll,
  ...allow(app('web'), app('db'), [{ port: 5432 }]),
  policy('web-in', {
    podSelector: app('web'),
    ingress: [
      { from: [{ ipBlock: { cidr: '203.0.113.0/24', except: ['203.0.113.128/25'] } }], ports: [{ port: 'http' }] },
      {
        from: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'ops' } } }],
        ports: [{ port: 9090, endPort: 9099 }],
      },
    ],
  }),
];

describe('connections', () => {
  it('has help with examples', async () => {
    expect(await runPolicy('connections', '--help')).toMatchObject({
      code: 0,
      out: expect.stringMatching(/Usage.*Exit code.*Examples/s),
    });
  });

  it('lists what policies allow, by workload, with ports and reasons', async () => {
    const all = await listed({ 'shop.yaml': shop });
    expect(all).toContainEqual({
      from: { namespace: 'shop', kind: 'Deployment', name: 'web' },
      to: { namespace: 'shop', kind: 'StatefulSet', name: 'db' },
      ports: [{ protocol: 'TCP', from: 5432, to: 5432 }],
      reasons: ['egress: allowed by shop/allow-out', 'ingress: allowed by shop/allow-in'],
      pluginDependent: false,
    });
    expect(all).toContainEqual({
      from: { namespace: 'ops', kind: 'Deployment', name: 'watch' },
      to: { namespace: 'shop', kind: 'Deployment', name: 'web' },
      ports: [{ protocol: 'TCP', from: 9090, to: 9099 }],
      reasons: ['egress: not isolated', 'ingress: allowed by shop/web-in'],
      pluginDependent: false,
    });
    // A pod of a manifest may get an address of the block: network plugins differ on that.
    expect(all.filter(({ pluginDependent }) => pluginDependent)).toEqual([
      expect.objectContaining({
        from: { namespace: 'ops', kind: 'Deployment', name: 'watch' },
        ports: [{ protocol: 'TCP', from: 8080, to: 8080 }],
      }),
    ]);
    expect(all.some(({ from, to }) => say(from).includes('db') && say(to).includes('web'))).toBe(false);
  });

  it('writes addresses outside as plain blocks in JSON', async () => {
    expect(await lines({ 'shop.yaml': shop }, '-n', 'shop')).toEqual([
      'shop/Deployment/web -> shop/StatefulSet/db 5432-5432/TCP',
      '203.0.113.0/25 -> shop/Deployment/web 8080-8080/TCP',
    ]);
  });

  it('sorts by source and destination, addresses in their order', async () => {
    const to = (cidr: string, port: number, except: string[] = []) => ({
      to: [{ ipBlock: { cidr, except } }],
      ports: [{ port }],
    });
    const egress = [
      to('192.0.2.0/24', 1),
      to('10.0.0.0/8', 3),
      to('9.0.0.0/8', 2, ['9.0.0.0/9']),
      to('2001:db8::/32', 1),
    ];
    expect(
      await lines({
        'x.yaml': [policy('out', { podSelector: {}, policyTypes: ['Ingress', 'Egress'], egress }), pod('x')],
      }),
    ).toEqual([
      'shop/Pod/x -> 9.128.0.0/9 2-2/TCP',
      'shop/Pod/x -> 10.0.0.0/8 3-3/TCP',
      'shop/Pod/x -> 192.0.2.0/24 1-1/TCP',
      'shop/Pod/x -> 2001:db8::/32 1-1/TCP',
    ]);
  });

  it.each([
    ['Pod', pod('x'), 'Pod'],
    ['Deployment', apps('Deployment', 'x'), 'Deployment'],
    ['Deployment without pods for now', apps('Deployment', 'x', { replicas: 0 }), 'Deployment'],
    ['StatefulSet', apps('StatefulSet', 'x'), 'StatefulSet'],
    ['DaemonSet', apps('DaemonSet', 'x'), 'DaemonSet'],
    ['ReplicaSet', apps('ReplicaSet', 'x'), 'ReplicaSet'],
    [
      'ReplicationController',
      { ...apps('ReplicationController', 'x', { selector: { app: 'x' } }), apiVersion: 'v1' },
      'ReplicationController',
    ],
    ['Job', job('x'), 'Job'],
    [
      'CronJob',
      { ...job('x'), kind: 'CronJob', spec: { schedule: '@daily', jobTemplate: { spec: job('x').spec } } },
      'CronJob',
    ],
    ['Deployment of old', { ...apps('Deployment', 'x'), apiVersion: 'extensions/v1beta1' }, 'Deployment'],
    ['List', list(apps('Deployment', 'x')), 'Deployment'],
    [
      'typed list without kinds of its items',
      {
        apiVersion: 'apps/v1',
        kind: 'DeploymentList',
        items: [{ ...apps('Deployment', 'x'), kind: undefined, apiVersion: undefined }],
      },
      'Deployment',
    ],
  ])('reads a %s', async (_, object, kind) => {
    const inside = await lines({ 'x.yaml': [object, ...allow(app('x'), app('y'), [{ port: 81 }]), pod('y')] });
    expect(inside).toContain(`shop/${kind}/x -> shop/Pod/y 81-81/TCP`);
  });

  it.each([
    ['another kind', { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'x' }, data: { a: 'b' } }],
    [
      'a kind of the same name elsewhere',
      { apiVersion: 'serving.knative.dev/v1', kind: 'Service', metadata: { name: 'x' }, spec: { template: {} } },
    ],
    ['a pod that has ended', pod('x', { status: { phase: 'Succeeded' } })],
  ])('leaves out %s', async (_, object) => {
    expect(await workloads({ 'x.yaml': [object, pod('y')] })).toEqual(['shop/Pod/y']);
  });

  it('reads directories below, many documents in a file, empty ones, JSON and anchors', async () => {
    const files = {
      'a/b/deep.yml': `# nothing\n---\n---\n${stringify(pod('one'))}---\n${stringify(pod('two'))}---\n`,
      'a/list.json': JSON.stringify(list(pod('three')), null, '\t'),
      'merged.yaml': `apiVersion: v1\nkind: Pod\nmetadata: &m {name: four, namespace: shop, labels: }\nspec: {}\n---\napiVersion: v1\nkind: Pod\nx: &x {namespace: shop}\nmetadata: {<<: *x, name: five}\nspec: {}\n`,
      'notes.txt': 'not read: [',
    };
    expect(await workloads(files)).toEqual(['five', 'four', 'one', 'three', 'two'].map((name) => `shop/Pod/${name}`));
  });

  it('shows what replicas of one workload may do with one another', async () => {
    const self = async (object: object) =>
      (await workloads({ 'x.yaml': [object] })).length > 0 &&
      (await lines({ 'x.yaml': [object] })).some((line) => /x -> .*x /.test(line));
    expect(await self(apps('Deployment', 'x', { replicas: 1 }))).toBe(false);
    expect(await self(apps('Deployment', 'x', { replicas: 2 }))).toBe(true);
    expect(await self(apps('DaemonSet', 'x'))).toBe(true);
    expect(await self(job('x', { parallelism: 5, completions: 1 }))).toBe(false);
    expect(await self(job('x', { parallelism: 5 }))).toBe(true);
  });

  it('tells pods of a StatefulSet apart, and says for how many a connection holds', async () => {
    const first = { matchLabels: { 'apps.kubernetes.io/pod-index': '0' } };
    const files = {
      'x.yaml': [
        denyAll,
        apps('StatefulSet', 'db', { replicas: 3 }),
        pod('y'),
        ...allow(app('y'), first, [{ port: 81 }]),
      ],
    };
    expect(await listed(files)).toEqual([expect.objectContaining({ pods: '1 of 1 -> 1 of 3' })]);
    expect((await run(files)).out).toContain('[1 of 1 -> 1 of 3 pods]');
  });

  it('gives Jobs the labels that their controller gives', async () => {
    const byJob = { matchLabels: { 'batch.kubernetes.io/job-name': 'x' } };
    expect(await lines({ 'x.yaml': [denyAll, job('x'), pod('y'), ...allow(byJob, app('y'), [{ port: 81 }])] })).toEqual(
      ['shop/Job/x -> shop/Pod/y 81-81/TCP'],
    );
  });

  it('counts an exported workload once: by its pods, else by the workload on top', async () => {
    const owned = (kind: string, name: string) => ({
      ownerReferences: [{ kind, name, controller: true, uid: '1', apiVersion: 'apps/v1' }],
    });
    const set = {
      ...apps('ReplicaSet', 'web-1'),
      metadata: { name: 'web-1', namespace: 'shop', ...owned('Deployment', 'web') },
    };
    const live = pod('web-1-a', {
      metadata: { name: 'web-1-a', namespace: 'shop', labels: { app: 'real' }, ...owned('ReplicaSet', 'web-1') },
    });
    expect(await workloads({ 'x.yaml': [apps('Deployment', 'web'), set] })).toEqual(['shop/Deployment/web']);
    expect(await workloads({ 'x.yaml': [set] })).toEqual(['shop/Deployment/web']);
    const select = [denyAll, ...allow(app('real'), app('y'), [{ port: 81 }]), pod('y')];
    // Were there pods of the template beside the live one, this would hold for some of the pods only.
    const [connection, ...others] = await listed({ 'x.yaml': [apps('Deployment', 'web'), set, live, ...select] });
    expect(others).toEqual([]);
    expect(connection).toMatchObject({ from: { kind: 'Deployment', name: 'web' }, to: { kind: 'Pod', name: 'y' } });
    expect(connection).not.toHaveProperty('pods');
  });

  it('puts what has no namespace into default, and labels namespaces as the API server does', async () => {
    const named = { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'default' } } };
    const { namespace: _, ...metadata } = pod('x').metadata;
    const files = {
      'x.yaml': [
        { ...pod('x'), metadata },
        pod('y'),
        policy('only-default', { podSelector: {}, policyTypes: ['Ingress', 'Egress'], ingress: [{ from: [named] }] }),
      ],
    };
    expect(await lines(files)).toContain('default/Pod/x -> shop/Pod/y all');
    expect((await lines(files)).some((line) => line.startsWith('0.0.0.0/0 -> shop'))).toBe(false);
  });

  it('reads the same object twice as once, and refuses two different ones of one name', async () => {
    expect(await workloads({ 'a.yaml': [pod('x')], 'b.yaml': [pod('x')] })).toEqual(['shop/Pod/x']);
    expect(
      await run({ 'a.yaml': [pod('x')], 'b.yaml': [pod('y'), pod('x', { spec: { hostNetwork: true } })] }),
    ).toMatchObject({
      code: 2,
      out: '',
      err: expect.stringMatching(/^b\.yaml:\d+:1 document 2: Pod shop\/x is already at a\.yaml:1:1 document 1/),
    });
  });

  it('keeps to the namespaces asked for', async () => {
    const files = { 'x.yaml': [pod('a', {}, 'one'), pod('b', {}, 'two'), pod('c', {}, 'three')] };
    const inside = (await lines(files, '-n', 'one', '--namespace', 'two')).filter((line) => !line.includes('/0'));
    expect(inside).toEqual(['one/Pod/a -> two/Pod/b all', 'two/Pod/b -> one/Pod/a all']);
    expect(await run(files, '-n', 'on')).toMatchObject({ code: 2, err: 'the manifests have no namespace on' });
  });

  it('says in text what is not governed and what hangs on the plugin', async () => {
    const { code, out } = await run({ 'shop.yaml': shop });
    expect(code).toBe(0);
    expect(out).toMatch(/^ops\/Deployment\/watch\n(?: {2}-> .*\n)+\nshop\/Deployment\/web\n/);
    expect(out).toMatch(/-> shop\/StatefulSet\/db +5432\/TCP +egress: allowed by shop\/allow-out; ingress: allowed by/);
    expect(out).toContain('[plugin-dependent]');
    expect(out).toContain('203.0.113.0/24 except 203.0.113.128/25');
    expect(out).toContain('ops/DaemonSet/agent: not governed by NetworkPolicy (hostNetwork)');
    expect(await run({ 'x.yaml': [denyAll, pod('x')] })).toMatchObject({ code: 0, out: '0 connections' });
  });

  it('draws a graph in which every name is quoted', async () => {
    const { out } = await run({ 'shop.yaml': shop }, '-o', 'dot');
    expect(out).toMatch(/^digraph "connections" \{\n[^]*\n\}$/);
    expect(out).toContain(
      '  "shop/Deployment/web" -> "shop/StatefulSet/db" ["label"="5432/TCP", "tooltip"="egress: allowed by shop/allow-out\\ningress: allowed by shop/allow-in"];',
    );
    expect(out).toContain('"style"="dashed"');
    // Outside of quotes there is nothing but the words of the language.
    expect(new Set(out.replaceAll(/"(?:[^"\\]|\\.)*"/g, '').match(/\w+/g))).toEqual(
      new Set(['digraph', 'node', 'subgraph']),
    );
  });

  it.each<[string, string | object[], RegExp]>([
    ['broken YAML', 'a: [1\nb: 2\n', /^x\.yaml:2:1 document 1: not valid YAML or JSON/],
    ['a broken second document', `${stringify(pod('y'))}---\na: 'b\n`, /^x\.yaml:\d+:\d+ document 2: not valid/],
    ['a template', 'kind: {{ .Values.kind }}\n', /^x\.yaml:1:\d+ document 1: .*helm template/],
    ['an unknown tag', 'kind: !secret x\n', /^x\.yaml:1:7 document 1: not valid/],
    ['a key twice', 'kind: Pod\nkind: Pod\n', /^x\.yaml:2:1 document 1: not valid/],
    [
      'a bomb of aliases',
      `a: &a [x]\nb: &b [${'*a,'.repeat(20)}]\nc: &c [${'*b,'.repeat(20)}]\nd: [${'*c,'.repeat(20)}]\n`,
      /^x\.yaml:1:1 document 1: .*alias/,
    ],
    ['no kind', 'apiVersion: v1\nmetadata: {name: x}\n', /^x\.yaml:1:1 document 1: kind: expected a text/],
    ['nothing of Kubernetes', 'colour: blue\n', /no Kubernetes object found$/],
    [
      'an empty spec',
      'apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\nspec:\n',
      /^x\.yaml:\d+:\d+ document 1 Deployment default\/x: spec: is missing/,
    ],
    [
      'metadata that are none',
      'apiVersion: v1\nkind: Pod\nmetadata: 3\nspec: {}\n',
      /^x\.yaml:3:11 document 1 Pod default\/\(no name\): metadata: expected a mapping/,
    ],
    [
      'no name',
      [{ ...pod('x'), metadata: { labels: {} } }],
      /document 1 Pod default\/\(no name\): metadata\.name: is missing/,
    ],
    [
      'a label that is a number',
      [pod('x', { metadata: { name: 'x', labels: { app: 1 } } })],
      /metadata\.labels\.app: .*quotes/,
    ],
    [
      'a bad label',
      [pod('x', { metadata: { name: 'x', labels: { app: 'a,b' } } })],
      /metadata\.labels\.app: no label value/,
    ],
    [
      'a problem in a list',
      [list(pod('y'), pod('x', { spec: { containers: [{ ports: [{ containerPort: 0 }] }] } }))],
      /^x\.yaml:\d+:\d+ document 1 items\[1\] Pod shop\/x: spec\.containers\[0\]\.ports\[0\]\.containerPort: /,
    ],
  ])('points at %s', async (_, content, expected) => {
    const { code, out, err } = await run({ 'x.yaml': content });
    expect(err).toMatch(expected);
    expect({ code, out }).toEqual({ code: 2, out: '' });
  });

  it.each<[string, object, RegExp]>([
    [
      'a CIDR that is none',
      { ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.300/8' } }] }] },
      /spec\.ingress\[0\]\.from\[0\]\.ipBlock\.cidr: not a CIDR: "10\.0\.0\.300\/8"/,
    ],
    [
      'an address without length',
      { egress: [{ to: [{ ipBlock: { cidr: '10.0.0.3' } }] }] },
      /spec\.egress\[0\]\.to\[0\]\.ipBlock\.cidr: not a CIDR/,
    ],
    [
      'an exception outside of its block',
      { ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['10.0.0.0/9', '11.0.0.0/9'] } }] }] },
      /ipBlock\.except\[1\]: 11\.0\.0\.0\/9 is no part of/,
    ],
    [
      'an unknown operator',
      { podSelector: { matchExpressions: [{ key: 'app', operator: 'Inn', values: ['x'] }] } },
      /spec\.podSelector\.matchExpressions\[0\]\.operator: unknown operator "Inn", expected In, NotIn, Exists or DoesNotExist/,
    ],
    [
      'an operator without values',
      { podSelector: { matchExpressions: [{ key: 'app', operator: 'In' }] } },
      /matchExpressions\[0\]\.values: In and NotIn take values/,
    ],
    ['a misspelt field', { ingress: [{ form: [] }] }, /spec\.ingress\[0\]\.form: unknown field/],
    [
      'an unknown type',
      { policyTypes: ['ingress'] },
      /spec\.policyTypes\[0\]: unknown policyType "ingress", expected Ingress or Egress/,
    ],
    ['a peer that names nobody', { ingress: [{ from: [{}] }] }, /spec\.ingress\[0\]\.from\[0\]: a peer needs/],
    [
      'a peer of two sorts',
      { ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.0/8' }, podSelector: {} }] }] },
      /spec\.ingress\[0\]\.from\[0\]: a peer with an ipBlock/,
    ],
    [
      'an unknown protocol',
      { ingress: [{ ports: [{ protocol: 'ICMP' }] }] },
      /ports\[0\]\.protocol: unknown protocol "ICMP"/,
    ],
    [
      'a port that does not exist',
      { ingress: [{ ports: [{ port: 70_000 }] }] },
      /ports\[0\]\.port: expected a whole number from 1 to 65535/,
    ],
    [
      'a port number as text',
      { ingress: [{ ports: [{ port: '80' }] }] },
      /ports\[0\]\.port: expected a port number or the name/,
    ],
    ['a range that runs backwards', { ingress: [{ ports: [{ port: 90, endPort: 80 }] }] }, /ports\[0\]\.endPort: /],
    ['a range from a name', { ingress: [{ ports: [{ port: 'http', endPort: 80 }] }] }, /ports\[0\]\.endPort: /],
  ])('names the policy with %s', async (_, spec, expected) => {
    const { code, err } = await run({ 'x.yaml': [pod('x'), policy('bad', spec)] });
    expect(code).toBe(2);
    expect(err).toMatch(/^x\.yaml:\d+:\d+ document 2 NetworkPolicy shop\/bad: /);
    expect(err).toMatch(expected);
    expect(err.split('\n')).toHaveLength(1);
  });

  it('says which policies of other kinds it leaves out', async () => {
    const other = { apiVersion: 'cilium.io/v2', kind: 'CiliumNetworkPolicy', metadata: { name: 'x' } };
    expect(await run({ 'x.yaml': [pod('x'), other] })).toMatchObject({
      code: 0,
      err: expect.stringContaining('document 2: CiliumNetworkPolicy'),
    });
  });

  it('refuses wrong arguments', async () => {
    await using made = await manifestDir({ 'x.txt': '' });
    const wrong: [string[], string][] = [
      [[], 'expected manifests (-f) or a cluster (--kubeconfig)'],
      [['-f', 'x', '--kubeconfig', 'y'], 'one of them'],
      [['-f', 'x', '--context', 'y'], '--context goes with --kubeconfig'],
      [['-f', 'x', '-o', 'yaml'], 'expected text, json or dot'],
      [['-f', 'x', '--no'], '--no'],
      [['-f', '/nonexistent/x'], "/nonexistent/x: can't be read"],
      [['-f', made.dir], 'no .yaml, .yml or .json file'],
      [['--kubeconfig', '/nonexistent/x'], "/nonexistent/x: can't be read"],
      [['--kubeconfig', `${made.dir}/x.txt`], `${made.dir}/x.txt: `],
    ];
    for (const [argv, words] of wrong)
      expect(await runPolicy('connections', ...argv)).toMatchObject({
        code: 2,
        out: '',
        err: expect.stringContaining(words),
      });
  });

  test('neither the order of documents nor their files matter', async () => {
    // Pods of one StatefulSet with ports of their own: connections with equal ends.
    const byIndex = ['0', '1'].map((index) =>
      policy(`index-${index}`, {
        podSelector: { matchLabels: { 'apps.kubernetes.io/pod-index': index } },
        ingress: [{ from: [{ podSelector: app('web') }], ports: [{ port: 7000 + Number(index) }] }],
      }),
    );
    const out = policy('web-out', {
      podSelector: app('web'),
      policyTypes: ['Egress'],
      egress: [{ ports: [{ port: 7000 }, { port: 7001 }] }],
    });
    const all = [...shop, ...byIndex, out];
    const expected = await Promise.all(
      ['json', 'text', 'dot'].map(async (format) => (await run({ 'all.yaml': all }, '-o', format)).out),
    );
    expect(expected[1]).toContain('of 2 pods]');
    const shuffled = fc.tuple(
      fc.shuffledSubarray(all, { minLength: all.length }),
      fc.array(fc.integer({ min: 0, max: 3 }), { minLength: all.length, maxLength: all.length }),
      fc.integer({ min: 0, max: 2 }),
    );
    await fc.assert(
      fc.asyncProperty(shuffled, async ([objects, places, format]) => {
        const files = Object.fromEntries(
          [
            ...Map.groupBy(
              objects.map((object, i) => ({ object, file: places[i] })),
              ({ file }) => file,
            ),
          ].map(([file, group]) => [`dir-${file}/x.yaml`, group.map(({ object }) => object)]),
        );
        expect((await run(files, '-o', ['json', 'text', 'dot'][format] ?? '')).out).toBe(expected[format]);
      }),
      { numRuns: 60 },
    );
  });

  test('plain blocks hold exactly the addresses of a block with exceptions, once', () => {
    const block = fc
      .tuple(fc.boolean(), fc.bigInt(0n, 255n), fc.integer({ min: 0, max: 8 }))
      .map(([v6, low, bits]) => (v6 ? `2001:db8::${low.toString(16)}/${120 + bits}` : `192.0.2.${low}/${24 + bits}`));
    fc.assert(
      fc.property(block, fc.array(block, { maxLength: 4 }), (cidr, except) => {
        const outer = parseCidr(cidr);
        const blocks = plainCidrs({ cidr, except }).map(parseCidr);
        for (const [i, one] of blocks.entries())
          for (const other of blocks.slice(i + 1)) expect(overlaps(one, other)).toBe(false);
        for (let low = 0; low < 256; low++) {
          const address = parseCidr(outer.family === 6 ? `2001:db8::${low.toString(16)}` : `192.0.2.${low}`);
          const wanted = contains(outer, address) && !except.some((hole) => contains(parseCidr(hole), address));
          expect(blocks.filter((one) => contains(one, address))).toHaveLength(wanted ? 1 : 0);
        }
      }),
    );
    expect(plainCidrs({ cidr: '::/0', except: ['8000::/2'] })).toEqual(['::/1', 'c000::/2']);
    expect(plainCidrs({ cidr: '0.0.0.0/0', except: ['128.0.0.0/1', '64.0.0.0/2'] })).toEqual(['0.0.0.0/2']);
  });
});
