import type { Noting } from '../../app/ports/audit.ts';
import type { GrantStore } from '../../app/ports/grant-store.ts';
import type { Instant } from '../../domain/clocks.ts';
import { type Bounds, type Daily, type Limit, tooMany, tooManyPending } from '../../domain/decide/limits.ts';
import { Refusal, Unavailable } from '../../domain/errors.ts';
import { awaitsReview, type Grant, hasEnded } from '../../domain/grant/grant.ts';
import { parseGrantRecord } from '../../domain/grant/record.ts';
import { type GrantSummary, grantSummary, summaryOf } from '../../domain/grant/summary.ts';
import type { GrantId } from '../../domain/ids.ts';
import type { Person } from '../../domain/people/people.ts';
import type { ChainedAudit } from './audit.ts';
import { auditKeys } from './audit-stream.ts';
import { keyPrefix, type RedisClient, type RedisLog, reaching } from './connection.ts';

/** Ended grants are kept this long, for `/jit status`. */
export const KEEP_ENDED_SECONDS = 30 * 86_400;
/** So many of a person's ended grants are found again. */
const KEEP_ENDED = 10;
/** A mutator that loses this often against others meets a fault, not a crowd. */
const MOST_TRIES = 100;
/** How many summaries, and how many whole records, are read in one go. More at once take more memory, and no less time. */
const PORTION = 500;
const RECORDS = 100;
/** Among the ids of those that are not pending: all of them are there. */
const WHOLE = 'whole';

/** What was counted on a day is forgotten after this: days of all time zones, with room for clocks. Milliseconds. */
const KEEP_COUNTED = 3 * 86_400_000;

/**
 * Counting by the day, in two sorted sets of ids by time: of the account and of the Kubernetes user. `had`: how many there are since then but for
 * this one. `count`: adds this one, and forgets old ones.
 */
const DAYS = `
local function had(keys, since, but)
  local seen, sum = {[but] = true}, 0
  for _, key in ipairs(keys) do
    for _, id in ipairs(redis.call('ZRANGEBYSCORE', key, since, '+inf')) do
      if not seen[id] then seen[id] = true; sum = sum + 1 end
    end
  end
  return sum
end
local function count(keys, at, id)
  for _, key in ipairs(keys) do
    redis.call('ZREMRANGEBYSCORE', key, '-inf', '(' .. string.format('%.0f', at - ${KEEP_COUNTED}))
    redis.call('ZADD', key, string.format('%.0f', at), id)
    redis.call('PEXPIRE', key, ${KEEP_COUNTED})
  end
end
local function spent(keys, daily, but)
  return daily and daily.most and had(keys, string.format('%.0f', daily.since), but) >= daily.most
end
`;

/**
 * KEYS: record, index of the open ones, due, outbox of the audit, the open ones of the profile, then by Slack id and by Kubernetes user: what this
 * person has asked for that is open, what of the profile the policy itself has approved, and what of it was asked for; last the ids of those that
 * are not pending. ARGV: id, record, summary, when it is due (empty: never), what goes into the outbox: name (empty: nothing), entry; the bounds as JSON
 * (empty: none, and nothing is counted); and whether it is pending (empty: not). Answers what became of it: `made`, `taken`, `spent`, `asked` and the id of the one that is there already, or the name of the limit
 * that is reached. What has ended leaves the sets while they are counted, so that nothing that goes wrong elsewhere counts for ever.
 */
