import { randomUUID } from 'node:crypto';
import { type AddressInfo, connect, createServer } from 'node:net';
import { pino } from 'pino';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createSlackApp, type SlackApp } from '../../src/adapters/slack/app.ts';
import {
  connectSlack,
  type SlackConnection,
  SlackRefused,
  type SlackSettings,
} from '../../src/adapters/slack/connection.ts';
import { createDirectory, STAYS_FRESH } from '../../src/adapters/slack/directory.ts';
import { lackOfChannel, lackOfLists, lackOfOwnChannels, lackOfScopes } from '../../src/adapters/slack/needs.ts';
import { createNotifier } from '../../src/adapters/slack/notifier.ts';
import { ACTIONS, carryPage, MODALS, SHORTCUT } from '../../src/adapters/slack/surfaces/actions.ts';
import type { Turns } from '../../src/adapters/slack/surfaces/context.ts';
import { requestModal } from '../../src/adapters/slack/surfaces/form/modal.ts';
import type { Notifier } from '../../src/app/ports/notifier.ts';
import type { Offer, Proposal, Requested, UseCases } from '../../src/app/ports/use-cases.ts';
import type { View } from '../../src/app/ports/view.ts';
import { Refusal, Unavailable } from '../../src/domain/errors.ts';
import type { Grant } from '../../src/domain/grant/grant.ts';
import { policySchema } from '../../src/domain/policy/schema.ts';
import {
  type Answer,
  blocksText,
  type LocalSlack,
  type SlackMessage,
  signedRequest,
} from '../../src/sandbox/slack/index.ts';
import { openSlackPage } from '../support/browser.ts';
import { samplePreview } from '../support/grants.ts';
import { ACCESS, ADA, BEN, CY, SRE, startTestSlack, turnsInMemory, workspace } from '../support/slack.ts';
import { sampleView } from '../support/views.ts';

/** Bolt and the adapter against the local Slack, with use cases that only remember what they were called with. */

const ID = 'g-7k3fq2';
/** A list that can't be read now, or not before somebody changes something. */
const UNREADABLE = { retryIn: expect.any(Number) as number };
const LASTING = { retryIn: null };

interface Stub {
  readonly useCases: UseCases;
  /** What they do otherwise, unseen. */
  readonly ordinary: UseCases;
  readonly calls: unknown[][];
  /** What the next calls of a use case do in place of the ordinary. */
  does: Partial<UseCases>;
  view: View;
  proposal: Proposal;
}

function stubUseCases(): Stub {
  const stub: Stub = {
    calls: [],
    does: {},
    view: sampleView(),
    proposal: {
      view: sampleView(),
      rule: 'profiles.debug.requesters (ada@example.test)',
      missed: null,
      digest: 'd'.repeat(12),
    },
    useCases: undefined as unknown as UseCases,
    ordinary: undefined as unknown as UseCases,
  };
  const ordinary: UseCases = {
    scopeOf: () => null,
    startOf: async () => 1_790_000_040_000,
    takeToken: () => Promise.reject(new Error('no tokens')),
    closedClusters: async () => [],
    offers: async () => [
      {
        profile: 'debug',
        description: 'Logs and a shell',
        scope: 'workload',
        rights: null,
        cluster: null,
        namespaces: ['payments', 'staging'],
        defaultDuration: 1800,
        maximumDuration: 7200,
      },
      {
        profile: 'logs',
        description: 'Logs',
        scope: 'namespace',
        rights: null,
        cluster: null,
        namespaces: ['staging'],
        defaultDuration: 900,
        maximumDuration: 3600,
      },
    ],
    workloads: async (_user, _profile, _cluster, namespace) => [
      { kind: 'Deployment', name: `checkout-of-${namespace}` },
    ],
    preview: async () => stub.proposal,
    request: async () => ({ ...stub.view, missed: null, isAgain: false }),
    requestAsShown: async () => ({ requested: { ...stub.view, missed: null, isAgain: false } }),
    review: async () => sampleView({ state: 'approved' }),
    extend: async () =>
      sampleView({ state: 'active', extension: { duration: 600, askedAt: 0, asks: 1, replaces: null, approvals: [] } }),
    reviewExtension: async () => sampleView({ state: 'active' }),
    mustBeGlassReviewer: async () => {},
    considerChanges: async () => sampleView(),
    approveWithChanges: async () => sampleView({ state: 'approved' }),
    reviewBreakGlass: async () => sampleView({ state: 'expired' }),
    nudge: async () => stub.view,
    revoke: async () => sampleView({ state: 'ending' }),
    list: async () => ({ mine: [stub.view], waiting: [stub.view], more: false }),
    noteOn: async (_id, verdict) => (verdict === 'approve' ? 'in the line' : 'optional'),
    consider: async () => stub.view,
    status: async () => stub.view,
    inspect: async () => ({ view: stub.view, anew: { kind: 'same' } }),
    home: async () => ({
      mine: [stub.view],
      waiting: [stub.view],
      more: false,
      offers: await ordinary.offers(ADA),
      ended: [sampleView({ state: 'denied', endedAt: 0 }).grant],
      unreviewed: [],
      everything: null,
      asOf: Date.now(),
    }),
    everything: async (_user, page, which = {}) => ({
      which,
      entries: [stub.view.grant],
      page,
      pages: 3,
      listed: 45,
      count: 45,
      endable: 45,
      clusters: ['eu', 'us'],
    }),
    endAll: async () => ({ ended: 2, withdrawn: 1, failures: 0, failed: [] }),
    again: async () => ({ profile: 'logs', target: { namespace: 'staging' }, duration: 900, reason: 'as before' }),
    mustBeReviewable: async () => {},
    turnAway: async () => {},
    who: async () => [sampleView({ state: 'active', expiresAt: Date.now() + 60_000 }).grant],
  };
  const useCases = Object.fromEntries(
    (Object.keys(ordinary) as (keyof UseCases)[]).map((name) => [
      name,
      (...args: unknown[]) => {
        // Asked with each click, of the policy alone.
        if (name !== 'noteOn' && name !== 'mustBeReviewable') stub.calls.push([name, ...args]);
        const work = (stub.does[name] ?? ordinary[name]) as (...a: unknown[]) => Promise<unknown>;
        return work(...args);
      },
    ]),
  );
  return Object.assign(stub, { useCases, ordinary });
}

const log = pino({ level: 'silent' });

function onceOnly(): (key: string) => Promise<boolean> {
  const seen = new Set<string>();
  return async (key) => {
    const before = seen.has(key);
    seen.add(key);
    return before;
  };
}

interface Running {
  readonly slack: LocalSlack;
  readonly app: SlackApp;
  readonly connection: SlackConnection;
  readonly notifier: Notifier;
  readonly stub: Stub;
  readonly url: string | null;
  /** What administrators were told of the connection. */
  readonly alarms: readonly string[];
  readonly turns: Turns;
}

const settingsFor = (slack: LocalSlack, mode: 'socket' | 'http'): SlackSettings => ({
  botToken: slack.botToken,
  apiUrl: slack.apiUrl,
  receive:
    mode === 'socket' ? { mode, appToken: slack.appToken } : { mode, signingSecret: slack.signingSecret, port: 0 },
});

async function run(
  mode: 'socket' | 'http',
  change: { scopes?: string[]; slack?: LocalSlack; settledAfter?: number } = {},
): Promise<Running> {
  const slack = change.slack ?? (await startTestSlack());
  if (change.scopes) slack.control.setScopes(change.scopes);
  const settings = settingsFor(slack, mode);
  const connection = connectSlack(settings, log);
  const stub = stubUseCases();
  const directory = createDirectory(connection, log);
  const notifier = createNotifier({ connection, channel: () => ACCESS, directory, log });
  const alarms: string[] = [];
  const turns = turnsInMemory();
  const app = createSlackApp({
    settings,
    connection,
    useCases: stub.useCases,
    seenBefore: onceOnly(),
    turns,
    tell: (what) => alarms.push(what),
    settledAfter: change.settledAfter,
    log,
  });
  try {
    const { port } = await app.start();
    const url = port === null ? null : `http://127.0.0.1:${port}/slack/events`;
    if (url !== null) slack.control.setRequestUrl(url);
    return { slack, app, connection, notifier, stub, url, alarms, turns };
  } catch (error) {
    await slack.stop();
    throw error;
  }
}

async function end({ slack, app }: Running): Promise<void> {
  await app.stop();
  await slack.stop();
}

const textOf = (message: SlackMessage | undefined): string => blocksText(message?.blocks ?? []);
const last = async (messages: Promise<SlackMessage[]>): Promise<SlackMessage> => {
  const found = (await messages).at(-1);
  if (found === undefined) throw new Error('no message');
  return found;
};

/** What this person alone was told last, once it says `part`. */
const told = (slack: LocalSlack, user: string, part: string): Promise<SlackMessage> =>
  slack.control.waitFor(
    async () => {
      const all = [...(await slack.control.ephemerals(user)), ...(await slack.control.dms(user))];
      return all.find((message) => textOf(message).includes(part));
    },
    { what: `"${part}"` },
  );

