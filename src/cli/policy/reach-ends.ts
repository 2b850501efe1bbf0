import type { ClusterSnapshot } from '../../adapters/kubernetes/snapshot.ts';
import { nearest } from '../../domain/nearest.ts';
import { type Cidr, parseCidr } from '../../network/cidr.ts';
import { resolveService } from '../../network/services.ts';
import type { OutsidePeer, Pod, Protocol, Service } from '../../network/types.ts';
import { isLive } from '../../network/verdict.ts';

/** What people write behind --from and --to, and what it stands for. */

/** A port as people dial it. */
export interface DialledPort {
  readonly port: number;
  readonly protocol: Protocol;
}

/** One pod or address, with the container port at which the traffic arrives there. */
export interface Stop {
  readonly end: Pod | OutsidePeer;
  readonly port: number;
}

type Found = { readonly ok: true; readonly stops: readonly Stop[]; readonly notes: readonly string[] };
export type End = Found | { readonly ok: false; readonly problem: string };

const SERVICE = 'Service';
/** As kubectl abbreviates them. */
const KINDS: Readonly<Record<string, string>> = {
  po: 'Pod',
  pods: 'Pod',
  deploy: 'Deployment',
  deployments: 'Deployment',
  sts: 'StatefulSet',
  statefulsets: 'StatefulSet',
  ds: 'DaemonSet',
  daemonsets: 'DaemonSet',
  rs: 'ReplicaSet',
  replicasets: 'ReplicaSet',
  rc: 'ReplicationController',
  replicationcontrollers: 'ReplicationController',
  jobs: 'Job',
  cj: 'CronJob',
  cronjobs: 'CronJob',
  svc: SERVICE,
  services: SERVICE,
};

export function podText({ namespace, name }: Pod): string {
  return `${namespace}/${name}`;
}

/**
 * Reads one end: an address or CIDR, `ns/pod`, `ns/KIND/name` for all pods of a workload, and as a destination
 * `ns/svc/name`.
 */
export function findEnd(text: string, side: 'from' | 'to', dialled: DialledPort, world: ClusterSnapshot): End {
  const block = readBlock(text);
  if (block) return endOfBlock(text, block, side, dialled, world);
  const parts = text.split('/');
  const [namespace = '', second = '', third] = parts;
  if (parts.length < 2 || parts.length > 3 || parts.includes(''))
    return bad(`--${side} ${text}: expected namespace/pod, namespace/kind/name or an address`);

  const inNamespace = world.pods.filter((pod) => pod.namespace === namespace);
  const name = third ?? second;
  const word = third === undefined ? 'pod' : second.toLowerCase();
  const kind = (Object.hasOwn(KINDS, word) ? KINDS[word] : undefined) ?? word;
  if (kind.toLowerCase() === 'service') {
    if (side === 'from') return bad(`--from ${text}: a Service takes connections, it opens none`);
    const service = world.services.find((one) => one.namespace === namespace && one.name === name);
    if (!service) return bad(`--to ${text}: no such Service${hint(serviceNames(world), text)}`);
    return endOfService(service, dialled, world);
  }
  const isMeant = (pod: Pod): boolean =>
    kind.toLowerCase() === 'pod'
      ? pod.name === name
      : pod.owner.kind.toLowerCase() === kind.toLowerCase() && pod.owner.name === name;
  const found = inNamespace.filter(isMeant);
  const live = found.filter(isLive);
  // An ended pod alone is answered for: it has no traffic.
  const pods = live.length > 0 ? live : found;
  if (pods.length === 0)
    return bad(
      `--${side} ${text}: ${missing(namespace, name, third === undefined ? null : { kind, typed: second }, world)}`,
    );
  return { ok: true, stops: pods.map((pod) => ({ end: pod, port: dialled.port })), notes: [] };
}

const bad = (problem: string): End => ({ ok: false, problem });

function readBlock(text: string): Cidr | null {
  try {
    return parseCidr(text);
  } catch {
    return null;
  }
}

/** An address may be that of a pod or of a Service: then it is not outside. */
function endOfBlock(text: string, block: Cidr, side: 'from' | 'to', dialled: DialledPort, world: ClusterSnapshot): End {
  const isIt = (ip: string): boolean => block.first === block.last && readBlock(ip)?.text === block.text;
  const pod = world.pods.find((one) => isLive(one) && !one.hostNetwork && one.ips.some(isIt));
  if (pod) return { ok: true, stops: [{ end: pod, port: dialled.port }], notes: [`${text} is pod ${podText(pod)}`] };
  const service = side === 'to' && world.services.find((one) => one.clusterIPs.some(isIt));
  if (service) {
    const end = endOfService(service, dialled, world);
    return end.ok ? { ...end, notes: [`${text} is Service ${serviceText(service)}`, ...end.notes] } : end;
  }
  return { ok: true, stops: [{ end: { cidr: block.text }, port: dialled.port }], notes: [] };
}

