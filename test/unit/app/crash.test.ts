import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createAlarms } from '../../../src/app/common/alarms.ts';
import { createUseCases } from '../../../src/app/create-use-cases.ts';
import type { World } from '../../../src/app/ports/world.ts';
import { createDueRights } from '../../../src/app/upkeep/end-due.ts';
import { hasEnded } from '../../../src/domain/grant/grant.ts';
import { appWorld, PEOPLE } from '../../support/app-world.ts';
import { oneCluster } from '../../support/clusters.ts';

/** The same world, in a process that dies at its n-th call to the outside, before or after that call took effect. Nothing runs after that. */
function mortal(world: World, diesAt: number, after: boolean): { world: World; dead: () => boolean } {
  let calls = 0;
  const wrap = <T extends object>(port: T): T =>
    new Proxy(port, {
      get(target, name, receiver) {
        const member: unknown = Reflect.get(target, name, receiver);
        if (typeof member !== 'function' || name === 'objectsOf' || name === 'entrance') return member;
        const call = member as (...args: unknown[]) => unknown;
        const begin = () => {
          calls += 1;
          if (calls > diesAt || (calls === diesAt && !after)) throw new Error('the process is dead');
        };
        const end = () => {
          if (calls >= diesAt) throw new Error('the process is dead');
        };
        if (name === 'summaries')
          return async function* (...args: unknown[]) {
            begin();
            for await (const portion of call.apply(target, args) as AsyncIterable<unknown>) {
              end();
              yield portion;
            }
          };
        return async (...args: unknown[]) => {
          begin();
          const result: unknown = await call.apply(target, args);
          end();
          return result;
        };
      },
    });
  const [scheduler, audit] = [wrap(world.scheduler), wrap(world.audit)];
  return {
    world: {
      ...world,
      store: wrap(world.store),
      scheduler,
      clusters: oneCluster(wrap(world.clusters.of({ cluster: null }))),
      audit,
      notifier: wrap(world.notifier),
      alarms: createAlarms({ ...world, scheduler, audit }),
    },
    dead: () => calls >= diesAt,
  };
}

const act = fc.constantFrom('run', 'run', 'cut', 'revoke', 'extend', 'approve', 'deny', 'pass', 'reconcile');

test('wherever the process dies, rights are only ever held within an approved window, and everything ends', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({
          act,
          diesAt: fc.integer({ min: 1, max: 40 }),
          after: fc.boolean(),
          lose: fc.integer({ min: 0, max: 9 }),
        }),
        { maxLength: 8 },
      ),
      async (steps) => {
        const app = appWorld();
        const { grant } = await app.request();
        await app.run();
        const { id } = grant;
        let lost = false;
        for (const step of steps) {
          const { world } = mortal(app.world, step.diesAt, step.after);
          const useCases = createUseCases(world);
          const current = await app.world.store.get(id);
          const work: Record<string, () => Promise<unknown>> = {
            run: () => app.run(world),
            reconcile: () => app.reconcile(world),
            async cut() {
              const due = createDueRights(world, () => {});
              await due.end();
              await due.settled();
            },
            approve: async () => useCases.review(PEOPLE.ben, id, 'approve', '', await app.seen(id)),
            deny: async () => useCases.review(PEOPLE.ben, id, 'deny', '', await app.seen(id)),
            revoke: () => useCases.revoke(PEOPLE.ada, id, ''),
            async extend() {
              const { digest } = await useCases.extend(PEOPLE.ada, id, 600);
              return useCases.reviewExtension(PEOPLE.ben, id, 'approve', '', { digest, message: null });
            },
            async pass() {
              app.clock.pass(7 * 60);
              app.cluster.collect();
            },
          };
          await work[step.act]?.().catch(() => {});
          // Redis loses everything now and then, but only once the grant is past its decision: what waits then is lost by design.
          if (step.lose === 0 && app.cluster.held.get(id)?.lease !== undefined && current !== null) {
            app.loseRedis();
            lost = true;
          }
          // A new process starts: it looks around first.
          await app.reconcile();
          if (app.cluster.hasRights(id))
            expect(app.audit.some((entry) => entry.event === 'approval' || entry.event === 'applying')).toBe(true);
        }
        // Nobody touches it any more: time passes, and processes do what they do.
        for (let i = 0; i < 60; i++) {
          app.clock.pass(300);
          await app.run();
          app.cluster.collect();
          await app.reconcile();
          await app.run();
        }
        expect(app.cluster.hasRights(id)).toBe(false);
        expect([...app.cluster.held.values()].filter((held) => Object.keys(held).length > 0)).toEqual([]);
        const last = await app.world.store.get(id);
        if (last !== null) expect(hasEnded(last.state)).toBe(true);
        // Each state that it was in is in the audit, once and in order, wherever a process died.
        if (!lost) {
          const path = app.audit.filter((entry) => entry.id === id && entry.event !== 'alarm').map((entry) => entry.to);
          const steps = path.filter((state, i) => state !== path[i - 1]);
          expect(steps[0]).toBe('pending');
          expect(steps.at(-1)).toBe(last?.state);
          expect(new Set(steps).size).toBe(steps.length);
        }
        expect(app.cluster.breaches).toEqual([]);
      },
    ),
    { numRuns: 300 },
  );
}, 60_000);
