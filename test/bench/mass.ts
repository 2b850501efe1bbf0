import { setTimeout as sleep } from 'node:timers/promises';
import { inParallel } from '../../src/app/common/in-parallel.ts';
import type { Api } from '../../src/sandbox/cluster/api.ts';
import { watchBindings } from './bindings.ts';
import { type Call, callsOf, kindsOf } from './calls.ts';
import { median, ms, PAIRS, quantile, type Row, ratioOf } from './figures.ts';
import { bindingOf, openMaker } from './live-grants.ts';
import { type BenchStage, onStage } from './stage.ts';

const COUNT = Number(process.env['BENCH_MASS'] ?? 1000);
const AIM = 1.15;
const WIDTHS = [8, 16, 32, 64, 128];

/** How long it takes until all rights are gone that end in the same second, beside deleting as many RoleBindings bare. */
export const mass: Row = {
  name: 'mass',
  about: `${COUNT} grants end in the same second: until all rights are gone`,
  run: (say) =>
    onStage({ say }, async (stage) => {
      const maker = await openMaker(stage);
      const widths: { width: number; took: number }[] = [];
      for (const width of WIDTHS) widths.push({ width, took: await deleteBare(stage, width) });
      const { width: best = 0 } = widths.toSorted((a, b) => a.took - b.took)[0] ?? {};
      say(
        `mass: ${COUNT} bare deletions: ${widths.map(({ width, took }) => `${width} at once ${ms(took)}`).join(', ')}`,
      );
      // Before the bot is there: it would adopt one whose objects it hears of sooner than it is recorded.
      const grants = await maker.live(COUNT * PAIRS, 4 * 3600);
      say(`mass: ${grants.length} grants made`);
      const { bot } = await stage.startBot();
      const watch = await watchBindings(stage.admin);
      const pairs: { ours: number; bare: number }[] = [];
      let late: number[] = [];
      let calls: Call[] = [];
      for (let pair = 1; pair <= PAIRS; pair++) {
        const ending = grants.slice((pair - 1) * COUNT, pair * COUNT);
        const due = await maker.endTogether(ending);
        const names = ending.map(bindingOf);
        await watch.untilGone(names, 300_000);
        late = names.map((name) => (watch.gone.get(name) ?? Number.NaN) - due);
        calls = await callsOf(stage.cluster.auditLogPath, stage.botUser, due, due + Math.max(...late));
        // What follows an end (Slack, workspaces, leases) is no part of the baseline.
        await untilCollected(stage.admin, names);
        pairs.push({ ours: Math.max(...late), bare: await deleteBare(stage, best) });
        say(`mass: pair ${pair}: ours ${ms(pairs.at(-1)?.ours ?? 0)}, bare ${ms(pairs.at(-1)?.bare ?? 0)}`);
      }
      watch.stop();
      await bot.stop();
      await maker.close();
      const ratio = ratioOf(pairs);
      return [
        {
          what: 'mass expiry -> all rights gone',
          inputs: `${COUNT * PAIRS} live grants (half view, half debug; ${stage.namespaces.length} namespaces), of which ${PAIRS} times ${COUNT} are due at the same instant; Kubernetes ${stage.kubernetes}`,
          ours: ms(median(pairs.map(({ ours }) => ours))),
          baseline: `${ms(median(pairs.map(({ bare }) => bare)))} (${COUNT} deletions, ${best} at once, the best of ${WIDTHS.join(', ')})`,
          ratio,
          aim: `<= ${AIM}x`,
          met: ratio.median <= AIM,
          note: `the last time half were gone after ${ms(quantile(late, 0.5))}, 99 of 100 after ${ms(quantile(late, 0.99))}; their leases end one to two seconds after them and help the bot then; the bot made ${calls.length} calls meanwhile (${kindsOf(calls, 6)})`,
        },
      ];
    }),
};

/** Waits until the leases of these grants are gone: nothing is left to do for them. */
async function untilCollected(api: Api, names: readonly string[]): Promise<void> {
  const ended = new Set(names);
  for (;;) {
    const { body } = await api.call('GET', '/apis/batch/v1/jobs?labelSelector=app.kubernetes.io/managed-by=drawbridge');
    const { items } = body as { items: { metadata: { name: string } }[] };
    if (!items.some(({ metadata }) => ended.has(metadata.name))) return;
    await sleep(1000);
  }
}

/** Deletes as many RoleBindings that nobody else knows: milliseconds from the first call to the last answer. */
async function deleteBare({ admin, namespaces }: BenchStage, width: number): Promise<number> {
  const paths = Array.from({ length: COUNT }, (_, index) => {
    const namespace = namespaces[index % namespaces.length];
    return { list: `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}/rolebindings`, name: `bare-${index}` };
  });
  await inParallel(paths, 32, async ({ list, name }, index) => {
    const { status } = await admin.call('POST', list, {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'RoleBinding',
      metadata: { name },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' },
      subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: `person-${index}@example.test` }],
    });
    if (status !== 201) throw new Error(`POST ${list}: ${status}`);
  });
  const began = performance.now();
  await inParallel(paths, width, async ({ list, name }) => {
    const { status } = await admin.call('DELETE', `${list}/${name}`);
    if (status !== 200) throw new Error(`DELETE ${list}/${name}: ${status}`);
  });
  return performance.now() - began;
}