function serviceText({ namespace, name }: Service): string {
  return `${namespace}/svc/${name}`;
}

function serviceNames(world: ClusterSnapshot): string[] {
  return world.services.map(serviceText);
}

function endOfService(service: Service, dialled: DialledPort, world: ClusterSnapshot): End {
  const text = serviceText(service);
  const { port: number, protocol } = dialled;
  // A headless Service is not dialled at all: its name stands for the pods, on whatever port.
  const isHeadless = service.headless && service.type !== 'ExternalName';
  const port = service.ports.find((one) => one.port === number && one.protocol === protocol);
  const ports = isHeadless ? [] : port ? [port] : undefined;
  if (ports === undefined && service.type !== 'ExternalName') {
    const has = service.ports.map((one) => `${one.port}/${one.protocol}`).join(', ') || 'none';
    return bad(`--to ${text}: the Service has no port ${number}/${protocol}, its ports are: ${has}`);
  }
  const resolved = resolveService({ ...service, ports: ports ?? [] }, world.pods);
  switch (resolved.kind) {
    case 'external':
      return bad(`--to ${text}: stands for the host ${resolved.host}; ask for its address`);
    case 'no-selector':
      return bad(`--to ${text}: has no selector, its endpoints are kept by somebody else; ask for their addresses`);
    case 'no-pods':
      return bad(`--to ${text}: there are no pods behind this Service`);
    case 'unresolved-ports': {
      const [unresolved] = resolved.ports;
      const stops = resolved.pods.flatMap((pod) =>
        (unresolved?.pods[pod.name] ?? []).map((containerPort) => ({ end: pod, port: containerPort })),
      );
      if (stops.length === 0)
        return bad(`--to ${text}: no pod behind this Service has a port '${unresolved?.targetPort}'/${protocol}`);
      const list = stops.map((stop) => `${stop.port} on ${podText(stop.end)}`).join(', ');
      return { ok: true, stops, notes: [`${text}: port ${number}/${protocol} is container port ${list}`] };
    }
    case 'pods': {
      const [arrival] = resolved.ports;
      const containerPort = arrival?.containerPort ?? number;
      const notes = arrival?.differs
        ? [
            `${text}: port ${number}/${protocol} is container port ${containerPort}/${protocol}, which is what policies see`,
          ]
        : [];
      return { ok: true, stops: resolved.pods.map((pod) => ({ end: pod, port: containerPort })), notes };
    }
    default:
      return resolved satisfies never;
  }
}

function hint(candidates: readonly string[], word: string): string {
  const near = nearest(word, candidates);
  return near === null ? '' : `, did you mean ${near}?`;
}

/** @param workload null: a pod was named; else its kind, and the word for it that was typed */
function missing(
  namespace: string,
  name: string,
  workload: { readonly kind: string; readonly typed: string } | null,
  world: ClusterSnapshot,
): string {
  const namespaces = world.namespaces.map((one) => one.name);
  if (!namespaces.includes(namespace)) return `no namespace ${namespace}${hint(namespaces, namespace)}`;
  const pods = world.pods.filter((pod) => pod.namespace === namespace);
  const workloads = [...new Set(pods.map(({ owner }) => `${namespace}/${owner.kind.toLowerCase()}/${owner.name}`))];
  const what = workload === null ? 'no such pod' : 'no pods of such a workload';
  const isOfKind = ({ owner }: Pod) => owner.kind.toLowerCase() === workload?.kind.toLowerCase();
  const sibling = nearest(
    name,
    pods.filter(isOfKind).map(({ owner }) => owner.name),
  );
  if (workload !== null && sibling !== null) return `${what}, did you mean ${namespace}/${workload.typed}/${sibling}?`;
  const twin = workloads.find((workload) => workload.endsWith(`/${name}`));
  if (twin !== undefined) return `${what}, did you mean ${twin}?`;
  if (workload !== null) return what + hint(workloads, `${namespace}/${workload.kind.toLowerCase()}/${name}`);
  return what + hint([...workloads, ...pods.map(podText)], `${namespace}/${name}`);
}