describe.each(['socket', 'http'] as const)('in %s mode', (mode) => {
  let here: Running;
  const ends: Promise<void>[] = [];
  beforeEach(async () => {
    here = await run(mode);
  });
  // A goodbye takes Slack half a second: the next one begins meanwhile.
  afterEach(() => {
    ends.push(end(here));
  });
  afterAll(async () => {
    await Promise.all(ends);
  });

  /** The approval message, posted. */
  async function posted(change: Partial<Grant> = {}): Promise<{ channel: string; ts: string; view: View }> {
    const view = sampleView(change);
    const { message } = await here.notifier.deliver(view, 'message');
    if (!message) throw new Error('not posted');
    return { ...message, view: sampleView({ ...change, message }) };
  }

  const shownTo = (user: string): string => blocksText(here.slack.control.modal(user)?.blocks ?? []);
  const reasonField = () => here.slack.control.modal(ADA)?.blocks.find((b) => b.label?.text === 'Reason');
  const LOOK_AT_LOGS = { profile: 'logs', target: { namespace: 'staging' }, duration: 900, reason: 'look at <logs>' };

  /** The form, filled in for {@link LOOK_AT_LOGS}, ready to be submitted. */
  async function filledForm(): Promise<void> {
    const { slack, stub } = here;
    stub.does.offers = async () => [
      {
        profile: 'logs',
        description: '',
        scope: 'namespace',
        rights: null,
        cluster: null,
        namespaces: ['staging'],
        defaultDuration: 900,
        maximumDuration: 3600,
      },
    ];
    await slack.control.command(ADA, ACCESS, '/jit', '');
    const block = await slack.control.waitFor(reasonField);
    await slack.control.enter(ADA, { block_id: block.block_id ?? '' }, LOOK_AT_LOGS.reason);
  }

  /** Waits until so many changes of modals have met this error. */
  const updates = (error: string, count: number) =>
    here.slack.control.waitFor(
      () =>
        here.slack.control
          .log()
          .filter(({ what, answer }) => what === 'views.update' && (answer as { error?: string })?.error === error)
          .length === count,
    );

  it('answers commands to the person alone', async () => {
    const { slack, stub } = here;
    await slack.control.command(ADA, ACCESS, '/jit', 'list');
    expect(textOf(await told(slack, ADA, 'Waiting for your decision'))).toContain(ID);
    expect(await slack.control.ephemerals(BEN)).toEqual([]);
    expect(stub.calls).toEqual([['list', ADA]]);

    await slack.control.command(ADA, ACCESS, '/jit', 'request debug staging/deploy/checkout 45m it returns 502');
    await told(slack, ADA, '1 approval needed');
    expect(stub.calls.at(-1)).toEqual([
      'request',
      ADA,
      {
        profile: 'debug',
        target: { namespace: 'staging', workload: { kind: 'Deployment', name: 'checkout' } },
        duration: 2700,
        reason: 'it returns 502',
      },
    ]);

    await slack.control.command(ADA, ACCESS, '/jit', 'aprove g-7k3fq2');
    await told(slack, ADA, "There is no command 'aprove'. Did you mean /jit approve?");
    await slack.control.command(ADA, ACCESS, '/jit', 'who staging');
    await told(slack, ADA, 'Access to staging');
  });

  it('shows who may not read all of a grant who has access where, and no button', async () => {
    const { slack, stub } = here;
    const { id, state, requester, profile, cluster, target } = sampleView({ state: 'active' }).grant;
    stub.does.inspect = async () => ({
      access: { id, state, requester, profile, cluster, target, expiresAt: Date.now() + 60_000 },
    });
    await slack.control.command(ADA, ACCESS, '/jit', `status ${id}`);
    const message = await told(slack, ADA, 'Reason, notes and plan are shown to');
    expect(textOf(message)).toContain(requester.user);
    expect(message.blocks?.filter(({ type }) => type === 'actions')).toEqual([]);
  });

  it('tells refusals and faults in words that are safe', async () => {
    const { slack, stub } = here;
    stub.does.request = async () => {
      throw new Refusal('profiles.debug.requesters', "Profile '<!channel>' is not yours.", 'Ask Cy.');
    };
    await slack.control.command(ADA, ACCESS, '/jit', 'request debug staging x y');
    const refused = await told(slack, ADA, 'is not yours. Ask Cy. (Rule: profiles.debug.requesters)');
    expect(refused.text).not.toContain('<!');
    stub.does.request = async () => {
      throw new Unavailable('Redis', 'ECONNREFUSED 10.0.0.1');
    };
    await slack.control.command(ADA, ACCESS, '/jit', 'request debug staging x y');
    expect(textOf(await told(slack, ADA, 'Redis does not answer'))).not.toContain('ECONN');
    stub.does.list = () => Promise.reject(new TypeError('secret'));
    await slack.control.command(ADA, ACCESS, '/jit', 'list');
    expect(textOf(await told(slack, ADA, 'Something went wrong'))).not.toContain('secret');
  });

  it('passes a click on with the digest of the button and the message that it was in', async () => {
    const { slack, stub } = here;
    const { channel, ts, view } = await posted();
    await slack.control.click(BEN, channel, ts, ACTIONS.approve);
    await told(slack, BEN, 'Your approval counts.');
    expect(stub.calls).toEqual([['review', BEN, ID, 'approve', '', { digest: view.digest, message: { channel, ts } }]]);
  });

  it('handles a click once that Slack delivers twice', async () => {
    const { slack, stub } = here;
    const { channel, ts } = await posted();
    await slack.control.click(BEN, channel, ts, ACTIONS.approve);
    await told(slack, BEN, 'Your approval counts.');
    const again = slack.control.deliveries().at(-1);
    if (again === undefined) throw new Error('no delivery');
    expect(await slack.control.redeliver(again)).toMatchObject({ acked: true });
    await slack.control.command(BEN, ACCESS, '/jit', 'list');
    await told(slack, BEN, 'Waiting for your decision');
    expect(stub.calls.filter(([name]) => name === 'review')).toHaveLength(1);
  });

  it('takes a note of any characters with the button that carries it', async () => {
    const { slack, stub } = here;
    const note = '&<>'.repeat(100);
    await slack.control.command(BEN, ACCESS, '/jit', `approve ${ID} ${note.replaceAll('&', '&amp;')}`);
    const { ts } = await told(slack, BEN, 'Only you see this');
    await slack.control.click(BEN, ACCESS, ts, ACTIONS.approve);
    await slack.control.waitFor(() => stub.calls.some(([name]) => name === 'review'));
    expect(stub.calls.find(([name]) => name === 'review')?.slice(2, 5)).toEqual([ID, 'approve', note]);
  });

  it('answers a button in the thread in which it is', async () => {
    const { slack, notifier, stub } = here;
    const active = { state: 'active', startsAt: Date.now(), expiresAt: Date.now() + 60_000 } as const;
    const { thread } = await notifier.deliver(sampleView(active), 'granted');
    if (!thread) throw new Error('not told');
    await notifier.deliver(sampleView({ ...active, thread }), 'warning');
    const [first, warning] = await slack.control.dms(ADA);
    await slack.control.click(ADA, thread.channel, warning?.ts ?? '', ACTIONS.revoke);
    const answer = await told(slack, ADA, 'Revoking; the request');
    expect(answer).toMatchObject({ channel: thread.channel, thread_ts: thread.ts, ephemeral_to: ADA });
    // The message that begins the thread is in none.
    stub.does.revoke = async () => sampleView({ state: 'revoked' });
    await slack.control.click(ADA, thread.channel, first?.ts ?? '', ACTIONS.revoke);
    expect((await told(slack, ADA, 'Revoked.')).thread_ts).toBeUndefined();
  });

  it('shows a token in a modal to whoever pressed the button, and says it nowhere else', async () => {
    const { slack, stub, notifier } = here;
    const jwt = `eyJ${'a'.repeat(900)}.b-_c`;
    const view = {
      ...sampleView({ state: 'active', startsAt: Date.now(), expiresAt: Date.now() + 3_600_000 }),
      kubeconfig: 'kind: Config',
    };
    stub.does.takeToken = async () => ({
      view,
      token: { reveal: () => jwt, toJSON: () => '[secret]' },
      expiresAt: Date.now() + 3_600_000,
    });
    const { thread } = await notifier.deliver(view, 'granted');
    if (!thread) throw new Error('not told');
    const [message] = await slack.control.dms(ADA);
    expect(textOf(message)).toContain('kind: Config');
    await slack.control.click(ADA, thread.channel, thread.ts, ACTIONS.token);
    await slack.control.waitFor(async () => shownTo(ADA).includes(jwt));
    stub.does.takeToken = async () => {
      throw new Refusal('state', 'g-7k3fq2 gives no access now: it is expired.');
    };
    await slack.control.click(ADA, thread.channel, thread.ts, ACTIONS.token);
    await slack.control.waitFor(async () => shownTo(ADA).includes('gives no access now'));
    const said = [...(await slack.control.dms(ADA)), ...(await slack.control.ephemerals(ADA))];
    expect(JSON.stringify(said)).not.toContain('eyJ');
  });

  it('asks for a note before it denies', async () => {
    const { slack, stub } = here;
    stub.does.review = async () => sampleView({ state: 'denied' });
    const { channel, ts, view } = await posted();
    await slack.control.click(BEN, channel, ts, ACTIONS.deny);
    await slack.control.waitFor(() => slack.control.modal(BEN)?.callback_id === MODALS.deny);
    expect(stub.calls).toEqual([]);
    expect(await slack.control.fillAndSubmit(BEN, { input: 'please use staging' })).toMatchObject({ kind: 'updated' });
    expect(stub.calls).toEqual([
      ['review', BEN, ID, 'deny', 'please use staging', { digest: view.digest, message: { channel, ts } }],
    ]);
  });

  it.each([
    [ACTIONS.approve, 'approve', 'required'],
    [ACTIONS.approve, 'approve', 'optional'],
    [ACTIONS.deny, 'deny', 'required'],
  ] as const)('asks for a note with %s where the profile says so: %s %s', async (action, verdict, rule) => {
    const { slack, stub } = here;
    stub.does.noteOn = async () => rule;
    const { channel, ts, view } = await posted();
    await slack.control.click(BEN, channel, ts, action);
    const form = await slack.control.waitFor(() => slack.control.modal(BEN));
    expect(form).toMatchObject({ callback_id: MODALS[verdict], blocks: [{ optional: rule === 'optional' }] });
    expect(stub.calls).toEqual([]);
    // What can't be seen, calls somebody or breaks the line is one line of text.
    await slack.control.fillAndSubmit(BEN, { input: '<!channel>\n\u202eof  <@U0DEE>' });
    const seen = { digest: view.digest, message: { channel, ts } };
    expect(stub.calls).toEqual([['review', BEN, ID, verdict, '<!channel> of <@U0DEE>', seen]]);
  });

  it('denies at once where no note is taken', async () => {
    const { slack, stub } = here;
    stub.does.noteOn = async () => 'none';
    const { channel, ts } = await posted();
    await slack.control.click(BEN, channel, ts, ACTIONS.deny);
    await slack.control.waitFor(() =>
      stub.calls.some(([name, , , verdict]) => name === 'review' && verdict === 'deny'),
    );
    expect(slack.control.modal(BEN)).toBeFalsy();
  });

  it('has a Home, whose buttons answer there or in a modal', async () => {
    const { slack, stub } = here;
    const { control } = slack;
    const shownAtHome = () => blocksText(control.home(ADA)?.blocks ?? []);
    await control.openHome(ADA);
    await control.waitFor(() => shownAtHome().includes('What you may ask for'));
    expect(stub.calls).toEqual([['home', ADA, 0, {}]]);
    await control.pressHome(ADA, { action_id: ACTIONS.revoke });
    await control.waitFor(() => shownAtHome().includes('Revoking'));
    expect(stub.calls.at(-2)).toEqual(['revoke', ADA, ID, '']);
    stub.does.extend = async () => {
      throw new Refusal('state', 'It has ended.');
    };
    stub.view = sampleView({ state: 'active', expiresAt: Date.now() + 60_000 });
    await control.openHome(ADA);
    await control.waitFor(() => shownAtHome().includes('left'));
    await control.pressHome(ADA, ACTIONS.extend);
    await control.waitFor(() => shownAtHome().includes('It has ended.'));
    await control.pressHome(ADA, ACTIONS.status);
    await control.waitFor(() => shownTo(ADA).includes(ID));
    await control.close(ADA);
    // What was asked for before fills in the form, which asks again as ever.
    await control.pressHome(ADA, ACTIONS.again);
    await control.waitFor(() => control.modal(ADA)?.callback_id === MODALS.request);
    expect(await control.submit(ADA)).toMatchObject({ kind: 'updated' });
    expect(stub.calls.at(-1)).toEqual([
      'preview',
      ADA,
      { profile: 'logs', target: { namespace: 'staging' }, duration: 900, reason: 'as before' },
    ]);
    await control.close(ADA);
    await control.pressHome(ADA, { action_id: ACTIONS.ask, value: JSON.stringify({ profile: 'logs' }) });
    await control.waitFor(() => JSON.stringify(control.modal(ADA)).includes('reason'));
    await control.close(ADA);
    await control.shortcut(ADA, SHORTCUT);
    await control.waitFor(() => control.modal(ADA)?.callback_id === MODALS.request);
    await control.close(ADA);
    stub.does.home = async () => {
      throw new Unavailable('Redis', 'away');
    };
    await control.openHome(ADA);
    await control.waitFor(() => shownAtHome().includes('Redis does not answer'));
  });

  it('shows administrators what matches, keeps to that, and ends all of it', async () => {
    const { slack, stub } = here;
    const { control } = slack;
    const shownAtHome = () => blocksText(control.home(ADA)?.blocks ?? []);
    const home = stub.ordinary.home;
    stub.does.home = async (user, page, which = {}) => ({
      ...(await home(user, page)),
      everything: await stub.ordinary.everything(user, page, which),
    });
    const lastHome = () => stub.calls.findLast(([name]) => name === 'home');
    await control.openHome(ADA);
    await control.waitFor(() => shownAtHome().includes('45 are open or wait.'));
    await control.pressHome(ADA, ACTIONS.homeFilter);
    await control.waitFor(() => control.modal(ADA)?.callback_id === MODALS.filter);
    await control.fillAndSubmit(ADA, { person: BEN, namespace: 'no such' });
    expect(control.modal(ADA)?.callback_id).toBe(MODALS.filter);
    await control.fillAndSubmit(ADA, { namespace: 'staging', cluster: 'eu' });
    const which = { person: BEN, namespace: 'staging', cluster: 'eu' };
    await control.waitFor(() => control.modal(ADA) === undefined && shownAtHome().includes('in namespace `staging`'));
    expect(lastHome()).toEqual(['home', ADA, 0, which]);
    await control.pressHome(ADA, { action_id: ACTIONS.homePage, value: carryPage(1, which) });
    await control.waitFor(() => shownAtHome().includes('page 2 of 3'));
    // What is done on Home, or in a modal from it, draws the same page anew.
    await control.pressHome(ADA, { action_id: ACTIONS.revoke });
    await control.waitFor(() => shownAtHome().includes('Revoking'));
    expect(lastHome()).toEqual(['home', ADA, 1, which]);
    await control.pressHome(ADA, ACTIONS.homeEndAll);
    await control.waitFor(() => shownAtHome().includes('2 are being ended. 1 was withdrawn.'));
    expect(stub.calls.filter(([name]) => name === 'endAll')).toEqual([['endAll', ADA, which]]);
    expect(lastHome()).toEqual(['home', ADA, 1, which]);
    await control.pressHome(ADA, { action_id: ACTIONS.homePage, value: carryPage(0) });
    await control.waitFor(() => !shownAtHome().includes('in namespace `staging`'));
  });

  it('decides in a modal from Home by what was shown there', async () => {
    const { slack, stub } = here;
    await slack.control.openHome(BEN);
    await slack.control.waitFor(() => slack.control.home(BEN));
    await slack.control.pressHome(BEN, ACTIONS.look);
    await slack.control.waitFor(() => shownTo(BEN).includes('Nothing is decided until'));
    await slack.control.press(BEN, ACTIONS.approve);
    await slack.control.waitFor(() => shownTo(BEN).includes('Your approval counts'));
    expect(stub.calls.find(([name]) => name === 'review')).toEqual([
      'review',
      BEN,
      ID,
      'approve',
      '',
      { digest: stub.view.digest, message: null },
    ]);
  });

  it('asks again by /jit again, lists everything by page, and keeps a list in which a button was pressed', async () => {
    const { slack, stub } = here;
    const answered = async (act: () => Promise<unknown>) => {
      const before = (await slack.control.ephemerals(ADA)).length;
      await act();
      return slack.control.waitFor(async () => (await slack.control.ephemerals(ADA))[before]);
    };
    await slack.control.command(ADA, ACCESS, '/jit', `again ${ID}`);
    await slack.control.waitFor(() => slack.control.modal(ADA)?.callback_id === MODALS.request);
    await slack.control.close(ADA);
    const all = await answered(() => slack.control.command(ADA, ACCESS, '/jit', 'list all 2'));
    expect(blocksText(all.blocks ?? [])).toContain('Everything (page 2 of 3)');
    await slack.control.click(ADA, ACCESS, all.ts, ACTIONS.listPage);
    await slack.control.waitFor(async () =>
      JSON.stringify(await slack.control.ephemerals(ADA)).includes('page 3 of 3'),
    );
    const mine = await answered(() => slack.control.command(ADA, ACCESS, '/jit', 'list'));
    stub.calls.length = 0;
    await slack.control.click(ADA, ACCESS, mine.ts, { action_id: ACTIONS.revoke });
    const redrawn = await slack.control.waitFor(async () =>
      (await slack.control.ephemerals(ADA)).find(
        ({ ts, blocks }) => ts === mine.ts && blocksText(blocks ?? []).includes('Revoking'),
      ),
    );
    expect(blocksText(redrawn.blocks ?? [])).toContain('Your requests and grants');
    // Foreign and forged values of the buttons of Home are nothing.
    for (const [action_id, value] of [
      [ACTIONS.ask, '{"profile":1}'],
      [ACTIONS.again, '{"profile":"debug"}'],
      [ACTIONS.listPage, '{"all":-1}'],
      [ACTIONS.homePage, '{"all":0,"user":"U0BEN"}'],
      [ACTIONS.homeFilter, '{"all":0,"which":{"namespace":"*"}}'],
      [ACTIONS.homeEndAll, '{"end":{"person":"U0BEN","ids":["g-7k3fq2"]}}'],
    ]) {
      stub.calls.length = 0;
      const pressed = slack.control.deliveries().findLast((one) => one.payload['type'] === 'block_actions');
      if (pressed === undefined) throw new Error('nothing was pressed');
      await slack.control.redeliver({
        ...pressed,
        id: randomUUID(),
        payload: { ...pressed.payload, trigger_id: randomUUID(), actions: [{ type: 'button', action_id, value }] },
        answers: [],
      });
      await slack.control.waitFor(() => stub.calls.length > 0);
      expect(stub.calls.map(([name]) => name)).toEqual(['turnAway']);
    }
  });

  it('asks nobody for a note who may not decide', async () => {
    const { slack, stub } = here;
    stub.does.mustBeReviewable = async () => {
      throw new Refusal('profiles.debug.approvers', 'You are not an approver of debug.');
    };
    const { channel, ts } = await posted();
    const before = (await slack.control.ephemerals(CY)).length;
    await slack.control.click(CY, channel, ts, ACTIONS.deny);
    const told = await slack.control.waitFor(async () => (await slack.control.ephemerals(CY))[before]);
    expect(blocksText(told.blocks ?? [])).toContain('You are not an approver');
    expect(slack.control.modal(CY)).toBeUndefined();
  });

  it('asks back which of two readings was meant, with a button for each, of which one is taken', async () => {
    const { slack, stub } = here;
    const typed = 'request debug staging/deploy/checkout <b> & <@U0BEN> is &amp; slow for 20m because';
    for (const [action, duration, reason] of [
      [ACTIONS.reading, 1200, '<b> & <@U0BEN> is &amp; slow because'],
      [ACTIONS.otherReading, null, '<b> & <@U0BEN> is &amp; slow for 20m because'],
    ] as const) {
      const escaped = typed.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
      const before = (await slack.control.ephemerals(ADA)).length;
      await slack.control.command(ADA, ACCESS, '/jit', escaped);
      const asked = await slack.control.waitFor(async () => (await slack.control.ephemerals(ADA))[before]);
      expect(blocksText(asked.blocks ?? [])).toContain("Is 'for 20m' the window, or a part of the reason?");
      await slack.control.click(ADA, ACCESS, asked.ts, action);
      await slack.control.waitFor(() => stub.calls.at(-1)?.[0] === 'request');
      expect(stub.calls.at(-1)).toMatchObject(['request', ADA, { duration, reason }]);
      stub.calls.length = 0;
    }
    // Pressed by another, changed, or a line of another kind: nothing is done.
    const pressed = slack.control.deliveries().findLast((one) => one.payload['type'] === 'block_actions');
    const line = (text: string, by: string) => JSON.stringify({ line: text, by });
    const good = 'request debug staging/deploy/checkout 5m why';
    for (const [user, value] of [
      [BEN, line(good, ADA)],
      [ADA, line(`revoke ${ID}`, ADA)],
      [ADA, line('', ADA)],
      [ADA, line('list', ADA)],
      [ADA, JSON.stringify({ line: good })],
      [ADA, 'not json'],
    ] as const) {
      if (pressed === undefined) throw new Error('nothing was pressed');
      const { actions, ...payload } = pressed.payload as { actions: object[] };
      await slack.control.redeliver({
        ...pressed,
        id: randomUUID(),
        payload: { ...payload, user: { id: user }, trigger_id: randomUUID(), actions: [{ ...actions[0], value }] },
        answers: [],
      });
      await slack.control.waitFor(() => stub.calls.at(-1)?.[0] === 'turnAway');
      expect(stub.calls.map(([name]) => name)).toEqual(['turnAway']);
      stub.calls.length = 0;
    }
  });

  it('shows a refusal of a denial in the modal', async () => {
    const { slack, stub } = here;
    stub.does.review = async () => {
      throw new Refusal('state', 'g-7k3fq2 has ended: expired.');
    };
    const { channel, ts } = await posted();
    await slack.control.click(BEN, channel, ts, ACTIONS.deny);
    await slack.control.waitFor(() => slack.control.modal(BEN)?.callback_id === MODALS.deny);
    expect(await slack.control.submit(BEN)).toMatchObject({
      kind: 'errors',
      errors: { note: expect.stringContaining('has ended') },
    });
  });

  it('shows the plan before /jit approve counts', async () => {
    const { slack, stub } = here;
    await slack.control.command(BEN, ACCESS, '/jit', `approve ${ID} for the incident`);
    const shown = await told(slack, BEN, 'Nothing is decided until you press a button.');
    expect(textOf(shown)).toContain('Opens 1, closes 0');
    expect(stub.calls).toEqual([['consider', BEN, ID, 'for the incident']]);
    await slack.control.click(BEN, ACCESS, shown.ts, ACTIONS.approve);
    await told(slack, BEN, 'Your approval counts.');
    expect(stub.calls.at(-1)).toEqual([
      'review',
      BEN,
      ID,
      'approve',
      'for the incident',
      { digest: stub.view.digest, message: null },
    ]);
  });

  it('leads through the request modal', async () => {
    const { slack, stub } = here;
    await slack.control.command(ADA, ACCESS, '/jit', '');
    await slack.control.waitFor(() => slack.control.modal(ADA)?.callback_id === MODALS.request);
    await slack.control.enter(ADA, ACTIONS.profile, 'debug');
    await slack.control.waitFor(() => slack.control.modal(ADA)?.blocks.some((b) => b.label?.text === 'Target'));
    await slack.control.enter(ADA, ACTIONS.namespace, 'staging');
    const target = await slack.control.waitFor(() =>
      slack.control.modal(ADA)?.blocks.find((b) => b.element?.action_id === ACTIONS.target),
    );
    const field = (label: string) => {
      const block_id = slack.control.modal(ADA)?.blocks.find((b) => b.label?.text === label)?.block_id ?? '';
      return { block_id };
    };
    await slack.control.enter(ADA, { block_id: target.block_id ?? '' }, 'deployment/checkout-of-staging');
    await slack.control.enter(ADA, field('Reason'), 'it returns 502');
    // Nothing but a length that the profile has can be chosen.
    for (const [typed, offered] of [
      ['', ['15m', '30m', '1h', '2h']],
      ['45 min', ['45m']],
      ['90', ['90m']],
      ['3h', ['2h']],
      ['soon', []],
    ] as const) {
      const { options = [], option_groups = [] } = await slack.control.suggest(ADA, field('Duration'), typed);
      const values = [...options, ...option_groups.flatMap((group) => group.options)].map(({ value }) => value);
      expect([typed, ...values]).toEqual([typed, ...offered]);
    }
    stub.does.preview = async () => {
      throw new Refusal('profiles.debug.duration.maximum', '3h is longer than profile allows.', 'Ask for 2h at most.');
    };
    await slack.control.enter(ADA, field('Duration'), '2h');
    expect(await slack.control.submit(ADA)).toMatchObject({
      kind: 'errors',
      errors: { [field('Duration').block_id]: expect.stringContaining('Ask for 2h at most.') },
    });
    stub.does = {};
    await slack.control.enter(ADA, field('Duration'), '1h');
    const ask = {
      profile: 'debug',
      target: { namespace: 'staging', workload: { kind: 'Deployment', name: 'checkout-of-staging' } },
      duration: 3600,
      reason: 'it returns 502',
    };
    expect(await slack.control.submit(ADA)).toMatchObject({ kind: 'updated', top: { callback_id: MODALS.confirm } });
    expect(shownTo(ADA)).toContain('Opens 1, closes 0');
    expect(shownTo(ADA)).toContain('Nothing has been requested yet');
    expect(stub.calls.at(-1)).toEqual(['preview', ADA, ask]);
    // Back to the form, with what was typed; and forth again.
    await slack.control.press(ADA, ACTIONS.back);
    await slack.control.waitFor(() => slack.control.modal(ADA)?.callback_id === MODALS.request);
    expect(await slack.control.submit(ADA)).toMatchObject({ kind: 'updated', top: { callback_id: MODALS.confirm } });
    expect(stub.calls.at(-1)).toEqual(['preview', ADA, ask]);
    expect(await slack.control.submit(ADA)).toMatchObject({ kind: 'updated' });
    expect(shownTo(ADA)).toContain('1 approval needed');
    expect(stub.calls.at(-1)).toEqual(['requestAsShown', ADA, ask, 'dddddddddddd']);
    expect(stub.calls.some(([name]) => name === 'request')).toBe(false);
  });

  it('goes on in the form with a line that ends too early, and says what is missing where no form opens', async () => {
    const { slack } = here;
    await slack.control.command(ADA, ACCESS, '/jit', 'debug staging/svc/checkout-of-staging 20 min');
    await slack.control.waitFor(() => slack.control.modal(ADA)?.callback_id === MODALS.request);
    await slack.control.enter(ADA, { block_id: reasonField()?.block_id ?? '' }, 'it returns 502');
    expect(await slack.control.submit(ADA)).toMatchObject({ kind: 'updated', top: { callback_id: MODALS.confirm } });
    expect(here.stub.calls.at(-1)).toEqual([
      'preview',
      ADA,
      {
        profile: 'debug',
        target: { namespace: 'staging', service: 'checkout-of-staging' },
        duration: 1200,
        reason: 'it returns 502',
      },
    ]);
    await slack.control.close(ADA);
    slack.faults.next({ kind: 'error', error: 'expired_trigger_id' }, { method: 'views.open' });
    const before = (await slack.control.ephemerals(ADA)).length;
    await slack.control.command(ADA, ACCESS, '/jit', 'request debug staging');
    const told = await slack.control.waitFor(async () => (await slack.control.ephemerals(ADA))[before]);
    expect(blocksText(told.blocks ?? [])).toContain('A reason is needed');
  });

  it('suggests what is offered to whoever types, and nothing for a form that says otherwise', async () => {
    const { slack, stub } = here;
    await slack.control.command(ADA, ACCESS, '/jit', 'request debug staging');
    await slack.control.waitFor(() => slack.control.modal(ADA)?.callback_id === MODALS.request);
    const { options } = await slack.control.suggest(ADA, ACTIONS.target, 'check');
    expect(options).toMatchObject([{ value: 'deployment/checkout-of-staging' }]);
    const delivery = slack.control.deliveries().at(-1);
    if (delivery === undefined) throw new Error('nothing was asked');
    const form = (profile: string | null, namespace: string | null) => JSON.stringify({ form: { profile, namespace } });
    for (const [private_metadata, of] of [
      [form('admin', 'staging'), ACTIONS.target],
      [form('debug', 'kube-system'), ACTIONS.target],
      [form('logs', 'staging'), ACTIONS.target],
      [form('debug', null), ACTIONS.target],
      [form('admin', null), ACTIONS.duration],
      [form(null, null), ACTIONS.namespace],
      [JSON.stringify({ ask: LOOK_AT_LOGS, digest: null }), ACTIONS.target],
      [JSON.stringify({ form: { profile: 'debug', namespace: 'staging', cluster: 'x' } }), ACTIONS.target],
      [JSON.stringify({ form: { profile: 'debug', namespace: 'staging', more: 1 } }), ACTIONS.target],
      ['', ACTIONS.duration],
    ]) {
      const { view, ...payload } = delivery.payload as { view: object };
      const forged = { ...delivery, id: randomUUID(), answers: [] };
      const answer = await slack.control.redeliver({
        ...forged,
        payload: { ...payload, action_id: of, value: '', view: { ...view, private_metadata } },
      });
      expect([private_metadata, answer]).toEqual([private_metadata, { acked: true, payload: { options: [] } }]);
    }
    expect(stub.calls.filter(([name]) => name === 'turnAway')).toHaveLength(3);
    // What can't be listed can be typed.
    stub.does.workloads = async () => {
      throw new Unavailable('Kubernetes', 'away');
    };
    expect((await slack.control.suggest(ADA, ACTIONS.target, 'deploy/x')).options).toMatchObject([
      { value: 'deployment/x' },
    ]);
    stub.does.offers = async () => {
      throw new Unavailable('Kubernetes', 'away');
    };
    expect((await slack.control.suggest(ADA, ACTIONS.target, 'x')).options).toEqual([]);
  });

  describe('the button that breaks the glass', () => {
    const breakGlass = { maximum: 600, told: 'the channel of its requests', reviewers: '@security' };
    const isSaid = (part: string) => here.slack.control.waitFor(() => shownTo(ADA).includes(part), { what: part });

    beforeEach(async () => {
      await filledForm();
      const { slack, stub } = here;
      const [offer] = (await stub.does.offers?.(ADA)) ?? [];
      stub.does.offers = async () => (offer === undefined ? [] : [{ ...offer, breakGlass }]);
      await slack.control.close(ADA);
      await slack.control.command(ADA, ACCESS, '/jit', '');
      await slack.control.waitFor(() => shownTo(ADA).includes('Break the glass'));
      stub.calls.length = 0;
    });

    it('asks for what is filled in, at once and no longer than it may last', async () => {
      const { slack, stub } = here;
      await slack.control.enter(ADA, { block_id: reasonField()?.block_id ?? '' }, LOOK_AT_LOGS.reason);
      await slack.control.press(ADA, ACTIONS.breakGlass);
      await isSaid(ID);
      const asked = stub.calls.filter(([name]) => name === 'request');
      expect(asked).toEqual([['request', ADA, { ...LOOK_AT_LOGS, duration: 600, breaksGlass: true }]]);
      const again = slack.control.deliveries().at(-1);
      if (again === undefined) throw new Error('no delivery');
      await slack.control.redeliver(again);
      await here.app.stop();
      expect(stub.calls.filter(([name]) => name === 'request')).toHaveLength(1);
    });

    it('says above the form what is wrong, and what was typed stays', async () => {
      const { slack, stub } = here;
      await slack.control.press(ADA, ACTIONS.breakGlass);
      await isSaid('A reason is needed.');
      expect(stub.calls.map(([name]) => name)).not.toContain('request');
      stub.does.request = async () => {
        throw new Refusal('profiles.logs.breakGlass.from', 'You may not break the glass.');
      };
      await slack.control.enter(ADA, { block_id: reasonField()?.block_id ?? '' }, 'nobody answers');
      await slack.control.press(ADA, ACTIONS.breakGlass);
      await isSaid('You may not break the glass.');
      expect(JSON.stringify(slack.control.modal(ADA))).toContain('nobody answers');
    });

    const none = 'not one that Drawbridge knows';
    it.each([
      ['', none, ['turnAway']],
      ['{}', none, ['turnAway']],
      [JSON.stringify({ id: ID, digest: 'a'.repeat(12), message: null, of: 'request' }), none, ['turnAway']],
      [JSON.stringify({ form: { profile: 'debug', namespace: null } }), 'still changing', ['offers']],
    ])('of a form that was not shown so does nothing: %j', async (private_metadata, words, calls) => {
      const { slack, stub } = here;
      await slack.control.enter(ADA, { block_id: reasonField()?.block_id ?? '' }, LOOK_AT_LOGS.reason);
      await slack.control.press(ADA, ACTIONS.breakGlass);
      await isSaid(ID);
      stub.calls.length = 0;
      const press = structuredClone(slack.control.deliveries().at(-1));
      if (press === undefined) throw new Error('no delivery');
      const payload = press.payload as { trigger_id: string; view: { private_metadata: string } };
      payload.trigger_id = randomUUID();
      payload.view.private_metadata = private_metadata;
      await slack.control.redeliver({ ...press, id: randomUUID() });
      await isSaid(words);
      const called = stub.calls.map(([name]) => name);
      expect(called).toEqual(expect.arrayContaining(calls));
      for (const name of ['request', 'preview', 'requestAsShown']) expect(called).not.toContain(name);
    });
  });

  describe('while the form is filled in fast', () => {
    const OFFERS: Offer[] = ['debug', 'logs'].map((profile) => ({
      profile,
      description: profile,
      scope: 'namespace',
      rights: null,
      reason: {},
      cluster: null,
      namespaces: [`${profile}-here`, `${profile}-there`],
      defaultDuration: 900,
      maximumDuration: 3600,
    }));
    /** What is looked up for each step, in turn: it takes until it is let go. */
    let lookups: (() => void)[];

    beforeEach(async () => {
      const { slack, stub } = here;
      stub.does.offers = async () => OFFERS;
      await slack.control.command(ADA, ACCESS, '/jit', '');
      await slack.control.waitFor(() =>
        slack.control.modal(ADA)?.blocks.some((block) => block.label?.text === 'Profile'),
      );
      lookups = [];
      stub.does.offers = () =>
        new Promise((resolve) => {
          lookups.push(() => resolve(OFFERS));
        });
    });

    /** Chooses a profile; the form for it is in the making. */
    async function choose(profile: string): Promise<void> {
      const before = lookups.length;
      await here.slack.control.enter(ADA, ACTIONS.profile, profile);
      await here.slack.control.waitFor(() => lookups.length > before);
    }
    /** The form for this profile. */
    const formFor = (profile: string) => expect.stringContaining(`${profile}-there`) as string;
    const drawn = (profile: string) =>
      here.slack.control.waitFor(() => JSON.stringify(here.slack.control.modal(ADA)).includes(`${profile}-there`));
    const shown = () => JSON.stringify(here.slack.control.modal(ADA));
    /** Another replica draws something else. */
    const drawElsewhere = async () => {
      const view_id = here.slack.control.modal(ADA)?.id ?? '';
      await here.connection.quick.call('views.update', (web) =>
        web.views.update({ view_id, view: requestModal(OFFERS, { profile: 'debug', namespace: null }) }),
      );
      await drawn('debug');
      return view_id;
    };

    it('the form for what was chosen last stays, whichever was ready first', async () => {
      await choose('debug');
      await choose('logs');
      lookups[1]?.();
      await drawn('logs');
      lookups[0]?.();
      await here.app.stop();
      expect(shown()).toEqual(formFor('logs'));
    });

    it('a replica that was faster with an older choice is drawn over', async () => {
      await choose('logs');
      await drawElsewhere();
      lookups[0]?.();
      await drawn('logs');
      await updates('hash_conflict', 1);
    });

    it('a replica that was faster with a newer choice is not', async () => {
      await choose('logs');
      const view = await drawElsewhere();
      await here.turns.take(view);
      lookups[0]?.();
      await here.app.stop();
      expect(shown()).toEqual(formFor('debug'));
    });

    /** The form for `debug`, filled in. */
    async function filled(): Promise<void> {
      const { control } = here.slack;
      await choose('debug');
      lookups[0]?.();
      await drawn('debug');
      await control.enter(ADA, ACTIONS.namespace, 'debug-here');
      await control.enter(ADA, { block_id: reasonField()?.block_id ?? '' }, 'why');
    }

    it('a form that was in the making is not drawn over the preview', async () => {
      await filled();
      await choose('debug');
      expect(await here.slack.control.submit(ADA)).toMatchObject({ kind: 'updated' });
      lookups[1]?.();
      await here.app.stop();
      expect(shownTo(ADA)).toContain('Nothing has been requested yet');
    });

    it('a form for which an error asks to wait is drawn', async () => {
      await filled();
      await choose('logs');
      expect(await here.slack.control.submit(ADA)).toMatchObject({
        errors: { profile: expect.stringContaining('still changing') as string },
      });
      lookups[1]?.();
      await drawn('logs');
    });
  });

  it('shows what would be granted now when it has changed since, and asks for that only when it is sent again', async () => {
    const { slack, stub } = here;
    await filledForm();
    await slack.control.submit(ADA);
    stub.does.requestAsShown = async () => ({ changed: { ...stub.proposal, digest: 'e'.repeat(12) } });
    expect(await slack.control.submit(ADA)).toMatchObject({ kind: 'updated', top: { callback_id: MODALS.confirm } });
    expect(shownTo(ADA)).toContain('has changed since you saw it');
    stub.does = {};
    await slack.control.submit(ADA);
    expect(stub.calls.at(-1)).toEqual(['requestAsShown', ADA, LOOK_AT_LOGS, 'eeeeeeeeeeee']);
  });

  it('opens the form with the start of a line that ends too early', async () => {
    const { slack } = here;
    await slack.control.command(ADA, ACCESS, '/jit', 'request debug staging/deploy/checkout from tomorrow 8:00');
    await slack.control.waitFor(() => JSON.stringify(slack.control.modal(ADA) ?? '').includes('deployment/checkout'));
    expect(JSON.stringify(slack.control.modal(ADA))).toContain('"initial_date_time":1790000040');
  });

  it('shows a refusal of the last step, with the way back', async () => {
    const { slack, stub } = here;
    await filledForm();
    await slack.control.submit(ADA);
    stub.does.requestAsShown = async () => {
      throw new Refusal('pending', 'You have 10 requests waiting.');
    };
    expect(await slack.control.submit(ADA)).toMatchObject({ kind: 'updated' });
    expect(shownTo(ADA)).toContain('You have 10 requests waiting.');
    await slack.control.press(ADA, ACTIONS.back);
    await slack.control.waitFor(() => slack.control.modal(ADA)?.callback_id === MODALS.request);
    expect(reasonField()?.element?.initial_value).toBe('look at <logs>');
  });

  it('requests once what is sent twice, as Slack does after an answer that it missed', async () => {
    const { slack, stub } = here;
    await filledForm();
    await slack.control.submit(ADA);
    await slack.control.submit(ADA);
    const sent = slack.control.deliveries().at(-1);
    if (sent === undefined) throw new Error('no delivery');
    // "Try again?": the same view, with a trigger of its own.
    const again = { ...sent, id: 'again', payload: { ...sent.payload, trigger_id: 'another' }, answers: [] };
    const answer = await slack.control.redeliver(again);
    expect(JSON.stringify(answer)).toContain('sent already');
    expect(stub.calls.filter(([name]) => name === 'requestAsShown')).toHaveLength(1);
  });

  it('takes nothing from a last step that it has not shown', async () => {
    const { slack, stub } = here;
    await filledForm();
    await slack.control.submit(ADA);
    const view = slack.control.modal(ADA);
    if (view === undefined) throw new Error('no modal');
    view.private_metadata = JSON.stringify({ ask: { ...LOOK_AT_LOGS, approvals: 0 }, digest: 'all' });
    expect(await slack.control.submit(ADA)).toMatchObject({ kind: 'updated' });
    expect(shownTo(ADA)).toContain('not one that Drawbridge knows');
    expect(stub.calls.some(([name]) => name === 'requestAsShown')).toBe(false);
    expect(stub.calls).toContainEqual(['turnAway', ADA, MODALS.confirm, expect.objectContaining({ rule: 'message' })]);
  });

  it('works a preview out for longer than Slack waits; a refusal then leads back to what was typed', async () => {
    const { slack, stub } = here;
    const slow = Promise.withResolvers<Proposal>();
    stub.does.preview = () => slow.promise;
    await filledForm();
    expect(await slack.control.submit(ADA)).toMatchObject({ kind: 'updated' });
    expect(shownTo(ADA)).toContain('Working it out');
    slow.reject(new Refusal('target', 'It is not there.'));
    await slack.control.waitFor(() => shownTo(ADA).includes('It is not there.'));
    stub.does = {};
    await slack.control.press(ADA, ACTIONS.back);
    await slack.control.waitFor(() => slack.control.modal(ADA)?.callback_id === MODALS.request);
    expect(await slack.control.submit(ADA)).toMatchObject({ top: { callback_id: MODALS.confirm } });
    expect(stub.calls.at(-1)).toEqual(['preview', ADA, LOOK_AT_LOGS]);
  });

  it('leaves whoever closes the modal meanwhile in peace when nothing was done, and tells what was', async () => {
    const { slack, stub } = here;
    const preview = Promise.withResolvers<Proposal>();
    stub.does.preview = () => preview.promise;
    await filledForm();
    await slack.control.submit(ADA);
    await slack.control.close(ADA);
    preview.resolve(stub.proposal);
    await updates('not_found', 1);
    stub.does = {};
    await filledForm();
    await slack.control.submit(ADA);
    const request = Promise.withResolvers<{ requested: Requested }>();
    stub.does.requestAsShown = () => request.promise;
    await slack.control.submit(ADA);
    await slack.control.close(ADA);
    request.resolve({ requested: { ...stub.view, missed: null, isAgain: false } });
    await told(slack, ADA, '1 approval needed');
    expect(await slack.control.dms(ADA)).toHaveLength(1);
  });

  it('says so in a message when Slack takes no more changes of the modal', async () => {
    const { slack, stub } = here;
    const preview = Promise.withResolvers<Proposal>();
    stub.does.preview = () => preview.promise;
    await filledForm();
    await slack.control.submit(ADA);
    slack.faults.next({ kind: 'status', status: 500 }, { method: 'views.update', times: 2 });
    preview.resolve(stub.proposal);
    const message = await told(slack, ADA, 'The preview could not be shown; nothing has been requested.');
    expect(textOf(message)).toContain('/jit request logs staging 15m look at <logs>');
  });

  it('waits with a change of the modal until its own answer has arrived at Slack', async () => {
    const { slack, stub } = here;
    const preview = Promise.withResolvers<Proposal>();
    stub.does.preview = () => preview.promise;
    await filledForm();
    slack.control.delayAnswers(150);
    const submitted = slack.control.submit(ADA);
    await slack.control.waitFor(() => slack.control.deliveries().at(-1)?.answers.length === 1);
    expect(shownTo(ADA)).not.toContain('Working it out');
    preview.resolve(stub.proposal);
    await submitted;
    await slack.control.waitFor(() => slack.control.modal(ADA)?.callback_id === MODALS.confirm);
  });

  it('shows all connections to whoever asks, page by page, and leaves the messages where they were', async () => {
    const { slack, stub } = here;
    const closes = Array.from({ length: 200 }, (_, i) => ({
      from: { namespace: `team-${i}`, kind: 'Deployment', name: 'client' },
      to: { namespace: 'staging', kind: 'Deployment', name: 'checkout' },
      ports: [{ protocol: 'TCP', from: 8080, to: 8080 }],
      reasons: ['ingress: isolated by staging/drawbridge-x, and no policy allows it'],
      pluginDependent: false,
    }));
    const plan = { ...sampleView().grant.plan, preview: samplePreview({ closes }) };
    stub.view = sampleView({ plan });
    const { channel, ts } = await posted({ plan });
    const before = await slack.control.messages(channel);
    await slack.control.click(CY, channel, ts, ACTIONS.showAll);
    const first = await told(slack, CY, 'team-0/deployment/client → staging/deployment/checkout 8080/TCP');
    expect(textOf(first)).toContain('↳ ingress: isolated by staging/drawbridge-x');
    await slack.control.click(CY, first.channel, first.ts, ACTIONS.page);
    await slack.control.waitFor(
      async () => !(await slack.control.ephemerals(CY)).some((m) => m.ts === first.ts && textOf(m).includes('team-0/')),
    );
    expect((await slack.control.ephemerals(CY)).filter((m) => textOf(m).includes('Network of'))).toHaveLength(1);
    expect(await slack.control.messages(channel)).toEqual(before);
    expect(stub.calls).toEqual([
      ['status', CY, ID],
      ['status', CY, ID],
    ]);
    // From a message that only one person sees it comes beside it: the buttons there are still needed.
    await slack.control.command(BEN, ACCESS, '/jit', `approve ${ID}`);
    const look = await told(slack, BEN, 'Nothing is decided until you press a button.');
    await slack.control.click(BEN, ACCESS, look.ts, ACTIONS.showAll);
    await told(slack, BEN, 'team-0/deployment/client →');
    const kept = (await slack.control.ephemerals(BEN)).find((m) => m.ts === look.ts);
    expect(textOf(kept)).toContain('Nothing is decided until you press a button.');
  });

  it('says in a status what approving would give now', async () => {
    const { slack, stub } = here;
    stub.does.inspect = async () => ({ view: stub.view, anew: { kind: 'changed', view: sampleView() } });
    await slack.control.command(ADA, ACCESS, '/jit', `status ${ID}`);
    await told(slack, ADA, 'Approving will ask again');
    expect(stub.calls).toEqual([['inspect', ADA, ID]]);
  });

  it('goes on when a handler fails, also when Slack takes no answer', async () => {
    const { slack } = here;
    slack.faults.next({ kind: 'status', status: 500 }, { method: 'response_url' });
    await slack.control.command(ADA, ACCESS, '/jit', 'help');
    // By the next way: an ephemeral message.
    await told(slack, ADA, 'opens a form');
    slack.faults.next({ kind: 'error', error: 'internal_error' }, { method: 'views.open' });
    await slack.control.command(ADA, ACCESS, '/jit', '');
    await told(slack, ADA, 'Slack does not answer');
  });

  it('waits at its stop for what is under way', async () => {
    const { slack, stub, app } = here;
    let finish = (): void => {};
    const slow = new Promise<void>((resolve) => {
      finish = resolve;
    });
    stub.does.list = async () => {
      await slow;
      return { mine: [], waiting: [], more: false };
    };
    await slack.control.command(ADA, ACCESS, '/jit', 'list');
    await slack.control.waitFor(() => stub.calls.length === 1);
    let stopped = false;
    const stopping = app.stop().then(() => {
      stopped = true;
    });
    await slack.control.waitFor(() => app.trouble() !== null);
    expect(await slack.control.command(ADA, ACCESS, '/jit', 'help')).toMatchObject({ acked: false });
    expect(stopped).toBe(false);
    finish();
    await stopping;
    expect(textOf(await last(slack.control.ephemerals(ADA)))).toContain('Nothing waits for you.');
    expect(app.trouble()).not.toBeNull();
  });
});

