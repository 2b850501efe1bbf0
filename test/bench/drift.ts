import { setTimeout as sleep } from 'node:timers/promises';
import type { Grant } from '../../src/domain/grant/grant.ts';
import type { Api } from '../../src/sandbox/cluster/api.ts';
import { type BindingWatch, watchBindings } from './bindings.ts';
import { median, ms, quantile, type Row } from './figures.ts';
import { bindingOf, openMaker } from './live-grants.ts';
import { churnPods } from './pod-churn.ts';
import { type BenchStage, onStage } from './stage.ts';

const LIVE = Number(process.env['BENCH_LIVE'] ?? 10_000);
/** Of each deed. */
const TIMES = 25;
/** Pod events a second. */
const CHURN = 50;
const AIM_MS = 2000;
/** How long it is waited for: milliseconds. A look at all grants, every half minute, would find it by then. */
const PATIENCE = 60_000;
const RBAC = '/apis/rbac.authorization.k8s.io/v1';
const MERGE_PATCH = 'application/merge-patch+json';

/** What somebody does to a grant behind the bot's back; resolves when access by it is gone, or people have been told. */
type Deed = (stage: BenchStage, watch: BindingWatch, grant: Grant) => Promise<void>;

const binding = (grant: Grant) => `${RBAC}/namespaces/${grant.target.namespace}/rolebindings/${bindingOf(grant)}`;

async function must(api: Api, method: string, path: string, body?: unknown, type?: string): Promise<unknown> {
  const answer = await api.call(method, path, body, type);
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body;
}

const gone = (watch: BindingWatch, grant: Grant) => watch.untilGone([bindingOf(grant)], PATIENCE);

const DEEDS: Readonly<Record<string, Deed>> = {
  async deleted({ admin }, watch, grant) {
    await must(admin, 'DELETE', binding(grant).replace('/rolebindings/', '/roles/'));
    await gone(watch, grant);
  },
  async edited({ admin }, watch, grant) {
    const subjects = [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'cy@example.test' }];
    await must(admin, 'PATCH', binding(grant), { subjects }, MERGE_PATCH);
    await gone(watch, grant);
  },
  async orphaned({ admin }, watch, grant) {
    await must(admin, 'PATCH', binding(grant), { metadata: { ownerReferences: null } }, MERGE_PATCH);
    await gone(watch, grant);
  },
  async imitated({ admin, world }, _watch, grant) {
    const { metadata, ...rest } = (await must(admin, 'GET', binding(grant))) as {
      metadata: { name: string; labels: object; annotations: object };
    };
    const name = `${metadata.name}-imitation`;
    const imitation = { ...rest, metadata: { name, labels: metadata.labels, annotations: metadata.annotations } };
    const list = binding(grant).slice(0, -metadata.name.length - 1);
    await must(admin, 'POST', list, imitation);
    const isTold = () =>
      world.slack.control
        .log()
        .some(({ what, detail }) => what === 'chat.postMessage' && JSON.stringify(detail).includes(name));
    await world.slack.control.waitFor(isTold, { timeout: PATIENCE, what: `${name} is told of` });
  },
};

/** How soon it is found what somebody does to the objects of grants, in a cluster that is never quiet. */
export const drift: Row = {
  name: 'drift',
  about: `an object of one of ${LIVE} live grants is deleted, edited, orphaned, imitated -> access gone, or told`,
  run: (say) =>
    onStage({ say }, async (stage) => {
      const maker = await openMaker(stage);
      const grants = await maker.live(LIVE, 4 * 3600);
      say(`drift: ${LIVE} grants made`);
      // Only these have a Role.
      const untouched = grants.filter(({ plan }) => plan.role === null);
      const { bot } = await stage.startBot();
      const watch = await watchBindings(stage.admin);
      const churn = await churnPods(stage.admin, stage.namespaces, CHURN);
      const late = new Map<string, number[]>();
      for (let time = 0; time < TIMES; time++)
        for (const [what, deed] of Object.entries(DEEDS)) {
          const grant = untouched.pop();
          if (grant === undefined) throw new Error(`of ${LIVE} live grants too few are on a Deployment`);
          const began = performance.now();
          await deed(stage, watch, grant);
          late.set(what, [...(late.get(what) ?? []), performance.now() - began]);
          await sleep(100);
        }
      for (const [what, of] of late) say(`drift: ${what}: median ${ms(median(of))}, worst ${ms(Math.max(...of))}`);
      const rate = await churn.stop();
      watch.stop();
      await bot.stop();
      await maker.close();
      const all = [...late.values()].flat();
      const p99 = quantile(all, 0.99);
      return [
        {
          what: 'drift -> access gone, or told',
          inputs: `${LIVE} live grants; ${TIMES} times a Role deleted, a RoleBinding edited, orphaned, imitated, one after the other; ${rate.toFixed(0)} pod events a second; Kubernetes ${stage.kubernetes}`,
          ours: `p99 ${ms(p99)}, median ${ms(median(all))}, worst ${ms(Math.max(...all))}`,
          baseline: '',
          ratio: null,
          aim: `p99 <= ${ms(AIM_MS)}`,
          met: p99 <= AIM_MS,
          note: [...late].map(([what, of]) => `${what} ${ms(median(of))}, worst ${ms(Math.max(...of))}`).join('; '),
        },
      ];
    }),
};
