import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, onTestFinished, test, vi } from 'vitest';
import { startReflector } from '../../../../../src/adapters/kubernetes/model/reflector.ts';
import { type KubePod, podProjection } from '../../../../../src/adapters/kubernetes/projection.ts';
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

test('fifty thousand pods fit in 40 MiB', async () => {
  const api = await apiOn((_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    let next = 0;
    // No faster than it is read.
    const more = (): void => {
      while (next < COUNT)
        if (!response.write(`${JSON.stringify({ type: 'ADDED', object: pod(next++) })}\n`)) {
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
  const reflector = startReflector<KubePod, KubePod>({
    api,
    kind: 'Pod',
    project: podProjection(),
    onChange: () => {},
    onListed: () => {},
    onFault: () => {},
  });
  onTestFinished(() => reflector.stop());
  await vi.waitFor(() => expect(reflector.synced).toBe(true), { timeout: 15_000, interval: 50 });
  collect();
  const held = process.memoryUsage().heapUsed - before;
  expect(reflector.items.size).toBe(COUNT);
  const [first, second] = [reflector.items.get(pod(0).metadata.uid), reflector.items.get(pod(200).metadata.uid)];
  expect(first?.metadata.labels).toBe(second?.metadata.labels);
  expect(first?.spec).toBe(second?.spec);
  expect(first).not.toHaveProperty('metadata.annotations');
  expect(held).toBeLessThan(MOST);
});
