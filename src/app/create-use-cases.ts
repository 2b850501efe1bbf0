import type { Grant } from '../domain/grant/grant.ts';
import { askExtension, reviewExtension } from './decide/extend.ts';
import { approveWithChanges, considerChanges } from './decide/narrow.ts';
import { nudge } from './decide/nudge.ts';
import {
  digestOfPrepared,
  type Prepared,
  prepareRequest,
  type Requested,
  requestAccess,
  requestAsShown,
  startOf,
} from './decide/request.ts';
import { mustBeReviewable, reviewAccess } from './decide/review.ts';
import { mustBeGlassReviewer, reviewBreakGlass } from './decide/review-break-glass.ts';
import { takeToken } from './decide/take-token.ts';
import { endAccess } from './grant/end.ts';
import { endAll } from './grant/end-all.ts';
import { again, everything, home } from './inquire/home.ts';
import {
  closedClusters,
  consider,
  inspect,
  list,
  noteOn,
  offers,
  scopeOf,
  status,
  who,
  workloads,
} from './inquire/inquire.ts';
import { viewOf } from './inquire/view.ts';
import { auditRefusal, type Command, readingOnce, runCommand } from './people/command.ts';
import type { Asked, Proposal, UseCases } from './ports/use-cases.ts';
import type { World } from './ports/world.ts';

/** What people can do, over a world. */
export function createUseCases(world: World): UseCases {
  const run = <T>(by: string, doing: string, about: Omit<Command, 'by' | 'doing'>, work: (w: World) => Promise<T>) =>
    runCommand(world, { by, doing, ...about }, work);
  const asking = ({ profile }: Asked) => ({ profile });
  const viewed = (grant: Grant) => viewOf(grant, world.policies.current(), world.clusters.of(grant), world.clock.now());
  const proposed = (prepared: Prepared): Proposal => ({
    view: viewed(prepared.grant),
    rule: prepared.rule,
    missed: prepared.missed,
    digest: digestOfPrepared(prepared),
    ...(prepared.asked !== null && { asked: viewed(prepared.asked) }),
  });
  const requested = ({ grant, missed, isAgain }: Requested) => ({ ...viewed(grant), missed, isAgain });
  return {
    offers: (by, freshness) => run(by, 'look at offers', {}, (w) => offers(w, by, freshness)),
    closedClusters: (by) => run(by, 'look at offers', {}, (w) => closedClusters(w, by)),
    workloads: (by, profile, cluster, namespace) =>
      run(by, 'look at workloads', { profile }, (w) => workloads(w, by, profile, cluster, namespace)),
    startOf: (by, start) => run(by, 'name a start', {}, (w) => startOf(w, by, start)),
    scopeOf: (profile) => scopeOf(world, profile),
    preview: async (by, ask) =>
      proposed(await run(by, 'preview', asking(ask), (w) => prepareRequest(w, by, ask, 'shown', true))),
    request: async (by, ask) => requested(await run(by, 'request', asking(ask), (w) => requestAccess(w, by, ask))),
    async requestAsShown(by, ask, digest) {
      const result = await run(by, 'request', asking(ask), (w) => requestAsShown(w, by, ask, digest));
      return 'changed' in result ? { changed: proposed(result.changed) } : { requested: requested(result.requested) };
    },
    review: async (by, id, verdict, note, seen) =>
      viewed(await run(by, verdict, { id }, (w) => reviewAccess(w, by, id, verdict, note, seen))),
    mustBeReviewable: (by, id, verdict, of, seen) =>
      run(by, verdict, { id }, (w) => mustBeReviewable(w, by, id, verdict, of, seen)),
    extend: async (by, id, seconds) => viewed(await run(by, 'extend', { id }, (w) => askExtension(w, by, id, seconds))),
    reviewExtension: async (by, id, verdict, note, seen) =>
      viewed(await run(by, `${verdict} extension`, { id }, (w) => reviewExtension(w, by, id, verdict, note, seen))),
    considerChanges: async (by, id, changes, note) =>
      viewed(await run(by, 'approve with changes', { id }, (w) => considerChanges(w, by, id, changes, note))),
    approveWithChanges: async (by, id, changes, note, seen, shown) =>
      viewed(
        await run(by, 'approve with changes', { id }, (w) => approveWithChanges(w, by, id, changes, note, seen, shown)),
      ),
    reviewBreakGlass: async (by, id, verdict, note) =>
      viewed(await run(by, 'review break-glass', { id }, (w) => reviewBreakGlass(w, by, id, verdict, note))),
    mustBeGlassReviewer: (by, id) =>
      run(by, 'review break-glass', { id }, async (w) => void (await mustBeGlassReviewer(w, by, id))),
    nudge: async (by, id) => viewed(await run(by, 'nudge', { id }, (w) => nudge(w, by, id))),
    revoke: async (by, id, note) => viewed(await run(by, 'revoke', { id }, (w) => endAccess(w, by, id, note))),
    async takeToken(by, id) {
      const { grant, token, expiresAt } = await run(by, 'take a token', { id }, (w) => takeToken(w, by, id));
      return { view: viewed(grant), token, expiresAt };
    },
    list: (by) => run(by, 'list', {}, (w) => list(w, by)),
    home: (by, page, which = {}) => run(by, 'look at Home', {}, (w) => home(w, by, page, which)),
    everything: (by, page, which = {}) => run(by, 'list all', {}, (w) => everything(w, by, page, which)),
    endAll: (by, which) => run(by, 'end all', {}, (w) => endAll(w, by, which)),
    again: (by, id) => run(by, 'ask again', { id }, (w) => again(w, by, id)),
    noteOn: (id, verdict) => noteOn(world, id, verdict),
    consider: (by, id, note) => run(by, 'approve', { id }, (w) => consider(w, by, id, note)),
    status: (by, id) => run(by, 'status', { id }, (w) => status(w, by, id)),
    inspect: (by, id) => run(by, 'status', { id }, (w) => inspect(w, by, id)),
    turnAway: (by, doing, refusal) => auditRefusal(readingOnce(world), { by, doing }, refusal),
    who: (by, namespace, cluster) => run(by, 'who', {}, (w) => who(w, by, namespace, cluster)),
  };
}
