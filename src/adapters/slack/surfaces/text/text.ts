import type { types } from '@slack/bolt';
import type { Instant } from '../../../../domain/clocks.ts';
import type { Person } from '../../../../domain/people/people.ts';

/**
 * How text gets into Slack. Whatever a person, a policy or a cluster can word goes through {@link plain} or {@link code}: it can't mention,
 * link, format or imitate the bot. Limits and syntax: https://docs.slack.dev/reference/block-kit,
 * https://docs.slack.dev/messaging/formatting-message-text
 */

/**
 * The longest texts that Slack takes, in characters, and the most items. All blocks of a message together, with their JSON: not documented, and
 * seen at 13,200 (https://github.com/slackapi/bolt-js/issues/2509).
 */
export const LIMITS = {
  section: 3000,
  field: 2000,
  header: 150,
  label: 75,
  modalTitle: 24,
  options: 100,
  optionValue: 150,
  messageBlocks: 50,
  messageLength: 12_500,
  value: 2000,
  metadata: 3000,
} as const;

/** Controls, and what shows nothing (zero-width, bidirectional, fillers, tags, the empty Braille cell): it hides text or turns it around. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Co}\p{Default_Ignorable_Code_Point}\u2800]/gu;
/** A letter with more marks on it than any script uses writes over the lines around it. */
const PILES = /(\p{M}{4})\p{M}+/gu;

/**
 * One line of visible text: no line breaks, control, bidirectional or zero-width characters, no private or broken code points. The
 * words stay as they are.
 */
export function clean(text: string): string {
  return text
    .toWellFormed()
    .replace(/[\s\p{Zl}\p{Zp}]+/gu, ' ')
    .replace(INVISIBLE, '')
    .replace(PILES, '$1')
    .replace(/ {2,}/g, ' ')
    .trim();
}

/** Cut to `most` UTF-16 units, saying how much is missing. */
export function shorten(text: string, most: number): string {
  if (text.length <= most) return text;
  const tail = (missing: number) => ` … and ${missing} more characters`;
  const room = most - tail(text.length).length;
  if (room <= 0) return `${wholeCharacters(text, most - 1)}…`;
  const kept = wholeCharacters(text, room);
  return kept + tail(text.length - kept.length);
}

function wholeCharacters(text: string, units: number): string {
  const last = text.charCodeAt(units - 1);
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? units - 1 : units);
}

/** The three characters that have a meaning of their own in Slack. */
export function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/** A text object that Slack shows to the letter: no formatting, mentions, links or emoji. Never empty: Slack refuses that. */
export function plain(text: string, most: number = LIMITS.section): types.PlainTextElement {
  return { type: 'plain_text', text: shorten(clean(text) || '–', most), emoji: false };
}

/** A text object in Slack's markup, made of our own words and of {@link code}, {@link person}, {@link moment}. */
export function markup(text: string): types.MrkdwnElement {
  return { type: 'mrkdwn', text, verbatim: true };
}

/** A word of somebody else's within markup: shown as code, where Slack neither formats nor links anything. */
export function code(text: string, most = 300): string {
  return `\`${escape(shorten(clean(text).replaceAll('`', 'ˋ') || '–', most))}\``;
}

/** A link that reads as this text. What ends or parts a link in Slack's text is encoded. */
export function linkTo(url: string, text: string): string {
  const href = new URL(url).href.replace(/[|<>]/g, (character) => encodeURIComponent(character));
  return `<${escape(href)}|${escape(text).replaceAll('|', ' ')}>`;
}

/** A line of somebody else's within a block of code. */
export function codeLine(line: string): string {
  return escape(shorten(clean(line).replaceAll('`', 'ˋ'), 400));
}

/** Lines of somebody else's as a block of code; as many as fit into `most` characters, and how many more there are. */
export function codeBlock(lines: readonly string[], most: number = LIMITS.section): string {
  const safe = lines.map(codeLine);
  return `\`\`\`\n${fitting(safe, most - 8).join('\n')}\n\`\`\``;
}