describe('Socket Mode', () => {
  let here: Running;
  beforeEach(async () => {
    here = await run('socket');
  });
  afterEach(async () => {
    await end(here);
  });

  it.each(['refreshSockets', 'dropSockets'] as const)('is there again after %s', async (how) => {
    const { slack } = here;
    slack.faults[how]();
    const opened = () => slack.control.log().filter((entry) => entry.what === 'apps.connections.open').length;
    await slack.control.waitFor(() => opened() === 2 && here.app.trouble() === null, { timeout: 20_000 });
    await slack.control.command(ADA, ACCESS, '/jit', 'help');
    await told(slack, ADA, 'opens a form');
  });

  it('is there again after Slack was away, whatever its gateway said', async () => {
    const { slack } = here;
    slack.faults.next({ kind: 'status', status: 503 }, { method: 'apps.connections.open' });
    slack.faults.next({ kind: 'error', error: 'invalid_auth' }, { method: 'apps.connections.open' });
    slack.faults.dropSockets();
    await slack.control.waitFor(() => here.app.trouble() !== null);
    await slack.control.waitFor(() => here.app.trouble() === null, { timeout: 20_000 });
  });

  const opens = () => here.slack.control.log().filter((entry) => entry.what === 'apps.connections.open');

  it('says when Socket Mode is switched off, tells administrators once, and comes back', async () => {
    const { slack, app, alarms } = here;
    slack.faults.socketMode(false);
    await slack.control.waitFor(() => app.trouble()?.includes('Socket Mode is switched off'));
    await slack.control.waitFor(() => opens().length === 3);
    expect(alarms).toEqual([expect.stringContaining('switch it on')]);
    slack.faults.socketMode(true);
    await slack.control.waitFor(() => app.trouble() === null, { timeout: 20_000 });
  });

  it('does not storm a Slack that sends it away after each hello', async () => {
    const { slack, app, alarms } = here;
    slack.faults.dropSockets();
    const others = await Promise.all(Array.from({ length: 10 }, () => foreignSocket(slack)));
    const began = Date.now();
    await slack.control.waitFor(() => app.trouble()?.includes('allows (10)'));
    await slack.control.waitFor(() => Date.now() - began > 4000);
    // Its own first one, and those of the others, are no attempts.
    expect(opens().length - 11).toBeLessThanOrEqual(4);
    expect(alarms).toHaveLength(1);
    for (const other of others) other.close();
    await slack.control.waitFor(() => app.trouble() === null, { timeout: 20_000 });
  });

  it('waits as long as Slack says before it asks for a connection again', async () => {
    const { slack, app } = here;
    slack.faults.next({ kind: 'ratelimited', retryAfter: 3 }, { method: 'apps.connections.open' });
    slack.faults.dropSockets();
    await slack.control.waitFor(() => opens().length === 3 && app.trouble() === null, { timeout: 20_000 });
    const [, limited, next] = opens();
    expect((next?.at ?? 0) - (limited?.at ?? 0)).toBeGreaterThanOrEqual(3000);
  });
});

