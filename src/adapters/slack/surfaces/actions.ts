import { z } from 'zod';
import type { Which } from '../../../app/ports/use-cases.ts';
import { LONGEST_NOTE } from '../../../domain/decide/notes.ts';
import { Refusal } from '../../../domain/errors.ts';
import { type GrantId, isGrantId } from '../../../domain/ids.ts';
import { LONGEST_REASON } from '../../../domain/policy/fields/decisions.ts';
import { KIT_NAMES } from '../../../domain/rights/kits.ts';
import { WORKLOAD_KINDS } from '../../../domain/rights/rights.ts';
import { clean, LIMITS, unescape } from './text/text.ts';

/** What buttons and modals of ours are called, and what they carry: ids, the short digest of what was shown, a note. Never rights. */

export const ACTIONS = {
  approve: 'drawbridge.approve',
  deny: 'drawbridge.deny',
  approveExtension: 'drawbridge.extension.approve',
  denyExtension: 'drawbridge.extension.deny',
  change: 'drawbridge.change',
  accept: 'drawbridge.glass.accept',
  flag: 'drawbridge.glass.flag',
  revoke: 'drawbridge.revoke',
  /** Reminds the approvers of one's own request. */
  nudge: 'drawbridge.nudge',
  extend: 'drawbridge.extend',
  /** The same by other lengths, beside it. */
  extendMore: 'drawbridge.extend.more',
  extendMost: 'drawbridge.extend.most',
  /** Shows a token of the grant to its person, in a modal. */
  token: 'drawbridge.token',
  status: 'drawbridge.status',
  /** Opens all that the message of a request leaves out. */
  details: 'drawbridge.details',
  /** Shows the plan to one person, as `/jit approve` does. */
  look: 'drawbridge.look',
  /** Shows all connections of a plan to one person; `page` turns to another page of them. */
  showAll: 'drawbridge.network',
  page: 'drawbridge.network.page',
  cluster: 'drawbridge.modal.cluster',
  profile: 'drawbridge.modal.profile',
  namespace: 'drawbridge.modal.namespace',
  /** Fields that suggest what fits to what is typed. */
  target: 'drawbridge.modal.target',
  duration: 'drawbridge.modal.duration',
  /** In the form: breaks the glass for what is filled in. */
  breakGlass: 'drawbridge.modal.break-glass',
  /** Opens the form, for a profile or from the start; fills it with what was asked for before. */
  ask: 'drawbridge.ask',
  again: 'drawbridge.again',
  /** Turns to another page of everything in a list. */
  listPage: 'drawbridge.list.page',
  /** Draws Home anew, with a page of everything. */
  homePage: 'drawbridge.home.page',
  /** Asks which of everything Home is to have; ends all that it has then. */
  homeFilter: 'drawbridge.home.filter',
  homeEndAll: 'drawbridge.home.end-all',
  /** Which of two readings of a line was meant. */
  reading: 'drawbridge.reading',
  otherReading: 'drawbridge.reading.other',
  /** From the preview of a request back to the form. */
  back: 'drawbridge.modal.back',
} as const;

/** The global shortcut that opens the form. */
export const SHORTCUT = 'drawbridge.request';

/** The request modal has two steps: the form, and what would be granted. */
export const MODALS = {
  request: 'drawbridge.request',
  confirm: 'drawbridge.request.confirm',
  approve: 'drawbridge.approve.note',
  deny: 'drawbridge.deny.note',
  change: 'drawbridge.change.form',
  changed: 'drawbridge.change.confirm',
  flag: 'drawbridge.glass.flag.note',
  filter: 'drawbridge.home.filter',
} as const;

/** The longest name that a field of a form takes. */
export const LONGEST_TYPED = 300;

const id = z.string().refine(isGrantId);
const digest = z.string().regex(/^[0-9a-f]{12}$/);
const button = z.strictObject({
  id,
  digest,
  note: z.string().max(LONGEST_NOTE).default(''),
  page: z.int().min(0).max(10_000).optional(),
  /** It stands in a list, which is drawn anew. */
  list: z.literal(true).optional(),
  /** Of a longer window: how much is asked for. */
  seconds: z.int().positive().max(31_536_000).optional(),
});
const message = z.strictObject({
  channel: z.string().regex(/^[CDG][A-Z0-9]{2,20}$/),
  ts: z.string().regex(/^\d+\.\d+$/),
});
const noted = z.strictObject({
  id,
  digest,
  message: message.nullable(),
  of: z.enum(['request', 'extension', 'review']),
});

