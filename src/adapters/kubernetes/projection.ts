import type { PodObject } from '../../network/objects.ts';
import type { NetworkPolicy, Pod } from '../../network/types.ts';
import { INSTANCE_LABEL } from './manifests.ts';

/**
 * What decisions need of the objects of a list, in the shape in which the API has them. All else is dropped page by page: of the 6 KB of a pod
 * some 300 bytes matter.
 */

export interface OwnerReference {
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
}

export interface Meta {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly deletionTimestamp?: string;
  readonly ownerReferences?: readonly OwnerReference[];
}

export interface KubePod extends PodObject {
  readonly metadata: Meta;
}

type Intern = <T>(value: T) => T;

/** So many different values are remembered. */
const MOST_INTERNED = 50_000;

/** Equal values become one. What is seen for longer than a list brings ever new ones: then all are forgotten, and some are held twice. */
export function createIntern(most = MOST_INTERNED): Intern {
  const known = new Map<string, unknown>();
  return <T>(value: T): T => {
    const key = JSON.stringify(value);
    if (!known.has(key)) {
      if (known.size === most) known.clear();
      known.set(key, value);
    }
    return known.get(key) as T;
  };
}

/** Without the members that are undefined. */
const present = <T extends object>(members: { readonly [K in keyof T]: T[K] | undefined }): T =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as T;

function projectMeta({ name, namespace, uid, labels, deletionTimestamp, ownerReferences }: Meta, intern: Intern): Meta {
  const owners = ownerReferences?.map(({ kind, name, uid, controller }) =>
    present<OwnerReference>({ kind, name, uid, controller }),
  );
  return present<Meta>({
    name,
    namespace: intern(namespace),
    uid,
    labels: labels && intern(labels),
    deletionTimestamp,
    ownerReferences: owners && intern(owners),
  });
}

type Container = NonNullable<NonNullable<PodObject['spec']>['containers']>[number];

const projectContainers = (containers: readonly Container[] | undefined): Container[] | undefined =>
  containers
    ?.filter(({ ports }) => (ports ?? []).length > 0)
    .map(({ ports, restartPolicy }) =>
      present<Container>({
        restartPolicy,
        ports: ports?.map(({ name, containerPort, protocol }) => ({ name, containerPort, protocol })),
      }),
    );

/** For the pods of one list, and of the watch after it. */
export function podProjection(): (pod: KubePod) => KubePod {
  const intern = createIntern();
  return ({ metadata, spec = {}, status = {} }) => ({
    metadata: projectMeta(metadata, intern),
    spec: intern(
      present<NonNullable<PodObject['spec']>>({
        hostNetwork: spec.hostNetwork,
        containers: projectContainers(spec.containers),
        initContainers: projectContainers(spec.initContainers),
      }),
    ),
    status: present<NonNullable<PodObject['status']>>({
      phase: status.phase && intern(status.phase),
      podIP: status.podIP,
      podIPs: status.podIPs?.map(({ ip }) => ({ ip })),
      hostIP: status.hostIP && intern(status.hostIP),
      hostIPs: status.hostIPs && intern(status.hostIPs),
    }),
  });
}

/** For the pages of one list of pods. */
export function keepPods(): (page: readonly KubePod[]) => KubePod[] {
  const project = podProjection();
  return (page) => page.map(project);
}

/** For the pages of one list of pods that are judged for reachability. */
export function internPods(): (pods: readonly Pod[]) => Pod[] {
  const intern = createIntern();
  return (pods) =>
    pods.map(({ namespace, labels, ports, nodeIPs = [], owner, phase, ...own }) => ({
      ...own,
      namespace: intern(namespace),
      labels: intern(labels),
      ports: intern(ports),
      nodeIPs: intern(nodeIPs),
      owner: intern(owner),
      phase: intern(phase),
    }));
}

/** For the pages of one list of which the metadata matters, and what `more` says. */
export function keepMeta<T extends { readonly metadata: Meta }>(
  more: (object: T) => Omit<T, 'metadata'>,
): (page: readonly T[]) => (Omit<T, 'metadata'> & { readonly metadata: Meta })[] {
  const intern = createIntern();
  return (page) => page.map((object) => ({ ...more(object), metadata: projectMeta(object.metadata, intern) }));
}

/**
 * Labels tell which grant a policy is of, and are kept where they are those of this instance, which nobody else may set. Anybody may set those
 * of another, and would hide a policy from who looks for others' by them.
 */
export function keepPolicies(instance?: string): (page: readonly NetworkPolicy[]) => NetworkPolicy[] {
  const isOwn = (labels: Meta['labels']) => instance !== undefined && labels?.[INSTANCE_LABEL] === instance;
  return (page) =>
    page.map(({ metadata: { name, namespace, labels } = {}, spec }) => ({
      metadata: present<NonNullable<NetworkPolicy['metadata']>>({
        name,
        namespace,
        labels: isOwn(labels) ? labels : undefined,
      }),
      ...(spec === undefined ? {} : { spec }),
    }));
}
