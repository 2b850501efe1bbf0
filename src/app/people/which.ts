import type { GrantSummary } from '../../domain/grant/summary.ts';
import { isSamePerson } from '../../domain/policy/identity.ts';
import type { Freshness } from '../ports/directory.ts';
import type { Which } from '../ports/use-cases.ts';
import type { World } from '../ports/world.ts';
import { personBehind } from './who.ts';

/** What of all that is open or waits somebody means, looked at as it is now. Whoever can't be looked up is known by the Slack account alone. */
export async function matching(
  world: World,
  { person: slackId, namespace, cluster }: Which,
  freshness?: Freshness,
): Promise<(summary: GrantSummary) => boolean> {
  const person = slackId === undefined ? null : await personBehind(world, slackId, freshness).catch(() => null);
  return (summary) =>
    (slackId === undefined ||
      summary.requester.slackId === slackId ||
      (person !== null && isSamePerson(person, summary.requester))) &&
    (namespace === undefined || summary.namespace === namespace) &&
    (cluster === undefined || world.clusters.isIn(cluster, summary));
}
