import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rulesGiven } from '../../../src/adapters/kubernetes/manifests.ts';
import { decide } from '../../../src/domain/decide/decide.ts';
import { parseGrantRecord } from '../../../src/domain/grant/record.ts';
import { askedFor, summaryOf } from '../../../src/domain/grant/summary.ts';
import { differencesOf } from '../../../src/domain/plan/differences.ts';
import { whyNotNarrower } from '../../../src/domain/plan/narrower.ts';
import { boundOf, digestOfPlan } from '../../../src/domain/plan/plan.ts';
import { changesOfPolicy } from '../../../src/domain/policy/changes.ts';
import { describeRights, type NodeShell, ownRulesOf, type Profile } from '../../../src/domain/policy/policy.ts';
import { type PolicyInput, policySchema } from '../../../src/domain/policy/schema.ts';
import { growth } from '../../../src/domain/rights/coverage.ts';
import { risksOf } from '../../../src/domain/rights/rights.ts';
import { describeTarget, type Wanted } from '../../../src/domain/target.ts';
import { ADA, sampleGrant, samplePlan } from '../../support/grants.ts';
import { decideWith } from '../../support/people.ts';

type ProfileInput = PolicyInput['profiles'][string];

const everybody = {
  requesters: { users: ['ada@example.test'] },
  approvers: { users: ['ben@example.test'] },
  duration: { default: '30m', maximum: '2h' },
};
const ON_NODES = [{ apiGroups: [''], resources: ['nodes', 'nodes/metrics'], verbs: ['get'] }];
const SHELL = { shell: { image: 'example.test/tools:1' }, acknowledgePersistence: true };
const PROFILES: Record<'namespace' | 'workload' | 'cluster' | 'node', ProfileInput> = {
  namespace: { ...everybody, scope: 'namespace', namespaces: ['*'], clusterRole: 'view' },
  workload: { ...everybody, scope: 'workload', namespaces: ['*'], rights: ['logs'] },
  cluster: { ...everybody, scope: 'cluster', clusterRole: 'view' },
  node: { ...everybody, scope: 'node', nodes: ['worker-*', 'db.example.test'], rules: ON_NODES },
};
const written = (profiles: Record<string, unknown>) => ({
  version: 1,
  identity: {},
  administrators: { users: ['cy@example.test'] },
  approvals: { channel: 'C0ACCESS001' },
  profiles,
});
const policyWith = (profiles: Record<string, unknown>) => policySchema.safeParse(written(profiles));
const policy = policySchema.parse(written(PROFILES));
const everywhere = { scope: 'cluster' } as const;
const worker = { scope: 'node', node: 'worker-1' } as const;

const request = (profile: string, target: Wanted) => {
  const ask = { profile, target, duration: null, reason: 'the disk is full' };
  const parties = { requester: ADA, actor: ADA };
  const deciding = decide({ policy, closedNamespaces: [], now: 0 }, { kind: 'request', ask }, parties);
  return decideWith(deciding, { lists: {} }).decided;
};

