import { describe, expect, it } from 'vitest';
import type { Naming } from '../../../../src/app/ports/view.ts';
import { runJob } from '../../../../src/app/upkeep/run-job.ts';
import type { Account } from '../../../../src/domain/people/people.ts';
import type { PolicyInput } from '../../../../src/domain/policy/schema.ts';
import { account, appWorld, PEOPLE, POLICY } from '../../../support/app-world.ts';

type ProfileInput = PolicyInput['profiles'][string];
type NotifyInput = NonNullable<NonNullable<ProfileInput['approval']>['notify']>;

const { ada, ben, cy, dot } = PEOPLE;
const [ADA, BEN, CY] = ['ada@example.test', 'ben@example.test', 'cy@example.test'] as const;

const policyWith = (notify: NotifyInput, change: Partial<ProfileInput> = {}): PolicyInput => ({
  ...POLICY,
  profiles: { debug: { ...POLICY.profiles['debug']!, approval: { notify }, ...change } },
});

interface Situation {
  readonly notify?: NotifyInput;
  readonly profile?: Partial<ProfileInput>;
  readonly members?: Readonly<Record<string, readonly string[] | null>>;
  readonly accounts?: readonly Account[];
}

function worldOf({ notify = {}, profile = {}, members = {}, accounts = [] }: Situation) {
  const app = appWorld(policyWith(notify, profile));
  for (const [list, ids] of Object.entries(members)) app.members.set(list, ids);
  for (const one of accounts) app.accounts.set(one.slackId, one);
  app.handles.set('S0SRE', 'sre');
  return app;
}

/** How the approvers are named in the message of a request by Ada. */
async function namedIn(situation: Situation): Promise<Record<string, Naming>> {
  const app = worldOf(situation);
  await app.pending();
  return Object.fromEntries(app.named.find(({ news }) => news === 'message')?.naming ?? []);
}

const calls = (...call: string[]): Naming => ({ words: null, call });
const says = (words: string, ...call: string[]): Naming => ({ words, call });
const NOT = calls();
const group = (...ids: string[]): Partial<ProfileInput> => ({ approvers: { groups: ids } });
const thousand = Array.from({ length: 1000 }, (_, i) => `U0N${i}`);

