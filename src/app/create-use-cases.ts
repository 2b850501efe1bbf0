import type { Grant } from '../domain/grant.ts';
import { endAccess } from './end-grant.ts';
import { askExtension, reviewExtension } from './extend-grant.ts';
import { inspect, list, offers, status, who, workloads } from './inquire.ts';
import type { World } from './ports.ts';
import { digestOfPrepared, type Prepared, prepareRequest, requestAccess, requestAsShown } from './request-access.ts';
import { reviewAccess } from './review-access.ts';
import type { Proposal, UseCases } from './use-cases.ts';
import { viewOf } from './view.ts';
import { whole } from './whole.ts';

/** What people can do, over a world. */
export function createUseCases(world: World): UseCases {
  const viewed = async (work: (world: World) => Promise<Grant>) =>
    viewOf(await whole(world, work), world.policies.current(), world.cluster);
  const proposed = (prepared: Prepared): Proposal => ({
    view: viewOf(prepared.grant, world.policies.current(), world.cluster),
    rule: prepared.rule,
    digest: digestOfPrepared(prepared),
  });
  return {
    offers: (slackId) => offers(world, slackId),
    workloads: (slackId, profile, namespace) => workloads(world, slackId, profile, namespace),
    preview: async (slackId, ask) => proposed(await whole(world, (w) => prepareRequest(w, slackId, ask))),
    request: (slackId, ask) => viewed((w) => requestAccess(w, slackId, ask)),
    async requestAsShown(slackId, ask, digest) {
      const result = await whole(world, (w) => requestAsShown(w, slackId, ask, digest));
      return 'changed' in result
        ? { changed: proposed(result.changed) }
        : { requested: viewOf(result.requested, world.policies.current(), world.cluster) };
    },
    review: (slackId, id, verdict, note, seen) => viewed((w) => reviewAccess(w, slackId, id, verdict, note, seen)),
    extend: (slackId, id, seconds) => viewed((w) => askExtension(w, slackId, id, seconds)),
    reviewExtension: (slackId, id, verdict, note, seen) =>
      viewed((w) => reviewExtension(w, slackId, id, verdict, note, seen)),
    revoke: (slackId, id, note) => viewed((w) => endAccess(w, slackId, id, note)),
    list: (slackId) => list(world, slackId),
    status: (slackId, id) => status(world, slackId, id),
    inspect: (slackId, id) => inspect(world, slackId, id),
    who: (slackId, namespace) => who(world, slackId, namespace),
  };
}
