import { expect, test } from 'vitest';
import { byInstance } from '../../../../src/adapters/kubernetes/reaper.ts';

const object = (instance: string, id: string, namespace: string, name = `drawbridge-${id}`) => ({
  metadata: {
    namespace,
    name,
    labels: { 'drawbridge.internal/instance': instance, 'drawbridge.internal/grant': id },
  },
});

test('each instance is named once, with its grants and where its workspaces are', () => {
  expect(
    byInstance([
      object('green', 'a', 'staging'),
      object('blue', 'b', 'staging'),
      object('green', 'a', 'spaces', 'drawbridge-a-workspace'),
      object('green', 'a', 'shop'),
      object('green', 'c', 'staging'),
    ]),
  ).toEqual([
    { instance: 'blue', grants: 1, workspacesNamespace: null },
    { instance: 'green', grants: 2, workspacesNamespace: 'spaces' },
  ]);
  expect(byInstance([])).toEqual([]);
});
