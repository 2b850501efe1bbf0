import { canonical } from '../../domain/canonical.ts';
import { Refusal, UnreadableMembers } from '../../domain/errors.ts';
import type { GrantId } from '../../domain/ids.ts';
import { kubernetesUser } from '../../domain/people/people.ts';
import { profileNamed } from '../../domain/policy/policy.ts';
import { once } from '../common/once.ts';
import { noting } from '../common/telling.ts';
import { trackingWrites } from '../common/tracking-writes.ts';
import type { Directory } from '../ports/directory.ts';
import type { World } from '../ports/world.ts';
import { seenBy } from './seen-by.ts';

/** What a person typed or pressed. */
export interface Command {
  readonly by: string;
  /** For the audit: `approve`, `revoke`. */
  readonly doing: string;
  /** The grant that it is about. */
  readonly id?: GrantId;
  /** The profile that it asks for. */
  readonly profile?: string;
}

/**
 * Runs what a person asked for: by one policy, with each account and each list read at most once. A refusal, whoever gave it, is in the audit
 * with whoever was refused.
 */
export async function runCommand<T>(world: World, command: Command, work: (world: World) => Promise<T>): Promise<T> {
  const own = readingOnce(world);
  return trackingWrites(own, async (tracked) => {
    try {
      return await work(tracked);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      await auditRefusal(own, command, error);
      throw await asTold(own, command, error);
    }
  });
}

/**
 * A refusal in the words that this person may read: whoever may know nothing of a request or of a grant that is over is told the same as
 * where there is none.
 */
async function asTold(world: World, { by, id }: Command, refusal: Refusal): Promise<Refusal> {
  // That a list can't be read is said: it may name this person.
  if (id === undefined || refusal instanceof UnreadableMembers) return refusal;
  const seen = await seenBy(world, by, id).catch((error: unknown) => {
    if (error instanceof Refusal) return error;
    throw error;
  });
  return seen instanceof Refusal ? seen : refusal;
}

/** The world for the length of one command or job. */
export function readingOnce(world: World): World {
  const policy = world.policies.current();
  const { directory, onCall, tickets } = world;
  const remembered: Directory = {
    account: once(
      (slackId, freshness) => directory.account(slackId, freshness),
      (slackId, freshness = 'now') => `${slackId} ${freshness}`,
    ),
    everyone: () => directory.everyone(),
    accountWith: once(
      (email, freshness) => directory.accountWith(email, freshness),
      (email, freshness = 'now') => `${email} ${freshness}`,
    ),
    handle: (group) => directory.handle(group),
    members: once(
      (list, freshness) => directory.members(list, freshness),
      (list, freshness) => `${list} ${freshness}`,
    ),
  };
  return {
    ...world,
    policies: { current: () => policy, disabled: (...of) => world.policies.disabled(...of) },
    directory: remembered,
    tickets: {
      judge: once(
        (source, use) => tickets.judge(source, use),
        (source, use) => canonical([source, use]),
      ),
    },
    onCall: {
      addresses: once(
        (source, freshness) => onCall.addresses(source, freshness),
        (source, freshness) => `${canonical(source)} ${freshness}`,
      ),
    },
  };
}

export async function auditRefusal(world: World, { by, doing, id, profile }: Command, refusal: Refusal): Promise<void> {
  const policy = world.policies.current();
  const account = await world.directory.account(by).catch(() => null);
  const user = account === null ? null : kubernetesUser(account, policy.identity);
  const grant = id === undefined ? null : await world.store.get(id).catch(() => null);
  const about =
    grant === null
      ? { at: world.clock.now(), event: 'refused', id: id ?? null }
      : noting(world, 'refused', null)(grant);
  // A profile's name is the label of a metric: only those that exist.
  const asked = profile !== undefined && profileNamed(policy, profile) !== undefined ? { profile } : {};
  await world.audit.record({
    ...about,
    ...asked,
    actor: { user: user ?? '', slackId: by },
    rule: refusal.rule,
    note: `${doing}: ${refusal.message}`,
  });
}
