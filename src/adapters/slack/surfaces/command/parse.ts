import type { Asked } from '../../../../app/ports/use-cases.ts';
import { DURATION_FORM, formatDuration } from '../../../../domain/duration.ts';
import type { GlassReview } from '../../../../domain/grant/grant.ts';
import { type GrantId, isGrantId } from '../../../../domain/ids.ts';
import { nearest } from '../../../../domain/nearest.ts';
import type { Scope } from '../../../../domain/policy/policy.ts';
import { isKit, KIT_NAMES, type Kit, notAKit } from '../../../../domain/rights/kits.ts';
import { WORKLOAD_KINDS, workloadKind } from '../../../../domain/rights/rights.ts';
import { readStart, START_FORM, strayStart, type TypedStart } from '../../../../domain/start.ts';
import { describeTarget, isWide, NODE_WORDS, SERVICE_WORDS, type Wanted } from '../../../../domain/target.ts';
import { readDuration, strayDuration, wholeDuration } from '../../../../domain/typed-duration.ts';
import { type Choice, NOTHING_CHOSEN } from '../form/choice.ts';
import { clean, shorten, typed } from '../text/text.ts';

/** What a person types after `/jit`. */

const KINDS = [...WORKLOAD_KINDS.map((k) => k.words[0]), SERVICE_WORDS[0]].join(', ');

/** What is typed in the place of the duration to have the profile's own, whatever the reason begins with. */
const DEFAULT_DURATION = '-';
const DURATION_DEFAULTS = `${DEFAULT_DURATION} for the profile's default`;

export const COMMANDS = {
  request: {
    usage:
      'request <profile>[:<rights>] [<namespace>[/<kind>/<name>] or node/<name>] [duration] [from <time>] [reason...]',
    does: `asks for access. Kinds: ${KINDS} (a Service stands for the workload behind it). Durations: ${DURATION_FORM}, or ${DURATION_DEFAULTS}. A later start: ${START_FORM}. Of a profile with rights in words, some: debug:logs,exec. A profile for the whole cluster takes no target`,
    example: 'request debug staging/deploy/checkout 45m checkout returns 502',
  },
  'break-glass': {
    usage: 'break-glass <profile>[:<rights>] <namespace>[/<kind>/<name>] [duration] <reason...>',
    does: 'access at once, without a decision: for an emergency. Approvers and administrators are told, and it is reviewed afterwards',
    example: 'break-glass debug staging/deploy/checkout 15m checkout is down, nobody answers',
  },
  list: {
    usage: 'list [all] [page]',
    does: 'your requests and grants, and those that wait for you; all: everything that is open or waits, for administrators',
    example: 'list',
  },
  again: {
    usage: 'again <id>',
    does: 'opens the form with what you asked for before',
    example: 'again g-7k3fq2',
  },
  status: { usage: 'status <id>', does: 'everything about one request or grant', example: 'status g-7k3fq2' },
  approve: {
    usage: 'approve <id> [note]',
    does: 'shows the plan to you alone, with a button that approves it',
    example: 'approve g-7k3fq2 for the incident of today',
  },
  deny: { usage: 'deny <id> [note]', does: 'denies a request', example: 'deny g-7k3fq2 please use staging' },
  extend: { usage: 'extend <id> <duration>', does: 'asks for a longer window', example: 'extend g-7k3fq2 30m' },
  revoke: {
    usage: 'revoke <id> [note]',
    does: 'ends a grant or withdraws a request, now; also as withdraw or cancel',
    example: 'revoke g-7k3fq2',
  },
  review: {
    usage: 'review <id> accept|flag [note]',
    does: 'says what you think of break-glass access that has ended; a flag needs a note',
    example: 'review g-7k3fq2 accept',
  },
  who: { usage: 'who <namespace>', does: 'who has access there now, and until when', example: 'who staging' },
  help: { usage: 'help [command]', does: 'this help', example: 'help request' },
} as const;

export type CommandName = keyof typeof COMMANDS;
/** What people try as well. */
const ALIASES: ReadonlyMap<string, CommandName> = new Map([
  ['ls', 'list'],
  ['withdraw', 'revoke'],
  ['cancel', 'revoke'],
  ['breakglass', 'break-glass'],
  ['-h', 'help'],
  ['--help', 'help'],
]);
const NAMES = Object.keys(COMMANDS) as CommandName[];

