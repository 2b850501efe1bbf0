import { beforeEach, describe, expect, test } from 'vitest';
import { endForLeavers } from '../../../../src/app/upkeep/leavers.ts';
import { Refusal, Unavailable } from '../../../../src/domain/errors.ts';
import type { PolicyInput } from '../../../../src/domain/policy/schema.ts';
import { account, appWorld, on, PEOPLE, POLICY } from '../../../support/app-world.ts';

const { ada, ben, cy, dot } = PEOPLE;
type ProfileInput = PolicyInput['profiles'][string];
const DEBUG = POLICY.profiles.debug as ProfileInput;
const policyWith = (change: Partial<ProfileInput>, rest: Partial<PolicyInput> = {}): PolicyInput => ({
  ...POLICY,
  ...rest,
  profiles: { debug: { ...DEBUG, ...change } },
});

let app: ReturnType<typeof appWorld>;
/** What was looked up since the last look, in order. */
let looked: () => string[];
beforeEach(() => {
  app = appWorld();
  const calls: string[] = [];
  looked = () => calls.splice(0);
  const { account: accountOf, members } = app.world.directory;
  app.world.directory.account = (slackId) => {
    calls.push(slackId);
    return accountOf(slackId);
  };
  app.world.directory.members = (list, freshness) => {
    calls.push(list);
    return members(list, freshness);
  };
});

const pending = () => app.pending();
const active = () => app.active();
/** An active grant with an extension that waits; answers what its button carries. */
async function waiting(): Promise<{ id: string; seen: { digest: string; message: null } }> {
  const id = await active();
  const { digest } = await app.useCases.extend(ada, id, 600);
  return { id, seen: { digest, message: null } };
}
const moved = () => app.accounts.set(ada, { ...account(ada, 'ada'), email: 'ada.new@example.test' });
const refusal = (rule: string | RegExp) =>
  expect.objectContaining({ name: 'Refusal', rule: expect.stringMatching(rule) as string });
const refusals = () => app.audit.filter(({ event }) => event === 'refused');

/** What may happen to the requester between two decisions. */
const CHANGES: [what: string, change: () => void, rule: string][] = [
  ['deactivated', () => app.accounts.set(ada, { ...account(ada, 'ada'), deactivated: true }), 'identity.deactivated'],
  [
    'put on the deny list',
    () => {
      app.members.set('S0BAD', [ada]);
      app.setPolicy(policyWith({ deny: { groups: ['S0BAD'] } }));
    },
    'profiles.debug.deny',
  ],
  [
    'no longer a requester',
    () => app.setPolicy(policyWith({ requesters: { users: ['ben@example.test'] } })),
    'profiles.debug.requesters',
  ],
];

