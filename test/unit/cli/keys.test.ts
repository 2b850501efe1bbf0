import { createSecretKey } from 'node:crypto';
import { expect, test } from 'vitest';
import { clusterKeys, keysForSeals } from '../../../src/adapters/kubernetes/cluster-keys.ts';
import { isSealed, seal } from '../../../src/adapters/kubernetes/seal.ts';
import { runKeys } from '../../../src/cli/keys.ts';

const KEYS = [Buffer.alloc(32, 1), Buffer.alloc(48, 2)];
const [UID, OTHER] = ['11111111-1111-4111-8111-111111111111', '22222222-2222-4222-8222-222222222222'];
const SETTINGS = { INSTANCE: 'test', SEAL_KEY: KEYS.map((key) => key.toString('base64')).join(',') };

async function keys(args: readonly string[], env: NodeJS.ProcessEnv = SETTINGS) {
  const said = { printed: [] as string[], complained: [] as string[] };
  const out = {
    print: (text: string) => said.printed.push(text),
    complain: (text: string) => said.complained.push(text),
  };
  const code = await runKeys(args, { print: (t) => void out.print(t), complain: (t) => void out.complain(t) }, env);
  return { code, ...said };
}
const role = {
  apiVersion: 'v1',
  kind: 'Role',
  metadata: { namespace: 'staging', name: 'drawbridge-g-aaaaaa' },
  rules: [],
};

test('what is printed knows the seals of its cluster, by each key of the list, and of no other', async () => {
  const { code, printed } = await keys(['--uid', UID]);
  expect(code).toBe(0);
  const derived = (printed[0] ?? '').split(',').map((key) => Buffer.from(key, 'base64'));
  expect(derived).toHaveLength(2);
  for (const key of KEYS) {
    const here = seal(role, clusterKeys([key], UID));
    expect(isSealed(here, keysForSeals(derived, UID))).toBe(true);
    const elsewhere = seal(role, clusterKeys([key], OTHER));
    for (const cluster of [UID, OTHER]) expect(isSealed(elsewhere, keysForSeals(derived, cluster))).toBe(false);
  }
});

test('it opens no record: those have keys of their own', async () => {
  const { printed } = await keys(['--uid', UID]);
  const [first] = (printed[0] ?? '').split(',');
  const key = createSecretKey(Buffer.from(first ?? '', 'base64'));
  const own = clusterKeys(KEYS, UID).keys[0];
  expect(own?.seal.equals(key)).toBe(true);
  expect([own?.record.equals(key), own?.nonce.equals(key)]).toEqual([false, false]);
});

test.each([
  [[], SETTINGS, 'expected --cluster NAME or --uid UID'],
  [['--uid', UID, '--cluster', 'prod'], SETTINGS, 'expected --cluster NAME or --uid UID'],
  [['--uid', 'prod'], SETTINGS, "'prod' is no uid"],
  [['--uid', UID], { INSTANCE: 'test' }, 'SEAL_KEY is not set'],
  [['--cluster', 'prod'], SETTINGS, 'POLICY_FILE is not set'],
  [['--cluster', 'prod'], { ...SETTINGS, POLICY_FILE: 'policy.example.yaml' }, "the policy has no cluster 'prod'"],
])('%j is told what is expected', async (args, env, problem) => {
  const { code, complained, printed } = await keys(args, env);
  expect([code, printed]).toEqual([2, []]);
  expect(complained.join()).toContain(problem);
});
