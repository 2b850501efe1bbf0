import { beforeEach, describe, expect, test } from 'vitest';
import { carryOut } from '../../../../src/app/grant/lengthen.ts';
import { Declined, Unavailable } from '../../../../src/domain/errors.ts';
import { appWorld, PEOPLE, POLICY } from '../../../support/app-world.ts';

const { ada, ben, cy } = PEOPLE;
let app: ReturnType<typeof appWorld>;
beforeEach(() => {
  app = appWorld();
});
async function active(): Promise<string> {
  const { id } = (await app.request()).grant;
  for (const approver of [ben, cy]) {
    const { state } = await app.grant(id);
    if (state === 'pending') await app.useCases.review(approver, id, 'approve', '', await app.seen(id));
  }
  await app.run();
  expect((await app.grant(id)).state).toBe('active');
  return id;
}
const approve = (by: string, id: string, digest: string) =>
  app.useCases.reviewExtension(by, id, 'approve', '', { digest, message: null });

test('from the moment on at which a window ends nobody makes it longer', async () => {
  const id = await active();
  const { expiresAt } = await app.grant(id);
  const { digest } = await app.useCases.extend(ada, id, 600);
  app.clock.set(expiresAt ?? 0);
  await expect(approve(ben, id, digest)).rejects.toMatchObject({ rule: 'state' });
  await expect(app.useCases.extend(ada, id, 600)).rejects.toMatchObject({ rule: 'extend' });
  expect((await app.grant(id)).expiresAt).toBe(expiresAt);
  app.clock.set((expiresAt ?? 0) - 1);
  await approve(ben, id, digest);
  expect((await app.grant(id)).expiresAt).toBe((expiresAt ?? 0) + 600_000);
});

test('nor when it ends while the plan is made anew for the approver', async () => {
  const id = await active();
  const { expiresAt } = await app.grant(id);
  const { digest } = await app.useCases.extend(ada, id, 600);
  const { survey } = app.cluster.access;
  app.cluster.access.survey = (...args) => {
    app.clock.set(expiresAt ?? 0);
    return survey(...args);
  };
  await expect(approve(ben, id, digest)).rejects.toMatchObject({ rule: 'state' });
  expect((await app.grant(id)).expiresAt).toBe(expiresAt);
});

test('what nobody asked for is not approved', async () => {
  const id = await active();
  await expect(approve(ben, id, (await app.seen(id)).digest)).rejects.toMatchObject({ rule: 'state' });
});

test('of two approvals the first is one of two, and only the second moves the end', async () => {
  app.setPolicy({ ...POLICY, profiles: { debug: { ...POLICY.profiles.debug!, approvals: 2 } } });
  const id = await active();
  const { expiresAt } = await app.grant(id);
  const { digest } = await app.useCases.extend(ada, id, 600);
  const said = () => app.audit.map(({ event }) => event).filter((event) => event.startsWith('exten'));
  await approve(ben, id, digest);
  expect([(await app.grant(id)).expiresAt, said()]).toEqual([expiresAt, ['extension-requested', 'extension-approval']]);
  await approve(ben, id, digest).catch(() => {});
  expect((await app.grant(id)).expiresAt).toBe(expiresAt);
  await approve(cy, id, digest);
  expect((await app.grant(id)).expiresAt).toBe((expiresAt ?? 0) + 600_000);
  expect(said().at(-1)).toBe('extended');
});

describe('the window is carried into the cluster', () => {
  const carried = async (id: string) => {
    const extended: string[] = [];
    app.cluster.access.extend = async (grant) => void extended.push(grant.id);
    await carryOut(app.world, await app.grant(id));
    return extended;
  };

  test('while it lasts', async () => {
    const id = await active();
    expect(await carried(id)).toEqual([id]);
  });
  test('not from its end on', async () => {
    const id = await active();
    app.clock.set((await app.grant(id)).expiresAt ?? 0);
    expect(await carried(id)).toEqual([]);
  });
  test('not once somebody has ended it', async () => {
    const id = await active();
    await app.useCases.revoke(ada, id, '');
    expect(await carried(id)).toEqual([]);
  });

  describe('where the cluster does not take it', () => {
    const extendedWhile = async (fault: Error) => {
      const id = await active();
      const { digest } = await app.useCases.extend(ada, id, 600);
      app.cluster.access.extend = async () => {
        throw fault;
      };
      const [approval] = await Promise.allSettled([approve(ben, id, digest)]);
      await app.run();
      return { id, approval };
    };
    const NO = 'webhook mesh.example.test changed it';

    test('those who asked and administrators are told why, once', async () => {
      const { id, approval } = await extendedWhile(new Declined('no', NO));
      expect(approval.status).toBe('fulfilled');
      await carryOut(app.world, await app.grant(id));
      await app.run();
      expect((await app.grant(id)).remarks).toEqual([
        `The cluster did not take the extension, so that it ends as if there were none: ${NO}`,
      ]);
      expect(app.alarms.filter((text) => text.includes(NO))).toHaveLength(1);
      const words = app.told.filter((told) => told.id === id).map(({ news }) => news);
      expect(words.filter((news) => news === 'not-extended')).toHaveLength(1);
      expect(words).not.toContain('extended');
    });

    test('once it takes it after all, that is told in place of the remark', async () => {
      const { id } = await extendedWhile(new Declined('no', NO));
      app.cluster.access.extend = async () => {};
      await carryOut(app.world, await app.grant(id));
      await app.run();
      expect((await app.grant(id)).remarks).toEqual([]);
      expect(app.told.filter((told) => told.id === id).map(({ news }) => news)).toContain('extended');
    });

    test('words that differ each time, or are long, are one remark: the newest of them, cut', async () => {
      const { id } = await extendedWhile(new Declined('no', `${NO} (request 1)`));
      await app.world.store.change(id, (grant) => ({ ...grant, remarks: ['first', ...grant.remarks, 'last'] }));
      for (const words of [`${NO} (request 2)`, `${NO} (request 3) ${'x'.repeat(5000)}`]) {
        app.cluster.access.extend = async () => {
          throw new Declined('no', words);
        };
        await carryOut(app.world, await app.grant(id));
      }
      const { remarks } = await app.grant(id);
      expect(remarks).toEqual(['first', expect.stringContaining(`${NO} (request 3)`), 'last']);
      expect(remarks[1]?.length).toBeLessThan(1100);
    });

    test('what may pass is tried again, and not told', async () => {
      const error = new Unavailable('Kubernetes', 'no answer');
      const { id, approval } = await extendedWhile(error);
      expect(approval).toMatchObject({ status: 'rejected', reason: error });
      expect([(await app.grant(id)).remarks, app.alarms]).toEqual([[], []]);
    });
  });
});
