import { describe, expect, it } from 'vitest';
import { createAlarms } from '../../../../src/app/common/alarms.ts';
import type { AuditEntry } from '../../../../src/app/ports/audit.ts';
import { Unavailable } from '../../../../src/domain/errors.ts';
import { appWorld, PEOPLE } from '../../../support/app-world.ts';
import { oneCluster } from '../../../support/clusters.ts';
import { manualClock, memoryScheduler } from '../../../support/memory.ts';

/** Alarms over a queue that fails when the test says so. */
function world() {
  const clock = manualClock();
  const queue = memoryScheduler(clock);
  const audit: AuditEntry[] = [];
  let isAway = false;
  const reach = async <T>(work: () => Promise<T>): Promise<T> => {
    if (isAway) throw new Unavailable('Redis', 'the queue failed');
    return work();
  };
  const replica = () =>
    createAlarms({
      clock,
      audit: { record: async (entry) => void audit.push(entry) },
      scheduler: {
        scheduleOnce: (job, key, seconds) => reach(() => queue.scheduleOnce(job, key, seconds)),
        forget: (key) => reach(() => queue.forget(key)),
      },
    });
  return {
    clock,
    replica,
    audit,
    away: (is: boolean) => {
      isAway = is;
    },
    /** What was queued since the last time. */
    told() {
      const texts: string[] = [];
      for (let job = queue.takeDue(); job !== null; job = queue.takeDue())
        if (job.kind === 'alarm') texts.push(job.text);
      return texts;
    },
  };
}

describe('an alarm', () => {
  it('is told once an hour by all replicas together, and is in the audit as often', async () => {
    const { replica, told, audit, clock } = world();
    const [one, two] = [replica(), replica()];
    await Promise.all([one, two, one].map((alarms) => alarms.raise('late', 'g-7k3fq2', 'late')));
    expect(told()).toEqual(['late']);
    clock.pass(3599);
    await two.raise('late', 'g-7k3fq2', 'late');
    expect(told()).toEqual([]);
    clock.pass(1);
    await two.raise('late', 'g-7k3fq2', 'late');
    expect(told()).toEqual(['late']);
    expect(audit.map(({ event, id, note }) => [event, id, note])).toEqual(
      Array.from({ length: 2 }, () => ['alarm', 'g-7k3fq2', 'late']),
    );
  });

  it('that the queue did not take is told when the queue is back, once', async () => {
    const { replica, told, audit, away } = world();
    const alarms = replica();
    away(true);
    await alarms.raise('late', null, 'late');
    await alarms.raise('seal', null, 'seal');
    await alarms.settle();
    away(false);
    expect([told(), audit]).toEqual([[], []]);
    await alarms.settle();
    await alarms.settle();
    expect(told().toSorted()).toEqual(['late', 'seal']);
    expect(audit).toHaveLength(2);
    await alarms.raise('late', null, 'late');
    expect(told()).toEqual([]);
  });

  it('that is over is told anew when it comes again, also when that was to be noted while the queue was away', async () => {
    const { replica, told, away } = world();
    const alarms = replica();
    await alarms.raise('policy', null, 'bad');
    away(true);
    await alarms.over('policy');
    away(false);
    await alarms.settle();
    await alarms.raise('policy', null, 'bad again');
    expect(told()).toEqual(['bad', 'bad again']);
  });

  it('that is over before the queue took it is not told any more', async () => {
    const { replica, told, away } = world();
    const alarms = replica();
    away(true);
    await alarms.raise('policy', null, 'bad');
    await alarms.over('policy');
    away(false);
    await alarms.settle();
    expect(told()).toEqual([]);
  });

  it('keeps no more than can be read while the queue is away', async () => {
    const { replica, told, away } = world();
    const alarms = replica();
    away(true);
    for (let i = 0; i < 1010; i++) await alarms.raise(`${i}`, null, `${i}`);
    await alarms.raise('3', null, '3 in other words');
    away(false);
    await alarms.settle();
    const texts = told();
    expect(texts).toHaveLength(1000);
    expect(texts).toContain('3 in other words');
  });
});

describe('while the queue takes nothing', () => {
  it('an object that was changed loses its rights all the same, and administrators are told afterwards', async () => {
    const at = appWorld();
    const { world: w } = at;
    const { grant } = await at.request();
    await at.run();
    await at.useCases.review(PEOPLE.ben, grant.id, 'approve', '', await at.seen(grant.id));
    await at.run();
    expect(at.cluster.hasRights(grant.id)).toBe(true);
    const failing = { ...w.scheduler };
    const queue = { isAway: true };
    failing.scheduleOnce = async (...args) => {
      if (queue.isAway) throw new Unavailable('Redis', 'the queue failed');
      return w.scheduler.scheduleOnce(...args);
    };
    const alarms = createAlarms({ ...w, scheduler: failing });
    const found = await at.cluster.access.found();
    const changed = {
      ...at.cluster.access,
      found: async () => found.map((o) => ({ ...o, sealed: o.kind !== 'RoleBinding' })),
    };
    await at.reconcile({ ...w, clusters: oneCluster(changed), alarms });
    expect(at.cluster.hasRights(grant.id)).toBe(false);
    await at.run();
    expect((await at.grant(grant.id)).state).toBe('failed');
    expect(at.alarms).toEqual([]);
    queue.isAway = false;
    await alarms.settle();
    await at.run();
    expect(at.alarms).toContainEqual(expect.stringContaining('was changed behind'));
  });
});