const CREATE = `${DAYS}
local function stands(summary, now)
  if summary.state == 'pending' then return summary.pendingUntil > now end
  if summary.state == 'active' then return type(summary.expiresAt) == 'number' and summary.expiresAt > now end
  return summary.state == 'approved' or summary.state == 'applying'
end
if redis.call('EXISTS', KEYS[1]) == 1 then return 'taken' end
if ARGV[7] ~= '' then
  local bounds = cjson.decode(ARGV[7])
  local new = cjson.decode(ARGV[3])
  local waiting, ofProfile, counted = 0, 0, {}
  for _, mine in ipairs({KEYS[6], KEYS[7]}) do
    for _, id in ipairs(redis.call('SMEMBERS', mine)) do
      local stored = redis.call('HGET', KEYS[2], id)
      if not stored then redis.call('SREM', mine, id)
      elseif not counted[id] then
        local summary = cjson.decode(stored)
        if bounds.once and summary.asks == new.asks and stands(summary, new.createdAt) then return 'asked ' .. id end
        if summary.state == 'pending' then waiting = waiting + 1 end
        if summary.profile == new.profile then ofProfile = ofProfile + 1 end
      end
      counted[id] = true
    end
  end
  if waiting >= bounds.pending then return 'pending' end
  if bounds.openPerPerson and ofProfile >= bounds.openPerPerson then return 'openPerPerson' end
  if bounds.open and redis.call('SCARD', KEYS[5]) >= bounds.open then
    for _, id in ipairs(redis.call('SMEMBERS', KEYS[5])) do
      if redis.call('HEXISTS', KEYS[2], id) == 0 then redis.call('SREM', KEYS[5], id) end
    end
    if redis.call('SCARD', KEYS[5]) >= bounds.open then return 'open' end
  end
  local automatic, asked = {KEYS[8], KEYS[9]}, {KEYS[10], KEYS[11]}
  if spent(asked, bounds.asked, ARGV[1]) then return 'perPersonADay' end
  if spent(automatic, bounds.automatic, ARGV[1]) then return 'spent' end
  if bounds.automatic then count(automatic, bounds.automatic.at, ARGV[1]) end
  if bounds.asked then count(asked, bounds.asked.at, ARGV[1]) end
end
for at = 5, 7 do redis.call('SADD', KEYS[at], ARGV[1]) end
redis.call('SET', KEYS[1], ARGV[2])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
if ARGV[8] == '' then redis.call('SADD', KEYS[12], ARGV[1]) end
if ARGV[4] ~= '' then redis.call('ZADD', KEYS[3], ARGV[4], ARGV[1]) end
if ARGV[5] ~= '' then redis.call('HSET', KEYS[4], ARGV[5], ARGV[6]) end
return 'made'`;

/**
 * KEYS: the first five of the above, what the policy itself has approved for the person, what waits for its review, and what the person had that has ended, by Slack id and by
 * Kubernetes user, and the ids of those that are not pending. ARGV: id, the record as it was read, the next, its summary (empty: it has ended), what becomes of its place among the
 * due (`enter`, `move`, `stay`, `leave`), when it is due, for the outbox: name (empty: nothing), entry, how it is counted as JSON (empty: not), whether it waits for its review, which keeps it
 * (empty: not), when it has ended, and whether it is pending (empty: not). Answers 1, 0 when somebody
 * was faster, -1 when its end was claimed and it can't be moved any more, -2 when the policy itself has approved as many today as it does.
 */
const REPLACE = `${DAYS}
if redis.call('GET', KEYS[1]) ~= ARGV[2] then return 0 end
if ARGV[5] == 'move' and not redis.call('ZSCORE', KEYS[3], ARGV[1]) then return -1 end
if ARGV[9] ~= '' then
  local automatic, daily = {KEYS[6], KEYS[7]}, cjson.decode(ARGV[9])
  if spent(automatic, daily, ARGV[1]) then return -2 end
  count(automatic, daily.at, ARGV[1])
end
if ARGV[4] ~= '' then
  redis.call('SET', KEYS[1], ARGV[3])
  redis.call('HSET', KEYS[2], ARGV[1], ARGV[4])
  redis.call(ARGV[12] == '' and 'SADD' or 'SREM', KEYS[11], ARGV[1])
else
  if ARGV[10] ~= '' then
    redis.call('SET', KEYS[1], ARGV[3])
    redis.call('SADD', KEYS[8], ARGV[1])
  else
    redis.call('SET', KEYS[1], ARGV[3], 'EX', ${KEEP_ENDED_SECONDS})
    redis.call('SREM', KEYS[8], ARGV[1])
  end
  redis.call('HDEL', KEYS[2], ARGV[1])
  redis.call('SREM', KEYS[5], ARGV[1])
  redis.call('SREM', KEYS[11], ARGV[1])
  for at = 9, 10 do
    redis.call('ZADD', KEYS[at], ARGV[11], ARGV[1])
    redis.call('ZREMRANGEBYRANK', KEYS[at], 0, -${KEEP_ENDED + 1})
    redis.call('EXPIRE', KEYS[at], ${KEEP_ENDED_SECONDS})
  end
end
if ARGV[5] == 'leave' then redis.call('ZREM', KEYS[3], ARGV[1])
elseif ARGV[5] ~= 'stay' then redis.call('ZADD', KEYS[3], ARGV[6], ARGV[1]) end
if ARGV[7] ~= '' then redis.call('HSET', KEYS[4], ARGV[7], ARGV[8]) end
return 1`;

