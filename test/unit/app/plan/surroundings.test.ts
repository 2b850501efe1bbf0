import { expect, test } from 'vitest';
import { allowances, podLabelled, surroundingsOf } from '../../../../src/app/plan/surroundings.ts';
import type { LabelSelector, NetworkPolicy, Owner } from '../../../../src/network/types.ts';

const POD_NAME = 'statefulset.kubernetes.io/pod-name';
const labels = { app: 'db' };
const open = (podSelector: LabelSelector): NetworkPolicy => ({
  metadata: { namespace: 'staging', name: 'open' },
  spec: { podSelector, policyTypes: ['Egress'], egress: [{}] },
});
const set: Owner = { kind: 'StatefulSet', name: 'db' };

/** Whether it counts as one that selects pods of the workload: for what confines it, and for what an approval binds. */
function counts(owner: Owner, selector: LabelSelector): boolean {
  const policy = open(selector);
  const isAllowance = allowances('contain', [policy], podLabelled('staging', labels, owner)).length > 0;
  const pods = [{ pods: 'target', namespace: 'staging', labels, owner } as const];
  const { policies, isolation } = surroundingsOf(pods, [policy], []);
  expect(policies.length > 0).toBe(isAllowance);
  // By a label of some pods nothing isolates all of them.
  expect(isolation).toEqual([
    {
      pods: 'target',
      before: selector === BY_TEMPLATE ? ['Egress'] : [],
      with: selector === BY_TEMPLATE ? ['Egress'] : [],
    },
  ]);
  return isAllowance;
}
const BY_TEMPLATE = { matchLabels: labels };

test.each<[string, Owner, LabelSelector, boolean]>([
  ['the labels of the template', set, BY_TEMPLATE, true],
  ['the name of one pod', set, { matchLabels: { [POD_NAME]: 'db-0' } }, true],
  [
    'the names of several',
    set,
    { matchExpressions: [{ key: POD_NAME, operator: 'In', values: ['web-0', 'db-1'] }] },
    true,
  ],
  ['that it has a name', set, { matchExpressions: [{ key: POD_NAME, operator: 'Exists' }] }, true],
  ['the name of a pod of others', set, { matchLabels: { [POD_NAME]: 'web-0' } }, false],
  ['the number of one pod', set, { matchLabels: { ...labels, 'apps.kubernetes.io/pod-index': '0' } }, true],
  ['the number of one pod of others', set, { matchLabels: { app: 'web', 'apps.kubernetes.io/pod-index': '0' } }, false],
  ['a label that no pod of it has', set, { matchLabels: { ...labels, tier: 'x' } }, false],
  ['a version', { kind: 'Deployment', name: 'db' }, { matchLabels: { ...labels, 'pod-template-hash': 'abc' } }, true],
  ['a version', { kind: 'DaemonSet', name: 'db' }, { matchLabels: { 'controller-revision-hash': 'abc' } }, true],
  ['a number', { kind: 'Job', name: 'db' }, { matchLabels: { 'batch.kubernetes.io/job-completion-index': '1' } }, true],
  ['what only other kinds have', { kind: 'Deployment', name: 'db' }, { matchLabels: { [POD_NAME]: 'db-0' } }, false],
  [
    'what a Pod alone would have itself',
    { kind: 'Pod', name: 'db' },
    { matchLabels: { 'pod-template-hash': 'a' } },
    false,
  ],
])('a policy that selects by %s, of a %o', (_what, owner, selector, isCounted) => {
  expect(counts(owner, selector)).toBe(isCounted);
});
