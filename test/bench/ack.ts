import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ACTIONS, carryForm, MODALS } from '../../src/adapters/slack/surfaces/actions.ts';
import { freePort } from '../../src/sandbox/ports.ts';
import { ACCESS, PEOPLE } from '../../src/sandbox/scenery.ts';
import { supervised } from '../../src/sandbox/supervise.ts';
import { bigNamespace, fillCluster } from '../support/big-cluster.ts';
import { type Figure, median, ms, quantile, type Row, ratioOf } from './figures.ts';
import { type BenchStage, onStage } from './stage.ts';

const RATE = 200;
const SECONDS = 10;
/** Before it, so that nothing is measured cold: seconds. */
const WARM_UP = 3;
const AIM_MS = 50;
/** Of a namespace in whose form somebody types. */
const WORKLOADS = 5000;
/** Letters a second, of some people together. */
const TYPED = 20;
const SUGGESTED_MS = 200;
const BARE = fileURLToPath(new URL('./bare-bolt.ts', import.meta.url));

/** From a slash command's envelope to its ack under load, beside a Bolt app that only acks. */
export const ack: Row = {
  name: 'ack',
  about: `slash commands at ${RATE}/s: envelope sent -> ack received; beside them, what is suggested among ${WORKLOADS} workloads`,
  run: (say) =>
    onStage({ say, namespaces: 0 }, async (stage) => {
      // Answers by response_url end here: a real Slack takes them too, and not in the process that measures.
      const sink = createServer((request, response) => {
        request.resume();
        request.once('end', () => response.end('ok'));
      });
      sink.listen(0, '127.0.0.1');
      await once(sink, 'listening');
      const respondTo = `http://127.0.0.1:${(sink.address() as AddressInfo).port}/`;
      try {
        return [...(await overSocket(stage, respondTo, say)), await overHttp(stage, respondTo, say)];
      } finally {
        sink.closeAllConnections();
        sink.close();
      }
    }),
};

async function overSocket(stage: BenchStage, respondTo: string, say: (line: string) => void): Promise<Figure[]> {
  const { slack, dir } = stage.world;
  const { bot } = await stage.startBot();
  await slack.control.connected();
  const ours = await acks(stage, respondTo);
  const suggested = await suggestionsBeside(stage, respondTo, say);
  await bot.stop();
  say(`ack: Socket Mode, ours p99 ${ms(quantile(waitsOf(ours), 0.99))}, lost ${lost(ours)}`);
  const app = supervised(process.execPath, [BARE, slack.apiUrl, slack.botToken, slack.appToken], {
    logFile: join(dir, 'bare-bolt.log'),
  });
  await slack.control.connected();
  const bare = await acks(stage, respondTo);
  await app.stop();
  return [figureOf('Socket Mode', ours, bare), suggested];
}

async function overHttp(stage: BenchStage, respondTo: string, say: (line: string) => void): Promise<Figure> {
  const { slack, dir } = stage.world;
  const port = await freePort();
  slack.control.setRequestUrl(`http://127.0.0.1:${port}/slack/events`);
  const { bot } = await stage.startBot({
    SLACK_APP_TOKEN: undefined,
    SLACK_SIGNING_SECRET: slack.signingSecret,
    PORT: String(port),
  });
  const ours = await acks(stage, respondTo);
  await bot.stop();
  say(`ack: signed HTTP, ours p99 ${ms(quantile(waitsOf(ours), 0.99))}, lost ${lost(ours)}`);
  const app = supervised(
    process.execPath,
    [BARE, slack.apiUrl, slack.botToken, 'http', slack.signingSecret, String(port)],
    { logFile: join(dir, 'bare-bolt.log') },
  );
  await slack.control.waitFor(async () => (await sendOne(stage, respondTo)).acked, { timeout: 20_000 });
  const bare = await acks(stage, respondTo);
  await app.stop();
  slack.control.setRequestUrl(undefined);
  return figureOf('signed HTTP', ours, bare);
}

/** While commands come at the rate, people type into the field for a target of a namespace with many workloads. */
async function suggestionsBeside(stage: BenchStage, respondTo: string, say: (line: string) => void): Promise<Figure> {
  await fillCluster(stage.cluster.adminKubeconfig, { pods: 0, large: 0, namespaces: 1, workloads: WORKLOADS });
  // Until the bot has heard of all of them.
  await stage.world.slack.control.waitFor(
    async () => (await suggestOne(stage, '')).heading.includes(`of ${WORKLOADS}`),
    {
      timeout: 60_000,
      what: 'all workloads are suggested',
    },
  );
  const began = performance.now();
  const commands = load(stage, respondTo, SECONDS);
  const waits: Promise<Suggested>[] = [];
  for (let sent = 0; sent < TYPED * SECONDS; sent += 1) {
    const early = began + (sent * 1000) / TYPED - performance.now();
    if (early > 0) await sleep(early);
    waits.push(suggestOne(stage, String(sent % WORKLOADS)));
  }
  const answers = await Promise.all(waits);
  const acked = await commands;
  const all = waitsOf(answers);
  const [p99, beside] = [quantile(all, 0.99), quantile(waitsOf(acked), 0.99)];
  const silent = answers.filter(({ options }) => options === 0).length;
  say(`ack: suggestions, p99 ${ms(p99)}, without any ${silent}`);
  return {
    what: 'typed letter -> suggestions, Socket Mode',
    inputs: `block_suggestion ${TYPED}/s in a namespace of ${WORKLOADS} workloads, beside /jit help ${RATE}/s, for ${SECONDS} s`,
    ours: `p99 ${ms(p99)}, median ${ms(median(all))}, worst ${ms(Math.max(...all))}`,
    baseline: '',
    ratio: null,
    aim: `p99 <= ${SUGGESTED_MS} ms`,
    met: p99 <= SUGGESTED_MS && silent === 0,
    note: `without suggestions: ${silent} of ${answers.length}; the commands beside: p99 ${ms(beside)}, ${lost(acked)} of ${acked.length} without an ack`,
  };
}