describe('whoever benefits is judged at every decision', () => {
  test.each(CHANGES)('somebody %s gets no request approved', async (_, change, rule) => {
    const id = await pending();
    change();
    await expect(app.useCases.review(ben, id, 'approve', '', await app.seen(id))).rejects.toEqual(refusal(rule));
    expect(refusals()).toMatchObject([{ id, actor: { slackId: ben } }]);
    await app.useCases.review(ben, id, 'deny', '', await app.seen(id));
    expect((await app.grant(id)).state).toBe('denied');
  });

  test.each(CHANGES)('somebody %s gets nothing applied that was approved', async (_, change) => {
    const id = await pending();
    await app.useCases.review(ben, id, 'approve', '', await app.seen(id));
    change();
    await app.run();
    expect((await app.grant(id)).state).toBe('cancelled');
    expect(app.cluster.held.size).toBe(0);
  });

  test.each(CHANGES)('somebody %s can not ask for a longer window', async (_, change, rule) => {
    const id = await active();
    change();
    await expect(app.useCases.extend(ada, id, 600)).rejects.toEqual(refusal(rule));
    expect(refusals()).toMatchObject([{ id, actor: { slackId: ada } }]);
  });

  test.each(CHANGES)(
    'somebody %s gets no longer window approved, and the approver reads why',
    async (_, change, rule) => {
      const { id, seen } = await waiting();
      const { expiresAt } = await app.grant(id);
      change();
      const approval = app.useCases.reviewExtension(ben, id, 'approve', '', seen);
      await expect(approval).rejects.toEqual(refusal(rule));
      await expect(approval).rejects.toThrow(/To the requester it would say: /);
      expect(refusals()).toMatchObject([{ id, actor: { slackId: ben } }]);
      expect(await app.grant(id)).toMatchObject({ expiresAt, extension: { duration: 600 } });
      await app.useCases.reviewExtension(ben, id, 'deny', '', seen);
      expect(await app.grant(id)).toMatchObject({ expiresAt, extension: null });
    },
  );

  test('what the policy approved by itself is not applied when its condition is not met any more', async () => {
    app.setPolicy(policyWith({ automatic: { members: { groups: ['S0CALL'] }, maximum: '1h' } }));
    app.members.set('S0CALL', [ada]);
    const { grant } = await app.request();
    app.members.set('S0CALL', []);
    await app.run();
    expect(await app.grant(grant.id)).toMatchObject({ state: 'cancelled' });
  });

  test('and a longer window of it is for people to decide then', async () => {
    app.setPolicy(policyWith({ automatic: { members: { groups: ['S0CALL'] }, maximum: '1h' } }));
    app.members.set('S0CALL', [ada]);
    const { grant } = await app.request();
    await app.run();
    app.members.set('S0CALL', []);
    const { digest } = await app.useCases.extend(ada, grant.id, 600);
    expect(await app.grant(grant.id)).toMatchObject({ state: 'active', duration: 1800, extension: { duration: 600 } });
    await app.useCases.reviewExtension(ben, grant.id, 'approve', '', { digest, message: null });
    expect(await app.grant(grant.id)).toMatchObject({ duration: 2400 });
  });

  test('a list that can not be read at apply only delays it', async () => {
    app.setPolicy(policyWith({ requesters: { groups: ['S0DEV'] } }));
    app.members.set('S0DEV', [ada]);
    const id = await pending();
    await app.useCases.review(ben, id, 'approve', '', await app.seen(id));
    app.members.set('S0DEV', null);
    await app.run();
    expect((await app.grant(id)).state).toBe('approved');
    app.members.set('S0DEV', [ada]);
    await app.reconcile();
    await app.run();
    expect((await app.grant(id)).state).toBe('active');
  });
});

