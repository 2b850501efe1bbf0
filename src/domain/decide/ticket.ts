import type { Instant } from '../clocks.ts';
import { isKey, parseKeyPattern } from '../policy/key-pattern.ts';
import type { TicketSource } from '../policy/sources.ts';
import type { Ticket } from '../ticket.ts';

/** The ticket of what is asked for. */

/** A ticket that counts, and how long it does; null: as long as its system says so. */
export interface JudgedTicket {
  readonly ticket: Ticket;
  readonly until: Instant | null;
}

/** What stands around a key in a sentence. */
const AROUND = /^[("'\u201C\u2018<[]+|[)"'\u201D\u2019>\],.:;!?]+$/g;
/** Words of a reason that are looked at. */
const MOST_WORDS = 200;

/**
 * The key that a reason names: of the words that have its form the first, of those in Jira's projects before others (UTF-8 has the form of a key).
 * Null: none.
 */
export function keyInReason({ pattern, jira }: TicketSource, reason: string): string | null {
  const parsed = parseKeyPattern(pattern);
  if (parsed === null) return null;
  const words = reason
    .split(/\s+/, MOST_WORDS)
    .map((word) => word.replace(AROUND, ''))
    .filter((word) => isKey(parsed, word));
  const isOfProject = (key: string) => jira?.projects.some((project) => key.startsWith(`${project}-`)) === true;
  return words.find(isOfProject) ?? words[0] ?? null;
}

/** Whether a text that was given as a key has the form of one. */
export function isKeyOf({ pattern }: TicketSource, text: string): boolean {
  const parsed = parseKeyPattern(pattern);
  return parsed !== null && isKey(parsed, text);
}
