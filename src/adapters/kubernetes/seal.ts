import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto';
import { canonical } from '../../domain/canonical.ts';
import { type KubeObject, PREFIX } from './object.ts';

const SEAL = `${PREFIX}seal`;
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
    case 'RoleBinding':
      return { roleRef: object.roleRef, subjects: object.subjects ?? [] };
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
        hostNetwork: pod.hostNetwork ?? false,
        hostPID: pod.hostPID ?? false,
        hostIPC: pod.hostIPC ?? false,
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

/** Keys as Node wants them: to make one anew for each object costs more than the seal. */
const keyObjects = new WeakMap<Buffer, KeyObject>();
function prepared(key: Buffer): KeyObject {
  const made = keyObjects.get(key) ?? createSecretKey(key);
  keyObjects.set(key, made);
  return made;
}

function mac(object: KubeObject, key: Buffer): string {
  const { namespace, name, labels, annotations, ownerReferences } = object.metadata;
  const covered = {
    kind: object.kind,
    namespace,
    name,
    owners: (ownerReferences ?? []).map((owner) => owner.uid),
    labels: ours(labels),
    annotations: ours(annotations),
    content: content(object),
  };
  return createHmac('sha256', prepared(key))
    .update('drawbridge seal 1\n')
    .update(canonical(covered))
    .digest('base64url');
}

/**
 * The object with its seal: an HMAC over kind, namespace, name, owner's uid, our labels and annotations (expires-at among them) and its
 * content. Only who holds SEAL_KEY can write one, and it fits no other object, lease or time.
 * @param keys the first one seals
 */
export function seal<T extends KubeObject>(object: T, keys: readonly Buffer[]): T {
  const [key] = keys;
  if (key === undefined) throw new Error('no seal key');
  return {
    ...object,
    metadata: { ...object.metadata, annotations: { ...object.metadata.annotations, [SEAL]: mac(object, key) } },
  };
}

/**
 * True when an object that was made with an owner has lost it and is unchanged otherwise: its lease was deleted without what it owned, so that
 * Kubernetes will not end it any more. The annotation says which owner the seal was over.
 */
export function isOrphaned(object: KubeObject, keys: readonly Buffer[]): boolean {
  const { ownerReferences = [], annotations } = object.metadata;
  const uid = annotations?.[LEASE];
  if (uid === undefined || ownerReferences.length > 0) return false;
  const owner = { apiVersion: '', kind: '', name: '', uid };
  return isSealed({ ...object, metadata: { ...object.metadata, ownerReferences: [owner] } }, keys);
}

/** True when the object carries the seal of one of the keys, over itself as it is now. */
export function isSealed(object: KubeObject, keys: readonly Buffer[]): boolean {
  const given = Buffer.from(object.metadata.annotations?.[SEAL] ?? '', 'base64url');
  return keys.some((key) => {
    const expected = Buffer.from(mac(object, key), 'base64url');
    return given.length === expected.length && timingSafeEqual(given, expected);
  });
}
