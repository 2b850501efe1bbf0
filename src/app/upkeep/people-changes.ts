import { profilesDenying } from '../../domain/policy/policy.ts';
import type { PeopleChange } from '../ports/directory.ts';
import type { World } from '../ports/world.ts';
import { endForSuspects } from './leavers.ts';

/** Milliseconds between two looks: however many changes are heard meanwhile, one look serves them all. */
const LOOKS_APART = 10_000;
/** Accounts that are remembered for the next look at most; the sweep finds the others. */
const MOST_ACCOUNTS = 1000;

export interface PeopleChanges {
  /** Never throws, and waits for nothing. */
  heard(change: PeopleChange): void;
  stop(): void;
}

/**
 * Looks for people who have left as soon as Slack hints at it: at once, then from time to time while more is heard. What a look misses, the
 * sweep finds.
 * @param onFault is told why a look failed
 * @param pause waits so many milliseconds, or until the signal
 */
export function createPeopleChanges(
  world: World,
  onFault: (error: unknown) => void,
  pause: (milliseconds: number, signal: AbortSignal) => Promise<unknown>,
): PeopleChanges {
  const stopping = new AbortController();
  let accounts = new Set<string>();
  let lists = new Set<string>();
  let isLooking = false;

  async function look(): Promise<void> {
    if (isLooking) return;
    isLooking = true;
    while (!stopping.signal.aborted && (accounts.size > 0 || lists.size > 0)) {
      const suspects = { accounts, lists };
      accounts = new Set();
      lists = new Set();
      await endForSuspects(world, suspects, onFault).catch(onFault);
      await pause(LOOKS_APART, stopping.signal);
    }
    isLooking = false;
  }

  return {
    heard(change) {
      for (const account of change.deactivated) if (accounts.size < MOST_ACCOUNTS) accounts.add(account);
      const policy = world.policies.current();
      for (const list of change.lists) if (profilesDenying(policy, new Set([list])).size > 0) lists.add(list);
      void look();
    },
    stop: () => stopping.abort(),
  };
}