describe('a profile for the whole cluster or for a node', () => {
  const wrong: [string, object, string, RegExp][] = [
    ['a namespace', { ...PROFILES.cluster, namespaces: ['staging'] }, 'namespaces', /belongs to scopes namespace and/],
    ['no namespace', { ...PROFILES.namespace, namespaces: undefined }, 'namespaces', /is missing: scope namespace/],
    ['nodes', { ...PROFILES.cluster, nodes: ['worker-1'] }, 'nodes', /belongs to scope node/],
    ['no nodes', { ...PROFILES.node, nodes: undefined }, 'nodes', /is missing: scope node/],
    ['a Role', { ...PROFILES.cluster, clusterRole: undefined, role: 'x' }, 'role', /is in a namespace/],
    ['words', { ...PROFILES.cluster, clusterRole: undefined, rights: ['logs'] }, 'rights', /for pods/],
    ['a role for a node', { ...PROFILES.node, rules: undefined, clusterRole: 'view' }, 'clusterRole', /one node/],
    ['a workspace', { ...PROFILES.cluster, network: { mode: 'workspace', image: 'x' } }, 'network.mode', /workload/],
    ['pods of a node', { ...PROFILES.node, rules: [{ ...ON_NODES[0], resources: ['pods'] }] }, 'rules.0', /'pods'/],
    [
      'the proxy of a node',
      { ...PROFILES.node, rules: [{ ...ON_NODES[0], resources: ['nodes/proxy'] }] },
      'rules.0',
      /never given/,
    ],
    [
      'creation of nodes',
      { ...PROFILES.node, rules: [{ ...ON_NODES[0], verbs: ['deletecollection'] }] },
      'rules.0',
      /one node/,
    ],
    [
      'another group',
      { ...PROFILES.node, rules: [{ ...ON_NODES[0], apiGroups: ['example.test'] }] },
      'rules.0',
      /metrics.k8s.io/,
    ],
    [
      'all secrets',
      {
        ...PROFILES.cluster,
        clusterRole: undefined,
        rules: [{ apiGroups: [''], resources: ['secrets'], verbs: ['get'] }],
      },
      'rules.0',
      /never by inline rules/,
    ],
    ['edit', { ...PROFILES.cluster, clusterRole: 'edit' }, 'clusterRole', /acknowledgePersistence/],
    ['a shell in the whole cluster', { ...PROFILES.cluster, ...SHELL }, 'shell', /belongs to scope node/],
    ['a shell in a workload', { ...PROFILES.workload, ...SHELL }, 'shell', /belongs to scope node/],
    [
      'a shell that is not acknowledged',
      { ...PROFILES.node, shell: SHELL.shell },
      'shell',
      /is root on the node.*acknowledgePersistence/,
    ],
    ['a shell by token', { ...PROFILES.node, ...SHELL, credential: 'token' }, 'credential', /takes no shell/],
    ['neither rules nor a shell', { ...PROFILES.node, rules: undefined }, '', /exactly one of/],
    [
      'what a shell can not share',
      { ...PROFILES.node, ...SHELL, shell: { image: 'x', host: ['ipc'] } },
      'shell.host.0',
      /Invalid option/,
    ],
    [
      'the same shared twice',
      { ...PROFILES.node, ...SHELL, shell: { image: 'x', host: ['pid', 'pid'] } },
      'shell.host.1',
      /stands here twice/,
    ],
    ['a shell without an image', { ...PROFILES.node, ...SHELL, shell: {} }, 'shell.image', /expected string/],
  ];
  it.each(wrong)('with %s is refused by its path', (_what, profile, path, message) => {
    const issues = policyWith({ it: profile }).error?.issues ?? [];
    const found = issues.filter((issue) => issue.path.join('.') === ['profiles.it', path].filter(Boolean).join('.'));
    expect(found.map((issue) => issue.message).join('\n')).toMatch(message);
  });

  it('is asked for by its own kind of target, and by no other', () => {
    const targets: Record<keyof typeof PROFILES, Wanted> = {
      namespace: { namespace: 'staging' },
      workload: { namespace: 'staging', workload: { kind: 'Deployment', name: 'checkout' } },
      cluster: everywhere,
      node: worker,
    };
    const names = Object.keys(PROFILES) as (keyof typeof PROFILES)[];
    fc.assert(
      fc.property(fc.constantFrom(...names), fc.constantFrom(...names), (profile, kind) => {
        const decided = request(profile, targets[kind]);
        expect(decided.allowed).toBe(profile === kind);
        if (!decided.allowed) expect(decided.refusal.rule).toBe(`profiles.${profile}.scope`);
      }),
    );
  });

  it('covers the nodes that it names, dots and all', () => {
    expect(request('node', worker).allowed).toBe(true);
    expect(request('node', { scope: 'node', node: 'db.example.test' }).allowed).toBe(true);
    for (const node of ['dbxexample.test', 'master', 'worker-*', 'Worker-1', '../worker-1', ''])
      expect([node, request('node', { scope: 'node', node }).allowed]).toEqual([node, false]);
  });

  it('gives a shell with rules or without, which shares nothing of the node but its files, read-only, unless it says so', () => {
    for (const rules of [ON_NODES, undefined]) {
      const profile = policySchema.parse(written({ it: { ...PROFILES.node, ...SHELL, rules } })).profiles['it'];
      expect(profile?.shell).toEqual({ image: 'example.test/tools:1', host: [], filesystem: 'read-only' });
      expect(describeRights(profile as Profile)).toMatch(
        /^root shell on the node \(example.test\/tools:1\) with its files read-only/,
      );
      expect(ownRulesOf(profile as Profile)).toEqual(rules ?? []);
    }
  });

  it('has a shell that is more or less than another in `policy diff`', () => {
    const withShell = (shell?: object) =>
      policySchema.parse(
        written({
          it: { ...PROFILES.node, acknowledgePersistence: true, ...(shell && { shell: { image: 'x', ...shell } }) },
        }),
      );
    const told = (old: object | undefined, now: object | undefined) =>
      changesOfPolicy(withShell(old), withShell(now)).map(({ where, effect, words }) => `${effect} ${where}: ${words}`);
    expect(told(undefined, {})).toEqual([
      'weaker profiles.it.shell: gives a root shell on the node (x) with its files read-only',
    ]);
    expect(told({}, undefined)).toEqual([expect.stringMatching(/^stricter .*gives no more a root shell/)]);
    expect(told({}, { host: ['pid'] })).toEqual([`weaker profiles.it.shell.host: shares the node's pid`]);
    expect(told({ host: ['network'] }, {})).toEqual([
      `stricter profiles.it.shell.host: shares the node's network no more`,
    ]);
    expect(told({}, { filesystem: 'read-write' })).toEqual([
      'weaker profiles.it.shell.filesystem: was read-only, is read-write',
    ]);
    expect(told({}, { filesystem: 'none' })).toEqual(['stricter profiles.it.shell.filesystem: was read-only, is none']);
    expect(told({}, { image: 'y' })).toEqual(['unclear profiles.it.shell.image: was "x", is "y"']);
  });

  it('is wider or narrower than another in `policy diff`', () => {
    const from = (scope: keyof typeof PROFILES) => policySchema.parse(written({ it: PROFILES[scope] }));
    const effects = (old: keyof typeof PROFILES, now: keyof typeof PROFILES) =>
      changesOfPolicy(from(old), from(now)).find(({ where }) => where === 'profiles.it.scope');
    expect(effects('namespace', 'cluster')).toMatchObject({ effect: 'weaker' });
    expect(effects('cluster', 'namespace')).toMatchObject({ effect: 'stricter' });
    expect(effects('namespace', 'node')).toMatchObject({ effect: 'unclear' });
  });
});

