import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { STAYS_FRESH } from '../../src/adapters/slack/directory.ts';
import { ACTIONS } from '../../src/adapters/slack/surfaces/actions.ts';
import type { PolicyInput } from '../../src/domain/policy/schema.ts';
import type { Bot } from '../../src/sandbox/bot.ts';
import { freePort } from '../../src/sandbox/ports.ts';
import { ACCESS, PEOPLE, workspace } from '../../src/sandbox/scenery.ts';
import {
  type Delivery,
  type Person,
  type SlackMessage,
  signature,
  signedRequest,
} from '../../src/sandbox/slack/index.ts';
import { describeWithCluster } from '../support/cluster.ts';
import { textOf, useStage } from '../support/e2e.ts';
import { SHORT_MINUTE } from '../support/slack.ts';
import { useChurn } from '../support/use-churn.ts';

/** What people with bad intentions, or bad luck, do to a running bot, and what they get for it. All of it comes from Slack's side. */

const ADA = PEOPLE.ada.id;
const BEN = PEOPLE.ben.id;
const CY = PEOPLE.cy.id;
const DEE = PEOPLE.dee.id;
const ENGINEERS = 'C0ENGINEER1';
const SRE = 'S0SRE00001';
const CONTRACTORS = 'S0CONTRACT';

/** Accounts that may neither ask nor decide, although they are in every channel and group that would let them; and the rule that says so. */
const BARRED: [what: string, rule: string, Omit<Person, 'name'>][] = [
  ['a guest', 'identity.admit.guests', { id: 'U0GUEST', email: 'guest@example.test', is_restricted: true }],
  [
    'a guest of one channel',
    'identity.admit.guests',
    { id: 'U0SINGLE', email: 's@example.test', is_ultra_restricted: true },
  ],
  ['a bot', 'identity.admit.bots', { id: 'U0ROBOT', email: 'robot@example.test', is_bot: true }],
  ['somebody deactivated', 'identity.deactivated', { id: 'U0GONE', email: 'gone@example.test', deleted: true }],
  ['another workspace', 'identity.admit.external', { id: 'U0OTHER', email: 'ben@example.test', team_id: 'T0OTHER' }],
  [
    'a stranger of a shared channel',
    'identity.admit.external',
    { id: 'U0STRANGE', email: 'x@example.test', is_stranger: true },
  ],
  [
    'an unconfirmed address',
    'identity.confirmedBy',
    { id: 'U0UNSURE', email: 'ben@example.test', is_email_confirmed: false },
  ],
  ['an address of a foreign domain', 'identity.user', { id: 'U0FOREIGN', email: 'ben@evil.test' }],
  ['an address of a subdomain', 'identity.user', { id: 'U0SUB', email: 'ben@mail.example.test' }],
  ['no address', 'identity.email', { id: 'U0NOMAIL' }],
  ['an address that spells system:', 'identity.user', { id: 'U0SYSTEM', email: 'system:admin@example.test' }],
  ['an address with two @', 'identity.user', { id: 'U0TWOAT', email: 'ben@example.test@example.test' }],
  ['an address with a line break', 'identity.user', { id: 'U0BREAK', email: 'ben@example.test\nsystem:masters' }],
  ['an address with a star', 'identity.user', { id: 'U0STAR', email: '*@example.test' }],
  ['an address of look-alike letters', 'identity.user', { id: 'U0LOOK', email: 'b\u0435n@example.test' }],
  ['an address that lower case makes another’s', 'identity.user', { id: 'U0KELVIN', email: '\u212Aim@example.test' }],
  ['an address that is a template', 'identity.user', { id: 'U0TEMPLATE', email: '{local}@example.test' }],
];

/** Second accounts of people, by the policy's overrides; all of them approvers. */
const ADA2 = 'U0ADA2';
const BEN2 = 'U0BEN2';
const CY2 = 'U0CY2';
const SECOND = { [ADA2]: PEOPLE.ada, [BEN2]: PEOPLE.ben, [CY2]: PEOPLE.cy };

function people(): ReturnType<typeof workspace> {
  const { users, channels, userGroups } = workspace();
  const barred = BARRED.map(([, , person]) => ({ ...person, name: person.id.toLowerCase() }));
  const second = Object.keys(SECOND).map((id) => ({
    id,
    name: id.toLowerCase(),
    email: `${id.toLowerCase()}@example.test`,
  }));
  const added = [...barred, ...second];
  const ids = added.map(({ id }) => id);
  return {
    users: [...users, ...added],
    channels: channels.map((channel) => ({ ...channel, members: [...new Set([...channel.members, ...ids, CY])] })),
    userGroups: userGroups.map((group) => (group.id === SRE ? { ...group, users: [BEN, DEE, ...ids] } : group)),
  };
}

/** The example policy, and: second accounts, a profile for every namespace, one that takes two approvals. */
function policy(input: PolicyInput): void {
  const { view, debug } = input.profiles;
  if (view === undefined || debug === undefined) throw new Error('the example policy has other profiles now');
  input.identity.overrides = Object.entries(SECOND).map(([slack, { user }]) => ({ slack, user }));
  const { automatic: _none, ...asked } = view;
  input.profiles['wide'] = { ...asked, namespaces: ['*'] };
  input.profiles['pair'] = { ...asked, approvals: 2 };
}

const TIMED = fileURLToPath(new URL('../support/timed-bot.ts', import.meta.url));

/** Text that shows nothing, or turns around what is shown. */
const INVISIBLE = /[\u00AD\u200B-\u200F\u202A-\u202E\u2060-\u2069\uFEFF\u{E0000}-\u{E007F}]/u;

