import type { Instant } from '../clocks.ts';
import { formatDuration } from '../duration.ts';
import { LONGEST_REASON } from '../policy/fields/decisions.ts';
import { describeDurations, type Profile } from '../policy/policy.ts';
import type { Kit } from '../rights/kits.ts';
import { FURTHEST_START, START_FORM } from '../start.ts';
import type { Ask, Rules } from './act.ts';
import { firstRefusal, refuse, type Why } from './decided.ts';
import { whyNotThere } from './place.ts';

/** What speaks against it, whoever asks: where it is, which rights, how long, and that there is a reason. */
export function whyNot(rules: Rules, profile: Profile, ask: Ask, duration: number): Why {
  const path = `profiles.${ask.profile}`;
  return firstRefusal(
    () => whyNotThere(rules, profile, ask),
    () => whyNotRights(ask, profile, path),
    () =>
      Number.isSafeInteger(duration) && duration > 0
        ? null
        : refuse(
            `${path}.duration`,
            'The duration must be longer than nothing.',
            `Durations: ${describeDurations(profile)}.`,
          ),
    () =>
      duration <= profile.duration.maximum
        ? null
        : refuse(
            `${path}.duration.maximum`,
            `${formatDuration(duration)} is longer than profile '${ask.profile}' allows.`,
            `Ask for ${formatDuration(profile.duration.maximum)} at most.`,
          ),
    () =>
      ask.reason.trim() === ''
        ? refuse('reason', 'A reason is needed: approvers decide by it.', 'Say in a few words what you need it for.')
        : null,
    () =>
      ask.reason.length > LONGEST_REASON
        ? refuse(
            'reason',
            `The reason has ${ask.reason.length} characters, ${LONGEST_REASON} are taken.`,
            'Shorten it; put details into a ticket.',
          )
        : null,
  );
}

/** Why it can't begin when it is asked for. */
export function whyNotThen({ startAt }: Ask, now: Instant): Why {
  if (startAt === undefined) return null;
  if (startAt < now - 60_000)
    return refuse('start', 'That start has passed already.', `Leave it out, or name a later one: ${START_FORM}.`);
  return startAt <= now + FURTHEST_START * 1000
    ? null
    : refuse('start', `A start is ${formatDuration(FURTHEST_START)} ahead at most.`, 'Ask again when it is nearer.');
}

/** What the profile asks of a reason. It is held against what somebody types, not against what was taken before. */
export function whyNotReason({ reason: rule = {} }: Profile, { reason, profile }: Ask): Why {
  const { min = 0, template } = rule;
  const path = `profiles.${profile}.reason`;
  const said = plainWords(reason);
  if (template !== undefined && said === plainWords(template))
    return refuse(`${path}.template`, 'That is the question, not a reason.', `Answer it: “${template}”`);
  const length = [...CHARACTERS.segment(said)].length;
  if (length >= min) return null;
  const hint = template === undefined ? '' : ` “${template}”`;
  return refuse(
    `${path}.min`,
    `The reason has ${length} ${length === 1 ? 'character' : 'characters'}, and profile '${profile}' needs ${min}.`,
    `Say more, since approvers decide by it.${hint}`,
  );
}

/** As people see them: a letter with its marks is one. */
const CHARACTERS = new Intl.Segmenter('en');

/** Without what shows nothing and without the difference of case, blanks in one place being one. */
const plainWords = (text: string): string =>
  text
    .normalize('NFC')
    .replace(/[\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}\u2800]+/gu, (hidden) => (/\s/.test(hidden) ? ' ' : ''))
    .replace(/\s+/g, ' ')
    .trim()
    .toLowerCase();

/** Who asks for fewer rights names some of those that the profile has. */
function whyNotRights({ rights, profile: name }: Ask, profile: Profile, path: string): Why {
  if (rights === undefined) return null;
  const given: readonly Kit[] | undefined = profile.rights;
  if (given === undefined)
    return refuse(
      `${path}.rights`,
      `Profile '${name}' has no rights in words to choose from.`,
      `Ask for \`${name}\` alone.`,
    );
  const missing = rights.filter((kit) => !given.includes(kit));
  if (rights.length > 0 && missing.length === 0) return null;
  return refuse(
    `${path}.rights`,
    rights.length === 0 ? 'No right was chosen.' : `Profile '${name}' does not give ${missing.join(', ')}.`,
    `It gives: ${given.join(', ')}.`,
  );
}
