import { expect, test } from 'vitest';
import { type Api, ApiError } from '../../../../src/adapters/kubernetes/api.ts';
import { clusterKeys } from '../../../../src/adapters/kubernetes/cluster-keys.ts';
import { tryWriting } from '../../../../src/adapters/kubernetes/leash.ts';
import type { KubeObject } from '../../../../src/adapters/kubernetes/object.ts';
import { Unavailable } from '../../../../src/domain/errors.ts';
import { type Profile } from '../../../../src/domain/policy/policy.ts';
import { policySchema } from '../../../../src/domain/policy/schema.ts';
import { POLICY } from '../../../support/app-world.ts';

const CONTEXT = { instance: 'test', workspacesNamespace: 'workspaces' };
const KEYS = clusterKeys([Buffer.alloc(32, 7)], 'cluster-1');

/** What would be written for a profile of these namespaces at an API server that answers so, and why it would not be taken. */
async function tried(namespaces: readonly string[], answer: (object: KubeObject) => KubeObject) {
  const asked: string[] = [];
  const api = {
    async apply(object: KubeObject, dryRun: boolean) {
      asked.push(`${dryRun ? '' : 'for good '}${object.kind} ${object.metadata.namespace}`);
      return answer(object);
    },
    read: async () => null,
    list: async () => [],
  } as unknown as Api;
  const [profile] = Object.values(policySchema.parse(POLICY).profiles);
  if (profile === undefined) throw new Error('a policy without profiles');
  const profiles: Profile[] = [
    { ...profile, namespaces: [...namespaces], network: { ...profile.network, mode: 'none' } },
  ];
  return { why: await tryWriting(api, CONTEXT, KEYS, profiles), asked };
}

const MANY = Array.from({ length: 60 }, (_, i) => `team-${i}`);
const asItIs = (object: KubeObject) => object;

test('every namespace that the policy names is tried, and that of the workspaces, by dry runs', async () => {
  const { why, asked } = await tried([...MANY, 'shop-*'], asItIs);
  expect(why).toEqual([]);
  expect(asked.toSorted()).toEqual(
    [...['workspaces', ...MANY].map((name) => `Job ${name}`), 'Role workspaces'].toSorted(),
  );
});

test('what is changed on its way in the last of them is named', async () => {
  const { why } = await tried(MANY, (object) =>
    object.metadata.namespace === 'team-59'
      ? { ...object, spec: { ...(object.spec as object), suspend: true } }
      : object,
  );
  expect(why).toEqual([expect.stringMatching(/spec\.suspend was changed.*Job team-59\/drawbridge-/)]);
});

test('a webhook that is away is named; what else is refused is told to whoever asks for it', async () => {
  const { why } = await tried(['team-1', 'team-2', 'team-3'], (object) => {
    const { namespace } = object.metadata;
    const words = 'failed calling webhook "a.example.test"';
    if (namespace === 'team-1') throw new Unavailable('Kubernetes', words, { words });
    if (namespace === 'team-2') throw new ApiError(403, 'exceeded quota');
    return object;
  });
  expect(why).toEqual(['failed calling webhook "a.example.test"']);
});

test('an API server that is away leaves it unknown', async () => {
  const away = tried(['team-1'], () => {
    throw new Unavailable('Kubernetes', 'no answer');
  });
  await expect(away).rejects.toThrow('no answer');
});
