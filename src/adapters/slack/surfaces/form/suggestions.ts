import type { types } from '@slack/bolt';
import type { Offer } from '../../../../app/ports/use-cases.ts';
import { formatDuration, type Seconds } from '../../../../domain/duration.ts';
import { workloadKind } from '../../../../domain/rights/rights.ts';
import { SERVICE_WORDS } from '../../../../domain/target.ts';
import { wholeDuration } from '../../../../domain/typed-duration.ts';
import { clean, LIMITS, plain } from '../text/text.ts';

/**
 * What a field offers while somebody types into it, as pure functions. Slack takes a hundred options at a time:
 * https://docs.slack.dev/reference/interaction-payloads/block_suggestion-payload
 */

export type Option = types.PlainTextOption;

/** A heading says what is not among the options. */
export interface Suggestions {
  readonly heading: string | null;
  readonly options: readonly Option[];
}

export const NOTHING: Suggestions = { heading: null, options: [] };

/** A workload, or a Service. */
interface Named {
  readonly kind: string;
  readonly name: string;
}

/** Lengths that are offered before anything is typed, in seconds. */
const LENGTHS: readonly Seconds[] = [900, 1800, 3600, 7200];

/** An option that reads as its value; of one that is longer than a label, the end is said below. */
export function optionFor(value: string): Option {
  if (value.length <= LIMITS.label) return { text: plain(value, LIMITS.label), value };
  const half = LIMITS.label - 1;
  return {
    text: { type: 'plain_text', text: `${value.slice(0, half)}…`, emoji: false },
    description: { type: 'plain_text', text: `…${value.slice(-half)}`, emoji: false },
    value,
  };
}

/** True for what Slack takes as the value of an option. */
export const fitsOption = (value: string): boolean => value.length > 0 && value.length <= LIMITS.optionValue;

/** `deployment/checkout`, as a target is named in its namespace. */
export const targetValue = ({ kind, name }: Named): string => `${kind.toLowerCase()}/${name}`;

/** Workloads and Services by what is typed of them: `check`, `deploy/check`, `sts/`. Those whose name begins with it come first. */
export function suggestedTargets(all: readonly Named[], typed: string): Suggestions {
  const { kind, part } = wantedTarget(typed);
  const found = all.filter((one) => (kind === null || one.kind === kind) && one.name.includes(part));
  return listed(
    [...found.filter(({ name }) => name.startsWith(part)), ...found.filter(({ name }) => !name.startsWith(part))].map(
      targetValue,
    ),
  );
}

/** While workloads can't be listed a target can be typed: what is typed is offered where it is one. */
export function typedTarget(typed: string): Suggestions {
  const { kind, part } = wantedTarget(typed);
  return kind === null || part === '' ? NOTHING : listed([targetValue({ kind, name: part })]);
}

function wantedTarget(typed: string): { kind: string | null; part: string } {
  const text = clean(typed).toLowerCase();
  const slash = text.indexOf('/');
  const word = slash < 0 ? '' : text.slice(0, slash);
  const kind = SERVICE_WORDS.includes(word) ? 'Service' : word === '' ? null : workloadKind(word);
  return kind === null ? { kind, part: text } : { kind, part: text.slice(slash + 1) };
}

export function suggestedNamespaces({ namespaces }: Offer, typed: string): Suggestions {
  const part = clean(typed).toLowerCase();
  const found = namespaces.filter((name) => name.includes(part));
  return listed([...found.filter((name) => name.startsWith(part)), ...found.filter((name) => !name.startsWith(part))]);
}

/** Usual lengths up to the profile's maximum; what is typed, where it is a length that the profile has. */
export function suggestedDurations({ defaultDuration, maximumDuration }: Offer, typed: string): Suggestions {
  const text = clean(typed);
  const most = formatDuration(maximumDuration);
  const all = [...new Set([...LENGTHS, defaultDuration, maximumDuration])].toSorted((a, b) => a - b);
  const usual = all.filter((seconds) => seconds <= maximumDuration).map(formatDuration);
  if (text === '') return listed(usual);
  const seconds = wholeDuration(text);
  if (seconds === null) {
    // A number is the beginning of a length: its unit is still to come.
    const begun = /^\d{1,4}$/.test(text)
      ? [`${text}m`, `${text}h`].filter((one) => isWithin(one, maximumDuration))
      : [];
    return listed([...new Set([...usual.filter((one) => one.startsWith(text)), ...begun])]);
  }
  if (seconds > maximumDuration) return { heading: `${most} is the most`, options: [optionFor(most)] };
  return listed([formatDuration(seconds)]);
}

const isWithin = (text: string, most: Seconds): boolean => {
  const seconds = wholeDuration(text);
  return seconds !== null && seconds <= most;
};

function listed(values: readonly string[]): Suggestions {
  const options = values.filter(fitsOption).slice(0, LIMITS.options).map(optionFor);
  const heading =
    values.length > options.length ? `${options.length} of ${values.length}: type more of the name` : null;
  return { heading, options };
}

/** As Slack takes them. */
export function toSlack({
  heading,
  options,
}: Suggestions): { options: Option[] } | { option_groups: { label: types.PlainTextElement; options: Option[] }[] } {
  if (heading === null || options.length === 0) return { options: [...options] };
  return { option_groups: [{ label: plain(heading, LIMITS.label), options: [...options] }] };
}