describe('in a browser', () => {
  it('people search among thousands, find themselves at Home, ask again, and use the shortcut', async () => {
    const here = await run('socket');
    const page = await openSlackPage({ slack: here.slack, user: 'ada' });
    try {
      const { stub } = here;
      stub.does.workloads = async () =>
        Array.from({ length: 5000 }, (_, i) => ({ kind: 'Deployment', name: `shop-${String(i).padStart(4, '0')}` }));
      const modal = page.page.getByRole('dialog');
      const chosen = (label: string) => modal.getByLabel(label).inputValue();
      await page.type('/jit request debug staging');
      await modal.getByLabel('Target').click();
      await modal.getByText('100 of 5000: type more of the name').waitFor();
      await modal.getByLabel('Target').fill('p-4321');
      await modal.getByRole('option', { name: 'deployment/shop-4321' }).click();
      await expect.poll(() => chosen('Target')).toBe('deployment/shop-4321');
      await modal.getByLabel('Duration').fill('45 min');
      await modal.getByRole('option', { name: '45m' }).click();
      await expect.poll(() => chosen('Duration')).toBe('45m');
      await modal.getByLabel('Reason').fill('it returns 502');
      await modal.getByRole('button', { name: 'Preview' }).click();
      await modal.getByText('Nothing has been requested yet').waitFor();
      const preview = stub.calls.findLast(([name]) => name === 'preview');
      expect(preview?.[2]).toMatchObject({
        target: { namespace: 'staging', workload: { kind: 'Deployment', name: 'shop-4321' } },
        duration: 2700,
      });
      await page.page.keyboard.press('Escape');
      await modal.waitFor({ state: 'detached' });
      // Home: what waits, what there is, and asking again.
      await page.page.locator('#side .tool', { hasText: 'Home' }).click();
      const main = page.page.locator('#messages');
      await main.getByText('Your access and requests').waitFor();
      await main.getByRole('button', { name: 'Details' }).first().click();
      await modal.getByText(ID).first().waitFor();
      await page.page.keyboard.press('Escape');
      await modal.waitFor({ state: 'detached' });
      await main.getByRole('button', { name: 'Ask again' }).click();
      await expect.poll(() => chosen('Reason')).toBe('as before');
      await page.page.keyboard.press('Escape');
      await modal.waitFor({ state: 'detached' });
      await main.getByRole('button', { name: 'Withdraw' }).click();
      await page.page.getByRole('alertdialog').getByRole('button', { name: 'Withdraw' }).click();
      await main.getByText('Revoking', { exact: false }).waitFor();
      await page.page.locator('#side .tool', { hasText: 'Request access' }).click();
      await modal.getByLabel('Profile').waitFor();
    } finally {
      await page.close();
      await end(here);
    }
  });
});

