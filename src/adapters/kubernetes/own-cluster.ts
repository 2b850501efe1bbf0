import type { ClusterAccess } from '../../app/ports/cluster-access.ts';
import { Unavailable } from '../../domain/errors.ts';
import type { Grant } from '../../domain/grant/grant.ts';
import type { GrantSummary } from '../../domain/grant/summary.ts';
import { ApiError } from './api.ts';

/** For so long what a cluster said that it is counts, in milliseconds: its name may come to lead to another one while this runs. */
const FRESH = 5000;

/** What a port does about one grant. */
type ActOnGrant = {
  [K in keyof ClusterAccess]: ClusterAccess[K] extends (...args: infer Args) => Promise<unknown>
    ? Args extends [grant: Grant, ...rest: unknown[]]
      ? K
      : never
    : never;
}[keyof ClusterAccess];

/** Answers the uid of the cluster that `read` reaches now, as it was told within the last seconds; null: it does not say. */
export function uidOfNow(read: () => Promise<string>, elapsed = () => performance.now()): () => Promise<string | null> {
  let asked: { readonly at: number; readonly uid: Promise<string | null> } | undefined;
  let last: string | null = null;
  async function ask(): Promise<string | null> {
    try {
      last = await read();
    } catch (error) {
      // One that refuses to say it may still be told to end what is there.
      if (!(error instanceof ApiError)) throw error;
    }
    return last;
  }
  return () => {
    const now = elapsed();
    if (asked !== undefined && now - asked.at < FRESH) return asked.uid;
    const uid = ask();
    const asking = { at: now, uid };
    asked = asking;
    uid.catch(() => {
      if (asked === asking) asked = undefined;
    });
    return uid;
  };
}

/** All of them: one that is left out does not compile. */
const ACTS: Readonly<Record<ActOnGrant, true>> = {
  placeLeases: true,
  raiseGuard: true,
  admit: true,
  startWorkspace: true,
  giveRights: true,
  narrowRights: true,
  verify: true,
  extend: true,
  podsOf: true,
  targetGone: true,
  strangers: true,
  tokenFor: true,
  markEnding: true,
  confirmRefused: true,
  takeRights: true,
  closeAdmission: true,
  endWorkspace: true,
  lowerGuard: true,
  dropLeases: true,
  remains: true,
  otherAccess: true,
};

/**
 * The same port, for grants of the cluster that it reaches alone. What is not there is taken for gone: where a name has come to lead to another
 * cluster than when a grant was given, its end would be confirmed by a cluster that never had it, while the access goes on in the other.
 * @param uidNow of `kube-system` in the cluster that is reached now; null: not known
 */
export function inItsOwnCluster(acts: ClusterAccess, uidNow: () => Promise<string | null>): ClusterAccess {
  const isElsewhere = (given: string, uid: string | null) => given !== '' && uid !== null && given !== uid;

  async function mustBeHere({ id, plan }: Grant): Promise<void> {
    const uid = await uidNow();
    if (isElsewhere(plan.cluster, uid))
      throw new Unavailable(
        'Kubernetes',
        `${id} was given in another cluster (kube-system ${plan.cluster}) than the one that is reached now (${uid}): lead the context of the kubeconfig there again`,
      );
  }

  const checked = (Object.keys(ACTS) as ActOnGrant[]).map((name) => [
    name,
    async (grant: Grant, ...rest: unknown[]) => {
      await mustBeHere(grant);
      return (acts as Record<ActOnGrant, (...args: unknown[]) => unknown>)[name](grant, ...rest);
    },
  ]);
  return {
    ...acts,
    ...(Object.fromEntries(checked) as Pick<ClusterAccess, ActOnGrant>),
    async cutRights(grants: readonly GrantSummary[]) {
      // Not known: then each grant's own revocation finds out.
      const uid = await uidNow().catch(() => undefined);
      if (uid === undefined) return [];
      return acts.cutRights(grants.filter(({ clusterUid }) => !isElsewhere(clusterUid, uid)));
    },
  };
}
