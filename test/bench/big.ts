import { setTimeout as sleep } from 'node:timers/promises';
import { ACTIONS, MODALS } from '../../src/adapters/slack/surfaces/actions.ts';
import { ACCESS, PEOPLE } from '../../src/sandbox/scenery.ts';
import type { SlackControl } from '../../src/sandbox/slack/control.ts';
import { bigNamespace, type ClusterSize, fillCluster } from '../support/big-cluster.ts';
import { stageOf, textOf } from '../support/e2e.ts';
import { chartLimit, makeMemoryCgroup } from '../support/memory-cgroup.ts';
import { type Figure, median, ms, quantile, type Row } from './figures.ts';
import { memoryOf, mib } from './memory.ts';
import { type BenchStage, onStage } from './stage.ts';

/** Requests that are planned at the same time. */
/** Milliseconds between two previews: each asks Slack for accounts several times, of which it answers a hundred in a minute of ten seconds. */
const BETWEEN = 700;
const AT_ONCE = 4;
/** Two looks of the bot at all that is there: milliseconds. */
const TWO_LOOKS = 65_000;
/** What previews are of, as the form lists it. */
const TARGET = 'deployment/checkout';
/** How often the last step of the form is taken. */
const PREVIEWS = 50;

/** By how many pods there are: of memory, bytes; of a preview, milliseconds (null: none was set). */
const AIMS: readonly { readonly pods: number; readonly memory: number; readonly preview: number | null }[] = [
  { pods: 1000, memory: 160 * 2 ** 20, preview: null },
  { pods: 10_000, memory: 200 * 2 ** 20, preview: 150 },
  { pods: 50_000, memory: 384 * 2 ** 20, preview: 400 },
];
type Aim = (typeof AIMS)[number];

/** Memory of a bot in a big cluster, under the limit of the chart, and how soon a preview is there. */
export const cluster: Row = {
  name: 'cluster',
  about: "memory with 1,000 and 10,000 pods, under the chart's limit, and the form's last step -> preview",
  run: (say) => inSizes(AIMS.slice(0, 2), say),
};

/** The same at the largest size: filling the cluster takes longer than all else. */
export const largestCluster: Row = {
  name: 'cluster-50000',
  about: 'the same with 50,000 pods; only when named',
  run: (say) => inSizes(AIMS.slice(2), say),
};

async function inSizes(aims: readonly Aim[], say: (line: string) => void): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const aim of aims) {
    const size = { pods: aim.pods, large: 0, namespaces: 200, workloads: 1000 };
    figures.push(
      ...(await onStage({ say, namespaces: 0 }, async (stage) =>
        figuresOf(await liveIn(stage, size, { say, settle: true, previews: PREVIEWS }), size, aim, stage),
      )),
    );
  }
  return figures;
}

export interface Lived {
  /** Milliseconds by step, in order. */
  readonly times: ReadonlyMap<string, number>;
  /** Milliseconds from the form's last step until its preview was there. */
  readonly previews: readonly number[];
  /** Bytes. */
  readonly limit: number;
  readonly peak: number;
  /** How often the limit was met. */
  readonly failures: number;
  /** Whether it is the same process still, and ready. */
  readonly alive: boolean;
}

/**
 * A bot of the chart's size, in a cluster of this one: all that it does once, and its requests also at the same time.
 * @param options.settle stays for two looks of the bot at everything
 * @param options.previews how often the form's last step is taken
 */
