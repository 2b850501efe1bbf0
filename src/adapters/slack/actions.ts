import { z } from 'zod';
import { Refusal } from '../../domain/errors.ts';
import { type GrantId, isGrantId } from '../../domain/ids.ts';
import { clean } from './text.ts';

/** What buttons and modals of ours are called, and what they carry: ids, the short digest of what was shown, a note. Never rights. */

export const ACTIONS = {
  approve: 'drawbridge.approve',
  deny: 'drawbridge.deny',
  approveExtension: 'drawbridge.extension.approve',
  denyExtension: 'drawbridge.extension.deny',
  revoke: 'drawbridge.revoke',
  extend: 'drawbridge.extend',
  status: 'drawbridge.status',
  /** Shows the plan to one person, as `/jit approve` does. */
  look: 'drawbridge.look',
  profile: 'drawbridge.modal.profile',
  namespace: 'drawbridge.modal.namespace',
} as const;

export const MODALS = { request: 'drawbridge.request', deny: 'drawbridge.deny.note' } as const;

/** The longest note on a decision: a button's value (2000 characters) holds it. */
export const LONGEST_NOTE = 300;

const id = z.string().refine(isGrantId);
const digest = z.string().regex(/^[0-9a-f]{12}$/);
const button = z.strictObject({ id, digest, note: z.string().max(LONGEST_NOTE).default('') });
const message = z.strictObject({
  channel: z.string().regex(/^[CDG][A-Z0-9]{2,20}$/),
  ts: z.string().regex(/^\d+\.\d+$/),
});
const denial = z.strictObject({ id, digest, message: message.nullable(), of: z.enum(['request', 'extension']) });

/** What a button is about. */
export type Carried = z.infer<typeof button>;
/** What the modal for a denial's note is about. */
export type Denial = z.infer<typeof denial>;

const STALE = 'That button is not one that Drawbridge knows.';

/** The value of a button on a grant. */
export function carry(grantId: GrantId, shownDigest: string, note = ''): string {
  return JSON.stringify({
    id: grantId,
    digest: shownDigest,
    ...(note && { note: clean(note).slice(0, LONGEST_NOTE) }),
  });
}

/** @throws Refusal when it is no value of ours */
export function carried(value: unknown): Carried {
  return parsed(button, value);
}

export function carryDenial(about: Denial): string {
  return JSON.stringify(about);
}

/** @throws Refusal when it is none of ours */
export function carriedDenial(metadata: unknown): Denial {
  return parsed(denial, metadata);
}

const container = z.object({
  type: z.string(),
  message_ts: z.string().optional(),
  channel_id: z.string().optional(),
  is_ephemeral: z.boolean().optional(),
});

/**
 * The message that a clicked button was in, from what Slack says of it; null when only the one person saw it.
 * @throws Refusal when Slack says nothing of it: a decision must be tied to what was seen
 */
export function messageOf(payload: unknown): z.infer<typeof message> | null {
  const where = container.safeParse(payload);
  if (!where.success) throw new Refusal('message', STALE);
  if (where.data.is_ephemeral === true) return null;
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
  if (!result.success) throw new Refusal('message', STALE, 'Use `/jit list`.');
  return result.data;
}
