import { type AuditWatcher, type ChainedAudit, createAudit } from '../../src/adapters/redis/audit.ts';
import type { RedisClient } from '../../src/adapters/redis/connection.ts';
import type { AuditEntry } from '../../src/app/ports/audit.ts';
import { type AuditChain, createAuditChain } from '../../src/domain/audit/chain.ts';
import { silentLog } from './silent-log.ts';

export const AUDIT_KEY = Buffer.alloc(32, 3);

export const auditEntry = (event: string, change: Partial<AuditEntry> = {}): AuditEntry => ({
  at: Date.now(),
  event,
  id: null,
  actor: null,
  ...change,
});

export interface AuditOnRedis {
  readonly audit: ChainedAudit;
  readonly chain: AuditChain;
  /** What it wrote on stdout, parsed. */
  readonly printed: Record<string, unknown>[];
  /** What it told administrators. */
  readonly broken: string[];
  readonly log: ReturnType<typeof silentLog>;
}

/** The audit of one process, as it is in the bot. */
export function auditOn(
  redis: RedisClient,
  options: {
    readonly instance?: string;
    readonly keys?: readonly Buffer[];
    readonly watcher?: Partial<AuditWatcher>;
  } = {},
): AuditOnRedis {
  const { instance = 'default', keys = [AUDIT_KEY], watcher = {} } = options;
  const chain = createAuditChain({ keys, instance });
  const printed: Record<string, unknown>[] = [];
  const broken: string[] = [];
  const log = silentLog();
  const audit = createAudit({
    redis,
    instance,
    chain,
    write: (line) => printed.push(JSON.parse(line) as Record<string, unknown>),
    log,
    watcher: { broken: (what) => broken.push(what), ...watcher },
  });
  return { audit, chain, printed, broken, log };
}