describe('a longer window is planned anew', () => {
  const grows: [what: string, change: () => void][] = [
    ['whose profile changed', () => app.setPolicy(policyWith({ description: 'another' }))],
    ['whose target was replaced', () => void (app.cluster.target.uid = 'uid-2')],
    ['whose labels other pods share now', () => void (app.cluster.target.strangers = ['pod/other'])],
    [
      'whose requester leads to another user now',
      () => {
        app.setPolicy(policyWith({ requesters: { users: ['ada@example.test', 'ada.new@example.test'] } }));
        moved();
      },
    ],
    [
      'whose profile is disabled',
      () => void (app.world.policies.disabled = () => 'Drawbridge may not bind ClusterRole x'),
    ],
  ];

  test.each(grows)('one %s is refused when it is asked for', async (_, change) => {
    const id = await active();
    change();
    await expect(app.useCases.extend(ada, id, 600)).rejects.toMatchObject({ name: 'Refusal' });
    expect(await app.grant(id)).toMatchObject({ extension: null });
  });

  test('and the refusal says what differs', async () => {
    const id = await active();
    app.cluster.target.uid = 'uid-2';
    await expect(app.useCases.extend(ada, id, 600)).rejects.toThrow(/was deleted and made again/);
  });

  test.each(grows)('and one %s when it is approved', async (_, change) => {
    const { id, seen } = await waiting();
    const { expiresAt } = await app.grant(id);
    change();
    await expect(app.useCases.reviewExtension(ben, id, 'approve', '', seen)).rejects.toMatchObject({ name: 'Refusal' });
    expect(await app.grant(id)).toMatchObject({ expiresAt });
  });

  test('of which nothing changed is given, again and again, whatever the grant itself put into the cluster', async () => {
    const id = await active();
    for (let round = 0; round < 2; round++) {
      const { digest } = await app.useCases.extend(ada, id, 600);
      await app.useCases.reviewExtension(ben, id, 'approve', '', { digest, message: null });
    }
    expect(await app.grant(id)).toMatchObject({ duration: 1800 + 1200 });
  });

  test('takes what is left of the maximum where the default does not fit', async () => {
    app.setPolicy(policyWith({ duration: { default: '30m', maximum: '45m' } }));
    const id = await active();
    await expect(app.useCases.extend(ada, id, null)).resolves.toMatchObject({
      extendable: 900,
      grant: { extension: { duration: 900 } },
    });
  });

  test('is not given in the moment in which the window ends', async () => {
    const { id, seen } = await waiting();
    app.clock.set((await app.grant(id)).expiresAt ?? 0);
    await expect(app.useCases.reviewExtension(ben, id, 'approve', '', seen)).rejects.toEqual(refusal(/^state$/));
  });

  test('that takes the place of another says so', async () => {
    const { id } = await waiting();
    await expect(app.useCases.extend(ada, id, 300)).resolves.toMatchObject({
      grant: { extension: { duration: 300, replaces: 600, approvals: [] } },
    });
  });
});

describe('an account whose address has changed is the same person', () => {
  const both = { users: ['ada@example.test', 'ada.new@example.test'] };

  test('it ends its own grant, lists it, and counts what waits', async () => {
    const id = await active();
    for (let more = 0; more < 10; more++) await app.request(ada, on(`checkout-${more}`));
    moved();
    app.setPolicy(policyWith({ requesters: both }));
    await expect(app.useCases.list(ada)).resolves.toMatchObject({ mine: { length: 11 } });
    await expect(app.request(ada, on('ledger'))).rejects.toEqual(refusal('pending'));
    await app.useCases.revoke(ada, id, '');
    expect((await app.grant(id)).state).toBe('ending');
  });

  test('it does not approve its own longer window', async () => {
    app.setPolicy(policyWith({ requesters: both, approvers: { users: ['ben@example.test', 'ada.new@example.test'] } }));
    const { id, seen } = await waiting();
    moved();
    await expect(app.useCases.reviewExtension(ada, id, 'approve', '', seen)).rejects.toEqual(refusal('selfApproval'));
  });

  test('an approver does not count twice', async () => {
    app.setPolicy(policyWith({ approvals: 2, approvers: { users: ['ben@example.test', 'ben.new@example.test'] } }));
    const id = await pending();
    await app.useCases.review(ben, id, 'approve', '', await app.seen(id));
    app.accounts.set(ben, { ...account(ben, 'ben'), email: 'ben.new@example.test' });
    await expect(app.useCases.review(ben, id, 'approve', '', await app.seen(id))).rejects.toEqual(refusal('approvals'));
    expect((await app.grant(id)).state).toBe('pending');
  });
});

test('users are compared without case, and Kubernetes gets them as they are written', async () => {
  app.setPolicy(
    policyWith(
      { requesters: { users: ['ADA@example.test', 'ben@example.test'] }, deny: { users: ['Ben@Example.test'] } },
      { identity: { overrides: [{ slack: ada, user: 'Ada@Example.Test' }], groups: { 'ADA@EXAMPLE.TEST': ['sre'] } } },
    ),
  );
  await expect(app.request(ben)).rejects.toEqual(refusal('deny'));
  await expect(app.request(ada)).resolves.toMatchObject({
    grant: { plan: { user: 'Ada@Example.Test', groups: ['sre'] } },
  });
});