describe('behind a proxy', () => {
  afterEach(() => vi.unstubAllEnvs());

  it('all goes through the proxy that the environment names, the Socket Mode connection too', async () => {
    const targets: string[] = [];
    const proxy = createServer((client) => {
      client.once('data', (data) => {
        const [, host = '', port = ''] = /^CONNECT ([^:]+):(\d+) /.exec(data.toString()) ?? [];
        targets.push(`${host}:${port}`);
        const upstream = connect(Number(port), host);
        client.write('HTTP/1.1 200 OK\r\n\r\n');
        client.pipe(upstream).pipe(client);
        for (const socket of [client, upstream]) socket.on('error', () => socket.destroy());
      });
    });
    await new Promise<void>((resolve) => {
      proxy.listen(0, '127.0.0.1', resolve);
    });
    // Before, so that the local Slack itself does not go by it.
    const slack = await startTestSlack();
    vi.stubEnv('HTTP_PROXY', `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`);
    vi.stubEnv('NO_PROXY', '');
    const here = await run('socket', { slack });
    const slackHost = new URL(here.slack.url).host;
    // One for the calls, one for the connection.
    expect(targets.filter((target) => target === slackHost).length).toBeGreaterThanOrEqual(2);
    expect(targets.every((target) => target === slackHost)).toBe(true);
    await here.slack.control.command(ADA, ACCESS, '/jit', 'help');
    await told(here.slack, ADA, 'opens a form');
    await end(here);
    proxy.close();
  });
});

