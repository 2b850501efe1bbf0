import { expect, test } from 'vitest';
import type { Found } from '../../../../src/app/ports/own-objects.ts';
import { reap } from '../../../../src/app/upkeep/reap.ts';

const WORKSPACES = 'drawbridge-workspaces';
const object = (id: string, kind: string, name = '', namespace = 'staging'): Found => ({
  id,
  kind,
  namespace,
  name: `drawbridge-${id}${name}`,
  uid: `${id}-${kind}-${namespace}${name}`,
  sealed: true,
  orphaned: false,
  inert: false,
  otherVersion: false,
  expiresAt: 0,
  record: async () => null,
  ending: false,
  deleting: false,
});
/** Everything of a grant with a workspace, the last first. */
const grant = (id: string): Found[] => [
  object(id, 'Job'),
  object(id, 'Job', '', WORKSPACES),
  object(id, 'NetworkPolicy', '', WORKSPACES),
  object(id, 'Job', '-workspace', WORKSPACES),
  object(id, 'NetworkPolicy'),
  object(id, 'Role'),
  object(id, 'RoleBinding'),
];
const nameOf = ({ id, kind, name, namespace }: Found) =>
  `${id} ${kind}${name.endsWith('-workspace') ? ' of the workspace' : ''} in ${namespace}`;

/** A cluster in which finalizers keep some objects, and pods of some workspaces do not go. */
function clusterWith({ keeps = () => false, running = [] }: { keeps?: (found: Found) => boolean; running?: string[] }) {
  const tried: string[] = [];
  return {
    tried,
    workspacesNamespace: WORKSPACES,
    async remove(found: Found) {
      tried.push(nameOf(found));
      return !keeps(found);
    },
    podsGone: async (id: string) => !running.includes(id),
  };
}
const ORDER = [
  'RoleBinding in staging',
  'Role in staging',
  'NetworkPolicy in staging',
  `Job of the workspace in ${WORKSPACES}`,
  `NetworkPolicy in ${WORKSPACES}`,
  'Job in staging',
  `Job in ${WORKSPACES}`,
];

test('rights go first, the guard after its workspace, the leases last', async () => {
  const cluster = clusterWith({});
  const { removed, kept } = await reap(cluster, grant('g-aaaaaa'));
  expect(cluster.tried).toEqual(ORDER.map((what) => `g-aaaaaa ${what}`));
  expect(removed.map(nameOf)).toEqual(cluster.tried);
  expect(kept).toEqual([]);
});

test('the rights of all go before anything else of one', async () => {
  const cluster = clusterWith({});
  await reap(cluster, [...grant('g-aaaaaa'), ...grant('g-bbbbbb')]);
  const isOfRights = cluster.tried.map((what) => what.includes(' Role'));
  expect(isOfRights).toEqual([...Array(4).fill(true), ...Array(10).fill(false)]);
});

test('while a finalizer keeps the rights, what confines them and the leases stay; other grants go all the same', async () => {
  const cluster = clusterWith({ keeps: ({ id, kind }) => id === 'g-aaaaaa' && kind === 'RoleBinding' });
  const { removed, kept } = await reap(cluster, [...grant('g-aaaaaa'), ...grant('g-bbbbbb')]);
  expect(removed.filter(({ id }) => id === 'g-aaaaaa').map(nameOf)).toEqual(['g-aaaaaa Role in staging']);
  expect(kept.map(({ object: found, why }) => [nameOf(found), why])).toEqual([
    ['g-aaaaaa RoleBinding in staging', 'a finalizer keeps it'],
    [`g-aaaaaa NetworkPolicy in ${WORKSPACES}`, 'it confines what is still there'],
    ['g-aaaaaa NetworkPolicy in staging', 'it confines what is still there'],
  ]);
  expect(removed.filter(({ id }) => id === 'g-bbbbbb')).toHaveLength(7);
});

test('while a pod of the workspace runs, its guard and the leases stay', async () => {
  const cluster = clusterWith({ running: ['g-aaaaaa'] });
  const { kept } = await reap(cluster, grant('g-aaaaaa'));
  expect(cluster.tried).toEqual(ORDER.slice(0, 4).map((what) => `g-aaaaaa ${what}`));
  expect(kept.map(({ object: found, why }) => [nameOf(found), why])).toEqual([
    [`g-aaaaaa NetworkPolicy in ${WORKSPACES}`, 'it confines what is still there'],
  ]);
});

test('leases that guard nothing go though a pod of that name still runs', async () => {
  const cluster = clusterWith({ running: ['g-aaaaaa'] });
  const { removed } = await reap(cluster, [object('g-aaaaaa', 'Job'), object('g-aaaaaa', 'RoleBinding')]);
  expect(removed.map(nameOf)).toEqual(['g-aaaaaa RoleBinding in staging', 'g-aaaaaa Job in staging']);
});

test('of several bindings each must be gone', async () => {
  const cluster = clusterWith({ keeps: ({ name }) => name.endsWith('-kept') });
  const { removed, kept } = await reap(cluster, [
    object('g-aaaaaa', 'RoleBinding', '-kept'),
    object('g-aaaaaa', 'RoleBinding'),
    object('g-aaaaaa', 'NetworkPolicy'),
  ]);
  expect(removed).toHaveLength(1);
  expect(kept).toHaveLength(2);
});

test('the leases of a shell on a node wait for its pod', async () => {
  const shell = [
    object('g-aaaaaa', 'Job', '', 'accounts'),
    object('g-aaaaaa', 'Job', '', 'nodes'),
    object('g-aaaaaa', 'Job', '-workspace', 'nodes'),
    object('g-aaaaaa', 'RoleBinding', '', 'nodes'),
  ];
  const running = await reap(clusterWith({ running: ['g-aaaaaa'] }), shell);
  expect(running.removed.map(nameOf)).toEqual([
    'g-aaaaaa RoleBinding in nodes',
    'g-aaaaaa Job of the workspace in nodes',
  ]);
  expect(running.kept.map(({ object: found, why }) => [nameOf(found), why])).toEqual([
    ['g-aaaaaa Job in accounts', 'the pod of its grant is still there'],
    ['g-aaaaaa Job in nodes', 'the pod of its grant is still there'],
  ]);
  expect((await reap(clusterWith({}), shell)).removed).toHaveLength(4);
});
