import { matches } from './selector.ts';
import type { Pod, Protocol, Service, ServicePort } from './types.ts';
import { isLive } from './verdict.ts';

/** Where a Service port arrives: rules of policies see container ports. */
interface ResolvedPort {
  readonly name?: string | undefined;
  readonly protocol: Protocol;
  readonly servicePort: number;
  /** The number to write into a policy. */
  readonly containerPort: number;
  /** People dial `servicePort`, policies see `containerPort`; for a headless Service both are `containerPort`. */
  readonly differs: boolean;
}

/** Why a Service port has no single number. */
interface UnresolvedPort {
  readonly name?: string | undefined;
  readonly protocol: Protocol;
  readonly servicePort: number;
  readonly targetPort: string;
  /** `missing`: no pod or not every pod names it. `differs`: it is another number on another pod. */
  readonly problem: 'missing' | 'differs';
  /** Pods by name with their numbers; an empty list where the pod has no such port. */
  readonly pods: Readonly<Record<string, readonly number[]>>;
}

export type ServiceResolution =
  | { readonly kind: 'external'; readonly host: string }
  /** Somebody else keeps its endpoints: it names no pods. */
  | { readonly kind: 'no-selector' }
  | { readonly kind: 'no-pods' }
  | { readonly kind: 'unresolved-ports'; readonly pods: readonly Pod[]; readonly ports: readonly UnresolvedPort[] }
  | {
      readonly kind: 'pods';
      /** No translation: its name resolves to the pods, which are dialled on their container ports. */
      readonly headless: boolean;
      readonly pods: readonly Pod[];
      readonly ports: readonly ResolvedPort[];
    };

function portsNamed(pod: Pod, name: string, protocol: Protocol): number[] {
  const numbers = pod.ports.filter((port) => port.name === name && port.protocol === protocol);
  return [...new Set(numbers.map((port) => port.containerPort))];
}

function resolvePort(port: ServicePort, pods: readonly Pod[]): ResolvedPort | UnresolvedPort {
  const { name, protocol, port: servicePort, targetPort } = port;
  const base = { name, protocol, servicePort };
  if (typeof targetPort === 'number')
    return { ...base, containerPort: targetPort, differs: targetPort !== servicePort };
  const found = pods.map((pod): [string, number[]] => [pod.name, portsNamed(pod, targetPort, protocol)]);
  const numbers = new Set(found.flatMap(([, list]) => list));
  const [containerPort] = numbers;
  const complete = found.every(([, list]) => list.length > 0);
  if (numbers.size === 1 && complete && containerPort !== undefined) {
    return { ...base, containerPort, differs: containerPort !== servicePort };
  }
  const problem = numbers.size > 1 ? 'differs' : 'missing';
  return { ...base, targetPort, problem, pods: Object.fromEntries(found) };
}

/**
 * The running pods behind a Service and the numeric container ports on which they take its traffic. A named targetPort
 * is looked up in each pod; where pods do not agree on one number the result says so instead of guessing.
 * https://kubernetes.io/docs/concepts/services-networking/service/#defining-a-service
 */
export function resolveService(service: Service, pods: readonly Pod[]): ServiceResolution {
  if (service.type === 'ExternalName') return { kind: 'external', host: service.externalName ?? '' };
  const matchLabels = service.selector ?? {};
  if (Object.keys(matchLabels).length === 0) return { kind: 'no-selector' };
  const targets = pods
    .filter((pod) => isLive(pod) && pod.namespace === service.namespace && matches({ matchLabels }, pod.labels))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  if (targets.length === 0) return { kind: 'no-pods' };
  const resolved: ResolvedPort[] = [];
  const unresolved: UnresolvedPort[] = [];
  for (const port of service.ports) {
    const answer = resolvePort(port, targets);
    if ('problem' in answer) unresolved.push(answer);
    else resolved.push(answer);
  }
  if (unresolved.length > 0) return { kind: 'unresolved-ports', pods: targets, ports: unresolved };
  return { kind: 'pods', headless: service.headless, pods: targets, ports: resolved };
}