test('two clicks of one approver in the same moment count once', async () => {
  app.setPolicy(policyWith({ approvals: 2 }));
  const id = await pending();
  const seen = await app.seen(id);
  const click = () => app.useCases.review(ben, id, 'approve', '', seen);
  await Promise.all([click(), click()]);
  expect(await app.grant(id)).toMatchObject({ state: 'pending', decisions: [{ by: { slackId: ben } }] });
  await app.useCases.review(cy, id, 'approve', '', seen);
  expect((await app.grant(id)).state).toBe('approved');
});

describe('every refusal is in the audit, once', () => {
  const twice = async (attempt: () => Promise<unknown>) => {
    for (let i = 0; i < 2; i++) await expect(attempt()).rejects.toMatchObject({ name: 'Refusal' });
  };

  test('of an end, of a longer window, of a button of another message, of a stale one', async () => {
    const { id, seen } = await waiting();
    const other = await app.pending(ada, on('ledger'));
    const { message } = await app.seen(id);
    const { digest } = await app.seen(other);
    app.setPolicy(policyWith({ approvers: { users: ['ben@example.test'] } }));
    await twice(() => app.useCases.revoke(cy, id, ''));
    await twice(() => app.useCases.extend(ben, id, 600));
    await twice(() => app.useCases.review(ben, other, 'approve', '', { digest, message }));
    await twice(() => app.useCases.review(ben, other, 'approve', '', { digest: 'f'.repeat(12), message: null }));
    await twice(() => app.useCases.reviewExtension(cy, id, 'approve', '', seen));
    expect(refusals().map(({ rule, id: of, actor }) => [rule, of, actor?.user])).toEqual([
      ...Array.from({ length: 2 }, () => ['revoke', id, 'cy@example.test']),
      ...Array.from({ length: 2 }, () => ['extend', id, 'ben@example.test']),
      ...Array.from({ length: 2 }, () => ['message', other, 'ben@example.test']),
      ...Array.from({ length: 2 }, () => ['digest', other, 'ben@example.test']),
      ...Array.from({ length: 2 }, () => ['profiles.debug.approvers', id, 'cy@example.test']),
    ]);
    expect(refusals()[0]).toMatchObject({ profile: 'debug', requester: 'ada@example.test' });
  });

  test('of a button that is none of ours, as the adapter met it', async () => {
    await app.useCases.turnAway(cy, 'approve', new Refusal('message', 'That button is not one that Drawbridge knows.'));
    expect(refusals()).toMatchObject([
      {
        rule: 'message',
        id: null,
        actor: { user: 'cy@example.test', slackId: cy },
        note: expect.stringMatching(/^approve: /),
      },
    ]);
  });

  test('of a request, its preview, a look, and of an account that may not act', async () => {
    const ask = {
      profile: 'debug',
      target: { namespace: 'payments', workload: { kind: 'Deployment', name: 'checkout' } },
      duration: null,
      reason: 'why',
    } as const;
    await twice(() => app.useCases.preview(ada, ask));
    await twice(() => app.useCases.request(ada, ask));
    await twice(() => app.useCases.request(ada, { ...ask, profile: 'no such' }));
    await twice(() => app.useCases.workloads(ada, 'debug', null, 'payments'));
    await twice(() => app.useCases.status(ada, 'g-aaaaaa'));
    await twice(() => app.useCases.list('U0NOBODY'));
    expect(refusals().map(({ note }) => String(note).split(':')[0])).toEqual(
      ['preview', 'request', 'request', 'look at workloads', 'status', 'list'].flatMap((doing) => [doing, doing]),
    );
    expect(refusals().map(({ profile }) => profile)).toEqual([
      ...Array.from({ length: 4 }, () => 'debug'),
      undefined,
      undefined,
      ...Array.from({ length: 2 }, () => 'debug'),
      ...Array.from({ length: 4 }, () => undefined),
    ]);
    expect(refusals().at(-1)).toMatchObject({ actor: { user: '', slackId: 'U0NOBODY' } });
  });
});

