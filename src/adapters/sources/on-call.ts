import type { Logger } from 'pino';
import { z } from 'zod';
import type { Freshness, Unreadable } from '../../app/ports/directory.ts';
import type { OnCall } from '../../app/ports/on-call.ts';
import { canonical } from '../../domain/canonical.ts';
import { plainAddress } from '../../domain/policy/identity.ts';
import { type OnCallSource, systemOf } from '../../domain/policy/sources.ts';
import { askJson, newBudget, SourceFault } from './http.ts';
import { askPagerDuty, type PagerDutyAccess } from './pagerduty.ts';

/** For how long an answer may be used: milliseconds since it was asked for. */
const STAYS_FRESH: Readonly<Record<Freshness, number>> = { now: 10_000, recently: 60_000 };
/** Answers that are kept at most. */
const MOST_ANSWERS = 100;

const users = z.object({ users: z.array(z.string().max(320)).max(500) });

interface Asked {
  readonly at: number;
  readonly answer: Promise<ReadonlySet<string> | Unreadable>;
}

/**
 * Who is on call, as the sources say. Only answers that name somebody are kept; questions that are under way are shared.
 * @param now milliseconds of a clock that only goes forward
 */
export function createOnCall({
  pagerDuty,
  log,
  now = () => performance.now(),
  patience,
}: {
  readonly pagerDuty: PagerDutyAccess | null;
  readonly log: Pick<Logger, 'warn'>;
  readonly now?: () => number;
  readonly patience?: number;
}): OnCall {
  const kept = new Map<string, Asked>();

  async function ask(source: OnCallSource): Promise<ReadonlySet<string> | Unreadable> {
    try {
      const found = await addressesBy(source);
      return new Set(found.flatMap((address) => plainAddress(address) ?? []));
    } catch (error) {
      const { message, retryIn } =
        error instanceof SourceFault ? error : new SourceFault('it could not be asked', null);
      log.warn(
        { source, reason: message },
        `who is on call can not be read from ${systemOf(source)}: nobody counts as on call`,
      );
      return { retryIn };
    }
  }

  async function addressesBy({ pagerduty, url }: OnCallSource): Promise<string[]> {
    const budget = newBudget(patience);
    if (url !== undefined) return (await askJson(url, users, budget)).users;
    if (pagerduty === undefined) throw new SourceFault('it is no source of addresses', null);
    if (pagerDuty === null) throw new SourceFault('PAGERDUTY_TOKEN is not set', null);
    return await askPagerDuty(pagerDuty, pagerduty, budget);
  }

  return {
    async addresses(source, freshness) {
      const key = canonical(source);
      const known = kept.get(key);
      if (known !== undefined && now() < known.at + STAYS_FRESH[freshness]) return known.answer;
      const asked: Asked = { at: now(), answer: ask(source) };
      kept.delete(key);
      kept.set(key, asked);
      for (const [other, { at }] of kept)
        if (kept.size > MOST_ANSWERS || at + STAYS_FRESH.recently <= now()) kept.delete(other);
      const answer = await asked.answer;
      if (('retryIn' in answer || answer.size === 0) && kept.get(key) === asked) kept.delete(key);
      return answer;
    },
  };
}
