import { describe, expect, test } from 'vitest';
import type { Api } from '../../../../src/adapters/kubernetes/api.ts';
import { ApiError } from '../../../../src/adapters/kubernetes/api.ts';
import {
  differences,
  explained,
  isAsked,
  tellOfChange,
  unsealedBy,
} from '../../../../src/adapters/kubernetes/changed-on-its-way.ts';
import type { KubeObject } from '../../../../src/adapters/kubernetes/object.ts';

const JOB = {
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: {
    namespace: 'staging',
    name: 'drawbridge-g-222222',
    labels: { 'app.kubernetes.io/managed-by': 'drawbridge' },
  },
} satisfies KubeObject;
const JOBS = [{ apiGroups: ['batch'], resources: ['jobs'] }];

describe('who is asked about an object', () => {
  test.each([
    ['its kind', JOBS, {}, true],
    ['any kind', [{ apiGroups: ['*'], resources: ['*'] }], {}, true],
    ['any kind and subresource', [{ apiGroups: ['*'], resources: ['*/*'] }], {}, true],
    ['another group', [{ apiGroups: ['apps'], resources: ['jobs'] }], {}, false],
    ['another resource', [{ apiGroups: ['batch'], resources: ['cronjobs'] }], {}, false],
    ['its subresource only', [{ apiGroups: ['batch'], resources: ['jobs/status'] }], {}, false],
    ['the second of two rules', [{ apiGroups: ['apps'], resources: ['*'] }, ...JOBS], {}, true],
    ['no rules', undefined, {}, false],
    ['its namespace', JOBS, { namespaceSelector: { matchLabels: { team: 'shop' } } }, true],
    ['another namespace', JOBS, { namespaceSelector: { matchLabels: { team: 'other' } } }, false],
    ['its labels', JOBS, { objectSelector: { matchLabels: { 'app.kubernetes.io/managed-by': 'drawbridge' } } }, true],
    [
      'all but its labels',
      JOBS,
      {
        objectSelector: {
          matchExpressions: [{ key: 'app.kubernetes.io/managed-by', operator: 'NotIn', values: ['drawbridge'] }],
        },
      },
      false,
    ],
  ])('%s', (_name, rules, scope, expected) => {
    expect(isAsked(rules, scope, JOB, { team: 'shop' })).toBe(expected);
  });
});

describe('where two values differ', () => {
  const containers = (...names: string[]) => ({ spec: { containers: names.map((name) => ({ name, image: 'a' })) } });
  test.each([
    ['nowhere', containers('a', 'b'), containers('a', 'b'), []],
    ['a container more', containers('a'), containers('a', 'b'), ['spec.containers[b]']],
    ['a container less', containers('a', 'b'), containers('a'), ['spec.containers[b]']],
    [
      'one of two',
      containers('a', 'b'),
      {
        spec: {
          containers: [
            { name: 'a', image: 'a' },
            { name: 'b', image: 'x' },
          ],
        },
      },
      ['spec.containers[b].image'],
    ],
    ['a list of words', { a: ['x'] }, { a: ['x', 'y'] }, ['a']],
    ['named things where none were', {}, { volumes: [{ name: 'v' }] }, ['volumes[v]']],
    ['a member more', { a: {} }, { a: { b: true } }, ['a.b']],
    ['a member less', { a: { b: 1, c: 2 } }, { a: { b: 1 } }, ['a.c']],
    ['a thing for a word', { a: 'x' }, { a: { b: 1 } }, ['a']],
    ['two places', { a: 1, b: 2 }, { a: 2, b: 1 }, ['a', 'b']],
  ])('%s', (_name, sent, got, paths) => {
    expect(differences(sent, got)).toEqual(paths);
  });

  test('of what a seal covers, in the words of the object', () => {
    const role = { ...JOB, kind: 'Role', rules: [{ verbs: ['get', 'list'] }] };
    expect(unsealedBy(role, { ...role, rules: [{ verbs: ['get'] }] })).toEqual(['rules']);
    const guard = { ...JOB, kind: 'NetworkPolicy', spec: { podSelector: {}, egress: [] } };
    expect(unsealedBy(guard, { ...guard, spec: { podSelector: { matchLabels: {} }, egress: [] } })).toEqual([
      'spec.podSelector.matchLabels',
    ]);
    const metadata = { ...JOB.metadata, annotations: { team: 'x', 'drawbridge.internal/profile': 'x' } };
    expect(unsealedBy(role, { ...role, metadata })).toEqual(['annotations.drawbridge.internal/profile']);
    expect(unsealedBy(role, { ...role, metadata: { ...JOB.metadata, annotations: { team: 'x' } } })).toEqual([]);
  });
});