describe('people are looked up as few times as a decision needs', () => {
  beforeEach(() => {
    app.setPolicy(
      policyWith(
        {
          requesters: { channels: ['C0ENG'] },
          approvers: { groups: ['S0SRE', 'S0LEAD'] },
          deny: { groups: ['S0BAD'] },
          automatic: { members: { groups: ['S0CALL'] }, maximum: '5m' },
        },
        { administrators: { groups: ['S0ADMIN'] } },
      ),
    );
    app.members.set('C0ENG', [ada, ben]);
    app.members.set('S0SRE', [ben]);
    app.members.set('S0LEAD', []);
    app.members.set('S0CALL', []);
    app.members.set('S0ADMIN', [dot]);
    app.members.set(
      'S0BAD',
      Array.from({ length: 150 }, (_, i) => `U0BAD${i}`),
    );
  });

  test('a request reads the account, deny and requesters; an approval reads what decides it, each once', async () => {
    const { grant } = await app.request();
    // The last one, since one condition alone is in the way, and whoever it lets go is told so.
    expect(looked()).toEqual([ada, 'S0BAD', 'C0ENG', 'S0CALL']);
    await app.run();
    const seen = await app.seen(grant.id);
    looked();
    await app.useCases.review(ben, grant.id, 'approve', '', seen);
    expect(looked()).toEqual([ben, ada, 'S0BAD', 'S0SRE', 'C0ENG']);
    await app.run();
    expect(looked()).toEqual([ada, 'S0BAD', 'C0ENG']);
  });

  test('an end by the requester reads no list, by an administrator the one that says so', async () => {
    const first = await active();
    looked();
    await app.useCases.revoke(ada, first, '');
    expect(looked()).toEqual([ada]);
    const second = await app.active(ada, on('ledger'));
    looked();
    await app.useCases.revoke(dot, second, '');
    expect(looked()).toEqual([dot, 'S0ADMIN']);
  });

  test('the form reads each list once, however many profiles name it', async () => {
    const profiles = Object.fromEntries(
      ['one', 'two', 'three'].map((name) => [name, { ...DEBUG, requesters: { channels: ['C0ENG'] } }]),
    );
    app.setPolicy({ ...POLICY, profiles });
    await app.useCases.offers(ada);
    expect(looked()).toEqual([ada, 'C0ENG']);
  });

  test('what can not be read stops no end, and is told as what it is', async () => {
    const id = await active();
    for (const list of ['S0BAD', 'S0ADMIN', 'S0SRE', 'C0ENG']) app.members.set(list, null);
    await expect(app.useCases.revoke(dot, id, '')).rejects.toThrow("Who is in S0ADMIN can't be read now.");
    await expect(app.useCases.extend(ada, id, 60)).rejects.toMatchObject({ remedy: 'Try again in 20 s.' });
    app.members.set('S0LEAD', [cy]);
    await app.useCases.revoke(cy, id, '');
    expect((await app.grant(id)).state).toBe('ending');
  });
});

