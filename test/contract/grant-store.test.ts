import * as fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { auditKeys, readLines } from '../../src/adapters/redis/audit-stream.ts';
import { connectRedis, type RedisClient } from '../../src/adapters/redis/connection.ts';
import { createGrantStore } from '../../src/adapters/redis/grant-store.ts';
import type { AuditEntry } from '../../src/app/ports/audit.ts';
import type { GrantStore } from '../../src/app/ports/grant-store.ts';
import type { Bounds } from '../../src/domain/decide/limits.ts';
import { countApproval, waitingRequest } from '../../src/domain/decide/steps.ts';
import type { Refusal } from '../../src/domain/errors.ts';
import { become, type Grant } from '../../src/domain/grant/grant.ts';
import { type GrantSummary, summaryOf } from '../../src/domain/grant/summary.ts';
import { newGrantId } from '../../src/domain/ids.ts';
import type { Plan } from '../../src/domain/plan/plan.ts';
import { policySchema } from '../../src/domain/policy/schema.ts';
import { auditEntry, auditOn } from '../support/audit.ts';
import { ADA, BEN, sampleGrant, samplePlan, samplePreview } from '../support/grants.ts';
import { memoryStore } from '../support/memory.ts';
import { useRedis } from '../support/redis.ts';
import { silentLog } from '../support/silent-log.ts';

/** Every summary, as it comes. */
async function listed(store: GrantStore, which?: 'pending' | 'not pending'): Promise<GrantSummary[]> {
  const all: GrantSummary[] = [];
  for await (const portion of store.summaries(which)) all.push(...portion);
  return all;
}

/** With a value in every member that may be empty. */
function fullGrant(): Grant {
  const plan = samplePlan({
    role: { kind: 'ClusterRole', name: 'view' },
    network: {
      mode: 'workspace',
      image: 'registry.example.test/toolbox:1',
      command: ['sleep', '3600'],
      ports: [{ port: 8080, protocol: 'TCP' }],
      dns: 'none',
      selector: { matchExpressions: [{ key: 'app', operator: 'In', values: ['checkout'] }] },
      admits: true,
      hostAliases: [{ ip: '10.0.0.7', hostnames: ['checkout'] }],
      strict: false,
      foreign: [],
    },
    preview: samplePreview({
      opens: [
        {
          from: { namespace: 'drawbridge-workspaces', kind: 'Job', name: 'workspace' },
          to: { cidr: '198.51.100.0/24', except: ['198.51.100.7/32'] },
          ports: [{ protocol: 'TCP', from: 8080, to: 8080 }],
          reasons: ['admitted'],
          pluginDependent: true,
        },
      ],
      closes: [],
      notes: ['a note'],
    }),
    persistence: ['reads secrets'],
  });
  const decisions = sampleGrant().decisions.map((one) => ({ ...one, steps: ['owner', 'security'] }));
  const waived = [{ name: 'cost', because: 'up to 15m, in staging' }];
  return sampleGrant({
    plan,
    decisions,
    waived,
    askedAt: 6,
    extension: {
      duration: 600,
      askedAt: 1,
      asks: 2,
      replaces: 300,
      approvals: decisions,
      waived,
    },
    ending: {
      cause: 'revoked',
      since: 2,
      by: BEN,
      note: 'done',
      rightsGoneAt: null,
      policyGoneAt: null,
      workspaceGoneAt: null,
    },
    requester: { ...ADA, groups: [] },
    startsAt: 3,
    expiresAt: 4,
    endedAt: 5,
    message: { channel: 'C0ACCESS001', ts: '1.2' },
    thread: { channel: 'D0ADA', ts: '1.3' },
    workspacePod: 'drawbridge-x',
    remarks: ['a remark'],
  });
}

