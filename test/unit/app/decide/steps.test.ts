import { beforeEach, describe, expect, test } from 'vitest';
import type { PolicyInput } from '../../../../src/domain/policy/schema.ts';
import { account, appWorld, on, PEOPLE, POLICY } from '../../../support/app-world.ts';

type ProfileInput = PolicyInput['profiles'][string];
type ApprovalInput = NonNullable<ProfileInput['approval']>;
const { ada, ben, cy } = PEOPLE;
const [dee, eve] = ['U0DEE', 'U0EVE'];
const { approvers: _approvers, ...debug } = POLICY.profiles['debug'] as ProfileInput;

/** Owners are Ben and Cy, security is Cy and Dee; Eve is called later. */
const policyWith = (approval: ApprovalInput, change: Partial<ProfileInput> = {}): PolicyInput => ({
  ...POLICY,
  profiles: { debug: { ...debug, approval, ...change } },
});
const STEPS: NonNullable<ApprovalInput['steps']> = [
  { name: 'owner', from: { groups: ['S0OWN'] } },
  { name: 'security', from: { groups: ['S0SEC'] } },
];
let app: ReturnType<typeof appWorld>;
const begin = (approval: ApprovalInput, change: Partial<ProfileInput> = {}) => {
  app = appWorld(policyWith(approval, change));
  for (const [id, name] of [
    [dee, 'dee'],
    [eve, 'eve'],
  ] as const)
    app.accounts.set(id, account(id, name));
  app.members.set('S0OWN', [ben, cy]).set('S0SEC', [cy, dee]).set('S0CALL', [eve]);
};
beforeEach(() => begin({ steps: STEPS }));

const press = async (by: string, id: string, verdict: 'approve' | 'deny' = 'approve') =>
  app.useCases.review(by, id, verdict, '', await app.seen(id)).then(
    ({ grant }) => grant.state,
    (error: unknown) => (error as { rule: string }).rule,
  );
const steps = async (id: string) =>
  (await app.useCases.status(ada, id)).steps.map(
    ({ name, state, approvals, count }) => `${name} ${state} ${approvals.length}/${count}`,
  );

