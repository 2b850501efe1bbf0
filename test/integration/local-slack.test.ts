import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { App, LogLevel, SocketModeReceiver, type types, webApi } from '@slack/bolt';
import type { Locator } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { mayInstall } from '../../src/sandbox/apt.ts';
import { ask } from '../../src/sandbox/ports.ts';
import { blocksText, controls, type LocalSlack, signature, signedRequest } from '../../src/sandbox/slack/index.ts';
import { ensureChromium, findChromium, openSlackPage, type SlackPage } from '../support/browser.ts';
import { ACCESS, ADA, BEN, CY, SRE, startTestSlack, useSlack } from '../support/slack.ts';

const plain = (text: string): types.PlainTextElement => ({ type: 'plain_text', text });
const option = (value: string) => ({ text: plain(value), value });

const approveBlocks: types.KnownBlock[] = [
  { type: 'header', text: plain('Request g-7k3fq2') },
  { type: 'section', text: { type: 'mrkdwn', text: '*debug* in `staging`' } },
  {
    type: 'actions',
    block_id: 'decision',
    elements: [
      {
        type: 'button',
        action_id: 'approve',
        value: 'g-7k3fq2',
        style: 'primary',
        text: plain('Approve'),
        confirm: {
          title: plain('Approve?'),
          text: plain('Access starts now.'),
          confirm: plain('Yes'),
          deny: plain('No'),
        },
      },
      { type: 'button', action_id: 'deny', value: 'g-7k3fq2', style: 'danger', text: plain('Deny') },
    ],
  },
];

/** A later step of a modal: nothing to fill in, a button that leads back. */
function stepView(title: string) {
  return {
    type: 'modal' as const,
    callback_id: 'preview',
    private_metadata: 'what was asked',
    title: plain(title),
    submit: plain('Send'),
    blocks: [
      { type: 'section', text: plain(`This is the step ${title}`) } as const,
      { type: 'actions', elements: [{ type: 'button', action_id: 'back', text: plain('Back') } as const] } as const,
    ],
  };
}

/** A modal whose second select depends on the first; `namespace` is what was picked. */
function requestView(namespace?: string): types.ModalView {
  return {
    type: 'modal',
    callback_id: 'request',
    private_metadata: JSON.stringify({ channel: ACCESS }),
    title: plain('Request access'),
    submit: plain('Request'),
    close: plain('Cancel'),
    notify_on_close: true,
    blocks: [
      {
        type: 'input',
        block_id: 'namespace',
        dispatch_action: true,
        label: plain('Namespace'),
        element: { type: 'static_select', action_id: 'namespace', options: [option('staging'), option('prod')] },
      },
      ...(namespace === undefined
        ? []
        : [
            {
              type: 'input' as const,
              block_id: `target-${namespace}`,
              label: plain('Target'),
              element: {
                type: 'static_select' as const,
                action_id: 'target',
                options: [option(`${namespace}/checkout`), option(`${namespace}/cart`)],
              },
            },
          ]),
      {
        type: 'input',
        block_id: 'duration',
        label: plain('Duration'),
        element: { type: 'plain_text_input', action_id: 'duration', initial_value: '45m' },
      },
      {
        type: 'input',
        block_id: 'reason',
        optional: true,
        label: plain('Reason'),
        element: { type: 'plain_text_input', action_id: 'reason', multiline: true },
      },
    ],
  };
}

type Mode = 'Socket Mode' | 'HTTP';

/** A small app that uses all that the bot uses. `got` is what reached its listeners. */
interface TestApp {
  app: App;
  got: Array<{ kind: string; body: Record<string, unknown> }>;
  requestUrl: string | undefined;
  stop(): Promise<void>;
}

const silent = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  setLevel() {},
  getLevel: () => LogLevel.ERROR,
  setName() {},
};

const quiet = { logger: silent, retryConfig: { retries: 0 } };

/** Options of its own: with a retryConfig that ends, a Socket Mode client never comes back after Slack was away. */
function socketReceiver(slack: LocalSlack): SocketModeReceiver {
  const retryConfig = { forever: true, minTimeout: 50, maxTimeout: 200 };
  return new SocketModeReceiver({
    appToken: slack.appToken,
    logger: silent,
    // Also what it waits before it connects again. On a busy machine a pong takes its time.
    clientPingTimeout: 2000,
    installerOptions: { clientOptions: { slackApiUrl: slack.apiUrl, retryConfig } },
  });
}

