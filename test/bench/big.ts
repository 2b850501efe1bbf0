import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { parse } from 'yaml';
import { ACTIONS, MODALS } from '../../src/adapters/slack/actions.ts';
import { ACCESS, PEOPLE } from '../../src/sandbox/scenery.ts';
import { bigNamespace, type ClusterSize, fillCluster, INHABITED } from '../support/big-cluster.ts';
import { stageOf, textOf } from '../support/e2e.ts';
import { makeMemoryCgroup } from '../support/memory-cgroup.ts';
import { type Figure, ms, type Row } from './figures.ts';
import { memoryOf, mib } from './memory.ts';
import { type BenchStage, onStage } from './stage.ts';

const SIZE: ClusterSize = {
  pods: Number(process.env['BENCH_PODS'] ?? 10_000),
  large: Number(process.env['BENCH_LARGE_PODS'] ?? 100),
  namespaces: Number(process.env['BENCH_NAMESPACES'] ?? 2000),
  workloads: Number(process.env['BENCH_WORKLOADS'] ?? 5000),
};
/** Requests that are planned at the same time. */
const AT_ONCE = 4;
/** Two looks of the bot at all that is there: milliseconds. */
const TWO_LOOKS = 65_000;
const LONGEST_STALL = 0.2;

/** Memory of a bot in a big cluster, under the limit of the chart. */
export const memory: Row = {
  name: 'memory',
  about: `plan, form, apply, revoke and reconcile with ${SIZE.pods} pods, under the chart's memory limit`,
  run: (say) =>
    onStage({ say, namespaces: 0 }, async (stage) =>
      figuresOf(await liveIn(stage, SIZE, { say, settle: true }), SIZE, stage),
    ),
};

export interface Lived {
  /** Milliseconds by step, in order. */
  readonly times: ReadonlyMap<string, number>;
  /** Bytes. */
  readonly limit: number;
  readonly peak: number;
  /** How often the limit was met. */
  readonly failures: number;
  /** Seconds in which nothing else could run, at the most. */
  readonly stall: number;
  /** Whether it is the same process still, and ready. */
  readonly alive: boolean;
}

/** The memory limit of the chart: bytes. */
async function chartLimit(): Promise<number> {
  const file = new URL('../../helm/drawbridge/values.yaml', import.meta.url);
  const { resources } = parse(await readFile(file, 'utf8')) as { resources: { limits: { memory: string } } };
  const mebibytes = /^(\d+)Mi$/.exec(resources.limits.memory)?.[1];
  if (mebibytes === undefined) throw new Error(`the chart's limit is ${resources.limits.memory}`);
  return Number(mebibytes) * 2 ** 20;
}

/**
 * A bot of the chart's size, in a cluster of this one: all that it does once, and its requests also at the same time.
 * @param options.settle stays for two looks of the bot at everything
 */
export async function liveIn(
  stage: BenchStage,
  size: ClusterSize,
  { say, settle }: { readonly say: (line: string) => void; readonly settle: boolean },
): Promise<Lived> {
  const { world, cluster } = stage;
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
  await timed('making the cluster', () => fillCluster(cluster.adminKubeconfig, size));
  const limit = await chartLimit();
  const cgroup = await makeMemoryCgroup(limit);
  const { bot, readyAfter } = await stage.startBot({}, cgroup.procs);
  const { pid } = bot;
  times.set('start', readyAfter);

  const target = `debug ${world.namespaces.staging}/deploy/checkout 30m`;
  const id = await timed('plan and request', () => s.request(`${target} to measure`));
  await timed('form', async () => {
    await control.command(PEOPLE.ada.id, ACCESS, '/jit', '');
    const shown = (label: string) => () =>
      control.modal(PEOPLE.ada.id)?.blocks.some((block) => block.label?.text === label);
    await control.waitFor(() => control.modal(PEOPLE.ada.id)?.callback_id === MODALS.request, {
      timeout: 30_000,
      what: 'the form',
    });
    await control.enter(PEOPLE.ada.id, ACTIONS.profile, 'debug');
    await control.waitFor(shown('Target'), { timeout: 30_000, what: 'the fields of the profile' });
    await control.enter(PEOPLE.ada.id, ACTIONS.namespace, bigNamespace(0));
  });
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
  const metrics = await (await fetch(`${bot.opsUrl}/metrics`)).text();
  const stall = Number(/^drawbridge_event_loop_delay_seconds\{quantile="1"\} (\S+)$/m.exec(metrics)?.[1]);
  const peak = await memoryOf(bot.pid, 'VmHWM');
  const failures = await cgroup.failures();
  const alive = bot.pid === pid && (await bot.ready());
  await bot.stop();
  await cgroup.remove();
  return { times, limit, peak, failures, stall, alive };
}

function figuresOf({ times, limit, peak, failures, stall }: Lived, size: ClusterSize, stage: BenchStage): Figure[] {
  const inputs = `${size.pods} pods of 6 KB and ${size.large} of 1.4 MB, ${size.namespaces} namespaces (${INHABITED} of them with pods and a policy), ${size.workloads} workloads in one; Kubernetes ${stage.kubernetes}`;
  const steps = [...times].map(([what, took]) => `${what} ${ms(took)}`).join(', ');
  return [
    {
      what: 'memory in a big cluster',
      inputs,
      ours: `${mib(peak)} resident at the peak`,
      baseline: `${mib(limit)} (the chart's limit)`,
      ratio: peak / limit,
      aim: '< 1',
      met: peak < limit,
      note: `${steps}; the limit was met ${failures} times`,
    },
    {
      what: 'longest stall in a big cluster',
      inputs: 'the same',
      ours: ms(stall * 1000),
      baseline: '–',
      ratio: null,
      aim: `<= ${ms(LONGEST_STALL * 1000)}`,
      met: stall <= LONGEST_STALL,
    },
  ];
}
