import { beforeEach, describe, expect, test, vi } from 'vitest';
import { runJob } from '../../../src/app/upkeep/run-job.ts';
import { extensionDigest } from '../../../src/domain/decide/extension.ts';
import { Unavailable } from '../../../src/domain/errors.ts';
import { shortDigest } from '../../../src/domain/plan/plan.ts';
import type { PolicyInput } from '../../../src/domain/policy/schema.ts';
import type { NetworkPolicy } from '../../../src/network/types.ts';
import { appWorld, on, PEOPLE, POLICY } from '../../support/app-world.ts';

const { ada, ben, cy, dot } = PEOPLE;
let app: ReturnType<typeof appWorld>;
beforeEach(() => {
  app = appWorld();
});

const pending = () => app.pending();
const active = () => app.active();
const refusal = (rule: string | RegExp) =>
  expect.objectContaining({ name: 'Refusal', rule: expect.stringMatching(rule) as string });

describe('the journey of a request', () => {
  test('is approved, applied, warned of, and gone at its end; each step is told and audited', async () => {
    const id = await active();
    expect(app.cluster.hasRights(id)).toBe(true);
    app.clock.pass(25 * 60);
    await app.run();
    expect(app.told.map((t) => t.news)).toContain('warning');
    app.clock.pass(5 * 60);
    await app.run();
    expect((await app.grant(id)).state).toBe('expired');
    expect(app.cluster.held.size).toBe(0);
    expect(app.told.at(-1)).toMatchObject({ news: 'ended', state: 'expired' });
    expect(app.audit.map((entry) => entry.event)).toEqual([
      'requested',
      'approval',
      'applying',
      'active',
      'ending',
      'expired',
    ]);
    expect(app.audit.at(-1)).toMatchObject({ lateness: 0 });
    expect(app.cluster.breaches).toEqual([]);
  });

  test('the end is scheduled before anything is in the cluster', async () => {
    const id = await pending();
    const { placeLeases } = app.cluster.access;
    let scheduled: unknown;
    app.cluster.access.placeLeases = async (grant) => {
      scheduled = app.jobs().find(({ job }) => job.kind === 'revoke' && job.id === id);
      await placeLeases(grant);
    };
    await app.useCases.review(ben, id, 'approve', '', await app.seen(id));
    await app.run();
    expect(scheduled).toMatchObject({ at: (await app.grant(id)).expiresAt });
  });

  test('the approval is in the audit before anything is done on it, by this replica or another', async () => {
    const id = await pending();
    const { schedule } = app.world.scheduler;
    let before: string[] = [];
    app.world.scheduler.schedule = async (job, at) => {
      if (job.kind === 'apply') before = app.audit.map((entry) => entry.event);
      await schedule(job, at);
    };
    await app.useCases.review(ben, id, 'approve', '', await app.seen(id));
    expect(before).toEqual(['requested', 'approval']);
  });

  test('is denied, called back or timed out, and then nothing revives it', async () => {
    const denied = await pending();
    await app.useCases.review(ben, denied, 'deny', 'not now', await app.seen(denied));
    const cancelled = await pending();
    await app.useCases.revoke(ada, cancelled, '');
    const late = await pending();
    app.clock.pass(3600);
    await app.run();
    expect([await app.grant(denied), await app.grant(cancelled), await app.grant(late)].map((g) => g.state)).toEqual([
      'denied',
      'cancelled',
      'timed-out',
    ]);
    for (const id of [denied, cancelled, late])
      await expect(app.useCases.review(ben, id, 'approve', '', await app.seen(id))).rejects.toEqual(refusal('state'));
    expect(app.cluster.held.size).toBe(0);
  });

  test('is ended early by the requester, an approver or an administrator, and by nobody else', async () => {
    app.setPolicy({
      ...POLICY,
      profiles: { debug: { ...POLICY.profiles.debug!, approvers: { users: ['ben@example.test'] } } },
    });
    for (const who of [ada, ben, dot]) {
      const id = await active();
      await expect(app.useCases.revoke(cy, id, '')).rejects.toEqual(refusal('revoke'));
      await app.useCases.revoke(who, id, 'done');
      await app.run();
      expect((await app.grant(id)).state).toBe('revoked');
      expect(app.cluster.hasRights(id)).toBe(false);
    }
  });
});

