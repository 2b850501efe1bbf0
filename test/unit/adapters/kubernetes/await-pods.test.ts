import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test, vi } from 'vitest';
import { awaitPods, type WorkspacePod } from '../../../../src/adapters/kubernetes/await-pods.ts';
import { apiOn, wireApi } from '../../../support/wire-api.ts';

type Wire = Awaited<ReturnType<typeof wireApi>>;

const names = (pods: readonly WorkspacePod[]) => pods.map(({ metadata }) => metadata.name);
/** No look comes by itself. */
const never = () => new Promise<void>(() => {});

function waiting(
  wire: Pick<Wire, 'api'>,
  judge: (pods: readonly string[]) => string | null,
  more: Partial<{ limit: number; sleep: (ms: number) => Promise<void> }> = {},
) {
  const looks: string[][] = [];
  const answer = awaitPods<string>(
    { api: wire.api, namespace: 'workspaces', selector: 'grant=g', limit: 5000, sleep: never, ...more },
    async (pods) => {
      looks.push(names(pods));
      return judge(names(pods));
    },
  );
  return { looks, answer };
}

test('what is there already is answered at once, and nothing is watched', async () => {
  const wire = await wireApi('pods');
  wire.put('a');
  const { answer, looks } = waiting(wire, ([name]) => name ?? null);
  expect(await answer).toBe('a');
  expect(looks).toEqual([['a']]);
  expect(wire.asked).toEqual(['page']);
});

test('each change is looked at when it is told, without a pause, and the watch ends with the answer', async () => {
  const wire = await wireApi('pods');
  const { answer, looks } = waiting(wire, (pods) => (pods.length === 2 ? 'two' : null));
  await vi.waitFor(() => expect(wire.watches()).toBe(1));
  wire.put('a');
  await vi.waitFor(() => expect(looks).toHaveLength(2));
  wire.put('b');
  expect(await answer).toBe('two');
  expect(looks).toEqual([[], ['a'], ['a', 'b']]);
  await vi.waitFor(() => expect(wire.watches()).toBe(0));
});

test('a change between the look and the watch is not missed', async () => {
  const wire = await wireApi('pods');
  const { answer } = waiting(wire, (pods) => {
    if (pods.length === 0) wire.put('a');
    return pods[0] ?? null;
  });
  expect(await answer).toBe('a');
});

test('a change while it looks is looked at', async () => {
  const wire = await wireApi('pods');
  const api: Wire['api'] = {
    ...wire.api,
    async list(kind, namespace, options) {
      const found = await wire.api.list(kind, namespace, options as never);
      // Told before the look is over, and later than what the look has seen.
      if (wire.watches() === 1 && found.length === 1) {
        wire.put('b');
        await sleep(100);
      }
      return found as never;
    },
  };
  const { answer } = waiting({ api }, (pods) => pods[1] ?? null);
  await vi.waitFor(() => expect(wire.watches()).toBe(1));
  wire.put('a');
  expect(await answer).toBe('b');
});

test('where nothing is told it looks now and then all the same', async () => {
  const wire = await wireApi('pods');
  const sleeps: number[] = [];
  const api: Wire['api'] = { ...wire.api, watch: () => Promise.reject(new Error('no watch')) };
  const { answer } = waiting({ api }, ([name]) => name ?? null, {
    async sleep(ms) {
      sleeps.push(ms);
      if (sleeps.length === 3) wire.put('a');
    },
  });
  expect(await answer).toBe('a');
  expect(sleeps).toEqual([500, 500, 500]);
});

test('after its limit it answers that it was in vain', async () => {
  const wire = await wireApi('pods');
  const { answer } = waiting(wire, () => null, { limit: 50, sleep: () => sleep(10) });
  expect(await answer).toBeNull();
  await vi.waitFor(() => expect(wire.watches()).toBe(0));
});

test('what the judge throws goes on, and the watch ends', async () => {
  const wire = await wireApi('pods');
  const { answer } = waiting(wire, (pods) => {
    if (pods.length > 0) throw new Error('it has failed');
    return null;
  });
  answer.catch(() => {});
  await vi.waitFor(() => expect(wire.watches()).toBe(1));
  wire.put('a');
  await expect(answer).rejects.toThrow('it has failed');
  await vi.waitFor(() => expect(wire.watches()).toBe(0));
});

test('pods of its namespace with its label are asked for, and watched from where they were listed', async () => {
  const asked: URL[] = [];
  const api = await apiOn((request, response) => {
    asked.push(new URL(request.url ?? '', 'http://api'));
    response.end(JSON.stringify({ items: [], metadata: { resourceVersion: '7' } }));
  });
  await waiting({ api }, () => null, { limit: 100, sleep: () => sleep(60) }).answer;
  const [list, watch] = asked;
  for (const each of [list, watch]) {
    expect(each?.pathname).toBe('/api/v1/namespaces/workspaces/pods');
    expect(each?.searchParams.get('labelSelector')).toBe('grant=g');
  }
  expect([list, watch].map((each) => each?.searchParams.get('watch') ?? null)).toEqual([null, 'true']);
  expect(watch?.searchParams.get('resourceVersion')).toBe('7');
});
