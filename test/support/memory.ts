import { jobKey } from '../../src/adapters/queue/jobs.ts';
import type { AuditEntry, Noting } from '../../src/app/ports/audit.ts';
import type { Clock } from '../../src/app/ports/clock.ts';
import type { GrantStore } from '../../src/app/ports/grant-store.ts';
import type { Locks } from '../../src/app/ports/locks.ts';
import type { Job, Scheduler } from '../../src/app/ports/scheduler.ts';
import type { Instant } from '../../src/domain/clocks.ts';
import { type Daily, tooMany, tooManyPending } from '../../src/domain/decide/limits.ts';
import { Refusal } from '../../src/domain/errors.ts';
import { awaitsReview, type Grant, hasEnded } from '../../src/domain/grant/grant.ts';
import { askedFor, stands, summaryOf } from '../../src/domain/grant/summary.ts';
import type { Person } from '../../src/domain/people/people.ts';
import { isSamePerson } from '../../src/domain/policy/identity.ts';

/** A clock that stands still until it is told. */
export function manualClock(
  start: Instant = Date.UTC(2026, 0, 5, 9),
): Clock & { set(at: Instant): void; pass(seconds: number): void; distrust(doubt: string | null): void } {
  let now = start;
  let doubt: string | null = null;
  return {
    now: () => now,
    doubt: () => doubt,
    distrust: (why) => {
      doubt = why;
    },
    set: (at) => {
      now = at;
    },
    pass: (seconds) => {
      now += seconds * 1000;
    },
  };
}

