import { Refusal } from '../domain/errors.ts';
import type { GrantId } from '../domain/ids.ts';
import { kubernetesUser } from '../domain/people.ts';
import { profileNamed } from '../domain/policy.ts';
import type { Directory, Freshness, World } from './ports.ts';
import { noting } from './steps.ts';
import { trackingWrites } from './tracking-writes.ts';

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
  const once = readingOnce(world);
  try {
    return await trackingWrites(once, work);
  } catch (error) {
    if (error instanceof Refusal) await auditRefusal(once, command, error);
    throw error;
  }
}

/** The world for the length of one command or job. */
export function readingOnce(world: World): World {
  const policy = world.policies.current();
  const { directory } = world;
  const remembered: Directory = {
    account: remembering((slackId: string) => directory.account(slackId)),
    accountWith: remembering((email: string) => directory.accountWith(email)),
    members: remembering((list: string, freshness: Freshness) => directory.members(list, freshness)),
  };
  return {
    ...world,
    policies: { current: () => policy, disabled: (profile) => world.policies.disabled(profile) },
    directory: remembered,
  };
}

function remembering<Args extends string[], T>(read: (...args: Args) => Promise<T>): (...args: Args) => Promise<T> {
  const answers = new Map<string, Promise<T>>();
  return (...args) => {
    const key = args.join(' ');
    const answer = answers.get(key) ?? read(...args);
    answers.set(key, answer);
    return answer;
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