export async function liveIn(
  stage: BenchStage,
  size: ClusterSize,
  options: { readonly say: (line: string) => void; readonly settle: boolean; readonly previews: number },
): Promise<Lived> {
  const { say, settle } = options;
  const { world } = stage;
  const s = stageOf(world);
  const { control } = world.slack;
  const times = new Map<string, number>();
  const timed = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    const began = performance.now();
    const value = await work();
    times.set(what, performance.now() - began);
    say(`memory: ${what} took ${ms(performance.now() - began)}`);
    return value;
  };
  await timed('making the cluster', () => fillCluster(stage.cluster.adminKubeconfig, size));
  const limit = await chartLimit();
  const cgroup = await makeMemoryCgroup(limit);
  const { bot, readyAfter } = await stage.startBot({}, cgroup.procs);
  const { pid } = bot;
  times.set('start', readyAfter);

  const target = `debug ${world.namespaces.staging}/deploy/checkout 30m`;
  // Who asks before the cluster has been listed is told so, and asks again: with 50,000 pods that takes some seconds.
  await timed('listing the cluster', async () => {
    const early = await s.request(`${target} as soon as it is known`).catch(() => null);
    if (early !== null) await s.type('ada', `revoke ${early}`);
  });
  const id = await timed('plan and request', () => s.request(`${target} to measure`));
  await timed('form', () => openForm(control, bigNamespace(0)));
  await control.close(PEOPLE.ada.id);
  const previews: number[] = [];
  while (previews.length < options.previews) {
    await openForm(control, world.namespaces.staging);
    previews.push(await preview(control));
    await control.close(PEOPLE.ada.id);
    await sleep(BETWEEN);
  }
  await timed('approve and apply', async () => {
    await s.press('ben', id, 'approve');
    await s.dm('ada', new RegExp(id), 60_000);
  });
  await timed(`${AT_ONCE} plans at once`, async () => {
    const reasons = Array.from({ length: AT_ONCE }, (_, index) => `again, the ${index + 1}. of them`);
    await Promise.all(reasons.map((reason) => s.type('ada', `request ${target} ${reason}`)));
    const isAsked = async () => {
      const said = (await control.messages(ACCESS)).map(textOf).join();
      return reasons.every((reason) => said.includes(reason));
    };
    await control.waitFor(isAsked, { timeout: 60_000, what: 'all of them are asked for' });
  });
  await timed('revoke', async () => {
    await s.type('ada', `revoke ${id}`);
    await s.until(id, 'access was confirmed gone', 60_000);
  });
  if (settle) await sleep(TWO_LOOKS);
  const peak = await memoryOf(bot.pid, 'VmHWM');
  const failures = await cgroup.failures();
  const alive = bot.pid === pid && (await bot.ready());
  await bot.stop();
  await cgroup.remove();
  return { times, previews, limit, peak, failures, alive };
}

/** Opens the form as Ada, and chooses profile and namespace. */
async function openForm(control: SlackControl, namespace: string): Promise<void> {
  await control.command(PEOPLE.ada.id, ACCESS, '/jit', '');
  const shown = (label: string) => () =>
    control.modal(PEOPLE.ada.id)?.blocks.some((block) => block.label?.text === label);
  await control.waitFor(() => control.modal(PEOPLE.ada.id)?.callback_id === MODALS.request, {
    timeout: 30_000,
    what: 'the form',
  });
  await control.enter(PEOPLE.ada.id, ACTIONS.profile, 'debug');
  await control.waitFor(shown('Target'), { timeout: 30_000, what: 'the fields of the profile' });
  await control.enter(PEOPLE.ada.id, ACTIONS.namespace, namespace);
}

/** Fills in the rest of the form and submits it; answers how many milliseconds later the preview was there. */
async function preview(control: SlackControl): Promise<number> {
  const isShown = (what: string) => control.waitFor(() => shownTo(control).includes(what), { timeout: 30_000, what });
  const fill = async (field: string, value: string) => {
    const blockId = new RegExp(`"block_id":"(${field}[^"]*)"`).exec(shownTo(control))?.[1] ?? field;
    await control.enter(PEOPLE.ada.id, { block_id: blockId }, value);
  };
  await isShown(ACTIONS.target);
  await fill('target', TARGET);
  await fill('reason', 'to measure');
  const began = performance.now();
  await control.submit(PEOPLE.ada.id);
  await isShown(MODALS.confirm);
  return performance.now() - began;
}

const shownTo = (control: SlackControl): string => JSON.stringify(control.modal(PEOPLE.ada.id) ?? '');

function figuresOf(
  { times, previews, limit, peak, failures }: Lived,
  size: ClusterSize,
  aim: Aim,
  stage: BenchStage,
): Figure[] {
  const steps = [...times].map(([what, took]) => `${what} ${ms(took)}`).join(', ');
  const p99 = quantile(previews, 0.99);
  return [
    {
      what: `cluster, ${size.pods} pods: memory`,
      inputs: `pods of 6 KB, ${size.namespaces} namespaces with a policy each, ${size.workloads} workloads in one; resident at the peak, its start included; Kubernetes ${stage.kubernetes}`,
      ours: mib(peak),
      baseline: '',
      ratio: null,
      aim: `<= ${mib(aim.memory)}`,
      met: peak <= aim.memory,
      note: `${steps}; the chart's limit of ${mib(limit)} was met ${failures} times`,
    },
    {
      what: `plan, ${size.pods} pods: form's last step -> preview`,
      inputs: `the same; a Deployment, ${previews.length} times one after the other`,
      ours: `p99 ${ms(p99)}, median ${ms(median(previews))}`,
      baseline: '',
      ratio: null,
      aim: aim.preview === null ? '' : `p99 <= ${ms(aim.preview)}`,
      met: aim.preview === null ? null : p99 <= aim.preview,
    },
  ];
}
