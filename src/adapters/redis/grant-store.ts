import type { GrantStore } from '../../app/ports.ts';
import { Refusal, Unavailable } from '../../domain/errors.ts';
import { type Grant, hasEnded } from '../../domain/grant.ts';
import { parseGrantRecord } from '../../domain/grant-record.ts';
import type { ChainedAudit } from './audit.ts';
import { auditKeys } from './audit-stream.ts';
import { keyPrefix, type RedisClient, type RedisLog, reaching } from './connection.ts';

/** Ended grants are kept this long, for `/jit status`. */
export const KEEP_ENDED_SECONDS = 30 * 86_400;
/** A mutator that loses this often against others meets a fault, not a crowd. */
const MOST_TRIES = 100;

/** KEYS: record, open set, outbox of the audit. ARGV: id, record, and what goes into the outbox: name (empty: nothing), entry. */
const CREATE = `
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
redis.call('SADD', KEYS[2], ARGV[1])
if ARGV[3] ~= '' then redis.call('HSET', KEYS[3], ARGV[3], ARGV[4]) end
return 1`;

/**
 * KEYS: record, open set, outbox of the audit. ARGV: id, the record as it was read, the next, seconds to keep it when it has ended (else
 * 0), and what goes into the outbox: name (empty: nothing), entry.
 */
const REPLACE = `
if redis.call('GET', KEYS[1]) ~= ARGV[2] then return 0 end
if ARGV[4] == '0' then
  redis.call('SET', KEYS[1], ARGV[3])
  redis.call('SADD', KEYS[2], ARGV[1])
else
  redis.call('SET', KEYS[1], ARGV[3], 'EX', ARGV[4])
  redis.call('SREM', KEYS[2], ARGV[1])
end
if ARGV[5] ~= '' then redis.call('HSET', KEYS[3], ARGV[5], ARGV[6]) end
return 1`;

/**
 * Grants in Redis: a JSON record each, an index of the open ones. A record is replaced only when it is still, to the byte, the one
 * that the change was made from. A record that can't be read is reported and counts as not there; one that a newer version wrote is left alone,
 * for a replica that knows it.
 *
 * @throws (all methods) Unavailable
 * @throws (get, change) Refusal of a record of a newer version: jobs are tried again, and people are told
 */
export function createGrantStore(options: {
  readonly redis: RedisClient;
  readonly instance: string;
  readonly log: RedisLog;
  /** Takes the entries that are stored with changes. */
  readonly audit: Pick<ChainedAudit, 'prepare'>;
}): GrantStore {
  const { redis, log, audit } = options;
  const prefix = keyPrefix(options.instance);
  const recordKey = (id: string) => `${prefix}:grant:${id}`;
  const openKey = `${prefix}:open`;
  const { outbox } = auditKeys(options.instance);

  const read = (id: string, stored: string | null): Grant | null => {
    if (stored === null) return null;
    const parsed = parseGrantRecord(stored);
    if ('grant' in parsed && parsed.grant.id === id) return parsed.grant;
    if ('newer' in parsed && parsed.newer)
      throw new Refusal(
        'version',
        `${id} was written by a newer version of Drawbridge than the replica that looked at it.`,
        'Nothing was changed. Try again in a minute.',
      );
    const problem = 'problem' in parsed ? parsed.problem : `it is the record of ${parsed.grant.id}`;
    log.error({ grant: id, problem }, 'a stored grant can not be read: it is skipped');
    return null;
  };

  const readable = (id: string, stored: string | null): Grant | null => {
    try {
      return read(id, stored);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      log.warn({ grant: id }, 'a grant of a newer version is left to a replica that knows it');
      return null;
    }
  };

  return {
    async create(grant, noting) {
      const entry = noting === undefined ? null : audit.prepare(noting(grant));
      const keys = [recordKey(grant.id), openKey, outbox];
      const made = await reaching(() =>
        redis.eval(
          CREATE,
          keys.length,
          ...keys,
          grant.id,
          JSON.stringify(grant),
          entry?.name ?? '',
          entry?.value ?? '',
        ),
      );
      if (made !== 1) return false;
      await entry?.settle();
      return true;
    },

    async get(id) {
      return read(id, await reaching(() => redis.get(recordKey(id))));
    },

    async change(id, mutate, noting) {
      for (let attempt = 0; attempt < MOST_TRIES; attempt++) {
        const stored = await reaching(() => redis.get(recordKey(id)));
        const grant = read(id, stored);
        if (stored === null || grant === null) return null;
        const next = mutate(grant);
        if (next === null) return { grant, changed: false };
        const written: Grant = { ...next, id: grant.id, revision: grant.revision + 1 };
        const keep = hasEnded(written.state) ? KEEP_ENDED_SECONDS : 0;
        const entry = noting === undefined ? null : audit.prepare(noting(written));
        const keys = [recordKey(id), openKey, outbox];
        const values = [id, stored, JSON.stringify(written), String(keep), entry?.name ?? '', entry?.value ?? ''];
        if ((await reaching(() => redis.eval(REPLACE, keys.length, ...keys, ...values))) !== 1) continue;
        await entry?.settle();
        return { grant: written, changed: true };
      }
      throw new Unavailable('Redis', `${id} was changed by others ${MOST_TRIES} times in a row`);
    },

    async open() {
      return reaching(async () => {
        const ids = await redis.smembers(openKey);
        if (ids.length === 0) return [];
        const stored = await redis.mget(ids.map((id) => recordKey(id)));
        return ids.map((id, i) => readable(id, stored[i] ?? null)).filter((grant) => grant !== null);
      });
    },

    async firstTime(key, seconds) {
      const set = await reaching(() => redis.set(`${prefix}:once:${key}`, '1', 'EX', Math.max(1, seconds), 'NX'));
      return set === 'OK';
    },
  };
}
