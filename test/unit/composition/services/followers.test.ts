import { expect, test, vi } from 'vitest';
import { followersService } from '../../../../src/composition/services/followers.ts';
import type { AuditListener } from '../../../../src/composition/world.ts';
import { appWorld, PEOPLE } from '../../../support/app-world.ts';
import { silentLog } from '../../../support/silent-log.ts';

test('pods of a workload are followed from the moment that a grant is active until the end', async () => {
  const app = appWorld();
  const audited = new Set<AuditListener>();
  const watched: string[][] = [];
  let changed = (_namespace: string) => {};
  let isStopped = false;
  const service = followersService({
    world: app.world,
    watchPods: (onChange) => {
      changed = onChange;
      return {
        watch: (namespaces) => void watched.push([...namespaces]),
        stop: () => {
          isStopped = true;
        },
      };
    },
    audited,
    log: silentLog(),
  });
  await service.start();
  const hear: AuditListener = (entry) => audited.forEach((listener) => listener(entry));

  const { grant } = await app.request();
  await app.run();
  await app.useCases.review(PEOPLE.ben, grant.id, 'approve', '', await app.seen(grant.id));
  await app.run();
  hear({ event: 'approved', id: grant.id });
  hear({ event: 'active', id: null });
  expect(watched).toEqual([]);
  hear({ event: 'active', id: grant.id });
  await vi.waitFor(() => expect(watched).toEqual([['staging']]));

  app.cluster.target.pods = ['checkout-2'];
  changed('elsewhere');
  changed('staging');
  await vi.waitFor(async () => expect((await app.grant(grant.id)).pods).toEqual(['checkout-2']));

  await service.stop(0);
  expect([audited.size, isStopped]).toEqual([0, true]);
});

test('what can not be read is told, and fails nothing', async () => {
  const app = appWorld();
  const log = silentLog();
  const service = followersService({
    world: app.world,
    watchPods: () => ({
      watch() {
        throw new Error('no watch');
      },
      stop() {},
    }),
    audited: new Set(),
    log,
  });
  await service.start();
  service.follow(new Map());
  await vi.waitFor(() => expect(log.lines).toMatchObject([{ level: 'error', fields: { err: new Error('no watch') } }]));
});
