import { createHmac } from 'node:crypto';
import { type ClusterKeys, clusterKeys } from '../../src/adapters/kubernetes/cluster-keys.ts';
import {
  admissionPolicy,
  guardPolicy,
  leaseJob,
  leaseNamespace,
  type ManifestContext,
  objectName,
  targetRights,
  workspaceJob,
  workspaceRights,
} from '../../src/adapters/kubernetes/manifests.ts';
import type { KubeObject } from '../../src/adapters/kubernetes/object.ts';
import type { Probe } from '../../src/adapters/kubernetes/probe.ts';
import { withRecord } from '../../src/adapters/kubernetes/record.ts';
import { seal } from '../../src/adapters/kubernetes/seal.ts';
import type { Grant } from '../../src/domain/grant/grant.ts';
import type { Plan } from '../../src/domain/plan/plan.ts';
import { setAt, type Targets } from './chart.ts';
import { applyingGrant, samplePlan } from './grants.ts';
import type { Hand } from './hand.ts';

export const KEY = Buffer.alloc(32, 7);
/** Keys of no cluster that is there: enough where nobody looks at seals. */
export const KEYS_ELSEWHERE = clusterKeys([KEY], 'elsewhere');

/** With which the bot, given `KEY`, seals in the cluster of this hand. */
export async function keysIn(hand: Hand): Promise<ClusterKeys> {
  const name = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'kube-system' } };
  return clusterKeys([KEY], (await hand.read<KubeObject>(name)).metadata.uid ?? '');
}

/** The one image of the example policy. */
export const IMAGE = 'drawbridge.test/tools:1';
/** The probe of a workspace, with the image of the chart's default values. */
export const THE_PROBE: Probe = {
  image: 'drawbridge:0.1.0',
  args: ['--target=tcp:10.0.0.7:8080', '--target=tcp:[fd00::7]:8080', '--canary=tcp:10.0.0.9:8080'],
};
/** An owner that is in no cluster: enough for a dry run. */
export const NO_LEASE = '00000000-0000-4000-8000-000000000000';

/** Each kind of object that the bot writes, as the bot writes it. */
export type Made =
  | 'lease'
  | 'guard'
  | 'admission'
  | 'containment'
  | 'sources'
  | 'workspace'
  | 'role'
  | 'own binding'
  | 'workspace role'
  | 'workspace binding'
  | 'binding'
  | 'role binding';

/** New grants of the example policy: of a workload with each mode, of a namespace with a ClusterRole, and one with a Role. */
export function newGrants(targets: Targets, seconds = 600): Grants {
  const selector = { matchLabels: { app: 'checkout' } };
  return {
    debug: applyingGrant(seconds, {
      pods: ['checkout-1'],
      plan: samplePlan({
        target: { namespace: targets.staging, workload: { kind: 'Deployment', name: 'checkout' } },
        rules: [
          { apiGroups: [''], resources: ['pods', 'pods/log'], verbs: ['get'] },
          { apiGroups: [''], resources: ['pods/exec'], verbs: ['get', 'create'] },
          { apiGroups: ['apps'], resources: ['deployments'], verbs: ['get'] },
        ],
        network: {
          mode: 'workspace',
          image: IMAGE,
          command: ['sleep', 'infinity'],
          ports: [{ port: 8080, protocol: 'TCP' }],
          dns: 'cluster',
          selector,
          admits: true,
          hostAliases: [{ ip: '10.0.0.7', hostnames: ['checkout'] }],
          strict: false,
          foreign: [],
        },
      }),
    }),
    shell: applyingGrant(seconds, {
      plan: samplePlan({
        target: { namespace: targets.staging, workload: { kind: 'Deployment', name: 'checkout' } },
        profileName: 'shell',
        network: {
          mode: 'contain',
          selector,
          to: [
            {
              peer: { namespace: targets.shop, pods: { app: 'cart', tier: 'back' } },
              ports: [
                { port: 8080, protocol: 'TCP' },
                { port: 9090, protocol: 'UDP' },
              ],
            },
            { peer: { cidr: '10.20.0.0/16' }, ports: [{ port: 443, protocol: 'TCP' }] },
          ],
          dns: 'cluster',
          applies: true,
          strict: false,
          foreign: [],
        },
      }),
    }),
    tools: applyingGrant(seconds, {
      plan: samplePlan({
        target: { namespace: targets.staging, workload: { kind: 'Deployment', name: 'checkout' } },
        profileName: 'own-tools',
        network: {
          mode: 'bastion',
          selector,
          ports: [{ port: 8080, protocol: 'TCP' }],
          from: [{ cidr: '10.8.0.0/16' }, { namespace: targets.shop, pods: { app: 'bastion' } }],
          admits: true,
        },
      }),
    }),
    observe: applyingGrant(seconds, {
      plan: namedRole(targets.team, 'observe', { kind: 'ClusterRole', name: 'view' }),
    }),
    tune: applyingGrant(seconds, { plan: namedRole(targets.shop, 'tune', { kind: 'Role', name: 'configurator' }) }),
  };
}

