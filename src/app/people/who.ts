import {
  type Act,
  type Approval,
  type Giving,
  type Parties,
  type Reviewing,
  type Rules,
  type Terms,
} from '../../domain/decide/act.ts';
import { decide } from '../../domain/decide/decide.ts';
import type { Decided } from '../../domain/decide/decided.ts';
import { Refusal } from '../../domain/errors.ts';
import type { Grant } from '../../domain/grant/grant.ts';
import type { GrantId } from '../../domain/ids.ts';
import { type Answer, type Asking, identify, type Person, type Question } from '../../domain/people/people.ts';
import { begun } from '../common/begun.ts';
import type { Freshness } from '../ports/directory.ts';
import type { World } from '../ports/world.ts';
import { judgeTicket, onCallAmong } from './sources.ts';

/** Who acts, who benefits, and whether they may, as Slack and the policy say now. */

/** The person behind a Slack id, or why that account may not act. */
async function personOrRefusal(world: World, slackId: string, freshness?: Freshness): Promise<Person | Refusal> {
  const account = await world.directory.account(slackId, freshness);
  return account === null
    ? new Refusal('identity', 'Slack knows no such account.')
    : identify(account, world.policies.current());
}

/** @throws Refusal when the account may not act */
export async function personBehind(world: World, slackId: string, freshness?: Freshness): Promise<Person> {
  const person = await personOrRefusal(world, slackId, freshness);
  if (person instanceof Refusal) throw person;
  return person;
}

/** The grant behind an id, or a refusal that says so. */
export async function grantNamed(world: World, id: GrantId): Promise<Grant> {
  const grant = await world.store.get(id);
  if (grant === null) throw new Refusal('id', `There is no request or grant ${id}.`, '`/jit list` shows yours.');
  return grant;
}

/**
 * A grant, who acts on it, and whoever benefits, all looked up at the same time. Where nothing is given the requester is as recorded: an end must
 * be possible while Slack does not answer for that account.
 * @throws Refusal when the account may not act, else when there is no such grant
 */
export async function partiesTo(
  world: World,
  slackId: string,
  id: GrantId,
  isGiving: boolean,
): Promise<{ readonly grant: Grant; readonly parties: Parties & { readonly actor: Person } }> {
  const named = begun(grantNamed(world, id));
  const requester = begun(named.then((grant) => (isGiving ? requesterOf(world, grant) : grant.requester)));
  const actor = await personBehind(world, slackId);
  return { grant: await named, parties: { requester: await requester, actor } };
}

/** Whoever benefits by a grant, looked up now. */
export function requesterOf(world: World, grant: Grant): Promise<Person | Refusal> {
  return personOrRefusal(world, grant.requester.slackId);
}

type Allowed<T> = Extract<Decided<T>, { readonly allowed: true }>;

/** What decisions are made by now. */
export function rulesNow(world: World): Rules {
  return {
    policy: world.policies.current(),
    closedNamespaces: world.clusters.closedNamespaces,
    now: world.clock.now(),
  };
}

/** Has it decided by the policy as it is now. @throws Refusal */
export async function mustBeAllowed(world: World, act: Approval, parties: Parties): Promise<Allowed<Terms & Reviewing>>;
export async function mustBeAllowed(world: World, act: Giving, parties: Parties): Promise<Allowed<Terms>>;
export async function mustBeAllowed(world: World, act: Act, parties: Parties): Promise<Allowed<unknown>>;
export async function mustBeAllowed(world: World, act: Act, parties: Parties): Promise<Allowed<unknown>> {
  const decided = await answering(world, decide(rulesNow(world), act, parties));
  if (!decided.allowed) throw decided.refusal;
  return decided;
}

/** Reads what a decision asks for, one thing after the other, until it is made. */
export async function answering<T>(world: World, asking: Asking<T>, freshness: Freshness = 'now'): Promise<T> {
  let step = asking.next();
  while (step.done !== true) step = asking.next(await answerTo(world, step.value, freshness));
  return step.value;
}

async function answerTo(world: World, question: Question, freshness: Freshness): Promise<Answer> {
  const { directory, store } = world;
  if (question.about === 'approved')
    return new Set(await store.approvedSince(question.how, question.person, question.profile, question.since));
  if (question.about === 'members') return directory.members(question.list, freshness);
  if (question.about === 'ticket') return judgeTicket(world, question.requester, question.use);
  if (question.about === 'onCall') return onCallAmong(world, question.source, question.slackId, freshness);
  const account = await directory.accountWith(question.email);
  if (account !== null && 'retryIn' in account) return account;
  return new Set(account !== null && question.leadsHere(account) ? [account.slackId] : []);
}
