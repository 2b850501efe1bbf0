import { expect, test } from 'vitest';
import { takeSnapshots } from '../../../src/network/snapshots.ts';
import type { Cluster, Pod } from '../../../src/network/types.ts';

const pod = (index: number): Pod => ({
  namespace: `team-${index % 10}`,
  name: `pod-${index}`,
  labels: {},
  ips: [],
  hostNetwork: false,
  ports: [],
  owner: { kind: 'Pod', name: `pod-${index}` },
  phase: 'Running',
});
const clusterOf = (pods: number): Cluster => ({
  namespaces: [],
  pods: Array.from({ length: pods }, (_, index) => pod(index)),
  policies: [],
});

test('whatever else waits has its turn after each thousand pods of either side', () => {
  const steps = takeSnapshots(clusterOf(20_000), clusterOf(10_000));
  let taken = 0;
  let step = steps.next();
  for (; !step.done; step = steps.next()) taken++;
  expect(taken).toBeGreaterThanOrEqual(30);
  const [before, after] = step.value;
  const last = before.pods.at(-1) as Pod;
  expect([before.find(last)?.name, after.find(last)?.name]).toEqual(['pod-19999', undefined]);
  const other = after.pods[7] as Pod;
  expect(before.find(other)).toBe(before.pods[7]);
  expect(before.find(other)).not.toBe(other);
});
