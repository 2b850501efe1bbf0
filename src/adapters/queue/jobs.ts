import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { News } from '../../app/ports/notifier.ts';
import type { Job } from '../../app/ports/scheduler.ts';
import { isGrantId } from '../../domain/ids.ts';

/** What changes the cluster or a grant; what only tells somebody. Each has a queue, so that a Slack that is away delays no revocation. */
export type Deed = Extract<Job, { kind: 'apply' | 'revoke' | 'warn' | 'timeout' | 'remind' | 'escalate' | 'review' }>;
export type Word = Exclude<Job, Deed>;

const id = z.string().refine(isGrantId, 'expected the id of a grant');
const NEWS = [
  'message',
  'unposted',
  'reminder',
  'step',
  'escalated',
  'asked-again',
  'scheduled',
  'narrowed',
  'granted',
  'denied',
  'cancelled',
  'timed-out',
  'warning',
  'extension',
  'extended',
  'not-extended',
  'extension-answer',
  'extension-denied',
  'pods',
  'review',
  'reviewed',
  'ended',
] as const satisfies readonly News[];

const deedSchema = z.discriminatedUnion('kind', [
  z.object({ v: z.literal(1), kind: z.enum(['apply', 'revoke', 'warn', 'timeout', 'remind']), id }),
  z.object({ v: z.literal(2), kind: z.literal('escalate'), id }),
  z.object({ v: z.literal(3), kind: z.literal('review'), id }),
]);
const wordSchema = z.discriminatedUnion('kind', [
  z.object({ v: z.literal([1, 2, 3]), kind: z.literal('tell'), id, news: z.enum(NEWS) }),
  z.object({ v: z.literal(2), kind: z.literal('ask'), id, slackId: z.string().regex(/^[UW][A-Z0-9]{2,20}$/) }),
  z.object({ v: z.literal(1), kind: z.literal('alarm'), id: id.nullable(), text: z.string() }),
]);

export type Parsed<T> = { readonly job: T } | { readonly problem: string };

function parsed<T>(schema: z.ZodType<T>, payload: unknown): Parsed<T> {
  const result = schema.safeParse(payload);
  return result.success ? { job: result.data } : { problem: z.prettifyError(result.error) };
}

/** A payload from the queue as the deed that it is, or what is wrong with it. */
export const parseDeed = (payload: unknown): Parsed<Deed> => parsed(deedSchema, payload);
export const parseWord = (payload: unknown): Parsed<Word> => parsed(wordSchema, payload);

const JOB_VERSION = 3;
const versioned = z.looseObject({ v: z.int().min(JOB_VERSION + 1) });

/** Whether a newer version of Drawbridge wrote it. Whoever adds a kind of job, or changes one, raises `v`. */
export const isNewer = (payload: unknown): boolean => versioned.safeParse(payload).success;

export function isDeed(job: Job): job is Deed {
  return job.kind !== 'tell' && job.kind !== 'ask' && job.kind !== 'alarm';
}

/** What makes two jobs the same one: `revoke.g-7k3fq2`, `tell.g-7k3fq2.warning`; alarms by their text. Never a colon (BullMQ). */
export function jobKey(job: Job): string {
  if (job.kind === 'tell') return `tell.${job.id}.${job.news}`;
  if (job.kind === 'ask') return `ask.${job.id}.${job.slackId}`;
  if (job.kind === 'alarm')
    return `alarm.${job.id ?? 'all'}.${createHash('sha256').update(job.text).digest('hex').slice(0, 16)}`;
  return `${job.kind}.${job.id}`;
}
