import type { IncomingMessage } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { type HeldPod, type KubePod, keepPods, keepPolicies } from '../../../../src/adapters/kubernetes/projection.ts';
import { readCluster } from '../../../../src/adapters/kubernetes/snapshot.ts';
import { lasting } from '../../../../src/app/plan/surroundings.ts';
import type { NetworkPolicy } from '../../../../src/network/types.ts';
import { apiOn } from '../../../support/wire-api.ts';

type Answer = { readonly status?: number; readonly body: unknown };

/** An API over a server that answers as told, with the requests that it got. */
async function apiOver(answer: (url: URL, request: IncomingMessage) => Answer) {
  const asked: string[] = [];
  const api = await apiOn((request, response) => {
    const url = new URL(request.url ?? '', 'http://api');
    asked.push(`${url.pathname.split('/').at(-1)}${url.searchParams.get('continue') ?? ''}`);
    const { status = 200, body } = answer(url, request);
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
  return { api, asked };
}

const page = (items: readonly unknown[], next?: string): Answer => ({
  body: { items, metadata: next === undefined ? {} : { continue: next } },
});
const gone: Answer = { status: 410, body: { kind: 'Status', message: 'The provided continue parameter is too old' } };

test('a list is read page by page, and only what is kept of each is held', async () => {
  const { api, asked } = await apiOver((url) =>
    url.searchParams.get('continue') === null ? page([{ a: 1 }, { a: 2 }], '-2') : page([{ a: 3 }]),
  );
  const pages: number[] = [];
  const kept = await api.list<{ a: number }, number>('Pod', null, {
    keep(items) {
      pages.push(items.length);
      return items.map(({ a }) => a).filter((a) => a !== 2);
    },
  });
  expect(kept).toEqual([1, 3]);
  expect(pages).toEqual([2, 1]);
  expect(asked).toEqual(['pods', 'pods-2']);
});

test('a list whose pages are no longer there begins anew, and has nothing twice', async () => {
  let isForgotten = true;
  const { api, asked } = await apiOver((url) => {
    if (url.searchParams.get('continue') === null) return page(['one'], '-2');
    if (!isForgotten) return page(['two']);
    isForgotten = false;
    return gone;
  });
  expect(await api.list('Pod', null)).toEqual(['one', 'two']);
  expect(asked).toEqual(['pods', 'pods-2', 'pods', 'pods-2']);
});

test('a list that is never whole fails in the end', async () => {
  const { api, asked } = await apiOver((url) =>
    url.searchParams.get('continue') === null ? page(['one'], '-2') : gone,
  );
  await expect(api.list('Pod', null)).rejects.toMatchObject({ status: 410 });
  expect(asked).toHaveLength(6);
});

test('another refusal is not tried again', async () => {
  const { api, asked } = await apiOver(() => ({ status: 403, body: { message: 'pods is forbidden' } }));
  await expect(api.list('Pod', null)).rejects.toMatchObject({ status: 403 });
  expect(asked).toEqual(['pods']);
});

test('a list of nothing, which has no items, is empty', async () => {
  const { api } = await apiOver(() => ({ body: { items: null, metadata: {} } }));
  expect(await api.list('Job', null, { metadataOnly: true, keep: (items) => items.map(() => 1) })).toEqual([]);
});

test('where metadata is enough, nothing else is asked for', async () => {
  const accepts: (string | undefined)[] = [];
  const { api } = await apiOver((_, { headers }) => {
    accepts.push(headers.accept);
    return page([]);
  });
  await api.list('ReplicaSet', null, { metadataOnly: true });
  await api.list('ReplicaSet', null, { selector: 'a=b' });
  expect(accepts[0]).toContain('as=PartialObjectMetadataList');
  expect(accepts[1]).toBe('application/json');
});

/** A pod as a controller makes it: mostly of what no decision reads. */
const pod = (index: number) => ({
  metadata: {
    name: `checkout-${index}`,
    namespace: 'staging',
    uid: `0b8e5c0e-0000-4000-8000-${String(index).padStart(12, '0')}`,
    labels: { app: 'checkout', 'pod-template-hash': 'abc' },
    annotations: { note: 'x'.repeat(3000) },
    managedFields: [{ manager: 'y'.repeat(1000) }],
    ownerReferences: [{ kind: 'ReplicaSet', name: 'checkout-abc', uid: 'r', controller: true }],
  },
  spec: {
    containers: [
      { name: 'app', env: [{ name: 'A', value: 'z'.repeat(1500) }], ports: [{ name: 'http', containerPort: 8080 }] },
    ],
  },
  status: {
    phase: 'Running',
    podIP: `10.0.${index >> 8}.${index & 255}`,
    podIPs: [{ ip: `10.0.${index >> 8}.${index & 255}` }],
    hostIP: '192.168.0.1',
    hostIPs: [{ ip: '192.168.0.1' }],
  },
});

test('of a pod some 300 bytes are held, and it is counted to what is on top of it', async () => {
  const COUNT = 10_000;
  const { api } = await apiOver((url) => {
    const from = Number(url.searchParams.get('continue') ?? 0);
    switch (url.pathname) {
      case '/api/v1/pods':
        return page(
          Array.from({ length: 500 }, (_, i) => pod(from + i)),
          from + 500 < COUNT ? String(from + 500) : undefined,
        );
      case '/apis/apps/v1/replicasets':
        return page([
          {
            metadata: {
              name: 'checkout-abc',
              namespace: 'staging',
              ownerReferences: [{ kind: 'Deployment', name: 'checkout', uid: 'd', controller: true }],
            },
          },
        ]);
      default:
        return page([]);
    }
  });
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  const before = process.memoryUsage().heapUsed;
  const cluster = await readCluster(api);
  collect();
  const each = (process.memoryUsage().heapUsed - before) / COUNT;
  expect(cluster.pods).toHaveLength(COUNT);
  expect(cluster.pods[9999]).toMatchObject({
    namespace: 'staging',
    name: 'checkout-9999',
    labels: { app: 'checkout', 'pod-template-hash': 'abc' },
    ips: ['10.0.39.15'],
    hostNetwork: false,
    nodeIPs: ['192.168.0.1'],
    ports: [{ name: 'http', containerPort: 8080, protocol: 'TCP' }],
    owner: { kind: 'Deployment', name: 'checkout' },
    phase: 'Running',
  });
  expect(cluster.pods[0]?.labels).toBe(cluster.pods[1]?.labels);
  expect(each).toBeLessThan(400);
});

const MB = 2 ** 20;
/** Lists so many pods, each as text, in pages as an API server makes them; a page that is not taken to its end is cut off. */
async function podsOver(count: number, textOf: (index: number) => string) {
  const pages: { limit: number; bytes: number; isTaken: boolean }[] = [];
  const api = await apiOn(({ url = '' }, response) => {
    const { searchParams } = new URL(url, 'http://api');
    const from = Number(searchParams.get('continue') ?? 0);
    const limit = Number(searchParams.get('limit'));
    const end = Math.min(from + limit, count);
    const seen = { limit, bytes: 0, isTaken: false };
    pages.push(seen);
    response.writeHead(200, { 'content-type': 'application/json' });
    const next = end < count ? { continue: String(end) } : {};
    async function* texts() {
      yield `{"metadata":${JSON.stringify(next)},"items":[`;
      for (let i = from; i < end; i++) {
        const text = `${i > from ? ',' : ''}${textOf(i)}`;
        seen.bytes += text.length;
        yield text;
      }
      yield ']}';
    }
    pipeline(texts, response).then(
      () => {
        seen.isTaken = true;
      },
      () => {},
    );
  });
  return { api, pages };
}
const podText = (name: string, annotation: string, labels: object = {}): string =>
  `{"metadata":{"name":"${name}","namespace":"theirs","uid":"${name}","labels":${JSON.stringify(labels)},"annotations":{"a":"${annotation}"}}}`;

test('pages of what people have made large hold no more than a few megabytes, and the others as many as ever', async () => {
  const large = 'x'.repeat(1.4 * MB);
  const isLarge = (index: number) => index >= 500 && index < 560;
  const { api, pages } = await podsOver(3000, (index) => podText(`pod-${index}`, isLarge(index) ? large : ''));
  const keep = keepPods();
  let held = 0;
  const found = await api.list<KubePod & { metadata: { annotations: { a: string } } }, HeldPod>('Pod', null, {
    keep(items) {
      held = Math.max(held, ...items.map(({ metadata }) => metadata.annotations.a.length * items.length));
      return keep(items);
    },
  });
  expect(found.map(({ name }) => name)).toEqual(Array.from({ length: 3000 }, (_, i) => `pod-${i}`));
  // One of them at a time, of pages that are as small as they must be.
  expect(held).toBe(large.length);
  expect(Math.max(...pages.map(({ bytes }) => bytes))).toBeLessThan(32 * MB);
  const cut = pages.filter(({ isTaken }) => !isTaken);
  // From 500 down to one.
  expect(cut.map(({ limit }) => limit)).toEqual([500, 62, 7]);
  expect([pages[0]?.limit, pages.at(-1)?.limit]).toEqual([500, 500]);
});

test('one object may be as long as what etcd holds can be as JSON, and no longer', async () => {
  const escaped = await podsOver(1, () => podText('pod', '\\u003c'.repeat(1.5 * MB)));
  expect(await escaped.api.list('Pod', null, { keep: keepPods() })).toHaveLength(1);
  expect(escaped.pages.map(({ limit }) => limit)).toEqual([500, 62, 7, 1]);
  const endless = await podsOver(1, () => podText('pod', 'x'.repeat(17 * MB)));
  await expect(endless.api.list('Pod', null)).rejects.toMatchObject({ status: 413 });
});

test('what matters of large objects is bounded too, and the namespace is named', async () => {
  const labelsOf = (index: number) => ({ a: `${index}${'y'.repeat(MB)}` });
  const { api } = await podsOver(20, (index) => podText(`pod-${index}`, '', labelsOf(index)));
  await expect(api.list('Pod', null, { keep: keepPods() })).rejects.toMatchObject({
    status: 413,
    message: expect.stringMatching(/^Pod: what matters of them is too large, last in namespace theirs$/) as string,
  });
  const few = await podsOver(15, (index) => podText(`pod-${index}`, '', labelsOf(index)));
  expect(await few.api.list('Pod', null, { keep: keepPods() })).toHaveLength(15);
});

test('a policy is of a grant only where it carries the labels of this instance: those of another anybody may set', async () => {
  const policy = (name: string, instance: string | null) => ({
    metadata: {
      name,
      namespace: 'staging',
      labels: {
        'drawbridge.internal/grant': 'g-222222',
        ...(instance === null ? {} : { 'drawbridge.internal/instance': instance }),
      },
    },
    spec: { podSelector: {}, egress: [{}] },
  });
  const { api } = await apiOver((url) =>
    url.pathname.endsWith('/networkpolicies')
      ? page([policy('own', 'prod'), policy('other', 'other'), policy('nobody', null)])
      : page([]),
  );
  const policies = await api.list<NetworkPolicy, NetworkPolicy>('NetworkPolicy', null, { keep: keepPolicies('prod') });
  expect(lasting(policies).map(({ metadata }) => metadata?.name)).toEqual(['other', 'nobody']);
  expect((await readCluster(api)).policies).toHaveLength(3);
});