function namedRole(namespace: string, profileName: string, role: NonNullable<Plan['role']>): Plan {
  return samplePlan({ target: { namespace }, profileName, role, workload: null, pods: [] });
}

export interface Grants {
  readonly debug: Grant;
  readonly shell: Grant;
  readonly tools: Grant;
  readonly observe: Grant;
  readonly tune: Grant;
}

/** The objects of grants, one of each profile, by what they are. `uidOf` finds the lease in a namespace. */
export function objectsOf(
  { debug, shell, tools, observe, tune }: Grants,
  context: ManifestContext,
  uidOf: (namespace: string, name: string) => string = () => NO_LEASE,
  keys: ClusterKeys = KEYS_ELSEWHERE,
): Record<Made, KubeObject> {
  const owner = (grant: Grant, namespace = leaseNamespace(grant, context)) => {
    const name = objectName(grant.id);
    return { name, uid: uidOf(namespace, name) };
  };
  const pod = `${objectName(debug.id)}-workspace-abcde`;
  const [role, ownBinding] = targetRights(debug, context, owner(debug), ['checkout-1']);
  const workspaceOwner = owner(debug, context.workspacesNamespace);
  const [workspaceRole, workspaceBinding] = workspaceRights(debug, context, workspaceOwner, pod);
  const [binding] = targetRights(observe, context, owner(observe), []);
  const [roleBinding] = targetRights(tune, context, owner(tune), []);
  const now = Date.now();
  const objects = {
    lease: withRecord(leaseJob(debug, context, leaseNamespace(debug, context), now), debug, keys),
    guard: guardPolicy(debug, context),
    admission: admissionPolicy(debug, context, owner(debug)),
    containment: guardPolicy(shell, context),
    sources: admissionPolicy(tools, context, owner(tools)),
    workspace: workspaceJob(debug, context, now, THE_PROBE),
    role,
    'own binding': ownBinding,
    'workspace role': workspaceRole,
    'workspace binding': workspaceBinding,
    binding,
    'role binding': roleBinding,
  } as Record<Made, KubeObject>;
  return Object.fromEntries(Object.entries(objects).map(([made, object]) => [made, seal(object, keys)])) as Record<
    Made,
    KubeObject
  >;
}

/** Applies the leases and all objects of the grants, with the bot's hand, and gives the objects. */
export async function makeAll(bot: Hand, grants: Grants, context: ManifestContext): Promise<Record<Made, KubeObject>> {
  const uids = new Map<string, string>();
  const keys = await keysIn(bot);
  for (const grant of Object.values(grants) as Grant[]) {
    const namespace = leaseNamespace(grant, context);
    const places = grant === grants.debug ? [namespace, context.workspacesNamespace] : [namespace];
    for (const place of places) {
      const lease = seal(leaseJob(grant, context, place, Date.now()), keys);
      await must(bot, lease);
      const { metadata } = await bot.read<KubeObject>(lease);
      uids.set(`${place}/${metadata.name}`, metadata.uid ?? '');
    }
  }
  const objects = objectsOf(grants, context, (namespace, name) => uids.get(`${namespace}/${name}`) ?? '', keys);
  for (const object of Object.values(objects)) await must(bot, object);
  return objects;
}

async function must(hand: Hand, object: KubeObject): Promise<void> {
  const answer = await hand.apply(object);
  if (answer !== 'accepted') throw new Error(`${object.kind} ${object.metadata.name}: ${answer}`);
}

/** The object with the seal of a version to come, which covers nobody knows what; only its origin is as in every version. */
export function sealedByLaterVersion(object: KubeObject, { keys: [key] }: ClusterKeys): KubeObject {
  if (key === undefined) throw new Error('no seal key');
  const { namespace, name } = object.metadata;
  const covered = JSON.stringify({ kind: object.kind, mac: 'MAC', name, namespace, version: '2' });
  const origin = createHmac('sha256', key.seal).update(`origin of a seal\n${covered}`).digest('base64url');
  return changed(object, { 'metadata.annotations.drawbridge|internal/seal': `2.MAC.${origin}` });
}

/** The object with changes by path; a `|` in a path stands for a dot within a name. */
export function changed(object: KubeObject, changes: Readonly<Record<string, unknown>>): KubeObject {
  // Not structuredClone: objects that share their labels would go on sharing them.
  const copy = JSON.parse(JSON.stringify(object)) as KubeObject;
  for (const [path, value] of Object.entries(changes)) setAt(copy, path, value);
  return copy;
}