describe('a request through steps', () => {
  test('is approved when each has its people, and says where it stands on the way', async () => {
    const id = await app.pending();
    expect(await app.grant(id)).toMatchObject({ approvalsNeeded: 2 });
    expect(await press(ben, id)).toBe('pending');
    expect(await steps(id)).toEqual(['owner complete 1/1', 'security asked 0/1']);
    expect((await app.useCases.list(dee)).waiting).toHaveLength(1);
    expect((await app.useCases.list(ben)).waiting).toHaveLength(0);
    expect(await press(dee, id)).toBe('approved');
    await app.run();
    expect(await app.grant(id)).toMatchObject({
      state: 'active',
      decisions: [
        { by: { slackId: ben }, steps: ['owner'] },
        { by: { slackId: dee }, steps: ['security'] },
      ],
    });
  });

  test('by whom it is approved is worked out anew with each approval', async () => {
    const id = await app.pending();
    expect(await press(cy, id)).toBe('pending');
    expect(await steps(id)).toEqual(['owner complete 1/1', 'security asked 0/1']);
    expect(await press(ben, id)).toBe('approved');
    expect((await app.grant(id)).decisions[0]).toMatchObject({ by: { slackId: cy }, steps: ['owner', 'security'] });
  });

  test('a denial by anybody of an open step ends it', async () => {
    const id = await app.pending();
    expect(await press(ben, id)).toBe('pending');
    expect(await press(eve, id, 'deny')).toBe('id');
    expect(await press(dee, id, 'deny')).toBe('denied');
  });

  test('two who decide the same step at the same moment: one counts, and the other is told', async () => {
    const id = await app.pending();
    app.members.set('S0OWN', [ben, eve]).set('S0SEC', [dee]);
    const answers = await Promise.all([press(ben, id), press(eve, id)]);
    expect(answers.toSorted()).toEqual(['approvals', 'pending']);
    expect((await app.grant(id)).decisions).toHaveLength(1);
  });

  test('two last approvals at the same moment make one approval', async () => {
    const id = await app.pending();
    const answers = await Promise.all([press(ben, id), press(dee, id)]);
    expect(answers.toSorted()).toEqual(['approved', 'pending']);
    await app.run();
    expect(app.audit.filter(({ event }) => event === 'active')).toHaveLength(1);
  });

  test('a denial and the last approval at the same moment come to one of the two, which both are told', async () => {
    const id = await app.pending();
    await press(ben, id);
    const answers = await Promise.all([press(dee, id), press(cy, id, 'deny')]);
    const { state } = await app.grant(id);
    expect(answers.toSorted()).toEqual([state, 'state'].toSorted());
  });

  test('that asks for other steps in the policy by now is asked again by those', async () => {
    const id = await app.pending();
    await press(ben, id);
    app.setPolicy(policyWith({ steps: [...STEPS, { name: 'cost', from: { users: ['eve@example.test'] } }] }));
    expect(await press(dee, id)).toBe('pending');
    expect(await app.grant(id)).toMatchObject({ approvalsNeeded: 3 });
    expect(await steps(id)).toEqual(['owner asked 0/1', 'security asked 0/1', 'cost asked 0/1']);
    expect((await app.grant(id)).remarks.join()).toContain('profile debug was changed in the policy');
    // Also where what is asked for now would be less.
    app.setPolicy(policyWith({ steps: STEPS.slice(0, 1) }));
    expect(await press(ben, id)).toBe('pending');
    expect(await press(ben, id)).toBe('approved');
  });

  test('waits for no step whose conditions make it needless, which is on record, and asks anew by the plan of the day', async () => {
    begin({ steps: [STEPS[0]!, { ...STEPS[1]!, unless: { maximum: '15m' } }] });
    const id = await app.pending(ada, { duration: 900 });
    expect(await app.grant(id)).toMatchObject({
      approvalsNeeded: 1,
      waived: [{ name: 'security', because: 'up to 15m' }],
    });
    app.cluster.target.uid = 'uid-2';
    expect(await press(ben, id)).toBe('pending');
    expect(await steps(id)).toEqual(['owner asked 0/1', 'security waived 0/0']);
    expect(await press(ben, id)).toBe('approved');
    const long = await app.pending(ada, { duration: 901, ...on('ledger') });
    expect(await steps(long)).toEqual(['owner asked 0/1', 'security asked 0/1']);
  });

  test.each([
    ['is on call', ['ada@example.test'], 1],
    ['is not', ['ben@example.test'], 2],
    ['may be, which can not be read', null, 2],
  ])('waits for no step that is not needed of whom is on call: who asks %s', async (_name, addresses, needed) => {
    const policy = policyWith({ steps: [STEPS[0]!, { ...STEPS[1]!, unless: { oncall: ['shift'] } }] });
    const url = 'https://oncall.example.test/shift';
    app.setPolicy({ ...policy, oncall: { shift: { url } } });
    if (addresses !== null) app.onCall.set(url, addresses);
    expect(await app.grant(await app.pending())).toMatchObject({ approvalsNeeded: needed });
  });

  test('waits for no step with a ticket that counts, until the ticket does not any more', async () => {
    // A ticket never decides alone.
    const unless = { ticket: true, maximum: '1h' } as const;
    const policy = policyWith({ steps: [STEPS[0]!, { ...STEPS[1]!, unless }] }, { ticket: 'optional' });
    app.setPolicy({ ...policy, tickets: { pattern: 'OPS-[0-9]+', url: 'https://tickets.example.test/' } });
    const ticket = { key: 'OPS-7', title: '', link: null };
    app.tickets.set('OPS-7', { is: 'allowed', ticket, until: null });
    const id = await app.pending(ada, { reason: 'as OPS-7 says' });
    expect(await app.grant(id)).toMatchObject({ approvalsNeeded: 1, waived: [{ name: 'security' }] });
    const without = await app.pending(ada, on('ledger'));
    expect(await app.grant(without)).toMatchObject({ approvalsNeeded: 2 });
    app.tickets.set('OPS-7', { is: 'refused', why: 'OPS-7 is closed.' });
    expect(await press(ben, id)).not.toBe('approved');
    expect(app.cluster.hasRights(id)).toBe(false);
  });

  test('shows beforehand which steps there are, and is not requested as shown once they are others', async () => {
    begin({ steps: [STEPS[0]!, { ...STEPS[1]!, unless: { hours: 'Mon-Fri 08:00-18:00 UTC' } }] });
    const ask = {
      profile: 'debug',
      target: { namespace: 'staging', workload: { kind: 'Deployment', name: 'checkout' } } as const,
      duration: null,
      reason: 'checkout returns 502',
    };
    const shown = await app.useCases.preview(ada, ask);
    expect(shown.view.steps.map(({ state }) => state)).toEqual(['asked', 'waived']);
    app.clock.set(Date.UTC(2026, 0, 5, 18));
    const { digest } = await app.useCases.preview(ada, ask);
    expect(await app.useCases.requestAsShown(ada, ask, shown.digest)).toMatchObject({ changed: { digest } });
  });

  test('is refused to the requester, also as a member of a step, and to who is denied', async () => {
    app.members.set('S0OWN', [ada, ben]);
    const id = await app.pending();
    expect(await press(ada, id)).toBe('profiles.debug.selfApproval');
    expect(await press(ada, id, 'deny')).toBe('profiles.debug.selfApproval');
    app.setPolicy(policyWith({ steps: STEPS }, { deny: { users: ['cy@example.test'] } }));
    expect(await press(cy, id)).toBe('profiles.debug.deny (users: cy@example.test)');
  });
});