export type Command =
  | { readonly kind: 'modal' }
  /** `page` of everything, from 0; null: the person's own. */
  | { readonly kind: 'list'; readonly page: number | null }
  | { readonly kind: 'again'; readonly id: GrantId }
  | { readonly kind: 'request'; readonly ask: Asked }
  | {
      readonly kind: 'review';
      readonly id: GrantId;
      readonly verdict: GlassReview['verdict'];
      readonly note: string;
    }
  | { readonly kind: 'status'; readonly id: GrantId }
  | { readonly kind: 'approve' | 'deny' | 'revoke'; readonly id: GrantId; readonly note: string }
  | { readonly kind: 'extend'; readonly id: GrantId; readonly seconds: number }
  | { readonly kind: 'who'; readonly cluster?: string; readonly namespace: string }
  /** `unknown`: the word that is no command; `nearest`: the one that was probably meant. */
  | {
      readonly kind: 'help';
      readonly topic: CommandName | null;
      readonly unknown: string | null;
      readonly nearest: CommandName | null;
    }
  /**
   * A known command that can't be understood: what is wrong, and what is allowed. `begun`: a request that ends too early, as far as it goes; the form
   * asks for the rest.
   */
  | {
      readonly kind: 'wrong';
      readonly topic: CommandName;
      readonly problem: string;
      readonly begun?: Choice;
      /** By the clock of whoever typed it. */
      readonly begunStart?: TypedStart;
      readonly readings?: Readings;
    };

/** A line that can be meant in two ways, as the two lines (without `/jit`) that say which: `meant` is how long, or from when. */
export interface Readings {
  readonly meant: { readonly line: string; readonly says: string };
  readonly reason: { readonly line: string };
}

type Wrong = Extract<Command, { kind: 'wrong' }>;

const REVIEWS: ReadonlyMap<string, GlassReview['verdict']> = new Map([
  ['accept', 'accepted'],
  ['accepted', 'accepted'],
  ['flag', 'flagged'],
  ['flagged', 'flagged'],
]);

