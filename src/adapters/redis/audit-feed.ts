import type { AuditChain } from '../../domain/audit/chain.ts';
import { auditKeys, readLines, type StoredLine } from './audit-stream.ts';
import type { RedisClient, RedisLog } from './connection.ts';
import { createLocks } from './locks.ts';

/** Entries that are handed on at once. */
const MOST = 100;

export interface AuditFeed {
  /**
   * Hands the next lines of the chain to `send`, in order, and remembers that they were when it resolves; among all replicas one at a time.
   * Where a process dies between the two they are handed on again, never left out.
   * @returns whether there may be more now
   * @throws what `send` throws; Unavailable
   */
  next(send: (lines: readonly string[]) => Promise<void>): Promise<boolean>;
  /** Seconds since the oldest entry that was not handed on yet was stored; 0: all were. */
  lag(): Promise<number>;
}

/** The chain as it is handed on to somebody else: a cursor over the stream, in Redis. Lines that are not sound are never handed on. */
export function createAuditFeed(options: {
  readonly redis: RedisClient;
  readonly instance: string;
  readonly chain: AuditChain;
  readonly log: RedisLog;
  readonly now?: () => number;
}): AuditFeed {
  const { redis, chain, log, now = Date.now } = options;
  const { stream, cursor } = auditKeys(options.instance);
  const locks = createLocks({ redis, instance: options.instance });

  /** Where the cursor is: an id of the stream, and the sequence of the last entry that was handed on (0: none was). */
  async function position(): Promise<{ id: string; seq: number }> {
    const [, id = '', seq = '0'] = /^(\d{1,15}-\d{1,15}) (\d{1,15})$/.exec((await redis.get(cursor)) ?? '') ?? [];
    return { id, seq: Number(seq) };
  }

  async function after(id: string, count: number): Promise<StoredLine[]> {
    const found: StoredLine[] = [];
    for await (const stored of readLines(redis, stream, id, count)) {
      found.push(stored);
      if (found.length === count) break;
    }
    return found;
  }

  async function handOn(send: (lines: readonly string[]) => Promise<void>): Promise<boolean> {
    const from = await position();
    const stored = await after(from.id, MOST);
    const newest = stored.at(-1);
    if (newest === undefined) return false;
    let { seq } = from;
    const lines: string[] = [];
    for (const { id, line } of stored) {
      const reading = chain.read(line);
      if (!reading.sound) {
        log.error({ id, problem: reading.problem }, 'an entry of the audit stream is unsound: it is not handed on');
        continue;
      }
      if (reading.link.seq !== seq + 1 && (seq > 0 || reading.link.seq < seq))
        log.error(
          { after: seq, next: reading.link.seq },
          'the audit was handed on with a gap or anew: see npm run audit',
        );
      seq = reading.link.seq;
      lines.push(line);
    }
    if (lines.length > 0) await send(lines);
    await redis.set(cursor, `${newest.id} ${seq}`);
    return stored.length === MOST;
  }

  return {
    async next(send) {
      const { id } = await position();
      if ((await after(id, 1)).length === 0) return false;
      return locks.exclusively('audit-webhook', () => handOn(send));
    },
    async lag() {
      const { id } = await position();
      const [oldest] = await after(id, 1);
      return oldest === undefined ? 0 : Math.max(0, (now() - Number(oldest.id.split('-')[0])) / 1000);
    },
  };
}
