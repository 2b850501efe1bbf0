import { setTimeout as sleep } from 'node:timers/promises';
import { STAYS_FRESH } from '../../src/adapters/slack/directory.ts';
import { ACTIONS } from '../../src/adapters/slack/surfaces/actions.ts';
import { CONTROL_PLANE, ensureBinaries } from '../../src/sandbox/cluster/binaries.ts';
import { type ControlPlane, startControlPlane } from '../../src/sandbox/cluster/control-plane.ts';
import { PEOPLE, type PersonName, workspace } from '../../src/sandbox/scenery.ts';
import type { LogEntry } from '../../src/sandbox/slack/index.ts';
import { startWorld, type World } from '../../src/sandbox/world.ts';
import { askingAgain, type Stage, stageOf } from '../support/e2e.ts';
import type { Figure, Row } from './figures.ts';

const SIZES = [0, 40, 1000];
/** How long the bot says nothing to Slack when it is done: milliseconds. */
const QUIET = 1500;

/** What is done, in this order, and what it may read of people. */
const STEPS = [
  { step: 'one opens the form', aim: 'each list at most once' },
  { step: 'another opens it in the same minute', aim: 'no list' },
  { step: 'one chooses: profile, namespace', aim: 'no list' },
  { step: 'preview', aim: 'each list at most once' },
  { step: 'request', aim: 'each list at most once' },
  { step: 'approve, until access is there', aim: 'each list at most once' },
  { step: 'the requester ends it', aim: 'no list, one account' },
] as const;
type Step = (typeof STEPS)[number]['step'];

/** Calls of Slack by the journey of one request, with lists of several sizes. */
export const slack: Row = {
  name: 'slack',
  about: `calls of Slack by method for the journey of one request, with ${SIZES.join(', ')} members in each list`,
  async run(say) {
    const cluster = await startControlPlane({ binaries: await ensureBinaries(CONTROL_PLANE, say), log: say });
    try {
      const journeys = new Map<number, Map<Step, LogEntry[]>>();
      for (const size of SIZES) journeys.set(size, await journeyWith(size, cluster, say));
      return STEPS.flatMap(({ step, aim }) => figuresOf(step, aim, journeys));
    } finally {
      await cluster.stop();
    }
  },
};

/** One line for all sizes with which the calls are the same. */
function figuresOf(step: Step, aim: string, journeys: ReadonlyMap<number, ReadonlyMap<Step, LogEntry[]>>): Figure[] {
  const sizes = Map.groupBy(journeys.keys(), (size) => counted(journeys.get(size)?.get(step) ?? []));
  return [...sizes].map(([ours, same]) => ({
    what: step,
    inputs: `${same.join(', ')} more members in each list`,
    ours,
    baseline: '',
    ratio: null,
    aim,
    met: same.every((size) => meets(journeys.get(size)?.get(step) ?? [], aim)),
  }));
}

const counted = (calls: readonly LogEntry[]): string =>
  [...Map.groupBy(calls, ({ what }) => what)]
    .map(([method, of]) => `${method} ${of.length}`)
    .toSorted()
    .join(', ');

/** The list that a call reads; a further page of it is no call of its own. */
const listOf = ({ what, detail }: LogEntry): string | null => {
  if (what === 'usergroups.users.list') return String(detail['usergroup']);
  return what === 'conversations.members' && detail['cursor'] === undefined ? String(detail['channel']) : null;
};

function meets(calls: readonly LogEntry[], aim: string): boolean {
  const lists = calls.map(listOf).filter((list) => list !== null);
  const accounts = calls.filter(({ what }) => what === 'users.info').length;
  if (aim.startsWith('no list')) return lists.length === 0 && (!aim.includes('one account') || accounts === 1);
  return new Set(lists).size === lists.length;
}

/** The workspace of the sandbox, with so many more people in each of its lists. */
function workspaceWith(size: number): ReturnType<typeof workspace> {
  const { users, channels, userGroups } = workspace();
  const others = Array.from({ length: size }, (_, index) => ({
    id: `U0MANY${index}`,
    name: `many${index}`,
    email: `many${index}@example.test`,
  }));
  const ids = others.map(({ id }) => id);
  return {
    users: [...users, ...others],
    channels: channels.map((channel) => ({ ...channel, members: [...ids, ...channel.members] })),
    userGroups: userGroups.map((group) => ({ ...group, users: [...ids, ...group.users] })),
  };
}

