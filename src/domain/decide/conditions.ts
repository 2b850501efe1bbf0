import type { Instant } from '../clocks.ts';
import { formatDuration } from '../duration.ts';
import { isWithin, parseHours } from '../policy/hours.ts';
import { matchesNamespace, type When } from '../policy/policy.ts';

/** What conditions are held against, beside the people. */
export interface Circumstances {
  readonly namespace: string;
  /** Seconds; of an extension: the whole window. */
  readonly duration: number;
  readonly now: Instant;
}

/** One condition of an entry: null where it holds or is not set, else why not, to whoever asked. */
type Condition = (when: When, circumstances: Circumstances) => string | null;

const maximum: Condition = ({ maximum: most }, { duration }) =>
  most === undefined || duration <= most
    ? null
    : `${formatDuration(most)} would have been approved at once: you asked for ${formatDuration(duration)}.`;

const namespaces: Condition = ({ namespaces: patterns }, { namespace }) =>
  patterns === undefined || matchesNamespace(patterns, namespace)
    ? null
    : `In ${patterns.join(', ')} it would have been approved at once.`;

const hours: Condition = ({ hours: text }, { now }) => {
  if (text === undefined) return null;
  const parsed = parseHours(text);
  return parsed !== null && isWithin(parsed, now) ? null : `It would have been approved at once during ${text}.`;
};

const CONDITIONS = [maximum, namespaces, hours];

/** Why the entry does not hold, one sentence a condition; `members` is left out, since it takes a look-up. Empty: all hold. */
export function missedConditions(when: When, circumstances: Circumstances): string[] {
  return CONDITIONS.flatMap((condition) => condition(when, circumstances) ?? []);
}