const waitsOf = (sent: readonly Pick<Sent, 'wait'>[]) => sent.map(({ wait }) => wait);
const lost = (sent: readonly Sent[]) => sent.filter(({ acked }) => !acked).length;

function figureOf(way: string, oursSent: readonly Sent[], bareSent: readonly Sent[]): Figure {
  const [ours, bare] = [waitsOf(oursSent), waitsOf(bareSent)];
  const [p99, bareP99] = [quantile(ours, 0.99), quantile(bare, 0.99)];
  return {
    what: `slash command -> ack, ${way}`,
    inputs: `/jit help, ${RATE}/s for ${SECONDS} s after ${WARM_UP} s of the same, one bot, the answer comes by response_url`,
    ours: `p99 ${ms(p99)}, median ${ms(median(ours))}, worst ${ms(Math.max(...ours))}`,
    baseline: `p99 ${ms(bareP99)}, median ${ms(median(bare))} (Bolt that only acks)`,
    ratio: ratioOf([{ ours: p99, bare: bareP99 }]),
    aim: `p99 <= ${AIM_MS} ms`,
    met: p99 <= AIM_MS && lost(oursSent) === 0,
    note: `without an ack: ${lost(oursSent)} of ${ours.length} of ours, ${lost(bareSent)} of ${bare.length} bare`,
  };
}

/** Sends commands at the rate, whether answered or not; answers what became of each. */
async function acks(stage: BenchStage, respondTo: string): Promise<Sent[]> {
  await load(stage, respondTo, WARM_UP);
  return load(stage, respondTo, SECONDS);
}

async function load(stage: BenchStage, respondTo: string, seconds: number): Promise<Sent[]> {
  const began = performance.now();
  const waits: Promise<Sent>[] = [];
  for (let sent = 0; sent < RATE * seconds; sent += 1) {
    const early = began + (sent * 1000) / RATE - performance.now();
    if (early > 0) await sleep(early);
    waits.push(sendOne(stage, respondTo));
  }
  return Promise.all(waits);
}

interface Suggested {
  readonly wait: number;
  readonly options: number;
  readonly heading: string;
}

async function suggestOne({ world }: BenchStage, typed: string): Promise<Suggested> {
  const { ada } = PEOPLE;
  const team = { id: world.slack.teamId, domain: 'example' };
  const shown = { profile: 'debug', namespace: bigNamespace(0) };
  const began = performance.now();
  const { payload } = (await world.slack.control.redeliver({
    id: randomUUID(),
    kind: 'interactive',
    payload: {
      type: 'block_suggestion',
      team,
      user: { id: ada.id, name: ada.name, team_id: team.id },
      api_app_id: 'A0DRAWBRIDGE',
      container: { type: 'view', view_id: 'V1' },
      action_id: ACTIONS.target,
      block_id: 'target',
      value: typed,
      view: { id: 'V1', type: 'modal', callback_id: MODALS.request, private_metadata: carryForm(shown) },
    },
    answers: [],
  })) as {
    readonly payload?: { options?: unknown[]; option_groups?: { label: { text: string }; options: unknown[] }[] };
  };
  const [group] = payload?.option_groups ?? [];
  return {
    wait: performance.now() - began,
    options: (payload?.options ?? group?.options ?? []).length,
    heading: group?.label.text ?? '',
  };
}

interface Sent {
  /** Until the ack, or until Slack gave up: milliseconds. */
  readonly wait: number;
  readonly acked: boolean;
}

async function sendOne({ world }: BenchStage, respondTo: string): Promise<Sent> {
  const { ada } = PEOPLE;
  const payload = {
    token: 'verification-token',
    command: '/jit',
    text: 'help',
    user_id: ada.id,
    user_name: ada.name,
    channel_id: ACCESS,
    channel_name: 'access',
    team_id: world.slack.teamId,
    team_domain: 'example',
    api_app_id: 'A0DRAWBRIDGE',
    is_enterprise_install: 'false',
    response_url: respondTo,
    trigger_id: randomUUID(),
  };
  const began = performance.now();
  const answer = await world.slack.control.redeliver({
    id: randomUUID(),
    kind: 'slash_commands',
    payload,
    answers: [],
  });
  return { wait: performance.now() - began, acked: answer.acked };
}
