import { ACTIONS } from '../../src/adapters/slack/surfaces/actions.ts';
import { newGrantId } from '../../src/domain/ids.ts';
import { type Api, openApi } from '../../src/sandbox/cluster/api.ts';
import { ACCESS, PEOPLE } from '../../src/sandbox/scenery.ts';
import { stageOf } from '../support/e2e.ts';
import { type Access, type BindingWatch, untilAllowed, watchBindings } from './bindings.ts';
import { type Call, callsOf, requestOf } from './calls.ts';
import { type Figure, median, ms, PAIRS, type Row, ratioOf } from './figures.ts';
import { type BenchStage, onStage } from './stage.ts';

/** Of each pair; the first ones of a bot that has just begun do not count. */
const RUNS = 5;
const WARMING = 3;
const AIM = 1.5;

interface Run {
  readonly id: string;
  readonly access: Access;
  /** Slack sent the click -> the API server allows the person: milliseconds. */
  readonly ours: number;
  /** When Slack sent it. */
  readonly from: number;
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
  const api = await openApi(world.settings['KUBECONFIG'] ?? '');
  const runs: Run[] = [];
  const bare: number[] = [];
  const pairs: { ours: number; bare: number }[] = [];
  for (let pair = 1; pair <= PAIRS; pair++) {
    const { bot } = await stage.startBot();
    for (let run = 0; run < WARMING; run++) await approveOnce(stage, watch, line, access);
    const timed: Awaited<ReturnType<typeof approveOnce>>[] = [];
    for (let run = 0; run < RUNS; run++) timed.push(await approveOnce(stage, watch, line, access));
    // It would judge what is made again as the work of somebody else.
    await bot.stop();
    const mine: Run[] = [];
    for (const { to, ...run } of timed)
      mine.push({
        ...run,
        calls: (await callsOf(cluster.auditLogPath, stage.botUser, run.from, to)).filter(isOfGrant),
      });
    const calm: number[] = [];
    for (const run of mine) calm.push(await replay(run, api, admin, watch));
    pairs.push({ ours: median(mine.map(({ ours }) => ours)), bare: median(calm) });
    say(`approve ${profile}: pair ${pair}: ours ${ms(pairs.at(-1)?.ours ?? 0)}, bare ${ms(pairs.at(-1)?.bare ?? 0)}`);
    runs.push(...mine);
    bare.push(...calm);
  }
  api.close();
  watch.stop();

  const ours = runs.map((run) => run.ours);
  const counts = runs.map(({ calls }) => calls.length);
  const typical = runs.find((run) => run.ours === median(ours));
  for (const [index, call] of (typical?.calls ?? []).entries())
    say(
      `approve ${profile}: ${index + 1}. +${ms(call.at - (typical?.from ?? 0))}, took ${ms(call.done - call.at)}: ${call.verb} ${decodeURIComponent(call.uri)}`,
    );
  const spent = (typical?.calls ?? []).reduce((sum, call) => sum + call.done - call.at, 0);
  const ratio = ratioOf(pairs);
  return {
    what: `Approve -> allowed, ${profile}`,
    inputs: `${PAIRS} times ${RUNS} runs, one after the other, ${isWorkload ? 'a Deployment of 2 pods' : 'a namespace'}, no other grant; Kubernetes ${stage.kubernetes}`,
    ours: `median ${ms(median(ours))}, worst ${ms(Math.max(...ours))}`,
    baseline: `median ${ms(median(bare))}, worst ${ms(Math.max(...bare))} (the same calls in sequence)`,
    ratio,
    aim: `<= ${AIM}x`,
    met: ratio.median <= AIM,
    note: `${median(counts)} calls of the API server before it allows (${Math.min(...counts)} to ${Math.max(...counts)}); in the run of the median the API server worked on them for ${ms(spent)}, some side by side`,
  };
}

/** What is watched, and listed for it, is no part of this. */
const isOfGrant = ({ uri, verb }: Call) =>
  uri.startsWith('/api') &&
  verb !== 'watch' &&
  !/labelSelector=drawbridge\.internal%2Finstance%3D[^%&]+(&|$)/.test(uri);

async function approveOnce(
  stage: BenchStage,
  watch: BindingWatch,
  line: string,
  access: Access,
): Promise<Omit<Run, 'calls'> & { readonly to: number }> {
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