/** A Socket Mode connection of another bot with the same token. */
async function foreignSocket(slack: LocalSlack): Promise<WebSocket> {
  const answer = await fetch(`${slack.apiUrl}apps.connections.open`, {
    method: 'POST',
    headers: { authorization: `Bearer ${slack.appToken}` },
  });
  const { url } = (await answer.json()) as { url: string };
  const socket = new WebSocket(url);
  await new Promise((resolve) => {
    socket.addEventListener('message', resolve, { once: true });
  });
  return socket;
}

describe('ten refreshes by a Slack that leaves TCP open', () => {
  it.each([
    ['without', 1],
    ['with', 2],
  ])(
    '%s a warning, with %i replicas: every command and click is taken and answered',
    async (how, replicas) => {
      const first = await run('socket', { settledAfter: 50 });
      const { slack } = first;
      const all = [first];
      for (let n = 1; n < replicas; n += 1) all.push(await run('socket', { settledAfter: 50, slack }));
      const { message } = await first.notifier.deliver(sampleView(), 'message');
      const { ts = '' } = message ?? {};
      const opens = () => slack.control.log().filter((entry) => entry.what === 'apps.connections.open').length;

      const answers: Promise<Answer>[] = [];
      let sent = 0;
      let answered = 0;
      const sending = setInterval(() => {
        // A busy machine may be slower than 200 a second; it is not to drown in what waits.
        if (sent - answered > 50) return;
        sent += 1;
        const answer =
          sent % 10 === 0
            ? slack.control.click(BEN, ACCESS, ts, ACTIONS.approve)
            : slack.control.command(ADA, ACCESS, '/jit', `who namespace-${sent}`);
        answers.push(
          answer.finally(() => {
            answered += 1;
          }),
        );
      }, 5);
      for (let n = 1; n <= 10; n += 1) {
        const before = opens();
        if (how === 'with') {
          slack.faults.warnSockets();
          await slack.control.waitFor(() => opens() === before + replicas, { timeout: 20_000 });
        }
        slack.faults.refreshSockets();
        await slack.control.waitFor(() => opens() >= before + replicas, { timeout: 20_000 });
        await slack.control.connected(replicas);
        // Until those before are left: Slack takes ten of them at a time.
        const since = Date.now();
        await slack.control.waitFor(() => Date.now() - since > 1300, { timeout: 20_000 });
      }
      clearInterval(sending);
      const lost = (await Promise.all(answers)).filter((answer) => !answer.acked);
      expect(lost).toEqual([]);
      const handled = () => all.flatMap(({ stub }) => stub.calls.map(([name, , what]) => [name, what].join(' ')));
      const asked = () => handled().filter((call) => call.startsWith('who '));
      await slack.control.waitFor(() => handled().length >= sent, { timeout: 20_000 });
      expect(new Set(asked()).size).toBe(asked().length);
      expect(handled()).toHaveLength(sent);
      for (const other of all.slice(1)) await other.app.stop();
      await end(first);
    },
    180_000,
  );
});

describe('HTTP mode', () => {
  let here: Running;
  beforeEach(async () => {
    here = await run('http');
  });
  afterEach(async () => {
    await end(here);
  });

  it('answers a check of its certificate, which is not signed, and does nothing', async () => {
    expect(await here.slack.control.checkCertificate()).toBe(200);
    await here.app.stop();
    expect(here.stub.calls).toEqual([]);
  });

  it('takes nothing that Slack did not sign, or signed at another time', async () => {
    const { slack, stub, url } = here;
    const body = new URLSearchParams({
      command: '/jit',
      text: 'list',
      user_id: ADA,
      channel_id: ACCESS,
      team_id: slack.teamId,
      trigger_id: 't1',
      response_url: `${slack.url}/nowhere`,
    }).toString();
    const secret = slack.signingSecret;
    const old = Math.floor(Date.now() / 1000) - 301;
    const ahead = old + 610;
    for (const sign of [
      { secret: 'other' },
      { secret, signature: null },
      { secret, signature: 'v0=00' },
      { secret, timestamp: old },
      { secret, timestamp: ahead },
    ])
      expect((await signedRequest(url ?? '', body, sign)).status).toBe(401);
    expect(stub.calls).toEqual([]);
    // The same request, rightly signed, is taken; sent again byte for byte it is acked and not handled.
    const timestamp = Math.floor(Date.now() / 1000);
    for (let i = 0; i < 3; i++) expect((await signedRequest(url ?? '', body, { secret, timestamp })).status).toBe(200);
    await slack.control.waitFor(() => stub.calls.length > 0);
    await slack.control.command(ADA, ACCESS, '/jit', 'who staging');
    await told(slack, ADA, 'Access to staging');
    expect(stub.calls.filter(([name]) => name === 'list')).toHaveLength(1);
  });
});

