import { setTimeout as sleep } from 'node:timers/promises';
import type { Api } from '../../src/sandbox/cluster/api.ts';
import { watchBindings } from './bindings.ts';
import { type Figure, median, ms, type Row } from './figures.ts';
import { bindingOf, openMaker } from './live-grants.ts';
import { onStage } from './stage.ts';

const COUNTS = [1, 100, 300];

/** What Kubernetes does alone: leases that end together while no bot runs. */
export const leases: Row = {
  name: 'leases',
  about: `${COUNTS.join(', ')} leases end together, and no bot runs`,
  run: (say) =>
    onStage({ say }, async (stage) => {
      const maker = await openMaker(stage);
      const watch = await watchBindings(stage.admin);
      const figures: Figure[] = [];
      for (const count of COUNTS) {
        const grants = await maker.live(count, 3600);
        await untilStarted(stage.admin);
        const due = await maker.endTogether(grants);
        const names = grants.map(bindingOf);
        await watch.untilGone(names, 600_000);
        const late = names.map((name) => (watch.gone.get(name) ?? Number.NaN) - due);
        say(`leases: ${count} gone after ${ms(Math.max(...late))}`);
        figures.push({
          what: `leases alone, ${count}`,
          inputs: `${count} grants due at the same instant, bot stopped; Kubernetes ${stage.kubernetes}, its controllers' limits as by default`,
          ours: `median ${ms(median(late))}, worst ${ms(Math.max(...late))}`,
          baseline: '',
          ratio: null,
          aim: '',
          met: null,
        });
      }
      watch.stop();
      await maker.close();
      return figures;
    }),
};

/** Waits until the Job controller has begun every lease: the deadline counts from then. */
async function untilStarted(api: Api): Promise<void> {
  for (;;) {
    const { body } = await api.call('GET', '/apis/batch/v1/jobs?labelSelector=app.kubernetes.io/managed-by=drawbridge');
    const { items } = body as { items: { status?: { startTime?: string } }[] };
    if (items.every(({ status }) => status?.startTime !== undefined)) return;
    await sleep(500);
  }
}
