import type { Audit, AuditEntry } from '../../app/ports.ts';
import { keyPrefix, type RedisClient, type RedisLog } from './connection.ts';

/** About how many entries the stream keeps; stdout, which the platform collects, has all. */
const KEEP_ENTRIES = 100_000;

/** One line of the audit, on stdout and in the stream alike. */
export interface AuditLine extends Omit<AuditEntry, 'at'> {
  /** Version of the format; lines of the log have none. */
  readonly audit: 1;
  /** RFC 3339, UTC. */
  readonly at: string;
}

/**
 * The audit: each entry is one line of JSON through `write` (stdout), and one entry of a Redis stream with the same line in its field
 * `line`. Printed first: whatever happens to Redis, it was said.
 */
export function createAudit(options: {
  readonly redis: RedisClient;
  readonly instance: string;
  readonly write: (line: string) => void;
  readonly log: RedisLog;
}): Audit {
  const { redis, write, log } = options;
  const stream = auditKey(options.instance);
  return {
    async record(entry) {
      const line = auditLine(entry);
      try {
        write(`${line}\n`);
      } catch (error) {
        log.error({ err: error, event: entry.event, grant: entry.id }, 'an audit entry could not be printed');
      }
      try {
        await redis.xadd(stream, 'MAXLEN', '~', KEEP_ENTRIES, '*', 'line', line);
      } catch (error) {
        log.error({ err: error, event: entry.event, grant: entry.id }, 'an audit entry was printed but not stored');
      }
    },
  };
}

/** The key of the stream. */
export function auditKey(instance: string): string {
  return `${keyPrefix(instance)}:audit`;
}

function auditLine({ at, ...rest }: AuditEntry): string {
  const line: AuditLine = { audit: 1, at: new Date(at).toISOString(), ...rest };
  return JSON.stringify(line);
}