describe('the start', () => {
  const necessary = ['commands', 'chat:write', 'im:write', 'users:read', 'users:read.email'];

  /** A bot at a Slack that something is wrong with; it has not been started. */
  async function beside<T>(
    mode: 'socket' | 'http',
    work: (here: { slack: LocalSlack; connection: SlackConnection; app: SlackApp }) => Promise<T>,
    change: (settings: SlackSettings) => SlackSettings = (settings) => settings,
  ): Promise<void> {
    const slack = await startTestSlack();
    const settings = change(settingsFor(slack, mode));
    const connection = connectSlack(settings, log);
    const app = createSlackApp({
      settings,
      connection,
      useCases: stubUseCases().useCases,
      seenBefore: onceOnly(),
      turns: turnsInMemory(),
      log,
    });
    try {
      await work({ slack, connection, app });
    } finally {
      await app.stop();
      await slack.stop();
    }
  }

  it('waits for a necessary scope that is missing, and names all that are', () =>
    beside('http', async ({ slack, connection, app }) => {
      slack.control.setScopes(necessary.filter((scope) => scope !== 'users:read.email'));
      const started = app.start();
      await expect(connection.identity()).rejects.toThrow(SlackRefused);
      const named = /users:read\.email \(.*usergroups:read \(.*slack-app-manifest/s;
      await expect(connection.identity()).rejects.toThrow(named);
      expect(app.trouble()).toBe('not listening');
      slack.control.setScopes(necessary);
      await started;
      expect(app.trouble()).toBeNull();
    }));

  it('waits for Slack to take a bot token that it refuses, and says what to do', () =>
    beside('socket', async ({ slack, connection, app }) => {
      slack.faults.next({ kind: 'error', error: 'account_inactive' }, { method: 'auth.test', times: 1000 });
      const started = app.start();
      await expect(connection.identity()).rejects.toThrow(/refuses SLACK_BOT_TOKEN: account_inactive\. Install/);
      expect(await lackOfScopes(connection, true)).toMatchObject({
        lacks: 'Slack refuses SLACK_BOT_TOKEN: account_inactive',
        todo: expect.stringContaining('start Drawbridge with') as string,
      });
      expect(app.trouble()).not.toBeNull();
      slack.faults.clear();
      await started;
      expect(app.trouble()).toBeNull();
    }));

  it('waits for Slack to take an app token that it refuses, and says what to do', () =>
    beside('socket', async ({ slack, app }) => {
      slack.faults.next({ kind: 'error', error: 'invalid_auth' }, { method: 'apps.connections.open', times: 1000 });
      expect(app.lack()).toBeNull();
      const started = app.start();
      const lack = await slack.control.waitFor(() => app.lack());
      expect(lack).toMatchObject({
        lacks: 'Slack refuses SLACK_APP_TOKEN: invalid_auth',
        todo: expect.stringContaining('start Drawbridge with') as string,
      });
      slack.faults.clear();
      await started;
      expect([app.lack(), app.trouble()]).toEqual([null, null]);
    }));

  it('goes on without the scopes that only memberships need: then nobody is a member', async () => {
    const here = await run('http', { scopes: necessary });
    const directory = createDirectory(here.connection, log);
    expect(await directory.members(SRE, 'now')).toEqual(LASTING);
    expect(await directory.members(ACCESS, 'now')).toEqual(LASTING);
    expect(await directory.account(ADA)).toMatchObject({ email: 'ada@example.test', emailConfirmed: true });
    await end(here);
  });

  it('waits for a Slack that is away', () =>
    beside('socket', async ({ slack, connection, app }) => {
      slack.faults.away();
      const started = app.start();
      await expect(connection.identity()).rejects.toThrow(Unavailable);
      slack.faults.back();
      await started;
      expect(app.trouble()).toBeNull();
    }));
});

const policyWith = (approvers: { groups?: string[]; channels?: string[] }) =>
  policySchema.parse({
    version: 1,
    identity: {},
    administrators: { users: ['dee@example.test'] },
    approvals: { channel: ACCESS, timeout: '1h' },
    profiles: {
      view: {
        scope: 'namespace',
        namespaces: ['staging'],
        clusterRole: 'view',
        requesters: { users: ['ada@example.test'] },
        approvers,
        duration: { default: '30m', maximum: '1h' },
      },
    },
  });

describe('the directory', () => {
  let here: Running;
  beforeEach(async () => {
    here = await run('http');
  });
  afterEach(async () => {
    await end(here);
  });

  it('tells what an account is, and counts against it what Slack leaves out', async () => {
    const { slack, connection } = here;
    const directory = createDirectory(connection, log);
    const people = slack.control.directory;
    people.setPerson({ id: 'U0GUEST', email: 'g@example.test', is_ultra_restricted: true });
    people.setPerson({ id: 'U0FAR', email: 'f@example.test', team_id: 'T0OTHER' });
    people.setPerson({ id: 'U0STRANGER', email: 's@example.test', is_stranger: true });
    people.setPerson({ id: 'U0GONE', email: 'd@example.test', deleted: true });
    people.setPerson({ id: 'U0NEW', email: 'n@example.test', is_email_confirmed: false });
    people.setPerson({ id: 'U0ROBOT', is_bot: true });
    people.setPerson({ id: 'U0SSO', email: 'sso@example.test', is_email_confirmed: null });
    people.setPerson({ id: 'U0GRID', email: 'g@example.test', team_id: null, teams: ['T0OTHER', slack.teamId] });
    people.setPerson({ id: 'U0ELSE', email: 'e@example.test', team_id: null, teams: ['T0OTHER'] });
    expect(await directory.account('U0SSO')).toMatchObject({ emailConfirmed: false, email: 'sso@example.test' });
    expect(await directory.account('U0GRID')).toMatchObject({ external: false });
    expect(await directory.account('U0ELSE')).toMatchObject({ external: true });
    expect(await directory.account('U0GUEST')).toMatchObject({ guest: true, external: false });
    expect(await directory.account('U0FAR')).toMatchObject({ external: true });
    expect(await directory.account('U0STRANGER')).toMatchObject({ external: true });
    expect(await directory.account('U0GONE')).toMatchObject({ deactivated: true });
    expect(await directory.account('U0NEW')).toMatchObject({ emailConfirmed: false });
    expect(await directory.account('U0ROBOT')).toMatchObject({ bot: true, email: '' });
    expect(await directory.account('U0NOBODY')).toBeNull();
    // Nothing is remembered: what was true a moment ago is not.
    people.setPerson({ id: 'U0GUEST', deleted: true });
    expect(await directory.account('U0GUEST')).toMatchObject({ deactivated: true });
  });

  it('lists members, page by page, and says when it can not', async () => {
    const { slack, connection } = here;
    let now = 0;
    const directory = createDirectory(connection, log, () => (now += STAYS_FRESH.recently));
    expect(await directory.members(SRE, 'now')).toEqual(new Set([BEN]));
    expect(await directory.members(ACCESS, 'now')).toEqual(new Set([ADA, BEN, CY, slack.botUserId]));
    const many = Array.from({ length: 2500 }, (_, i) => `U${i}`);
    slack.control.directory.setMembers(ACCESS, many);
    expect(await directory.members(ACCESS, 'now')).toEqual(new Set(many));
    slack.faults.next({ kind: 'error', error: 'internal_error' }, { method: 'conversations.members' });
    expect(await directory.members(ACCESS, 'now')).toMatchObject(UNREADABLE);
    slack.control.directory.setGroup({ id: SRE, disabled: true });
    expect(await directory.members(SRE, 'now')).toEqual(LASTING);
    expect(await directory.members('S0NONE', 'now')).toEqual(LASTING);
  });

  it('says that there are no user groups on a free plan, and what works instead', async () => {
    const { slack, connection } = here;
    slack.control.directory.setPlan('free');
    const directory = createDirectory(connection, log);
    expect(await directory.members(SRE, 'now')).toEqual(LASTING);
    expect(await directory.members(ACCESS, 'now')).toContain(BEN);
    const lack = await lackOfLists(connection, policyWith({ groups: [SRE] }));
    expect(lack).toMatchObject({
      lacks: expect.stringMatching(/no user groups.*S0SRE/) as string,
      todo: expect.stringContaining('channels') as string,
    });
    expect(await lackOfLists(connection, policyWith({ channels: [ACCESS] }))).toBeNull();
    slack.control.directory.setPlan('paid');
    expect(await lackOfLists(connection, policyWith({ groups: [SRE] }))).toBeNull();
  });

  it('does not say when to try again where only a change helps', async () => {
    const { slack, connection } = here;
    const directory = createDirectory(connection, log);
    slack.faults.next({ kind: 'error', error: 'missing_scope' }, { method: 'usergroups.users.list' });
    expect(await directory.members(SRE, 'now')).toEqual(LASTING);
    slack.faults.next({ kind: 'error', error: 'internal_error' }, { method: 'usergroups.users.list' });
    expect(await directory.members(SRE, 'now')).toEqual(UNREADABLE);
  });

  it('finds the one account that has an address', async () => {
    const { slack, connection } = here;
    const directory = createDirectory(connection, log);
    expect(await directory.accountWith('ada@example.test')).toMatchObject({ slackId: ADA, emailConfirmed: true });
    expect(await directory.accountWith('nobody@example.test')).toBeNull();
    slack.faults.next({ kind: 'error', error: 'internal_error' }, { method: 'users.lookupByEmail', times: 3 });
    expect(await directory.accountWith('ada@example.test')).toMatchObject(UNREADABLE);
  });

  it('takes accounts and handles as they were some minutes ago where they only say who is told', async () => {
    const { connection } = here;
    let now = 0;
    const called: string[] = [];
    const quick: SlackConnection['quick'] = {
      call(method, run) {
        called.push(method);
        return connection.quick.call(method, run);
      },
    };
    const directory = createDirectory({ ...connection, quick }, log, () => now);
    const spent = async (work: () => Promise<unknown>) => {
      const before = called.length;
      await work();
      return called.length - before;
    };
    expect(await directory.accountWith('Ben@example.test', 'recently')).toMatchObject({ slackId: BEN });
    expect(await spent(() => directory.account(BEN, 'recently'))).toBe(0);
    expect(await spent(() => directory.accountWith('ben@example.test', 'recently'))).toBe(0);
    expect(await spent(() => directory.account(BEN))).toBe(1);
    expect(await spent(() => directory.accountWith('ben@example.test'))).toBe(1);
    now += 600_000;
    expect(await spent(() => directory.account(BEN, 'recently'))).toBe(1);
    expect([await directory.handle(SRE), await directory.handle('S0NONE')]).toEqual(['sre', null]);
    expect(called.filter((method) => method === 'usergroups.list')).toHaveLength(1);
    here.slack.faults.next({ kind: 'error', error: 'plan_upgrade_required' }, { method: 'usergroups.list' });
    now += 600_000;
    expect(await spent(async () => expect(await directory.handle(SRE)).toBeNull())).toBe(1);
    expect(await spent(() => directory.handle(SRE))).toBe(0);
  });

  it('reads a list once for everybody who needs it in the same seconds, and never remembers a failure', async () => {
    const { slack } = here;
    let now = 0;
    let calls = 0;
    const quick: SlackConnection['quick'] = {
      call(method, run) {
        calls++;
        return here.connection.quick.call(method, run);
      },
    };
    const directory = createDirectory({ ...here.connection, quick }, log, () => now);
    const read = async (freshness: 'now' | 'recently' = 'now') => {
      const before = calls;
      const [first, ...others] = await Promise.all([1, 2, 3].map(() => directory.members(SRE, freshness)));
      for (const other of others) expect(other).toEqual(first);
      return { first, calls: calls - before };
    };
    expect(await read()).toEqual({ first: new Set([BEN]), calls: 1 });
    slack.control.directory.setGroup({ id: SRE, users: [BEN, CY] });
    now += STAYS_FRESH.now - 1;
    expect(await read()).toEqual({ first: new Set([BEN]), calls: 0 });
    now += 1;
    expect(await read('recently')).toEqual({ first: new Set([BEN]), calls: 0 });
    expect(await read()).toEqual({ first: new Set([BEN, CY]), calls: 1 });
    expect(await read('recently')).toMatchObject({ calls: 0 });
    now += STAYS_FRESH.recently;
    slack.faults.next({ kind: 'error', error: 'internal_error' }, { method: 'usergroups.users.list' });
    expect(await read('recently')).toMatchObject({ first: UNREADABLE, calls: 1 });
    expect(await read('recently')).toMatchObject({ first: new Set([BEN, CY]), calls: 1 });
  });

  it('reads all user groups in one call when those for single ones are used up', async () => {
    const { slack, connection } = here;
    const OPS = 'S0OPS';
    slack.control.directory.setGroup({ id: OPS, users: [CY] });
    let now = 0;
    const directory = createDirectory(connection, log, () => now);
    const called = (method: string) =>
      slack.control.log().filter(({ what, fault }) => what === method && fault === undefined).length;
    for (; called('usergroups.users.list') < 20; now += STAYS_FRESH.now)
      for (const group of [SRE, OPS]) await directory.members(group, 'now');
    expect(called('usergroups.list')).toBe(0);
    slack.control.directory.setGroup({ id: OPS, users: [ADA] });
    expect(await directory.members(SRE, 'now')).toEqual(new Set([BEN]));
    expect(await directory.members(OPS, 'now')).toEqual(new Set([ADA]));
    expect(called('usergroups.list')).toBe(1);
    now += STAYS_FRESH.now;
    slack.control.directory.setGroup({ id: OPS, disabled: true });
    expect(await directory.members(OPS, 'now')).toEqual(UNREADABLE);
    expect(called('usergroups.list')).toBe(2);
  });

  it('gives up within seconds while Slack limits or hangs, waits out a short limit, and says how long a longer one is', async () => {
    const { slack, connection } = here;
    let now = 0;
    const directory = createDirectory(connection, log, () => (now += STAYS_FRESH.recently));
    slack.faults.next({ kind: 'ratelimited', retryAfter: 1 }, { method: 'usergroups.users.list' });
    expect(await directory.members(SRE, 'now')).toEqual(new Set([BEN]));
    slack.faults.next({ kind: 'ratelimited', retryAfter: 60 }, { method: 'usergroups.users.list' });
    slack.faults.next({ kind: 'ratelimited', retryAfter: 70 }, { method: 'usergroups.list' });
    const began = Date.now();
    expect(await directory.members(SRE, 'now')).toEqual({ retryIn: 60 });
    slack.faults.next({ kind: 'hang' }, { method: 'users.info', times: 2 });
    await expect(directory.account(ADA)).rejects.toThrow(Unavailable);
    expect(Date.now() - began).toBeLessThan(8000);
  });
});

describe('the notifier', () => {
  let here: Running;
  beforeEach(async () => {
    here = await run('http');
  });
  afterEach(async () => {
    await end(here);
  });

  it('posts once, edits in place, and posts anew what was deleted', async () => {
    const { slack, notifier, connection } = here;
    const { message } = await notifier.deliver(sampleView(), 'message');
    expect(message).toMatchObject({ channel: ACCESS });
    if (!message) throw new Error('not posted');
    expect(await notifier.deliver(sampleView({ message, state: 'denied' }), 'message')).toEqual({ message });
    const shown = await slack.control.messages(ACCESS);
    expect(shown).toHaveLength(1);
    expect(textOf(shown[0])).toContain('Denied: debug on staging/deployment/checkout');
    await connection.patient.call('chat.delete', (web) => web.chat.delete(message));
    const anew = await notifier.deliver(sampleView({ message }), 'message');
    expect(anew.message?.ts).not.toBe(message.ts);
    expect(await slack.control.messages(ACCESS)).toHaveLength(1);
  });

  it('posts in the channel of the profile, leaves a message where it is, and says which channel lacks the bot', async () => {
    const slack = await startTestSlack({
      channels: [
        ...workspace().channels,
        { id: 'C0TEAM', name: 'team', members: [BEN] },
        { id: 'C0ALIEN', name: 'alien', members: [BEN], withoutBot: true },
      ],
    });
    try {
      const connection = connectSlack(settingsFor(slack, 'http'), log);
      let where = 'C0TEAM';
      const channel = (of: { profile: string } | null) => (of?.profile === 'debug' ? where : ACCESS);
      const notifier = createNotifier({ connection, channel, directory: createDirectory(connection, log), log });
      const { message } = await notifier.deliver(sampleView(), 'message');
      expect(message?.channel).toBe('C0TEAM');
      where = ACCESS;
      expect(await notifier.deliver(sampleView({ message: message ?? null }), 'message')).toEqual({ message });
      expect(await slack.control.messages(ACCESS)).toEqual([]);
      where = 'C0ALIEN';
      await expect(notifier.deliver(sampleView(), 'message')).rejects.toMatchObject({
        name: 'Undeliverable',
        channel: 'C0ALIEN',
        word: 'not_in_channel',
      });
      const debug = {
        scope: 'namespace',
        namespaces: ['staging'],
        clusterRole: 'view',
        requesters: { users: ['ada@example.test'] },
        approvers: { users: ['ben@example.test'] },
        duration: { default: '30m', maximum: '2h' },
      } as const;
      const lacking = (id: string) =>
        lackOfOwnChannels(
          connection,
          policySchema.parse({
            version: 1,
            identity: {},
            administrators: { users: ['dee@example.test'] },
            approvals: { channel: ACCESS },
            profiles: { view: debug, debug: { ...debug, approval: { notify: { channel: id } } } },
          }),
        );
      expect([await lacking('C0TEAM'), await lacking(ACCESS)]).toEqual([null, null]);
      expect(await lacking('C0ALIEN')).toMatchObject({
        lacks: 'the bot is not in the channel C0ALIEN of profiles.debug.approval.notify.channel',
      });
      expect(await lacking('C0NOWHERE')).toMatchObject({ lacks: expect.stringContaining('C0NOWHERE') as string });
    } finally {
      await slack.stop();
    }
  });

  it('asks an approver by a direct message that leads to the request, and gives up on one who has left', async () => {
    const { slack, notifier } = here;
    const { message = null } = await notifier.deliver(sampleView(), 'message');
    const entry = { path: 'profiles.debug.approvers', word: 'groups', id: SRE } as const;
    await notifier.ask(sampleView({ message }), BEN, entry);
    const [asked] = await slack.control.dms(BEN);
    expect(textOf(asked)).toContain('you are in <!subteam^S0SRE>, approvers of `debug`');
    expect(textOf(asked)).toMatch(/<http[^|>]*\|Open the request>/);
    slack.faults.next({ kind: 'error', error: 'user_disabled' }, { method: 'conversations.open' });
    await notifier.ask(sampleView({ message }), CY, entry);
    expect(await slack.control.dms(CY)).toEqual([]);
  });

  it('gives up on a channel that is archived, and goes on when it is not any more', async () => {
    const { slack, notifier, connection } = here;
    const { message = null } = await notifier.deliver(sampleView(), 'message');
    slack.control.directory.setArchived(ACCESS, true);
    expect(await lackOfChannel(connection, ACCESS)).toMatchObject({
      lacks: expect.stringContaining('archived') as string,
    });
    for (const view of [sampleView(), sampleView({ message })])
      await expect(notifier.deliver(view, 'message')).rejects.toMatchObject({
        name: 'Undeliverable',
        channel: ACCESS,
        word: 'is_archived',
      });
    slack.control.directory.setArchived(ACCESS, false);
    expect(await lackOfChannel(connection, ACCESS)).toBeNull();
    expect(await notifier.deliver(sampleView({ message }), 'message')).toEqual({ message });
  });

  it('brings the news of a grant to its requester, in one thread, and never says what is not true any more', async () => {
    const { slack, notifier } = here;
    const active = { state: 'active', startsAt: Date.now(), expiresAt: Date.now() + 60_000 } as const;
    const { thread } = await notifier.deliver(sampleView(active), 'granted');
    if (!thread) throw new Error('not told');
    expect(textOf((await slack.control.dms(ADA))[0])).toContain('kubectl -n staging get pod checkout-1');
    expect(await notifier.deliver(sampleView({ ...active, thread }), 'granted')).toEqual({ thread });
    expect(await slack.control.dms(ADA)).toHaveLength(1);
    await notifier.deliver(sampleView({ ...active, thread }), 'warning');
    await notifier.deliver(sampleView({ state: 'ending', thread }), 'warning');
    await notifier.deliver(sampleView({ state: 'expired', endedAt: Date.now(), thread }), 'ended');
    const all = await slack.control.dms(ADA);
    expect(all).toHaveLength(3);
    expect(all.slice(1).every((m) => m.thread_ts === thread.ts)).toBe(true);
    expect(textOf(all[0])).toContain('Expired');
    expect(textOf(all[0])).not.toContain('Revoke');
    expect(await slack.control.dms(BEN)).toEqual([]);
  });

  it('reminds in the thread of the approval message', async () => {
    const { slack, notifier } = here;
    const { message = null } = await notifier.deliver(sampleView(), 'message');
    await notifier.deliver(sampleView({ message }), 'reminder');
    const [, reminder] = await slack.control.messages(ACCESS);
    expect(reminder?.thread_ts).toBe(message?.ts);
    expect(textOf(reminder)).toContain('Still waiting');
    expect(textOf(reminder)).toContain('<!subteam^S0SRE>');
  });

  it('waits out a short rate limit; throws for the queue what fails', async () => {
    const { slack, notifier } = here;
    slack.faults.next({ kind: 'ratelimited', retryAfter: 1 }, { method: 'chat.postMessage' });
    await notifier.deliver(sampleView(), 'message');
    for (const fault of [
      { kind: 'status', status: 500 },
      { kind: 'reset' },
      { kind: 'error', error: 'internal_error' },
    ] as const) {
      slack.faults.next(fault, { method: 'chat.postMessage' });
      await expect(notifier.deliver(sampleView(), 'message')).rejects.toThrow(Unavailable);
    }
    // What waits here keeps others from being told.
    slack.faults.next({ kind: 'ratelimited', retryAfter: 5 }, { method: 'chat.postMessage' });
    await expect(notifier.deliver(sampleView(), 'message')).rejects.toMatchObject({ name: 'Unavailable', retryIn: 5 });
    expect(await slack.control.messages(ACCESS)).toHaveLength(1);
  });

  it('lets a requester go whom no message reaches any more', async () => {
    const { slack, notifier } = here;
    slack.control.directory.setPerson({ id: ADA, deleted: true });
    expect(await notifier.deliver(sampleView({ state: 'denied' }), 'denied')).toEqual({});
  });

  it('sounds an alarm to every administrator, however the policy names them', async () => {
    const { slack, notifier } = here;
    const policy = policySchema.parse({
      version: 1,
      identity: {},
      administrators: { users: ['cy@example.test', ADA, 'nobody@example.test'], groups: [SRE] },
      approvals: { channel: ACCESS },
      profiles: {
        logs: {
          scope: 'namespace',
          namespaces: ['staging'],
          clusterRole: 'view',
          requesters: { users: [ADA] },
          approvers: { users: [BEN] },
          duration: { default: '30m', maximum: '1h' },
        },
      },
    });
    await notifier.alarm(policy, ID, 'the reaper <!channel> found something');
    for (const user of [ADA, BEN, CY]) {
      const [alarm] = await slack.control.dms(user);
      expect(textOf(alarm)).toContain('the reaper <!channel> found something');
      expect(alarm?.text).not.toContain('<!');
    }
    // When nobody is reached, the approvers' channel is told.
    slack.faults.next({ kind: 'error', error: 'user_not_found' }, { method: 'conversations.open', times: 3 });
    await notifier.alarm(policy, null, 'second');
    expect(textOf(await last(slack.control.messages(ACCESS)))).toContain('second');

    // Whom Slack's limits keep from hearing it now hears it later, and nobody else does.
    slack.faults.next({ kind: 'ratelimited', retryAfter: 60 }, { method: 'chat.postMessage', times: 3 });
    await expect(notifier.alarm(policy, null, 'third')).rejects.toThrow(Unavailable);
    expect(textOf(await last(slack.control.messages(ACCESS)))).toContain('second');
  });
});