/** One suite, every implementation: `stores` gives several that share their data, as replicas do. */
function contract(stores: () => GrantStore[], said: () => Promise<{ id: string | null; event: string }[]>) {
  let store: GrantStore;
  let other: GrantStore;
  beforeEach(() => {
    const [first, second] = stores();
    store = first as GrantStore;
    other = second ?? store;
  });
  const fresh = async (change: Partial<Grant> = {}) => {
    const grant = sampleGrant({ id: newGrantId(), ...change });
    expect(await store.create(grant)).toBe(true);
    return grant;
  };
  const remark = (words: string) => (grant: Grant) => ({ ...grant, remarks: [...grant.remarks, words] });

  it('gives back a grant as it was stored, to every replica', async () => {
    const grant = await fresh();
    expect(await other.get(grant.id)).toEqual(grant);
  });

  it('gives back every member', async () => {
    const grant = fullGrant();
    await store.create(grant);
    expect(await other.get(grant.id)).toEqual(grant);
  });

  it('has no grant that nobody stored', async () => {
    expect(await store.get(newGrantId())).toBeNull();
    expect(await store.change(newGrantId(), remark('x'))).toBeNull();
  });

  it('refuses an id that is taken, and leaves its grant alone', async () => {
    const grant = await fresh();
    expect(await other.create(sampleGrant({ id: grant.id, reason: 'another' }))).toBe(false);
    expect(await store.get(grant.id)).toEqual(grant);
  });

  it('of many that create the same id, exactly one does', async () => {
    const id = newGrantId();
    const made = await Promise.all(
      Array.from({ length: 20 }, (_, i) => (i % 2 ? store : other).create(sampleGrant({ id, reason: `${i}` }))),
    );
    expect(made.filter(Boolean)).toHaveLength(1);
    expect((await store.get(id))?.reason).toBe(String(made.indexOf(true)));
  });

  describe('of requests of one person', () => {
    let people = 0;
    const somebody = () => ({ ...sampleGrant().requester, slackId: `U0P${people}`, user: `p${people++}@example.test` });
    const requested = (grant: Grant) => auditEntry('requested', { id: grant.id });
    const bounds: Bounds = { once: true, pending: 10, openPerPerson: null, open: null, asked: null, automatic: null };
    let targets = 0;
    /** A request for another workload each time, unless the change says otherwise. */
    const another = (requester: Grant['requester'], change: Partial<Grant> = {}, bound: Partial<Plan> = {}) => {
      const target = { namespace: 'staging', workload: { kind: 'Deployment', name: `checkout-${targets++}` } } as const;
      const plan = samplePlan({ user: requester.user, target, ...bound });
      return sampleGrant({ id: newGrantId(), requester, plan, target: plan.target, ...change });
    };
    const answerOf = (asked: Promise<{ readonly is: string; readonly id?: string }>) =>
      asked.then(
        ({ is, id }) => id ?? is,
        (error: unknown) => (error as Refusal).rule,
      );
    const ask = (requester: Grant['requester'], by: GrantStore) =>
      by.request(another(requester), requested, bounds).then(
        ({ is }) => is === 'made',
        (error: unknown) => (error as Error).message,
      );
    const REFUSED = 'You have 10 requests waiting.';

    it('ten wait and no more, however many come at once', async () => {
      const requester = somebody();
      const asked = await Promise.all(Array.from({ length: 30 }, (_, i) => ask(requester, i % 2 ? store : other)));
      expect(asked.filter((answer) => answer === true)).toHaveLength(10);
      expect(asked.filter((answer) => answer === REFUSED)).toHaveLength(20);
      expect(await other.requestedBy(requester)).toHaveLength(10);
      expect(await ask(somebody(), store)).toBe(true);
    });

    it('one that waits no more makes room, one that was adopted is not refused', async () => {
      const requester = somebody();
      for (let i = 0; i < 10; i++) await ask(requester, store);
      const [first, second] = await store.requestedBy(requester);
      expect(await ask(requester, other)).toBe(REFUSED);
      expect(await store.create(sampleGrant({ id: newGrantId(), requester }))).toBe(true);
      expect(await ask(requester, other)).toBe(REFUSED);
      for (const id of [first?.id ?? '', second?.id ?? ''])
        await store.change(id, (g) => become(g, id === first?.id ? 'denied' : 'approved'));
      expect((await other.requestedBy(requester)).map(({ state }) => state).toSorted()).toEqual([
        'approved',
        ...Array.from({ length: 9 }, () => 'pending'),
      ]);
      expect(await ask(requester, other)).toBe(true);
      expect(await ask(requester, other)).toBe(REFUSED);
    });

    it('counts them by the account and by the Kubernetes user, each once', async () => {
      const one = somebody();
      const moved = { ...one, user: `${one.user}.new` };
      const second = { ...one, slackId: `${one.slackId}B`, user: one.user.toUpperCase() };
      for (const requester of [one, moved, second, one, moved, second, one, moved, second])
        expect(await ask(requester, store)).toBe(true);
      expect(await ask(one, store)).toBe(true);
      expect(await ask(one, other)).toBe(REFUSED);
      expect(await other.requestedBy(one)).toHaveLength(10);
      expect(await other.requestedBy(moved)).toHaveLength(7);
    });

    it('what has ended is found again by account and by user, the last first, ten at most', async () => {
      const requester = somebody();
      const ended: string[] = [];
      for (let i = 0; i < 12; i++) {
        const grant = another(requester);
        await store.request(grant, requested, { ...bounds, once: false, pending: 100 });
        if (i === 0) expect(await other.endedOf(requester)).toEqual([]);
        await store.change(grant.id, (g) => become(g, 'denied', { endedAt: 1_700_000_000_000 + i }));
        ended.unshift(grant.id);
      }
      const found = async (who: Grant['requester']) => (await other.endedOf(who)).map(({ id }) => id);
      expect(await found(requester)).toEqual(ended.slice(0, 10));
      expect(await found({ ...requester, slackId: 'U0ELSE', user: requester.user.toUpperCase() })).toEqual(
        ended.slice(0, 10),
      );
      expect(await found(somebody())).toEqual([]);
    });

    it('a limit that is reached stores nothing, and says nothing', async () => {
      const requester = somebody();
      for (let i = 0; i < 10; i++) await ask(requester, store);
      const grant = another(requester);
      await expect(store.request(grant, requested, bounds)).rejects.toMatchObject({ name: 'Refusal', rule: 'pending' });
      expect(await store.get(grant.id)).toBeNull();
      expect((await said()).filter(({ id }) => id === grant.id)).toEqual([]);
    });

    it('one whose id is taken leaves the other alone', async () => {
      const grant = another(somebody());
      expect(await store.request(grant, requested, bounds)).toEqual({ is: 'made' });
      expect(await other.request({ ...grant, reason: 'another' }, requested, bounds)).toEqual({ is: 'taken' });
      expect(await store.get(grant.id)).toEqual(grant);
    });

    describe('that the policy itself approves', () => {
      const DAY = Date.UTC(2026, 0, 5);
      const by = (requester: Grant['requester'], profile = 'debug') =>
        another(requester, { profile, approvalsNeeded: 0 });
      const daily = (most: number | null, at = DAY + 1000, since = DAY) => ({
        ...bounds,
        pending: 100,
        automatic: { since, at, most },
      });

      it('so many a day are made and no more, however many come at once; none of the others is stored or said', async () => {
        const requester = somebody();
        const grants = Array.from({ length: 12 }, () => by(requester));
        const asked = await Promise.all(
          grants.map((grant, i) => (i % 2 ? store : other).request(grant, requested, daily(3, DAY + i))),
        );
        expect(asked.filter(({ is }) => is === 'made')).toHaveLength(3);
        expect(asked.filter(({ is }) => is === 'spent')).toHaveLength(9);
        const made = grants.filter((_, i) => asked[i]?.is === 'made').map(({ id }) => id);
        expect(await other.approvedSince('automatic', requester, 'debug', DAY)).toEqual(made);
        const ids = new Set(grants.map(({ id }) => id));
        expect((await said()).filter(({ id }) => ids.has(id ?? ''))).toHaveLength(3);
        expect((await other.requestedBy(requester)).map(({ id }) => id).toSorted()).toEqual(made.toSorted());
      });

      it('they are counted for each profile and person, by account and by user, since the day began', async () => {
        const requester = somebody();
        const first = by(requester);
        expect(await store.request(first, requested, daily(1))).toEqual({ is: 'made' });
        const moved = { ...requester, user: `${requester.user}.new` };
        const second = { ...requester, slackId: `${requester.slackId}B`, user: requester.user.toUpperCase() };
        for (const same of [requester, moved, second])
          expect(await other.request(by(same), requested, daily(1))).toEqual({ is: 'spent' });
        expect(await other.request(by(requester, 'view'), requested, daily(1))).toEqual({ is: 'made' });
        expect(await other.request(by(somebody()), requested, daily(1))).toEqual({ is: 'made' });
        // What was before midnight is of another day, and what was at midnight of this one.
        expect(await store.request(by(requester), requested, daily(1, DAY + 1002, DAY + 1001))).toEqual({ is: 'made' });
        expect(await store.request(by(requester), requested, daily(2, DAY + 1003, DAY + 1000))).toEqual({
          is: 'spent',
        });
        expect(await other.approvedSince('automatic', requester, 'debug', DAY + 1001)).toHaveLength(1);
        expect(await other.approvedSince('automatic', requester, 'debug', DAY)).toHaveLength(2);
      });

      it('what is only counted limits nothing, and counts for what does', async () => {
        const requester = somebody();
        for (let i = 0; i < 3; i++)
          expect(await store.request(by(requester), requested, daily(null))).toEqual({ is: 'made' });
        expect(await store.request(by(requester), requested, daily(3))).toEqual({ is: 'spent' });
        expect(await store.request(by(requester), requested, bounds)).toEqual({ is: 'made' });
        expect(await store.approvedSince('automatic', requester, 'debug', DAY)).toHaveLength(3);
      });

      it('breaking the glass is counted beside it: neither counts for the other', async () => {
        const requester = somebody();
        const glass = () => ({ ...by(requester), breakGlass: { review: null } });
        expect(await store.request(by(requester), requested, daily(1))).toEqual({ is: 'made' });
        const broken = glass();
        expect(await store.request(broken, requested, daily(1))).toEqual({ is: 'made' });
        expect(await other.request(glass(), requested, daily(1))).toEqual({ is: 'spent' });
        expect(await other.approvedSince('breakGlass', requester, 'debug', DAY)).toEqual([broken.id]);
        expect(await other.approvedSince('automatic', requester, 'debug', DAY)).toHaveLength(1);
      });

      it('a longer window counts once with its grant, and is not made when the day’s last is given', async () => {
        const requester = somebody();
        const [counted, uncounted] = [by(requester), by(requester)];
        await store.request(counted, requested, daily(1));
        await store.request(uncounted, requested, bounds);
        const { automatic } = daily(1, DAY + 2000);
        const longer = (grant: Grant, on: GrantStore) => on.change(grant.id, remark('longer'), requested, automatic);
        expect(await longer(counted, other)).toMatchObject({ changed: true });
        expect(await longer(uncounted, other)).toMatchObject({ changed: false, grant: { remarks: [] } });
        expect((await store.get(uncounted.id))?.revision).toBe(0);
        expect(await store.approvedSince('automatic', requester, 'debug', DAY)).toEqual([counted.id]);
        expect((await said()).filter(({ id }) => id === uncounted.id)).toHaveLength(1);
      });
    });

    it('break-glass access that has ended is kept and listed until it has its review', async () => {
      const glass = { ...sampleGrant({ id: newGrantId(), state: 'ending' }), breakGlass: { review: null } };
      await store.create(glass);
      const open = async () => (await other.unreviewed()).filter(({ id }) => id === glass.id);
      expect(await open()).toEqual([]);
      await store.change(glass.id, (grant) => become(grant, 'expired'));
      expect(await open()).toHaveLength(1);
      const review = { verdict: 'accepted', by: BEN, at: 1, rule: 'r', note: '' } as const;
      await other.change(glass.id, (grant) => ({ ...grant, breakGlass: { review } }));
      expect(await open()).toEqual([]);
      expect((await store.get(glass.id))?.breakGlass).toEqual({ review });
    });

    describe('a limit of the profile', () => {
      let profiles = 0;
      const profile = () => `limited-${profiles++}`;
      const at = Date.UTC(2026, 0, 5, 9);
      const today = (most: number, now = at) => ({ ...bounds, asked: { since: Date.UTC(2026, 0, 5), at: now, most } });

      it('for a person holds however many come at once; what ends makes room', async () => {
        const [requester, name] = [somebody(), profile()];
        const two = { ...bounds, openPerPerson: 2 };
        const asked = await Promise.all(
          Array.from({ length: 8 }, (_, i) =>
            answerOf((i % 2 ? store : other).request(another(requester, { profile: name }), requested, two)),
          ),
        );
        const rule = `profiles.${name}.limits.openPerPerson`;
        expect(asked.toSorted()).toEqual(['made', 'made', ...Array.from({ length: 6 }, () => rule)]);
        const mine = await store.requestedBy(requester);
        await store.change(mine[0]?.id ?? '', (g) => become(g, 'approved'));
        const once = (who = requester, of = name) =>
          answerOf(other.request(another(who, { profile: of }), requested, two));
        // What is approved is open all the same; other profiles and people have their own.
        expect(await once()).toBe(rule);
        expect([await once(requester, profile()), await once(somebody())]).toEqual(['made', 'made']);
        await store.change(mine[1]?.id ?? '', (g) => become(g, 'denied'));
        expect([await once(), await once()]).toEqual(['made', rule]);
      });

      it('for everybody holds however many come at once, and counts what came before it and from elsewhere', async () => {
        const name = profile();
        const adopted = another(somebody(), { profile: name, state: 'active', startsAt: 1, expiresAt: 2 });
        await store.create(adopted);
        expect(await answerOf(other.request(another(somebody(), { profile: name }), requested, bounds))).toBe('made');
        const four = { ...bounds, open: 4 };
        const asked = await Promise.all(
          Array.from({ length: 8 }, (_, i) =>
            answerOf((i % 2 ? store : other).request(another(somebody(), { profile: name }), requested, four)),
          ),
        );
        const rule = `profiles.${name}.limits.open`;
        expect(asked.toSorted()).toEqual(['made', 'made', ...Array.from({ length: 6 }, () => rule)]);
        await store.change(adopted.id, (g) => become(g, 'ending'));
        const once = (of = name) => answerOf(other.request(another(somebody(), { profile: of }), requested, four));
        expect([await once(), await once(profile())]).toEqual([rule, 'made']);
        await store.change(adopted.id, (g) => become(g, 'expired'));
        expect([await once(), await once()]).toEqual(['made', rule]);
      });

      it('of a day holds however many come at once, whatever comes of them, until the next', async () => {
        const [requester, name] = [somebody(), profile()];
        const once = (counted: Bounds, who = requester) =>
          answerOf((targets % 2 ? store : other).request(another(who, { profile: name }), requested, counted));
        const asked = await Promise.all(Array.from({ length: 8 }, () => once(today(3))));
        const rule = `profiles.${name}.limits.perPersonADay`;
        expect(asked.toSorted()).toEqual(['made', 'made', 'made', ...Array.from({ length: 5 }, () => rule)]);
        for (const { id } of await store.requestedBy(requester)) await store.change(id, (g) => become(g, 'denied'));
        expect(await once(today(3))).toBe(rule);
        expect(await once(today(3), { ...requester, user: `${requester.user}.new` })).toBe(rule);
        expect(await once(today(3), somebody())).toBe('made');
        const tomorrow = { ...bounds, asked: { since: Date.UTC(2026, 0, 6), at: Date.UTC(2026, 0, 6), most: 1 } };
        expect([await once(tomorrow), await once(tomorrow)]).toEqual(['made', rule]);
      });

      it('that is not set counts nothing', async () => {
        const [requester, name] = [somebody(), profile()];
        for (let i = 0; i < 5; i++)
          expect(await answerOf(store.request(another(requester, { profile: name }), requested, bounds))).toBe('made');
        expect(await answerOf(store.request(another(requester, { profile: name }), requested, today(1)))).toBe('made');
      });
    });

    describe('the same', () => {
      const plan = { target: { namespace: 'staging', workload: { kind: 'Deployment', name: 'same' } } } as const;
      const same = (requester: Grant['requester'], change: Partial<Grant> = {}, bound: Partial<Plan> = {}) =>
        another(requester, change, { ...plan, ...bound });
      const once = (grant: Grant, by = other) => answerOf(by.request(grant, requested, bounds));

      it('is asked once: of many at the same moment one is made, and answers for all', async () => {
        const requester = somebody();
        const grants = Array.from({ length: 30 }, (_, i) => same(requester, { reason: `${i}`, duration: 60 + i }));
        const asked = await Promise.all(grants.map((grant, i) => once(grant, i % 2 ? store : other)));
        const made = grants.filter((_, i) => asked[i] === 'made').map(({ id }) => id);
        expect(made).toHaveLength(1);
        expect(new Set(asked)).toEqual(new Set(['made', made[0]]));
        expect((await store.requestedBy(requester)).map(({ id }) => id)).toEqual(made);
        expect((await said()).filter(({ id }) => grants.some((grant) => grant.id === id))).toHaveLength(1);
      });

      it.each<[string, (grant: Grant) => Grant | null, boolean]>([
        ['waits', () => null, true],
        ['is approved', (g) => become(g, 'approved'), true],
        ['is active', (g) => ({ ...g, state: 'active', expiresAt: g.createdAt + 60_000 }), true],
        ['is at its end', (g) => ({ ...g, state: 'active', expiresAt: g.createdAt }), false],
        ['waits for too long', (g) => ({ ...g, pendingUntil: g.createdAt }), false],
        ['is being ended', (g) => ({ ...g, state: 'ending' }), false],
        ['was denied', (g) => become(g, 'denied'), false],
        ['was withdrawn', (g) => become(g, 'cancelled'), false],
        ['timed out', (g) => become(g, 'timed-out'), false],
      ])('that %s answers for it: %s', async (_what, change, answers) => {
        const requester = somebody();
        const createdAt = Date.UTC(2026, 0, 5, 9);
        const first = same(requester, { createdAt, pendingUntil: createdAt + 60_000 });
        await store.request(first, requested, bounds);
        await store.change(first.id, change);
        expect(await once(same(requester, { createdAt }))).toBe(answers ? first.id : 'made');
      });

      it.each<[string, Partial<Grant>, Partial<Plan>, boolean]>([
        ['for longer, for another reason', { duration: 7200, reason: 'another' }, {}, true],
        ['by the name of a Service', {}, { target: { ...plan.target, service: 'shop' } }, true],
        ['after the policy or the pods have changed', {}, { profileDigest: 'q'.repeat(64), pods: ['x'] }, true],
        ['with fewer rights', {}, { rights: ['logs'] }, false],
        ['in another namespace', {}, { target: { ...plan.target, namespace: 'payments' } }, false],
        [
          'of another kind',
          {},
          { target: { namespace: 'staging', workload: { kind: 'StatefulSet', name: 'same' } } },
          false,
        ],
        ['of the whole namespace', {}, { target: { namespace: 'staging' } }, false],
        ['of another profile', { profile: 'view' }, {}, false],
        ['as another Kubernetes user', {}, { user: 'new@example.test' }, false],
      ])('is asked for %s: %s', async (_what, change, bound, isSame) => {
        const requester = somebody();
        const first = same(requester, {}, { rights: ['logs', 'exec'] });
        await store.request(first, requested, bounds);
        const second = same(requester, change, { rights: ['exec', 'logs'], ...bound });
        expect(await once(second)).toBe(isSame ? first.id : 'made');
      });

      it('comes before a limit that is reached', async () => {
        const requester = somebody();
        const first = same(requester);
        await store.request(first, requested, bounds);
        const one = { ...bounds, pending: 1, openPerPerson: 1 };
        expect(await answerOf(other.request(same(requester), requested, one))).toBe(first.id);
        expect(await answerOf(other.request(another(requester), requested, one))).toBe('pending');
      });

      it('by a second account of the same user is one; of somebody else it is not', async () => {
        const requester = somebody();
        const first = same(requester);
        await store.request(first, requested, bounds);
        expect(await once(same({ ...requester, slackId: `${requester.slackId}B` }))).toBe(first.id);
        expect(
          await once(same({ ...requester, slackId: `${requester.slackId}C`, user: requester.user.toUpperCase() })),
        ).toBe(first.id);
        expect(await once(same(somebody()))).toBe('made');
      });
    });
  });

  it('changes a grant and counts its revision', async () => {
    const grant = await fresh();
    const change = await store.change(grant.id, remark('one'));
    expect(change).toEqual({ changed: true, grant: { ...grant, revision: 1, remarks: ['one'] } });
    expect(await other.get(grant.id)).toEqual(change?.grant);
  });

  it('leaves a grant alone when the mutator says null, and tells so', async () => {
    const grant = await fresh();
    expect(await store.change(grant.id, () => null)).toEqual({ changed: false, grant });
    expect(await store.get(grant.id)).toEqual(grant);
  });

  it('records what is said of a change, made of the grant as it is then, once and only where it was made', async () => {
    const grant = sampleGrant({ id: newGrantId() });
    const noting = (now: Grant) => auditEntry(`${now.remarks.length} at ${now.revision}`, { id: now.id });
    await Promise.all([store, other, store].map((s) => s.create(grant, noting)));
    await store.change(grant.id, () => null, noting);
    await store.change(newGrantId(), remark('x'), noting);
    await Promise.all(
      Array.from({ length: 9 }, (_, i) => (i % 2 ? store : other).change(grant.id, remark('x'), noting)),
    );
    const events = (await said()).filter(({ id }) => id === grant.id).map(({ event }) => event);
    expect(events.toSorted()).toEqual(Array.from({ length: 10 }, (_, i) => `${i} at ${i}`));
  });

  it('leaves a grant alone when the mutator throws, and throws the same', async () => {
    const grant = await fresh();
    const refusal = new Error('no');
    await expect(
      store.change(grant.id, () => {
        throw refusal;
      }),
    ).rejects.toBe(refusal);
    expect(await store.get(grant.id)).toEqual(grant);
  });

  it('does not let a mutator change the id or choose the revision', async () => {
    const grant = await fresh();
    const change = await store.change(grant.id, (g) => ({ ...g, id: 'g-aaaaaa', revision: 99 }));
    expect(change?.grant).toMatchObject({ id: grant.id, revision: 1 });
  });

  it('loses no change: of N concurrent changers each counts once', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 12 }), async (changers) => {
        const grant = await fresh();
        const changes = await Promise.all(
          Array.from({ length: changers }, (_, i) => (i % 2 ? store : other).change(grant.id, remark(`${i}`))),
        );
        expect(changes.map((c) => c?.grant.revision).toSorted((a, b) => (a ?? 0) - (b ?? 0))).toEqual(
          Array.from({ length: changers }, (_, i) => i + 1),
        );
        const after = await store.get(grant.id);
        expect(after?.revision).toBe(changers);
        expect(after?.remarks.toSorted()).toEqual(Array.from({ length: changers }, (_, i) => `${i}`).toSorted());
      }),
      { numRuns: 15 },
    );
  });

  it('two clicks make one transition', async () => {
    const grant = await fresh();
    const approve = (g: Grant) => (g.state === 'pending' ? become(g, 'approved') : null);
    const clicks = await Promise.all([store.change(grant.id, approve), other.change(grant.id, approve)]);
    expect(clicks.filter((c) => c?.changed)).toHaveLength(1);
    expect(clicks.map((c) => c?.grant.state)).toEqual(['approved', 'approved']);
  });

  describe('of people who decide at the same moment', () => {
    const steps = [
      { name: 'owner', from: { users: ['ben@example.test'] } },
      { name: 'security', from: { users: ['cy@example.test'] } },
    ];
    const profile = policySchema.parse({
      version: 1,
      identity: {},
      administrators: { users: ['dee@example.test'] },
      approvals: { channel: 'C0ACCESS001' },
      profiles: {
        debug: {
          scope: 'namespace',
          namespaces: ['staging'],
          clusterRole: 'view',
          requesters: { users: ['ada@example.test'] },
          approval: { steps },
          duration: { default: '30m', maximum: '2h' },
        },
      },
    }).profiles['debug'];
    if (profile === undefined) throw new Error('no profile');
    const CY = { ...BEN, slackId: 'U0CY', name: 'Cy', user: 'cy@example.test' };
    const approve = (by: typeof BEN, step: string) => (grant: Grant) => {
      if (grant.state !== 'pending') throw new Error(`is ${grant.state} already`);
      const decision = {
        by,
        verdict: 'approve',
        at: 1,
        rule: '',
        note: '',
        digest: grant.digest,
        steps: [step],
      } as const;
      const counted = countApproval(profile, waitingRequest(grant), [], decision);
      const next = { ...grant, decisions: [...grant.decisions, decision] };
      return counted?.isComplete === true ? become(next, 'approved') : next;
    };
    const deny = (grant: Grant) => {
      if (grant.state !== 'pending') throw new Error(`is ${grant.state} already`);
      return become(grant, 'denied');
    };

    it('the two last approvals approve it once, with both of them on record', async () => {
      for (let run = 0; run < 10; run++) {
        const { id } = await fresh({ decisions: [], approvalsNeeded: 2 });
        const clicks = await Promise.all([
          store.change(id, approve(BEN, 'owner')),
          other.change(id, approve(CY, 'security')),
        ]);
        expect(clicks.filter((click) => click?.grant.state === 'approved')).toHaveLength(1);
        const after = await store.get(id);
        expect([after?.state, after?.decisions.length, after?.revision]).toEqual(['approved', 2, 2]);
      }
    });

    it('a denial and the last approval come to one of the two, and the other is told which', async () => {
      for (let run = 0; run < 10; run++) {
        const { id } = await fresh({ decisions: [], approvalsNeeded: 2 });
        await store.change(id, approve(BEN, 'owner'));
        const clicks = await Promise.allSettled([store.change(id, deny), other.change(id, approve(CY, 'security'))]);
        const state = (await store.get(id))?.state;
        expect(['approved', 'denied']).toContain(state);
        const refused = clicks.flatMap((click) => (click.status === 'rejected' ? [String(click.reason)] : []));
        expect(refused).toEqual([`Error: is ${state} already`]);
      }
    });
  });

  it('lists all of many', async () => {
    const ids = new Set<string>();
    for (let i = 0; i < 100; i++) ids.add((await fresh()).id);
    for (const { id } of await listed(other)) ids.delete(id);
    expect(ids).toEqual(new Set());
  });

  it('lists those that wait, and those that do not, apart', async () => {
    // What people may have in their names passes for no state.
    const imitating = { ...ADA, groups: [], user: '"state":"pending"' };
    const waiting = await fresh();
    const begun = [
      await fresh({ state: 'approved', requester: imitating }),
      await fresh({ state: 'active', startsAt: 1, expiresAt: 2 }),
    ].map(({ id }) => id);
    const ids = async (which: 'pending' | 'not pending') => (await listed(other, which)).map(({ id }) => id);
    expect(await ids('not pending')).toEqual(expect.arrayContaining(begun));
    expect(await ids('not pending')).not.toContain(waiting.id);
    expect(await ids('pending')).toContain(waiting.id);
    for (const id of begun) expect(await ids('pending')).not.toContain(id);
    await store.change(waiting.id, (g) => become(g, 'approved'));
    expect(await ids('not pending')).toContain(waiting.id);
    expect(await ids('pending')).not.toContain(waiting.id);
  });

  it('lists those that have not ended', async () => {
    const pending = await fresh();
    const ended = await fresh();
    await store.change(ended.id, (g) => become(g, 'cancelled'));
    const open = (await other.open(() => true)).map((g) => g.id);
    expect(open).toContain(pending.id);
    expect(open).not.toContain(ended.id);
    expect((await store.get(ended.id))?.state).toBe('cancelled');
  });

  it('tells of each open grant what all are looked at for', async () => {
    const grant = await fresh({ target: { namespace: 'payments' } });
    const summary = (s: GrantSummary) => s.id === grant.id;
    expect((await listed(other)).find(summary)).toEqual(summaryOf(grant));
    await store.change(grant.id, (g) => ({ ...g, message: { channel: 'C0ACCESS001', ts: '1.2' } }));
    expect((await listed(other)).find(summary)).toMatchObject({ state: 'pending', posted: true });
    expect((await other.open((s) => s.namespace === 'payments')).map(({ id }) => id)).toContain(grant.id);
    expect((await other.open((s) => s.namespace === 'elsewhere')).map(({ id }) => id)).not.toContain(grant.id);
    await store.change(grant.id, (g) => become(g, 'denied'));
    expect((await listed(other)).find(summary)).toBeUndefined();
  });

  describe('of grants that are due', () => {
    /** Far from what other tests leave in the store. */
    let from = 1_000_000;
    const due = async (expiresAt: number) => {
      const grant = await fresh({ state: 'applying', startsAt: 0, expiresAt });
      await store.change(grant.id, (g) => become(g, 'active'));
      return grant.id;
    };
    const taken = async (by: GrantStore, now: number, most = 1000) => (await by.takeDue(now, most)).map(({ id }) => id);
    beforeEach(async () => {
      await store.takeDue(from + 1000, 1000);
      from += 1000;
    });

    it('each is handed to one replica alone, the earliest first', async () => {
      const [late, early, later] = [await due(from + 20), await due(from + 10), await due(from + 30)];
      expect(await store.nextDue()).toBe(from + 10);
      expect(await taken(store, from + 9)).toEqual([]);
      expect(await taken(other, from + 25, 1)).toEqual([early]);
      const all = await Promise.all([store, other, store].map((s) => taken(s, from + 25)));
      expect(all.flat()).toEqual([late]);
      expect(await store.nextDue()).toBe(from + 30);
      expect(await taken(store, from + 30)).toEqual([later]);
    });

    it('an extension moves it, and is refused once its end was claimed', async () => {
      const id = await due(from + 10);
      const longer = (by: number) => (g: Grant) => become(g, 'active', { expiresAt: (g.expiresAt ?? 0) + by });
      await store.change(id, longer(30));
      expect(await taken(other, from + 39)).toEqual([]);
      expect(await taken(other, from + 40)).toEqual([id]);
      await expect(store.change(id, longer(30))).rejects.toThrow('has reached its end');
      expect((await store.get(id))?.expiresAt).toBe(from + 40);
      // Whatever else changes does not bring it back.
      await store.change(id, (g) => ({ ...g, remarks: ['followed'] }));
      expect(await taken(other, from + 999)).toEqual([]);
    });

    it('one that is ended before its time is not due any more', async () => {
      const id = await due(from + 10);
      await store.change(id, (g) => become(g, 'ending'));
      expect(await taken(store, from + 999)).toEqual([]);
    });
  });

  it('says a thing once among all replicas, and each thing for itself', async () => {
    const key = newGrantId();
    const said = await Promise.all([store, other, store].map((s) => s.firstTime(key, 60)));
    expect(said.filter(Boolean)).toHaveLength(1);
    expect(await store.firstTime(`${key}.other`, 60)).toBe(true);
  });

  it('gives each number once among all replicas, and tells the last', async () => {
    const key = newGrantId();
    expect(await store.lastNumber(key)).toBe(0);
    const taken = await Promise.all([store, other, store].map((s) => s.takeNumber(key, 60)));
    expect(taken.toSorted()).toEqual([1, 2, 3]);
    expect(await other.lastNumber(key)).toBe(3);
    expect(await store.takeNumber(`${key}.other`, 60)).toBe(1);
  });
}

