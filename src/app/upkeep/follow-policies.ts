import type { Grant } from '../../domain/grant/grant.ts';
import type { IsolatedDirection, Surroundings } from '../../domain/plan/plan.ts';
import { describeTarget, inNamespace } from '../../domain/target.ts';
import { once } from '../common/once.ts';
import { alarm } from '../common/telling.ts';
import { beginEnding } from '../grant/end.ts';
import { workspacePod } from '../plan/reach.ts';
import { surroundingsNow } from '../plan/since-approval.ts';
import { allowances, podLabelled, rulesOf } from '../plan/surroundings.ts';
import type { ClusterAccess } from '../ports/cluster-access.ts';
import type { World } from '../ports/world.ts';

type Look = Pick<ClusterAccess, 'foreignPolicies' | 'workspacesNamespace'>;

/** Looks at what policies of others say of the pods of grants. The policies of a namespace are read once. */
export function policiesLook(world: World, cluster: ClusterAccess): (grant: Grant) => Promise<void> {
  const { workspacesNamespace } = cluster;
  const foreignPolicies = once((namespace: string) => cluster.foreignPolicies(namespace), String);
  const look: Look = { workspacesNamespace, foreignPolicies };
  return async (grant) => {
    await lookForForeign(world, grant, look);
    await lookForIsolation(world, grant, look);
  };
}

/** Rules of others that let the confined pods of a grant do more than was known when it was approved, in policies new, changed or not. */
async function lookForForeign(world: World, grant: Grant, look: Look): Promise<void> {
  const { network, workload } = grant.plan;
  if ((network.mode !== 'workspace' && network.mode !== 'contain') || workload === null) return;
  const { workspacesNamespace } = look;
  const [pods, pod] =
    network.mode === 'workspace'
      ? ['the workspace', workspacePod(workspacesNamespace, grant.id)]
      : ['the pods', podLabelled(inNamespace(grant.target).namespace, workload.labels, grant.target.workload)];
  const policies = await look.foreignPolicies(pod.namespace);
  const fresh = allowances(network.mode, policies, pod).filter(({ rules }) =>
    rules.some((rule) => !network.foreign.includes(rule)),
  );
  if (fresh.length === 0) return;
  const names = fresh.map(({ name }) => name);
  const what = `NetworkPolicy ${names.slice(0, 5).join(', ')} in ${pod.namespace} has begun to select ${pods} of ${grant.id}, or was changed, and lets it do more than was approved`;
  await alarm(world, `foreign ${grant.id} ${rulesOf(fresh).join()}`, grant, `${what}.`);
  if (network.strict) await beginEnding(world, grant.id, 'failed', null, `${what}; the profile is strict.`);
}

/**
 * An admission lets something into pods that others isolate. Where they do so no more, it isolates the pods itself, and cuts off everybody
 * whom it does not admit; where they never did, the approver has acknowledged that. And pods that others contained have no containment of the
 * grant's own: once those policies are gone, whoever is in them reaches everything.
 */
async function lookForIsolation(world: World, grant: Grant, look: Look): Promise<void> {
  const { network, surroundings } = grant.plan;
  if (network.mode === 'none') return;
  const now = await surroundingsNow(look, grant);
  const planned = newlyIsolated(surroundings);
  const surprises = newlyIsolated(now).filter((direction) => !planned.includes(direction));
  const name = describeTarget(grant.target);
  const what =
    surprises.length > 0
      ? `Nothing but ${grant.id} isolates ${name} any more (${surprises.join(', ').toLowerCase()})`
      : network.mode === 'contain' && !network.applies && isContained(surroundings) && !isContained(now)
        ? `Nothing contains ${name} any more`
        : null;
  if (what === null) return;
  await beginEnding(world, grant.id, 'failed', null, `${what}: the policies of others that did are gone.`);
}

/** The directions in which the grant alone isolates its target. */
function newlyIsolated({ isolation }: Surroundings): IsolatedDirection[] {
  return isolation
    .filter(({ pods }) => pods === 'target')
    .flatMap((target) => target.with.filter((direction) => !target.before.includes(direction)));
}

/** Whether policies of others isolate the target's pods for egress. */
function isContained({ isolation }: Surroundings): boolean {
  return isolation.some(({ pods, before }) => pods === 'target' && before.includes('Egress'));
}
