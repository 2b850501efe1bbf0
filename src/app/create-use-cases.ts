import type { Grant } from '../domain/grant.ts';
import { endAccess } from './end-grant.ts';
import { askExtension, reviewExtension } from './extend-grant.ts';
import { list, offers, status, who, workloads } from './inquire.ts';
import type { World } from './ports.ts';
import { requestAccess } from './request-access.ts';
import { reviewAccess } from './review-access.ts';
import type { UseCases } from './use-cases.ts';
import { viewOf } from './view.ts';

/** What people can do, over a world. */
export function createUseCases(world: World): UseCases {
  const viewed = async (grant: Promise<Grant>) => viewOf(await grant, world.policies.current(), world.cluster);
  return {
    offers: (slackId) => offers(world, slackId),
    workloads: (slackId, profile, namespace) => workloads(world, slackId, profile, namespace),
    request: (slackId, ask) => viewed(requestAccess(world, slackId, ask)),
    review: (slackId, id, verdict, note, seen) => viewed(reviewAccess(world, slackId, id, verdict, note, seen)),
    extend: (slackId, id, seconds) => viewed(askExtension(world, slackId, id, seconds)),
    reviewExtension: (slackId, id, verdict, note, seen) =>
      viewed(reviewExtension(world, slackId, id, verdict, note, seen)),
    revoke: (slackId, id, note) => viewed(endAccess(world, slackId, id, note)),
    list: (slackId) => list(world, slackId),
    status: (slackId, id) => status(world, slackId, id),
    who: (slackId, namespace) => who(world, slackId, namespace),
  };
}
