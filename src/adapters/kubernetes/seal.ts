import { createHmac, type KeyObject, timingSafeEqual } from 'node:crypto';
import { canonical } from '../../domain/canonical.ts';
import type { ClusterKeys } from './cluster-keys.ts';
import { type KubeObject, PREFIX } from './object.ts';

/** `VERSION.MAC.ORIGIN`: see {@link seal}. */
const SEAL = `${PREFIX}seal`;
/** Of what a seal covers and how. */
const VERSION = '1';
/** Uid of the lease that an object was made for: its owner. */
export const LEASE = `${PREFIX}lease`;

/** Labels and annotations that are ours, without the seal itself. */
function ours(map: Readonly<Record<string, string>> | undefined): Record<string, string> {
  return Object.fromEntries(Object.entries(map ?? {}).filter(([key]) => key.startsWith(PREFIX) && key !== SEAL));
}

type Loose = Record<string, unknown>;

function container(c: Loose): unknown {
  return {
    name: c.name,
    image: c.image,
    command: c.command ?? [],
    args: c.args ?? [],
    env: c.env ?? [],
    envFrom: c.envFrom ?? [],
    volumeMounts: c.volumeMounts ?? [],
    securityContext: c.securityContext ?? {},
  };
}

/** What a seal covers of the content: what decides about access, in a form that the API server's defaults do not change. */
function content(object: KubeObject): unknown {
  const spec = (object.spec ?? {}) as Loose;
  switch (object.kind) {
    case 'Role':
      return object.rules ?? [];
    case 'ClusterRole':
      // Its rules are what a controller collects, where it has a rule of aggregation.
      return { rules: object.rules ?? [], aggregates: (object as unknown as Loose).aggregationRule !== undefined };
    case 'RoleBinding':
    case 'ClusterRoleBinding':
      return { roleRef: object.roleRef, subjects: object.subjects ?? [] };
    case 'ServiceAccount':
      return { automountServiceAccountToken: object.automountServiceAccountToken ?? true };
    case 'NetworkPolicy':
      return { ...spec, ingress: spec.ingress ?? [], egress: spec.egress ?? [] };
    case 'Job': {
      const template = (spec.template ?? {}) as { metadata?: { labels?: Record<string, string> }; spec?: Loose };
      const pod = template.spec ?? {};
      return {
        parallelism: spec.parallelism,
        activeDeadlineSeconds: spec.activeDeadlineSeconds,
        backoffLimit: spec.backoffLimit,
        ttlSecondsAfterFinished: spec.ttlSecondsAfterFinished,
        suspend: spec.suspend ?? false,
        podLabels: ours(template.metadata?.labels),
        // Of the pods that a scheduler places there is none, and the seals of these stay as they were.
        ...(pod.nodeName !== undefined && { nodeName: pod.nodeName }),
        hostNetwork: pod.hostNetwork ?? false,
        hostPID: pod.hostPID ?? false,
        hostIPC: pod.hostIPC ?? false,
        shareProcessNamespace: pod.shareProcessNamespace ?? false,
        serviceAccountName: pod.serviceAccountName ?? '',
        automountServiceAccountToken: pod.automountServiceAccountToken ?? true,
        terminationGracePeriodSeconds: pod.terminationGracePeriodSeconds ?? 30,
        hostAliases: pod.hostAliases ?? [],
        dnsPolicy: pod.dnsPolicy ?? 'ClusterFirst',
        volumes: pod.volumes ?? [],
        securityContext: pod.securityContext ?? {},
        initContainers: ((pod.initContainers ?? []) as Loose[]).map(container),
        containers: ((pod.containers ?? []) as Loose[]).map(container),
      };
    }
    default:
      return spec;
  }
}

const hmac = (key: KeyObject, text: string) => createHmac('sha256', key).update(text).digest('base64url');

function isSame(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/** What a seal covers of an object, beside the cluster that it is in. */
export function coveredBySeal(object: KubeObject) {
  const { namespace, name, labels, annotations, ownerReferences } = object.metadata;
  return {
    kind: object.kind,
    namespace,
    name,
    owners: (ownerReferences ?? []).map((owner) => owner.uid),
    labels: ours(labels),
    annotations: ours(annotations),
    content: content(object),
  };
}

function macOf(object: KubeObject, cluster: string, key: KeyObject): string {
  return hmac(key, `seal ${VERSION}\n${canonical({ cluster, ...coveredBySeal(object) })}`);
}

/** What every version proves alike: that a holder of the key wrote this seal, of that version, for the object of that name. */
function originOf({ kind, metadata: { namespace, name } }: KubeObject, version: string, mac: string, key: KeyObject) {
  return hmac(key, `origin of a seal\n${canonical({ version, mac, kind, namespace, name })}`);
}

function sealOf(object: KubeObject, cluster: string, key: KeyObject): string {
  const mac = macOf(object, cluster, key);
  return [VERSION, mac, originOf(object, VERSION, mac, key)].join('.');
}

const givenTo = (object: KubeObject) => object.metadata.annotations?.[SEAL] ?? '';

/**
 * The object with its seal: an HMAC over the cluster, kind, namespace, name, owner's uid, our labels and annotations (expires-at among them) and
 * its content. Only who holds SEAL_KEY can write one, and it fits no other object, lease, time or cluster.
 */
export function seal<T extends KubeObject>(object: T, { cluster, keys: [key] }: ClusterKeys): T {
  if (key === undefined) throw new Error('no seal key');
  const annotations = { ...object.metadata.annotations, [SEAL]: sealOf(object, cluster, key.seal) };
  return { ...object, metadata: { ...object.metadata, annotations } };
}

/**
 * True when an object that was made with an owner has lost it and is unchanged otherwise: its lease was deleted without what it owned, so that
 * Kubernetes will not end it any more. The annotation says which owner the seal was over.
 */
export function isOrphaned(object: KubeObject, keys: ClusterKeys): boolean {
  const { ownerReferences = [], annotations } = object.metadata;
  const uid = annotations?.[LEASE];
  if (uid === undefined || ownerReferences.length > 0) return false;
  const owner = { apiVersion: '', kind: '', name: '', uid };
  return isSealed({ ...object, metadata: { ...object.metadata, ownerReferences: [owner] } }, keys);
}

/** True when the object carries the seal of one of the keys, over itself as it is now. */
export function isSealed(object: KubeObject, { cluster, keys }: ClusterKeys): boolean {
  return keys.some((key) => isSame(givenTo(object), sealOf(object, cluster, key.seal)));
}

/**
 * True when another version of Drawbridge sealed an object of this name. What that seal covers only that version knows: the object is neither believed nor
 * taken for a forgery.
 */
export function isOfOtherVersion(object: KubeObject, { keys }: ClusterKeys): boolean {
  const [version = '', mac = '', origin = ''] = givenTo(object).split('.');
  return version !== VERSION && keys.some((key) => isSame(origin, originOf(object, version, mac, key.seal)));
}
