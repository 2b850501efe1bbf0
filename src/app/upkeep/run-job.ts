import { nextEscalation, untoldEscalations } from '../../domain/decide/steps.ts';
import { Undeliverable } from '../../domain/errors.ts';
import { become, type Grant, hasEnded } from '../../domain/grant/grant.ts';
import type { GrantId } from '../../domain/ids.ts';
import { channelOf, profileNamed } from '../../domain/policy/policy.ts';
import { job, unschedule, warningAt } from '../common/schedule.ts';
import { alarm, noting, tell, tellEnd } from '../common/telling.ts';
import { applyGrant } from '../grant/apply.ts';
import { revokeGrant } from '../grant/end.ts';
import { namingOf, peopleToAsk, stillAsked } from '../inquire/asked.ts';
import { viewOf } from '../inquire/view.ts';
import { readingOnce } from '../people/command.ts';
import { APPROVALS_CHANNEL, OWN_CHANNELS } from '../ports/conditions.ts';
import type { News } from '../ports/notifier.ts';
import type { Job } from '../ports/scheduler.ts';
import type { View } from '../ports/view.ts';
import type { World } from '../ports/world.ts';
import { chaseReview } from './chase-reviews.ts';

/** What the queue asks for when its time has come. Every job looks up the grant as it is now; one that comes twice finds nothing to do. */
export async function runJob(world: World, due: Job): Promise<void> {
  switch (due.kind) {
    case 'apply':
      return applyGrant(readingOnce(world), due.id);
    case 'revoke':
      return revokeGrant(world, due.id);
    case 'timeout':
      return timeOut(world, due.id);
    case 'warn':
      return warn(world, due.id);
    case 'remind':
      return remind(world, due.id);
    case 'escalate':
      return escalate(world, due.id);
    case 'review':
      return chaseReview(world, due.id);
    case 'tell':
      return deliver(world, due.id, due.news);
    case 'ask':
      return ask(readingOnce(world), due.id, due.slackId);
    case 'alarm':
      return world.notifier.alarm(world.policies.current(), due.id, due.text);
  }
}

async function timeOut(world: World, id: GrantId): Promise<void> {
  const now = world.clock.now();
  const result = await world.store.change(
    id,
    (grant) =>
      grant.state === 'pending' && grant.pendingUntil <= now ? become(grant, 'timed-out', { endedAt: now }) : null,
    noting(world, 'timed-out', null, { from: 'pending' }),
  );
  if (result === null) return;
  if (!result.changed) {
    await tellEnd(world, result.grant);
    if (result.grant.state === 'pending') await world.scheduler.schedule(job('timeout', id), result.grant.pendingUntil);
    return;
  }
  await tellEnd(world, result.grant);
  await unschedule(world, result.grant);
}

async function warn(world: World, id: GrantId): Promise<void> {
  const grant = await world.store.get(id);
  if (grant?.state !== 'active') return;
  const at = warningAt(world, grant);
  if (world.clock.now() < at) await world.scheduler.schedule(job('warn', id), at);
  else await tell(world, id, 'warning');
}

async function remind(world: World, id: GrantId): Promise<void> {
  const grant = await world.store.get(id);
  if (grant?.state === 'pending') await tell(world, id, 'reminder');
}

/** Who may decide is judged by the time at each click; here it is only told. */
async function escalate(world: World, id: GrantId): Promise<void> {
  const grant = await world.store.get(id);
  if (grant === null) return;
  const profile = profileNamed(world.policies.current(), grant.profile);
  const now = world.clock.now();
  if (untoldEscalations(grant, profile, now).length > 0) await tell(world, id, 'escalated');
  const next = nextEscalation(grant, profile, now);
  if (next !== null) await world.scheduler.schedule(job('escalate', id), next);
}

/** News that tells of the end. */
const OF_THE_END: ReadonlySet<News> = new Set(['denied', 'cancelled', 'timed-out', 'ended']);
/** News with which the message of the request is written anew. */
const IN_THE_MESSAGE: ReadonlySet<News> = new Set([
  'message',
  'reminder',
  'step',
  'escalated',
  'asked-again',
  'extension',
  'extension-answer',
  'review',
]);

/** What the message of a request shows. */
const shown = ({ state, digest, decisions, waived, extension, extensionDenied, expiresAt, remarks }: Grant): string =>
  JSON.stringify([state, digest, decisions, waived, extension, extensionDenied, expiresAt, remarks]);

/** As many as a policy can have of one request. */
const MOST_ESCALATIONS = 50;
/** Seconds. */
const A_DAY = 86_400;