/** Grants in memory; held by the same contract suite as those in Redis. `say` gets the entry of a change in the very step of it. */
export function memoryStore(
  clock: Pick<Clock, 'now'> = { now: () => Date.now() },
  say: (entry: AuditEntry) => void = () => {},
): GrantStore {
  const records = new Map<string, string>();
  const once = new Map<string, Instant>();
  const numbers = new Map<string, { readonly number: number; readonly until: Instant }>();
  const lastNumber = (key: string): number => {
    const { number, until } = numbers.get(key) ?? { number: 0, until: 0 };
    return clock.now() < until ? number : 0;
  };
  const due = new Map<string, Instant>();
  const dueOf = ({ state, expiresAt }: Grant) => (state === 'active' ? expiresAt : null);
  const place = (grant: Grant) => {
    const at = dueOf(grant);
    if (at === null) due.delete(grant.id);
    else due.set(grant.id, at);
  };
  const open = () =>
    [...records.keys()].map((id) => read(id)).filter((grant) => grant !== null && !hasEnded(grant.state)) as Grant[];
  const read = (id: string): Grant | null => {
    const stored = records.get(id);
    return stored === undefined ? null : (JSON.parse(stored) as Grant);
  };
  const ofPerson = (person: Pick<Person, 'slackId' | 'user'>) =>
    open().filter(({ requester }) => isSamePerson(requester, person));
  /** When the policy itself approved what, by profile and account or user. */
  const approved = new Map<string, Map<string, Instant>>();
  const approvedOf = (requester: Pick<Person, 'slackId' | 'user'>, profile: string, what = 'approved') =>
    [requester.slackId, requester.user.toLowerCase()].map((who) => {
      const key = `${what} ${profile} ${who}`;
      const ids = approved.get(key) ?? new Map<string, Instant>();
      approved.set(key, ids);
      return ids;
    });
  const since = (all: readonly ReadonlyMap<string, Instant>[], from: Instant) =>
    [...new Map(all.flatMap((ids) => [...ids]))]
      .filter(([, at]) => at >= from)
      .toSorted(([, a], [, b]) => a - b)
      .map(([id]) => id);
  /** False: it would be one more than the day's last. */
  const isSpent = ({ id }: Grant, all: ReturnType<typeof approvedOf>, daily: Daily | null | undefined): boolean =>
    daily?.most != null && since(all, daily.since).filter((other) => other !== id).length >= daily.most;
  const count = ({ id }: Grant, all: ReturnType<typeof approvedOf>, daily: Daily | null | undefined) => {
    if (daily != null) for (const ids of all) ids.set(id, daily.at);
  };
  // A turn of the event loop between reading and writing, so that a race that Redis would show is shown here too.
  const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
  const store = (grant: Grant, noting?: Noting): boolean => {
    if (records.has(grant.id)) return false;
    records.set(grant.id, JSON.stringify(grant));
    place(grant);
    if (noting !== undefined) say(noting(grant));
    return true;
  };
  return {
    async create(grant, noting) {
      await turn();
      return store(grant, noting);
    },
    async request(grant, noting, bounds) {
      await turn();
      if (records.has(grant.id)) return { is: 'taken' };
      const { requester, profile, createdAt } = grant;
      const mine = ofPerson(requester);
      const same = mine.find((one) => askedFor(one) === askedFor(grant) && stands(one, createdAt));
      if (bounds.once && same !== undefined) return { is: 'asked', id: same.id };
      if (mine.filter(({ state }) => state === 'pending').length >= bounds.pending) throw tooManyPending();
      const ofProfile = (all: readonly Grant[]) => all.filter((one) => one.profile === profile).length;
      if (bounds.openPerPerson !== null && ofProfile(mine) >= bounds.openPerPerson)
        throw tooMany('openPerPerson', profile, bounds.openPerPerson);
      if (bounds.open !== null && ofProfile(open()) >= bounds.open) throw tooMany('open', profile, bounds.open);
      const automatic = approvedOf(requester, profile, grant.breakGlass ? 'broken' : 'approved');
      const asked = approvedOf(requester, profile, 'requested');
      if (isSpent(grant, asked, bounds.asked)) throw tooMany('perPersonADay', profile, bounds.asked?.most ?? 0);
      if (isSpent(grant, automatic, bounds.automatic)) return { is: 'spent' };
      count(grant, automatic, bounds.automatic);
      count(grant, asked, bounds.asked);
      store(grant, noting);
      return { is: 'made' };
    },
    async approvedSince(how, person, profile, from) {
      await turn();
      return since(approvedOf(person, profile, how === 'breakGlass' ? 'broken' : 'approved'), from);
    },
    async requestedBy(person) {
      await turn();
      return ofPerson(person).map(summaryOf);
    },
    async endedOf(person) {
      await turn();
      return [...records.keys()]
        .flatMap((id) => read(id) ?? [])
        .filter(({ state, requester }) => hasEnded(state) && isSamePerson(requester, person))
        .toSorted((one, other) => (other.endedAt ?? 0) - (one.endedAt ?? 0))
        .slice(0, 10);
    },
    async get(id) {
      await turn();
      return read(id);
    },
    async change(id, mutate, noting, automatic) {
      for (;;) {
        const stored = records.get(id);
        const grant = read(id);
        await turn();
        if (stored === undefined || grant === null) return null;
        const next = mutate(grant);
        if (next === null) return { grant, changed: false };
        if (records.get(id) !== stored) continue;
        const [before, after] = [dueOf(grant), dueOf(next)];
        if (before !== null && after !== null && before !== after && !due.has(id))
          throw new Refusal('state', `${id} has reached its end.`);
        const all = approvedOf(grant.requester, grant.profile);
        if (isSpent(grant, all, automatic)) return { grant, changed: false };
        count(grant, all, automatic);
        const written = JSON.stringify({ ...next, id: grant.id, revision: grant.revision + 1 });
        records.set(id, written);
        const changed = JSON.parse(written) as Grant;
        if (before !== after) place(changed);
        if (noting !== undefined) say(noting(changed));
        return { grant: changed, changed: true };
      }
    },
    async *summaries(which) {
      const listed = open()
        .map(summaryOf)
        .filter(({ state }) => which === undefined || (state === 'pending') === (which === 'pending'));
      // As Redis does: in portions, and one may come twice.
      for (const summary of [...listed, ...listed.slice(0, 1)]) {
        await turn();
        yield [summary];
      }
    },
    async records(ids) {
      await turn();
      return open().filter((grant) => ids.includes(grant.id));
    },
    async open(which) {
      await turn();
      return open().filter((grant) => which(summaryOf(grant)));
    },
    async unreviewed() {
      await turn();
      return [...records.keys()].flatMap((id) => read(id) ?? []).filter(awaitsReview);
    },
    async takeDue(now, most) {
      await turn();
      const ids = [...due]
        .filter(([, at]) => at <= now)
        .toSorted(([, a], [, b]) => a - b)
        .slice(0, most)
        .map(([id]) => id);
      for (const id of ids) due.delete(id);
      return ids.flatMap((id) => open().filter((grant) => grant.id === id)).map(summaryOf);
    },
    async nextDue() {
      await turn();
      return due.size === 0 ? null : Math.min(...due.values());
    },
    async firstTime(key, seconds) {
      await turn();
      const until = once.get(key) ?? 0;
      if (clock.now() < until) return false;
      once.set(key, clock.now() + seconds * 1000);
      return true;
    },
    async takeNumber(key, seconds) {
      await turn();
      const number = lastNumber(key) + 1;
      numbers.set(key, { number, until: clock.now() + seconds * 1000 });
      return number;
    },
    async lastNumber(key) {
      await turn();
      return lastNumber(key);
    },
  };
}

