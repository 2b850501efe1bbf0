import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createSlackApp, type SlackApp } from '../../src/adapters/slack/app.ts';
import { connectSlack, type SlackSettings } from '../../src/adapters/slack/connection.ts';
import { createDirectory } from '../../src/adapters/slack/directory.ts';
import type { PeopleHint } from '../../src/adapters/slack/people-events.ts';
import { createPeopleChanges, type PeopleChanges } from '../../src/app/upkeep/people-changes.ts';
import type { Refusal } from '../../src/domain/errors.ts';
import { type LocalSlack, signedRequest } from '../../src/sandbox/slack/index.ts';
import { appWorld, POLICY } from '../support/app-world.ts';
import { ACCESS, ADA, BEN, CY, SRE, startTestSlack, turnsInMemory } from '../support/slack.ts';

/** Slack's events about people, from the local Slack to what they change: the app over a cluster in memory. */

const log = pino({ level: 'silent' });
const LEFT = 'S0LEFT';
const DEBUG = POLICY.profiles.debug;

describe.each(['socket', 'http'] as const)('in %s mode', (mode) => {
  let slack: LocalSlack;
  let bot: SlackApp;
  let app: ReturnType<typeof appWorld>;
  let changes: PeopleChanges;
  let hints: PeopleHint[];
  let url: string | null;
  let connections: number;

  beforeEach(async () => {
    slack = await startTestSlack();
    slack.control.directory.setGroup({ id: LEFT, users: [] });
    const settings: SlackSettings = {
      botToken: slack.botToken,
      apiUrl: slack.apiUrl,
      receive:
        mode === 'socket' ? { mode, appToken: slack.appToken } : { mode, signingSecret: slack.signingSecret, port: 0 },
    };
    const connection = connectSlack(settings, log);
    const directory = createDirectory(connection, log);
    app = appWorld();
    Object.assign(app.world.directory, directory);
    if (DEBUG === undefined) throw new Error('the policy has no profile debug');
    const debug = {
      ...DEBUG,
      requesters: { channels: [ACCESS] },
      approvers: { groups: [SRE] },
      deny: { groups: [LEFT] },
    };
    app.setPolicy({ ...POLICY, profiles: { debug } });
    changes = createPeopleChanges(
      app.world,
      () => {},
      (milliseconds, signal) => sleep(milliseconds, undefined, { signal }).catch(() => {}),
    );
    hints = [];
    connections = 0;
    bot = createSlackApp({
      settings,
      connection,
      useCases: app.useCases,
      seenBefore: async () => false,
      turns: turnsInMemory(),
      hinted(hint) {
        hints.push(hint);
        directory.doubt(hint.lists);
        changes.heard({ ...hint, lists: hint.lists === 'all' ? [] : hint.lists });
      },
      connected() {
        connections++;
        directory.forget();
      },
      log,
    });
    const { port } = await bot.start();
    url = port === null ? null : `http://127.0.0.1:${port}/slack/events`;
    if (url !== null) slack.control.setRequestUrl(url);
  });
  afterEach(async () => {
    changes.stop();
    await bot.stop();
    await slack.stop();
  });

  const waitFor = (look: () => boolean | Promise<boolean>) => slack.control.waitFor(look, { timeout: 15_000 });
  const approve = async (by: string, id: string) =>
    app.useCases.review(by, id, 'approve', '', await app.seen(id)).then(
      () => 'approved',
      (error: Refusal) => error.rule,
    );
  async function active(): Promise<string> {
    const { grant } = await app.request(ADA);
    await app.run();
    expect(await approve(BEN, grant.id)).toBe('approved');
    await app.run();
    expect((await app.grant(grant.id)).state).toBe('active');
    return grant.id;
  }
  const calls = (method: string) => slack.control.log().filter(({ what }) => what === method).length;
  const ended = (id: string) =>
    waitFor(async () => {
      await app.run();
      return (await app.grant(id)).state === 'revoked';
    });

  test('who is deactivated loses an open grant within seconds, and administrators are told', async () => {
    const id = await active();
    slack.control.directory.setPerson({ id: ADA, deleted: true });
    await ended(id);
    expect(app.alarms).toContain(`${id} is ended: The Slack account of ada@example.test is deactivated.`);
  });

  test('who comes onto a list that denies loses it too', async () => {
    const id = await active();
    slack.control.directory.setGroup({ id: LEFT, users: [ADA] });
    await ended(id);
  });

  test('a member added to a group of approvers may approve at once, and one removed not any more, though it had just been read', async () => {
    const { grant } = await app.request(ADA);
    await app.run();
    expect(await approve(CY, grant.id)).toBe('profiles.debug.approvers');
    const before = calls('usergroups.users.list');
    expect(await approve(CY, grant.id)).toBe('profiles.debug.approvers');
    expect(calls('usergroups.users.list')).toBe(before);
    slack.control.directory.setGroup({ id: SRE, users: [CY] });
    await waitFor(() => hints.length === 2);
    expect(await approve(BEN, grant.id)).toBe('profiles.debug.approvers');
    expect(await approve(CY, grant.id)).toBe('approved');
  });

  test('a member that has left a channel of requesters can not ask any more', async () => {
    await app.request(ADA);
    const members = slack.control.directory.members(ACCESS) ?? [];
    slack.control.directory.setMembers(
      ACCESS,
      members.filter((id) => id !== ADA),
    );
    await waitFor(() => hints.some(({ lists }) => lists.includes(ACCESS)));
    await expect(app.request(ADA)).rejects.toMatchObject({ rule: 'profiles.debug.requesters' });
  });

  test('a flood costs a bounded number of calls, and ends nothing of anybody who has not left', async () => {
    const id = await active();
    const before = calls('usergroups.users.list');
    for (let i = 0; i < 300; i++) {
      slack.control.directory.setGroup({ id: LEFT, users: i % 2 === 0 ? [BEN] : [] });
      slack.control.directory.setPerson({ id: ADA, real_name: `Ada ${i}` });
    }
    await waitFor(() => hints.length >= 600);
    for (let i = 0; i < 30; i++) expect(await approve(ADA, id)).not.toBe('approved');
    expect(calls('usergroups.users.list') - before).toBeLessThanOrEqual(10);
    await app.run();
    expect((await app.grant(id)).state).toBe('active');
    expect(app.alarms).toEqual([]);
  });

  test('what is malformed, or of another team, changes nothing, and what comes after is heard', async () => {
    const id = await active();
    const left = { type: 'user_change', user: { id: ADA, deleted: true } };
    const strange: unknown[] = [
      { team_id: 'T0OTHER', event: left },
      { team_id: slack.teamId, event: null },
      { team_id: slack.teamId, event: 'user_change' },
      { team_id: slack.teamId, event: { type: 'user_change', user: null } },
      { team_id: slack.teamId, event: { type: 'subteam_updated', subteam: null } },
      { team_id: slack.teamId, event: { type: 'member_joined_channel', channel: { id: ACCESS } } },
      { team_id: slack.teamId, event: left, authorizations: [null] },
    ];
    await Promise.all(strange.map((body) => tell({ type: 'event_callback', ...(body as object) })));
    expect(hints).toEqual([]);
    // It claims what is not so: the account is read, and all stays.
    await tell({ type: 'event_callback', team_id: slack.teamId, event: left });
    await waitFor(() => hints.length === 1);
    slack.control.directory.setGroup({ id: SRE, users: [CY] });
    await waitFor(() => hints.length === 3);
    await app.run();
    expect((await app.grant(id)).state).toBe('active');
  });

  /** Slack sends this, whatever it is. */
  async function tell(payload: object): Promise<void> {
    if (url !== null) {
      const options = { secret: slack.signingSecret, contentType: 'application/json' };
      await signedRequest(url, JSON.stringify(payload), options);
      return;
    }
    await slack.control.redeliver({
      id: `e-${Math.random()}`,
      kind: 'events_api',
      payload: { ...payload },
      answers: [],
    });
  }

  if (mode === 'socket')
    test('a new connection drops all that was read, since an event may have been lost', async () => {
      const { grant } = await app.request(ADA);
      await app.run();
      expect(await approve(CY, grant.id)).toBe('profiles.debug.approvers');
      slack.faults.loseEvents(true);
      slack.control.directory.setGroup({ id: SRE, users: [CY] });
      expect(await approve(CY, grant.id)).toBe('profiles.debug.approvers');
      slack.faults.dropSockets();
      await waitFor(() => connections === 2);
      expect(await approve(CY, grant.id)).toBe('approved');
      expect(hints).toEqual([]);
    });
});
