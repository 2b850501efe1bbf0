import { setTimeout as sleep } from 'node:timers/promises';
import type { KubeObject } from '../../src/adapters/kubernetes/object.ts';
import { PLANT } from './crash.ts';

/** Faults that are put into the code on purpose, to see that the run catches them. Without CHAOS_PLANT none of this does anything. */

const held = new Map<string, () => Promise<void>>();
const inTheMaking = new Set<string>();

/** `late-schedule`: the revocation is scheduled only once the grant is active. */
export function holdsBack(id: string, schedule: () => Promise<void>): boolean {
  if (PLANT !== 'late-schedule' || !inTheMaking.has(id)) return false;
  held.set(id, schedule);
  return true;
}

/** A grant is in this state now. */
export async function became(id: string, state: string): Promise<void> {
  if (state === 'approved' || state === 'applying') inTheMaking.add(id);
  else inTheMaking.delete(id);
  if (state !== 'active') return;
  await held.get(id)?.();
  held.delete(id);
}

/** No window of the chaos run is so long: by it what was lengthened is told from what was not. */
const LONGER = 3600;

/** The same with so many seconds more to live. */
function lengthened<T>(object: T, seconds: number): T {
  const { spec } = object as { spec?: { activeDeadlineSeconds?: number } };
  return { ...object, spec: { ...spec, activeDeadlineSeconds: (spec?.activeDeadlineSeconds ?? 0) + seconds } };
}

/** `late-schedule` also takes the deadline of leases away: else they would end what the schedule forgot. */
export function altered(object: KubeObject): KubeObject {
  return PLANT === 'late-schedule' && object.kind === 'Job' ? lengthened(object, LONGER) : object;
}

/** And the bot finds what it wrote. */
export function unaltered<T>(object: T): T {
  const { spec } = object as { spec?: { activeDeadlineSeconds?: number } };
  return (spec?.activeDeadlineSeconds ?? 0) > LONGER ? lengthened(object, -LONGER) : object;
}

const waiting = new Map<string, KubeObject>();

/** `guard-last`: guards are raised only after the rights were given. */
export async function reordered(
  object: KubeObject,
  apply: (object: KubeObject) => Promise<KubeObject>,
): Promise<KubeObject> {
  if (PLANT !== 'guard-last') return apply(object);
  const { name } = object.metadata;
  if (object.kind === 'NetworkPolicy' && object.metadata.ownerReferences === undefined) {
    waiting.set(name, object);
    return object;
  }
  const applied = await apply(object);
  const guard = object.kind === 'RoleBinding' ? waiting.get(name) : undefined;
  if (guard !== undefined) {
    waiting.delete(name);
    await apply(guard);
  }
  return applied;
}

const lied = new Set<string>();

/** `early-word`: a RoleBinding is said to be gone eight seconds before it is, by every answer that the bot looks at. */
export async function lies<T>(kind: string, name: string, remove: () => Promise<T>): Promise<T | 'absent'> {
  const isLease = kind === 'Job' && lied.has(name);
  if (PLANT !== 'early-word' || (kind !== 'RoleBinding' && !isLease)) return remove();
  lied.add(name);
  void sleep(8000)
    .then(remove)
    .catch(() => {});
  return 'absent';
}

export function believed<T>(items: T[]): T[] {
  if (PLANT !== 'early-word') return items;
  return items.filter((item) => !lied.has((item as KubeObject).metadata.name));
}

/** The answer to a review, `{status: {allowed}}`. */
export function denied<T>(kind: string, answer: T): T {
  if (PLANT !== 'early-word' || kind !== 'SubjectAccessReview' || lied.size === 0) return answer;
  return { ...answer, status: { allowed: false } };
}