describe('a grant for the whole cluster or for a node', () => {
  const planOn = (target: typeof everywhere | typeof worker, nodeUid?: string) =>
    samplePlan({ target, namespaceUid: null, workload: null, pods: [], ...(nodeUid && { nodeUid }) });

  it('is stored and read, and its target is in no namespace', () => {
    for (const target of [everywhere, worker]) {
      const grant = sampleGrant({ plan: planOn(target) });
      expect(parseGrantRecord(JSON.stringify(grant))).toMatchObject({ grant: { target, plan: { target } } });
      expect(summaryOf(grant).namespace).toBeNull();
    }
    const both = { ...sampleGrant(), target: { ...everywhere, namespace: 'staging' } };
    expect(parseGrantRecord(JSON.stringify(both))).toHaveProperty('problem');
  });

  it('with a shell is stored and read, and is another one with another shell', () => {
    const shells: NodeShell[] = [
      { image: 'x', host: [], filesystem: 'none' },
      { image: 'y', host: [], filesystem: 'none' },
      { image: 'x', host: ['pid'], filesystem: 'none' },
      { image: 'x', host: [], filesystem: 'read-write' },
    ];
    const plans = [planOn(worker), ...shells.map((shell) => ({ ...planOn(worker), shell }))];
    expect(new Set(plans.map(digestOfPlan)).size).toBe(plans.length);
    for (const plan of plans)
      for (const other of plans) {
        const told = differencesOf(boundOf(plan), boundOf(other));
        expect(told).toEqual(plan === other ? [] : [expect.stringMatching(/^shell: was .*, is /)]);
        expect(whyNotNarrower(plan, other)).toBe(plan === other ? null : 'its shell is another');
      }
    const grant = sampleGrant({
      plan: { ...planOn(worker), shell: { image: 'x', host: ['pid'], filesystem: 'none' }, rules: [] },
    });
    expect(parseGrantRecord(JSON.stringify(grant))).toMatchObject({ grant: { plan: { shell: grant.plan.shell } } });
    expect(summaryOf(grant).has).toMatchObject({ shell: true, target: false, role: false, workspace: false });
    expect(summaryOf(sampleGrant({ plan: planOn(worker) })).has).toMatchObject({
      shell: false,
      target: true,
      role: true,
    });
  });

  it('is another for each node, and for a node that was made again', () => {
    const asked = (node: string) => askedFor(sampleGrant({ plan: planOn({ scope: 'node', node } as typeof worker) }));
    expect(asked('worker-1')).not.toBe(asked('worker-2'));
    expect(digestOfPlan(planOn(worker, 'one'))).not.toBe(digestOfPlan(planOn(worker, 'two')));
  });

  it('gives on a node what its rules give there, and nothing on another', () => {
    const word = fc.stringMatching(/^[a-z]{1,6}$/);
    const rule = fc.record({
      apiGroups: fc.array(word, { minLength: 1, maxLength: 3 }),
      resources: fc.array(word, { minLength: 1, maxLength: 3 }),
      verbs: fc.array(word, { minLength: 1, maxLength: 3 }),
    });
    fc.assert(
      fc.property(fc.array(rule, { maxLength: 4 }), (rules) => {
        const given = rulesGiven(rules, worker, []);
        // Within what the profile says, and all of it for this name.
        expect(growth(rules, given)).toEqual([]);
        expect(given.map(({ resourceNames }) => resourceNames)).toEqual(rules.map(() => ['worker-1']));
        expect(
          growth(
            given,
            rules.map((one) => ({ ...one, resourceNames: ['worker-1'] })),
          ),
        ).toEqual([]);
      }),
    );
    expect(rulesGiven(ON_NODES, everywhere, [])).toEqual(ON_NODES);
  });

  it('is said as a person reads it', () => {
    expect(describeTarget(everywhere)).toBe('the whole cluster');
    expect(describeTarget(worker)).toBe('node/worker-1');
  });

  it('counts what a role gives at URLs, which only a binding in the whole cluster does', () => {
    const urls = (...nonResourceURLs: string[]) => [{ apiGroups: [], resources: [], verbs: ['get'], nonResourceURLs }];
    expect(risksOf(urls('/metrics'))).toEqual([{ class: 'said', words: expect.stringContaining('/metrics') }]);
    expect(risksOf(urls('*')).map((risk) => risk.class)).toEqual(['never inline']);
    expect(digestOfPlan(samplePlan({ rules: urls('/metrics') }))).not.toBe(digestOfPlan(samplePlan({ rules: [] })));
  });
});
