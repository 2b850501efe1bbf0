import { setTimeout as sleep } from 'node:timers/promises';
import { inParallel } from '../../src/app/in-parallel.ts';
import type { Api } from '../../src/sandbox/cluster/api.ts';
import { watchBindings } from './bindings.ts';
import { median, ms, type Row } from './figures.ts';
import { bindingOf, openMaker } from './live-grants.ts';
import { onStage } from './stage.ts';

const COUNT = 60;
/** Milliseconds. */
const EVERY = 30_000;
const SPREAD = 60_000;
const BINDINGS = '/apis/rbac.authorization.k8s.io/v1';
const POLLED = 'bench.drawbridge.internal/polled';

/** The same ends, by the bot and by a loop that looks for what is due every half minute. */
export const poll: Row = {
  name: 'poll',
  about: `lateness beside a loop that looks every ${EVERY / 1000} s`,
  run: (say) =>
    onStage({ say }, async (stage) => {
      const maker = await openMaker(stage);
      const grants = await maker.live(COUNT, 3600);
      const { bot } = await stage.startBot();
      const watch = await watchBindings(stage.admin);
      const first = Date.now() + 15_000;
      const ends = grants.map((_, index) => first + (index * SPREAD) / COUNT);
      for (const [index, grant] of grants.entries()) await maker.endAt([grant], ends[index] ?? first);
      const names = grants.map(bindingOf);
      await watch.untilGone(names, SPREAD + 60_000);
      const ours = names.map((name, index) => (watch.gone.get(name) ?? Number.NaN) - (ends[index] ?? Number.NaN));
      say(`poll: ours, worst ${ms(Math.max(...ours))}`);
      watch.stop();
      await bot.stop();
      await maker.close();
      const polled = await byPolling(stage.admin, stage.namespaces);
      return [
        {
          what: 'revocation beside a poll',
          inputs: `${COUNT} grants whose ends are ${SPREAD / COUNT / 1000} s apart; the loop lists RoleBindings every ${EVERY / 1000} s and deletes what is due (the same number, without leases, which would end them first)`,
          ours: `median ${ms(median(ours))}, worst ${ms(Math.max(...ours))}`,
          baseline: `median ${ms(median(polled))}, worst ${ms(Math.max(...polled))} (poll)`,
          ratio: median(ours) / median(polled),
          aim: '',
          met: null,
        },
      ];
    }),
};

interface Polled {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly annotations: Readonly<Record<string, string>>;
  };
}

/** Lateness of each: milliseconds. */
async function byPolling(api: Api, namespaces: readonly string[]): Promise<number[]> {
  const first = Date.now() + 5000;
  const ends = Array.from({ length: COUNT }, (_, index) => first + (index * SPREAD) / COUNT);
  await inParallel(ends, 16, async (end, index) => {
    await api.call('POST', `${BINDINGS}/namespaces/${namespaces[index % namespaces.length]}/rolebindings`, {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'RoleBinding',
      metadata: { name: `polled-${index}`, labels: { [POLLED]: 'yes' }, annotations: { [POLLED]: String(end) } },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' },
      subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: `person-${index}@example.test` }],
    });
  });
  const watch = await watchBindings(api, POLLED);
  while (watch.gone.size < COUNT) {
    const { body } = await api.call('GET', `${BINDINGS}/rolebindings?labelSelector=${encodeURIComponent(POLLED)}`);
    const due = (body as { items: Polled[] }).items.filter(
      ({ metadata }) => Number(metadata.annotations[POLLED]) <= Date.now(),
    );
    for (const { metadata } of due)
      await api.call('DELETE', `${BINDINGS}/namespaces/${metadata.namespace}/rolebindings/${metadata.name}`);
    if (watch.gone.size < COUNT) await sleep(EVERY - (Date.now() % EVERY));
  }
  watch.stop();
  return ends.map((end, index) => (watch.gone.get(`polled-${index}`) ?? Number.NaN) - end);
}