/** What will never be taken is not tried again: those who can mend it are told, and the requester that nobody was asked. */
async function undelivered(world: World, grant: Grant, error: unknown): Promise<Record<string, never>> {
  if (!(error instanceof Undeliverable)) throw error;
  // Somebody has archived the channel, or removed the bot from it.
  world.conditions.doubt(APPROVALS_CHANNEL);
  world.conditions.doubt(OWN_CHANNELS);
  const { path } = channelOf(world.policies.current(), grant.profile, grant.cluster);
  await alarm(
    world,
    `undeliverable ${error.channel} ${error.word}`,
    grant,
    `The message of request ${grant.id} can't be posted in ${error.channel}: Slack says ${error.word}. Mend that, or name another channel in ${path} of the policy; until then approvers are not asked.`,
  );
  // The message is tried again with each look at what waits.
  if (grant.state === 'pending' && grant.message === null)
    await world.scheduler.scheduleOnce(
      { v: 1, kind: 'tell', id: grant.id, news: 'unposted' },
      `unposted ${grant.id}`,
      A_DAY,
    );
  return {};
}

/** News that names those who may decide. */
const NAMES_APPROVERS: ReadonlySet<News> = new Set(['message', 'reminder', 'asked-again', 'extension']);
const isWaiting = ({ state, extension }: Grant): boolean =>
  state === 'pending' || (state === 'active' && extension !== null);

/** What is told, with those who may decide looked up where it names them. */
async function viewed(world: World, grant: Grant, news: News): Promise<View> {
  const naming = isWaiting(grant) && NAMES_APPROVERS.has(news) ? await namingOf(world, grant) : undefined;
  return viewOf(grant, world.policies.current(), world.clusters.of(grant), world.clock.now(), naming);
}

/** News by which more people may come to be asked. */
const ASKS: ReadonlySet<News> = new Set(['message', 'step', 'escalated']);
/** Seconds; nobody waits longer. */
const A_MONTH = 30 * A_DAY;

/** Has direct messages written to those who are to have one, each once. */
async function askDirectly(world: World, grant: Grant): Promise<void> {
  for (const { slackId } of await peopleToAsk(world, grant))
    await world.scheduler.scheduleOnce(
      { v: 2, kind: 'ask', id: grant.id, slackId },
      `ask ${grant.id} ${slackId}`,
      A_MONTH,
    );
}

/** One such message, unless there is nothing to decide on for this person any more. */
async function ask(world: World, id: GrantId, slackId: string): Promise<void> {
  const grant = await world.store.get(id);
  const asked = grant === null ? null : await stillAsked(world, grant, slackId);
  if (grant === null || asked === null) return;
  await world.notifier.ask(
    viewOf(grant, world.policies.current(), world.clusters.of(grant), world.clock.now()),
    slackId,
    asked.entry,
  );
}

/** The notifier leaves out what is no longer true of the grant as it is now. */
async function deliver(world: World, id: GrantId, news: News): Promise<void> {
  const grant = await world.store.get(id);
  // Names of pods are told some time after they have changed.
  if (grant === null || (news === 'pods' && grant.state !== 'active')) return;
  const end = hasEnded(grant.state) && OF_THE_END.has(news);
  // The jobs that tell may run again after a fault; people are told once.
  if ((end && grant.endTold) || (news === 'granted' && grant.thread !== null)) return;
  const reading = readingOnce(world);
  const view = await viewed(reading, grant, news);
  const escalated = news === 'escalated' ? view.escalations.map(({ key }) => key) : [];
  if (news === 'escalated' && escalated.length === 0) return;
  const learnt = await world.notifier.deliver(view, news).catch((error: unknown) => undelivered(world, grant, error));
  const change = {
    ...learnt,
    ...(end && { endTold: true }),
    ...(escalated.length > 0 && { escalated: [...(grant.escalated ?? []), ...escalated].slice(-MOST_ESCALATIONS) }),
  };
  const result =
    Object.keys(change).length > 0 ? await world.store.change(id, (current) => ({ ...current, ...change })) : null;
  if (!IN_THE_MESSAGE.has(news)) return;
  const now = result?.grant ?? (await world.store.get(id));
  if (ASKS.has(news) && now !== null) await askDirectly(reading, now);
  // A newer state may have been shown while this one was on its way, or by a worker that died with it on its way: the last word is the newest.
  const late = news !== 'message' && hasEnded(grant.state);
  if (now !== null && (late || shown(now) !== shown(grant))) await tell(world, id, 'message');
}