describe('who decides', () => {
  test('not the requester, not a stranger, and each person once', async () => {
    app.setPolicy({ ...POLICY, profiles: { debug: { ...POLICY.profiles.debug!, approvals: 2 } } });
    const { grant } = await app.request(ben);
    await app.run();
    await expect(app.useCases.review(ben, grant.id, 'approve', '', await app.seen(grant.id))).rejects.toEqual(
      refusal('selfApproval'),
    );
    await expect(app.useCases.review(dot, grant.id, 'approve', '', await app.seen(grant.id))).rejects.toEqual(
      refusal('approvers'),
    );
    await app.useCases.review(cy, grant.id, 'approve', '', await app.seen(grant.id));
    await expect(app.useCases.review(cy, grant.id, 'approve', '', await app.seen(grant.id))).rejects.toEqual(
      refusal('approvals'),
    );
    expect((await app.grant(grant.id)).state).toBe('pending');
  });

  test('a second Slack account of the requester is the requester', async () => {
    app.setPolicy({
      ...POLICY,
      identity: { overrides: [{ slack: 'U0ADA2', user: 'ada@example.test' }] },
      profiles: { debug: { ...POLICY.profiles.debug!, approvers: { users: ['ada@example.test', 'U0ADA2'] } } },
    });
    app.accounts.set('U0ADA2', { ...app.accounts.get(ada)!, slackId: 'U0ADA2', email: 'other@example.test' });
    const id = await pending();
    await expect(app.useCases.review('U0ADA2', id, 'approve', '', await app.seen(id))).rejects.toEqual(
      refusal('selfApproval'),
    );
  });

  test('rights are as of the click: an approver who was deactivated or denied since can not decide', async () => {
    const id = await pending();
    app.accounts.set(ben, { ...app.accounts.get(ben)!, deactivated: true });
    await expect(app.useCases.review(ben, id, 'approve', '', await app.seen(id))).rejects.toEqual(
      refusal('deactivated'),
    );
    expect(app.audit.at(-1)).toMatchObject({ event: 'refused', rule: 'identity.deactivated', actor: { slackId: ben } });
    app.setPolicy({ ...POLICY, profiles: { debug: { ...POLICY.profiles.debug!, deny: { groups: ['S0GONE'] } } } });
    await expect(app.useCases.review(cy, id, 'approve', '', await app.seen(id))).rejects.toEqual(
      refusal(/deny.*can't be read/),
    );
  });

  test('a button of another message decides nothing', async () => {
    const id = await pending();
    const other = await app.pending(ada, on('ledger'));
    const { digest } = await app.seen(id);
    const { message } = await app.seen(other);
    await expect(app.useCases.review(ben, id, 'approve', '', { digest, message })).rejects.toEqual(refusal('message'));
  });

  test('a click that is faster than the record of where the message is waits for that, and decides if it is that one', async () => {
    const id = await pending();
    const seen = await app.seen(id);
    const { message } = seen;
    const posted = (at: typeof message) => app.world.store.change(id, (grant) => ({ ...grant, message: at }));
    await posted(null);
    const faster = app.useCases.review(ben, id, 'approve', '', seen);
    const elsewhere = app.useCases.review(cy, id, 'deny', '', { ...seen, message: { channel: 'C0ACCESS', ts: '0' } });
    await posted(message);
    await expect(elsewhere).rejects.toEqual(refusal(/message|state/));
    await expect(faster).resolves.toMatchObject({ grant: { state: 'approved' } });
  });

  test('two clicks at the same time make one grant', async () => {
    const id = await pending();
    const seen = await app.seen(id);
    const outcomes = await Promise.allSettled([
      app.useCases.review(ben, id, 'approve', '', seen),
      app.useCases.review(cy, id, 'approve', '', seen),
    ]);
    expect(outcomes.map((o) => o.status).toSorted((a, b) => a.localeCompare(b))).toEqual(['fulfilled', 'rejected']);
    await app.run();
    expect(app.audit.filter((entry) => entry.event === 'active')).toHaveLength(1);
  });
});

test('what is stored or decided is made of the cluster as it is now, what is only shown of what is known of it', async () => {
  const purposes: string[] = [];
  const { survey } = app.cluster.access;
  app.cluster.access.survey = (target, profile, purpose) => {
    purposes.push(purpose);
    return survey(target, profile, purpose);
  };
  const during = async (work: Promise<unknown>) => {
    purposes.length = 0;
    await work;
    return purposes.join();
  };
  const target = { namespace: 'staging', workload: { kind: 'Deployment', name: 'checkout' } } as const;
  const ask = { profile: 'debug', target, duration: null, reason: 'checkout returns 502' };
  expect(await during(app.useCases.preview(ada, ask))).toBe('shown');
  const { digest } = await app.useCases.preview(ada, ask);
  expect(await during(app.useCases.requestAsShown(ada, ask, digest))).toBe('bound');
  expect(await during(app.request())).toBe('bound');
  const id = await pending();
  expect(await during(app.useCases.inspect(ben, id))).toBe('shown');
  expect(await during(app.useCases.review(ben, id, 'approve', '', await app.seen(id)))).toMatch(/^bound(,bound)*$/);
  await app.run();
  expect((await app.grant(id)).state).toBe('active');
  expect(await during(app.useCases.extend(ada, id, 900))).toMatch(/^bound(,bound)*$/);
});

test('whether a Service is there is learnt by nobody whom the policy does not let ask', async () => {
  const asked: string[] = [];
  const { survey } = app.cluster.access;
  app.cluster.access.survey = (target, profile, purpose) => {
    asked.push(target.namespace ?? '');
    return survey(target, profile, purpose);
  };
  const answers = async (by: string, namespace: string) => {
    const said = async (service: string) =>
      app.request(by, { target: { namespace, service } }).then(
        () => 'taken',
        (error: unknown) => String(error),
      );
    return [await said('shop'), await said('no-such-service')];
  };
  for (const [by, namespace] of [
    [cy, 'staging'],
    [ada, 'payments'],
    [ada, 'kube-system'],
  ] as const) {
    const [there, missing] = await answers(by, namespace);
    expect(there).toMatch(/^Refusal/);
    expect(missing).toBe(there);
  }
  expect(asked).toEqual([]);
});

describe('a plan that changed is asked again, not applied', () => {
  test('when the policy changed between request and approval', async () => {
    const id = await pending();
    app.setPolicy({
      ...POLICY,
      profiles: {
        debug: {
          ...POLICY.profiles.debug!,
          rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get', 'delete'] }],
        },
      },
    });
    const before = await app.grant(id);
    await app.useCases.review(ben, id, 'approve', '', await app.seen(id));
    await app.run();
    const after = await app.grant(id);
    expect(after).toMatchObject({ state: 'pending', approvalsNeeded: 1 });
    expect(after.digest).not.toBe(before.digest);
    expect(app.told.map((t) => t.news)).toContain('asked-again');
    await app.useCases.review(ben, id, 'approve', '', await app.seen(id));
    await app.run();
    expect((await app.grant(id)).state).toBe('active');
  });

  test('when the target is another one by the time it would be applied', async () => {
    const id = await pending();
    await app.useCases.review(ben, id, 'approve', '', await app.seen(id));
    app.cluster.target.uid = 'uid-2';
    await app.run();
    expect((await app.grant(id)).state).toBe('pending');
    expect(app.cluster.held.size).toBe(0);
  });

  test('when the requester is another Kubernetes user by now: that one is shown, asked for, and gets it', async () => {
    const requesters = { users: ['ada@example.test', 'ada.new@example.test'] };
    app.setPolicy({ ...POLICY, profiles: { debug: { ...POLICY.profiles.debug!, requesters } } });
    const id = await pending();
    app.accounts.set(ada, { ...app.accounts.get(ada)!, email: 'ada.new@example.test' });
    await app.useCases.review(ben, id, 'approve', '', await app.seen(id));
    await app.run();
    expect(await app.grant(id)).toMatchObject({
      state: 'pending',
      plan: { user: 'ada.new@example.test' },
      requester: { slackId: ada, user: 'ada.new@example.test' },
    });
  });

  test('and when that user may not ask, the approver is told so and nothing is approved', async () => {
    const id = await pending();
    app.accounts.set(ada, { ...app.accounts.get(ada)!, email: 'ada.new@example.test' });
    const attempt = app.useCases.review(ben, id, 'approve', '', await app.seen(id));
    await expect(attempt).rejects.toThrow(/would not take this request any more/);
    expect((await app.grant(id)).decisions).toEqual([]);
  });

  test('and nobody becomes an approver of their own request by it', async () => {
    const second = 'U0ADA2';
    const user = 'ada.new@example.test';
    app.accounts.set(second, { ...app.accounts.get(ada)!, slackId: second, email: user });
    const debug = { ...POLICY.profiles.debug!, approvers: { users: ['ben@example.test', user] } };
    app.setPolicy({ ...POLICY, profiles: { debug } });
    const id = await pending();
    const identity = { overrides: [{ slack: ada, user }] };
    const requesters = { users: ['ada@example.test', user] };
    app.setPolicy({ ...POLICY, identity, profiles: { debug: { ...debug, requesters } } });
    await app.useCases.review(ben, id, 'approve', '', await app.seen(id));
    await app.run();
    await expect(app.useCases.review(second, id, 'approve', '', await app.seen(id))).rejects.toEqual(
      refusal('selfApproval'),
    );
  });

  test('when the Service by which it was named leads to another workload by then: that one is shown, and approved', async () => {
    const { grant } = await app.request(ada, { target: { namespace: 'staging', service: 'shop' } });
    await app.run();
    const to = (name: string) => ({ namespace: 'staging', workload: { kind: 'Deployment', name }, service: 'shop' });
    expect(grant).toMatchObject({ target: to('checkout'), plan: { target: to('checkout') } });
    app.cluster.target.services.set('shop', 'catalog');
    await app.useCases.review(ben, grant.id, 'approve', '', await app.seen(grant.id));
    await app.run();
    expect(await app.grant(grant.id)).toMatchObject({
      state: 'pending',
      target: to('catalog'),
      plan: { target: to('catalog') },
    });
    await app.useCases.review(ben, grant.id, 'approve', '', await app.seen(grant.id));
    app.cluster.target.services.set('shop', 'payments');
    await app.run();
    expect(await app.grant(grant.id)).toMatchObject({ state: 'pending', target: to('payments') });
    expect(app.cluster.held.size).toBe(0);
  });

  test('and a Service that is gone is refused: nothing is approved, and what was approved is not applied', async () => {
    const asked = { target: { namespace: 'staging', service: 'shop' } };
    const { grant: waiting } = await app.request(ada, asked);
    const { grant: approved } = await app.request(ben, asked);
    await app.run();
    await app.useCases.review(cy, approved.id, 'approve', '', await app.seen(approved.id));
    app.cluster.target.services.delete('shop');
    const attempt = app.useCases.review(ben, waiting.id, 'approve', '', await app.seen(waiting.id));
    await expect(attempt).rejects.toEqual(refusal('target'));
    await app.run();
    expect((await app.grant(approved.id)).state).toBe('cancelled');
    expect((await app.grant(waiting.id)).state).toBe('pending');
    expect(app.cluster.held.size).toBe(0);
  });

  test('not when only addresses are others: those of now are used', async () => {
    const id = await pending();
    app.cluster.target.ip = '10.0.0.9';
    await app.useCases.review(ben, id, 'approve', '', await app.seen(id));
    await app.run();
    expect(await app.grant(id)).toMatchObject({
      state: 'active',
      plan: { network: { hostAliases: [{ ip: '10.0.0.9' }] } },
    });
  });

  test('not when only pods came and went', async () => {
    const id = await pending();
    app.cluster.target.pods = ['checkout-2', 'checkout-3'];
    await app.useCases.review(ben, id, 'approve', '', await app.seen(id));
    await app.run();
    expect(await app.grant(id)).toMatchObject({ state: 'active', pods: ['checkout-2', 'checkout-3'] });
  });

  test('and a request that the policy would not take any more is not applied at all', async () => {
    const id = await pending();
    await app.useCases.review(ben, id, 'approve', '', await app.seen(id));
    app.setPolicy({ ...POLICY, profiles: { debug: { ...POLICY.profiles.debug!, namespaces: ['team-*'] } } });
    await app.run();
    expect((await app.grant(id)).state).toBe('cancelled');
    expect(app.cluster.held.size).toBe(0);
  });
});

describe('a longer window', () => {
  test('that is denied: requester and thread are told, with the note, until another is asked for', async () => {
    const id = await active();
    const { digest } = await app.useCases.extend(ada, id, 600);
    await app.run();
    app.told.length = 0;
    await app.useCases.reviewExtension(cy, id, 'deny', 'the incident is over', { digest, message: null });
    await app.run();
    expect(app.told.map(({ news }) => news).toSorted()).toEqual(['extension-answer', 'extension-denied', 'message']);
    expect(await app.grant(id)).toMatchObject({
      extension: null,
      extensionDenied: { by: { slackId: cy }, verdict: 'deny', note: 'the incident is over' },
    });
    await app.useCases.extend(ada, id, 600);
    expect(await app.grant(id)).toMatchObject({ extension: { duration: 600 }, extensionDenied: null });
  });

  test('is a decision of its own, moves the end, and never passes the maximum', async () => {
    const id = await active();
    const first = (await app.grant(id)).expiresAt ?? 0;
    await expect(app.useCases.extend(ada, id, 3 * 3600)).rejects.toEqual(refusal('maximum'));
    await expect(app.useCases.extend(ben, id, 600)).rejects.toEqual(refusal('extend'));
    const { digest } = await app.useCases.extend(ada, id, 600);
    await expect(app.useCases.reviewExtension(ada, id, 'approve', '', { digest, message: null })).rejects.toEqual(
      refusal('selfApproval'),
    );
    await app.useCases.reviewExtension(ben, id, 'approve', '', { digest, message: null });
    expect((await app.grant(id)).expiresAt).toBe(first + 600_000);
    expect(app.cluster.held.get(id)?.lease?.expiresAt).toBe(first + 600_000);
    app.clock.set(first);
    await app.run();
    expect((await app.grant(id)).state).toBe('active');
    app.clock.set(first + 600_000);
    await app.run();
    expect((await app.grant(id)).state).toBe('expired');
  });

  test('an approval of the first plan or of another length is none', async () => {
    const id = await active();
    const old = await app.seen(id);
    const { digest: short } = await app.useCases.extend(ada, id, 300);
    await app.useCases.extend(ada, id, 600);
    await expect(app.useCases.reviewExtension(ben, id, 'approve', '', old)).rejects.toEqual(refusal('digest'));
    await expect(
      app.useCases.reviewExtension(ben, id, 'approve', '', { digest: short, message: null }),
    ).rejects.toEqual(refusal('digest'));
  });
});

test('automatic approval is the policy’s own decision, within its limits only', async () => {
  const debug = POLICY.profiles.debug!;
  app.setPolicy({
    ...POLICY,
    profiles: { debug: { ...debug, automatic: { members: { groups: ['S0CALL'] }, maximum: '15m' } } },
  });
  app.members.set('S0CALL', [ada]);
  const quick = await app.request(ada, { duration: 900 });
  const long = await app.request(ada, { duration: 901, ...on('ledger') });
  await app.run();
  expect((await app.grant(quick.grant.id)).state).toBe('active');
  expect((await app.grant(quick.grant.id)).decisions).toMatchObject([
    { by: null, rule: 'profiles.debug.automatic (groups: S0CALL)' },
  ]);
  expect((await app.grant(long.grant.id)).state).toBe('pending');
});

describe('reach, as it is in the cluster', () => {
  const letsOut = (podSelector: object): NetworkPolicy => ({
    metadata: { namespace: 'drawbridge-workspaces', name: 'generous' },
    spec: { podSelector, policyTypes: ['Egress'], egress: [{}] },
  });
  const strict = (): PolicyInput => {
    const { debug } = POLICY.profiles;
    if (debug === undefined) throw new Error('no profile');
    return { ...POLICY, profiles: { debug: { ...debug, network: { ...debug.network, strict: true } } } };
  };

  test('that is not what was approved takes everything down again', async () => {
    const id = await pending();
    await app.useCases.review(ben, id, 'approve', '', await app.seen(id));
    const { startWorkspace } = app.cluster.access;
    // After the plan was made for the last time, before the rights.
    app.cluster.access.startWorkspace = async (grant) => {
      app.cluster.target.foreign.push(letsOut({}));
      return startWorkspace(grant);
    };
    await app.run();
    const ended = await app.grant(id);
    expect(ended.state).toBe('failed');
    expect(ended.ending?.note).toContain('policy drawbridge-workspaces/generous selects the pods now');
    expect(app.cluster.held.size).toBe(0);
    expect(app.alarms.join()).toContain(id);
  });

  test('a policy that begins to select the workspace is told to administrators, once', async () => {
    const id = await active();
    await app.reconcile();
    expect(app.alarms).toEqual([]);
    app.cluster.target.foreign.push(letsOut({}));
    await app.reconcile();
    await app.reconcile();
    await app.run();
    expect(app.alarms).toEqual([expect.stringMatching(`generous .* has begun to select the workspace of ${id}`)]);
    expect((await app.grant(id)).state).toBe('active');
  });

  test('and ends the grant of a strict profile', async () => {
    app.setPolicy(strict());
    const id = await active();
    app.cluster.target.foreign.push(letsOut({ matchLabels: { 'drawbridge.internal/grant': id } }));
    await app.reconcile();
    await app.run();
    expect((await app.grant(id)).state).toBe('failed');
    expect(app.cluster.held.size).toBe(0);
  });

  test.each([
    ['that only denies', { ...letsOut({}), spec: { podSelector: {}, policyTypes: ['Egress'] } }],
    ['for other pods', letsOut({ matchLabels: { app: 'x' } })],
  ])('not one %s', async (_what, policy) => {
    app.setPolicy(strict());
    const id = await active();
    app.cluster.target.foreign.push(policy);
    await app.reconcile();
    await app.run();
    expect([(await app.grant(id)).state, app.alarms]).toEqual(['active', []]);
  });

  test('a pod of somebody else that takes the labels of the target is told once, and ends the grant of a strict profile', async () => {
    const id = await active();
    app.cluster.target.strangers.push('pod imposter');
    await app.reconcile();
    await app.reconcile();
    await app.run();
    expect(app.alarms).toEqual([expect.stringMatching(`pod imposter has taken the labels of the target of ${id}`)]);
    expect((await app.grant(id)).state).toBe('active');
    await app.useCases.revoke(ada, id, '');
    await app.run();
    app.cluster.target.strangers.length = 0;

    app.setPolicy(strict());
    const second = await active();
    app.cluster.target.strangers.push('pod imposter');
    await app.reconcile();
    await app.run();
    expect((await app.grant(second)).state).toBe('failed');
    expect(app.cluster.held.size).toBe(0);
  });

  test('not one that was there when the plan was approved', async () => {
    app.cluster.target.foreign.push(letsOut({}));
    const id = await active();
    await app.reconcile();
    await app.run();
    expect([(await app.grant(id)).state, app.alarms]).toEqual(['active', []]);
  });

  test('that policies of others leave open to the label of an ended grant is told', async () => {
    const id = await active();
    app.cluster.target.policies.push({
      metadata: { namespace: 'staging', name: 'imitation' },
      spec: {
        podSelector: {},
        policyTypes: ['Ingress'],
        ingress: [
          {
            from: [{ namespaceSelector: {}, podSelector: { matchLabels: { 'drawbridge.internal/grant': id } } }],
          },
        ],
      },
    });
    await app.useCases.revoke(ada, id, '');
    await app.run();
    expect((await app.grant(id)).state).toBe('revoked');
    expect(app.alarms).toEqual([expect.stringContaining('imitation')]);
  });

  test('an end says when the ways in were closed and the workspace was gone', async () => {
    const id = await active();
    app.clock.pass(30 * 60);
    await app.run();
    const { ending, expiresAt } = await app.grant(id);
    expect(ending).toMatchObject({ rightsGoneAt: expiresAt, policyGoneAt: expiresAt, workspaceGoneAt: expiresAt });
  });
});

describe('what Redis forgot', () => {
  test('is adopted from its sealed lease and ends in time; its message is known', async () => {
    const id = await active();
    const before = await app.grant(id);
    app.loseRedis();
    await app.reconcile();
    await app.run();
    expect(await app.grant(id)).toMatchObject({
      state: 'active',
      expiresAt: before.expiresAt,
      message: before.message,
      requester: before.requester,
    });
    app.clock.set(before.expiresAt ?? 0);
    await app.run();
    expect((await app.grant(id)).state).toBe('expired');
    expect(app.cluster.held.size).toBe(0);
  });

  test('and whose time has passed is taken down at once', async () => {
    const id = await active();
    app.loseRedis();
    app.clock.pass(3600);
    const before = app.told.length;
    await app.reconcile();
    // Words have a queue of their own, which may be the faster one.
    for (const { job } of app.jobs()) if (job.kind === 'tell') await runJob(app.world, job);
    await app.run();
    expect(app.told.slice(before).map(({ state }) => state)).not.toContain('active');
    expect(app.cluster.hasRights(id)).toBe(false);
    expect((await app.grant(id)).state).toBe('expired');
  });
});

test('a guard that was changed stays until the rights and the pod are gone', async () => {
  const id = await active();
  const { found } = app.cluster.access;
  const guard = `NetworkPolicy staging/drawbridge-${id}`;
  app.cluster.access.objectsOf = () => [`RoleBinding staging/drawbridge-${id}`, guard];
  app.cluster.access.found = async () =>
    (await found()).map((object) => (object.kind === 'NetworkPolicy' ? { ...object, sealed: false } : object));
  await app.reconcile();
  expect(app.cluster.held.get(id)?.guard).toBeDefined();
  await app.run();
  expect((await app.grant(id)).state).toBe('failed');
  expect(app.cluster.held.size).toBe(0);
  expect(app.cluster.breaches).toEqual([]);
});

test('a queue that can not be asked keeps nobody from seeing what was changed in the cluster', async () => {
  const id = await active();
  const { found } = app.cluster.access;
  app.cluster.access.found = async () => (await found()).map((object) => ({ ...object, sealed: false }));
  app.cluster.access.objectsOf = () => [`RoleBinding staging/drawbridge-${id}`];
  app.world.scheduler.unscheduled = async () => {
    throw new Unavailable('Redis', 'no answer');
  };
  await expect(app.reconcile()).rejects.toThrow(Unavailable);
  await app.run();
  expect((await app.grant(id)).state).toBe('failed');
});

describe('the pods of a workload', () => {
  const podsTold = () => app.told.filter(({ news }) => news === 'pods').length;
  /** A look finds these pods, and so many seconds pass. */
  async function change(pods: readonly string[], seconds: number): Promise<void> {
    app.cluster.target.pods = [...pods];
    await app.reconcile();
    app.clock.pass(seconds);
    await app.run();
  }

  test('are followed at once, and told in one message once the rollout is over', async () => {
    const id = await active();
    const told = vi.spyOn(app.world.notifier, 'deliver');
    for (const pods of [['checkout-8', 'checkout-1'], ['checkout-8'], ['checkout-8', 'checkout-9']]) {
      await change(pods, 9);
      expect(app.cluster.held.get(id)?.rights).toEqual(pods);
      expect(podsTold()).toBe(0);
    }
    app.clock.pass(1);
    await app.run();
    expect(podsTold()).toBe(1);
    expect(told.mock.lastCall?.[0].grant.pods).toEqual(['checkout-8', 'checkout-9']);
    app.clock.pass(60);
    await app.run();
    expect(podsTold()).toBe(1);
  });

  test('are not told of a grant that has ended meanwhile', async () => {
    const id = await active();
    await change(['checkout-9'], 1);
    await app.useCases.revoke(ada, id, '');
    app.clock.pass(60);
    await app.run();
    expect([(await app.grant(id)).state, podsTold()]).toEqual(['revoked', 0]);
  });
});

test('objects that come back after the end, from a backup or a slow hand, are taken away', async () => {
  const id = await active();
  const kept = { ...app.cluster.held.get(id) };
  await app.useCases.revoke(ada, id, '');
  await app.run();
  app.cluster.held.set(id, kept);
  await app.reconcile();
  expect(app.cluster.held.size).toBe(0);
  expect((await app.grant(id)).state).toBe('revoked');
});

test('a teardown that does not get done is retried, counted as late, and told to administrators; nothing is said to have ended', async () => {
  const id = await active();
  const { takeRights } = app.cluster.access;
  app.cluster.access.takeRights = async () => {
    throw new Error('the API server is away');
  };
  await app.useCases.revoke(ada, id, '');
  for (let seconds = 0; seconds < 60; seconds += 5) {
    await app.run();
    app.clock.pass(5);
  }
  expect((await app.grant(id)).state).toBe('ending');
  expect(app.told.map((t) => t.news)).not.toContain('ended');
  expect(app.alarms).toHaveLength(1);
  app.cluster.access.takeRights = takeRights;
  await app.run();
  expect((await app.grant(id)).state).toBe('revoked');
  expect(app.audit.at(-1)?.lateness).toBeGreaterThan(55_000);
  expect((await app.grant(id)).remarks.join()).toMatch(/late/);
});

test('a cluster that does not take a grant gets nothing of it, and the failure is said', async () => {
  app.cluster.access.giveRights = async () => {
    throw new Error('an admission webhook said no');
  };
  const id = await pending();
  await app.useCases.review(ben, id, 'approve', '', await app.seen(id));
  await app.run();
  expect((await app.grant(id)).state).toBe('failed');
  expect(app.cluster.held.size).toBe(0);
  expect(app.told.at(-1)).toMatchObject({ news: 'ended', state: 'failed' });
});

describe('what a review of the whole found', () => {
  const debug = POLICY.profiles.debug!;

  test('many asks at once never make a window longer than the profile’s maximum', async () => {
    const automatic = { members: { users: ['ada@example.test'] }, maximum: '2h' };
    app.setPolicy({ ...POLICY, profiles: { debug: { ...debug, automatic } } });
    const { grant } = await app.request();
    await app.run();
    await Promise.allSettled(Array.from({ length: 8 }, () => app.useCases.extend(ada, grant.id, 1800)));
    const { startsAt, expiresAt } = await app.grant(grant.id);
    expect((expiresAt ?? 0) - (startsAt ?? 0)).toBeLessThanOrEqual(7_200_000);
  });

  test('an extension that comes after the end revives nothing', async () => {
    const id = await active();
    const { digest } = await app.useCases.extend(ada, id, 600);
    app.clock.pass(31 * 60);
    await expect(app.useCases.reviewExtension(ben, id, 'approve', '', { digest, message: null })).rejects.toEqual(
      refusal('state'),
    );
    await expect(app.useCases.extend(ada, id, 600)).rejects.toEqual(refusal('extend'));
    await app.run();
    expect((await app.grant(id)).state).toBe('expired');
  });

  test('rights that an administrator deleted are not written again: not for new pods, not for a longer window', async () => {
    for (const provoke of ['pods', 'extension']) {
      const id = await active();
      delete app.cluster.held.get(id)?.rights;
      if (provoke === 'pods') {
        app.cluster.target.pods = ['checkout-7'];
        await app.reconcile();
      } else {
        const { digest } = await app.useCases.extend(ada, id, 600);
        await app.useCases.reviewExtension(ben, id, 'approve', '', { digest, message: null }).catch(() => {});
      }
      expect(app.cluster.hasRights(id)).toBe(false);
      await app.reconcile();
      await app.run();
      expect((await app.grant(id)).state).toBe('failed');
    }
  });

  test('words that a fault swallowed are said when the job runs again, and once', async () => {
    const id = await pending();
    await app.useCases.review(ben, id, 'approve', '', await app.seen(id));
    const { schedule } = app.world.scheduler;
    let faults = 0;
    app.world.scheduler.schedule = async (job, at) => {
      if (job.kind === 'tell' && job.news === 'message' && (await app.grant(id)).state === 'active' && faults++ === 0)
        throw new Error('Redis fails over');
      return schedule(job, at);
    };
    for (let i = 0; i < 3; i++) {
      await app.run();
      app.clock.pass(2);
    }
    expect(app.told.filter((t) => t.news === 'granted')).toHaveLength(1);
    expect(app.jobs().map(({ job }) => job.kind)).toContain('warn');
    app.world.scheduler.schedule = async (job, at) => {
      if (job.kind === 'tell' && (await app.grant(id)).state === 'revoked' && faults++ === 1)
        throw new Error('Redis fails over');
      return schedule(job, at);
    };
    await app.useCases.revoke(ada, id, '');
    for (let i = 0; i < 3; i++) {
      await app.run();
      app.clock.pass(2);
    }
    expect(app.told.filter((t) => t.news === 'ended')).toHaveLength(1);
  });

  test('a Redis that is older than the cluster does not say that nothing was opened', async () => {
    const id = await pending();
    const before = await app.grant(id);
    await app.useCases.review(ben, id, 'approve', '', await app.seen(id));
    await app.run();
    app.loseRedis();
    await app.world.store.create(before);
    await app.reconcile();
    expect((await app.grant(id)).state).toBe('active');
    await app.useCases.revoke(ada, id, '');
    await app.run();
    expect((await app.grant(id)).state).toBe('revoked');
    expect(app.cluster.held.size).toBe(0);
  });

  test('lateness is until the rights were gone, not until a silent node had let go', async () => {
    const id = await active();
    const { endWorkspace } = app.cluster.access;
    app.cluster.access.endWorkspace = async () => {
      throw new Error('the node is silent');
    };
    await app.useCases.revoke(ada, id, '');
    await app.run();
    app.clock.pass(120);
    app.cluster.access.endWorkspace = endWorkspace;
    await app.run();
    expect((await app.grant(id)).state).toBe('revoked');
    expect(app.audit.findLast((entry) => entry.event === 'revoked')?.lateness).toBeLessThan(1000);
    expect((await app.grant(id)).remarks.join()).not.toContain('late');
  });

  test('approvals of a plan that came back are asked for again', async () => {
    app.setPolicy({ ...POLICY, profiles: { debug: { ...debug, approvals: 2 } } });
    const id = await pending();
    await app.useCases.review(ben, id, 'approve', '', await app.seen(id));
    app.cluster.target.uid = 'uid-2';
    await app.useCases.review(cy, id, 'approve', '', await app.seen(id));
    app.cluster.target.uid = 'uid-1';
    await app.useCases.review(cy, id, 'approve', '', await app.seen(id));
    await app.useCases.review(cy, id, 'approve', '', await app.seen(id));
    expect((await app.grant(id)).state).toBe('pending');
  });

  test('a Revoke that is pressed while somebody looks around is not put off to the end of the window', async () => {
    const id = await active();
    const { summaries } = app.world.store;
    app.world.store.summaries = async function* () {
      for await (const portion of summaries()) {
        await app.useCases.revoke(ada, id, '');
        yield portion;
      }
    };
    await app.reconcile();
    app.world.store.summaries = summaries;
    await app.run();
    expect((await app.grant(id)).state).toBe('revoked');
  });
});

describe('while the time is in doubt', () => {
  const doubtful = () => app.clock.distrust('the clock of this replica is 5m ahead');

  test('nobody gets anything, and nothing is half done', async () => {
    const waiting = await pending();
    const id = await app.active(ada, on('ledger'));
    await app.useCases.extend(ada, id, 600);
    doubtful();
    await expect(app.request()).rejects.toEqual(refusal('clock'));
    await expect(app.useCases.review(ben, waiting, 'approve', '', await app.seen(waiting))).rejects.toEqual(
      refusal('clock'),
    );
    expect(await app.grant(waiting)).toMatchObject({ state: 'pending', decisions: [] });
    const { extension, expiresAt } = await app.grant(id);
    const seen = { digest: shortDigest(extensionDigest(await app.grant(id), extension as never)), message: null };
    await expect(app.useCases.reviewExtension(ben, id, 'approve', '', seen)).rejects.toEqual(refusal('clock'));
    await expect(app.useCases.extend(ada, id, 60)).rejects.toEqual(refusal('clock'));
    expect(await app.grant(id)).toMatchObject({ expiresAt, extension });
  });

  test('what was approved waits for a replica that knows the time', async () => {
    const id = await pending();
    await app.useCases.review(ben, id, 'approve', '', await app.seen(id));
    doubtful();
    await app.run();
    expect((await app.grant(id)).state).toBe('approved');
    expect(app.cluster.held.size).toBe(0);
    app.clock.distrust(null);
    app.clock.pass(5);
    await app.run();
    expect((await app.grant(id)).state).toBe('active');
  });

  test('a grant that is being applied gets no rights; when that lasts, it is taken down and says why', async () => {
    const id = await pending();
    await app.useCases.review(ben, id, 'approve', '', await app.seen(id));
    const { startWorkspace } = app.cluster.access;
    app.cluster.access.startWorkspace = async (grant) => {
      doubtful();
      return startWorkspace(grant);
    };
    await app.run();
    expect(app.cluster.hasRights(id)).toBe(false);
    for (let i = 0; i < 15; i++) {
      app.clock.pass(5);
      await app.run();
    }
    expect(await app.grant(id)).toMatchObject({
      state: 'failed',
      ending: { note: expect.stringContaining('the clock of this replica is 5m ahead') as string },
    });
    expect(app.cluster.held.size).toBe(0);
  });

  test('it is denied, revoked and ended as ever', async () => {
    const waiting = await pending();
    const [first, second] = [await app.active(ada, on('ledger')), await app.active(ada, on('frontend'))];
    doubtful();
    await app.useCases.review(ben, waiting, 'deny', '', await app.seen(waiting));
    await app.useCases.revoke(ada, first, '');
    await app.run();
    app.clock.pass(30 * 60);
    await app.run();
    const states = await Promise.all([waiting, first, second].map(async (id) => (await app.grant(id)).state));
    expect(states).toEqual(['denied', 'revoked', 'expired']);
    expect(app.cluster.held.size).toBe(0);
  });
});

describe('while the leash does not hold', () => {
  const LEASH = { name: 'leash', severity: 'degraded', refuses: 'giving' } as const;
  const slip = () =>
    app.conditions.report(LEASH, { lacks: 'the leash does not hold: it lets a RoleBinding pass', todo: 'Look at it.' });

  test('nobody gets anything, and it is said why', async () => {
    const waiting = await pending();
    const id = await app.active(ada, on('ledger'));
    await app.useCases.extend(ada, id, 600);
    slip();
    await expect(app.request()).rejects.toEqual(refusal('leash'));
    await expect(app.request()).rejects.toThrow(/since the leash does not hold: it lets a RoleBinding pass/);
    await expect(app.useCases.review(ben, waiting, 'approve', '', await app.seen(waiting))).rejects.toEqual(
      refusal('leash'),
    );
    expect(await app.grant(waiting)).toMatchObject({ state: 'pending', decisions: [] });
    const { extension, expiresAt } = await app.grant(id);
    const seen = { digest: shortDigest(extensionDigest(await app.grant(id), extension as never)), message: null };
    await expect(app.useCases.reviewExtension(ben, id, 'approve', '', seen)).rejects.toEqual(refusal('leash'));
    await expect(app.useCases.extend(ada, id, 60)).rejects.toEqual(refusal('leash'));
    expect(await app.grant(id)).toMatchObject({ expiresAt, extension });
  });

  test('what was approved waits until it holds again', async () => {
    const id = await pending();
    await app.useCases.review(ben, id, 'approve', '', await app.seen(id));
    slip();
    await app.run();
    expect((await app.grant(id)).state).toBe('approved');
    expect(app.cluster.held.size).toBe(0);
    app.conditions.report(LEASH, null);
    app.clock.pass(5);
    await app.run();
    expect((await app.grant(id)).state).toBe('active');
  });

  test('a grant that is being applied gets no rights; when that lasts, it is taken down and says why', async () => {
    const id = await pending();
    await app.useCases.review(ben, id, 'approve', '', await app.seen(id));
    const { startWorkspace } = app.cluster.access;
    app.cluster.access.startWorkspace = async (grant) => {
      slip();
      return startWorkspace(grant);
    };
    for (let i = 0; i < 15; i++) {
      await app.run();
      expect(app.cluster.hasRights(id)).toBe(false);
      app.clock.pass(5);
    }
    await app.run();
    expect(await app.grant(id)).toMatchObject({
      state: 'failed',
      ending: { note: expect.stringContaining('the leash does not hold') as string },
    });
    expect(app.cluster.held.size).toBe(0);
  });

  test('it is denied, revoked and ended as ever', async () => {
    const waiting = await pending();
    const [first, second] = [await app.active(ada, on('ledger')), await app.active(ada, on('frontend'))];
    slip();
    await app.useCases.review(ben, waiting, 'deny', '', await app.seen(waiting));
    await app.useCases.revoke(ada, first, '');
    await app.run();
    app.clock.pass(30 * 60);
    await app.run();
    const states = await Promise.all([waiting, first, second].map(async (id) => (await app.grant(id)).state));
    expect(states).toEqual(['denied', 'revoked', 'expired']);
    expect(app.cluster.held.size).toBe(0);
  });
});