async function startApp(slack: LocalSlack, mode: Mode): Promise<TestApp> {
  const app = new App({
    token: slack.botToken,
    logger: silent,
    clientOptions: { slackApiUrl: slack.apiUrl, retryConfig: { retries: 0 } },
    ...(mode === 'HTTP' ? { signingSecret: slack.signingSecret } : { receiver: socketReceiver(slack) }),
  });
  const got: TestApp['got'] = [];
  const note = (kind: string, body: unknown) => {
    got.push({ kind, body: body as Record<string, unknown> });
  };

  app.command('/jit', async ({ ack, respond, client, body, command }) => {
    note('command', body);
    const [verb = ''] = command.text.split(' ');
    if (verb === 'silent') return;
    if (verb === 'request') {
      await ack();
      await client.chat.postMessage({
        channel: body.channel_id,
        text: 'Request g-7k3fq2',
        blocks: approveBlocks,
        metadata: { event_type: 'grant', event_payload: { id: 'g-7k3fq2' } },
      });
      return;
    }
    if (verb === 'modal') {
      await ack();
      await client.views.open({ trigger_id: body.trigger_id, view: requestView() });
      return;
    }
    if (verb === 'private') {
      await ack();
      await client.chat.postEphemeral({
        channel: body.channel_id,
        user: body.user_id,
        text: 'list',
        blocks: approveBlocks,
      });
      return;
    }
    await ack('short *help*');
    await respond('for you alone');
    await respond({ text: 'for all', response_type: 'in_channel' });
  });
  app.action('approve', async ({ ack, body, respond }) => {
    await ack();
    note('approve', body);
    await respond({ text: 'approved', replace_original: true });
  });
  app.action('deny', async ({ ack, body, respond }) => {
    await ack();
    note('deny', body);
    await respond({ delete_original: true });
  });
  app.action('namespace', async ({ ack, body, client }) => {
    await ack();
    note('namespace', body);
    const { view } = body as { view: { id: string; hash: string; state: { values: Record<string, unknown> } } };
    const values = view.state.values as { namespace: { namespace: { selected_option: { value: string } } } };
    await client.views.update({
      view_id: view.id,
      hash: view.hash,
      view: requestView(values.namespace.namespace.selected_option.value),
    });
  });
  app.view('request', async ({ ack, body, view, client }) => {
    note('submission', body);
    const duration = view.state.values.duration?.duration?.value ?? '';
    if (!/^\d+[smhd]/.test(duration)) {
      await ack({ response_action: 'errors', errors: { duration: 'Use 45m or 2h.' } });
    } else if (duration === '2h') {
      const preview = { ...requestView(), callback_id: 'preview', title: plain('Preview') };
      await ack({ response_action: 'push', view: preview });
    } else if (duration === '3h' || duration === '4h') {
      await ack({ response_action: 'update', view: stepView('Working') });
      // The answer and the call go by two ways: only what is called after the answer was seen to be there is sure to come after it.
      if (duration === '4h')
        await slack.control.waitFor(() => slack.control.modal(body.user.id)?.title.text === 'Working');
      await client.views.update({ view_id: view.id, view: stepView('Worked out') });
    } else await ack();
  });
  app.action('back', async ({ ack, body, client }) => {
    await ack();
    note('back', body);
    await client.views.update({ view_id: (body as { view: { id: string } }).view.id, view: requestView() });
  });
  app.view('preview', async ({ ack }) => ack({ response_action: 'clear' }));
  app.view({ type: 'view_closed', callback_id: 'request' }, async ({ ack, body }) => {
    note('closed', body);
    await ack();
  });
  app.event('message', async ({ body }) => {
    note('message', body);
  });

  let requestUrl: string | undefined;
  if (mode === 'HTTP') {
    const server = await app.start(0);
    requestUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/slack/events`;
    slack.control.setRequestUrl(requestUrl);
  } else {
    await app.start();
    await slack.control.connected();
  }
  return {
    app,
    got,
    requestUrl,
    async stop() {
      slack.control.setRequestUrl(undefined);
      await app.stop();
    },
  };
}

/** A field of what reached the app. */
function fieldOf(one: TestApp['got'][number] | undefined, name: string): string {
  const value = one?.body[name];
  if (typeof value !== 'string') throw new Error(`nothing with a ${name} reached the app`);
  return value;
}

describe.each<Mode>(['Socket Mode', 'HTTP'])('a Bolt app over %s', (mode) => {
  const slackOf = useSlack();
  let slack: LocalSlack;
  let bot: TestApp;
  beforeAll(async () => {
    slack = slackOf();
    bot = await startApp(slack, mode);
  });
  afterAll(() => bot.stop());
  beforeEach(() => {
    bot.got.length = 0;
  });

  const last = <T>(list: readonly T[]): T | undefined => list.at(-1);
  const lastMessage = async (channel = ACCESS) => last(await slack.control.messages(channel));
  const request = async () => {
    const before = (await slack.control.messages(ACCESS)).length;
    await slack.control.command(ADA, ACCESS, '/jit', 'request');
    return slack.control.waitFor(async () => (await slack.control.messages(ACCESS))[before]);
  };

  it('knows itself', async () => {
    const self = await bot.app.client.auth.test();
    expect(self).toMatchObject({ user_id: slack.botUserId, team_id: slack.teamId, bot_id: 'B0BOT', team: 'Example' });
  });

  it('answers a command to the person alone, by ack and by respond; to all where it says so', async () => {
    const answer = await slack.control.command(ADA, ACCESS, '/jit', 'help me');
    expect(answer).toEqual({ acked: true, payload: { text: 'short *help*' } });
    const seen = await slack.control.waitFor(async () => (await lastMessage())?.text === 'for all' && lastMessage());
    expect(seen?.ephemeral_to).toBeUndefined();

    const toAda = (await slack.control.ephemerals(ADA)).map((message) => message.text);
    expect(toAda).toEqual(['short *help*', 'for you alone']);
    expect(await slack.control.ephemerals(BEN)).toEqual([]);
    expect(last(bot.got)?.body).toMatchObject({
      command: '/jit',
      text: 'help me',
      user_id: ADA,
      user_name: 'ada',
      channel_id: ACCESS,
      channel_name: 'access',
      team_id: slack.teamId,
    });
  });

  it('gets a click on a message with its value, its message, its metadata and its confirm dialog', async () => {
    const message = await request();
    const approve = controls(message.blocks ?? []).find(({ element }) => element.action_id === 'approve');
    expect(approve?.element.confirm?.text.text).toBe('Access starts now.');

    await slack.control.click(BEN, ACCESS, message.ts, 'approve');
    await slack.control.waitFor(async () => (await lastMessage())?.text === 'approved');
    expect(last(bot.got)?.body).toMatchObject({
      type: 'block_actions',
      user: { id: BEN, team_id: slack.teamId },
      channel: { id: ACCESS },
      container: { type: 'message', message_ts: message.ts, channel_id: ACCESS, is_ephemeral: false },
      message: { ts: message.ts, metadata: { event_type: 'grant', event_payload: { id: 'g-7k3fq2' } } },
      actions: [{ action_id: 'approve', block_id: 'decision', value: 'g-7k3fq2', type: 'button' }],
    });
    // replace_original without blocks takes the buttons away.
    await expect(slack.control.click(CY, ACCESS, message.ts, 'approve')).rejects.toThrow(/offers: nothing/);
  });

  it('gets back escaped what it gave, in the value of a button and in plain texts', async () => {
    const value = '{"note":"<b> & <c>"}';
    const { ts = '' } = await bot.app.client.chat.postMessage({
      channel: ACCESS,
      text: 'a choice',
      blocks: [
        { type: 'section', text: { type: 'mrkdwn', text: 'escaped by the app: &amp;' } },
        { type: 'actions', elements: [{ type: 'button', action_id: 'approve', value, text: plain('Yes & no') }] },
      ],
    });
    await slack.control.click(BEN, ACCESS, ts, 'approve');
    await slack.control.waitFor(() => bot.got.length > 0);
    const element = { value: '{"note":"&lt;b&gt; &amp; &lt;c&gt;"}', text: { text: 'Yes &amp; no' } };
    expect(last(bot.got)?.body).toMatchObject({
      actions: [element],
      message: { blocks: [{ text: { text: 'escaped by the app: &amp;' } }, { elements: [element] }] },
    });
  });

  if (mode === 'HTTP')
    it('answers a check of its certificate, which is not signed, and hears nothing of it', async () => {
      expect(await slack.control.checkCertificate()).toBe(200);
      expect(bot.got).toEqual([]);
    });

  it('may delete the original through response_url', async () => {
    const message = await request();
    await slack.control.click(BEN, ACCESS, message.ts, 'deny');
    await slack.control.waitFor(async () =>
      (await slack.control.messages(ACCESS)).every((one) => one.ts !== message.ts),
    );
  });

  it('gets a click on an ephemeral message without that message', async () => {
    await slack.control.command(CY, ACCESS, '/jit', 'private');
    const message = await slack.control.waitFor(async () => last(await slack.control.ephemerals(CY)));
    await expect(slack.control.click(ADA, ACCESS, message.ts, 'approve')).rejects.toThrow(/does not see/);

    await slack.control.click(CY, ACCESS, message.ts, 'approve');
    const { body } = await slack.control.waitFor(() => bot.got.find((one) => one.kind === 'approve'));
    expect(body.message).toBeUndefined();
    expect(body.container).toMatchObject({ is_ephemeral: true, message_ts: message.ts });
    await slack.control.waitFor(async () => last(await slack.control.ephemerals(CY))?.text === 'approved');
  });

  it('posts, edits, links and threads messages; writes to one person', async () => {
    const { client } = bot.app;
    const posted = await client.chat.postMessage({ channel: ACCESS, text: 'first', blocks: approveBlocks });
    const ts = posted.ts ?? '';
    await client.chat.update({ channel: ACCESS, ts, text: 'second' });
    await client.chat.postMessage({ channel: ACCESS, thread_ts: ts, text: 'a reply' });
    const messages = await slack.control.messages(ACCESS);
    expect(messages.find((one) => one.ts === ts)).toMatchObject({ text: 'second', edited: { user: slack.botUserId } });
    expect(messages.find((one) => one.ts === ts)?.blocks).toBeUndefined();
    expect(last(messages)).toMatchObject({ text: 'a reply', thread_ts: ts });
    const replies = await client.conversations.replies({ channel: ACCESS, ts });
    expect(replies.messages?.map((one) => one.text)).toEqual(['second', 'a reply']);

    const { permalink } = await client.chat.getPermalink({ channel: ACCESS, message_ts: ts });
    expect(permalink).toMatch(new RegExp(`^${slack.url}/archives/${ACCESS}/p`));
    expect((await fetch(permalink ?? '')).status).toBe(200);

    const opened = await client.conversations.open({ users: BEN });
    await client.chat.postMessage({ channel: opened.channel?.id ?? '', text: 'by channel' });
    await client.chat.postMessage({ channel: BEN, text: 'by person' });
    expect((await slack.control.dms(BEN)).map((one) => one.text)).toEqual(['by channel', 'by person']);
    expect(await slack.control.dms(CY)).toEqual([]);
  });

  it('hears what people write, also in threads', async () => {
    const { ts } = await slack.control.say(ADA, ACCESS, 'why?');
    await slack.control.say(BEN, ACCESS, 'because', ts);
    await slack.control.waitFor(() => bot.got.length === 2);
    expect(last(bot.got)?.body).toMatchObject({ event: { user: BEN, text: 'because', thread_ts: ts } });
  });

  describe('with a modal', () => {
    const open = async (user: string) => {
      await slack.control.command(user, ACCESS, '/jit', 'modal');
      return slack.control.waitFor(() => slack.control.modal(user));
    };
    afterEach(async () => {
      while (slack.control.modal(ADA)) await slack.control.close(ADA);
    });

    it('is told what is picked, changes the modal under its id, and keeps what was entered', async () => {
      const before = await open(ADA);
      await slack.control.enter(ADA, 'reason', 'checkout returns 502');
      await expect(slack.control.enter(ADA, 'namespace', 'kube-system')).rejects.toThrow(/only: staging, prod/);
      await slack.control.enter(ADA, 'namespace', 'staging');
      const after = await slack.control.waitFor(() => {
        const view = slack.control.modal(ADA);
        return view?.hash !== before.hash && view;
      });
      expect(after.id).toBe(before.id);
      expect(blocksText(after.blocks)).toContain('staging/checkout');
      expect(after.state.values).toMatchObject({
        namespace: { namespace: { selected_option: { value: 'staging' } } },
        'target-staging': { target: { selected_option: null } },
        duration: { duration: { value: '45m' } },
        reason: { reason: { value: 'checkout returns 502' } },
      });
      const { body } = last(bot.got) ?? {};
      expect(body).toMatchObject({
        type: 'block_actions',
        container: { type: 'view', view_id: before.id },
        view: { private_metadata: JSON.stringify({ channel: ACCESS }) },
        actions: [{ action_id: 'namespace', block_id: 'namespace', selected_option: { value: 'staging' } }],
      });
      expect(body?.response_url).toBeUndefined();
      // What was sent stays as it was sent.
      const sent = structuredClone(last(slack.control.deliveries())?.payload);
      await slack.control.enter(ADA, 'reason', 'something else');
      expect(last(slack.control.deliveries())?.payload).toEqual(sent);
    });

    it('gets the submission with everything entered, and the modal closes', async () => {
      await open(ADA);
      await slack.control.enter(ADA, 'namespace', 'prod');
      await slack.control.waitFor(() => blocksText(slack.control.modal(ADA)?.blocks ?? []).includes('prod/cart'));
      expect(await slack.control.fillAndSubmit(ADA, { target: 'prod/cart', duration: '30m' })).toEqual({
        kind: 'closed',
        top: undefined,
      });
      expect(last(bot.got)?.body).toMatchObject({
        type: 'view_submission',
        user: { id: ADA },
        view: {
          callback_id: 'request',
          private_metadata: JSON.stringify({ channel: ACCESS }),
          state: {
            values: {
              'target-prod': { target: { type: 'static_select', selected_option: { value: 'prod/cart' } } },
              duration: { duration: { type: 'plain_text_input', value: '30m' } },
              reason: { reason: { type: 'plain_text_input', value: null } },
            },
          },
        },
      });
    });

    it('shows its errors at the field, and Slack its own for what is missing', async () => {
      await open(ADA);
      expect(await slack.control.submit(ADA)).toEqual({
        kind: 'errors',
        errors: { namespace: 'Please complete this required field.' },
      });
      expect(bot.got.some((one) => one.kind === 'submission')).toBe(false);

      expect(await slack.control.fillAndSubmit(ADA, { namespace: 'staging', duration: 'soon' })).toMatchObject({
        kind: 'errors',
        errors: { duration: 'Use 45m or 2h.' },
      });
      expect(slack.control.errors(ADA)).toEqual({ duration: 'Use 45m or 2h.' });
      expect(slack.control.modal(ADA)).toBeDefined();
    });

    it('may put a modal on top and clear both', async () => {
      await open(ADA);
      const pushed = await slack.control.fillAndSubmit(ADA, { namespace: 'staging', duration: '2h' });
      expect(pushed).toMatchObject({ kind: 'pushed', top: { title: { text: 'Preview' } } });
      expect(await slack.control.fillAndSubmit(ADA, { namespace: 'prod' })).toEqual({ kind: 'closed', top: undefined });
    });

    it('may show another view in its place, change it later, and hear its buttons', async () => {
      const form = await open(ADA);
      expect(await slack.control.fillAndSubmit(ADA, { namespace: 'staging', duration: '4h' })).toMatchObject({
        kind: 'updated',
        top: { id: form.id, title: { text: 'Working' }, state: { values: {} } },
      });
      await slack.control.waitFor(() => slack.control.modal(ADA)?.title.text === 'Worked out');
      expect(slack.control.modal(ADA)?.id).toBe(form.id);
      await slack.control.press(ADA, 'back');
      await slack.control.waitFor(() => slack.control.modal(ADA)?.callback_id === 'request');
      expect(last(bot.got)).toMatchObject({
        kind: 'back',
        body: { type: 'block_actions', view: { id: form.id, private_metadata: 'what was asked' } },
      });
    });

    it('covers by its answer what it changed before that had arrived', async () => {
      await open(ADA);
      await slack.control.enter(ADA, 'namespace', 'staging');
      await slack.control.enter(ADA, 'duration', '3h');
      slack.control.delayAnswers(200);
      expect(await slack.control.submit(ADA)).toMatchObject({ kind: 'updated', top: { title: { text: 'Working' } } });
      slack.control.delayAnswers(0);
      const updated = last(slack.control.log().filter(({ what }) => what === 'views.update'));
      expect(updated?.answer).toMatchObject({ ok: true, view: { title: { text: 'Worked out' } } });
      expect(slack.control.modal(ADA)?.title.text).toBe('Working');
    });

    it('is told when it is closed', async () => {
      await open(ADA);
      await slack.control.close(ADA);
      expect(last(bot.got)).toMatchObject({ kind: 'closed', body: { type: 'view_closed', is_cleared: false } });
    });

    it('two people have each their own', async () => {
      const [ada, ben] = [await open(ADA), await open(BEN)];
      expect(ada.id).not.toBe(ben.id);
      await slack.control.fillAndSubmit(BEN, { namespace: 'prod', duration: '1h' });
      expect(slack.control.modal(BEN)).toBeUndefined();
      expect(slack.control.modal(ADA)?.id).toBe(ada.id);
    });
  });

  it('gets the same again when Slack delivers again', async () => {
    await slack.control.command(ADA, ACCESS, '/jit', 'help twice');
    const delivery = last(slack.control.deliveries());
    if (!delivery) throw new Error('nothing was delivered');
    const answer = await slack.control.redeliver(delivery);
    expect(answer).toMatchObject({ acked: true });
    expect(bot.got.filter((one) => one.body.text === 'help twice')).toHaveLength(2);
    expect(bot.got[0]?.body).toEqual(bot.got[1]?.body);
  });
});

describe('an app that is slow or gone', () => {
  const slackOf = useSlack({ ackMs: 300 });

  it.each<Mode>(['Socket Mode', 'HTTP'])('over %s: the person is told', async (mode) => {
    const slack = slackOf();
    const bot = await startApp(slack, mode);
    const answer = await slack.control.command(ADA, ACCESS, '/jit', 'silent');
    await bot.stop();
    expect(answer).toEqual({ acked: false, error: 'operation_timeout' });
    expect((await slack.control.ephemerals(ADA)).at(-1)?.text).toBe('/jit failed with the error "operation_timeout"');
  });

  it('nobody there', async () => {
    const slack = slackOf();
    await slack.control.waitFor(async () => {
      const answer = await slack.control.command(ADA, ACCESS, '/jit', 'help');
      return !answer.acked && answer.error === 'dispatch_failed';
    });
  });
});

describe('two replicas', () => {
  const slackOf = useSlack();

  it('each command reaches exactly one of them', async () => {
    const slack = slackOf();
    const [one, two] = [await startApp(slack, 'Socket Mode'), await startApp(slack, 'Socket Mode')];
    await slack.control.connected(2);
    for (let n = 0; n < 4; n += 1) await slack.control.command(ADA, ACCESS, '/jit', 'help');
    expect([one.got.length, two.got.length]).toEqual([2, 2]);
    await Promise.all([one.stop(), two.stop()]);
  });
});

describe('a forged request', () => {
  const slackOf = useSlack();
  const body = new URLSearchParams({ command: '/jit', text: 'help', user_id: BEN, team_id: 'T0LOCAL' }).toString();

  it('is refused by the app; the same with the right signature is not', async () => {
    const slack = slackOf();
    const bot = await startApp(slack, 'HTTP');
    const { requestUrl = '' } = bot;
    const secret = slack.signingSecret;
    const now = Math.floor(Date.now() / 1000);
    const status = async (options: Parameters<typeof signedRequest>[2]) =>
      (await signedRequest(requestUrl, body, options)).status;

    expect(await status({ secret })).toBe(200);
    expect(await status({ secret: 'guessed' })).toBe(401);
    expect(await status({ secret, timestamp: now - 600 })).toBe(401);
    expect(await status({ secret, signature: null })).toBe(401);
    expect(await status({ secret, signature: signature(secret, now, `${body}&x=1`) })).toBe(401);
    expect(bot.got).toHaveLength(1);
    await bot.stop();
  });
});

describe('a stranger on the network', () => {
  const slackOf = useSlack();

  it('does not act through the program behind, which listens on all addresses', async () => {
    const slack = slackOf();
    const bot = await startApp(slack, 'Socket Mode');
    await fetch(`${slack.inspectorUrl}/_control/command`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ user: BEN, channel: ACCESS, command: '/jit', text: 'forged' }),
    });
    await slack.control.command(BEN, ACCESS, '/jit', 'help');
    expect(bot.got.map((one) => one.body.text)).toEqual(['help']);
    await bot.stop();
  });
});

describe('a signed request that Slack sends again', () => {
  const slackOf = useSlack();

  it('is the same byte for byte, as a recorded and replayed one would be', async () => {
    const slack = slackOf();
    const seen: unknown[] = [];
    const server = createServer((request, response) => {
      const { 'x-slack-signature': sign, 'x-slack-request-timestamp': time } = request.headers;
      void text(request).then((body) => {
        seen.push([sign, time, body]);
        response.end();
      });
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    slack.control.setRequestUrl(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);

    await slack.control.command(ADA, ACCESS, '/jit', 'help');
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 60_000 });
    await Promise.all(slack.control.deliveries().map((one) => slack.control.redeliver(one)));
    vi.useRealTimers();
    server.close();
    expect(seen).toHaveLength(2);
    expect(seen[1]).toEqual(seen[0]);
  });
});

describe('the Web API', () => {
  // Calls as fast as they can be made, by a client that does not wait: no journey.
  const slackOf = useSlack({ minuteMs: 10 });
  let slack: LocalSlack;
  let client: webApi.WebClient;
  beforeAll(() => {
    slack = slackOf();
    client = new webApi.WebClient(slack.botToken, { ...quiet, slackApiUrl: slack.apiUrl });
  });
  /** Slack's error of a call that is refused. */
  const errorOf = async (call: Promise<unknown>): Promise<string> => {
    try {
      await call;
      return 'none';
    } catch (error) {
      if (error instanceof webApi.WebAPIPlatformError) return error.data.error;
      throw error;
    }
  };

  it('says who somebody is, and what they became meanwhile', async () => {
    const info = await client.users.info({ user: ADA });
    expect(info.user).toMatchObject({
      id: ADA,
      team_id: slack.teamId,
      deleted: false,
      is_bot: false,
      is_restricted: false,
      is_ultra_restricted: false,
      is_email_confirmed: true,
      profile: { email: 'ada@example.test' },
    });
    slack.control.directory.setPerson({ id: 'U0EVE', name: 'eve', email: 'eve@example.test', is_stranger: true });
    slack.control.directory.setPerson({ id: 'U0EVE', team_id: 'T0OTHER', is_restricted: true, deleted: true });
    slack.control.directory.setPerson({ id: 'U0EVE', is_email_confirmed: false });
    expect((await client.users.info({ user: 'U0EVE' })).user).toMatchObject({
      deleted: true,
      is_restricted: true,
      is_stranger: true,
      is_email_confirmed: false,
      team_id: 'T0OTHER',
    });
    expect((await client.users.info({ user: slack.botUserId })).user?.is_bot).toBe(true);
    expect(await errorOf(client.users.info({ user: 'U0NOBODY' }))).toBe('user_not_found');
  });

  it('finds people by address, but not those who left', async () => {
    expect((await client.users.lookupByEmail({ email: 'BEN@example.test' })).user?.id).toBe(BEN);
    slack.control.directory.setPerson({ id: 'U0GONE', name: 'gone', email: 'gone@example.test', deleted: true });
    expect(await errorOf(client.users.lookupByEmail({ email: 'gone@example.test' }))).toBe('users_not_found');
  });

  it('lists people page by page', async () => {
    const first = await client.users.list({ limit: 2 });
    expect(first.members).toHaveLength(2);
    const second = await client.users.list({ limit: 2, cursor: first.response_metadata?.next_cursor ?? '' });
    expect(second.members?.[0]?.id).not.toBe(first.members?.[0]?.id);
  });

  it('knows user groups, which change while the bot runs', async () => {
    const listed = await client.usergroups.list({ include_users: true });
    expect(listed.usergroups).toMatchObject([{ id: SRE, handle: 'sre', users: [BEN], date_delete: 0 }]);
    expect((await client.usergroups.list({})).usergroups?.[0]?.users).toBeUndefined();
    slack.control.directory.setGroup({ id: SRE, users: [BEN, CY] });
    expect((await client.usergroups.users.list({ usergroup: SRE })).users).toEqual([BEN, CY]);
    slack.control.directory.setGroup({ id: SRE, disabled: true });
    expect(await errorOf(client.usergroups.users.list({ usergroup: SRE }))).toBe('no_such_subteam');
    expect((await client.usergroups.list({})).usergroups).toEqual([]);
    slack.control.directory.setGroup({ id: SRE, disabled: false, users: [BEN] });
  });

  it('knows no user groups on a free plan', async () => {
    slack.control.directory.setPlan('free');
    expect(await errorOf(client.usergroups.list({}))).toBe('plan_upgrade_required');
    expect(await errorOf(client.usergroups.users.list({ usergroup: SRE }))).toBe('plan_upgrade_required');
    slack.control.directory.setPlan('paid');
    expect((await client.usergroups.list({})).usergroups).toHaveLength(1);
  });

  it('lets nobody post or edit in a channel that is archived', async () => {
    const content = { channel: ACCESS, text: 'x' };
    const { ts = '' } = await client.chat.postMessage(content);
    slack.control.directory.setArchived(ACCESS, true);
    expect((await client.conversations.info({ channel: ACCESS })).channel?.is_archived).toBe(true);
    expect(await errorOf(client.chat.postMessage(content))).toBe('is_archived');
    expect(await errorOf(client.chat.postEphemeral({ ...content, user: ADA }))).toBe('is_archived');
    expect(await errorOf(client.chat.update({ ...content, ts }))).toBe('is_inactive');
    slack.control.directory.setArchived(ACCESS, false);
    expect(await errorOf(client.chat.update({ ...content, ts }))).toBe('none');
  });

  it('answers with the scopes of the token, and refuses what they do not cover', async () => {
    const all = slack.control.scopes();
    expect((await client.auth.test()).response_metadata?.scopes).toEqual(all);
    slack.control.setScopes(all.filter((scope) => !['usergroups:read', 'users:read.email'].includes(scope)));
    expect(await errorOf(client.usergroups.list({}))).toBe('missing_scope');
    expect((await client.users.info({ user: ADA })).user?.profile?.email).toBeUndefined();
    slack.control.setScopes(all);
  });

  it('knows who is in a channel now', async () => {
    expect((await client.conversations.members({ channel: ACCESS })).members).toEqual([ADA, BEN, CY, slack.botUserId]);
    const first = await client.conversations.members({ channel: ACCESS, limit: 3 });
    const cursor = first.response_metadata?.next_cursor ?? '';
    expect((await client.conversations.members({ channel: ACCESS, limit: 3, cursor })).members).toEqual([
      slack.botUserId,
    ]);
    const most = 999;
    const many = Array.from({ length: most + 1 }, (_, index) => `U${index}`);
    slack.control.directory.setMembers(ACCESS, many);
    const page = await client.conversations.members({ channel: ACCESS, limit: most });
    expect(page.members).toEqual(many.slice(0, most));
    expect(await errorOf(client.conversations.members({ channel: ACCESS, limit: most + 1 }))).toBe('invalid_limit');
    slack.control.directory.setMembers(ACCESS, [ADA, slack.botUserId]);
    expect((await client.conversations.members({ channel: ACCESS })).members).toEqual([ADA, slack.botUserId]);
    expect((await client.users.conversations({ user: BEN })).channels).toEqual([]);
    expect((await client.users.conversations({})).channels).toMatchObject([{ id: ACCESS, name: 'access' }]);
    await expect(slack.control.command(BEN, ACCESS, '/jit')).rejects.toThrow(/is not in/);
    slack.control.directory.setMembers(ACCESS, [ADA, BEN, CY]);
    expect((await client.conversations.info({ channel: ACCESS })).channel).toMatchObject({ is_member: false });
    expect(await errorOf(client.chat.postMessage({ channel: ACCESS, text: 'x' }))).toBe('not_in_channel');
    slack.control.directory.setMembers(ACCESS, [ADA, BEN, CY, slack.botUserId]);
  });

  it('refuses wrong tokens', async () => {
    const options = { ...quiet, slackApiUrl: slack.apiUrl };
    expect(await errorOf(new webApi.WebClient('xoxb-wrong', options).auth.test())).toBe('invalid_auth');
    expect(await errorOf(new webApi.WebClient(slack.botToken, options).apps.connections.open({}))).toBe(
      'not_allowed_token_type',
    );
  });

  it('refuses messages that Slack would refuse', async () => {
    const post = (blocks: types.KnownBlock[]) =>
      errorOf(client.chat.postMessage({ channel: ACCESS, text: 'x', blocks }));
    expect(await post([{ type: 'section', text: plain('x'.repeat(3001)) }])).toBe('invalid_blocks');
    expect(await post([{ type: 'header', text: plain('') }])).toBe('invalid_blocks');
    expect(await post(Array.from({ length: 51 }, () => ({ type: 'divider' as const })))).toBe('invalid_blocks');
    expect(await errorOf(client.chat.postMessage({ channel: ACCESS, text: '' }))).toBe('no_text');
    expect(await errorOf(client.chat.postMessage({ channel: 'C0NOWHERE', text: 'x' }))).toBe('channel_not_found');
    expect(await errorOf(client.conversations.open({ users: 'U0NOBODY' }))).toBe('user_not_found');
    const outsider = client.chat.postEphemeral({ channel: ACCESS, user: 'U0NOBODY', text: 'x' });
    expect(await errorOf(outsider)).toBe('user_not_in_channel');
  });

  it('changes only what is the own and can be changed', async () => {
    const { ts } = await slack.control.say(ADA, ACCESS, 'mine');
    expect(await errorOf(client.chat.update({ channel: ACCESS, ts, text: 'x' }))).toBe('cant_update_message');
    const ephemeral = await client.chat.postEphemeral({ channel: ACCESS, user: ADA, text: 'psst' });
    const update = client.chat.update({ channel: ACCESS, ts: ephemeral.message_ts ?? '', text: 'x' });
    expect(await errorOf(update)).toBe('message_not_found');
    const direct = await client.chat.postMessage({ channel: ADA, text: 'hello' });
    const byPerson = client.chat.update({ channel: ADA, ts: direct.ts ?? '', text: 'x' });
    expect(await errorOf(byPerson)).toBe('channel_not_found');
  });

  it('keeps the ephemeral out of the history, and metadata in', async () => {
    await client.chat.postEphemeral({ channel: ACCESS, user: ADA, text: 'psst' });
    const metadata = { event_type: 'grant', event_payload: { id: 'g-1' } };
    await client.chat.postMessage({ channel: ACCESS, text: 'with metadata', metadata });
    const { messages } = await client.conversations.history({ channel: ACCESS, include_all_metadata: true });
    expect(messages?.some((one) => one.text === 'psst')).toBe(false);
    expect(messages?.find((one) => one.text === 'with metadata')?.metadata).toEqual(metadata);
  });

  it('posts no message whose blocks are too long together', async () => {
    const blocks = (count: number) =>
      Array.from({ length: count }, () => ({ type: 'section', text: plain('x'.repeat(2900)) }) as const);
    expect(await client.chat.postMessage({ channel: ACCESS, text: 'x', blocks: blocks(4) })).toMatchObject({
      ok: true,
    });
    const tooLong = client.chat.postMessage({ channel: ACCESS, text: 'x', blocks: blocks(5) });
    expect(await errorOf(tooLong)).toBe('msg_blocks_too_long');
  });

  it('has no modal without a trigger', async () => {
    expect(await errorOf(client.views.open({ trigger_id: 'made up', view: requestView() }))).toBe('invalid_trigger_id');
    expect(await errorOf(client.views.update({ view_id: 'V0', view: requestView() }))).toBe('not_found');
    const tooLong = { ...requestView(), title: plain('Request access to Kubernetes') };
    expect(await errorOf(client.views.open({ trigger_id: 'x', view: tooLong }))).toBe('invalid_arguments');
    const blocks = Array.from({ length: 90 }, () => ({ type: 'section' as const, text: plain('x'.repeat(3000)) }));
    const tooLarge = { ...requestView(), blocks };
    expect(await errorOf(client.views.open({ trigger_id: 'x', view: tooLarge }))).toBe('view_too_large');
    expect(await errorOf(client.views.update({ view_id: 'V0', view: tooLarge }))).toBe('view_too_large');
  });

  it('takes a trigger once and in time, and a view by its hash', async () => {
    const impatient = await startTestSlack({ triggerMs: 400 });
    const bot = await startApp(impatient, 'Socket Mode');
    const views = bot.app.client.views;
    await impatient.control.command(ADA, ACCESS, '/jit', 'modal');
    const view = await impatient.control.waitFor(() => impatient.control.modal(ADA));
    const trigger_id = fieldOf(bot.got[0], 'trigger_id');
    expect(await errorOf(views.open({ trigger_id, view: requestView() }))).toBe('exchanged_trigger_id');
    await views.update({ view_id: view.id, hash: view.hash, view: requestView('prod') });
    const stale = views.update({ view_id: view.id, hash: view.hash, view: requestView() });
    expect(await errorOf(stale)).toBe('hash_conflict');

    await impatient.control.command(BEN, ACCESS, '/jit', 'help');
    const late = fieldOf(bot.got[1], 'trigger_id');
    const issued = Date.now();
    await impatient.control.waitFor(() => Date.now() - issued > 450);
    expect(await errorOf(views.open({ trigger_id: late, view: requestView() }))).toBe('expired_trigger_id');
    await bot.stop();
    await impatient.stop();
  });

  describe('a response_url', () => {
    let bot: TestApp;
    beforeAll(async () => {
      bot = await startApp(slack, 'Socket Mode');
    });
    afterAll(() => bot.stop());

    /** Types a command that the app answers twice by its response_url, and answers how to post there again. */
    async function issued(): Promise<(body: object) => Promise<{ status: number; text: string }>> {
      const uses = () => slack.control.log().filter((one) => one.what === 'response_url').length;
      const before = uses();
      await slack.control.command(ADA, ACCESS, '/jit', 'help');
      await slack.control.waitFor(() => uses() === before + 2);
      const response_url = fieldOf(bot.got.at(-1), 'response_url');
      return async (body) => {
        const response = await fetch(response_url, { method: 'POST', body: JSON.stringify(body) });
        return { status: response.status, text: await response.text() };
      };
    }
    const said = async (text: string) => (await slack.control.ephemerals(ADA)).some((one) => one.text === text);

    it('is taken five times', async () => {
      const post = await issued();
      const again = { text: 'again' };
      for (let n = 0; n < 3; n += 1) expect((await post(again)).status).toBe(200);
      expect(await post(again)).toEqual({ status: 404, text: 'used_url' });
    });

    it('is taken for half an hour', async () => {
      const post = await issued();
      const half = 30 * 60_000;
      vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + half - 10_000 });
      expect((await post({ text: 'just in time' })).status).toBe(200);
      vi.setSystemTime(Date.now() + 20_000);
      expect(await post({ text: 'too late' })).toEqual({ status: 404, text: 'expired_url' });
      vi.useRealTimers();
      expect(await said('too late')).toBe(false);
    });

    it('takes no message that Slack would refuse', async () => {
      const post = await issued();
      const blocks = [{ type: 'section', text: plain('x'.repeat(3001)) }];
      expect(await post({ text: 'refused', blocks })).toEqual({ status: 400, text: 'invalid_blocks' });
      expect(await post({})).toEqual({ status: 400, text: 'no_text' });
      expect(await said('refused')).toBe(false);
    });
  });
});

describe('a call too many', () => {
  const slackOf = useSlack();

  it('is answered with 429 and when to come again, each method and each channel by itself', async () => {
    const slack = slackOf();
    const call = (method: string, fields: Record<string, string> = {}) =>
      fetch(`${slack.apiUrl}${method}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${slack.botToken}` },
        body: new URLSearchParams(fields),
      });
    for (let n = 0; n < 20; n += 1) expect((await call('usergroups.users.list', { usergroup: SRE })).status).toBe(200);
    const limited = await call('usergroups.users.list', { usergroup: SRE });
    expect(limited.status).toBe(429);
    const wait = Number(limited.headers.get('retry-after'));
    expect(wait).toBeGreaterThan(30);
    expect(wait).toBeLessThanOrEqual(60);
    expect((await call('usergroups.list')).status).toBe(200);
    for (let n = 0; n < 5; n += 1)
      expect((await call('chat.postMessage', { channel: ACCESS, text: 'x' })).status).toBe(200);
    expect((await call('chat.postMessage', { channel: ACCESS, text: 'x' })).status).toBe(429);
    expect((await call('chat.postMessage', { channel: BEN, text: 'x' })).status).toBe(200);
  });
});

describe('a fault', () => {
  const slackOf = useSlack();
  let slack: LocalSlack;
  let client: webApi.WebClient;
  beforeAll(() => {
    slack = slackOf();
    client = new webApi.WebClient(slack.botToken, {
      ...quiet,
      slackApiUrl: slack.apiUrl,
      rejectRateLimitedCalls: true,
      timeout: 300,
    });
  });
  afterEach(() => slack.faults.clear());
  const count = async () => (await slack.control.messages(ACCESS)).length;
  const post = () => client.chat.postMessage({ channel: ACCESS, text: 'x' });

  it('meets as many calls as planned, of the method that was named', async () => {
    slack.faults.next({ kind: 'ratelimited', retryAfter: 7 }, { method: 'chat.postMessage', times: 2 });
    await client.auth.test();
    await expect(post()).rejects.toMatchObject({ code: 'slack_webapi_rate_limited_error', retryAfter: 7 });
    await expect(post()).rejects.toMatchObject({ code: 'slack_webapi_rate_limited_error' });
    await post();
  });

  it('is an error status, an error of Slack, a hang or a cut', async () => {
    const before = await count();
    slack.faults.next({ kind: 'status', status: 503 });
    await expect(post()).rejects.toMatchObject({ code: 'slack_webapi_http_error', statusCode: 503 });
    slack.faults.next({ kind: 'error', error: 'unknown_method' });
    await expect(post()).rejects.toMatchObject({ data: { error: 'unknown_method' } });
    slack.faults.next({ kind: 'hang' });
    await expect(post()).rejects.toMatchObject({ original: { name: 'TimeoutError' } });
    slack.faults.next({ kind: 'reset' });
    await expect(post()).rejects.toMatchObject({ code: 'slack_webapi_request_error' });
    expect(await count()).toBe(before);
    expect(slack.control.log().at(-1)).toMatchObject({ what: 'chat.postMessage', fault: 'reset' });
  });

  it('may lose the answer only: the message is there, and a client that tries again posts it twice', async () => {
    const before = await count();
    slack.faults.next({ kind: 'lost-answer' });
    await expect(post()).rejects.toMatchObject({ code: 'slack_webapi_request_error' });
    expect(await count()).toBe(before + 1);
    const stubborn = new webApi.WebClient(slack.botToken, {
      ...quiet,
      slackApiUrl: slack.apiUrl,
      retryConfig: { retries: 1, minTimeout: 1 },
    });
    slack.faults.next({ kind: 'lost-answer' });
    await stubborn.chat.postMessage({ channel: ACCESS, text: 'x' });
    expect(await count()).toBe(before + 3);
  });

  it('may be the whole of Slack: the app comes back when Slack does', async () => {
    const bot = await startApp(slack, 'Socket Mode');
    slack.faults.away();
    await expect(post()).rejects.toMatchObject({ code: 'slack_webapi_request_error' });
    expect(await slack.control.command(ADA, ACCESS, '/jit', 'help')).toEqual({
      acked: false,
      error: 'dispatch_failed',
    });
    // The app tries in vain: that is not logged as a call, but it must not have given up.
    const gone = Date.now();
    await slack.control.waitFor(() => Date.now() - gone > 1000);
    slack.faults.back();
    await slack.control.connected();
    expect(await slack.control.command(ADA, ACCESS, '/jit', 'help')).toMatchObject({ acked: true });
    await bot.stop();
  });

  it('may be the hourly refresh of a Socket Mode connection', async () => {
    const bot = await startApp(slack, 'Socket Mode');
    const opens = () => slack.control.log().filter((one) => one.what === 'apps.connections.open').length;
    const before = opens();
    slack.faults.refreshSockets();
    await slack.control.waitFor(() => opens() > before, { timeout: 15_000 });
    await slack.control.connected();
    expect(await slack.control.command(ADA, ACCESS, '/jit', 'help')).toMatchObject({ acked: true });
    await bot.stop();
  });

  it('may be the loss of what is posted to a response_url', async () => {
    const bot = await startApp(slack, 'Socket Mode');
    slack.faults.next({ kind: 'status', status: 500 }, { method: 'response_url' });
    let before = 0;
    let logged = 0;
    // A connection of the bot before may be the one that is there still, and closes in this moment.
    await slack.control.waitFor(async () => {
      before = (await slack.control.ephemerals(ADA)).length;
      logged = slack.control.log().length;
      return (await slack.control.command(ADA, ACCESS, '/jit', 'help')).acked;
    });
    await slack.control.waitFor(() =>
      slack.control
        .log()
        .slice(logged)
        .some(({ fault }) => fault === 'status'),
    );
    expect((await slack.control.ephemerals(ADA)).slice(before).map((one) => one.text)).toEqual(['short *help*']);

    slack.faults.next({ kind: 'lost-answer' }, { method: 'response_url' });
    const lost = fetch(fieldOf(bot.got[0], 'response_url'), { method: 'POST', body: '{"text":"shown"}' });
    await expect(lost).rejects.toThrow('fetch failed');
    expect((await slack.control.ephemerals(ADA)).at(-1)?.text).toBe('shown');
    await bot.stop();
  });
});

const withoutBrowser = findChromium() === null && !mayInstall();
if (withoutBrowser) console.warn('SKIPPED the page of the local Slack: no Chromium (apt-get install chromium)');

describe.skipIf(withoutBrowser && !process.env.CI)('the page', () => {
  const slackOf = useSlack();
  let slack: LocalSlack;
  let bot: TestApp;
  let ada: SlackPage;
  let ben: SlackPage;
  beforeAll(async () => {
    slack = slackOf();
    await ensureChromium();
    bot = await startApp(slack, 'Socket Mode');
    [ada, ben] = await Promise.all([
      openSlackPage({ slack, user: 'ada' }),
      openSlackPage({ slack, user: BEN, theme: 'dark' }),
    ]);
  }, 300_000);
  afterAll(async () => {
    await Promise.all([ada.close(), ben.close(), bot.stop()]);
  });

  it('shows a person the answer that is for this person alone', async () => {
    await ada.type('/jit help');
    await ada.page.getByText('for you alone').waitFor();
    await ben.page.getByText('for all').waitFor();
    expect(await ada.page.getByText('Only visible to you').count()).toBe(2);
    expect(await ben.page.getByText('for you alone').count()).toBe(0);
  });

  it('forgets with a reload what only one person saw', async () => {
    await ada.page.reload();
    await ada.page.getByText('for all').waitFor();
    expect(await ada.page.getByText('for you alone').count()).toBe(0);
    await ada.type('/jit help');
    await ada.page.getByText('for you alone').waitFor();
  });

  it('asks where a button asks, and acts only on yes', async () => {
    await ada.type('/jit request');
    const approve = ben.page.locator('article').last().getByRole('button', { name: 'Approve' });
    await approve.click();
    await ben.page.getByRole('alertdialog').getByRole('button', { name: 'No' }).click();
    expect(bot.got.some((one) => one.kind === 'approve')).toBe(false);
    await approve.click();
    await ben.page.getByRole('alertdialog').getByRole('button', { name: 'Yes' }).click();
    await ada.page.getByText('approved', { exact: true }).waitFor();
    expect(bot.got.find((one) => one.kind === 'approve')?.body).toMatchObject({ user: { id: BEN } });
  });

  it('has modals that change while they are filled in, keep the text, and show errors', async () => {
    await ada.type('/jit modal');
    const modal = ada.page.getByRole('dialog');
    await modal.getByLabel('Reason').fill('checkout returns 502');
    await modal.getByLabel('Namespace').selectOption('staging');
    await modal.getByLabel('Target').selectOption('staging/cart');
    expect(await modal.getByLabel('Reason').inputValue()).toBe('checkout returns 502');
    expect(await ben.page.getByRole('dialog').count()).toBe(0);

    await modal.getByLabel('Duration').fill('soon');
    await modal.getByRole('button', { name: 'Request' }).click();
    await modal.getByText('Use 45m or 2h.').waitFor();
    await modal.getByLabel('Duration').fill('45m');
    await modal.getByRole('button', { name: 'Request' }).click();
    await modal.waitFor({ state: 'detached' });
    expect(bot.got.filter((one) => one.kind === 'submission').at(-1)?.body).toMatchObject({
      view: { state: { values: { reason: { reason: { value: 'checkout returns 502' } } } } },
    });
  });

  it('has modals of several steps', async () => {
    await ada.type('/jit modal');
    const modal = ada.page.getByRole('dialog');
    await modal.getByLabel('Namespace').selectOption('staging');
    await modal.getByLabel('Target').selectOption('staging/cart');
    await modal.getByLabel('Duration').fill('3h');
    await modal.getByRole('button', { name: 'Request' }).click();
    await modal.getByText('This is the step Worked out').waitFor();
    await modal.getByRole('button', { name: 'Back' }).click();
    await modal.getByLabel('Duration').waitFor();
    await modal.getByRole('button', { name: 'Close' }).first().click();
    await modal.waitFor({ state: 'detached' });
  });

  /** Presses the mouse on something, lets `meanwhile` change the page until it has seen `text`, and lets go. */
  const pressDuring = async ({ page }: SlackPage, what: Locator, text: string, meanwhile: () => Promise<unknown>) => {
    await what.hover();
    await page.mouse.down();
    const seen = page.waitForResponse(
      async (response) => response.url().includes('/page/state') && (await response.text()).includes(text),
    );
    await meanwhile();
    await seen;
    await page.mouse.up();
  };

  /** What the modal of a person looks like with one more line at its top. */
  const updateModal = async (text: string) => {
    const view = slack.control.modal(ADA);
    const shown = requestView('staging');
    const blocks = [{ type: 'section' as const, text: plain(text) }, ...shown.blocks];
    await bot.app.client.views.update({ view_id: view?.id ?? '', view: { ...shown, blocks } });
  };

  it('loses no word and no press when it is drawn anew between the two', async () => {
    await ada.type('/jit modal');
    const modal = ada.page.getByRole('dialog');
    await modal.getByLabel('Namespace').selectOption('staging');
    await modal.getByLabel('Target').selectOption('staging/cart');
    await modal.getByLabel('Reason').fill('checkout is down');
    await modal.getByLabel('Duration').fill('9m');
    await modal.getByLabel('Duration').press('ArrowLeft');
    await updateModal('changed once');
    await modal.getByText('changed once').waitFor();
    // Where the caret was, the person types on.
    await ada.page.keyboard.type('0');
    expect(await modal.getByLabel('Duration').inputValue()).toBe('90m');
    expect(await modal.getByLabel('Reason').inputValue()).toBe('checkout is down');

    const before = bot.got.length;
    const send = modal.getByRole('button', { name: 'Request' });
    await pressDuring(ada, send, 'changed twice', () => updateModal('changed twice'));
    await modal.waitFor({ state: 'detached' });
    expect(bot.got.slice(before).map((one) => one.kind)).toEqual(['submission']);
    expect(bot.got.at(-1)?.body).toMatchObject({
      view: {
        state: {
          values: {
            'target-staging': { target: { selected_option: { value: 'staging/cart' } } },
            duration: { duration: { value: '90m' } },
            reason: { reason: { value: 'checkout is down' } },
          },
        },
      },
    });
  });

  it('loses no press on a button of a modal that is drawn anew, and submits no step that was not shown', async () => {
    await ada.type('/jit modal');
    const modal = ada.page.getByRole('dialog');
    await modal.getByLabel('Duration').waitFor();
    const view_id = slack.control.modal(ADA)?.id ?? '';
    const showStep = (title: string) => bot.app.client.views.update({ view_id, view: stepView(title) });
    await showStep('One');
    const back = modal.getByRole('button', { name: 'Back' });
    const backs = () => bot.got.filter((one) => one.kind === 'back').length;
    const before = backs();
    await pressDuring(ada, back, 'the step Two', () => showStep('Two'));
    await slack.control.waitFor(() => backs() === before + 1);

    await modal.getByLabel('Duration').fill('45m');
    const request = modal.getByRole('button', { name: 'Request' });
    await pressDuring(ada, request, 'the step Three', () => showStep('Three'));
    await modal.getByText('This is the step Three').waitFor();
    await ada.page.getByText('was not shown yet').waitFor();
    await ada.page.keyboard.press('Escape');
    await modal.waitFor({ state: 'detached' });
  });

  it('delivers a press on a message that changes under it, also under the question of the button', async () => {
    await ada.type('/jit request');
    const article = ben.page.locator('article').last();
    const deny = article.getByRole('button', { name: 'Deny' });
    await deny.waitFor();
    const ts = (await slack.control.messages(ACCESS)).at(-1)?.ts ?? '';
    const last = () => bot.got.at(-1);
    const change = (text: string) =>
      bot.app.client.chat.update({ channel: ACCESS, ts, text, blocks: [{ type: 'section', text: plain(text) }] });

    await article.getByRole('button', { name: 'Approve' }).click();
    const question = ben.page.getByRole('alertdialog');
    await question.waitFor();
    await change('somebody was faster');
    await article.getByText('somebody was faster').waitFor();
    await question.getByRole('button', { name: 'Yes' }).click();
    await slack.control.waitFor(() => last()?.kind === 'approve');
    expect(last()?.body).toMatchObject({ user: { id: BEN }, actions: [{ value: 'g-7k3fq2', block_id: 'decision' }] });

    await ada.type('/jit request');
    await deny.waitFor();
    const next = (await slack.control.messages(ACCESS)).at(-1)?.ts ?? '';
    await pressDuring(ben, deny, 'faster again', () =>
      bot.app.client.chat.update({ channel: ACCESS, ts: next, text: 'faster again' }),
    );
    await slack.control.waitFor(() => last()?.kind === 'deny');
    expect(last()?.body).toMatchObject({ user: { id: BEN }, actions: [{ value: 'g-7k3fq2' }] });
  });

  it('closes what is on top by Escape, and scrolls to an answer', async () => {
    await ada.type('/jit modal');
    const modal = ada.page.getByRole('dialog');
    await modal.waitFor();
    await ada.page.keyboard.press('Escape');
    await modal.waitFor({ state: 'detached' });

    for (let n = 0; n < 30; n += 1) await slack.control.say(CY, ACCESS, `line ${n}`);
    await ada.page.getByText('line 29').waitFor();
    await ada.page.locator('#messages').evaluate((list) => list.scrollTo(0, 0));
    await ada.page.locator('#text').fill('/jit private');
    await ada.page.locator('#text').press('Enter');
    await slack.control.waitFor(async () => (await slack.control.ephemerals(ADA)).length > 0);
    const inSight = () =>
      ada.page.locator('#messages').evaluate((list) => list.scrollHeight - list.scrollTop - list.clientHeight < 80);
    await ada.page.locator('article.ephemeral').last().getByRole('button', { name: 'Approve' }).waitFor();
    await slack.control.waitFor(inSight);
  });

  it('shows a reply that goes to the channel too there and in its thread, and another reply in the thread alone', async () => {
    const { client } = bot.app;
    // More than Slack takes from an app at once is refused for a moment.
    const post = (message: Parameters<typeof client.chat.postMessage>[0]) =>
      vi.waitFor(() => client.chat.postMessage(message), { timeout: 10_000, interval: 500 });
    const { ts = '' } = await post({ channel: ACCESS, text: 'the request of a broadcast' });
    const reply = { channel: ACCESS, thread_ts: ts };
    await post({ ...reply, text: 'for the thread alone' });
    await post({ ...reply, text: 'for all', reply_broadcast: true });
    const inChannel = ada.page.locator('#messages article');
    const broadcast = inChannel.filter({ hasText: 'for all' });
    await broadcast.getByText('replied to a thread').waitFor();
    await inChannel.filter({ hasText: 'the request of a broadcast' }).getByText('2 replies').click();
    await ada.page.locator('#replies article', { hasText: 'for all' }).waitFor();
    await ada.page.locator('#replies article', { hasText: 'for the thread alone' }).waitFor();
    expect(await inChannel.filter({ hasText: 'for the thread alone' }).count()).toBe(0);
    await ada.page.keyboard.press('Escape');
    const answer = await client.conversations.replies({ channel: ACCESS, ts });
    const messages = (answer.messages ?? []) as { subtype?: string }[];
    expect(messages.map(({ subtype }) => subtype)).toEqual([undefined, undefined, 'thread_broadcast']);
  });

  it('shows what people write as text', async () => {
    await slack.control.say(
      CY,
      ACCESS,
      '&lt;img src=x onerror="document.title=1"&gt; <b>bold</b> <javascript:alert(1)|x>',
    );
    await ada.page.getByText('<img src=x').waitFor();
    expect(await ada.page.locator('#messages img, #messages a[href^="javascript"]').count()).toBe(0);
  });

  it('offers everybody when nobody is named', async () => {
    await ben.page.goto(slack.url);
    await ben.page.getByRole('link', { name: 'Cy' }).click();
    await ben.page.getByText('Acting as').waitFor();
    expect(await ben.page.locator('.actor select').inputValue()).toBe('cy');
  });

  it('obeys no other site that is open in the same browser', async () => {
    const act = (contentType: string) =>
      fetch(`${slack.url}/page/act?as=ada`, {
        method: 'POST',
        headers: { 'content-type': contentType },
        body: JSON.stringify({ type: 'say', channel: ACCESS, text: 'forged' }),
      });
    expect((await act('text/plain')).status).toBe(404);
    expect((await slack.control.messages(ACCESS)).some((one) => one.text === 'forged')).toBe(false);
    expect((await act('application/json')).status).toBe(200);

    const { port } = new URL(slack.url);
    const request = `GET /page/state?as=ada HTTP/1.1\r\nHost: rebound.example.test\r\nConnection: close\r\n\r\n`;
    expect(await ask(Number(port), request)).toMatch(/^HTTP\/1.1 403/);
  });
});