/** A text of ours as a block of code, whole; it must fit where it goes. */
export function wholeBlock(text: string): string {
  return `\`\`\`\n${escape(text)}\n\`\`\``;
}

/** As many lines as fit into `most` characters, the last of them saying how many more there are. */
export function fitting(lines: readonly string[], most: number, atMost: number = Number.POSITIVE_INFINITY): string[] {
  const kept: string[] = [];
  let used = 0;
  for (const line of lines) {
    const rest = lines.length - kept.length;
    const tail = rest === 1 ? 0 : more(rest).length + 1;
    if (kept.length === atMost || used + line.length + 1 + tail > most) return [...kept, more(rest)];
    kept.push(line);
    used += line.length + 1;
  }
  return kept;
}

export function more(count: number, atLeast = false): string {
  return `… and ${count}${atLeast ? ' or' : ''} more`;
}

const MEMBER = /^[UW][A-Z0-9]{2,20}$/;

/** Somebody, as the Slack account (Slack shows its name) and the Kubernetes user that acts. */
export function person({ slackId, user }: Pick<Person, 'slackId' | 'user'>): string {
  return MEMBER.test(slackId) ? `<@${slackId}> (${code(user)})` : code(user);
}

/** Somebody by the Slack account, whom Slack notifies where the message is new; as code where that is none. */
export const mentionOfPerson = (slackId: string): string => (MEMBER.test(slackId) ? `<@${slackId}>` : code(slackId));

/** A user group or channel of the policy, by the name that it has in Slack. The ids are checked by the policy's schema. */
export function mentionOfList(id: string): string {
  return id.startsWith('S') ? `<!subteam^${id}>` : `<#${id}>`;
}

/** An address as the target of a link: nothing in it ends the link. */
export const linkTarget = (address: string): string =>
  escape(address).replaceAll('|', '%7C').replaceAll(/[\s`]/g, encodeURIComponent);

/** A link to where Slack says that something is, with words of ours; the words alone where that is no plain address. */
export function linked(url: string, text: string): string {
  return /^https?:\/\/[^\s<>|]{1,500}$/.test(url) ? `<${linkTarget(url)}|${escape(text)}>` : escape(text);
}

/** A point in time in the reader's own time zone; UTC where Slack can't do that. */
export function moment(at: Instant): string {
  const iso = new Date(at).toISOString();
  return `<!date^${Math.floor(at / 1000)}^{date_short_pretty} {time_secs}|${iso.slice(0, 10)} ${iso.slice(11, 19)} UTC>`;
}

/** The same for notifications and modals, where Slack does not convert. */
export function utc(at: Instant): string {
  const iso = new Date(at).toISOString();
  return `${iso.slice(0, 10)} ${iso.slice(11, 19)} UTC`;
}

const ENTITIES: Record<string, string> = { '&amp;': '&', '&lt;': '<', '&gt;': '>' };

/** Undoes {@link escape}: Slack sends texts escaped. https://docs.slack.dev/messaging/formatting-message-text#escaping */
export function unescape(text: string): string {
  return text.replace(/&(?:amp|lt|gt);/g, (entity) => ENTITIES[entity] ?? entity);
}

/**
 * What a person typed, from the text of a slash command: Slack turns `@ada` into `<@U…|ada>`, `a.test` into `<http://a.test|a.test>` and
 * escapes `&<>`. Mentions become their words again, they are never resolved.
 */
export function typed(text: string): string {
  return unescape(
    text.replace(
      /<((?:[@#!]|https?:|mailto:)[^<>|]*)(?:\|([^<>]*))?>/g,
      (_whole, target: string, label: string | undefined) => {
        const at = (word: string) => (word.startsWith('@') ? word : `@${word}`);
        if (target.startsWith('@')) return at(label || target);
        if (target.startsWith('#')) return `#${label || target.slice(1)}`;
        if (target.startsWith('!')) return at(label || target.slice(1));
        return label && target.endsWith(label) ? label : target.replace(/^mailto:/, '');
      },
    ),
  );
}
