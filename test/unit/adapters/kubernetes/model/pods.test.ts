import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { tellingModel } from '../../../../support/cluster-model.ts';
import { apiOn } from '../../../../support/wire-api.ts';

/** Of fifty thousand, which take forty MiB at most, so many are weighed. */
const COUNT = 10_000;
const MOST = (COUNT / 50_000) * 40 * 2 ** 20;

/** A pod of one of two hundred workloads, with more of what no decision reads. */
const pod = (index: number) => ({
  metadata: {
    name: `checkout-${index % 200}-7d9f8b6c5-${index.toString(36).padStart(5, '0')}`,
    namespace: `team-${index % 200}`,
    uid: `0b8e5c0e-0000-4000-8000-${String(index).padStart(12, '0')}`,
    resourceVersion: String(1_000_000 + index),
    labels: {
      app: `checkout-${index % 200}`,
      'app.kubernetes.io/part-of': 'shop',
      'pod-template-hash': `7d9f8b6c5-${index % 200}`,
    },
    annotations: { note: 'x'.repeat(500) },
    ownerReferences: [
      { kind: 'ReplicaSet', name: `checkout-${index % 200}-7d9f8b6c5`, uid: `r-${index % 200}`, controller: true },
    ],
  },
  spec: {
    containers: [
      { name: 'app', env: [{ name: 'A', value: 'z'.repeat(500) }], ports: [{ name: 'http', containerPort: 8080 }] },
    ],
  },
  status: {
    phase: 'Running',
    podIP: `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`,
    podIPs: [{ ip: `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}` }],
    hostIP: `192.168.0.${index % 250}`,
    hostIPs: [{ ip: `192.168.0.${index % 250}` }],
  },
});

const replicaSet = (index: number) => ({
  metadata: {
    name: `checkout-${index % 200}-${index}`,
    namespace: `team-${index % 200}`,
    uid: index < 200 ? `r-${index}` : `0b8e5c0e-0000-4000-9000-${String(index).padStart(12, '0')}`,
    ownerReferences: [
      { kind: 'Deployment', name: `checkout-${index % 200}`, uid: `d-${index % 200}`, controller: true },
    ],
  },
});
const OBJECTS: Record<string, (index: number) => object> = { pods: pod, replicasets: replicaSet };

test('fifty thousand pods and as many ReplicaSets fit in 40 MiB', async () => {
  const api = await apiOn(({ url = '' }, response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    const of: ((index: number) => object) | undefined =
      OBJECTS[new URL(url, 'http://api').pathname.split('/').at(-1) ?? ''];
    let next = of === undefined ? COUNT : 0;
    // No faster than it is read.
    const more = (): void => {
      while (next < COUNT)
        if (!response.write(`${JSON.stringify({ type: 'ADDED', object: of?.(next++) })}\n`)) {
          response.once('drain', more);
          return;
        }
      const metadata = { resourceVersion: '2000000', annotations: { 'k8s.io/initial-events-end': 'true' } };
      response.write(`${JSON.stringify({ type: 'BOOKMARK', object: { metadata } })}\n`);
    };
    more();
  });
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  const before = process.memoryUsage().heapUsed;
  const { model } = tellingModel(api);
  await model.listed();
  model.cluster();
  collect();
  const held = process.memoryUsage().heapUsed - before;
  const { pods } = model.cluster();
  expect(pods).toHaveLength(COUNT);
  const [first, second] = [pods[0], pods[200]];
  expect(first?.labels).toBe(second?.labels);
  expect(first?.ports).toBe(second?.ports);
  expect(first?.owner).toBe(second?.owner);
  expect(first?.owner).toEqual({ kind: 'Deployment', name: 'checkout-0' });
  expect(first).not.toHaveProperty('annotations');
  expect(held).toBeLessThan(MOST);
});
