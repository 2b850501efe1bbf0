import { expect, test } from 'vitest';
import type { Kind } from '../../../../src/adapters/kubernetes/api.ts';
import { clusterKeys } from '../../../../src/adapters/kubernetes/cluster-keys.ts';
import { judgeWith } from '../../../../src/adapters/kubernetes/found.ts';
import type { KubeObject } from '../../../../src/adapters/kubernetes/object.ts';
import { KEY } from '../../../support/made.ts';

const judge = judgeWith(clusterKeys([KEY], 'here'), { read: async () => null });

test.each<[string, Kind, Partial<KubeObject>, boolean]>([
  ['a binding without subjects', 'RoleBinding', {}, true],
  ['a binding with an empty list of subjects', 'RoleBinding', { subjects: [] }, true],
  ['a binding with a subject', 'RoleBinding', { subjects: [{ kind: 'User', name: 'ada' }] }, false],
  ['a Role without rules', 'Role', { rules: null }, true],
  ['a Role with a rule', 'Role', { rules: [{ verbs: ['get'] }] }, false],
  [
    'a binding with rules and a subject',
    'RoleBinding',
    { rules: [], subjects: [{ kind: 'User', name: 'ada' }] },
    false,
  ],
  ['a Job, which gives no rights that could be emptied', 'Job', {}, false],
  ['a NetworkPolicy, which gives none either', 'NetworkPolicy', {}, false],
])('whether its rights were taken out of it is known of %s', (_what, kind, content, inert) => {
  // Lists leave the kind out.
  const listed = { metadata: { name: 'one', namespace: 'staging' }, ...content } as KubeObject;
  expect(judge(kind, listed)).toMatchObject({ sealed: false, inert });
});
