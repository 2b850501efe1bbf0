import { beforeEach, describe, expect, test } from 'vitest';
import { job } from '../../../../src/app/common/schedule.ts';
import { runJob } from '../../../../src/app/upkeep/run-job.ts';
import { Declined, Unavailable } from '../../../../src/domain/errors.ts';
import { GRANT_LABEL } from '../../../../src/domain/plan/confinement.ts';
import type { Cluster, NetworkPolicy } from '../../../../src/network/types.ts';
import { appWorld, on, PEOPLE, POLICY } from '../../../support/app-world.ts';

const { ada, ben } = PEOPLE;
let app: ReturnType<typeof appWorld>;
beforeEach(() => {
  app = appWorld();
});
const active = () => app.active();

test.each([
  [0, null],
  [5, null],
  [6, 'That the rights had ended was confirmed 6 s late.'],
])('rights that are gone %i s after the press', async (seconds, remark) => {
  const id = await active();
  await app.useCases.revoke(ada, id, '');
  app.clock.pass(seconds);
  await app.run();
  expect(await app.grant(id)).toMatchObject({ state: 'revoked', remarks: remark === null ? [] : [remark] });
});

describe('access by other bindings', () => {
  const remarks = async (other: () => Promise<string[]>) => {
    const id = await active();
    app.cluster.access.otherAccess = other;
    await app.useCases.revoke(ada, id, '');
    await app.run();
    const grant = await app.grant(id);
    expect(grant.state).toBe('revoked');
    return grant.remarks;
  };
  test('is told at the end', async () => {
    expect(await remarks(async () => ['RoleBinding team'])).toEqual([
      'Access by other bindings, which are not of this grant, remains: RoleBinding team.',
    ]);
  });
  test('is not told where there is none', async () => {
    expect(await remarks(async () => [])).toEqual([]);
  });
  test('that can not be looked up is told as that, and keeps no grant from ending', async () => {
    expect(
      await remarks(async () => {
        throw new Unavailable('Kubernetes', 'no answer');
      }),
    ).toEqual(['Whether other bindings allow the same could not be looked up.']);
  });
});

describe('what policies still open for the label of a grant that has ended', () => {
  const end = async (left: (cluster: Cluster) => Cluster) => {
    const id = await active();
    const { snapshot } = app.cluster.access;
    const before = await snapshot();
    app.cluster.access.snapshot = async () => left(before);
    await app.useCases.revoke(ada, id, '');
    await app.run();
    expect((await app.grant(id)).state).toBe('revoked');
    return app.alarms.join();
  };
  test('is not told of its own policies, of which it is heard for a moment after they are gone', async () => {
    expect(await end((before) => before)).toBe('');
  });
  test('is said to be unknown while the cluster is not known as it is now', async () => {
    const id = await active();
    app.cluster.access.snapshot = async () => {
      throw new Unavailable('Kubernetes', 'watches are down');
    };
    await app.useCases.revoke(ada, id, '');
    await app.run();
    expect(await app.grant(id)).toMatchObject({
      state: 'revoked',
      remarks: ['Whether policies of others still go by its label could not be looked up.'],
    });
    expect(app.alarms).toEqual([]);
  });
  test('is told of those of others', async () => {
    const admitting: NetworkPolicy = {
      metadata: { namespace: 'staging', name: 'theirs' },
      spec: {
        podSelector: {},
        ingress: [
          {
            from: [
              { namespaceSelector: {}, podSelector: { matchExpressions: [{ key: GRANT_LABEL, operator: 'Exists' }] } },
            ],
          },
        ],
      },
    };
    const told = await end((before) => ({ ...before, policies: [...before.policies, admitting] }));
    expect(told).toContain('policies of others still go by its label');
  });
});

test('the lease is marked where the end comes early, for a Redis that loses the grant, and not at the end of the window', async () => {
  const marked: string[] = [];
  const { markEnding } = app.cluster.access;
  app.cluster.access.markEnding = async (grant) => {
    marked.push(grant.id);
    return markEnding(grant);
  };
  const [early, late] = [await active(), await app.active(ada, on('ledger'))];
  await app.useCases.revoke(ada, early, '');
  await app.run();
  expect(marked).toEqual([early]);
  app.clock.set((await app.grant(late)).expiresAt ?? 0);
  await app.run();
  expect((await app.grant(late)).state).toBe('expired');
  expect(marked).toEqual([early]);
});

test('an end that is asked for twice begins once', async () => {
  const id = await active();
  app.told.length = 0;
  await app.useCases.revoke(ada, id, 'first');
  await app.useCases.revoke(ben, id, 'second');
  expect((await app.grant(id)).ending).toMatchObject({ note: 'first' });
  expect(app.audit.filter(({ event }) => event === 'ending')).toHaveLength(1);
  await app.run();
  expect(app.told.filter(({ news }) => news === 'ended')).toHaveLength(1);
});

test('a revocation leaves alone what waits for its decision, and what nobody knows', async () => {
  const { id } = (await app.request()).grant;
  await runJob(app.world, job('revoke', id));
  await runJob(app.world, job('revoke', 'g-zzzzzz'));
  expect((await app.grant(id)).state).toBe('pending');
});

describe('an end that does not get done', () => {
  const stuck = async (error: Error, seconds: number) => {
    const id = await active();
    app.cluster.access.takeRights = async () => {
      throw error;
    };
    await app.useCases.revoke(ada, id, '');
    app.clock.pass(seconds);
    await expect(runJob(app.world, job('revoke', id))).rejects.toBe(error);
    await app.run();
    return app.alarms.filter((text) => text.includes('could not be taken down')).join();
  };
  test('is told to administrators after half a minute', async () => {
    expect(await stuck(new Declined('the API server refused it', ''), 30)).toBe('');
  });
  test.each<[Error, string]>([
    [new Declined('the API server refused it', ''), 'the API server refused it'],
    [new Unavailable('Kubernetes', 'no answer'), 'no answer'],
    // What else an error says may be anything.
    [new Error('token eyJhbGciOi'), 'the cluster does not answer as it should'],
  ])('with what is safe to say of %o', async (error, words) => {
    const said = await stuck(error, 31);
    expect(said).toContain(words);
    expect(said).not.toContain('eyJ');
  });
});

test.each([
  ['lifted, where the grant contained its pods', [], true],
  ['nothing to lift, where others isolate them', ['Ingress', 'Egress'], false],
] as const)('the containment: %s', async (_what, policyTypes, isLifted) => {
  app.setPolicy({
    ...POLICY,
    profiles: {
      debug: { ...POLICY.profiles.debug!, network: { mode: 'contain', to: [], allowIsolation: true } },
    },
  });
  app.cluster.target.policies =
    policyTypes.length === 0
      ? []
      : [
          {
            metadata: { namespace: 'staging', name: 'deny' },
            spec: { podSelector: {}, policyTypes: [...policyTypes] },
          },
        ];
  const id = await active();
  await app.useCases.revoke(ada, id, '');
  await app.run();
  const { state, ending } = await app.grant(id);
  expect([state, ending?.policyGoneAt !== null, ending?.workspaceGoneAt]).toEqual(['revoked', isLifted, null]);
});
