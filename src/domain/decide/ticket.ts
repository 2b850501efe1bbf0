import type { Instant } from '../clocks.ts';
import { formatDuration } from '../duration.ts';
import { UnreadableTicket } from '../errors.ts';
import type { Asking, Person } from '../people/people.ts';
import { isKey, parseKeyPattern } from '../policy/key-pattern.ts';
import type { Policy, Profile } from '../policy/policy.ts';
import type { TicketSource } from '../policy/sources.ts';
import { LONGEST_KEY, type Ticket } from '../ticket.ts';
import type { Giving } from './act.ts';
import { type Decided, refuse, type Why } from './decided.ts';
import type { PlacedAsk } from './in-cluster.ts';

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

/** A ticket holds for so long, and so must the window. */
export function whyNotSoLong(path: string, by: JudgedTicket | null, end: Instant, now: Instant): Why {
  if (by === null || by.until === null || end <= by.until) return null;
  const left = Math.floor((by.until - now) / 1000);
  return refuse(
    `${path}.ticket`,
    `${by.ticket.key} holds until ${new Date(by.until).toISOString().replace(/\.\d+Z$/, 'Z')}, and no window past that.`,
    left > 0 ? `Ask for ${formatDuration(left)} at most.` : 'Name another ticket.',
  );
}

/** The ticket of a request or grant, where the profile takes one, as its system judges it now. `by` null: there is none, and it need not be. */
export function* judgeTicketOf(
  { tickets }: Policy,
  profile: Profile,
  act: Giving,
  ask: PlacedAsk,
  duration: number,
  requester: Person,
): Asking<Decided<{ readonly by: JudgedTicket | null }>> {
  const rule = `profiles.${ask.profile}.ticket`;
  const none = { allowed: true, rule, by: null } as const;
  const given = act.kind === 'request' ? ask.ticketKey : act.grant.ticket?.key;
  if (profile.ticket === 'none' || tickets === undefined)
    return act.kind !== 'request' || given === undefined
      ? none
      : refuse(rule, `Profile '${ask.profile}' takes no ticket.`, 'Leave it out, or name it in the reason.');
  if (act.kind === 'request' && given !== undefined && !isKeyOf(tickets, given))
    return refuse(
      rule,
      `'${given.slice(0, LONGEST_KEY)}' is not the key of a ticket.`,
      `Keys look like ${tickets.pattern}.`,
    );
  const key = given ?? (act.kind === 'request' ? keyInReason(tickets, ask.reason) : null);
  if (key === null)
    return profile.ticket === 'optional'
      ? none
      : refuse(
          rule,
          `Profile '${ask.profile}' needs a ticket.`,
          `Name it in the reason; keys look like ${tickets.pattern}.`,
        );
  const { namespace = null, node, workload } = ask.target;
  const { cluster } = ask;
  const verdict = yield {
    about: 'ticket',
    requester,
    use: {
      key,
      profile: ask.profile,
      ...(cluster !== null && { cluster }),
      namespace,
      ...(node !== undefined && { node }),
      workload: workload === undefined ? null : `${workload.kind}/${workload.name}`,
      duration,
      reason: ask.reason,
    },
  };
  if ('is' in verdict && verdict.is === 'allowed') return { allowed: true, rule, by: verdict };
  // A word of the reason that only looks like a key, of a request that needs none.
  if (profile.ticket === 'optional' && given === undefined) return none;
  if ('is' in verdict) return refuse(rule, verdict.why, 'Have that put right, or ask again with another ticket.');
  const retryIn = 'retryIn' in verdict ? verdict.retryIn : null;
  return { allowed: false, refusal: new UnreadableTicket(rule, key, retryIn) };
}
