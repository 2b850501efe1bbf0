import { expect, test } from 'vitest';
import { createClusterModel } from '../../../../src/adapters/kubernetes/model/cluster-model.ts';
import { clusterModelService } from '../../../../src/composition/services/cluster-model.ts';
import { eventually } from '../../../support/cluster-model.ts';
import { fakeCluster } from '../../../support/fake-cluster.ts';

const RUNNING = { status: { phase: 'Running' } };

test('the model is kept and tells its listener, for as long as the service runs', async () => {
  const fake = fakeCluster();
  fake.put('Pod', 'staging', 'first', RUNNING);
  const heard: string[] = [];
  const model = createClusterModel({ api: fake.api, instance: 'test', now: Date.now, onFault: () => {} });
  const service = clusterModelService({
    model,
    listener: { onPod: ({ name }) => heard.push(name), onPolicy: () => {}, onWorkload: () => {} },
    onListed: () => heard.push('listed'),
  });
  await service.start();
  await eventually(() => expect(heard).toEqual(['listed']));
  expect(service.lack()).toBeNull();
  await eventually(() => expect(fake.watches()).toBe(9));
  fake.put('Pod', 'staging', 'second', RUNNING);
  await eventually(() => expect(heard).toEqual(['listed', 'second']));
  await service.stop(0);
  await eventually(() => expect(fake.watches()).toBe(0));
});

test('watches that are down are lacking, by their kinds', () => {
  const model = { start() {}, stop() {}, staleKinds: () => ['Pod' as const, 'Service' as const] };
  const listener = { onPod: () => {}, onPolicy: () => {}, onWorkload: () => {} };
  const lack = clusterModelService({ model, listener, onListed: () => {} }).lack();
  expect(lack?.lacks).toContain('the watches on Pod, Service are down');
  expect(lack?.todo).toContain('may list and watch');
});
