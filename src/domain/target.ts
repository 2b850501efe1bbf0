import type { WorkloadKind } from './rights.ts';

/** What a request is about: a namespace, or one workload in it. */
export interface Target {
  readonly namespace: string;
  readonly workload?: { readonly kind: WorkloadKind; readonly name: string };
}

/** `staging` or `staging/deployment/checkout`, as a person can type it. */
export function describeTarget({ namespace, workload }: Target): string {
  return workload === undefined ? namespace : `${namespace}/${workload.kind.toLowerCase()}/${workload.name}`;
}
