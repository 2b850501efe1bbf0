import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import { Refusal, Unavailable, UnreadableMembers } from '../../../../domain/errors.ts';
import { IllegalTransition } from '../../../../domain/grant/grant.ts';
import { type Message, message, note, section } from './blocks.ts';
import { escape, mentionOfList } from './text.ts';

/** What a person may read of an error, as plain words; the rest goes to the log. */
export interface Said {
  readonly text: string;
  /** The refusal, where it was one: its rule says which field of a form it belongs to. */
  readonly refusal: Refusal | null;
}

/** A user group or channel of the policy, as the domain names it. */
const LISTS = /\b(?:group|channel) ([SCG][A-Z0-9]{2,20})\b/g;

/** The same for one person alone; a list that can't be read is named as Slack names it. */
export function saidMessage({ text, refusal }: Said): Message {
  if (refusal !== null && refusal.rule.endsWith('.requesters'))
    return message(text, [section(escape(text).replace(LISTS, (_whole, id: string) => mentionOfList(id)))]);
  if (!(refusal instanceof UnreadableMembers) || refusal.kind !== 'members') return note(text);
  const { list } = refusal;
  return message(text, [section(escape(text).replace(`Who is in ${list} `, `Who is in ${mentionOfList(list)} `))]);
}

/**
 * Maps any error to text that is safe for users, and logs what they are not shown.
 *
 * @param doing what was being done, for the log
 */
export function sayError(error: unknown, doing: string, log: Logger): Said {
  if (error instanceof Refusal) {
    const { message, rule, remedy } = error;
    log.info({ doing, rule }, 'refused');
    // Shown as plain text, where the marks of code would be seen as they are.
    // Where it stands is no rule of the policy that somebody could look up.
    const by = rule === 'state' ? '' : `(Rule: ${rule})`;
    const text = [message, remedy, by].filter((part) => part !== '').join(' ');
    return { text: text.replaceAll('`', ''), refusal: error };
  }
  if (error instanceof IllegalTransition) {
    log.info({ doing, err: error }, 'came too late');
    return {
      text: 'That is not possible any more: somebody was faster. /jit status shows where it stands.',
      refusal: null,
    };
  }
  const reference = randomBytes(3).toString('hex');
  log.error({ doing, reference, err: error }, 'a request of a person failed');
  if (error instanceof Unavailable) {
    const when = error.retryIn === null ? 'a minute' : `${Math.ceil(error.retryIn)} s`;
    const what = error.untouched
      ? `nothing was requested or changed. Try again in ${when}.`
      : `this may not have been carried through. Look with /jit list, and try again in ${when}.`;
    return {
      text: `${error.dependency} does not answer as it should, so ${what} (Reference: ${reference})`,
      refusal: null,
    };
  }
  return {
    text: `Something went wrong in Drawbridge, and this may not have been carried through. An administrator finds the cause in the log. (Reference: ${reference})`,
    refusal: null,
  };
}
