import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isPersonName } from '../../../../src/domain/policy/identity.ts';
import {
  describeDurations,
  describeRights,
  isSystemNamespace,
  matchesNamespace,
  requestTimeout,
} from '../../../../src/domain/policy/policy.ts';
import { type PolicyInput, policySchema } from '../../../../src/domain/policy/schema.ts';

type ProfileInput = PolicyInput['profiles'][string];

const view: ProfileInput = {
  scope: 'namespace',
  namespaces: ['staging'],
  clusterRole: 'view',
  requesters: { users: ['ada@example.test'] },
  approvers: { users: ['ben@example.test'] },
  duration: { default: '30m', maximum: '2h' },
};
const debug: ProfileInput = {
  scope: 'workload',
  namespaces: ['staging'],
  rules: [{ apiGroups: [''], resources: ['pods', 'pods/log'], verbs: ['get'] }],
  requesters: view.requesters,
  approvers: view.approvers,
  duration: view.duration,
};
const BEN = { users: ['ben@example.test'] };
const OWNER = { name: 'owner', from: BEN };
const STEPS = { steps: [OWNER] };
const policyOf = (profile: unknown, change: object = {}) => ({
  version: 1,
  identity: {},
  administrators: { users: ['cy@example.test'] },
  approvals: { channel: 'C0ACCESS001' },
  profiles: { it: profile },
  ...change,
});
/** The problems as `path: message`. */
function problems(input: unknown): string[] {
  const parsed = policySchema.safeParse(input);
  return (parsed.error?.issues ?? []).map((issue) => `${issue.path.join('.')}: ${issue.message}`);
}
const inline = (resource: string, verbs: string[], apiGroups = ['']) => ({
  ...debug,
  rules: [{ apiGroups, resources: [resource], verbs }],
});