/** KEYS: index, due. ARGV: now, how many. Ids and summaries of those that are due, which are not due any more for anybody else. */
const TAKE_DUE = `
local ids = redis.call('ZRANGE', KEYS[2], '-inf', ARGV[1], 'BYSCORE', 'LIMIT', 0, ARGV[2])
if #ids == 0 then return {} end
redis.call('ZREM', KEYS[2], unpack(ids))
return {ids, redis.call('HMGET', KEYS[1], unpack(ids))}`;

/**
 * Lists a grant anew, if its record is still the one that was read, and unless it is listed already: then its end may be claimed.
 * KEYS: record, index, due, the open ones of the profile, the ids of those that are not pending. ARGV: id, record, summary, due, pending (empty: not).
 */
const LIST = `
if redis.call('GET', KEYS[1]) ~= ARGV[2] then return 0 end
if redis.call('HGET', KEYS[2], ARGV[1]) == ARGV[3] then return 0 end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
redis.call('SADD', KEYS[4], ARGV[1])
if ARGV[5] == '' then redis.call('SADD', KEYS[5], ARGV[1]) end
if ARGV[4] ~= '' then redis.call('ZADD', KEYS[3], ARGV[4], ARGV[1]) end
return 1`;

/** KEYS: number. ARGV: milliseconds. In one go: between two commands the connection could break, and the key would stay for ever. */
const TAKE_NUMBER = `
local number = redis.call('INCR', KEYS[1])
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return number`;

/** For a script: whether it is pending. */
const pendingFlag = ({ state }: Pick<Grant, 'state'>): string => (state === 'pending' ? 'pending' : '');

/** When the rights of a grant are to be taken; null: not by the clock, it has none or is being ended already. */
const dueOf = ({ state, expiresAt }: Pick<Grant, 'state' | 'expiresAt'>): Instant | null =>
  state === 'active' ? expiresAt : null;

function placeAmongDue(before: Instant | null, after: Instant | null): 'enter' | 'move' | 'stay' | 'leave' {
  if (after === null) return 'leave';
  if (before === null) return 'enter';
  return before === after ? 'stay' : 'move';
}

