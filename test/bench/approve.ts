import { ACTIONS } from '../../src/adapters/slack/actions.ts';
import { newGrantId } from '../../src/domain/ids.ts';
import { type Api, openApi } from '../../src/sandbox/cluster/api.ts';
import { ACCESS, PEOPLE } from '../../src/sandbox/scenery.ts';
import { stageOf } from '../support/e2e.ts';
import { type Access, type BindingWatch, untilAllowed, watchBindings } from './bindings.ts';
import { type Call, callsOf, requestOf } from './calls.ts';
import { type Figure, median, ms, type Row } from './figures.ts';
import { type BenchStage, onStage } from './stage.ts';

const RUNS = 15;
const AIM = 1.5;

interface Run {
  readonly id: string;
  readonly access: Access;
  /** Slack sent the click -> the API server allows the person: milliseconds. */
  readonly ours: number;
  /** What the bot called in that time. */
  readonly calls: readonly Call[];
}

/** From the click on Approve until the API server lets the person, beside the same calls of the API server one after the other. */
export const approve: Row = {
  name: 'approve',
  about: 'click on Approve -> the API server allows the person',
  run: (say) =>
    onStage({ say, bodies: true, namespaces: 0 }, async (stage) => {
      const figures: Figure[] = [];
      for (const [profile, pods] of [
        ['debug', true],
        ['view', false],
      ] as const)
        figures.push(await measure(stage, profile, pods, say));
      return figures;
    }),
};

async function measure(
  stage: BenchStage,
  profile: string,
  isWorkload: boolean,
  say: (line: string) => void,
): Promise<Figure> {
  const { world, admin, cluster } = stage;
  const { staging } = world.namespaces;
  const { bot } = await stage.startBot();
  const watch = await watchBindings(admin);
  const [pod = ''] = await world.podsOf(staging, 'checkout');
  const access: Access = {
    user: PEOPLE.ada.user,
    namespace: staging,
    verb: 'get',
    resource: 'pods',
    ...(isWorkload ? { name: pod } : {}),
  };
  const line = `${profile} ${staging}${isWorkload ? '/deploy/checkout' : ''} 30m to measure`;
  const timed: (Omit<Run, 'calls'> & { from: number; to: number })[] = [];
  for (let run = 0; run < RUNS; run += 1) timed.push(await approveOnce(stage, watch, line, access));
  await bot.stop();
  const runs: Run[] = [];
  for (const { from, to, ...run } of timed)
    runs.push({ ...run, calls: (await callsOf(cluster.auditLogPath, stage.botUser, from, to)).filter(isOfGrant) });

  const api = await openApi(world.settings['KUBECONFIG'] ?? '');
  const bare: number[] = [];
  for (const run of runs) bare.push(await replay(run, api, admin, watch));
  api.close();
  watch.stop();

  const [ours, calm] = [runs.map((run) => run.ours), median(bare)];
  const typical = runs.find((run) => run.ours === median(ours)) ?? runs[0];
  const calls = typical?.calls ?? [];
  for (const [index, call] of calls.entries())
    say(
      `approve ${profile}: ${index + 1}. +${ms(call.at - (timed.find(({ id }) => id === typical?.id)?.from ?? 0))}, took ${ms(call.done - call.at)}: ${call.verb} ${decodeURIComponent(call.uri)}`,
    );
  const spent = calls.reduce((sum, call) => sum + call.done - call.at, 0);
  return {
    what: `Approve -> allowed, ${profile}`,
    inputs: `${RUNS} runs, one after the other, ${isWorkload ? 'a Deployment of 2 pods' : 'a namespace'}, no other grant; Kubernetes ${stage.kubernetes}`,
    ours: `median ${ms(median(ours))}, worst ${ms(Math.max(...ours))}`,
    baseline: `median ${ms(calm)}, worst ${ms(Math.max(...bare))} (the same calls in sequence)`,
    ratio: median(ours) / calm,
    aim: `<= ${AIM}x`,
    met: median(ours) / calm <= AIM,
    note: `${calls.length} calls of the API server before it allows (${Math.min(...runs.map((run) => run.calls.length))} to ${Math.max(...runs.map((run) => run.calls.length))}); in the run of the median the API server worked on them for ${ms(spent)}, some side by side`,
  };
}

/** Reconcile looks at everything twice a minute: no part of this. */
const isOfGrant = ({ uri }: Call) =>
  uri.startsWith('/api') && !/labelSelector=drawbridge\.internal%2Finstance%3D[^%&]+(&|$)/.test(uri);

async function approveOnce(
  stage: BenchStage,
  watch: BindingWatch,
  line: string,
  access: Access,
): Promise<Omit<Run, 'calls'> & { from: number; to: number }> {
  const s = stageOf(stage.world);
  const { control } = stage.world.slack;
  const id = await s.request(line);
  const { channel, ts } = await s.message(id);
  const name = `drawbridge-${id}`;
  await control.click(PEOPLE.ben.id, channel, ts, ACTIONS.approve);
  const sent = control.log().findLast(({ what }) => what === 'interactive')?.at ?? Number.NaN;
  await control.waitFor(() => watch.added.has(name), { timeout: 30_000, what: `the RoleBinding of ${id}` });
  const allowed = await untilAllowed(stage.admin, access, true, 0);
  await s.dm('ada', new RegExp(id));
  await control.command(PEOPLE.ada.id, ACCESS, '/jit', `revoke ${id}`);
  await watch.untilGone([name], 30_000);
  await untilAllowed(stage.admin, access, false, 5);
  await s.until(id, 'access was confirmed gone', 60_000);
  return { id, access, ours: allowed - sent, from: sent, to: allowed };
}

/** Makes the calls of a run again, one after the other, for a grant of another id, until the API server allows; and cleans up. */
async function replay(run: Run, api: Api, admin: Api, watch: BindingWatch): Promise<number> {
  const id = newGrantId();
  const binding = run.calls.findIndex(({ verb, uri }) => verb === 'patch' && uri.includes('/rolebindings/'));
  const calls = run.calls.slice(0, binding + 1);
  const oldLease = JSON.stringify(calls[binding]?.body).match(/"kind":"Job"[^}]*"uid":"([^"]+)"/)?.[1] ?? '';
  let lease = oldLease;
  const renamed = (text: string) => text.replaceAll(run.id, id).replaceAll(oldLease, lease);
  const began = Date.now();
  for (const call of calls) {
    const { method, contentType } = requestOf(call);
    const body = call.body === undefined ? undefined : JSON.parse(renamed(JSON.stringify(call.body)));
    const { status, body: answer } = await api.call(method, renamed(call.uri), body, contentType);
    if (status >= 300 && status !== call.status)
      throw new Error(`${method} ${call.uri}: ${status} ${JSON.stringify(answer)}`);
    const made = answer as { kind?: string; metadata?: { name?: string; uid?: string } };
    if (made.metadata?.name === `drawbridge-${id}` && call.uri.includes('/jobs/')) lease = made.metadata.uid ?? lease;
  }
  const name = `drawbridge-${id}`;
  const allowed = await untilAllowed(admin, run.access, true, 0);
  const jobs = `/apis/batch/v1/namespaces/${run.access.namespace}/jobs/${name}`;
  await admin.call('DELETE', `${jobs}?propagationPolicy=Background`);
  await watch.untilGone([name], 30_000);
  await untilAllowed(admin, run.access, false, 5);
  return allowed - began;
}