describe('who is named in the message, and who is called by it', () => {
  it.each<[string, Situation, Record<string, Naming>]>([
    ['people named by address', {}, { [BEN]: calls(ben), [CY]: calls(cy) }],
    ['a person named by id', { profile: { approvers: { users: [cy] } } }, { [cy]: calls(cy) }],
    [
      'not the requester, by address, in any case',
      { profile: { approvers: { users: ['Ada@Example.test', BEN] } } },
      { 'Ada@Example.test': NOT, [BEN]: calls(ben) },
    ],
    ['not the requester, by id', { profile: { approvers: { users: [ada, BEN] } } }, { [ada]: NOT, [BEN]: calls(ben) }],
    [
      'not even where they may decide on their own',
      { profile: { approvers: { users: [ADA, BEN] }, selfApproval: true } },
      { [ADA]: NOT, [BEN]: calls(ben) },
    ],
    ['nobody who is denied by name', { profile: { deny: { users: [CY] } } }, { [BEN]: calls(ben), [CY]: NOT }],
    [
      'nobody who is denied by a group',
      { profile: { deny: { groups: ['S0BAD'] } }, members: { S0BAD: [cy] } },
      { [BEN]: calls(ben), [CY]: NOT },
    ],
    [
      'no guest and nobody who has left',
      {
        accounts: [
          { ...account(ben, 'ben'), guest: true },
          { ...account(cy, 'cy'), deactivated: true },
        ],
      },
      { [BEN]: NOT, [CY]: NOT },
    ],
    [
      'by words whom Slack does not know',
      { profile: { approvers: { users: ['eve@example.test', BEN] } } },
      { 'eve@example.test': says('eve@example.test'), [BEN]: calls(ben) },
    ],
    ['quiet people by words', { notify: { quiet: { users: [CY] } } }, { [BEN]: calls(ben), [CY]: says(CY) }],
    ['quiet people by id', { notify: { quiet: { users: [cy] } } }, { [BEN]: calls(ben), [CY]: says(CY) }],
    [
      'quiet people by a group or channel',
      { notify: { quiet: { groups: ['S0Q'], channels: ['C0Q'] } }, members: { S0Q: [cy], C0Q: [ben] } },
      { [BEN]: says(BEN), [CY]: says(CY) },
    ],
    ['nobody', { notify: { mention: 'none' } }, { [BEN]: says(BEN), [CY]: says(CY) }],
    ['a group as it stands, without a look at it', { profile: group('S0SRE') }, {}],
    ['a group by its handle', { notify: { mention: 'none' }, profile: group('S0SRE') }, { S0SRE: says('@sre') }],
    ['a group without one', { notify: { mention: 'none' }, profile: group('S0OPS') }, { S0OPS: says('S0OPS') }],
    ['a quiet group', { notify: { quiet: { groups: ['S0SRE'] } }, profile: group('S0SRE') }, { S0SRE: says('@sre') }],
    [
      'a group with quiet people one by one',
      { notify: { quiet: { users: [CY] } }, profile: group('S0SRE'), members: { S0SRE: [ada, ben, cy, dot] } },
      { S0SRE: says('@sre', ben, dot) },
    ],
    [
      'a group without quiet people as it stands',
      { notify: { quiet: { users: [CY] } }, profile: group('S0SRE'), members: { S0SRE: [ben] } },
      {},
    ],
    [
      'a group as it stands where who is in it can not be read',
      { notify: { quiet: { users: [CY] } }, profile: group('S0SRE'), members: { S0SRE: null } },
      {},
    ],
    [
      'of a thousand members with a quiet one twenty',
      { notify: { quiet: { users: [CY] } }, profile: group('S0SRE'), members: { S0SRE: [cy, ...thousand] } },
      { S0SRE: says('@sre', ...thousand.slice(0, 20)) },
    ],
  ])('names %s', async (_what, situation, expected) => {
    expect(await namedIn(situation)).toEqual(expected);
  });

  it.each<[string, Situation, Readonly<Record<string, readonly string[]>>, Record<string, Naming>]>([
    ['people', {}, { PABC123: [CY] }, { [BEN]: says(BEN), [CY]: calls(cy) }],
    [
      'members of a group and of a channel, but who asks',
      {
        profile: { approvers: { groups: ['S0SRE'], channels: ['C0ENG'] } },
        members: { S0SRE: [ada, ben, cy], C0ENG: [ben, dot] },
      },
      { PABC123: [ADA, CY, 'dot@example.test'] },
      { S0SRE: says('@sre', cy), C0ENG: says('C0ENG', dot) },
    ],
    [
      'nobody who is quiet',
      { notify: { quiet: { users: [CY] } } },
      { PABC123: [BEN, CY] },
      { [BEN]: calls(ben), [CY]: says(CY) },
    ],
    ['all, where nobody of them is on call', {}, { PABC123: [ADA] }, { [BEN]: calls(ben), [CY]: calls(cy) }],
    ['all, where that can not be read', {}, {}, { [BEN]: calls(ben), [CY]: calls(cy) }],
    [
      'a group as it stands, where all of it are, and nobody else',
      { profile: { approvers: { groups: ['S0SRE'], users: [BEN] } }, members: { S0SRE: [cy, dot] } },
      { PABC123: [CY, 'dot@example.test'] },
      { [BEN]: says(BEN) },
    ],
    ['a group as it stands, where that can not be read', { profile: group('S0SRE') }, {}, {}],
  ])('calls who is on call: %s', async (_what, situation, onCall, expected) => {
    const app = worldOf(situation);
    for (const [source, addresses] of Object.entries(onCall)) app.onCall.set(source, addresses);
    app.setPolicy({
      ...policyWith({ mention: 'oncall', ...situation.notify }, situation.profile),
      oncall: { payments: { pagerduty: { escalationPolicy: 'PABC123' } } },
    });
    await app.pending();
    expect(Object.fromEntries(app.named[0]?.naming ?? [])).toEqual(expected);
  });

  it('calls, and writes to, who is on call where they decide, but who asks and who is quiet', async () => {
    const app = worldOf({});
    app.onCall.set('PABC123', [ADA, BEN, CY]);
    app.setPolicy({
      ...policyWith({ direct: true, quiet: { users: [CY] } }, { approvers: { oncall: ['payments'] } }),
      oncall: { payments: { pagerduty: { escalationPolicy: 'PABC123' } } },
    });
    await app.pending();
    expect(Object.fromEntries(app.named[0]?.naming ?? [])).toEqual({ 'oncall.payments': calls(ben) });
    expect(app.asked.map(({ slackId }) => slackId)).toEqual([ben]);
  });

  it('looks nobody up but who asks where all are named by lists', async () => {
    const app = worldOf({ profile: group('S0SRE'), members: { S0SRE: thousand } });
    await app.pending();
    expect(new Set(app.lookups)).toEqual(new Set([ada]));
  });

  it('calls one too many where the group that denies can not be read', async () => {
    const app = worldOf({ profile: { deny: { groups: ['S0BAD'] } }, members: { S0BAD: [cy] } });
    await app.request();
    app.members.set('S0BAD', null);
    await app.run();
    expect(Object.fromEntries(app.named[0]?.naming ?? [])).toEqual({ [BEN]: calls(ben), [CY]: calls(cy) });
  });

  it('calls nobody where everybody is quiet, and they decide all the same', async () => {
    const everybody = { groups: ['S0ALL'] };
    const app = worldOf({ notify: { quiet: everybody, direct: true }, members: { S0ALL: [ada, ben, cy, dot] } });
    const id = await app.pending();
    expect([...(app.named[0]?.naming.values() ?? [])].flatMap(({ call }) => call)).toEqual([]);
    expect(app.asked).toEqual([]);
    await app.useCases.review(ben, id, 'approve', '', await app.seen(id));
    expect((await app.grant(id)).state).toBe('approved');
  });

  it('calls nobody for what the policy approves by itself', async () => {
    const app = worldOf({ profile: { automatic: { members: { users: [ADA] }, maximum: '1h' } } });
    const { grant } = await app.request();
    await app.world.store.change(grant.id, (current) => ({ ...current, state: 'pending' }));
    await runJob(app.world, { v: 1, kind: 'tell', id: grant.id, news: 'message' });
    expect(Object.fromEntries(app.named[0]?.naming ?? [])).toEqual({ [BEN]: says(BEN), [CY]: says(CY) });
  });

  it('names the same people for a longer window, also those who approved the request', async () => {
    const app = worldOf({});
    const id = await app.active();
    await app.useCases.extend(ada, id, 600);
    await app.run();
    expect(Object.fromEntries(app.named.findLast(({ news }) => news === 'extension')?.naming ?? [])).toEqual({
      [BEN]: calls(ben),
      [CY]: calls(cy),
    });
  });
});

