import { createScheduler as create } from '../../src/adapters/queue/scheduler.ts';
import { crashing } from './crash.ts';
import { holdsBack } from './plants.ts';

export * from '../../src/adapters/queue/scheduler.ts';

export const createScheduler: typeof create = (options) => {
  const scheduler = create(options);
  return {
    ...scheduler,
    async schedule(job, at) {
      const work = () => crashing(`schedule ${job.kind}`, () => scheduler.schedule(job, at));
      if (job.kind !== 'revoke' || at === undefined || !holdsBack(job.id, work)) await work();
    },
  };
};