describe('what is told', () => {
  /** An API server with these webhooks and policies; null: Drawbridge may not read them. */
  function apiWith(webhooks: object[] | null, policies: object[] = []): Api {
    const list = async (kind: string) => {
      if (webhooks === null) throw new ApiError(403, 'no');
      return kind === 'MutatingWebhookConfiguration' ? webhooks : policies;
    };
    return { read: async () => ({ metadata: { labels: { team: 'shop' } } }), list } as unknown as Api;
  }
  const mesh = { metadata: { name: 'mesh' }, webhooks: [{ name: 'mesh.example.test', rules: JOBS }] };

  test('names those that are asked, and only those', async () => {
    const other = { metadata: { name: 'other' }, webhooks: [{ name: 'other.example.test', rules: [] }] };
    const policy = { metadata: { name: 'adds-labels' }, spec: { matchConstraints: { resourceRules: JOBS } } };
    const elsewhere = {
      metadata: { name: 'elsewhere' },
      spec: { matchConstraints: { resourceRules: JOBS, namespaceSelector: { matchLabels: { team: 'x' } } } },
    };
    const words = await tellOfChange(apiWith([mesh, other], [policy, elsewhere]), JOB, 'It has a sidecar');
    expect(words).toBe(
      'It has a sidecar. Job staging/drawbridge-g-222222 is not as Drawbridge wrote it: webhook mesh.example.test (MutatingWebhookConfiguration mesh), MutatingAdmissionPolicy adds-labels changed it. Exclude objects with the label app.kubernetes.io/managed-by=drawbridge (objectSelector) or the namespace staging (namespaceSelector) from it.',
    );
  });

  test.each([
    ['may not be read', null],
    ['there are none', []],
  ])('says what it may be where they %s', async (_name, webhooks) => {
    const words = await tellOfChange(apiWith(webhooks), JOB, 'It has a sidecar.');
    expect(words).toContain('a mutating webhook, or a later default of Kubernetes changed it');
    expect(words).toContain("bring the chart up to Drawbridge's policy");
    expect(words).not.toContain('sidecar..');
  });

  const leash = (policy: string) =>
    `jobs.batch "x" is forbidden: ValidatingAdmissionPolicy '${policy}' with binding '${policy}' denied request: It has tolerations.`;
  test.each([
    ['the leash', leash('drawbridge-leash'), /^It has tolerations\. Job staging/],
    ['a part of the leash', leash('x-leash-jobs'), /^It has tolerations\. Job staging/],
    [
      'a template that was changed',
      'Job.batch "x" is invalid: spec.template: Invalid value: {}: field is immutable',
      /^Its spec\.template was changed, which a Job keeps for good\. Job/,
    ],
  ])('explains a refusal by %s', async (_name, words, expected) => {
    const error = await explained(apiWith([mesh]), JOB, new ApiError(422, words));
    expect(error).toBeInstanceOf(ApiError);
    expect((error as ApiError).words).toMatch(expected);
    expect((error as ApiError).status).toBe(422);
  });

  test.each([
    ['another policy', new ApiError(403, leash('drawbridge-guarded'))],
    ['a quota', new ApiError(403, 'exceeded quota: no-jobs')],
    ['no answer', new Error('away')],
  ])('leaves a refusal by %s as it is', async (_name, error) => {
    expect(await explained(apiWith([mesh]), JOB, error)).toBe(error);
  });
});