describe('who gets a direct message', () => {
  const direct = { notify: { direct: true } } as const;
  const inGroup = (...ids: string[]) => ({ profile: group('S0SRE'), members: { S0SRE: ids } });

  it.each<[string, Situation, Record<string, string>]>([
    ['nobody, unless the profile says so', {}, {}],
    ['people named by address', direct, { [ben]: `users: ${BEN}`, [cy]: `users: ${CY}` }],
    [
      'members of a group, without who asks',
      { ...direct, ...inGroup(ada, ben, cy) },
      { [ben]: 'groups: S0SRE', [cy]: 'groups: S0SRE' },
    ],
    [
      'members of a channel',
      { ...direct, profile: { approvers: { channels: ['C0ENG'] } }, members: { C0ENG: [ada, ben] } },
      { [ben]: 'channels: C0ENG' },
    ],
    [
      'nobody who is quiet',
      { ...inGroup(ben, cy), notify: { direct: true, quiet: { users: [CY] } } },
      { [ben]: 'groups: S0SRE' },
    ],
    [
      'nobody who is denied',
      {
        ...direct,
        profile: { approvers: { groups: ['S0SRE'] }, deny: { users: [CY] } },
        members: { S0SRE: [ben, cy] },
      },
      { [ben]: 'groups: S0SRE' },
    ],
    [
      'no guest and no bot',
      {
        ...direct,
        ...inGroup(ben, cy, dot),
        accounts: [
          { ...account(cy, 'cy'), guest: true },
          { ...account(dot, 'dot'), bot: true },
        ],
      },
      { [ben]: 'groups: S0SRE' },
    ],
    ['nobody of a group that can not be read', { ...direct, profile: group('S0SRE'), members: { S0SRE: null } }, {}],
  ])('gets one: %s', async (_what, situation, expected) => {
    const app = worldOf(situation);
    const id = await app.pending();
    const entries = Object.entries(expected).map(([slackId, entry]) => ({
      id,
      slackId,
      entry: `profiles.debug.approvers (${entry})`,
    }));
    expect(app.asked).toEqual(entries);
  });

  it('of a thousand members twenty get one, and few are looked up', async () => {
    const accounts = thousand.map((slackId, i) => ({ ...account(slackId, `n${i}`), guest: i < 5 }));
    const app = worldOf({ ...direct, ...inGroup(...thousand), accounts });
    await app.pending();
    expect(app.asked.map(({ slackId }) => slackId)).toEqual(thousand.slice(5, 25));
    expect(new Set(app.lookups).size).toBeLessThanOrEqual(41);
  });

  it('once, however often the message is brought up to date', async () => {
    const app = worldOf({ ...direct, profile: { approvals: 2 } });
    const id = await app.pending();
    await app.useCases.review(ben, id, 'approve', '', await app.seen(id));
    await app.run();
    expect(app.asked.map(({ slackId }) => slackId)).toEqual([ben, cy]);
  });

  it.each<[string, (app: ReturnType<typeof worldOf>, id: string) => unknown]>([
    ['the request is decided', async (app, id) => app.useCases.review(ben, id, 'deny', '', await app.seen(id))],
    ['they are denied', (app) => app.setPolicy(policyWith(direct.notify, { deny: { groups: ['S0BAD'] } }))],
    ['they are quiet', (app) => app.setPolicy(policyWith({ direct: true, quiet: { users: [BEN, CY] } }))],
    ['nobody is to get one', (app) => app.setPolicy(policyWith({}))],
  ])('not when meanwhile %s', async (_what, change) => {
    const app = worldOf({ ...direct, members: { S0BAD: [ben, cy] } });
    const { grant } = await app.request();
    await runJob(app.world, { v: 1, kind: 'tell', id: grant.id, news: 'message' });
    expect(app.jobs().filter(({ job }) => job.kind === 'ask')).toHaveLength(2);
    await change(app, grant.id);
    await app.run();
    expect(app.asked).toEqual([]);
  });
});
