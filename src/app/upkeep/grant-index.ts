import type { Grant } from '../../domain/grant/grant.ts';
import type { GrantId } from '../../domain/ids.ts';
import type { LabelSelector } from '../../domain/plan/confinement.ts';
import type { Plan } from '../../domain/plan/plan.ts';
import { isWide } from '../../domain/target.ts';
import { matches } from '../../network/selector.ts';
import type { PodChange } from '../ports/cluster-events.ts';

/** Which active grants a change in the cluster concerns. Pure. A question costs what it finds, however many grants there are. */

/** Something in the cluster that grants depend on. */
export interface Dependency {
  readonly on: 'workload' | 'policies' | 'role';
  readonly ids: readonly GrantId[];
}

export type NamedRole = NonNullable<Plan['role']>;

export interface GrantIndex {
  /** False when it is there already: what a grant depends on never changes. */
  add(grant: Grant): boolean;
  /** Answers the named role that was bound by it alone; nothing where it is not there. */
  remove(id: GrantId): NamedRole[];
  has(id: GrantId): boolean;
  ids(): Iterable<GrantId>;
  /** Workloads of which this is or was a pod by its labels, and the Pod that is a target itself. */
  ofPod(change: PodChange): Iterable<Dependency>;
  ofWorkload(kind: string, namespace: string, name: string): readonly Dependency[];
  ofPolicies(namespace: string): readonly Dependency[];
  /** @param namespace null of a ClusterRole */
  ofRole(role: NamedRole, namespace: string | null): readonly Dependency[];
  /** Of a Role, in whatever namespaces. */
  ofRoleNamed(role: NamedRole): readonly Dependency[];
}

/** What several grants depend on, and where it is found. */
interface Entry extends Dependency {
  readonly ids: GrantId[];
  readonly keys: readonly string[];
  /** Of a workload. */
  readonly uid?: string;
  /** Of a workload whose pods' labels matter. */
  readonly selector?: LabelSelector;
  /** Of a named role. */
  readonly role?: NamedRole;
}

const keyOf = {
  workload: (kind: string, namespace: string, name: string) => `workload ${kind} ${namespace}/${name}`,
  label: (namespace: string, label: string) => `label ${namespace} ${label}`,
  policies: (namespace: string) => `policies ${namespace}`,
  role: ({ kind, name }: NamedRole, namespace: string | null) => `role ${kind} ${namespace ?? ''}/${name}`,
  roleNamed: ({ kind, name }: NamedRole) => `roles ${kind} ${name}`,
};

