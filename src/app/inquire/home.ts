import type { Ask } from '../../domain/decide/act.ts';
import { Refusal } from '../../domain/errors.ts';
import { type Grant, hasEnded, holdsAccess } from '../../domain/grant/grant.ts';
import { isAdministrator } from '../../domain/grant/reading.ts';
import { askedFor, type GrantSummary } from '../../domain/grant/summary.ts';
import type { GrantId } from '../../domain/ids.ts';
import { isSamePerson } from '../../domain/policy/identity.ts';
import { isWide } from '../../domain/target.ts';
import { matching } from '../people/which.ts';
import { answering, grantNamed, personBehind } from '../people/who.ts';
import type { Everything, Home, Listed, Which } from '../ports/use-cases.ts';
import type { World } from '../ports/world.ts';
import { list, offers } from './inquire.ts';

/** What a person finds on the Home of the bot. Nothing here changes anything. */

/** How many entries a page of everything has. */
const PAGE = 15;
/** How many pages there are at most. */
const PAGES = 100;

export async function home(world: World, slackId: string, page: number, which: Which): Promise<Home> {
  const policy = world.policies.current();
  const person = await personBehind(world, slackId);
  const [listed, offered, former, unreviewed, administers] = await Promise.all([
    list(world, slackId),
    offers(world, slackId),
    world.store.endedOf(person),
    world.store.unreviewed(),
    answering(world, isAdministrator(policy, person), 'recently'),
  ]);
  return {
    ...listed,
    offers: offered,
    ended: onceEach(former).map(listedOf),
    unreviewed: unreviewed.filter(({ requester }) => isSamePerson(requester, person)).map(listedOf),
    everything: administers ? await pageOfEverything(world, page, which) : null,
    asOf: world.clock.now(),
  };
}

/** @throws Refusal for who is no administrator */
export async function everything(world: World, slackId: string, page: number, which: Which): Promise<Everything> {
  const person = await personBehind(world, slackId);
  if (!(await answering(world, isAdministrator(world.policies.current(), person), 'recently')))
    throw new Refusal('administrators', 'Only administrators list everything.', '`/jit list` shows yours.');
  return pageOfEverything(world, page, which);
}

/** Of a hundred thousand that match, the ids are kept, and the summaries of what the pages have. */
async function pageOfEverything(world: World, wanted: number, which: Which): Promise<Everything> {
  const isMeant = await matching(world, which, 'recently');
  const seen = new Set<GrantId>();
  let endable = 0;
  let first: GrantSummary[] = [];
  for await (const portion of world.store.summaries()) {
    for (const summary of portion) {
      // One may come twice.
      if (seen.has(summary.id) || !isMeant(summary)) continue;
      seen.add(summary.id);
      if (summary.state !== 'ending') endable++;
      first.push(summary);
    }
    if (first.length > 2 * PAGES * PAGE) first = first.toSorted(openFirst).slice(0, PAGES * PAGE);
  }
  const sorted = first.toSorted(openFirst).slice(0, PAGES * PAGE);
  const pages = Math.max(1, Math.ceil(sorted.length / PAGE));
  const page = Math.min(Math.max(0, wanted), pages - 1);
  const ids = sorted.slice(page * PAGE, (page + 1) * PAGE).map(({ id }) => id);
  const records = new Map((await world.store.records(ids)).map((grant) => [grant.id, grant]));
  const names = world.clusters.names.filter((name) => name !== null);
  return {
    which,
    entries: ids.flatMap((id) => records.get(id) ?? []).map(listedOf),
    page,
    pages,
    listed: sorted.length,
    count: seen.size,
    endable,
    clusters: names.length > 1 ? names : [],
  };
}

/** What gives access, the soonest end first; then the rest, the newest first. */
function openFirst(one: GrantSummary, other: GrantSummary): number {
  const isOpen = Number(holdsAccess(other.state)) - Number(holdsAccess(one.state));
  if (isOpen !== 0) return isOpen;
  return holdsAccess(one.state) ? (one.expiresAt ?? 0) - (other.expiresAt ?? 0) : other.createdAt - one.createdAt;
}

const listedOf = ({ id, state, requester, profile, cluster, target, expiresAt, endedAt, digest }: Grant): Listed => ({
  id,
  state,
  requester,
  profile,
  cluster,
  target,
  expiresAt,
  endedAt,
  digest,
});

/** Of several requests for the same the last one. */
function onceEach(grants: readonly Grant[]): Grant[] {
  const asked = new Set<string>();
  return grants.filter((grant) => {
    const what = askedFor(grant);
    return !asked.has(what) && asked.add(what);
  });
}

/** What was asked for, by whoever asked for it. @throws Refusal for anybody else, and while it goes on */
export async function again(world: World, slackId: string, id: GrantId): Promise<Ask> {
  const person = await personBehind(world, slackId);
  const grant = await grantNamed(world, id);
  if (!isSamePerson(person, grant.requester))
    throw new Refusal('requester', `${id} is no request of yours.`, '`/jit list` shows yours.');
  if (!hasEnded(grant.state))
    throw new Refusal('state', `${id} is ${grant.state}: there is nothing to ask for again.`, '`/jit list` shows it.');
  const { profile, cluster, rights, duration, reason, ticket, narrowed } = grant;
  const target = narrowed?.toWorkload && !isWide(grant.target) ? { namespace: grant.target.namespace } : grant.target;
  const { namespace, service } = target;
  return {
    profile,
    ...(cluster !== null && { cluster }),
    target: service === undefined || namespace === undefined ? target : { namespace, service },
    ...(rights && { rights }),
    duration,
    reason,
    ...(ticket && { ticketKey: ticket.key }),
  };
}