/** Locks within this process: whoever comes later waits for his turn. */
export function memoryLocks(): Locks {
  const turns = new Map<string, Promise<unknown>>();
  return {
    async exclusively(id, work) {
      const before = turns.get(id) ?? Promise.resolve();
      const mine = before.then(work, work);
      turns.set(id, mine);
      return mine;
    },
  };
}

export interface MemoryScheduler extends Scheduler {
  /** What is scheduled, earliest first. */
  jobs(): { job: Job; at: Instant }[];
  /** Takes the earliest job that is due, or null. */
  takeDue(): Job | null;
  /**
   * Runs what is due, and what that schedules for now, until nothing is. A job whose handler throws is due again `retryAfter` seconds
   * later.
   */
  runDue(handle: (job: Job) => Promise<void>, retryAfter?: number): Promise<void>;
}

/** A scheduler that runs nothing by itself: the test passes the time. */
export function memoryScheduler(clock: Pick<Clock, 'now'>): MemoryScheduler {
  const scheduled = new Map<string, { job: Job; at: Instant }>();
  const once = new Map<string, Instant>();
  const jobs = () => [...scheduled.values()].toSorted((a, b) => a.at - b.at);
  const takeDue = () => {
    const [first] = jobs();
    if (first === undefined || first.at > clock.now()) return null;
    scheduled.delete(jobKey(first.job));
    return first.job;
  };
  return {
    async schedule(job, at = clock.now()) {
      scheduled.set(jobKey(job), { job, at });
    },
    async cancel(job) {
      scheduled.delete(jobKey(job));
    },
    async scheduleOnce(job, key, seconds) {
      if (clock.now() < (once.get(key) ?? 0)) return false;
      once.set(key, clock.now() + seconds * 1000);
      scheduled.set(jobKey(job), { job, at: clock.now() });
      return true;
    },
    async forget(key) {
      once.delete(key);
    },
    unscheduled: async (wanted) =>
      wanted.flatMap(({ job, at }, i) => (scheduled.get(jobKey(job))?.at === at ? [] : [i])),
    jobs,
    takeDue,
    async runDue(handle, retryAfter = 1) {
      for (let job = takeDue(); job !== null; job = takeDue())
        try {
          await handle(job);
        } catch {
          if (!scheduled.has(jobKey(job))) scheduled.set(jobKey(job), { job, at: clock.now() + retryAfter * 1000 });
        }
    },
  };
}
