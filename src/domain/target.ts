import type { WorkloadKind } from './rights/rights.ts';

/** What a grant is about: a namespace, or one workload in it; `service` is the Service by which a person has named the workload. */
export type Target =
  | { readonly namespace: string; readonly workload?: never; readonly service?: never }
  | {
      readonly namespace: string;
      readonly workload: { readonly kind: WorkloadKind; readonly name: string };
      readonly service?: string;
    };

/**
 * What a person asks for. Which workload is behind a Service is looked up only when the policy has let the person ask, and anew whenever
 * the plan is made: until then a Service has none, and no right can be written for it.
 */
export type Wanted = Target | { readonly namespace: string; readonly workload?: never; readonly service: string };

/** The words for a Service, beside those of the workloads' kinds. */
export const SERVICE_WORDS: readonly string[] = ['svc', 'service', 'services'];

/** `staging`, `staging/deployment/checkout` or `staging/svc/checkout`, as a person can type it; with `→ deployment/checkout` once that is known. */
export function describeTarget({ namespace, workload, service }: Wanted): string {
  const name = workload === undefined ? null : `${workload.kind.toLowerCase()}/${workload.name}`;
  if (service === undefined) return name === null ? namespace : `${namespace}/${name}`;
  return `${namespace}/svc/${service}${name === null ? '' : ` → ${name}`}`;
}