/** A name as it stands in quotes or as code. */
const unquoted = (word: string): string => word.replace(/^["'`“”„‘’«»]+|["'`“”„‘’«»]+$/g, '');

/** Names of profiles and of what is in Kubernetes have no upper case: whoever types one means the other. No letters but these: others only look so. */
const folded = (name: string): string => name.replace(/[A-Z]/g, (letter) => letter.toLowerCase());

/** A word of the person's as a refusal repeats it: short enough to leave room for what is wrong with it. */
const quoted = (word: string): string => `'${shorten(word, 100)}'`;

/** What a request of a profile names; null: that is not known. */
export type ScopeOf = (profile: string) => Scope | null;

/** Reads the text of a `/jit` command as Slack sends it. Never throws; looks nothing up but what a profile is for. */
export function parseCommand(text: string, scopeOf: ScopeOf = () => null): Command {
  const [verb = '', ...words] = clean(typed(text)).split(' ');
  if (verb === '') return { kind: 'modal' };
  const name = commandNamed(verb);
  const wrong = (problem: string): Wrong => ({ kind: 'wrong', topic: name ?? 'request', problem });
  if (name === null) {
    const near = nearestCommand(verb);
    // A profile and a target, without the word request: what is the name of a profile is never taken for a slip.
    const isProfile = scopeOf(folded(unquoted(verb).split(':')[0] ?? '')) !== null;
    if (isProfile || (near === null && words.length > 1)) return parseRequest([verb, ...words], scopeOf, wrong);
    return { kind: 'help', topic: null, unknown: verb, nearest: near };
  }
  if (name !== 'help' && commandNamed(words[0] ?? '') === 'help' && words.length === 1)
    return { kind: 'help', topic: name, unknown: null, nearest: null };
  switch (name) {
    case 'list':
      return parseList(words, wrong);
    case 'help': {
      const topic = words[0] === undefined ? null : commandNamed(words[0]);
      const unknown = topic === null ? (words[0] ?? null) : null;
      return { kind: 'help', topic, unknown, nearest: unknown === null ? null : nearestCommand(unknown) };
    }
    case 'request':
      return parseRequest(words, scopeOf, wrong);
    case 'break-glass': {
      const parsed = parseRequest(words, scopeOf, wrong, name);
      if (parsed.kind === 'request') return { ...parsed, ask: { ...parsed.ask, breaksGlass: true } };
      if (parsed.kind !== 'wrong') return parsed;
      // The form asks people: nobody who needs access now is led there unawares.
      const { begun: _begun, ...rest } = parsed;
      return rest;
    }
    case 'who':
      if (words.length !== 1 || words[0] === undefined) return wrong('It takes one namespace.');
      return parseWho(unquoted(words[0]));
    case 'again':
    case 'status':
    case 'approve':
    case 'deny':
    case 'revoke':
    case 'review':
    case 'extend': {
      const id = unquoted(words[0] ?? '').toLowerCase();
      if (id === '') return wrong('The id is missing. Ids look like g-7k3fq2; /jit list shows yours.');
      if (!isGrantId(id))
        return wrong(`${quoted(words[0] ?? '')} is not an id. Ids look like g-7k3fq2; /jit list shows yours.`);
      if (name === 'status' || name === 'again') return { kind: name, id };
      if (name === 'review') {
        const verdict = REVIEWS.get((words[1] ?? '').toLowerCase());
        if (verdict === undefined) return wrong('Say accept or flag after the id.');
        return { kind: 'review', id, verdict, note: words.slice(2).join(' ') };
      }
      if (name !== 'extend') return { kind: name, id, note: words.slice(1).join(' ') };
      const length = words.slice(1).join(' ');
      if (length === '') return wrong(`By how long? Give ${DURATION_FORM}.`);
      const seconds = wholeDuration(length);
      if (seconds === null) return wrong(`${quoted(length)} is not a duration: expected ${DURATION_FORM}.`);
      return { kind: 'extend', id, seconds };
    }
    default:
      return name satisfies never;
  }
}

function parseList([what, page = '1', ...more]: readonly string[], wrong: (problem: string) => Wrong): Command {
  if (what === undefined) return { kind: 'list', page: null };
  if (what.toLowerCase() !== 'all' || more.length > 0 || !/^[1-9]\d{0,5}$/.test(page))
    return wrong('It takes nothing, or all with the number of a page.');
  return { kind: 'list', page: Number(page) - 1 };
}

function parseRequest(
  words: readonly string[],
  scopeOf: ScopeOf,
  wrong: (problem: string) => Wrong,
  verb: 'request' | 'break-glass' = 'request',
): Command {
  const [what = '', ...after] = words;
  const [typedName = '', ...listed] = unquoted(what).split(':');
  const profile = folded(typedName);
  const rights = listed.length === 0 ? null : parseRights(listed.join(':'));
  if (typeof rights === 'string') return wrong(rights);
  const tooShort = (problem: string, understood: Partial<Choice> = {}): Wrong => ({
    ...wrong(problem),
    begun: { ...NOTHING_CHOSEN, ...(profile !== '' && { profile }), ...(rights && { rights }), ...understood },
  });
  if (profile === '') return tooShort('The profile is missing. /jit alone shows what you may ask for.');
  const scope = scopeOf(profile);
  // Of a profile for the whole cluster a word that ends in a colon is the name of one, where there are several.
  const isNamed = /^[a-z0-9][-a-z0-9]*:$/i.test(unquoted(after[0] ?? ''));
  const where = scope === 'cluster' && !isNamed ? undefined : after[0];
  if (scope !== 'cluster' && where === undefined)
    return tooShort(scope === 'node' ? 'The node is missing.' : 'The namespace is missing.');
  const { cluster, rest: named } = placed(unquoted(where ?? ''));
  const target = scope === 'cluster' ? noTarget(profile, isNamed ? undefined : after[0]) : whereOf(scope, named);
  if (typeof target === 'string') return wrong(target);
  const asked = where === undefined ? what : `${what} ${where}`;
  const rest = where === undefined ? after : after.slice(1);
  const window = readWindow(rest);
  if (typeof window === 'string') return wrong(window);
  const { duration, start, told } = window;
  const readings = readingsOf([verb, asked, ...rest.slice(0, rest.length - told.length)].join(' '), window);
  if (readings !== null) return { ...wrong(bothReadings(readings)), readings };
  const reason = told.join(' ');
  if (reason === '')
    return {
      ...tooShort('A reason is needed: approvers decide by it.', {
        ...cluster,
        ...chosenTarget(target),
        duration: duration === undefined || duration === null ? null : formatDuration(duration),
      }),
      ...(start && { begunStart: start }),
    };
  return {
    kind: 'request',
    ask: {
      profile,
      ...cluster,
      target,
      ...(rights && { rights }),
      duration: duration ?? null,
      reason,
      ...(start && { start }),
    },
  };
}

/** A target as the form has it. */
export function chosenTarget(target: Wanted): Pick<Choice, 'namespace' | 'target' | 'node'> {
  if (isWide(target)) return { namespace: null, ...(target.scope === 'node' && { node: target.node }) };
  const { namespace, workload, service } = target;
  const named = workload ?? (service === undefined ? null : { kind: 'Service', name: service });
  return { namespace, target: named && `${named.kind.toLowerCase()}/${named.name}` };
}

/** Whoever says so in a line wants it as soon as it is approved. */
const AT_ONCE = 'from now';

/**
 * A length or a start that stands in the reason may be meant as the window: which one they mean, people say themselves. Null: there is none.
 * @param line up to the reason
 */
function readingsOf(line: string, { duration, start, told }: Window): MeantTwice | null {
  const two = (at: number, words: number, typed: string) => ({
    word: shorten(told.slice(at, at + words).join(' '), 100),
    line: [line, typed, ...told.slice(0, at), ...told.slice(at + words)].join(' '),
  });
  const reason = (instead: string) => ({ line: [line, instead, ...told].join(' ') });
  const stray = duration === undefined ? strayDuration(told) : null;
  if (stray !== null) {
    const length = formatDuration(stray.seconds);
    const { word, line: meant } = two(stray.at, stray.words, length);
    return {
      question: `Is '${word}' the window, or a part of the reason?`,
      meant: { line: meant, says: `The window is ${length}` },
      reason: reason(DEFAULT_DURATION),
      hint: DURATION_DEFAULTS,
    };
  }
  // Break-glass access begins at once.
  const at = start === undefined && !line.startsWith('break-glass ') ? strayStart(told) : null;
  if (at === null) return null;
  const { word, line: meant } = two(at, told.length - at, told.slice(at).join(' '));
  return {
    question: `Is '${word}' the start, or a part of the reason?`,
    meant: { line: meant, says: `It begins ${word}` },
    reason: reason(AT_ONCE),
    hint: `'${AT_ONCE}' for as soon as it is approved`,
  };
}

/** Readings with what is asked about them, and what one of them needs, as a phrase. */
interface MeantTwice extends Readings {
  readonly question: string;
  readonly hint: string;
}

function bothReadings({ question, meant, reason, hint }: MeantTwice): string {
  const typed = ({ line }: { readonly line: string }) => `/jit ${shorten(line, 400)}`;
  return `${question} ${meant.says}: ${typed(meant)} - it belongs to the reason: ${typed(reason)} (${hint}).`;
}

/** How long and from when, in whichever order they stand before the reason. */
interface Window {
  /** Null: the profile's default, said so; left out: nothing was said. */
  readonly duration?: number | null;
  /** Null: as soon as it is approved, said so; left out: nothing was said. */
  readonly start?: TypedStart | null;
  /** The words that are left. */
  readonly told: readonly string[];
}

/** A sentence where one of them was meant and can't be read. */
function readWindow(words: readonly string[]): Window | string {
  let window: Window = { told: words };
  for (;;) {
    const next = window.duration === undefined ? withDuration(window) : window;
    const both = typeof next !== 'string' && next.start === undefined ? withStart(next) : next;
    if (typeof both === 'string' || both.told.length === window.told.length) return both;
    window = both;
  }
}

function withDuration(window: Window): Window | string {
  const { told } = window;
  if (told[0] === DEFAULT_DURATION) return { ...window, duration: null, told: told.slice(1) };
  const read = readDuration(told);
  if (read === 'unclear')
    return `${quoted(told[0] ?? '')} is not a duration: expected ${DURATION_FORM}. If it begins your reason, put the duration before it, or ${DURATION_DEFAULTS}.`;
  return read === null ? window : { ...window, duration: read.seconds, told: told.slice(read.words) };
}

function withStart(window: Window): Window | string {
  const { told } = window;
  if (told.slice(0, 2).join(' ').toLowerCase() === AT_ONCE) return { ...window, start: null, told: told.slice(2) };
  const read = readStart(told);
  if (read === 'unclear')
    return `${quoted(told.slice(0, 2).join(' '))} is not a start: expected ${START_FORM}. If it begins your reason, put another word before it.`;
  return read === null ? window : { ...window, start: read.start, told: told.slice(read.words) };
}

/** The target of a profile for the whole cluster, which none is named for; a sentence where somebody names one all the same. */
function noTarget(profile: string, word = ''): Wanted | string {
  const named = word.includes('/') ? parseTarget(unquoted(word)) : '';
  return typeof named === 'string'
    ? { scope: 'cluster' }
    : `Profile '${shorten(profile, 63)}' is for the whole cluster, not for ${describeTarget(named)}: it takes no target.`;
}

/** What a word names, by what the profile is for; a sentence on what is wrong with it otherwise. */
function whereOf(scope: Scope | null, where: string): Wanted | string {
  const isNode = scope === 'node' && !where.includes('/');
  return isNode ? { scope: 'node', node: where } : parseTarget(where);
}

/** `logs,exec` as rights in words, each once; a sentence on what is wrong with it otherwise. */
function parseRights(text: string): Kit[] | string {
  const words = text.toLowerCase().split(',');
  const stranger = words.find((word) => !isKit(word));
  return stranger === undefined ? KIT_NAMES.filter((kit) => words.includes(kit)) : `${notAKit(stranger)}.`;
}

function parseWho(text: string): Command {
  const { cluster, rest } = placed(text);
  return { kind: 'who', ...cluster, namespace: folded(rest) };
}

/** What stands before a colon is the name of a cluster: `prod-eu:staging/deploy/checkout`. */
export function placed(text: string): { readonly cluster: { readonly cluster?: string }; readonly rest: string } {
  const colon = text.indexOf(':');
  if (colon === -1) return { cluster: {}, rest: text };
  return { cluster: { cluster: text.slice(0, colon).toLowerCase() }, rest: text.slice(colon + 1) };
}

/** `staging`, `staging/deploy/checkout`, `staging/svc/checkout` or `node/worker-1` as a target; a sentence on what is wrong with it otherwise. */
export function parseTarget(text: string): Wanted | string {
  const [namespace = '', kindWord, name, ...rest] = folded(text).split('/');
  if (namespace === '') return `${quoted(text)} names no namespace: expected <namespace> or <namespace>/<kind>/<name>.`;
  if (kindWord === undefined) return { namespace };
  if (NODE_WORDS.includes(namespace.toLowerCase()) && name === undefined && kindWord !== '')
    return { scope: 'node', node: kindWord };
  if (name === undefined || name === '' || rest.length > 0)
    return `${quoted(text)} is not a target: expected <namespace> or <namespace>/<kind>/<name>, such as staging/deploy/checkout.`;
  if (SERVICE_WORDS.includes(kindWord.toLowerCase())) return { namespace, service: name };
  const kind = workloadKind(kindWord);
  if (kind === null) return `${quoted(kindWord)} is not a kind that can be a target: those are ${KINDS}.`;
  return { namespace, workload: { kind, name } };
}

function commandNamed(word: string): CommandName | null {
  const lower = word.toLowerCase();
  return NAMES.find((name) => name === lower) ?? ALIASES.get(lower) ?? null;
}

/** The command that was probably meant: begun and not finished, or mistyped. */
export function nearestCommand(word: string): CommandName | null {
  const lower = word.toLowerCase().slice(0, 20);
  const begun = lower.length > 1 ? NAMES.find((name) => name.startsWith(lower)) : undefined;
  return begun ?? commandNamed(nearest(lower, NAMES) ?? '');
}