async function journeyWith(
  size: number,
  cluster: ControlPlane,
  say: (line: string) => void,
): Promise<Map<Step, LogEntry[]>> {
  const world = await startWorld({ log: () => {}, cluster, slack: workspaceWith(size), policy: askingAgain() });
  try {
    await world.startBot();
    await untilQuiet(world);
    const journey = await live(world);
    const limited = world.slack.control.log().filter(({ fault }) => fault === 'ratelimited');
    say(`slack: ${size} more members: ${limited.length} calls met a limit`);
    return journey;
  } finally {
    await world.stop();
  }
}

/** Waits until the bot has nothing more to say to Slack; answers how many calls there were. */
async function untilQuiet({ slack: { control } }: World): Promise<number> {
  for (;;) {
    const last = control.log().findLast(({ from }) => from === 'app');
    if (last !== undefined && Date.now() - last.at > QUIET) return control.log().length;
    await sleep(100);
  }
}

async function live(world: World): Promise<Map<Step, LogEntry[]>> {
  const s = stageOf(world);
  const calls = new Map<Step, LogEntry[]>();
  const during = async <T>(step: Step, work: () => Promise<T>): Promise<T> => {
    const before = await untilQuiet(world);
    const result = await work();
    const after = await untilQuiet(world);
    calls.set(
      step,
      s.slack.control
        .log()
        .slice(before, after)
        .filter(({ from }) => from === 'app'),
    );
    return result;
  };
  const { ada, ben } = PEOPLE;
  await during('one opens the form', () => openForm(s, 'ada'));
  await during('another opens it in the same minute', () => openForm(s, 'ben'));
  await during('one chooses: profile, namespace', async () => {
    await s.slack.control.enter(ada.id, ACTIONS.profile, 'debug');
    await untilShown(s, 'ada', ACTIONS.namespace);
    await s.slack.control.enter(ada.id, ACTIONS.namespace, s.namespaces.staging);
    await untilShown(s, 'ada', ACTIONS.target);
  });
  await fill(s, 'target', 'deployment/checkout');
  await fill(s, 'reason', 'checkout returns 502');
  // Each step as if somebody had thought before it: nothing that was read for the one before is fresh enough to decide by.
  const decided = async <T>(step: Step, work: () => Promise<T>) => {
    await sleep(STAYS_FRESH.now);
    return during(step, work);
  };
  await decided('preview', async () => {
    await s.slack.control.submit(ada.id);
    await untilShown(s, 'ada', 'Nothing has been requested yet');
  });
  const id = await decided('request', async () => {
    await s.slack.control.submit(ada.id);
    await untilShown(s, 'ada', 'Requested');
    const id = /g-[a-z2-9]{6}/.exec(JSON.stringify(s.slack.control.modal(ada.id)))?.[0] ?? '';
    await s.until(id, 'approval needed');
    return id;
  });
  await decided('approve, until access is there', async () => {
    await s.press('ben', id, 'approve');
    await s.until(id, 'Active until');
    await s.dm('ada', 'You have access');
  });
  await decided('the requester ends it', async () => {
    await s.slack.control.command(ada.id, 'C0ENGINEER1', '/jit', `revoke ${id}`);
    await s.until(id, 'Revoked');
    await s.dm('ada', 'Revoked');
  });
  await s.slack.control.close(ben.id);
  return calls;
}

async function openForm(s: Stage, person: PersonName): Promise<void> {
  await s.type(person, '');
  await untilShown(s, person, ACTIONS.profile);
}

async function untilShown(s: Stage, person: PersonName, text: string): Promise<void> {
  const { control } = s.slack;
  await control.waitFor(() => JSON.stringify(control.modal(PEOPLE[person].id) ?? '').includes(text), {
    timeout: 15_000,
    what: `the modal of ${person} shows ${text}`,
  });
}

/** Fills in a field of Ada's form. The ids of its blocks begin with what they are for. */
async function fill({ slack: { control } }: Stage, field: string, text: string): Promise<void> {
  const block = control.modal(PEOPLE.ada.id)?.blocks.find(({ block_id = '' }) => block_id.startsWith(field));
  await control.enter(PEOPLE.ada.id, { block_id: block?.block_id ?? field }, text);
}