/**
 * Grants in Redis: a JSON record each, an index of the open ones with a summary of each, and when the active ones are due. A record is
 * replaced only when it is still, to the byte, the one that the change was made from. A record that can't be read is reported and counts as not
 * there; one that a newer version wrote is left alone, for a replica that knows it.
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
  /** About how many summaries are read in one go. */
  readonly portion?: number;
}): GrantStore {
  const { redis, log, audit, portion: inOneGo = PORTION } = options;
  const prefix = keyPrefix(options.instance);
  const recordKey = (id: string) => `${prefix}:grant:${id}`;
  const indexKey = `${prefix}:index`;
  const dueKey = `${prefix}:due`;
  /** Ids of those that are not pending: of a hundred thousand requests that wait none is read to find the few grants among them. */
  const begunKey = `${prefix}:begun`;
  /** Ids of ended grants that wait for their review. */
  const reviewsKey = `${prefix}:reviews`;
  /** Where version 0.1 listed the ids of the open ones. */
  const olderKey = `${prefix}:open`;
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

  /** A Kubernetes user is the same in capitals. */
  const askedKeys = ({ slackId, user }: Pick<Person, 'slackId' | 'user'>) => [
    `${prefix}:asked:account:${slackId}`,
    `${prefix}:asked:user:${user.toLowerCase()}`,
  ];

  const endedKeys = ({ slackId, user }: Pick<Person, 'slackId' | 'user'>) => [
    `${prefix}:ended:account:${slackId}`,
    `${prefix}:ended:user:${user.toLowerCase()}`,
  ];

  /** Profiles have the form of labels: the last part is whoever it is, whatever characters the name has. */
  const dayKeys =
    (what: 'approved' | 'broken' | 'requested') =>
    ({ slackId, user }: Pick<Person, 'slackId' | 'user'>, profile: string) => [
      `${prefix}:${what}:${profile}:account:${slackId}`,
      `${prefix}:${what}:${profile}:user:${user.toLowerCase()}`,
    ];
  const approvedKeys = dayKeys('approved');
  const brokenKeys = dayKeys('broken');
  const requestedKeys = dayKeys('requested');
  const openKey = (profile: string) => `${prefix}:open:${profile}`;

  const keysOf = ({ id, profile }: Pick<Grant, 'id' | 'profile'>) => [
    recordKey(id),
    indexKey,
    dueKey,
    outbox,
    openKey(profile),
  ];

  function readSummary(id: string, stored: string): GrantSummary | null {
    const parsed = grantSummary.safeParse(parseJson(stored));
    return parsed.success && parsed.data.id === id ? parsed.data : null;
  }

  /** Lists these anew from their records: another version listed them, in its own way. */
  async function relist(ids: readonly string[]): Promise<GrantSummary[]> {
    const listed: GrantSummary[] = [];
    for (const id of ids) {
      const stored = await redis.get(recordKey(id));
      const grant = readable(id, stored);
      if (stored === null || grant === null || hasEnded(grant.state)) continue;
      const summary = summaryOf(grant);
      const keys = [recordKey(id), indexKey, dueKey, openKey(grant.profile), begunKey];
      const values = [id, stored, JSON.stringify(summary), String(dueOf(grant) ?? ''), pendingFlag(grant)];
      await redis.eval(LIST, keys.length, ...keys, ...values);
      listed.push(summary);
    }
    return listed;
  }

  /** Ids of those that are not pending; null: not known, as after an update from a version that did not keep them. */
  async function begun(): Promise<Set<GrantId> | null> {
    const ids = new Set(await reaching(() => redis.smembers(begunKey)));
    return ids.delete(WHOLE) ? ids : null;
  }

  /** These, or (null) all, by id and stored text, in portions, so that neither Redis nor this process does nothing else for long, and neither holds all of them at once. */
  async function* stored(ids: ReadonlySet<GrantId> | null): AsyncGenerator<[string, string | null][]> {
    if (ids !== null) {
      const all = [...ids];
      for (let i = 0; i < all.length; i += inOneGo) {
        const portion = all.slice(i, i + inOneGo);
        const texts = await reaching(() => redis.hmget(indexKey, ...portion));
        yield portion.map((id, at) => [id, texts[at] ?? null]);
      }
      return;
    }
    const scan = (cursor: string) => {
      const scanned = reaching(() => redis.hscan(indexKey, cursor, 'COUNT', inOneGo));
      // Nobody may wait for it any more when it fails.
      scanned.catch(() => {});
      return scanned;
    };
    for (let next: ReturnType<typeof scan> | null = scan('0'); next !== null; ) {
      const [cursor, entries]: [string, string[]] = await next;
      // Redis looks for the next ones while these are worked on.
      next = cursor === '0' ? null : scan(cursor);
      const portion: [string, string][] = [];
      for (let i = 0; i < entries.length; i += 2) portion.push([entries[i] ?? '', entries[i + 1] ?? '']);
      yield portion;
    }
  }

  async function* summaries(which?: 'pending' | 'not pending'): AsyncGenerator<GrantSummary[]> {
    const isWanted = ({ state }: GrantSummary) =>
      which === undefined || (state === 'pending') === (which === 'pending');
    const strange = await reaching(() => redis.smembers(olderKey));
    const known = which === undefined ? null : await begun();
    const ended: string[] = [];
    const notPending: string[] = [];
    for await (const entries of stored(which === 'not pending' ? known : null)) {
      const portion: GrantSummary[] = [];
      for (const [id, text] of entries) {
        const summary = text === null ? null : readSummary(id, text);
        if (text === null) ended.push(id);
        else if (summary === null) strange.push(id);
        else if (isWanted(summary)) portion.push(summary);
        if (summary !== null && summary.state !== 'pending') notPending.push(id);
      }
      yield portion;
    }
    if (which !== undefined) await reaching(() => keepBegun(known, notPending, ended));
    if (strange.length === 0) return;
    yield (await reaching(() => relist([...new Set(strange)]))).filter(isWanted);
    await reaching(() => redis.del(olderKey));
  }

  /** An older version, beside this one during an update, keeps no ids of those that are not pending: they are mended by what was found. */
  async function keepBegun(
    known: ReadonlySet<GrantId> | null,
    found: readonly string[],
    ended: readonly string[],
  ): Promise<void> {
    const missing = found.filter((id) => known?.has(id) !== true);
    if (known === null || missing.length > 0) await redis.sadd(begunKey, WHOLE, ...missing);
    if (ended.length > 0) await redis.srem(begunKey, ...ended);
  }

  /** The readable records of these, as far as they are `wanted`. */
  async function recordsOf(ids: readonly string[], wanted: (grant: Grant) => boolean): Promise<Grant[]> {
    const grants: Grant[] = [];
    for (let i = 0; i < ids.length; i += RECORDS) {
      const portion = ids.slice(i, i + RECORDS);
      const stored = await reaching(() => redis.mget(portion.map(recordKey)));
      for (const [at, id] of portion.entries()) {
        const grant = readable(id, stored[at] ?? null);
        if (grant !== null && wanted(grant)) grants.push(grant);
      }
    }
    return grants;
  }
  const records = (ids: readonly string[]) => recordsOf(ids, ({ state }) => !hasEnded(state));

  /** What the script says has become of it. */
  async function store(grant: Grant, noting: Noting | undefined, bounds: Bounds | null): Promise<string> {
    const entry = noting === undefined ? null : audit.prepare(noting(grant));
    const { requester, profile } = grant;
    const keys = [
      ...keysOf(grant),
      ...askedKeys(requester),
      ...(grant.breakGlass ? brokenKeys : approvedKeys)(requester, profile),
      ...requestedKeys(requester, profile),
      begunKey,
    ];
    const values = [
      grant.id,
      JSON.stringify(grant),
      JSON.stringify(summaryOf(grant)),
      String(dueOf(grant) ?? ''),
      entry?.name ?? '',
      entry?.value ?? '',
      bounds === null ? '' : plainJson(bounds),
      pendingFlag(grant),
    ];
    const answer = String(await reaching(() => redis.eval(CREATE, keys.length, ...keys, ...values)));
    if (answer === 'made') await entry?.settle();
    return answer;
  }

  return {
    async create(grant, noting) {
      return (await store(grant, noting, null)) === 'made';
    },

    async request(grant, noting, bounds) {
      const answer = await store(grant, noting, bounds);
      if (answer === 'made' || answer === 'taken' || answer === 'spent') return { is: answer };
      if (answer.startsWith('asked ')) return { is: 'asked', id: answer.slice('asked '.length) };
      if (answer === 'pending') throw tooManyPending();
      const limit = answer as Limit;
      throw tooMany(limit, grant.profile, (limit === 'perPersonADay' ? bounds.asked?.most : bounds[limit]) ?? 0);
    },

    async approvedSince(how, person, profile, since) {
      const dayKeysOf = how === 'breakGlass' ? brokenKeys : approvedKeys;
      const found = await reaching(() =>
        Promise.all(dayKeysOf(person, profile).map((key) => redis.zrangebyscore(key, since, '+inf', 'WITHSCORES'))),
      );
      const times = new Map<GrantId, number>();
      for (const entries of found)
        for (let i = 0; i < entries.length; i += 2) times.set(entries[i] ?? '', Number(entries[i + 1]));
      return [...times].toSorted(([, one], [, other]) => one - other).map(([id]) => id);
    },

    async get(id) {
      return read(id, await reaching(() => redis.get(recordKey(id))));
    },

    async change(id, mutate, noting, automatic) {
      for (let attempt = 0; attempt < MOST_TRIES; attempt++) {
        const stored = await reaching(() => redis.get(recordKey(id)));
        const grant = read(id, stored);
        if (stored === null || grant === null) return null;
        const next = mutate(grant);
        if (next === null) return { grant, changed: false };
        const written: Grant = { ...next, id: grant.id, revision: grant.revision + 1 };
        const entry = noting === undefined ? null : audit.prepare(noting(written));
        const { requester, profile } = grant;
        const approved = approvedKeys(requester, profile);
        const keys = [...keysOf(grant), ...approved, reviewsKey, ...endedKeys(requester), begunKey];
        const due = dueOf(written);
        const values = [
          id,
          stored,
          JSON.stringify(written),
          hasEnded(written.state) ? '' : JSON.stringify(summaryOf(written)),
          placeAmongDue(dueOf(grant), due),
          String(due ?? ''),
          entry?.name ?? '',
          entry?.value ?? '',
          automatic == null ? '' : plainJson(automatic),
          awaitsReview(written) ? 'awaits' : '',
          String(written.endedAt ?? 0),
          pendingFlag(written),
        ];
        const done = await reaching(() => redis.eval(REPLACE, keys.length, ...keys, ...values));
        if (done === -1) throw new Refusal('state', `${id} has reached its end.`);
        if (done === -2) return { grant, changed: false };
        if (done !== 1) continue;
        await entry?.settle();
        return { grant: written, changed: true };
      }
      throw new Unavailable('Redis', `${id} was changed by others ${MOST_TRIES} times in a row`);
    },

    async requestedBy(person) {
      const asked = await reaching(() => Promise.all(askedKeys(person).map((key) => redis.smembers(key))));
      const ids = [...new Set(asked.flat())];
      if (ids.length === 0) return [];
      const stored = await reaching(() => redis.hmget(indexKey, ...ids));
      return ids.flatMap((id, at) => readSummary(id, stored[at] ?? '') ?? []);
    },

    async endedOf(person) {
      const ids = await reaching(() => Promise.all(endedKeys(person).map((key) => redis.zrange(key, '0', '-1'))));
      const unique = [...new Set(ids.flat())];
      if (unique.length === 0) return [];
      const stored = await reaching(() => redis.mget(unique.map(recordKey)));
      const grants = unique.flatMap((id, at) => readable(id, stored[at] ?? null) ?? []);
      return grants
        .filter(({ state }) => hasEnded(state))
        .toSorted((one, other) => (other.endedAt ?? 0) - (one.endedAt ?? 0))
        .slice(0, KEEP_ENDED);
    },

    summaries,
    records,
    async open(which) {
      const ids = new Set<GrantId>();
      for await (const portion of summaries()) for (const summary of portion) if (which(summary)) ids.add(summary.id);
      return records([...ids]);
    },

    async unreviewed() {
      return recordsOf(await reaching(() => redis.smembers(reviewsKey)), awaitsReview);
    },

    async takeDue(now, most) {
      const stored = await reaching(() => redis.eval(TAKE_DUE, 2, indexKey, dueKey, String(now), String(most)));
      const [ids = [], texts = []] = stored as [string[]?, (string | null)[]?];
      // One that can't be read is left to its own job, which reads the record.
      return ids.flatMap((id, at) => readSummary(id, texts[at] ?? '') ?? []);
    },

    async nextDue() {
      const [, score] = await reaching(() => redis.zrange(dueKey, '0', '0', 'WITHSCORES'));
      return score === undefined ? null : Number(score);
    },

    async firstTime(key, seconds) {
      const set = await reaching(() => redis.set(`${prefix}:once:${key}`, '1', 'EX', Math.max(1, seconds), 'NX'));
      return set === 'OK';
    },

    async takeNumber(key, seconds) {
      const numbers = `${prefix}:number:${key}`;
      return Number(await reaching(() => redis.eval(TAKE_NUMBER, 1, numbers, String(seconds * 1000))));
    },

    async lastNumber(key) {
      return Number(await reaching(() => redis.get(`${prefix}:number:${key}`)));
    },
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Without what is null, which Lua would take for a value. */
function plainJson(value: Bounds | Daily): string {
  return JSON.stringify(value, (_key, part: unknown) => part ?? undefined);
}
