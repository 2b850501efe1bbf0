import { keyPrefix, type RedisClient } from './connection.ts';

/** The stream that holds the chain, one line an entry, and the hash of entries that were stored with a change and wait for their place. */

/** The stream keeps at least so many of the newest entries, and little more; stdout, which the platform collects, has all. */
export const KEEP_ENTRIES = 100_000;
const PAGE = 500;

export function auditKeys(instance: string): {
  readonly stream: string;
  readonly outbox: string;
  readonly cursor: string;
} {
  const prefix = keyPrefix(instance);
  return { stream: `${prefix}:audit:chain`, outbox: `${prefix}:audit:outbox`, cursor: `${prefix}:audit:webhook` };
}

/** One entry of the stream; `line` is some text that can't be sound when somebody else wrote it in another form. */
export interface StoredLine {
  /** Redis' own id, `milliseconds-number`. */
  readonly id: string;
  readonly line: string;
}

export function storedLine([id, fields]: readonly [id: string, fields: readonly string[]]): StoredLine {
  const [name, line = ''] = fields;
  return { id, line: name === 'line' && fields.length === 2 ? line : JSON.stringify(fields) };
}

/** All lines after the one with the id `after` (empty: all), oldest first. */
export async function* readLines(
  redis: RedisClient,
  stream: string,
  after = '',
  pageSize = PAGE,
): AsyncGenerator<StoredLine> {
  let last = after;
  for (;;) {
    const page = await redis.xrange(stream, last === '' ? '-' : `(${last}`, '+', 'COUNT', pageSize);
    for (const entry of page) yield storedLine(entry);
    last = page.at(-1)?.[0] ?? last;
    if (page.length < pageSize) return;
  }
}

/**
 * KEYS: stream, outbox. ARGV: id of the last entry as the lines were made after it (empty: none), entries to keep, then for each line
 * its name in the outbox (empty: it is not from there) and the line. Appends all or none.
 */
const APPEND = `
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
if (last and last[1] or '') ~= ARGV[1] then return {'moved'} end
local gone = {'gone'}
for i = 3, #ARGV, 2 do
  if ARGV[i] ~= '' and redis.call('HEXISTS', KEYS[2], ARGV[i]) == 0 then gone[#gone + 1] = ARGV[i] end
end
if #gone > 1 then return gone end
local id = ARGV[1]
for i = 3, #ARGV, 2 do
  id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], '*', 'line', ARGV[i + 1])
  if ARGV[i] ~= '' then redis.call('HDEL', KEYS[2], ARGV[i]) end
end
return {'done', id}`;

export type Appended =
  | { readonly kind: 'done'; readonly id: string }
  /** Another one was faster. */
  | { readonly kind: 'moved' }
  /** These are no longer in the outbox; nothing was appended. */
  | { readonly kind: 'gone'; readonly names: readonly string[] };

/** Appends lines where nobody else has appended since `after`, and takes them out of the outbox, in one step. */
export async function appendLines(
  redis: RedisClient,
  keys: { readonly stream: string; readonly outbox: string },
  after: string,
  lines: readonly { readonly outboxed: string; readonly line: string }[],
  keep = KEEP_ENTRIES,
): Promise<Appended> {
  const pairs = lines.flatMap(({ outboxed, line }) => [outboxed, line]);
  const answer = await redis.eval(APPEND, 2, keys.stream, keys.outbox, after, String(keep), ...pairs);
  const [kind, ...rest] = answer as [string, ...string[]];
  if (kind === 'done') return { kind, id: rest[0] ?? '' };
  return kind === 'gone' ? { kind, names: rest } : { kind: 'moved' };
}