/** @param workspacesNamespace whose policies matter to every grant with a workspace */
export function createGrantIndex(workspacesNamespace: string): GrantIndex {
  const grants = new Map<GrantId, readonly Entry[]>();
  const entries = new Map<string, Entry[]>();
  const at = (key: string): readonly Entry[] => entries.get(key) ?? [];

  /** Takes the grant into the entry that is there, or into a new one. */
  function join(id: GrantId, there: Entry | undefined, make: () => Omit<Entry, 'ids'>): Entry {
    if (there === undefined) return put({ ...make(), ids: [id] });
    there.ids.push(id);
    return there;
  }

  function put(entry: Entry): Entry {
    for (const key of entry.keys) {
      const there = entries.get(key);
      if (there === undefined) entries.set(key, [entry]);
      else there.push(entry);
    }
    return entry;
  }

  function take(entry: Entry): void {
    for (const key of entry.keys) {
      const rest = at(key).filter((one) => one !== entry);
      if (rest.length === 0) entries.delete(key);
      else entries.set(key, rest);
    }
  }

  /** Pods are found by one label of the selector: by that which the fewest others are found by. */
  function labelKeys(namespace: string, selector: LabelSelector): string[] {
    const choices = choicesOf(selector).map((labels) => labels.map((label) => keyOf.label(namespace, label)));
    const load = (keys: readonly string[]) => keys.reduce((sum, key) => sum + at(key).length, 0);
    return choices.toSorted((a, b) => load(a) - load(b))[0] ?? [keyOf.label(namespace, ANY)];
  }

  function workloadOf({ id, target, plan }: Grant): Entry[] {
    if (isWide(target) || target.workload === undefined || plan.workload === null) return [];
    const { namespace, workload } = target;
    const { uid } = plan.workload;
    // Whoever takes the labels of a Pod is taken for it only by policies.
    const selector = workload.kind === 'Pod' && plan.network.mode === 'none' ? undefined : plan.workload.selector;
    const key = keyOf.workload(workload.kind, namespace, workload.name);
    const known = at(key).find((one) => one.uid === uid && JSON.stringify(one.selector) === JSON.stringify(selector));
    const make = () =>
      selector === undefined
        ? { on: 'workload' as const, keys: [key], uid }
        : { on: 'workload' as const, keys: [key, ...labelKeys(namespace, selector)], uid, selector };
    return [join(id, known, make)];
  }

  function policiesOf({ id, target, plan }: Grant): Entry[] {
    const { mode } = plan.network;
    if (mode === 'none' || isWide(target)) return [];
    const namespaces = mode === 'workspace' ? [target.namespace, workspacesNamespace] : [target.namespace];
    return namespaces.map((namespace) => {
      const key = keyOf.policies(namespace);
      return join(id, at(key)[0], () => ({ on: 'policies', keys: [key] }));
    });
  }

  function rolesOf({ id, target, plan: { role, roleMayGrow } }: Grant): Entry[] {
    if (role === null || roleMayGrow) return [];
    const namespace = role.kind === 'Role' ? (target.namespace ?? null) : null;
    const key = keyOf.role(role, namespace);
    return [join(id, at(key)[0], () => ({ on: 'role', keys: [key, keyOf.roleNamed(role)], role }))];
  }

  return {
    add(grant) {
      if (grants.has(grant.id)) return false;
      // A copy, without the room that a list keeps for more.
      grants.set(grant.id, [...workloadOf(grant), ...policiesOf(grant), ...rolesOf(grant)].slice());
      return true;
    },
    remove(id) {
      const all = grants.get(id) ?? [];
      grants.delete(id);
      for (const entry of all) {
        entry.ids.splice(entry.ids.indexOf(id), 1);
        if (entry.ids.length === 0) take(entry);
      }
      return all.flatMap(({ role }) => (role !== undefined && at(keyOf.roleNamed(role)).length === 0 ? [role] : []));
    },
    has: (id) => grants.has(id),
    ids: () => grants.keys(),
    ofPod({ namespace, name, before, now }) {
      const found = new Set<Entry>(at(keyOf.workload('Pod', namespace, name)));
      for (const labels of [before, now])
        for (const label of labels === null ? [] : labelsOf(labels))
          for (const entry of at(keyOf.label(namespace, label)))
            if (labels !== null && entry.selector !== undefined && matches(entry.selector, labels)) found.add(entry);
      return found;
    },
    ofWorkload: (kind, namespace, name) => at(keyOf.workload(kind, namespace, name)),
    ofPolicies: (namespace) => at(keyOf.policies(namespace)),
    ofRole: (role, namespace) => at(keyOf.role(role, namespace)),
    ofRoleNamed: (role) => at(keyOf.roleNamed(role)),
  };
}

/** Every pod counts as one that has this: no key of a label can be it. */
const ANY = '*';

/** What a pod is found by: `key=value`, `key`, and what every pod has. */
const labelsOf = (labels: Readonly<Record<string, string>>): string[] => [
  ...Object.entries(labels).flatMap(([key, value]) => [key, `${key}=${value}`]),
  ANY,
];

/** Of each of these lists, every pod that the selector matches has one. None: it may match a pod without labels. */
function choicesOf({ matchLabels, matchExpressions }: LabelSelector): string[][] {
  return [
    ...Object.entries(matchLabels ?? {}).map(([key, value]) => [`${key}=${value}`]),
    ...(matchExpressions ?? []).flatMap(({ key, operator, values = [] }) => {
      if (operator === 'In') return [values.map((value) => `${key}=${value}`)];
      return operator === 'Exists' ? [[key]] : [];
    }),
  ];
}