describe('a sequence', () => {
  beforeEach(() => begin({ order: 'sequence', steps: STEPS }));

  test('asks the second step when the first is complete', async () => {
    const id = await app.pending();
    expect(await press(dee, id)).toBe('profiles.debug.approval.order');
    expect((await app.useCases.list(dee)).waiting).toHaveLength(0);
    expect((await app.useCases.status(ada, id)).approvers).toMatchObject({ groups: ['S0OWN'] });
    expect(await press(ben, id)).toBe('pending');
    expect((await app.useCases.list(dee)).waiting).toHaveLength(1);
    expect((await app.useCases.status(ada, id)).approvers).toMatchObject({ groups: ['S0SEC'] });
    expect(await press(dee, id)).toBe('approved');
  });

  test('calls nobody before their turn, and writes to them when it has come', async () => {
    begin({ order: 'sequence', steps: STEPS, notify: { direct: true } });
    app.members.set('S0SEC', [dee]);
    const id = await app.pending();
    const naming = () => app.named.findLast(({ news }) => news === 'message')?.naming;
    const written = () => app.asked.map(({ slackId }) => slackId).toSorted();
    expect([naming()?.get('S0OWN'), naming()?.get('S0SEC')]).toEqual([undefined, { words: 'S0SEC', call: [] }]);
    expect(written()).toEqual([ben, cy]);
    await press(ben, id);
    await app.run();
    expect(naming()?.get('S0SEC')).toBeUndefined();
    expect(written()).toEqual([ben, cy, dee]);
  });

  test('lets whoever comes to a step later end the request, and read it', async () => {
    const id = await app.pending();
    expect((await app.useCases.status(dee, id)).grant.reason).toBe('checkout returns 502');
    await app.useCases.revoke(dee, id, '');
    expect((await app.grant(id)).state).toBe('cancelled');
  });
});

describe('a longer window', () => {
  const extended = async (id: string) => (await app.grant(id)).extension === null;
  const approve = async (by: string, id: string) => {
    const { digest } = await app.useCases.status(ada, id);
    return app.useCases.reviewExtension(by, id, 'approve', '', { digest, message: null }).then(
      () => 'counts',
      (error: unknown) => (error as { rule: string }).rule,
    );
  };
  const active = async () => {
    const id = await app.pending();
    for (const by of [ben, dee]) await press(by, id);
    await app.run();
    expect((await app.grant(id)).state).toBe('active');
    return id;
  };

  test('goes through the same steps', async () => {
    const id = await active();
    const { expiresAt } = await app.grant(id);
    await app.useCases.extend(ada, id, 600);
    expect(await approve(ben, id)).toBe('counts');
    expect(await approve(ben, id)).toBe('approvals');
    expect(await steps(id)).toEqual(['owner complete 1/1', 'security asked 0/1']);
    expect(await extended(id)).toBe(false);
    expect(await approve(dee, id)).toBe('counts');
    expect((await app.grant(id)).expiresAt).toBe((expiresAt ?? 0) + 600_000);
  });

  test('needs a step that the shorter one did not need', async () => {
    begin({ steps: [STEPS[0]!, { ...STEPS[1]!, unless: { maximum: '30m' } }] });
    const id = await app.pending();
    expect(await press(ben, id)).toBe('approved');
    await app.run();
    await app.useCases.extend(ada, id, 600);
    expect(await steps(id)).toEqual(['owner asked 0/1', 'security asked 0/1']);
    expect(await approve(ben, id)).toBe('counts');
    expect(await extended(id)).toBe(false);
  });
});

