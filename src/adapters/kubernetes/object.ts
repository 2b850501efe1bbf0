import { BINDINGS, nameOfRef, ROLES } from '../../app/ports/own-objects.ts';

/** Prefix of every label and annotation of ours. */
export const PREFIX = 'drawbridge.internal/';

/** A Kubernetes object as plain JSON: what is applied, and what is read back. */
export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    /** Left out: it is in none. */
    readonly namespace?: string;
    readonly uid?: string;
    readonly resourceVersion?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly ownerReferences?: readonly {
      readonly apiVersion: string;
      readonly kind: string;
      readonly name: string;
      readonly uid: string;
    }[];
    readonly deletionTimestamp?: string;
  };
  readonly spec?: unknown;
  readonly rules?: unknown;
  readonly roleRef?: unknown;
  readonly subjects?: unknown;
  readonly automountServiceAccountToken?: boolean;
  readonly status?: unknown;
}

/** `Role staging/drawbridge-g-7k3fq2`, `ClusterRole drawbridge-g-7k3fq2`. */
export const nameOf = ({ kind, metadata }: Pick<KubeObject, 'kind' | 'metadata'>): string =>
  nameOfRef({ kind, namespace: metadata.namespace ?? '', name: metadata.name });

/** A binding or role that gives nothing (any more). */
export function isInert({ kind, subjects, rules }: Pick<KubeObject, 'kind' | 'subjects' | 'rules'>): boolean {
  const given = BINDINGS.includes(kind) ? subjects : ROLES.includes(kind) ? rules : [kind];
  return ((given as readonly unknown[] | null | undefined) ?? []).length === 0;
}
