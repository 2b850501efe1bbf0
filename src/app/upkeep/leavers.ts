import { decideStay } from '../../domain/decide/decide.ts';
import { type Refusal, Unavailable } from '../../domain/errors.ts';
import type { Grant } from '../../domain/grant/grant.ts';
import type { GrantSummary } from '../../domain/grant/summary.ts';
import type { Account, Person } from '../../domain/people/people.ts';
import { profilesDenying } from '../../domain/policy/policy.ts';
import { isolatingFaults } from '../common/faults.ts';
import { recordsOf } from '../common/records.ts';
import { alarm } from '../common/telling.ts';
import { endNow } from '../grant/end.ts';
import { readingOnce } from '../people/command.ts';
import { answering, requesterOf } from '../people/who.ts';
import type { World } from '../ports/world.ts';

/** Ids of what may be another than it was. */
export interface Suspects {
  /** Accounts that may be deactivated. */
  readonly accounts: ReadonlySet<string>;
  /** User groups and channels in which others may be. */
  readonly lists: ReadonlySet<string>;
}

/** So many accounts a look asks for one by one: people's commands need the same call, which Slack allows 100 times a minute. */
const ONE_BY_ONE = 20;

/**
 * Ends what is open for people who have left: whose account is deactivated, or whom the policy denies the profile now. What can't be read ends
 * nothing.
 * @param onFault is told of faults that will not pass by themselves
 */
export async function endForLeavers(world: World, onFault: (error: unknown) => void): Promise<void> {
  const reading = readingOnce(await readingMany(world, await requesters(world), onFault));
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

/** The Slack ids of all who have something open. */
async function requesters(world: World): Promise<Set<string>> {
  const ids = new Set<string>();
  for await (const portion of world.store.summaries()) for (const { requester } of portion) ids.add(requester.slackId);
  return ids;
}

/**
 * The world with these accounts at hand: where they are many, read from the list of all accounts, which costs a call for each thousand of the
 * workspace. Few of those that the list lacks are asked for one by one, the others are unavailable.
 */
async function readingMany(
  world: World,
  wanted: ReadonlySet<string>,
  onFault: (error: unknown) => void,
): Promise<World> {
  const { directory } = world;
  const listed = new Map<string, Account>();
  if (wanted.size > ONE_BY_ONE)
    try {
      for await (const portion of directory.everyone())
        for (const account of portion) if (wanted.has(account.slackId)) listed.set(account.slackId, account);
    } catch (error) {
      // Those that were read count all the same.
      onFault(error);
    }
  let left = ONE_BY_ONE;
  const account = async (slackId: string) => {
    const known = listed.get(slackId);
    if (known !== undefined) return known;
    if (left-- <= 0) throw new Unavailable('Slack', 'too many accounts are not in the list of all');
    return directory.account(slackId);
  };
  return { ...world, directory: { ...directory, account } };
}

async function endWhere(
  world: World,
  which: (summary: GrantSummary) => boolean,
  requester: (grant: Grant) => Promise<Person | Refusal>,
  onFault: (error: unknown) => void,
): Promise<void> {
  const isolated = isolatingFaults(onFault);
  for await (const grant of openWhere(world, which))
    await isolated(async () => {
      const stay = decideStay(world.policies.current(), grant, await requester(grant));
      const why = await answering(world, stay);
      if (why !== null) await endForLeaver(world, grant, why);
    });
}

async function* openWhere({ store }: World, which: (summary: GrantSummary) => boolean): AsyncGenerator<Grant> {
  for await (const portion of store.summaries())
    for await (const grants of recordsOf(
      store,
      portion.filter(which).map(({ id }) => id),
    ))
      for (const grant of grants) if (grant.state !== 'ending') yield grant;
}

async function endForLeaver(world: World, grant: Grant, why: Refusal): Promise<void> {
  const { user } = grant.requester;
  const words =
    why.rule === 'identity.deactivated'
      ? `The Slack account of ${user} is deactivated.`
      : `The policy denies profile '${grant.profile}' to ${user} now (${why.rule}).`;
  await endNow(world, grant, null, why.rule, words);
  await alarm(world, `left ${grant.id}`, grant, `${grant.id} is ended: ${words}`);
}