describe('the grant store in memory', () => {
  const entries: AuditEntry[] = [];
  const store = memoryStore(undefined, (entry) => entries.push(entry));
  contract(
    () => [store],
    async () => entries,
  );
});

describe('the grant store in Redis', () => {
  const redis = useRedis();
  const clients: RedisClient[] = [];
  const log = silentLog();
  const storeOf = (client: RedisClient) =>
    createGrantStore({ redis: client, instance: 'default', log, audit: auditOn(client).audit, portion: 10 });
  beforeAll(async () => {
    for (let i = 0; i < 2; i++) clients.push(await connectRedis(redis().url, { role: 'requests', log }));
  });
  afterAll(() => {
    for (const client of clients) client.disconnect();
  });
  const first = () => clients[0] as RedisClient;

  contract(
    () => clients.map(storeOf),
    async () => {
      const entries: AuditEntry[] = [];
      for await (const { line } of readLines(first(), auditKeys('default').stream))
        entries.push(JSON.parse(line) as AuditEntry);
      return entries;
    },
  );

  it('says a thing again when its time is over', async () => {
    const store = storeOf(first());
    expect(await store.firstTime('soon', 1)).toBe(true);
    expect(await store.firstTime('soon', 1)).toBe(false);
    await expect.poll(() => store.firstTime('soon', 1), { timeout: 5000 }).toBe(true);
  });

  it('begins to count anew when its time is over', async () => {
    const store = storeOf(first());
    await store.takeNumber('counted', 1);
    expect(await store.takeNumber('counted', 1)).toBe(2);
    await expect.poll(() => store.lastNumber('counted'), { timeout: 5000 }).toBe(0);
    expect(await store.takeNumber('counted', 1)).toBe(1);
  });

  it('keeps an ended grant for thirty days, and an open one without end', async () => {
    const store = storeOf(first());
    const grant = sampleGrant({ id: newGrantId() });
    await store.create(grant);
    const key = `{drawbridge:default}:grant:${grant.id}`;
    expect(await first().ttl(key)).toBe(-1);
    await store.change(grant.id, (g) => become(g, 'denied'));
    expect(await first().ttl(key)).toBeGreaterThan(29 * 86_400);
  });

  it('keeps installations apart', async () => {
    const grant = sampleGrant({ id: newGrantId() });
    await storeOf(first()).create(grant);
    const stranger = createGrantStore({ redis: first(), instance: 'other', log, audit: auditOn(first()).audit });
    expect(await stranger.get(grant.id)).toBeNull();
    expect(await stranger.open(() => true)).toEqual([]);
  });

  it('reports a record that can not be read, and gives the others', async () => {
    const store = storeOf(first());
    const good = sampleGrant({ id: newGrantId() });
    const broken = ['g-aaaaaa', 'g-bbbbbb', 'g-cccccc', 'g-dddddd'];
    await store.create(good);
    for (const id of broken) await store.create(sampleGrant({ id }));
    const keys = broken.map((id) => `{drawbridge:default}:grant:${id}`);
    await first().set(keys[0] as string, '{"not json');
    await first().set(keys[1] as string, JSON.stringify({ ...sampleGrant({ id: 'g-bbbbbb' }), state: 'unheard-of' }));
    await first().set(keys[2] as string, JSON.stringify(sampleGrant({ id: 'g-zzzzzz' })));
    await first().del(keys[3] as string);
    log.lines.length = 0;
    const open = (await store.open(() => true)).map((g) => g.id);
    expect(open).toContain(good.id);
    for (const id of broken) expect(open).not.toContain(id);
    expect(await store.get('g-aaaaaa')).toBeNull();
    expect(log.lines.filter((line) => line.level === 'error').map((line) => line.fields.grant)).toEqual(
      expect.arrayContaining(['g-aaaaaa', 'g-bbbbbb', 'g-cccccc']),
    );
  });

  it('leaves a record of a newer version to whoever can read it: not lost, not changed, and people are told', async () => {
    const store = storeOf(first());
    const id = newGrantId();
    await store.create(sampleGrant({ id }));
    const key = `{drawbridge:default}:grant:${id}`;
    const newer = JSON.stringify({ version: 2, id, phase: { name: 'active', of: 'another shape' } });
    await first().set(key, newer);
    const refusal = { name: 'Refusal', rule: 'version', message: expect.stringContaining('newer version') as string };
    await expect(store.get(id)).rejects.toMatchObject(refusal);
    await expect(store.change(id, (g) => ({ ...g, reason: 'mine' }))).rejects.toMatchObject(refusal);
    expect(await store.create(sampleGrant({ id }))).toBe(false);
    log.lines.length = 0;
    expect((await store.open(() => true)).map((g) => g.id)).not.toContain(id);
    expect(log.lines).toContainEqual(expect.objectContaining({ level: 'warn', fields: { grant: id } }));
    expect(await first().get(key)).toBe(newer);
    expect(await first().hexists('{drawbridge:default}:index', id)).toBe(1);
    await first().del(key);
  });

  it('lists what an older version has listed, and what it can not read the summary of', async () => {
    const store = storeOf(first());
    const ids = [newGrantId(), newGrantId()];
    for (const id of ids) await store.create(sampleGrant({ id, state: 'active', startsAt: 1, expiresAt: 2 }));
    const [older = '', strange = ''] = ids;
    await first().hdel('{drawbridge:default}:index', older);
    await first().zrem('{drawbridge:default}:due', older);
    await first().sadd('{drawbridge:default}:open', older);
    await first().hset('{drawbridge:default}:index', strange, '{"id":"g-aaaaaa"}');
    expect((await listed(store, 'not pending')).map(({ id }) => id)).toEqual(expect.arrayContaining(ids));
    expect(await first().exists('{drawbridge:default}:open')).toBe(0);
    expect((await listed(store)).map(({ id }) => id)).toEqual(expect.arrayContaining(ids));
    expect((await store.takeDue(2, 1000)).map(({ id }) => id)).toEqual(expect.arrayContaining(ids));
  });

  describe('the ids of those that are not pending', () => {
    const begunKey = '{drawbridge:default}:begun';
    const notPending = async (store: GrantStore) => (await listed(store, 'not pending')).map(({ id }) => id);
    const active = async (store: GrantStore) => {
      const id = newGrantId();
      await store.create(sampleGrant({ id, state: 'active', startsAt: 1, expiresAt: 2 }));
      return id;
    };

    it('are found anew where they are lost, or were never kept', async () => {
      const store = storeOf(first());
      const id = await active(store);
      const waiting = newGrantId();
      await store.create(sampleGrant({ id: waiting }));
      await first().del(begunKey);
      expect(await notPending(store)).toContain(id);
      expect(await first().smembers(begunKey)).toContain(id);
      expect(await first().smembers(begunKey)).not.toContain(waiting);
      expect(await notPending(store)).toContain(id);
    });

    it('of an older version beside this one are taken up with the next look at what is pending', async () => {
      const store = storeOf(first());
      await notPending(store);
      const id = await active(store);
      await first().srem(begunKey, id);
      expect(await notPending(store)).not.toContain(id);
      await listed(store, 'pending');
      expect(await notPending(store)).toContain(id);
    });

    it('are forgotten when one has ended, also by an older version', async () => {
      const store = storeOf(first());
      await notPending(store);
      const [ours, theirs] = [await active(store), await active(store)];
      await store.change(ours, (g) => become(g, 'ending'));
      await store.change(ours, (g) => become(g, 'expired'));
      expect(await first().smembers(begunKey)).not.toContain(ours);
      await first().hdel('{drawbridge:default}:index', theirs);
      expect(await notPending(store)).not.toContain(theirs);
      expect(await first().smembers(begunKey)).not.toContain(theirs);
    });

    it('do not have one that waits again', async () => {
      const store = storeOf(first());
      await notPending(store);
      const id = newGrantId();
      await store.create(sampleGrant({ id, state: 'approved' }));
      expect(await first().smembers(begunKey)).toContain(id);
      await store.change(id, (g) => ({ ...g, state: 'pending' }));
      expect(await first().smembers(begunKey)).not.toContain(id);
    });

    it('are read in portions', async () => {
      const store = storeOf(first());
      await notPending(store);
      const ids = await Promise.all(Array.from({ length: 25 }, () => active(store)));
      const portions: number[] = [];
      for await (const portion of store.summaries('not pending')) portions.push(portion.length);
      expect(portions.length).toBeGreaterThan(2);
      expect(Math.max(...portions)).toBeLessThanOrEqual(10);
      expect(await notPending(store)).toEqual(expect.arrayContaining(ids));
    });
  });

  it('keeps what a newer version has added', async () => {
    const store = storeOf(first());
    const grant = sampleGrant({ id: newGrantId() });
    const newer = { ...grant, colour: 'red', requester: { ...grant.requester, badge: 7 } };
    await store.create(newer);
    const change = await store.change(grant.id, (g) => ({ ...g, remarks: ['older'] }));
    expect(change?.grant).toMatchObject({ colour: 'red', requester: { badge: 7 }, remarks: ['older'] });
    expect(await store.get(grant.id)).toMatchObject({ colour: 'red', requester: { badge: 7 } });
  });
});
