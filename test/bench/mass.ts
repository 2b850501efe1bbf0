import { inParallel } from '../../src/app/in-parallel.ts';
import { watchBindings } from './bindings.ts';
import { callsOf, kindsOf } from './calls.ts';
import { ms, quantile, type Row } from './figures.ts';
import { bindingOf, openMaker } from './live-grants.ts';
import { type BenchStage, onStage } from './stage.ts';

const COUNT = Number(process.env['BENCH_MASS'] ?? 1000);
const AIM = 1.25;
const WIDTHS = [8, 16, 32, 64, 128];

/** How long it takes until all rights are gone that end in the same second, beside deleting as many RoleBindings bare. */
export const mass: Row = {
  name: 'mass',
  about: `${COUNT} grants end in the same second: until all rights are gone`,
  run: (say) =>
    onStage({ say }, async (stage) => {
      const maker = await openMaker(stage);
      const grants = await maker.live(COUNT, 4 * 3600);
      say(`mass: ${COUNT} grants made`);
      const { bot } = await stage.startBot();
      const watch = await watchBindings(stage.admin);
      const due = await maker.endTogether(grants);
      const names = grants.map(bindingOf);
      await watch.untilGone(names, 300_000);
      const late = names.map((name) => (watch.gone.get(name) ?? Number.NaN) - due);
      const ours = Math.max(...late);
      say(`mass: all gone after ${ms(ours)}`);
      const calls = await callsOf(stage.cluster.auditLogPath, stage.botUser, due, due + ours);
      await bot.stop();
      watch.stop();
      await maker.close();

      const bare: [width: number, took: number][] = [];
      for (const width of WIDTHS) {
        bare.push([width, await deleteBare(stage, width)]);
        say(`mass: ${COUNT} bare deletions, ${width} at once: ${ms(bare.at(-1)?.[1] ?? 0)}`);
      }
      const [width, best] = bare.toSorted((a, b) => a[1] - b[1])[0] ?? [0, Number.NaN];
      return [
        {
          what: 'mass expiry -> all rights gone',
          inputs: `${COUNT} live grants (half view, half debug; ${stage.namespaces.length} namespaces), all due at the same instant; Kubernetes ${stage.kubernetes}`,
          ours: ms(ours),
          baseline: `${ms(best)} (${COUNT} deletions, ${width} at once, the best of ${WIDTHS.join(', ')})`,
          ratio: ours / best,
          aim: `<= ${AIM}x`,
          met: ours / best <= AIM,
          note: `half were gone after ${ms(quantile(late, 0.5))}, 99 of 100 after ${ms(quantile(late, 0.99))}; their leases end one to two seconds after them and help the bot then; the bot made ${calls.length} calls meanwhile (${kindsOf(calls, 6)})`,
        },
      ];
    }),
};

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