/** No longer than the form takes them; what they may be is decided when they are used. */
const name = z.string().min(1).max(LONGEST_TYPED);
const workload = z.strictObject({ kind: z.enum(WORKLOAD_KINDS.map(({ kind }) => kind)), name });
const asked = z.strictObject({
  ask: z.strictObject({
    profile: name,
    cluster: name.nullable().exactOptional(),
    target: z.union([
      z.strictObject({ scope: z.literal('cluster') }),
      z.strictObject({ scope: z.literal('node'), node: name }),
      z.strictObject({ namespace: name }),
      z.strictObject({ namespace: name, service: name }),
      z.strictObject({ namespace: name, workload }),
    ]),
    rights: z.array(z.enum(KIT_NAMES)).readonly().exactOptional(),
    duration: z.int().positive().nullable(),
    reason: z.string().max(LONGEST_REASON),
    ticketKey: z.string().max(LONGEST_TYPED).exactOptional(),
    start: z.strictObject({ at: z.int().positive() }).exactOptional(),
  }),
  /** Of what was shown; null: nothing was, it was refused. */
  digest: digest.nullable(),
});

const form = z.strictObject({
  form: z.strictObject({ cluster: name.exactOptional(), profile: name.nullable(), namespace: name.nullable() }),
});

const line = z.strictObject({
  line: z.string().min(1).max(LIMITS.value),
  by: z.string().regex(/^[UW][A-Z0-9]{2,20}$/),
});

/** Of a port or a source. */
const key = z.string().min(1).max(20);
const changes = z.strictObject({
  id,
  digest,
  message: message.nullable(),
  note: z.string().max(LONGEST_NOTE),
  changes: z.strictObject({
    duration: z.int().positive().exactOptional(),
    rights: z.array(z.enum(KIT_NAMES)).readonly().exactOptional(),
    ports: z.array(key).readonly().exactOptional(),
    sources: z.array(key).readonly().exactOptional(),
    workload: workload.exactOptional(),
  }),
  /** The digest of what is shown. */
  shown: digest,
});

/** What an approver takes away, on what it was decided, and what was shown of it. From the person's side: everything is decided anew. */
export type CarriedChanges = z.infer<typeof changes>;
/** What a button is about. */
export type Carried = z.infer<typeof button>;
/** What the last step of the request modal asks for, and what it has shown. From the person's side: everything is decided anew. */
export type Asked = z.infer<typeof asked>;
/** What has been chosen in the form as it is shown: what is suggested for its fields depends on it. */
export type FormShown = z.infer<typeof form>['form'];
/** What the modal for a note is about; whether it approves or denies its own name says. */
export type Noted = z.infer<typeof noted>;

/** A button or form that carries nothing of ours: an old one, or somebody else's. */
export class StrangeControl extends Refusal {
  constructor(remedy = '') {
    super('message', 'That button is not one that Drawbridge knows.', remedy);
  }
}

/** The value of a button on a grant. */
export function carry(
  grantId: GrantId,
  shownDigest: string,
  { note = '', page, list, seconds }: Partial<Pick<Carried, 'note' | 'page' | 'list' | 'seconds'>> = {},
): string {
  return JSON.stringify({
    id: grantId,
    digest: shownDigest,
    ...(note && { note: clean(note).slice(0, LONGEST_NOTE) }),
    ...(page !== undefined && { page }),
    ...(list && { list }),
    ...(seconds !== undefined && { seconds }),
  });
}

/** Slack gives it back as it was, or escaped. @throws StrangeControl when it is no value of ours */
export function carried(value: unknown): Carried {
  return parsed(button, typeof value === 'string' ? unescape(value) : value);
}

/**
 * A line as somebody may mean it, for whoever typed it. Null when it is more than Slack takes. Nothing in it is what Slack escapes: it comes back to
 * the letter.
 */
export function carryLine(text: string, by: string): string | null {
  const value = JSON.stringify({ line: text, by }).replace(
    /[&<>]/g,
    (character) => `\\u00${character.charCodeAt(0).toString(16)}`,
  );
  return value.length > LIMITS.value ? null : value;
}

/** @throws StrangeControl when it is no line, or was typed by somebody else */
export function carriedLine(value: unknown, user: string): string {
  const carriedBy = parsed(line, value);
  if (carriedBy.by !== user) throw new StrangeControl('It is for whoever typed that line.');
  return carriedBy.line;
}

