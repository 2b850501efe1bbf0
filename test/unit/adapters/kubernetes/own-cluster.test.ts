import { describe, expect, test } from 'vitest';
import { ApiError } from '../../../../src/adapters/kubernetes/api.ts';
import { inItsOwnCluster, uidOfNow } from '../../../../src/adapters/kubernetes/own-cluster.ts';
import type { ClusterAccess } from '../../../../src/app/ports/cluster-access.ts';
import { Unavailable } from '../../../../src/domain/errors.ts';
import type { Grant } from '../../../../src/domain/grant/grant.ts';
import { summaryOf } from '../../../../src/domain/grant/summary.ts';
import { memoryCluster } from '../../../support/app-world.ts';
import { applyingGrant, samplePlan } from '../../../support/grants.ts';

/** What would be done, or found, in whichever cluster is there. */
const ACTS: Readonly<Record<string, (on: ClusterAccess, grant: Grant) => Promise<unknown>>> = {
  placeLeases: (on, grant) => on.placeLeases(grant),
  raiseGuard: (on, grant) => on.raiseGuard(grant),
  admit: (on, grant) => on.admit(grant),
  startWorkspace: (on, grant) => on.startWorkspace(grant),
  giveRights: (on, grant) => on.giveRights(grant, [], null),
  narrowRights: (on, grant) => on.narrowRights(grant, []),
  verify: (on, grant) => on.verify(grant),
  extend: (on, grant) => on.extend(grant),
  podsOf: (on, grant) => on.podsOf(grant),
  targetGone: (on, grant) => on.targetGone(grant),
  strangers: (on, grant) => on.strangers(grant),
  tokenFor: (on, grant) => on.tokenFor(grant),
  markEnding: (on, grant) => on.markEnding(grant),
  confirmRefused: (on, grant) => on.confirmRefused(grant),
  takeRights: (on, grant) => on.takeRights(grant),
  closeAdmission: (on, grant) => on.closeAdmission(grant),
  endWorkspace: (on, grant) => on.endWorkspace(grant),
  lowerGuard: (on, grant) => on.lowerGuard(grant),
  dropLeases: (on, grant) => on.dropLeases(grant),
  remains: (on, grant) => on.remains(grant),
  otherAccess: (on, grant) => on.otherAccess(grant),
};
const given = (cluster: string) => applyingGrant(60, { plan: samplePlan({ cluster }) });
const on = (uidNow: () => Promise<string | null>) => {
  const cluster = memoryCluster(Date.now);
  return { ...cluster, access: inItsOwnCluster(cluster.access, uidNow) };
};

describe('a cluster that is not the one in which a grant was given', () => {
  test.each(Object.entries(ACTS))('neither does nor confirms anything of it: %s', async (_name, act) => {
    const { access, held } = on(async () => 'uid-b');
    const grant = given('uid-a');
    await expect(act(access, grant)).rejects.toThrow(Unavailable);
    await expect(act(access, grant)).rejects.toThrow(
      `${grant.id} was given in another cluster (kube-system uid-a) than the one that is reached now (uid-b): lead the context of the kubeconfig there again`,
    );
    expect(held.size).toBe(0);
  });

  test('cuts and answers only the bindings of its own grants', async () => {
    const { access } = on(async () => 'uid-b');
    const own = given('uid-b');
    const old = { ...summaryOf(given('uid-b')), clusterUid: '' };
    expect(await access.cutRights([summaryOf(given('uid-a')), summaryOf(own), old])).toEqual([own.id, old.id]);
  });

  test('cuts nothing while nobody knows which cluster it is', async () => {
    const { access } = on(async () => {
      throw new Unavailable('Kubernetes', 'no answer');
    });
    expect(await access.cutRights([summaryOf(given('uid-a'))])).toEqual([]);
  });
});

test.each([
  ['its own', 'uid-a', 'uid-a'],
  ['one that does not say which it is', 'uid-a', null],
  ['whichever, for what was given before clusters were told apart', '', 'uid-b'],
])('in %s everything is done', async (_what, cluster, uid) => {
  const { access, hasRights } = on(async () => uid);
  const grant = given(cluster);
  await access.placeLeases(grant);
  await access.giveRights(grant, [], null);
  expect(hasRights(grant.id)).toBe(true);
  expect(await access.cutRights([summaryOf(grant)])).toEqual([grant.id]);
  expect(hasRights(grant.id)).toBe(false);
});

describe('which cluster it is', () => {
  const asking = (...answers: (string | Error)[]) => {
    let at = 0;
    const read = async () => {
      const next = answers.shift();
      if (typeof next !== 'string') throw next ?? new Error('asked too often');
      return next;
    };
    const uid = uidOfNow(read, () => at);
    return { uid, later: (ms: number) => void (at += ms), left: () => answers.length };
  };

  test('is asked again after five seconds, and not before', async () => {
    const { uid, later, left } = asking('uid-a', 'uid-b');
    expect(await uid()).toBe('uid-a');
    later(4999);
    expect(await uid()).toBe('uid-a');
    expect(left()).toBe(1);
    later(1);
    expect(await uid()).toBe('uid-b');
  });

  test('is what it said the last time where it refuses to say it', async () => {
    const { uid, later } = asking('uid-a', new ApiError(403, 'no'), new ApiError(403, 'no'));
    await uid();
    later(5000);
    expect(await uid()).toBe('uid-a');
    later(5000);
    expect(await uid()).toBe('uid-a');
    expect(await asking(new ApiError(403, 'no')).uid()).toBeNull();
  });

  test('is unavailable while it does not answer, and asked again at once', async () => {
    const { uid } = asking(new Unavailable('Kubernetes', 'no answer'), 'uid-a');
    await expect(uid()).rejects.toThrow(Unavailable);
    expect(await uid()).toBe('uid-a');
  });
});
