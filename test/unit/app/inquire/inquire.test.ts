import { expect, test } from 'vitest';
import { createUseCases } from '../../../../src/app/create-use-cases.ts';
import type { World } from '../../../../src/app/ports/world.ts';
import { Refusal, Unavailable } from '../../../../src/domain/errors.ts';
import type { PolicyInput } from '../../../../src/domain/policy/schema.ts';
import { appWorld, PEOPLE, POLICY } from '../../../support/app-world.ts';

test('a profile that was mistyped is named to whoever may ask for it, and to nobody else', async () => {
  const { debug } = POLICY.profiles;
  const others = { ...debug, requesters: { users: ['cy@example.test'] } } as PolicyInput['profiles'][string];
  const app = appWorld({ ...POLICY, profiles: { ...POLICY.profiles, debugs: others } });
  const remedy = (who: string, profile: string) =>
    app.request(who, { profile }).then(
      () => null,
      (error: unknown) => (error instanceof Refusal ? error.remedy : null),
    );
  expect(await remedy(PEOPLE.ada, 'debgu')).toContain("Did you mean 'debug'?");
  // Nearer is one that is not theirs.
  expect(await remedy(PEOPLE.ada, 'debugss')).toContain("Did you mean 'debug'?");
  expect(await remedy(PEOPLE.cy, 'debgu')).toContain("Did you mean 'debugs'?");
  expect(await remedy(PEOPLE.dot, 'debgu')).not.toContain('debug');
});

test('with each letter that is typed Slack is not asked anew who it is', async () => {
  const app = appWorld();
  const asked: unknown[] = [];
  const directory: World['directory'] = {
    ...app.world.directory,
    account: (id, freshness) => {
      asked.push(freshness ?? 'now');
      return app.world.directory.account(id, freshness);
    },
  };
  const useCases = createUseCases({ ...app.world, directory });
  await useCases.offers(PEOPLE.ada, 'recently');
  await useCases.workloads(PEOPLE.ada, 'debug', null, 'staging');
  expect(asked).toEqual(['recently', 'recently']);
  await useCases.offers(PEOPLE.ada);
  expect(asked.at(-1)).toBe('now');
});

test('offers are what this person may ask for, in namespaces that are there', async () => {
  const { debug } = POLICY.profiles;
  if (debug === undefined) throw new Error('no profile');
  const everywhere = { ...debug, namespaces: ['*'] };
  const app = appWorld({
    ...POLICY,
    profiles: { debug, other: { ...everywhere, requesters: { users: ['cy@example.test'] } } },
  });
  app.cluster.access.namespaces = async () => [
    'team-b',
    'team-a',
    'shop',
    'kube-system',
    app.cluster.access.workspacesNamespace,
  ];
  const names = async (who: string) =>
    (await app.useCases.offers(who)).map(({ profile, namespaces }) => [profile, ...namespaces]);
  expect(await names(PEOPLE.ada)).toEqual([['debug', 'team-a', 'team-b']]);
  expect(await names(PEOPLE.cy)).toEqual([['other', 'shop', 'team-a', 'team-b']]);
  expect(await names(PEOPLE.dot)).toEqual([]);
});

test('a list is of what is mine, and of what waits for my decision', async () => {
  const app = appWorld();
  const { id } = (await app.request(PEOPLE.ada)).grant;
  await app.run();
  const listed = async (who: string) => {
    const { mine, waiting } = await app.useCases.list(who);
    return [mine, waiting].map((views) => views.map(({ grant }) => grant.id));
  };
  expect(await listed(PEOPLE.ada)).toEqual([[id], []]);
  expect(await listed(PEOPLE.ben)).toEqual([[], [id]]);
  expect(await listed(PEOPLE.dot)).toEqual([[], []]);
  await app.useCases.review(PEOPLE.ben, id, 'approve', '', await app.seen(id));
  await app.run();
  expect(await listed(PEOPLE.ada)).toEqual([[id], []]);
  expect(await listed(PEOPLE.cy)).toEqual([[], []]);
});

test('who has access to a namespace that is not there: it is said so, with the nearest', async () => {
  const app = appWorld();
  app.cluster.access.namespaces = async () => ['staging', 'team-a'];
  expect(await app.useCases.who(PEOPLE.cy, 'staging')).toEqual([]);
  await expect(app.useCases.who(PEOPLE.cy, 'stagign')).rejects.toMatchObject({
    rule: 'namespaces',
    message: "There is no namespace 'stagign'.",
    remedy: "Did you mean 'staging'?",
  });
  app.cluster.access.namespaces = async () => {
    throw new Unavailable('Kubernetes', 'away');
  };
  expect(await app.useCases.who(PEOPLE.cy, 'stagign')).toEqual([]);
});

test('who has access to a namespace: whoever holds it there, and nobody else', async () => {
  const app = appWorld();
  const { id } = (await app.request(PEOPLE.ada)).grant;
  const names = async (namespace: string) => (await app.useCases.who(PEOPLE.cy, namespace)).map((access) => access.id);
  expect(await names('staging')).toEqual([]);
  await app.useCases.review(PEOPLE.ben, id, 'approve', '', await app.seen(id));
  await app.run();
  expect(await names('staging')).toEqual([id]);
  expect(await names('payments')).toEqual([]);
  await app.useCases.revoke(PEOPLE.ada, id, '');
  await app.run();
  expect(await names('staging')).toEqual([]);
});
