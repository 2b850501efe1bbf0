import { expect, test } from 'vitest';
import { viewOf } from '../../../../src/app/inquire/view.ts';
import type { Grant } from '../../../../src/domain/grant/grant.ts';
import { policySchema } from '../../../../src/domain/policy/schema.ts';
import { POLICY } from '../../../support/app-world.ts';
import { sampleGrant, samplePlan } from '../../../support/grants.ts';

const cluster = {
  workspacesNamespace: 'drawbridge-workspaces',
  nodesNamespace: 'drawbridge-nodes',
  objectsOf: () => [],
  entrance: () => ({ server: 'https://kubernetes.example.test', authority: null }),
};
const rule = (resource: string, ...verbs: string[]) => ({ apiGroups: [''], resources: [resource], verbs });
const T0 = Date.UTC(2026, 0, 5, 9);
function commands(rules: ReturnType<typeof rule>[], change: Partial<Grant> = {}): readonly string[] {
  const grant = sampleGrant({
    state: 'active',
    startsAt: T0,
    expiresAt: T0 + 1_800_000,
    plan: samplePlan({ rules }),
    ...change,
  });
  return viewOf(grant, policySchema.parse(POLICY), cluster, T0).commands;
}
const exec = rule('pods/exec', 'get', 'create');

test.each<[string, ReturnType<typeof rule>[], string[]]>([
  ['reading a pod', [rule('pods', 'get')], ['kubectl -n staging get pod checkout-1']],
  ['logs', [rule('pods/log', 'list', 'get')], ['kubectl -n staging logs checkout-1']],
  ['exec', [exec], ['kubectl -n staging exec -it checkout-1 -- sh']],
  [
    'ports and logs',
    [rule('pods/log', 'get'), rule('pods/portforward', 'create')],
    ['kubectl -n staging logs checkout-1', 'kubectl -n staging port-forward checkout-1 8080'],
  ],
  ['the workload', [rule('deployments', 'get')], ['kubectl -n staging get deployments checkout']],
  ['deleting only', [rule('pods', 'delete')], []],
  [
    'deleting as kubectl does it',
    [rule('pods', 'get', 'delete')],
    ['kubectl -n staging get pod checkout-1', 'kubectl -n staging delete pod checkout-1'],
  ],
  [
    'scaling',
    [rule('deployments/scale', 'get', 'patch')],
    ['kubectl -n staging scale deployments checkout --replicas=3'],
  ],
  ['scaling of another kind', [rule('statefulsets/scale', 'get', 'patch')], []],
  ['exec that only reads', [rule('pods/exec', 'get')], []],
  ['another kind', [rule('statefulsets', 'get')], []],
  ['a workload that is not read', [rule('deployments', 'patch')], []],
])('who was granted %s is shown the commands for that and nothing else', (_what, rules, lines) => {
  expect(commands(rules)).toEqual(lines);
});

test('a workspace is entered first, in its own namespace', () => {
  expect(commands([exec], { workspacePod: 'drawbridge-g-aaaaaa-workspace-x' })).toEqual([
    'kubectl -n drawbridge-workspaces exec -it drawbridge-g-aaaaaa-workspace-x -c workspace -- sh',
    'kubectl -n staging exec -it checkout-1 -- sh',
  ]);
});

test('without a pod there is no command for one, and a pod that is the target is shown once', () => {
  expect(commands([rule('pods', 'get'), rule('deployments', 'get')], { pods: [] })).toEqual([
    'kubectl -n staging get deployments checkout',
  ]);
  const target = { namespace: 'staging', workload: { kind: 'Pod', name: 'checkout-1' } } as const;
  expect(commands([rule('pods', 'get')], { target })).toEqual(['kubectl -n staging get pod checkout-1']);
});

test('a whole namespace is answered with what may be done in it', () => {
  expect(commands([rule('pods', 'get')], { target: { namespace: 'staging' } })).toEqual([
    'kubectl -n staging auth can-i --list',
  ]);
});

test.each<[Grant['state'], boolean]>([
  ['pending', false],
  ['approved', false],
  ['applying', true],
  ['active', true],
  ['ending', false],
  ['revoked', false],
])('a grant that is %s shows commands: %s', (state, areShown) => {
  expect(commands([exec], { state }).length > 0).toBe(areShown);
});

test('a shell on a node is opened there, and what lives on after it is said', () => {
  const shell = { image: 'tools:1', host: [], filesystem: 'none' } as const;
  const target = { scope: 'node', node: 'worker-1' } as const;
  const plan = samplePlan({ target, workload: null, rules: [rule('nodes', 'get')], shell: { ...shell, host: [] } });
  const grant = sampleGrant({
    state: 'active',
    startsAt: T0,
    expiresAt: T0 + 1,
    plan,
    workspacePod: 'drawbridge-g-x-workspace-y',
  });
  const view = viewOf(grant, policySchema.parse(POLICY), cluster, T0);
  expect(view.commands).toEqual([
    'kubectl -n drawbridge-nodes exec -it drawbridge-g-x-workspace-y -c workspace -- sh',
    'kubectl get node worker-1 -o wide',
    'kubectl describe node worker-1',
  ]);
  expect(view.closing).toMatch(
    /what runs in it is killed. What was moved out of its container, or left on the node, lives on/,
  );
});

test('all pods are named in one line, as many as can be read', () => {
  const pods = Array.from({ length: 12 }, (_, i) => `checkout-${i}`);
  expect(commands([rule('pods', 'get')], { pods })).toEqual([
    `kubectl -n staging get pod ${pods.slice(0, 10).join(' ')}`,
  ]);
});

test('what the end says is lifted or closed is what was put there', () => {
  const closing = (network: Grant['plan']['network']) =>
    viewOf(sampleGrant({ plan: samplePlan({ network }) }), policySchema.parse(POLICY), cluster, T0).closing;
  const selector = { matchLabels: { app: 'checkout' } };
  const contain = { mode: 'contain', selector, to: [], dns: 'none', strict: false, foreign: [] } as const;
  const bastion = { mode: 'bastion', selector, ports: [], from: [] } as const;
  expect(closing({ ...contain, applies: true })).toContain('the containment is lifted');
  expect(closing({ ...contain, applies: false })).toContain('the pods stay isolated as they were');
  expect(closing({ ...bastion, admits: true })).toContain('new connections are refused');
  expect(closing({ ...bastion, admits: false })).toContain('the target stays as reachable as it was');
});
