import type { FrontService } from '../../app/ports/survey.ts';
import { Refusal } from '../../domain/errors.ts';
import { WORKLOAD_KINDS, type WorkloadKind } from '../../domain/rights/rights.ts';
import { type ServiceObject, serviceFromObject } from '../../network/objects.ts';
import { resolveService, type ServiceResolution } from '../../network/services.ts';
import type { Pod } from '../../network/types.ts';
import type { Controller } from './projection.ts';

/** A Service as a target: the one workload behind it, and the container ports at which its traffic arrives. Pure. */

interface BehindService<P> {
  /** The running pods that the Service selects; at least one. */
  readonly pods: readonly P[];
  readonly workload: { readonly kind: WorkloadKind; readonly name: string };
}

/** So many names are said in a refusal. */
const MOST_NAMED = 5;

/**
 * @param pods those of the Service's namespace that run
 * @param topOf what is on top of a pod, or the pod itself
 * @throws Refusal where no one workload is behind the Service
 */
export function behindService<P extends Pod>(
  object: ServiceObject,
  pods: readonly P[],
  topOf: (pod: P) => Controller,
): BehindService<P> {
  const service = serviceFromObject(object);
  const where = service.namespace;
  const named = `Service ${service.name}`;
  const resolution = resolveService(service, pods);
  switch (resolution.kind) {
    case 'external':
      throw refusal(
        `${named} is only another name for ${resolution.host} (type ExternalName): no pods are behind it.`,
        'If that runs in this cluster, ask for its workload by name.',
      );
    case 'no-selector':
      throw refusal(
        `${named} has no selector: somebody else keeps its endpoints, and it names no pods.`,
        'If they are pods of this cluster, ask for their workload by name.',
      );
    case 'no-pods':
      throw refusal(
        `No running pod is behind ${named}.`,
        `Ask again when one runs, or ask for the workload by name: \`${where}/deploy/NAME\`.`,
      );
    case 'unresolved-ports':
    case 'pods':
      break;
    default:
      return resolution satisfies never;
  }
  const names = new Set(resolution.pods.map(({ name }) => name));
  const behind = pods.filter(({ name }) => names.has(name));
  const owners = [...new Map(behind.map((pod) => topOf(pod)).map((owner) => [owner.uid, owner])).values()];
  const [owner] = owners;
  const kindOf = (one: Controller | undefined) => WORKLOAD_KINDS.find(({ kind }) => kind === one?.kind);
  const onePod = `${where}/pod/${behind[0]?.name ?? 'NAME'}`;
  if (owner === undefined || owners.length > 1) {
    const possible = owners.find((one) => kindOf(one) !== undefined);
    throw refusal(
      `The pods behind ${named} are of ${owners.length} workloads: ${few(owners.map(wordFor))}.`,
      `Access is given to one of them: ask for it by name, such as \`${possible === undefined ? onePod : `${where}/${wordFor(possible)}`}\`.`,
    );
  }
  const known = kindOf(owner);
  if (known === undefined)
    throw refusal(
      `The pods behind ${named} are kept by ${owner.kind} ${owner.name}, which can not be a target.`,
      `Ask for one of them: \`${onePod}\`.`,
    );
  return { pods: behind, workload: { kind: known.kind, name: owner.name } };
}

/**
 * Rights and policies are for whole workloads: what a Service divides can't be given by its name.
 * @param owned the workload's pods, by its uid
 * @throws Refusal unless they are exactly those behind the Service
 */
export function mustBeSame<P extends Pod>(
  service: ServiceObject,
  { pods, workload }: BehindService<P>,
  owned: readonly P[],
): void {
  const { namespace, name } = serviceFromObject(service);
  const nameOf = (pod: P) => pod.name;
  const missing = (from: readonly P[], others: readonly P[]) => {
    const names = new Set(others.map(nameOf));
    return from.map(nameOf).filter((one) => !names.has(one));
  };
  const beside = missing(owned, pods);
  const target = wordFor(workload);
  if (beside.length > 0)
    throw refusal(
      `Service ${name} is in front of some pods of ${target} only, not of ${few(beside)}; access is given to whole workloads.`,
      `If you need all of them, ask for \`${namespace}/${target}\`.`,
    );
  const foreign = missing(pods, owned);
  if (foreign.length > 0)
    throw refusal(
      `Behind Service ${name} are pods that name ${target} as theirs and are not of it: ${few(foreign)}.`,
      `Ask for \`${namespace}/${target}\`, and tell an administrator of the cluster.`,
    );
}

/**
 * Where a Service is dialled and where that arrives.
 * @throws Refusal where a named targetPort has no one number on all pods, or the Service names no port
 */
export function portsOfService(object: ServiceObject, pods: readonly Pod[]): FrontService['ports'] {
  const service = serviceFromObject(object);
  const resolution = resolveService(service, pods);
  if (resolution.kind === 'unresolved-ports') throw unresolved(service.name, resolution);
  if (resolution.kind !== 'pods') throw new Error(`the pods behind ${service.name} were there a moment ago`);
  if (resolution.ports.length === 0)
    throw refusal(
      `Service ${service.name} names no port, so that none can be opened by it.`,
      'Ask for the workload behind it by name.',
    );
  return resolution.ports.map(({ servicePort, containerPort, protocol }) => ({
    dialled: servicePort,
    port: containerPort,
    protocol,
  }));
}

function unresolved(name: string, { ports }: Extract<ServiceResolution, { kind: 'unresolved-ports' }>): Refusal {
  const [port] = ports;
  if (port === undefined) throw new Error('no port is unresolved');
  const found = Object.entries(port.pods);
  const lacking = found.filter(([, numbers]) => numbers.length === 0).map(([pod]) => pod);
  const numbered = found
    .filter(([, numbers]) => numbers.length > 0)
    .map(([pod, numbers]) => `${numbers.join(' and ')} on ${pod}`);
  const what = `Port ${port.servicePort}/${port.protocol} of Service ${name} leads to the container port '${port.targetPort}'`;
  const said =
    port.problem === 'differs'
      ? `${what}, which is not the same on all its pods: ${few(numbered)}${lacking.length > 0 ? `; none on ${few(lacking)}` : ''}.`
      : `${what}, which ${few(lacking)} ${lacking.length === 1 ? 'does' : 'do'} not have.`;
  return refusal(
    said,
    'Policies need one number: ask again when a rollout has ended, have the Service name a number, or ask for the workload by name.',
  );
}

const refusal = (reason: string, remedy: string): Refusal => new Refusal('target', reason, remedy);

const wordFor = ({ kind, name }: { readonly kind: string; readonly name: string }): string =>
  `${kind.toLowerCase()}/${name}`;

function few(names: readonly string[]): string {
  const more = names.length - MOST_NAMED;
  return `${names.slice(0, MOST_NAMED).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