describe('who leaves loses what is open', () => {
  const look = async () => {
    await endForLeavers(app.world, (error) => {
      throw error;
    });
    await app.run();
  };

  test.each(CHANGES.slice(0, 2))(
    'somebody %s: grants end, requests are withdrawn, and people are told',
    async (_, change, rule) => {
      const open = await active();
      const wished = await app.pending(ada, on('ledger'));
      const approved = (await app.request(ada, on('frontend'))).grant.id;
      await app.useCases.review(ben, approved, 'approve', '', { ...(await app.seen(approved)), message: null });
      const others = (await app.request(ben)).grant.id;
      change();
      await look();
      expect((await app.grant(open)).state).toBe('revoked');
      expect(app.cluster.held.size).toBe(0);
      for (const id of [wished, approved]) expect((await app.grant(id)).state).toBe('cancelled');
      expect((await app.grant(others)).state).toBe('pending');
      expect(
        app.alarms.filter((text) => [open, wished].some((id) => text.startsWith(`${id} is ended: `))),
      ).toHaveLength(2);
      expect(app.told).toContainEqual({ id: open, news: 'ended', state: 'revoked' });
      expect(app.audit.find(({ event, id }) => event === 'cancelled' && id === wished)?.rule).toContain(rule);
    },
  );

  test('but not who is no requester any more, nor by what can not be read', async () => {
    const id = await active();
    app.setPolicy(policyWith({ requesters: { users: ['ben@example.test'] }, deny: { groups: ['S0UNREAD'] } }));
    await look();
    expect((await app.grant(id)).state).toBe('active');
    app.world.directory.account = async () => {
      throw new Unavailable('Slack', 'users.info is rate limited for 20 s');
    };
    await look();
    expect((await app.grant(id)).state).toBe('active');
  });

  /** So many other people who have a request open. */
  async function crowd(count: number): Promise<string[]> {
    const names = Array.from({ length: count }, (_, i) => `one-${i}`);
    const users = ['ada@example.test', ...names.map((name) => `${name}@example.test`)];
    app.setPolicy(policyWith({ requesters: { users } }));
    const ids: string[] = [];
    for (const name of names) {
      const slackId = `U0${name.toUpperCase()}`;
      app.accounts.set(slackId, account(slackId, name));
      ids.push((await app.request(slackId)).grant.id);
    }
    await app.run();
    return ids;
  }

  test('among more than Slack lets us ask for in a minute, who are read from one list', async () => {
    const [mine, ...others] = [await active(), ...(await crowd(150))];
    app.accounts.set(ada, { ...account(ada, 'ada'), deactivated: true });
    looked();
    app.world.store.open = async () => {
      throw new Error('all records at once');
    };
    await look();
    expect(looked()).toEqual([]);
    expect((await app.grant(mine)).state).toBe('revoked');
    for (const id of others) expect((await app.grant(id)).state).toBe('pending');
  });

  test('among twenty one by one, each once however much is theirs', async () => {
    const ids = await crowd(19);
    const mine = [await active(), await app.active(ada, on('ledger'))];
    app.accounts.set(ada, { ...account(ada, 'ada'), deactivated: true });
    app.world.directory.everyone = () => {
      throw new Error('few are not worth the list');
    };
    looked();
    await look();
    expect(looked()).toHaveLength(20);
    for (const id of mine) expect((await app.grant(id)).state).toBe('revoked');
    for (const id of ids) expect((await app.grant(id)).state).toBe('pending');
  });

  test('where the list breaks off, by what was read of it and by few that are asked for; nothing else ends', async () => {
    const mine = await active();
    const others = await crowd(100);
    const gone = { ...account(ada, 'ada'), deactivated: true };
    app.accounts.set(ada, gone);
    const faults: unknown[] = [];
    app.world.directory.everyone = async function* () {
      yield [gone];
      throw new Unavailable('Slack', 'users.list is rate limited for 60 s');
    };
    looked();
    await endForLeavers(app.world, (error) => faults.push(error));
    await app.run();
    expect(looked()).toHaveLength(20);
    expect(faults).toMatchObject([{ message: 'users.list is rate limited for 60 s' }]);
    expect((await app.grant(mine)).state).toBe('revoked');
    for (const id of others) expect((await app.grant(id)).state).toBe('pending');
  });

  test('and who is denied as whom they asked loses it though the account leads elsewhere now', async () => {
    const id = await active();
    app.accounts.set(ada, { ...account(ada, 'ada'), emailConfirmed: false });
    await look();
    expect((await app.grant(id)).state).toBe('active');
    app.setPolicy(policyWith({ deny: { users: ['ada@example.test'] } }));
    await look();
    expect((await app.grant(id)).state).toBe('revoked');
  });
});