describe('an escalation', () => {
  const MINUTES = 60;
  const later = [{ after: '10m', to: { groups: ['S0CALL'] } }];
  const inSequence: ApprovalInput = {
    order: 'sequence',
    steps: [STEPS[0]!, { ...STEPS[1]!, escalate: later }],
  };
  const news = (id: string, wanted: string) => app.told.filter((told) => told.id === id && told.news === wanted).length;
  const pass = async (seconds: number) => {
    app.clock.pass(seconds);
    await app.run();
  };
  beforeEach(() => begin({ steps: [{ ...STEPS[0]!, escalate: later }, STEPS[1]!] }));

  test('is told once, when its time has come, and lets others decide from then on', async () => {
    const id = await app.pending();
    await pass(10 * MINUTES - 1);
    expect([news(id, 'escalated'), await press(eve, id)]).toEqual([0, 'profiles.debug.approval.steps']);
    await pass(1);
    expect(news(id, 'escalated')).toBe(1);
    expect((await app.useCases.status(ada, id)).approvers?.groups).toEqual(['S0OWN', 'S0CALL', 'S0SEC']);
    await pass(20 * MINUTES);
    await app.reconcile();
    await app.run();
    expect(news(id, 'escalated')).toBe(1);
    expect(await press(eve, id)).toBe('pending');
    expect(await steps(id)).toEqual(['owner complete 1/1', 'security asked 0/1']);
  });

  test('is not told of a step that is complete, or of a request that has ended', async () => {
    const [done, denied] = [await app.pending(), await app.pending(ada, on('ledger'))];
    await press(ben, done);
    await press(dee, denied, 'deny');
    await pass(10 * MINUTES);
    expect([news(done, 'escalated'), news(denied, 'escalated')]).toEqual([0, 0]);
  });

  test('lets others decide in time although all that was scheduled is lost, and is told when somebody looks again', async () => {
    const id = await app.pending();
    app.loseQueue();
    await pass(10 * MINUTES);
    expect(news(id, 'escalated')).toBe(0);
    expect(await press(eve, id)).toBe('pending');
    const other = await app.pending(ada, on('ledger'));
    app.loseQueue();
    await app.reconcile();
    await pass(10 * MINUTES);
    expect(news(other, 'escalated')).toBe(1);
    app.loseQueue();
    await app.reconcile();
    await pass(10 * MINUTES);
    expect(news(other, 'escalated')).toBe(1);
  });

  test('is told also where the process dies before it has told it, and after the time is over', async () => {
    const id = await app.pending();
    app.clock.pass(10 * MINUTES);
    const dying: typeof app.world = {
      ...app.world,
      notifier: { ...app.world.notifier, deliver: () => Promise.reject(new Error('the process is dead')) },
    };
    await app.run(dying);
    expect(news(id, 'escalated')).toBe(0);
    app.loseQueue();
    await app.reconcile();
    await app.run();
    expect(news(id, 'escalated')).toBe(1);
  });

  test('begins in a sequence when the step is asked, which is told', async () => {
    begin(inSequence);
    const id = await app.pending();
    await pass(15 * MINUTES);
    expect([news(id, 'step'), news(id, 'escalated')]).toEqual([0, 0]);
    expect(await press(ben, id)).toBe('pending');
    await app.run();
    expect(news(id, 'step')).toBe(1);
    await pass(10 * MINUTES - 1);
    expect([news(id, 'escalated'), await press(eve, id)]).toEqual([0, 'profiles.debug.approval.steps']);
    await pass(1);
    expect(news(id, 'escalated')).toBe(1);
    expect(await press(eve, id)).toBe('approved');
  });

  test('in a sequence is told although whoever completed the step before died with what was to be scheduled', async () => {
    begin(inSequence);
    const id = await app.pending();
    const { schedule } = app.world.scheduler;
    app.world.scheduler.schedule = () => Promise.reject(new Error('the process is dead'));
    await press(ben, id);
    app.world.scheduler.schedule = schedule;
    expect(await steps(id)).toEqual(['owner complete 1/1', 'security asked 0/1']);
    await pass(10 * MINUTES);
    await pass(10 * MINUTES);
    expect(news(id, 'escalated')).toBe(1);
  });

  test('begins anew with a plan that is another', async () => {
    const id = await app.pending();
    await pass(9 * MINUTES);
    app.cluster.target.uid = 'uid-2';
    expect(await press(ben, id)).toBe('pending');
    await pass(2 * MINUTES);
    expect([news(id, 'escalated'), await press(eve, id)]).toEqual([0, 'profiles.debug.approval.steps']);
    await pass(8 * MINUTES);
    expect([news(id, 'escalated'), await press(eve, id)]).toEqual([1, 'pending']);
  });

  test('is told of a longer window, too', async () => {
    const id = await app.pending(ada, { duration: 1800 });
    for (const by of [ben, dee]) await press(by, id);
    await app.run();
    await app.useCases.extend(ada, id, 600);
    await pass(10 * MINUTES);
    expect(news(id, 'escalated')).toBe(1);
    const { digest } = await app.useCases.status(ada, id);
    await app.useCases.reviewExtension(eve, id, 'approve', '', { digest, message: null });
    expect(await steps(id)).toEqual(['owner complete 1/1', 'security asked 0/1']);
  });
});
