import { afterAll, beforeAll } from 'vitest';
import { ACTIONS } from '../../src/adapters/slack/surfaces/actions.ts';
import type { Grant } from '../../src/domain/grant/grant.ts';
import type { PolicyInput } from '../../src/domain/policy/schema.ts';
import { ACCESS, PEOPLE, type PersonName } from '../../src/sandbox/scenery.ts';
import type { SlackMessage } from '../../src/sandbox/slack/upstream.ts';
import { startWorld, type World, type WorldOptions } from '../../src/sandbox/world.ts';
import type { TestCluster } from './cluster.ts';

/** Drives Slack's side of a world, and looks at it as people do. */
export interface Stage extends World {
  /** What Ada typed, as a request line; answers the id of the grant, once its message is in the channel. */
  request(line: string, by?: PersonName): Promise<string>;
  /** The approval message as everybody sees it now. */
  message(id: string): Promise<SlackMessage>;
  /** All text of that message. */
  words(id: string): Promise<string>;
  /** Waits until the message says so. */
  until(id: string, text: string | RegExp, timeout?: number): Promise<string>;
  /** Presses a button of the approval message. */
  press(person: PersonName, id: string, action: keyof typeof ACTIONS): Promise<void>;
  type(person: PersonName, text: string): Promise<void>;
  /** Waits for something that only this person sees: an answer, a refusal. */
  toldTo(person: PersonName, text: string | RegExp, timeout?: number): Promise<string>;
  /** Waits for a direct message. */
  dm(person: PersonName, text: string | RegExp, timeout?: number): Promise<string>;
  /** What RBAC says of this person: `yes` or `no`. */
  can(person: PersonName, ...args: string[]): Promise<string>;
  /** Everything that was done, by the audit on stdout, of one grant. */
  audited(id: string): Promise<string[]>;
  /** Objects of one grant in the cluster. */
  objectsOf(id: string): Promise<string[]>;
}

export type { Grant };

type ChangePolicy = (policy: PolicyInput) => void;
/** With a policy by which people get what they have already, too: a suite asks again and again for the same workload. */
export const askingAgain =
  (change?: ChangePolicy): ChangePolicy =>
  (policy) => {
    policy.approvals.askOnce = false;
    change?.(policy);
  };

/** Every text in blocks, of whatever kind. */
export function textOf(message: SlackMessage): string {
  const texts: string[] = [message.text];
  const walk = (value: unknown): void => {
    if (Array.isArray(value)) for (const item of value) walk(item);
    else if (value !== null && typeof value === 'object')
      for (const [key, member] of Object.entries(value)) {
        if (key === 'text' && typeof member === 'string') texts.push(member);
        else walk(member);
      }
  };
  walk(message.blocks ?? []);
  return texts.join('\n');
}

const fits = (text: string, wanted: string | RegExp) =>
  typeof wanted === 'string' ? text.includes(wanted) : wanted.test(text);

export function stageOf(world: World): Stage {
  const { control } = world.slack;
  const find = async (id: string) =>
    (await control.messages(ACCESS)).find((m) => m.thread_ts === undefined && textOf(m).includes(id));
  const stage: Stage = {
    ...world,
    async request(line, by = 'ada') {
      const before = new Set((await control.messages(ACCESS)).map((m) => m.ts));
      await stage.type(by, `request ${line}`);
      const posted = await control.waitFor(
        async () =>
          (await control.messages(ACCESS)).find(
            (m) => !before.has(m.ts) && m.thread_ts === undefined && /g-[a-z2-9]{6}/.test(textOf(m)),
          ),
        { timeout: 40_000, what: `the message of: ${line}` },
      );
      return /g-[a-z2-9]{6}/.exec(textOf(posted))?.[0] ?? '';
    },
    async message(id) {
      return control.waitFor(() => find(id), { timeout: 20_000, what: `the message of ${id}` });
    },
    words: async (id) => textOf(await stage.message(id)),
    async until(id, text, timeout = 20_000) {
      return control.waitFor(
        async () => {
          const words = await stage.words(id);
          return fits(words, text) ? words : null;
        },
        { timeout, what: `${id} says ${String(text)}` },
      );
    },
    async press(person, id, action) {
      const { channel, ts } = await stage.message(id);
      await control.click(PEOPLE[person].id, channel, ts, ACTIONS[action]);
    },
    async type(person, text) {
      await control.command(PEOPLE[person].id, ACCESS, '/jit', text);
    },
    async toldTo(person, text, timeout = 20_000) {
      return control.waitFor(
        async () => (await control.ephemerals(PEOPLE[person].id)).map(textOf).findLast((words) => fits(words, text)),
        { timeout, what: `${person} is told ${String(text)}` },
      );
    },
    async dm(person, text, timeout = 20_000) {
      return control.waitFor(
        async () => (await control.dms(PEOPLE[person].id)).map(textOf).findLast((words) => fits(words, text)),
        {
          timeout,
          what: `a direct message to ${person} says ${String(text)}`,
        },
      );
    },
    async can(person, ...args) {
      return (await world.kubectlAs(person, ['auth', 'can-i', ...args])).stdout.trim();
    },
    async audited(id) {
      const lines = (await Promise.all([...world.bots.values()].map((bot) => bot.audit()))).flat();
      // What was printed while Redis was away is printed again with its place in the chain.
      const once = new Map(lines.filter((line) => line.id === id).map((line) => [line.entry, line.event]));
      return [...once.values()];
    },
    objectsOf: async (id) => (await world.grantObjects()).filter((name) => name.includes(id)),
  };
  return stage;
}

/** A world of its own for the suite, on the cluster of the run, with a bot that is ready. */
export function useStage(kube: TestCluster, options: Partial<WorldOptions> & { bot?: boolean } = {}): () => Stage {
  let stage: Stage | undefined;
  beforeAll(async () => {
    const { bot = true, policy, ...rest } = options;
    const world = await startWorld({ log: () => {}, cluster: kube, ...rest, policy: askingAgain(policy) });
    stage = stageOf(world);
    if (bot) await world.startBot();
  }, 120_000);
  afterAll(async () => {
    await stage?.stop();
  }, 60_000);
  return () => {
    if (stage === undefined) throw new Error('the world of this suite is not up yet');
    return stage;
  };
}