describeWithCluster('hostile input', (kube) => {
  const stage = useStage(kube, { slack: { ...people(), minuteMs: SHORT_MINUTE / 2 }, policy, bot: false });
  useChurn(kube);
  let http: Bot;
  let httpUrl: string;
  let stalls: string;
  const pids = new Map<string, number>();

  beforeAll(async () => {
    const s = stage();
    const port = await freePort();
    httpUrl = `http://127.0.0.1:${port}`;
    const env = { SLACK_APP_TOKEN: undefined, SLACK_SIGNING_SECRET: s.slack.signingSecret, PORT: String(port) };
    stalls = await mkdtemp(join(tmpdir(), 'drawbridge-stalls-'));
    const timed = (name: string, more: object = {}) =>
      s.startBot({ name, main: TIMED, env: { STALL_FILE: join(stalls, name), ...more } });
    await timed('bot');
    http = await timed('http', env);
    for (const bot of s.bots.values()) {
      pids.set(bot.name, bot.pid);
      process.kill(bot.pid, 'SIGUSR2');
    }
  }, 120_000);

  // --- What is seen -------------------------------------------------------------------------------------------------------------------

  const control = () => stage().slack.control;
  /** What was read of a list is used for some seconds, by every replica. */
  const listsAreReadAnew = () => sleep(STAYS_FRESH.now);
  const posts = async () => (await control().messages(ACCESS)).length;

  /** What this person alone is told, in answer to what is done. */
  async function told(user: string, act: () => Promise<unknown>): Promise<string> {
    const before = (await control().ephemerals(user)).length;
    await act();
    const answer = await control().waitFor(async () => (await control().ephemerals(user))[before], {
      timeout: 10_000,
      what: `an answer to ${user}`,
    });
    return textOf(answer);
  }

  const type = (user: string, text: string) => control().command(user, ACCESS, '/jit', placed(text));

  /** Names of this world in place of `{staging}` and the like. */
  function placed(text: string): string {
    const { namespaces, installation } = stage();
    const names: Record<string, string> = {
      ...namespaces,
      release: installation.namespace,
      workspaces: installation.workspacesNamespace,
    };
    return text.replaceAll(/\{(\w+)\}/g, (whole, name: string) => names[name] ?? whole);
  }

  /** Asked and answered: else that answer would be taken for one to what is done next. */
  async function ask(reason = 'an ordinary request', profile = 'debug'): Promise<string> {
    const id = await stage().request(
      profile === 'debug'
        ? placed(`debug {staging}/deploy/checkout 5m ${reason}`)
        : placed(`${profile} {staging} 5m ${reason}`),
    );
    await control().waitFor(async () => (await control().ephemerals(ADA)).some((one) => textOf(one).includes(id)), {
      timeout: 10_000,
      what: `the answer to the request ${id}`,
    });
    return id;
  }

  /** Presses Approve on the message of a request, and answers what the person is told. */
  async function approveBy(user: string, id: string): Promise<string> {
    const { channel, ts } = await stage().message(id);
    return told(user, () => control().click(user, channel, ts, ACTIONS.approve));
  }

  async function callBack(...ids: string[]): Promise<void> {
    for (const id of ids) expect(await told(ADA, () => type(ADA, `revoke ${id}`))).toContain('Withdrawn');
  }

  async function revoke(id: string): Promise<void> {
    await type(ADA, `revoke ${id}`);
    await stage().until(id, 'Revoked');
  }

  async function waiting(id: string): Promise<void> {
    expect(await stage().words(id)).toMatch(/\d approvals? needed/);
  }

  /** How often each bot has said that a new policy is in force. */
  const inForce = async () =>
    Promise.all(
      [...stage().bots.values()].map(
        async (bot) => (await bot.lines()).filter((line) => line['msg'] === 'new policy in force').length,
      ),
    );

  async function write(text: string): Promise<void> {
    const { policyFile } = stage();
    await writeFile(`${policyFile}.new`, text);
    await rename(`${policyFile}.new`, policyFile);
  }

  /** Puts this policy in place of the other, and waits until each bot goes by it. */
  async function adopt(text: string): Promise<void> {
    const before = await inForce();
    await write(text);
    await control().waitFor(async () => (await inForce()).every((count, i) => count > (before[i] ?? 0)), {
      timeout: 10_000,
      what: 'the new policy to be in force',
    });
  }

  /** Nothing in the cluster, and both bots are the processes that were started, and ready. */
  async function unharmed(): Promise<void> {
    const s = stage();
    expect(await s.grantObjects()).toEqual([]);
    for (const bot of s.bots.values()) {
      expect(bot.pid).toBe(pids.get(bot.name));
      expect(await bot.ready()).toBe(true);
    }
  }

  // --- A: what is typed ---------------------------------------------------------------------------------------------------------------

  describe('a line that can’t be meant is refused with the rule and what to do instead', () => {
    const target = '{staging}/deploy/checkout';
    const form = ['is not a duration', '45m, 90s, 1h30m'];
    const known = ['There is no profile', '/jit shows what you may ask for', '(Rule: profiles)'];
    const noNamespace = ['is not the name of a namespace', '(Rule: target)'];
    const closed = ['is closed to every profile', '(Rule: namespaces)'];
    const maximum = ['Ask for 2h at most', '(Rule: profiles.debug.duration.maximum)'];

    test.each<[what: string, line: string, words: string[]]>([
      ['zero', `request debug ${target} 0m look`, form],
      ['a bare zero', `request debug ${target} 0 look`, form],
      ['a negative', `request debug ${target} -45m look`, form],
      ['a negative with a real minus', `request debug ${target} \u221245m look`, form],
      ['a negative as phones write it', `request debug ${target} \u201445m look`, form],
      ['a bare number', `request debug ${target} 45 look`, form],
      ['a fraction among others', `request debug ${target} 1.5h30m look`, form],
      ['a length in words', `request debug ${target} half an hour`, form],
      [
        'a length at the end',
        `request debug ${target} look for 2h`,
        ["Is 'for 2h' the window", '2h look', '- look for 2h'],
      ],
      ['an exponent', `request debug ${target} 1e9h look`, form],
      ['a hexadecimal', `request debug ${target} 0x10m look`, form],
      ['a unit twice', `request debug ${target} 1h1h look`, form],
      ['units upside down', `request debug ${target} 30m1h look`, form],
      ['a unit that is none', `request debug ${target} 45x look`, form],
      ['more digits than any window', `request debug ${target} 99999999999999999999s look`, form],
      ['ten thousand digits', `request debug ${target} ${'9'.repeat(10_000)}m look`, form],
      ['a second over the maximum', `request debug ${target} 2h1s look`, maximum],
      ['thousands of years', `request debug ${target} 999999d look`, maximum],

      ['an unknown profile', `request root ${target} 5m look`, known],
      ['__proto__', `request __proto__ ${target} 5m look`, known],
      ['constructor', `request constructor ${target} 5m look`, known],
      ['a profile in letters of double width', `request \uFF44\uFF45bug ${target} 5m look`, known],
      ['a profile in look-alike letters', `request d\u0435bug ${target} 5m look`, known],
      ['a profile of ten thousand letters', `request ${'x'.repeat(10_000)} ${target} 5m look`, known],
      [
        'the profile of others',
        'request payments-edit {payments} 5m look',
        ["You can't request 'payments-edit'", '(Rule: profiles.payments-edit.requesters)'],
      ],

      [
        'a namespace that it does not cover',
        'request debug default/deploy/x 5m look',
        ['It covers: {staging}, {payments}', '(Rule: profiles.debug.namespaces)'],
      ],
      ['kube-system', 'request debug kube-system/deploy/coredns 5m look', closed],
      ['kube-system by a profile of every namespace', 'request wide kube-system 5m look', closed],
      ['the namespace of the bot', 'request wide {release} 5m look', closed],
      ['the namespace of workspaces', 'request wide {workspaces} 5m look', closed],
      ['every namespace', 'request wide * 5m look', noNamespace],
      ['a pattern', 'request wide {staging}* 5m look', noNamespace],
      ['two namespaces', 'request wide {staging},{payments} 5m look', noNamespace],
      ['a path upwards', 'request wide .. 5m look', noNamespace],
      ['a path to elsewhere', 'request debug ../kube-system/deploy/coredns 5m look', ['is not a target']],
      ['an escaped path', 'request wide {staging}%2F..%2Fkube-system 5m look', noNamespace],
      ['what lower case makes another', 'request wide {staging}\u212A 5m look', noNamespace],
      ['look-alike letters', 'request wide st\u0430ging 5m look', noNamespace],
      ['an overlong namespace', `request wide ${'a'.repeat(64)} 5m look`, noNamespace],
      ['a namespace of ten thousand letters', `request wide ${'a'.repeat(10_000)} 5m look`, noNamespace],
      ['a mention in place of a namespace', 'request wide <!channel> 5m look', noNamespace],
      ['no namespace', 'request debug /deploy/checkout 5m look', ['names no namespace']],

      [
        'no target',
        'request debug {staging} 5m look',
        ['is for one workload', 'request debug {staging}/deploy/NAME', '(Rule: profiles.debug.scope)'],
      ],
      [
        'a target where none belongs',
        'request view {staging}/deploy/checkout 5m look',
        ['for a whole namespace', '(Rule: profiles.view.scope)'],
      ],
      [
        'a kind that is no workload',
        'request debug {staging}/secret/checkout 5m look',
        ['not a kind that can be a target'],
      ],
      [
        'a kind of ten thousand letters',
        `request debug {staging}/${'k'.repeat(10_000)}/checkout 5m look`,
        ['not a kind that can be a target'],
      ],
      ['all workloads', 'request debug {staging}/deploy/* 5m look', ['not the name of a workload', '(Rule: target)']],
      ['a pattern of workloads', 'request debug {staging}/deploy/check* 5m look', ['not the name of a workload']],
      [
        'a list of workloads',
        'request debug {staging}/deploy/checkout,catalog 5m look',
        ['not the name of a workload'],
      ],
      ['a workload without a name', 'request debug {staging}/deploy/ 5m look', ['is not a target']],
      ['a path below a workload', 'request debug {staging}/deploy/checkout/exec 5m look', ['is not a target']],
      [
        'a workload that does not exist',
        'request debug {staging}/deploy/nowhere 5m look',
        ['nowhere', '(Rule: target)'],
      ],
      [
        'a workload of another namespace',
        'request debug {staging}/deploy/ledger 5m look',
        ['ledger', '(Rule: target)'],
      ],
      ['a namespace that does not exist', 'request wide nowhere 5m look', ['nowhere', '(Rule: target)']],

      [
        'a reason of ten thousand characters',
        `request debug ${target} 5m ${'why '.repeat(2500)}`,
        ['500 are taken', '(Rule: reason)'],
      ],

      ['no command, and no profile', 'sudo give me everything', ['There is no profile']],
      ['a command of ten thousand letters', 'x'.repeat(10_000), ['There is no command']],
      ['an id that is none', 'approve ../../g-aaaaaa', ['is not an id']],
      ['an id of ten thousand letters', `status ${'g'.repeat(10_000)}`, ['is not an id']],
      ['the id of nothing', 'approve g-zzzzzz', ['There is no request or grant g-zzzzzz', '(Rule: id)']],
      ['the end of nothing', 'revoke g-zzzzzz', ['There is no request or grant g-zzzzzz']],
      ['a longer nothing', 'extend g-zzzzzz 1d', ['There is no request or grant g-zzzzzz']],
      ['an extension backwards', 'extend g-zzzzzz -1h', form],
      ['a question about every namespace', 'who *', ["There is no namespace '*'"]],
    ])('%s', async (_, line, words) => {
      const before = await posts();
      const answer = await told(ADA, () => type(ADA, line));
      for (const word of words) expect(answer).toContain(placed(word));
      expect(answer.length).toBeLessThan(3500);
      expect(await posts()).toBe(before);
    });

    test('zero-width letters do not make another namespace of one: what is shown is what is meant', async () => {
      const id = await stage().request(
        placed('debug {staging}/deploy/check\u200Bout 5m hidden letters').replace('staging', 'sta\u200Bging'),
      );
      expect(await stage().words(id)).toContain(placed('`{staging}/deployment/checkout`'));
      expect(JSON.stringify(await stage().message(id))).not.toMatch(INVISIBLE);
      await callBack(id);
    });

    test('and none of it leaves a trace', unharmed);
  });

  // --- B: words that imitate ----------------------------------------------------------------------------------------------------------

  test.each([
    ['no reason', 'request debug {staging}/deploy/checkout 5m'],
    ['a reason of nothing visible', 'request debug {staging}/deploy/checkout 5m \u200B\u2060\u3164'],
    ['line breaks in place of all that is missing', 'request\ndebug\n\n'],
  ])('a line that ends too early asks for nothing, and opens the form: %s', async (_, line) => {
    const before = await posts();
    await type(ADA, line);
    const form = await control().waitFor(() => control().modal(ADA)?.callback_id === 'drawbridge.request', {
      timeout: 10_000,
      what: 'the form',
    });
    expect(form).toBe(true);
    await control().close(ADA);
    expect(await posts()).toBe(before);
  });

  describe('words of people are shown as words', () => {
    /** Stands in every one of them, so that each text that holds some of it is found. */
    const MARK = 'zq7';

    test.each<[what: string, typed: string, shown: string]>([
      ['a call to everybody', `<!channel> <!here> <!everyone> ${MARK}`, `@channel @here @everyone ${MARK}`],
      ['a call with a label', `<!channel|nobody> <!subteam^S0ADMIN001|@admins> ${MARK}`, `@nobody @admins ${MARK}`],
      ['a mention', `<@U0CY> <@U0CY|ben> <#C0ENGINEER1|x> ${MARK}`, `@U0CY @ben #x ${MARK}`],
      ['an escaped call', `&lt;!channel&gt; ${MARK}`, `<!channel> ${MARK}`],
      ['a call that is escaped twice', `&amp;lt;!channel&amp;gt; ${MARK}`, `&lt;!channel&gt; ${MARK}`],
      ['a call in pieces', `<!<!channel>channel> ${MARK}`, `<!@channelchannel> ${MARK}`],
      ['a link with another label', `<https://evil.test/${MARK}|https://example.test>`, `https://evil.test/${MARK}`],
      [
        'a link of another scheme',
        `<javascript:alert(1)|${MARK}> <tel:112|call>`,
        `<javascript:alert(1)|${MARK}> <tel:112|call>`,
      ],
      ['formatting', `*${MARK} bold* _it_ ~no~ > quote`, `*${MARK} bold* _it_ ~no~ > quote`],
      ['code', `\`\`\`${MARK} block\`\`\` \`code\` ${MARK}`, `\`\`\`${MARK} block\`\`\` \`code\` ${MARK}`],
      ['the end of the quotation', `${MARK}” *Active.* “`, `${MARK}” *Active.* “`],
      [
        'a forged approval',
        `${MARK}\n\n:white_check_mark: *Approved by* <@U0BEN> ✅`,
        `${MARK} :white_check_mark: *Approved by* @U0BEN ✅`,
      ],
      ['a forged date', `<!date^1^{date}|${MARK}>`, `@${MARK}`],
      ['writing from the right', `${MARK} \u202Elennahc\u2066\u200F!`, `${MARK} lennahc!`],
      ['invisible letters', `\u200B${MARK}\u{E0041}\u2060\u00AD\uFEFF`, MARK],
      ['a pile of marks', `${MARK}${'\u0301'.repeat(400)}`, `${MARK}${'\u0301'.repeat(4)}`],
      ['blocks', `"}],"blocks":[{"type":"actions"}] ${MARK}`, `"}],"blocks":[{"type":"actions"}] ${MARK}`],
    ])('%s', async (_, typed, shown) => {
      const s = stage();
      const id = await ask(typed);
      const message = await s.message(id);
      expect(plainTexts(message)).toContainEqual(`“${shown}”`);
      const outcome = await told(BEN, () => type(BEN, `deny ${id} ${typed}`));
      expect(outcome).toContain('Denied');
      await s.until(id, 'Denied');
      expect(await s.dm('ada', new RegExp(`Denied: ${id}`))).toContain(`“${shown}”`);

      const everything = [
        ...(await control().messages(ACCESS)).filter((m) => textOf(m).includes(id)),
        ...(await control().dms(ADA)).filter((m) => textOf(m).includes(id)),
        ...(await control().ephemerals(ADA)).filter((m) => textOf(m).includes(id)),
        ...(await control().ephemerals(BEN)).filter((m) => textOf(m).includes(id)),
        message,
      ];
      for (const one of everything) {
        for (const text of markupOf(one)) {
          expect(text).not.toContain(MARK);
          // Ours: the requester, the approvers that the policy names, the one who denied, and points in time.
          for (const [reference] of text.matchAll(/<[^>]*>/g))
            expect(reference).toMatch(/^<(@U0ADA|@U0BEN|!subteam\^S0SRE00001|!date\^\d+\^[^>]*)>$/);
        }
        expect(JSON.stringify(one)).not.toMatch(INVISIBLE);
      }
    });

    test('and nobody else heard of it', async () => {
      for (const user of [CY, DEE]) expect(await control().dms(user)).toEqual([]);
      await unharmed();
    });
  });

  // --- C: who ---------------------------------------------------------------------------------------------------------------------------

  describe('an account that is nobody neither asks nor decides', () => {
    let id: string;
    beforeAll(async () => {
      id = await ask('for somebody to decide');
    });

    test.each(BARRED)('%s', async (_, rule, { id: user }) => {
      const before = await posts();
      const refusal = `(Rule: ${rule})`;
      expect(await told(user, () => type(user, 'request debug {staging}/deploy/checkout 5m look'))).toContain(refusal);
      expect(await approveBy(user, id)).toContain(refusal);
      expect(await told(user, () => type(user, `deny ${id}`))).toContain(refusal);
      expect(await told(user, () => type(user, `revoke ${id}`))).toContain(refusal);
      expect(await told(user, () => type(user, 'list'))).toContain(refusal);
      await waiting(id);
      expect(await posts()).toBe(before);
    });

    test('the second account of the requester is the requester', async () => {
      expect(await approveBy(ADA2, id)).toContain('(Rule: profiles.debug.selfApproval)');
      expect(await told(ADA2, () => type(ADA2, `deny ${id}`))).toContain('(Rule: profiles.debug.selfApproval)');
      await waiting(id);
    });

    test('the second account of an approver does not count again', async () => {
      const two = await ask('two people are needed', 'pair');
      expect(await approveBy(BEN, two)).toContain('1 more needed');
      expect(await approveBy(BEN2, two)).toContain('each person counts once');
      expect(await approveBy(BEN, two)).toContain('each person counts once');
      expect(await stage().words(two)).toContain('1 approval needed');
      await callBack(two);
    });

    test('the second account of somebody denied is denied', async () => {
      control().directory.setGroup({ id: CONTRACTORS, users: [CY] });
      await listsAreReadAnew();
      const refusal = `(Rule: profiles.debug.deny (groups: ${CONTRACTORS}))`;
      expect(await told(CY2, () => type(CY2, 'request debug {staging}/deploy/checkout 5m look'))).toContain(refusal);
      expect(await approveBy(CY2, id)).toContain(refusal);
      control().directory.setGroup({ id: CONTRACTORS, users: [] });
      await listsAreReadAnew();
    });

    test('and none of it leaves a trace', async () => {
      await callBack(id);
      await unharmed();
    });
  });

  // --- D: clicks ------------------------------------------------------------------------------------------------------------------------

  /** What Slack tells of a press of Ben, an approver, on Approve of that message; altered by whoever stands in between. */
  async function pressOf(id: string, change: (payload: Payload, value: Value) => void = () => {}): Promise<Delivery> {
    const s = stage();
    const message = await s.message(id);
    const block = message.blocks?.find((one) => one.type === 'actions');
    const [button] = (block?.elements ?? []) as unknown as { action_id: string; value: string }[];
    const payload: Payload = {
      type: 'block_actions',
      team: { id: s.slack.teamId, domain: 'example' },
      user: { id: BEN, name: 'ben', team_id: s.slack.teamId },
      api_app_id: 'A0DRAWBRIDGE',
      trigger_id: randomUUID(),
      channel: { id: ACCESS, name: 'access' },
      container: { type: 'message', channel_id: ACCESS, message_ts: message.ts, is_ephemeral: false },
      actions: [{ ...button, type: 'button', block_id: 'b', action_ts: '1.1' }],
    };
    change(payload, JSON.parse(button?.value ?? '{}') as Value);
    return {
      id: randomUUID(),
      kind: 'interactive',
      payload: payload as unknown as Record<string, unknown>,
      answers: [],
    };
  }

  interface Value {
    id: string;
    digest: string;
  }
  interface Payload {
    type: string;
    trigger_id: string;
    user: { id: string; [more: string]: unknown };
    container?: { type: string; channel_id: string; message_ts: string; is_ephemeral: boolean };
    actions: { value?: unknown; [more: string]: unknown }[];
    [more: string]: unknown;
  }

  describe('a press that is not what it seems decides nothing', () => {
    let id: string;
    let other: string;
    let ended: string;
    let otherTs: string;
    beforeAll(async () => {
      id = await ask('the one that is meant');
      other = await ask('another one');
      ended = await ask('one that has ended');
      otherTs = (await stage().message(other)).ts;
      await callBack(ended);
      await stage().until(ended, 'Withdrawn');
    });

    const known = 'not one that Drawbridge knows';
    const valued = (change: (value: Value) => unknown) => (payload: Payload, value: Value) => {
      payload.actions[0]!.value = change(value);
    };
    const json = (change: (value: Value) => unknown) => valued((value) => JSON.stringify(change(value)));
    const pressedAs = (action: string, carried: (value: Value) => unknown) => (payload: Payload, value: Value) => {
      Object.assign(payload.actions[0]!, { action_id: action, value: JSON.stringify(carried(value)) });
    };

    test.each<[what: string, change: (payload: Payload, value: Value) => void, words: string]>([
      ['no value', (payload) => delete payload.actions[0]!.value, known],
      ['a value that is no text', valued(() => ({ id: 'g-aaaaaa' })), known],
      ['half a value', valued((value) => JSON.stringify(value).slice(0, -3)), known],
      ['a value of nothing', valued(() => 'null'), known],
      ['a list', json((value) => [value]), known],
      ['a value that says more', json((value) => ({ ...value, approved: true, duration: 1e9 })), known],
      ['another prototype', valued((value) => `{"__proto__":{"id":"${value.id}"},"digest":"${value.digest}"}`), known],
      ['no digest', json(({ id: own }) => ({ id: own })), known],
      ['a digest that is a pattern', json((value) => ({ ...value, digest: '.*' })), known],
      ['another digest', json((value) => ({ ...value, digest: '000000000000' })), 'not what would be granted now'],
      ['an id that is none', json((value) => ({ ...value, id: '../g-aaaaaa' })), known],
      ['an id of nothing', json((value) => ({ ...value, id: 'g-zzzzzz' })), 'There is no request or grant g-zzzzzz'],
      ['the id of one that has ended', json((value) => ({ ...value, id: ended })), 'has ended: cancelled'],
      ['the id of another one', json((value) => ({ ...value, id: other })), 'not on the message of this request'],
      ['a note of ten thousand letters', json((value) => ({ ...value, note: 'x'.repeat(10_000) })), known],
      [
        'the message of another one',
        (payload) => Object.assign(payload.container!, { message_ts: otherTs }),
        'not on the message of this request',
      ],
      [
        'another channel',
        (payload) => Object.assign(payload.container!, { channel_id: ENGINEERS }),
        'not on the message of this request',
      ],
      ['a line that another has typed', pressedAs(ACTIONS.reading, () => ({ line: 'request a b c', by: ADA })), known],
      [
        'a line that ends what it is in',
        pressedAs(ACTIONS.reading, (v) => ({ line: `revoke ${v.id}`, by: BEN })),
        known,
      ],
      ['a line of an approval', pressedAs(ACTIONS.otherReading, (v) => ({ line: `approve ${v.id}`, by: BEN })), known],
      ['a page of Home that is none', pressedAs(ACTIONS.homePage, () => ({ all: -1 })), known],
      ['what may be asked for, as code', pressedAs(ACTIONS.ask, () => ({ profile: ['debug'] })), known],
      ['a longer window of all time', pressedAs(ACTIONS.extendMost, (v) => ({ ...v, seconds: 1e12 })), known],
      ['a longer window by who looks on', pressedAs(ACTIONS.extendMost, (v) => ({ ...v, seconds: 60 })), '(Rule: '],
      ['everything', pressedAs(ACTIONS.listPage, () => ({ all: 0 })), 'Only administrators list everything'],
      ['a message at no time', (payload) => Object.assign(payload.container!, { message_ts: 'now' }), known],
      ['no message', (payload) => delete payload.container, known],
      ['somebody whom Slack does not know', (payload) => Object.assign(payload.user, { id: 'U0NOBODY' }), ''],
      ['the requester', (payload) => Object.assign(payload.user, { id: ADA }), '(Rule: profiles.debug.selfApproval)'],
      [
        'somebody who looks on',
        (payload) => Object.assign(payload.user, { id: CY }),
        '(Rule: profiles.debug.approvers)',
      ],
    ])('%s', async (_, change, words) => {
      const press = await pressOf(id, change);
      const { user } = press.payload as unknown as Payload;
      if (words === '') expect(await control().redeliver(press)).toMatchObject({ acked: true });
      else expect(await told(user.id, () => control().redeliver(press))).toContain(words);
      await waiting(id);
      await waiting(other);
    });

    test('rights are as of the press: an approver who has left the group since is none', async () => {
      const users =
        control()
          .directory.groups()
          .find((group) => group.id === SRE)?.users ?? [];
      control().directory.setGroup({ id: SRE, users: users.filter((user) => user !== BEN) });
      await listsAreReadAnew();
      expect(await approveBy(BEN, id)).toContain('(Rule: profiles.debug.approvers)');
      control().directory.setGroup({ id: SRE, users });
      await listsAreReadAnew();
      await waiting(id);
    });

    test('and none of it leaves a trace', async () => {
      await unharmed();
      // All of it was refused for what was altered: the same press, as it is, counts.
      await control().redeliver(await pressOf(id));
      await stage().until(id, 'Active until');
      await revoke(id);
      await callBack(other);
    });
  });

  describe('members who can’t be read are in no list that allows, and in every list that denies', () => {
    let denying: string;
    let allowing: string;
    let scopes: readonly string[];
    beforeAll(async () => {
      scopes = control().scopes();
      denying = await ask('a profile with a deny list');
      allowing = await ask('a profile without one', 'wide');
      await listsAreReadAnew();
    });
    const method = 'usergroups.users.list';
    const failing = (fault: Parameters<ReturnType<typeof stage>['slack']['faults']['next']>[0]) => () =>
      stage().slack.faults.next(fault, { method, times: 1000 });
    const disabled = (isDisabled: boolean) => {
      for (const { id } of control().directory.groups()) control().directory.setGroup({ id, disabled: isDisabled });
    };

    test.each<[what: string, begin: () => void, end?: () => void]>([
      ['a scope is missing', () => control().setScopes(scopes.filter((scope) => scope !== 'usergroups:read'))],
      ['the groups are disabled', () => disabled(true)],
      ['Slack says that it has an error', failing({ kind: 'error', error: 'internal_error' })],
      ['Slack knows no such method', failing({ kind: 'error', error: 'unknown_method' })],
      ['the plan of the workspace has no groups', failing({ kind: 'error', error: 'paid_teams_only' })],
      ['a proxy answers in its place', failing({ kind: 'status', status: 503 })],
      ['the connection is cut', failing({ kind: 'reset' })],
    ])('%s', async (_, begin) => {
      begin();
      try {
        const refusal = `(Rule: profiles.debug.deny (groups: ${CONTRACTORS}, whose members can't be read now))`;
        expect(await approveBy(BEN, denying)).toContain(refusal);
        expect(await told(ADA, () => type(ADA, 'request debug {staging}/deploy/checkout 5m look'))).toContain(refusal);
        expect(await approveBy(BEN, allowing)).toContain('(Rule: profiles.wide.approvers (groups: ');
        // On call he need not wait; whether he is can't be known now.
        const asked = await told(BEN, () => type(BEN, 'request view {staging} 5m look'));
        expect(asked).toContain('1 approval needed');
        expect(await told(BEN, () => type(BEN, `revoke ${/g-[a-z2-9]{6}/.exec(asked)?.[0]}`))).toContain('Withdrawn');
      } finally {
        stage().slack.faults.clear();
        control().setScopes(scopes);
        disabled(false);
      }
      await waiting(denying);
      await waiting(allowing);
    });

    test('and none of it leaves a trace', async () => {
      await callBack(denying, allowing);
      await unharmed();
    });
  });

  describe('what is pressed twice is done once', () => {
    const once = ['requested', 'approval', 'applying', 'active'];
    const applied = async (id: string) => {
      await stage().until(id, 'Active until');
      try {
        // Two replicas wrote it, each its part.
        const events = (await stage().audited(id)).filter((event) => event !== 'refused');
        expect(events.toSorted((a, b) => once.indexOf(a) - once.indexOf(b))).toEqual(once);
        const bindings = (await stage().objectsOf(id)).filter((name) => name.startsWith('RoleBinding/'));
        expect(bindings).toHaveLength(1);
      } finally {
        await revoke(id);
      }
    };
    const overHttp = ({ payload }: Delivery) =>
      signedRequest(`${httpUrl}/slack/events`, new URLSearchParams({ payload: JSON.stringify(payload) }).toString(), {
        secret: stage().slack.signingSecret,
      });

    test('one press, delivered three times, and to another replica', async () => {
      const id = await ask('pressed once');
      const press = await pressOf(id);
      const answers = await Promise.all([
        control().redeliver(press),
        control().redeliver(press),
        control().redeliver(press),
        overHttp(press),
      ]);
      expect(answers.slice(0, 3)).toMatchObject([{ acked: true }, { acked: true }, { acked: true }]);
      expect(answers[3]).toMatchObject({ status: 200 });
      await applied(id);
    });

    test('two people in the same moment, at two replicas', async () => {
      const id = await ask('pressed by two');
      const by = (user: string) => pressOf(id, (payload) => Object.assign(payload.user, { id: user }));
      const [bens, dees] = await Promise.all([by(BEN), by(DEE)]);
      await Promise.all([control().redeliver(bens), overHttp(dees)]);
      await applied(id);
    });

    test('one person by two accounts in the same moment', async () => {
      const id = await ask('two are needed', 'pair');
      const by = (user: string) => pressOf(id, (payload) => Object.assign(payload.user, { id: user }));
      const [first, second] = await Promise.all([by(BEN), by(BEN2)]);
      await Promise.all([control().redeliver(first), overHttp(second)]);
      await stage().until(id, '1 approval needed');
      expect((await stage().audited(id)).filter((event) => event === 'approval')).toHaveLength(1);
      await callBack(id);
    });

    test('and both replicas are well', unharmed);
  });

  // --- E: HTTP --------------------------------------------------------------------------------------------------------------------------

  describe('over HTTP nothing counts that Slack did not sign, now', () => {
    const path = '/slack/events';
    const line = 'request debug {staging}/deploy/checkout 5m forged';
    const form = (text = line, change: Record<string, string> = {}) =>
      new URLSearchParams({
        command: '/jit',
        text: placed(text),
        user_id: ADA,
        channel_id: ACCESS,
        team_id: stage().slack.teamId,
        trigger_id: randomUUID(),
        response_url: `${stage().slack.url}/nowhere`,
        ...change,
      }).toString();
    const signed = (body: string, how: Partial<Parameters<typeof signedRequest>[2]> = {}, at = path) =>
      signedRequest(`${httpUrl}${at}`, body, { secret: stage().slack.signingSecret, ...how });
    const seconds = (away: number) => Math.floor(Date.now() / 1000) + away;
    const headers = (given: Record<string, string>, body = form()) =>
      fetch(`${httpUrl}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded', ...given },
        body,
      });

    /** On a connection of its own, which the bot is free to cut. */
    const endless = () =>
      new Promise<{ status: number }>((resolve) => {
        const sending = request(`${httpUrl}${path}`, { method: 'POST', agent: false }, ({ statusCode = 0 }) => {
          sending.destroy();
          resolve({ status: statusCode });
        });
        sending.on('error', () => resolve({ status: 0 }));
        sending.end('x'.repeat(2 * 1024 * 1024));
      });

    test.each<[what: string, send: () => Promise<{ status: number }>, status: number]>([
      ['another secret', () => signed(form(), { secret: 'another-signing-secret' }), 401],
      ['no signature', () => signed(form(), { signature: null }), 401],
      ['no headers at all', () => headers({}), 401],
      ['an empty signature', () => signed(form(), { signature: '' }), 401],
      ['half a signature', () => signed(form(), { signature: 'v0=' }), 401],
      ['a signature of another version', () => signed(form(), { signature: `v1=${'0'.repeat(64)}` }), 401],
      ['a signature of zeros', () => signed(form(), { signature: `v0=${'0'.repeat(64)}` }), 401],
      ['a signature of no letters', () => signed(form(), { signature: 'v0=\u00FF\u00FE' }), 401],
      ['301 seconds old', () => signed(form(), { timestamp: seconds(-301) }), 401],
      ['301 seconds ahead', () => signed(form(), { timestamp: seconds(303) }), 401],
      ['from the beginning of time', () => signed(form(), { timestamp: 0 }), 401],
      ['in milliseconds', () => signed(form(), { timestamp: Date.now() }), 401],
      ['a time that is none', () => signed(form(), { timestamp: Number.NaN }), 401],
      [
        'the signature of another body',
        async () => {
          const timestamp = seconds(0);
          return signed(form(), {
            timestamp,
            signature: signature(stage().slack.signingSecret, timestamp, form('list')),
          });
        },
        401,
      ],
      ['a check of the certificate that carries a command', () => headers({}, `${form()}&ssl_check=1`), 200],
      [
        'a challenge that nobody signed',
        () => headers({ 'content-type': 'application/json' }, '{"type":"url_verification","challenge":"x"}'),
        401,
      ],
      ['another path', () => signed(form(), {}, '/slack/commands'), 404],
      ['no path', () => signed(form(), {}, '/'), 404],
      ['another method', () => fetch(`${httpUrl}${path}?${form()}`), 404],
      [
        'a body that is no form',
        () => signed('\u0000\u0001'.repeat(100), { contentType: 'application/octet-stream' }),
        400,
      ],
      ['a form that says it is JSON', () => signed(form(), { contentType: 'application/json' }), 400],
      ['a payload that is half JSON', () => signed('payload=%7B%22type%22%3A'), 400],
      ['a body without end', endless, 413],
    ])('%s', async (_, send, status) => {
      const before = await posts();
      const heard = (await control().ephemerals(ADA)).length;
      expect((await send()).status).toBe(status);
      expect(await posts()).toBe(before);
      expect(await control().ephemerals(ADA)).toHaveLength(heard);
    });

    test.each<[what: string, body: string]>([
      ['a payload of nothing', 'payload=null'],
      ['a payload that is a text', 'payload=%22drawbridge.approve%22'],
      [
        'a payload of an unknown type',
        `payload=${encodeURIComponent('{"type":"drawbridge_admin","user":{"id":"U0BEN"}}')}`,
      ],
      [
        'a press on a button that nobody made',
        `payload=${encodeURIComponent('{"type":"block_actions","user":{"id":"U0BEN"},"actions":[{"action_id":"drawbridge.grant","type":"button"}]}')}`,
      ],
      [
        'a press on nothing',
        `payload=${encodeURIComponent('{"type":"block_actions","user":{"id":"U0BEN"},"actions":[]}')}`,
      ],
      [
        'a modal that nobody opened',
        `payload=${encodeURIComponent('{"type":"view_submission","user":{"id":"U0BEN"},"view":{"callback_id":"drawbridge.admin","state":{"values":{}}}}')}`,
      ],
      ['a command of another app', 'command=%2Fsudo&text=x&user_id=U0ADA&channel_id=C0ACCESS001&team_id=T0LOCAL'],
    ])('signed, %s, is not understood, and the next one is', async (_, body) => {
      const before = await posts();
      const giveUp = new AbortController();
      const timestamp = seconds(0);

      const unanswered = fetch(`${httpUrl}${path}`, {
        method: 'POST',
        body,
        signal: giveUp.signal,
        headers: {
          'content-type': 'application/x-www-form-urlencoded',
          'x-slack-request-timestamp': String(timestamp),
          'x-slack-signature': signature(stage().slack.signingSecret, timestamp, body),
        },
      }).then(
        ({ status }) => status,
        () => 0,
      );
      expect(await told(ADA, () => signed(form('help request')))).toContain('/jit request');
      giveUp.abort();
      expect([0, 400, 404, 500]).toContain(await unanswered);
      expect(await posts()).toBe(before);
    });

    test('a replay is acknowledged and does nothing; what Slack signs is done once', async () => {
      const s = stage();
      const before = await posts();
      const body = form('request debug {staging}/deploy/checkout 5m signed and sent again');
      const timestamp = seconds(-290);
      for (let i = 0; i < 3; i++) expect((await signed(body, { timestamp })).status).toBe(200);
      const posted = await control().waitFor(async () => (await control().messages(ACCESS))[before]);
      const id = /g-[a-z2-9]{6}/.exec(textOf(posted))?.[0] ?? '';
      // The answer to the request may come after its message: it is not the answer to the next command.
      await control().waitFor(async () => (await control().ephemerals(ADA)).some((one) => textOf(one).includes(id)));
      await callBack(id);
      await s.until(id, 'Withdrawn');
      expect(await posts()).toBe(before + 1);
    });

    test('a modal can’t be submitted for what was never offered', async () => {
      const view = (metadata: string, callback_id: string, values: object) =>
        signed(
          new URLSearchParams({
            payload: JSON.stringify({
              type: 'view_submission',
              team: { id: stage().slack.teamId },
              user: { id: ADA },
              trigger_id: randomUUID(),
              view: {
                id: 'V1',
                hash: randomUUID(),
                callback_id,
                private_metadata: metadata,
                state: { values },
                blocks: [],
              },
            }),
          }).toString(),
        );
      const field = (id: string, value: string) => ({ [id]: { input: { type: 'plain_text_input', value } } });
      const { staging } = stage().namespaces;
      const kube = await view('', 'drawbridge.request', {
        ...field('profile', 'wide'),
        ...field('namespace|wide', 'kube-system'),
        ...field('reason', 'never offered'),
      });
      expect(kube.body).toContain('closed to every profile');
      const others = await view('', 'drawbridge.request', {
        ...field('profile', '__proto__'),
        ...field('namespace|__proto__', staging),
        ...field('reason', 'never offered'),
      });
      expect(others.body).toContain('There is no profile');
      const begins = (selected_date_time: unknown) =>
        view('', 'drawbridge.request', {
          ...field('profile', 'wide'),
          ...field('namespace|wide', staging),
          ...field('reason', 'at a strange time'),
          start: { input: { type: 'datetimepicker', selected_date_time } },
        });
      const soon = Math.floor(Date.now() / 1000);
      expect((await begins(soon - 600)).body).toContain('That start has passed already');
      expect((await begins(soon + 8 * 86_400)).body).toContain('7d ahead at most');
      for (const odd of ['soon', -soon, 1e300, { at: soon }])
        expect((await begins(odd)).body).toContain('That is no moment');
      // The last step: what it asks for is the person's own word, and decided on as such.
      const asked = (change: object) =>
        JSON.stringify({
          ask: { profile: 'debug', target: { namespace: staging }, duration: null, reason: 'never shown', ...change },
          digest: 'aaaaaaaaaaaa',
        });
      const checkout = { namespace: staging, workload: { kind: 'Deployment', name: 'checkout' } };
      const last = (metadata: string) => view(metadata, 'drawbridge.request.confirm', {});
      expect((await last(asked({ target: { ...checkout, namespace: 'kube-system' } }))).body).toContain(
        'closed to every profile',
      );
      const before = await posts();
      expect((await last(asked({ target: checkout }))).body).toContain('has changed since you saw it');
      expect(await posts()).toBe(before);
      for (const metadata of ['', asked({ approvals: 0 }), asked({ target: { ...checkout, user: 'admin' } })])
        expect((await last(metadata)).body).toContain('not one that Drawbridge knows');
      const denial = await view('{"id":"g-zzzzzz","of":"everything"}', 'drawbridge.deny.note', field('note', 'x'));
      expect(denial.body).toContain('not one that Drawbridge knows');
    });

    test('the glass is not broken by a button that was never shown', async () => {
      const s = stage();
      const { staging } = s.namespaces;
      const before = await posts();
      const press = (user: string, profile: string, metadata: object | string) =>
        signed(
          new URLSearchParams({
            payload: JSON.stringify({
              type: 'block_actions',
              team: { id: s.slack.teamId },
              user: { id: user },
              trigger_id: randomUUID(),
              container: { type: 'view', view_id: 'V1' },
              actions: [{ type: 'button', action_id: ACTIONS.breakGlass, block_id: 'b', action_ts: '1.1' }],
              view: {
                id: 'V1',
                type: 'modal',
                hash: randomUUID(),
                callback_id: 'drawbridge.request',
                private_metadata: typeof metadata === 'string' ? metadata : JSON.stringify(metadata),
                state: {
                  values: {
                    profile: { input: { type: 'plain_text_input', value: profile } },
                    [`namespace|${profile}`]: { input: { type: 'plain_text_input', value: staging } },
                    [`target|${profile}|${staging}`]: { input: { type: 'plain_text_input', value: 'deploy/checkout' } },
                    reason: { input: { type: 'plain_text_input', value: 'nobody answers, surely' } },
                  },
                },
                blocks: [],
              },
            }),
          }).toString(),
        );
      const shown = (profile: string) => ({ form: { profile, namespace: staging } });
      const refusals = async () => (await http.audit()).filter(({ event }) => event === 'refused');
      for (const [user, profile, metadata, rule] of [
        [ADA, 'debug', shown('debug'), 'profiles.debug.breakGlass.from'],
        [BEN, 'pair', shown('pair'), 'profiles.pair.breakGlass'],
        [BEN, 'debug', { ask: shown('debug') }, 'message'],
        [BEN, 'debug', '', 'message'],
      ] as const) {
        const since = (await refusals()).length;
        expect((await press(user, profile, metadata)).status).toBe(200);
        await control().waitFor(async () => (await refusals()).slice(since).some((one) => one['rule'] === rule), {
          what: `a refusal by ${rule}`,
        });
      }
      expect(await posts()).toBe(before);
      expect(await s.grantObjects()).toEqual([]);
    });

    test('and none of it leaves a trace', unharmed);
  });

  // --- F: the policy file -----------------------------------------------------------------------------------------------------------------

  describe('a bad policy file leaves the last good one in force', () => {
    let good: string;
    beforeAll(async () => {
      good = await readFile(stage().policyFile, 'utf8');
    });
    afterAll(async () => {
      await adopt(good);
    });

    /** The policy in force, changed so that Ada may approve for herself, and by `change`. */
    function greedy(change: (input: PolicyInput, debug: PolicyInput['profiles'][string]) => void): string {
      const input = parse(good) as PolicyInput;
      const debug = input.profiles['debug'];
      if (debug === undefined) throw new Error('there is no profile debug');
      Object.assign(debug, { selfApproval: true, approvers: { users: [PEOPLE.ada.user] } });
      change(input, debug);
      return stringify(input);
    }

    const rule = (change: object) => ({ apiGroups: [''], resources: ['pods'], verbs: ['get'], ...change });
    const any = (input: object): Record<string, unknown> => input as Record<string, unknown>;

    test.each<[what: string, text: () => string | null, problem: RegExp]>([
      ['broken YAML', () => `${greedy(() => {})}\n  profiles: ]{`, /not valid YAML/],
      ['half a file', () => greedy(() => {}).slice(0, -40), /policy\.yaml:\d+:\d+ /],
      ['an empty file', () => '', /the policy/],
      ['no file', () => null, /can't be read/],
      ['a file without end', () => `${greedy(() => {})}\n#${'x'.repeat(1024 * 1024)}`, /a policy has \d+ at most/],
      ['a key twice', () => `${greedy(() => {})}\nversion: 1\n`, /unique/],
      [
        'an unknown key',
        () => greedy((input) => Object.assign(any(input), { allowEverything: true })),
        /allowEverything/,
      ],
      [
        'a misspelt key',
        () => greedy((_, debug) => Object.assign(any(debug), { aprovals: 2 })),
        /did you mean 'approvals'/,
      ],
      [
        'a wildcard verb',
        () => greedy((_, debug) => Object.assign(debug, { rules: [rule({ verbs: ['*'] })] })),
        /no wildcards here: name each verb/,
      ],
      [
        'a wildcard resource',
        () => greedy((_, debug) => Object.assign(debug, { rules: [rule({ resources: ['*'] })] })),
        /no wildcards here/,
      ],
      [
        'inline secrets',
        () =>
          greedy((input) =>
            Object.assign(input.profiles, {
              leak: { ...input.profiles['view'], clusterRole: undefined, rules: [rule({ resources: ['secrets'] })] },
            }),
          ),
        /never by inline rules/,
      ],
      [
        'a way to impersonate',
        () =>
          greedy((input) =>
            Object.assign(input.profiles, {
              leak: {
                ...input.profiles['view'],
                clusterRole: undefined,
                rules: [rule({ resources: ['users'], verbs: ['impersonate'] })],
              },
            }),
          ),
        /never by inline rules/,
      ],
      [
        'cluster-admin in passing',
        () => greedy((input) => Object.assign(input.profiles['view'] ?? {}, { clusterRole: 'cluster-admin' })),
        /acknowledgePersistence/,
      ],
      [
        'a group of Kubernetes itself',
        () => greedy((input) => Object.assign(input.identity, { groups: { '*': ['system:masters'] } })),
        /system:/,
      ],
      [
        'an approver by handle',
        () => greedy((_, debug) => Object.assign(debug, { approvers: { groups: ['@sre'] } })),
        /not its handle/,
      ],
      ['nobody to approve', () => greedy((_, debug) => Object.assign(debug, { approvers: {} })), /names nobody/],
      ['no approvals', () => greedy((_, debug) => Object.assign(debug, { approvals: 0 })), /approvals/],
      [
        'a window without end',
        () => greedy((_, debug) => Object.assign(debug, { duration: { default: '30m', maximum: '365d' } })),
        /no window is longer than 7d/,
      ],
      [
        'aliases that multiply',
        () =>
          `x: &a [1,1,1,1,1,1,1,1]\ny: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nz: [${'*b,'.repeat(60)}*b]\n${greedy(() => {})}`,
        /alias/i,
      ],
    ])('%s', async (_, text, problem) => {
      const s = stage();
      const complaints = async () =>
        ((await s.bots.get('bot')?.lines()) ?? []).filter((line) => String(line['msg']).startsWith('bad policy file'));
      const before = (await complaints()).length;
      const next = text();
      if (next === null) await rm(s.policyFile);
      else await write(next);
      await control().waitFor(
        async () => problem.test(String((await complaints()).slice(before).at(-1)?.['problems'])),
        { timeout: 8000, what: 'the bot to say that the policy is bad' },
      );
      const id = await ask('under the policy of before');
      expect(await approveBy(ADA, id)).toContain('(Rule: profiles.debug.selfApproval)');
      await callBack(id);
      expect(await s.bots.get('bot')?.ready()).toBe(true);
    });

    test('a policy that gives more than the chart lets the bot give switches that profile off, by name', async () => {
      const s = stage();
      const input = parse(good) as PolicyInput;
      input.profiles['everything'] = {
        ...input.profiles['wide']!,
        clusterRole: 'cluster-admin',
        acknowledgePersistence: true,
      };
      await write(stringify(input));
      for (const bot of s.bots.values())
        await control().waitFor(
          async () =>
            (await bot.lines()).some(
              (line) => line['profile'] === 'everything' && /disabled/.test(String(line['msg'])),
            ),
          { timeout: 10_000, what: `${bot.name} switches the profile off` },
        );
      expect(await told(ADA, () => type(ADA, 'request everything {staging} 5m look'))).toMatch(
        /'everything' is disabled: .*\(Rule: profiles\.everything\)/,
      );
    });

    test('and none of it leaves a trace', unharmed);
  });

  describe('a plan that is not the one that was shown', () => {
    test('is shown again when the policy changed since: an approval of the old one opens nothing', async () => {
      const s = stage();
      const before = await readFile(s.policyFile, 'utf8');
      const id = await ask('the policy will change');
      expect(await s.words(id)).toContain('runs commands in its containers');
      const old = await pressOf(id);
      const input = parse(before) as PolicyInput;
      input.profiles['debug']?.rights?.splice(2, 1);
      await adopt(stringify(input));
      expect(await approveBy(BEN, id)).toContain('your approval does not count');
      const shown = await s.until(id, 'The plan has changed since it was shown');
      expect(shown).toContain('rights: - exec');
      expect(shown).not.toContain('runs commands in its containers');
      expect(await told(BEN, () => control().redeliver(old))).toContain('not what would be granted now');
      await waiting(id);
      expect(await s.grantObjects()).toEqual([]);
      expect(await approveBy(BEN, id)).toContain('Your approval counts');
      await s.until(id, 'Active until');
      const { staging } = s.namespaces;
      const [pod] = await s.podsOf(staging, 'checkout');
      expect(await s.can('ada', 'get', `pods/${pod}`, '-n', staging)).toBe('yes');
      expect(await s.can('ada', 'create', `pods/${pod}`, '--subresource=exec', '-n', staging)).toBe('no');
      await revoke(id);
      await adopt(before);
    });

    test('is shown again when the requester is another Kubernetes user by now: who is shown is who gets it', async () => {
      const s = stage();
      const id = await ask('the requester will change');
      control().directory.setPerson({ id: ADA, email: 'ada.new@example.test' });
      expect(await approveBy(BEN, id)).toContain('your approval does not count');
      await s.until(id, 'ada.new@example.test');
      expect(await approveBy(BEN, id)).toContain('Your approval counts');
      await s.until(id, 'Active until');
      const subject = [
        'get',
        'rolebinding',
        `drawbridge-${id}`,
        '-n',
        s.namespaces.staging,
        '-o',
        'jsonpath={.subjects[*].name}',
      ];
      expect(await s.adminKubectl(subject)).toBe('ada.new@example.test');
      await revoke(id);
      control().directory.setPerson({ id: ADA, email: PEOPLE.ada.user });
    });
  });

  test('after all of that both bots are the ones that were started, and no error was left to chance', async () => {
    await unharmed();
    for (const bot of stage().bots.values()) {
      const faults = (await bot.lines()).filter(({ level }) => level === 'error' || level === 'fatal');
      const expected = [
        /bad policy file/,
        /profile is disabled/,
        // Bolt's own, of a signed `payload=null`: it leaves that one request without an answer.
        /reading 'ssl_check'/,
      ];
      expect(
        faults.map((line) => JSON.stringify(line)).filter((line) => !expected.some((one) => one.test(line))),
      ).toEqual([]);
    }
    expect(http.pid).toBe(pids.get('http'));
  });

  test('and nothing of it held a bot up for 200 ms', async () => {
    for (const { name, opsUrl } of stage().bots.values()) {
      const stall = Number(await readFile(join(stalls, name), 'utf8'));
      const metrics = await (await fetch(`${opsUrl}/metrics`)).text();
      const late = Number(/^drawbridge_event_loop_delay_seconds\{quantile="1"\} (\S+)$/m.exec(metrics)?.[1]) * 1000;
      process.stderr.write(
        `hostile input: ${name} computed for ${stall.toFixed(0)} ms in one go at the most; on this machine it came ${late.toFixed(0)} ms late at the most\n`,
      );
      expect(stall).toBeGreaterThan(0);
      expect(stall).toBeLessThan(200);
    }
    await rm(stalls, { recursive: true });
  });
});

/** The texts that Slack shows to the letter. */
function plainTexts(message: SlackMessage): string[] {
  return textObjects(message).flatMap(({ type, text, emoji }) =>
    type === 'plain_text' && emoji === false ? [text] : [],
  );
}

/** The texts that Slack formats, links and resolves. */
function markupOf(message: SlackMessage): string[] {
  return [
    message.text,
    ...textObjects(message).flatMap(({ type, text, emoji }) =>
      type === 'plain_text' && emoji === false ? [] : [text],
    ),
  ];
}

function textObjects(value: unknown): { type: string; text: string; emoji?: boolean }[] {
  if (Array.isArray(value)) return value.flatMap(textObjects);
  if (typeof value !== 'object' || value === null) return [];
  const one = value as Record<string, unknown>;
  if (typeof one['text'] === 'string' && 'type' in one && one['blocks'] === undefined && one['ts'] === undefined)
    return [one as unknown as { type: string; text: string; emoji?: boolean }];
  return Object.values(one).flatMap(textObjects);
}
