import { describe, expect, test } from 'vitest';
import { type Api, ApiError } from '../../../../src/adapters/kubernetes/api.ts';
import { createClusterKeys, readClusterUid } from '../../../../src/adapters/kubernetes/cluster-keys.ts';
import { Unavailable } from '../../../../src/domain/errors.ts';

const KEY = Buffer.alloc(32, 1);

/** An API server that answers a read with these, one after the other. */
function answering(...answers: unknown[]) {
  const asked: unknown[] = [];
  const read = async (...where: unknown[]) => {
    asked.push(where);
    const answer = answers.shift();
    if (answer instanceof Error) throw answer;
    return answer;
  };
  return { api: { read } as unknown as Api, asked };
}
const system = (uid?: string) => ({ metadata: { name: 'kube-system', ...(uid !== undefined && { uid }) } });

describe('the keys of a cluster', () => {
  test('are of the uid of its kube-system, which is read once', async () => {
    const { api, asked } = answering(system('uid-1'));
    const keysOf = createClusterKeys(api, [KEY]);
    const both = await Promise.all([keysOf(), keysOf()]);
    expect(both.map(({ cluster }) => cluster)).toEqual(['uid-1', 'uid-1']);
    expect(await keysOf()).toBe(both[0]);
    expect(asked).toEqual([['Namespace', null, 'kube-system']]);
  });

  test('are none while the API server is away, and there once it is back', async () => {
    const { api } = answering(new Unavailable('Kubernetes', 'no answer'), system('uid-1'));
    const keysOf = createClusterKeys(api, [KEY]);
    await expect(keysOf()).rejects.toThrow(Unavailable);
    expect((await keysOf()).cluster).toBe('uid-1');
  });

  test.each([
    ['it may not be read', new ApiError(403, 'GET ...: 403 forbidden', 'forbidden'), 403, /kube-system.*forbidden/],
    ['it is not there', null, 404, /kube-system/],
    ['it has no uid', system(), 404, /kube-system/],
    ['its uid is empty', system(''), 404, /kube-system/],
  ])('are none, by name, where %s', async (_why, answer, status, words) => {
    const error: unknown = await readClusterUid(answering(answer).api).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(ApiError);
    expect(error).toMatchObject({ status, message: expect.stringMatching(words) as string });
    await expect(createClusterKeys(answering(answer).api, [KEY])()).rejects.toThrow(words);
  });
});