const profileToAsk = z.strictObject({ profile: name.nullable(), cluster: name.exactOptional() });
const label = z.string().regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/);
const which = z.strictObject({
  person: z
    .string()
    .regex(/^[UW][A-Z0-9]{2,20}$/)
    .exactOptional(),
  namespace: label.exactOptional(),
  cluster: label.exactOptional(),
});
const pageOfAll = z.strictObject({ all: z.int().min(0).max(100_000), which: which.default({}) });
const allToEnd = z.strictObject({ end: which });

export const carryProfile = (profile: string | null, cluster: string | null = null): string =>
  JSON.stringify({ profile, ...(cluster !== null && { cluster }) });

/** Profile null: the form begins with nothing chosen. @throws StrangeControl when it is none of ours */
export const carriedProfile = (value: unknown): z.infer<typeof profileToAsk> => parsed(profileToAsk, value);

/** A page of what matches of everything; `which` left out: of all. */
export const carryPage = (page: number, of: Which = {}): string =>
  JSON.stringify({ all: page, ...(Object.keys(of).length > 0 && { which: of }) });

/** @throws StrangeControl when it is none of ours */
export function carriedPage(value: unknown): { readonly page: number; readonly which: Which } {
  const { all, which: of } = parsed(pageOfAll, value);
  return { page: all, which: of };
}

/** What Home had of everything, by its metadata or that of a modal that was opened on it; the first page of all where that says nothing. */
export function shownOfAll(metadata: unknown): ReturnType<typeof carriedPage> {
  try {
    return carriedPage(metadata);
  } catch {
    return { page: 0, which: {} };
  }
}

export const carryAllToEnd = (of: Which): string => JSON.stringify({ end: of });

/** @throws StrangeControl when it is none of ours */
export const carriedAllToEnd = (value: unknown): Which => parsed(allToEnd, value).end;

/** What was filled in as which of everything is meant; null: it can't be the name of anything. */
export function whichOf(filledIn: unknown): Which | null {
  const result = which.safeParse(filledIn);
  return result.success ? result.data : null;
}

/** Empty when it is more than Slack takes: the form is then begun anew. */
export function carryAsked(what: Asked): string {
  const text = JSON.stringify(what);
  return text.length > LIMITS.metadata ? '' : text;
}

/** @throws StrangeControl when it is none of ours */
export function carriedAsked(metadata: unknown): Asked {
  return parsed(asked, metadata);
}

export function carryForm(shown: FormShown): string {
  return JSON.stringify({ form: shown });
}

/** @throws StrangeControl when it is none of ours */
export function carriedForm(metadata: unknown): FormShown {
  return parsed(form, metadata).form;
}

/** Empty when it is more than Slack takes: it is then begun anew. */
export function carryChanges(what: CarriedChanges): string {
  const text = JSON.stringify(what);
  return text.length > LIMITS.metadata ? '' : text;
}

/** @throws StrangeControl when it is none of ours */
export function carriedChanges(metadata: unknown): CarriedChanges {
  return parsed(changes, metadata);
}

export function carryNoted(about: Noted): string {
  return JSON.stringify(about);
}

/** @throws StrangeControl when it is none of ours */
export function carriedNoted(metadata: unknown): Noted {
  return parsed(noted, metadata);
}

const container = z.object({
  type: z.string(),
  message_ts: z.string().optional(),
  channel_id: z.string().optional(),
  is_ephemeral: z.boolean().optional(),
});

/**
 * The message that a clicked button was in, from what Slack says of it; null when only the one person saw it, as a message or in a modal.
 * @throws StrangeControl when Slack says nothing of it: a decision must be tied to what was seen
 */
export function messageOf(payload: unknown): z.infer<typeof message> | null {
  const where = container.safeParse(payload);
  if (!where.success) throw new StrangeControl();
  // A message that only this person saw, or a modal of this person.
  if (where.data.is_ephemeral === true || where.data.type === 'view') return null;
  return parsed(message, JSON.stringify({ channel: where.data.channel_id, ts: where.data.message_ts }));
}

function parsed<T extends z.ZodType>(schema: T, text: unknown): z.output<T> {
  let json: unknown;
  try {
    json = JSON.parse(String(text));
  } catch {
    json = null;
  }
  const result = schema.safeParse(json);
  if (!result.success) throw new StrangeControl('Use `/jit list`.');
  return result.data;
}