describe('a profile', () => {
  it.each<[string, object]>([
    ['with a named ClusterRole', view],
    ['with a named Role', { ...view, clusterRole: undefined, role: 'reader' }],
    [
      'with rules for a namespace',
      { ...view, clusterRole: undefined, rules: [{ apiGroups: [''], resources: ['configmaps'], verbs: ['get'] }] },
    ],
    ['with rules for a workload', debug],
    ['with rights in words for a workload', { ...debug, rules: undefined, rights: ['logs', 'restart'] }],
    ['with rights in words for a namespace', { ...view, clusterRole: undefined, rights: ['read'] }],
    ['with exec', inline('pods/exec', ['get', 'create'])],
    ['with the workload itself', inline('deployments', ['get'], ['apps'])],
    ['with scaling of the workload', inline('deployments/scale', ['patch'], ['apps'])],
    ['with a workspace', { ...debug, network: { image: 'registry.example.test/toolbox:1' } }],
    ['with an acknowledged built-in role', { ...view, clusterRole: 'edit', acknowledgePersistence: true }],
    [
      'with acknowledged rules that go on acting',
      {
        ...view,
        clusterRole: undefined,
        acknowledgePersistence: true,
        rules: [{ apiGroups: [''], resources: ['services'], verbs: ['update'] }],
      },
    ],
    ['for all namespaces, said aloud', { ...view, namespaces: ['*'] }],
    ['of seven days', { ...view, duration: { default: '1h', maximum: '7d' } }],
    ['of one length only', { ...view, duration: { default: '2h', maximum: '2h' } }],
    ['whose role may grow', { ...view, roleMayGrow: true }],
    ['whose pods are only looked at and deleted', inline('pods', ['get', 'delete'])],
    ['with DNS in its workspace', { ...debug, network: { image: 'x', dns: 'cluster' } }],
    ['with DNS though contained', { ...debug, network: { mode: 'contain', to: [], dns: 'cluster' } }],
    ...[{ cidr: '10.0.0.0/8' }, { cidr: '2001::/16' }, { namespace: 'ops', pods: { app: 'vpn' } }].map(
      (peer): [string, object] => [
        `with the source ${JSON.stringify(peer)}`,
        { ...debug, network: { mode: 'bastion', from: [peer] } },
      ],
    ),
    ...[{ cidr: '0.0.0.0/0' }, { namespace: 'ops', pods: { app: 'vpn' } }].map((peer): [string, object] => [
      `that contains to ${JSON.stringify(peer)}`,
      { ...debug, network: { mode: 'contain', to: [{ ...peer, ports: [{ port: 443 }] }] } },
    ]),
  ])('%s is taken', (_, profile) => {
    expect(problems(policyOf(profile))).toEqual([]);
  });

  it.each<[string, object, RegExp]>([
    [
      'with no right',
      { ...view, clusterRole: undefined },
      /^profiles\.it: gives exactly one of clusterRole, role, rights and rules/,
    ],
    ['with two rights', { ...view, role: 'reader' }, /^profiles\.it: gives exactly one/],
    ['with rights in words and rules', { ...debug, rights: ['logs'] }, /^profiles\.it: gives exactly one/],
    ['with rights in words and a role', { ...view, rights: ['logs'] }, /^profiles\.it: gives exactly one/],
    [
      'with rights in words that may grow',
      { ...debug, rules: undefined, rights: ['logs'], roleMayGrow: true },
      /^profiles\.it\.roleMayGrow: /,
    ],
    ['with no rights in words', { ...debug, rules: undefined, rights: [] }, /^profiles\.it\.rights: /],
    [
      'with a mistyped right',
      { ...debug, rules: undefined, rights: ['logs', 'portforward'] },
      /^profiles\.it\.rights\.1: 'portforward' is none of these rights, did you mean 'port-forward'\? There are read, /,
    ],
    [
      'with a right of no such name',
      { ...debug, rules: undefined, rights: ['constructor'] },
      /^profiles\.it\.rights\.0: 'constructor' is none of these rights: read, logs, /,
    ],
    [
      'with a right that is no word',
      { ...debug, rules: undefined, rights: [{ logs: true }] },
      /^profiles\.it\.rights\.0: expected read, logs, /,
    ],
    [
      'with a right twice',
      { ...debug, rules: undefined, rights: ['logs', 'exec', 'logs'] },
      /^profiles\.it\.rights\.2: 'logs' stands here twice/,
    ],
    ['with a role and rules', { ...debug, role: 'reader' }, /^profiles\.it: gives exactly one/],
    [
      'of scope workload with a role',
      { ...view, scope: 'workload' },
      /^profiles\.it\.scope: scope workload takes rights or inline rules/,
    ],
    [
      'of scope namespace with a workspace',
      { ...view, network: { mode: 'workspace', image: 'x' } },
      /^profiles\.it\.network\.mode: mode workspace has one target/,
    ],
    [
      'with a workspace without an image',
      { ...debug, network: {} },
      /^profiles\.it\.network\.image: mode workspace needs the image/,
    ],
    ...(
      [
        [
          'no CPU at all',
          { cpu: 0, memory: '1Gi' },
          /^profiles\.it\.network\.resources\.cpu: 0 is no amount of cpu: expected/,
        ],
        ['CPU below nothing', { cpu: '-1', memory: '1Gi' }, /resources\.cpu: "-1" is no amount of cpu/],
        [
          'a thousand million cores',
          { cpu: 1e9, memory: '1Gi' },
          /resources\.cpu: 1000000000 is no amount of cpu.*10m to 64/,
        ],
        ['CPU in bytes', { cpu: '1Ki', memory: '1Gi' }, /resources\.cpu: "1Ki" is no amount of cpu/],
        ['a fraction of a core', { cpu: 0.5, memory: '1Gi' }, /resources\.cpu: 0\.5 is no amount.*500m/],
        ['memory without a unit', { cpu: 1, memory: 512 }, /resources\.memory: 512 is no amount of memory: .*512Mi/],
        ['a KiB of memory', { cpu: 1, memory: '1Ki' }, /resources\.memory: "1Ki" is no amount of memory/],
        ['too little memory', { cpu: 1, memory: '1Mi' }, /resources\.memory: "1Mi" is no amount of memory.*32Mi/],
        ['no memory', { cpu: 1 }, /resources\.memory: nothing is no amount of memory/],
        ['disk', { cpu: 1, memory: '1Gi', disk: '1Gi' }, /resources: .*disk/],
      ] as [string, object, RegExp][]
    ).map(([what, resources, words]): [string, object, RegExp] => [
      `with a workspace of ${what}`,
      { ...debug, network: { mode: 'workspace', image: 'x', resources } },
      words,
    ]),
    [
      'with resources of something else than a workspace',
      { ...debug, network: { mode: 'contain', to: [], resources: { cpu: 1, memory: '1Gi' } } },
      /^profiles\.it\.network\.resources: belongs to mode workspace/,
    ],
    [
      'with edit',
      { ...view, clusterRole: 'edit' },
      /^profiles\.it\.clusterRole: 'edit' has rights by which access outlives/,
    ],
    ['with admin', { ...view, clusterRole: 'admin' }, /^profiles\.it\.clusterRole: 'admin'/],
    ['with cluster-admin', { ...view, clusterRole: 'cluster-admin' }, /^profiles\.it\.clusterRole: 'cluster-admin'/],
    [
      'with rules that read secrets',
      { ...view, clusterRole: undefined, rules: [{ apiGroups: [''], resources: ['secrets'], verbs: ['get'] }] },
      /^profiles\.it\.rules\.0: reads secrets: may only be given by a named role/,
    ],
    ...['patch', 'update', 'deletecollection', 'create'].map((verb): [string, object, RegExp] => [
      `with rules that ${verb} secrets, which is answered with them`,
      {
        ...view,
        clusterRole: undefined,
        acknowledgePersistence: true,
        rules: [{ apiGroups: [''], resources: ['secrets'], verbs: [verb] }],
      },
      /^profiles\.it\.rules\.0: reads secrets: may only be given by a named role/,
    ]),
    [
      'with rules that go on acting',
      {
        ...view,
        clusterRole: undefined,
        rules: [{ apiGroups: [''], resources: ['services', 'pods/exec'], verbs: ['update'] }],
      },
      /^profiles\.it\.rules\.0: redirects traffic of others \(services\): say acknowledgePersistence: true/,
    ],
    [
      'with rules that leave a way in, even acknowledged',
      { ...inline('pods', ['patch']), acknowledgePersistence: true },
      /^profiles\.it\.rules\.0: creates or changes workloads \(pods\)/,
    ],
    [
      'with pods that can not be narrowed by name',
      inline('pods', ['deletecollection']),
      /^profiles\.it\.rules\.0\.resources: verbs create and deletecollection/,
    ],
    [
      'of scope workload with config maps',
      inline('configmaps', ['get']),
      /^profiles\.it\.rules\.0\.resources: 'configmaps' can not be narrowed/,
    ],
    ['of scope workload with services', inline('services', ['get']), /can not be narrowed/],
    ['with pods of another group', inline('pods', ['get'], ['metrics.k8s.io']), /can not be narrowed/],
    ['with pods of two groups', inline('pods', ['get'], ['', 'metrics.k8s.io']), /can not be narrowed/],
    ['with deployments of the wrong group', inline('deployments', ['get'], ['']), /can not be narrowed/],
    ['with every resource', inline('*', ['get']), /^profiles\.it\.rules\.0\.resources\.0: no wildcards/],
    ['with every verb', inline('pods', ['*']), /^profiles\.it\.rules\.0\.verbs\.0: no wildcards/],
    ['with every group', inline('pods', ['get'], ['*']), /^profiles\.it\.rules\.0\.apiGroups\.0: no wildcards/],
    [
      'with resourceNames of its own',
      { ...debug, rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get'], resourceNames: ['x'] }] },
      /Unrecognized key/,
    ],
    ['with no rules', { ...debug, rules: [] }, /^profiles\.it\.rules: /],
    ['without namespaces', { ...view, namespaces: [] }, /^profiles\.it\.namespaces: /],
    [
      'with a regular expression for a namespace',
      { ...view, namespaces: ['team-.+'] },
      /expected a namespace or a pattern/,
    ],
    ['that nobody may ask for', { ...view, requesters: {} }, /^profiles\.it\.requesters: names nobody/],
    ['that nobody may approve', { ...view, approvers: { users: [] } }, /^profiles\.it\.approvers: names nobody/],
    [
      'granted automatically to nobody',
      { ...view, automatic: { members: {}, maximum: '1h' } },
      /^profiles\.it\.automatic\.members: names nobody/,
    ],
    [
      'granted automatically without a limit',
      { ...view, automatic: { members: view.requesters } },
      /^profiles\.it\.automatic\.maximum: /,
    ],
    [
      'granted automatically on no condition',
      { ...view, automatic: [{ when: {} }] },
      /^profiles\.it\.automatic\.0\.when: has no condition/,
    ],
    [
      'granted automatically at hours of no place',
      { ...view, automatic: [{ when: { hours: 'Mon-Fri 08:00-18:00' } }] },
      /^profiles\.it\.automatic\.0\.when\.hours: expected days, times and a time zone/,
    ],
    ['with a group by its handle', { ...view, approvers: { groups: ['@sre'] } }, /id of a Slack user group/],
    ['with a channel by its name', { ...view, approvers: { channels: ['#sre'] } }, /id of a Slack channel/],
    ['with a system user', { ...view, approvers: { users: ['system:admin'] } }, /expected a Kubernetes user/],
    ['with everybody', { ...view, requesters: { users: ['*'] } }, /expected a Kubernetes user/],
    [
      'without approvers',
      { ...view, approvers: undefined },
      /^profiles\.it\.approvers: is missing: give approvers, or/,
    ],
    [
      'with approvers and steps',
      { ...view, approval: STEPS },
      /^profiles\.it\.approval\.steps: stands beside approvers/,
    ],
    [
      'with approvals of steps',
      { ...view, approvers: undefined, approval: STEPS, approvals: 2 },
      /^profiles\.it\.approvals: belongs to approvers/,
    ],
    ...(
      [
        ['no steps', [], /steps: /],
        ['steps of one name', [OWNER, { ...OWNER, count: 2 }], /steps\.1\.name: 'owner' stands here twice/],
        ['a step that nobody decides', [{ ...OWNER, from: {} }], /steps\.0\.from: names nobody/],
        ['a step that takes nobody', [{ ...OWNER, count: 0 }], /steps\.0\.count: /],
        ['a step without a name', [{ ...OWNER, name: '' }], /steps\.0\.name: expected the name of a step/],
        ['a step with a mention for a name', [{ ...OWNER, name: '<!channel>' }], /steps\.0\.name: expected the name/],
        [
          'steps that all may fall away',
          [{ ...OWNER, unless: { maximum: '5m' } }],
          /steps: one step must have no unless/,
        ],
        [
          'a step that falls away always',
          [OWNER, { ...OWNER, name: 'b', unless: {} }],
          /steps\.1\.unless: has no cond/,
        ],
        ['an escalation to nobody', [{ ...OWNER, escalate: [{ after: '1m', to: {} }] }], /to: names nobody/],
        [
          'an escalation at once',
          [{ ...OWNER, escalate: [{ after: '0s', to: BEN }] }],
          /after: '0s' is not a duration/,
        ],
        ['an order of its own', OWNER, /^profiles\.it\.approval\.steps: Invalid input: expected array/],
      ] as const
    ).map(([what, steps, problem]): [string, object, RegExp] => [
      `with ${what}`,
      { ...view, approvers: undefined, approval: { steps } },
      problem,
    ]),
    ['without approvals', { ...view, approvals: 0 }, /^profiles\.it\.approvals: /],
    ['with half an approval', { ...view, approvals: 1.5 }, /^profiles\.it\.approvals: /],
    [
      'with a default longer than its maximum',
      { ...view, duration: { default: '3h', maximum: '2h' } },
      /^profiles\.it\.duration\.default: is longer than maximum/,
    ],
    [
      'longer than seven days',
      { ...view, duration: { default: '1h', maximum: '8d' } },
      /^profiles\.it\.duration\.maximum: no window is longer than 7d/,
    ],
    [
      'with a number for a duration',
      { ...view, duration: { default: 30, maximum: '2h' } },
      /^profiles\.it\.duration\.default: expected a number with a unit/,
    ],
    ['with a mode that is not built', { ...debug, network: { mode: 'open' } }, /^profiles\.it\.network\.mode: /],
    [
      'with a port past the last',
      { ...debug, network: { image: 'x', ports: [{ port: 65_536 }] } },
      /^profiles\.it\.network\.ports\.0\.port: /,
    ],
    [
      'with an empty list of ports',
      { ...debug, network: { image: 'x', ports: [] } },
      /^profiles\.it\.network\.ports: /,
    ],
    [
      'of scope namespace that contains',
      { ...view, network: { mode: 'contain', to: [] } },
      /mode contain has one target/,
    ],
    [
      'of scope namespace for a bastion',
      { ...view, network: { mode: 'bastion', from: [{ cidr: '10.0.0.0/8' }] } },
      /mode bastion has one target/,
    ],
    [
      'that contains to nobody knows what',
      { ...debug, network: { mode: 'contain' } },
      /^profiles\.it\.network\.to: mode contain needs/,
    ],
    [
      'of a bastion without sources',
      { ...debug, network: { mode: 'bastion' } },
      /^profiles\.it\.network\.from: mode bastion needs/,
    ],
    ...['0.0.0.0/0', '0.0.0.0/1', '10.0.0.0/7', '::/0', '2000::/3'].map((cidr): [string, object, RegExp] => [
      `with the source ${cidr}`,
      { ...debug, network: { mode: 'bastion', from: [{ cidr }] } },
      /^profiles\.it\.network\.from\.0\.cidr: is too wide/,
    ]),
    ...['10.0.0.0', '10.0.0.0/33', 'example.test', '10.0.0.256/24'].map((cidr): [string, object, RegExp] => [
      `with the network ${cidr}`,
      { ...debug, network: { mode: 'bastion', from: [{ cidr }] } },
      /^profiles\.it\.network\.from\.0\.cidr: expected a network/,
    ]),
    [
      'with a source of all pods of a namespace',
      { ...debug, network: { mode: 'bastion', from: [{ namespace: 'ops', pods: {} }] } },
      /names no label/,
    ],
    [
      'with a source that is a network and pods',
      { ...debug, network: { mode: 'bastion', from: [{ namespace: 'ops', pods: { app: 'x' }, cidr: '10.0.0.0/8' }] } },
      /expected either namespace and pods/,
    ],
    ...[
      {},
      { namespace: 'ops' },
      { pods: { app: 'vpn' } },
      { cidr: '10.0.0.0/8', namespace: 'ops' },
      { cidr: '10.0.0.0/8', pods: { app: 'vpn' } },
    ].flatMap((peer): [string, object, RegExp][] => [
      [
        `with the source ${JSON.stringify(peer)}`,
        { ...debug, network: { mode: 'bastion', from: [peer] } },
        /^profiles\.it\.network\.from\.0: expected either namespace and pods/,
      ],
      [
        `that contains to ${JSON.stringify(peer)}`,
        { ...debug, network: { mode: 'contain', to: [{ ...peer, ports: [{ port: 443 }] }] } },
        /^profiles\.it\.network\.to\.0: expected either namespace and pods/,
      ],
    ]),
    [
      'with the source 2001::/15',
      { ...debug, network: { mode: 'bastion', from: [{ cidr: '2001::/15' }] } },
      /^profiles\.it\.network\.from\.0\.cidr: is too wide/,
    ],
    [
      'whose inline rules may grow',
      { ...debug, roleMayGrow: true },
      /^profiles\.it\.roleMayGrow: is about a clusterRole or role/,
    ],
    [
      'with DNS and no policy',
      { ...debug, network: { mode: 'none', dns: 'cluster' } },
      /^profiles\.it\.network\.dns: belongs to mode workspace and contain, and this is mode none/,
    ],
    [
      'with pods of which one verb can not be narrowed by name',
      inline('pods', ['get', 'deletecollection']),
      /^profiles\.it\.rules\.0\.resources: verbs create and deletecollection/,
    ],
    [
      'that contains to all ports of a peer',
      { ...debug, network: { mode: 'contain', to: [{ cidr: '10.0.0.0/8' }] } },
      /^profiles\.it\.network\.to\.0\.ports: /,
    ],
    [
      'with the image of another mode',
      { ...debug, network: { mode: 'contain', to: [], image: 'x' } },
      /^profiles\.it\.network\.image: belongs to mode workspace, and this is mode contain/,
    ],
    [
      'with DNS of another mode',
      { ...debug, network: { mode: 'bastion', from: [{ cidr: '10.8.0.0/16' }], dns: 'cluster' } },
      /^profiles\.it\.network\.dns: belongs to mode workspace and contain/,
    ],
    [
      'with a name that no port can have',
      { ...debug, network: { image: 'x', ports: [{ port: 'HTTP_1' }] } },
      /^profiles\.it\.network\.ports\.0\.port: expected a port number, or the name/,
    ],
    ['with a key that nobody knows', { ...view, approver: {} }, /Unrecognized key: "approver"/],
    ['with "except", which is not a word of ours', { ...view, except: {} }, /Unrecognized key: "except"/],
  ])('%s is refused', (_, profile, expected) => {
    expect(problems(policyOf(profile))).toContainEqual(expect.stringMatching(expected));
  });

  it('has safe defaults', () => {
    const profile = policySchema.parse(policyOf(view)).profiles.it;
    expect(profile).toMatchObject({
      approvals: 1,
      selfApproval: false,
      deny: { users: [], groups: [], channels: [] },
      acknowledgePersistence: false,
      network: { mode: 'none', strict: false, allowIsolation: false },
    });
    const workspace = policySchema.parse(policyOf({ ...debug, network: { image: 'x' } })).profiles.it;
    expect(workspace?.network).toMatchObject({
      mode: 'workspace',
      dns: 'none',
      strict: false,
      allowIsolation: false,
    });
    expect([profile?.roleMayGrow, workspace?.roleMayGrow]).toEqual([false, false]);
  });

  it('is told which resources a workload has, each with its group', () => {
    expect(problems(policyOf(inline('configmaps', ['get'])))).toEqual([
      'profiles.it.rules.0.resources: \'configmaps\' can not be narrowed to one workload: allowed are pods and its subresources (apiGroups [""]), and deployments (apps), statefulsets (apps), daemonsets (apps), jobs (batch)',
    ]);
  });
});

describe('a policy', () => {
  it.each<[string, object, RegExp]>([
    ['of another version', { version: 2 }, /^version: /],
    ['without administrators', { administrators: {} }, /^administrators: names nobody/],
    ['without profiles', { profiles: {} }, /^profiles: has no profile/],
    ['with a profile whose name is no label', { profiles: { 'De bug': view } }, /^profiles\.De bug: /],
    ['that posts to a name', { approvals: { channel: '#access' } }, /^approvals\.channel: expected the id/],
    ['whose template names nobody', { identity: { user: 'admin' } }, /^identity\.user: expected a template/],
    [
      'that gives a group of Kubernetes itself',
      { identity: { groups: { '*': ['system:masters'] } } },
      /^identity\.groups\.\*\.0: groups of Kubernetes/,
    ],
    [
      'that makes somebody a system user',
      { identity: { overrides: [{ slack: 'U0ADA', user: 'system:admin' }] } },
      /^identity\.overrides\.0\.user: /,
    ],
    ['that admits a kind nobody knows', { identity: { admit: ['everybody'] } }, /^identity\.admit\.0: /],
  ])('%s is refused', (_, change, expected) => {
    expect(problems(policyOf(view, change))).toContainEqual(expect.stringMatching(expected));
  });

  it.each<[string, string[] | undefined, boolean]>([
    ['one domain', ['example.test'], true],
    ['two domains, of which two people would be one user', ['example.test', 'other.test'], false],
    ['any domain', undefined, false],
  ])('with a template of the local part and %s: %s', (_, emailDomains, isTaken) => {
    const identity = { user: '{local}', ...(emailDomains === undefined ? {} : { emailDomains }) };
    const users = (name: string) => ({ users: [name] });
    const found = problems({
      ...policyOf({ ...view, requesters: users('ada'), approvers: users('ben') }, { identity }),
      administrators: users('cy'),
    });
    if (isTaken) expect(found).toEqual([]);
    else expect(found).toContainEqual(expect.stringMatching(/^identity\.emailDomains: a template with \{local\}/));
  });

  it.each([
    ['{local}-{local}', false],
    ['{email}/{email}', false],
    ['{local}/{email}', true],
  ])(
    'with a template of %s: %s, since a part that stands twice could be told apart in too many ways',
    (user, isTaken) => {
      const found = problems(policyOf(view, { identity: { user, emailDomains: ['example.test'] } }));
      expect(found.some((problem) => problem.startsWith('identity.user: '))).toBe(!isTaken);
    },
  );

  it('gives a profile its own request timeout before the general one', () => {
    const policy = policySchema.parse(policyOf({ ...view, timeout: '10m' }));
    const general = policySchema.parse(policyOf(view));
    expect(requestTimeout(policy, policy.profiles.it as never)).toBe(600);
    expect(requestTimeout(general, general.profiles.it as never)).toBe(3600);
  });

  it('says its rights and limits in words', () => {
    const of = (profile: object) => policySchema.parse(policyOf(profile)).profiles.it as never;
    expect(describeRights(of(view))).toBe('ClusterRole view');
    expect(describeRights(of(debug))).toBe('get on pods,pods/log');
    expect(describeDurations(of(view))).toBe('30m by default, 2h at most');
  });
});

describe('namespaces', () => {
  it.each<[string[], string, boolean]>([
    [['staging'], 'staging', true],
    [['staging'], 'staging2', false],
    [['staging'], 'my-staging', false],
    [['team-*'], 'team-a', true],
    [['team-*'], 'team-', true],
    [['team-*'], 'a-team-a', false],
    [['*-dev'], 'shop-dev', true],
    [['*-dev'], 'shop-dev-2', false],
    [['*'], 'anything', true],
    [['a', 'b'], 'b', true],
    [[], 'a', false],
    [['a.c'], 'abc', false],
    [['a*a'], 'a', false],
    [['a*a'], 'aa', true],
    [['a*b*c'], 'abbc', true],
    [['a*b*c'], 'acb', false],
    [['*ab*ab'], 'ab', false],
    [['**'], '', true],
  ])('%j matches %s: %s', (patterns, namespace, matches) => {
    expect(matchesNamespace(patterns, namespace)).toBe(matches);
  });

  it('fit a pattern exactly as it is read, letter by letter', () => {
    /** What a pattern means, by trying every length of each `*`. */
    const means = (pattern: string, text: string): boolean =>
      pattern === ''
        ? text === ''
        : pattern.startsWith('*')
          ? Array.from({ length: text.length + 1 }, (_, i) => text.slice(i)).some((rest) =>
              means(pattern.slice(1), rest),
            )
          : text.startsWith(pattern.charAt(0)) && means(pattern.slice(1), text.slice(1));
    const word = (letters: string[], maxLength: number) => fc.string({ unit: fc.constantFrom(...letters), maxLength });
    fc.assert(
      fc.property(word(['a', 'b', '*'], 7), word(['a', 'b'], 8), (pattern, text) => {
        expect(matchesNamespace([pattern], text)).toBe(means(pattern, text));
      }),
      { numRuns: 2000 },
    );
  });

  it('are matched at once, however many stars a pattern has', () => {
    // A backtracking matcher takes longer than anybody waits for even the first of these.
    const pattern = `${'a*'.repeat(30)}b`;
    for (let length = 1; length <= 63; length += 1) expect(matchesNamespace([pattern], 'a'.repeat(length))).toBe(false);
    expect(matchesNamespace([pattern], `${'a'.repeat(62)}b`)).toBe(true);
  });

  it('of Kubernetes itself are known by their prefix', () => {
    expect(['kube-system', 'kube-public', 'kube-node-lease'].every(isSystemNamespace)).toBe(true);
    expect(isSystemNamespace('kubeflow')).toBe(false);
  });
});

describe('names of people', () => {
  it.each(['ada@example.test', 'oidc:ada', 'CN=ada', 'x'.repeat(253)])('%s is one', (name) =>
    expect(isPersonName(name)).toBe(true),
  );
  it.each(['', 'system:masters', 'system:serviceaccount:x:y', 'ada x', 'ada\n', '*', 'a\u202eb', 'x'.repeat(254)])(
    '%j is none',
    (name) => expect(isPersonName(name)).toBe(false),
  );
});
