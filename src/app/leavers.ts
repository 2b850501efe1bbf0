import { decideStay } from '../domain/decide.ts';
import type { Refusal } from '../domain/errors.ts';
import type { Grant } from '../domain/grant.ts';
import type { GrantSummary } from '../domain/grant-summary.ts';
import type { Person } from '../domain/people.ts';
import { profilesDenying } from '../domain/policy.ts';
import { readingOnce } from './command.ts';
import { endNow } from './end-grant.ts';
import type { World } from './ports.ts';
import { alarm, guardedBy } from './steps.ts';
import { answering, requesterOf } from './who.ts';

/** Ids of what may be another than it was. */
export interface Suspects {
  /** Accounts that may be deactivated. */
  readonly accounts: ReadonlySet<string>;
  /** User groups and channels in which others may be. */
  readonly lists: ReadonlySet<string>;
}

/**
 * Ends what is open for people who have left: whose account is deactivated, or whom the policy denies the profile now. What can't be read ends
 * nothing.
 * @param onFault is told of faults that will not pass by themselves
 */
export async function endForLeavers(world: World, onFault: (error: unknown) => void): Promise<void> {
  const reading = readingOnce(world);
  await endWhere(
    reading,
    () => true,
    (grant) => requesterOf(reading, grant),
    onFault,
  );
}

/**
 * The same for those alone whom a change in Slack may concern. Who holds a grant is read anew only where that account is suspect: a list that
 * changes again and again must not cost a call for each grant each time.
 */
export async function endForSuspects(
  world: World,
  { accounts, lists }: Suspects,
  onFault: (error: unknown) => void,
): Promise<void> {
  const reading = readingOnce(world);
  const denying = profilesDenying(reading.policies.current(), lists);
  await endWhere(
    reading,
    ({ requester, profile }) => accounts.has(requester.slackId) || denying.has(profile),
    async (grant) => (accounts.has(grant.requester.slackId) ? requesterOf(reading, grant) : grant.requester),
    onFault,
  );
}

async function endWhere(
  world: World,
  which: (summary: GrantSummary) => boolean,
  requester: (grant: Grant) => Promise<Person | Refusal>,
  onFault: (error: unknown) => void,
): Promise<void> {
  const guarded = guardedBy(onFault);
  for (const grant of await world.store.open((summary) => summary.state !== 'ending' && which(summary)))
    await guarded(async () => {
      const stay = decideStay(world.policies.current(), grant, await requester(grant));
      const why = await answering(world, stay);
      if (why !== null) await endForLeaver(world, grant, why);
    });
}

async function endForLeaver(world: World, grant: Grant, why: Refusal): Promise<void> {
  const { user } = grant.requester;
  const words =
    why.rule === 'identity.deactivated'
      ? `The Slack account of ${user} is deactivated.`
      : `The policy denies profile '${grant.profile}' to ${user} now (${why.rule}).`;
  await endNow(world, grant, null, why.rule, words);
  await alarm(world, `left ${grant.id}`, grant.id, `${grant.id} is ended: ${words}`);
}
