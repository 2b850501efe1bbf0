import { describe, expect, test } from 'vitest';
import type { ClusterAccess } from '../../src/app/ports/cluster-access.ts';
import type { Clusters } from '../../src/app/ports/clusters.ts';
import { type ConnectedCluster, clustersPort, identifyClusters } from '../../src/composition/clusters.ts';
import { loadSettings, type Settings } from '../../src/config/settings.ts';
import { Unavailable } from '../../src/domain/errors.ts';
import type { Policy } from '../../src/domain/policy/policy.ts';
import type { ClusterName } from '../../src/domain/target.ts';
import { memoryCluster } from '../support/app-world.ts';
import { clustersOf } from '../support/clusters.ts';
import { sampleGrant } from '../support/grants.ts';
import { KEY } from '../support/made.ts';
import { silentLog } from '../support/silent-log.ts';

/** What everything goes by that asks for a cluster, for one cluster without a name and for two, by each implementation. */

const settings = (): Settings => {
  const loaded = loadSettings({
    SLACK_BOT_TOKEN: 'xoxb-1',
    SLACK_APP_TOKEN: 'xapp-1',
    REDIS_URL: 'redis://localhost:6379',
    SEAL_KEY: KEY.toString('base64'),
    INSTANCE: 'test',
    POLICY_FILE: 'policy.yaml',
  });
  if (!loaded.ok) throw new Error(loaded.problems.join());
  return loaded.settings;
};

const connected = (
  name: ClusterName,
  access: ClusterAccess,
  uid: () => Promise<string> = async () => `uid of ${name}`,
) =>
  ({
    name,
    access,
    api: { read: async () => ({ metadata: { uid: await uid() } }) },
    claim: () => {},
  }) as unknown as ConnectedCluster;

const implementations: [string, (byName: ReadonlyMap<ClusterName, ClusterAccess>, clusters?: object) => Clusters][] = [
  ['of the tests', (byName) => clustersOf(byName)],
  [
    'of the bot',
    (byName, clusters) =>
      clustersPort(
        settings(),
        [...byName].map(([name, access]) => connected(name, access)),
        { clusters } as Policy,
      ),
  ],
];
const worlds: [string, ClusterName[], object | undefined][] = [
  ['one without a name', [null], undefined],
  ['two', ['staging', 'prod'], { staging: {}, prod: { context: 'prod' } }],
];

describe.each(implementations)('clusters %s', (_which, made) => {
  test.each(worlds)(
    '%s: each name leads to its own, in the order of the policy, and no other',
    (_what, names, policy) => {
      const byName = new Map(names.map((name) => [name, memoryCluster(() => 0).access]));
      const clusters = made(byName, policy);
      expect(clusters.names).toEqual(names);
      for (const name of names) {
        expect(clusters.of({ cluster: name })).toBe(byName.get(name));
        for (const other of names) expect(clusters.isIn(other, { cluster: name })).toBe(other === name);
      }
      expect(clusters.closedNamespaces).toEqual(expect.arrayContaining(['drawbridge-workspaces', 'drawbridge']));
    },
  );
});

describe('clusters of the bot', () => {
  const [, made] = implementations[1] as (typeof implementations)[1];
  const two = (policy: object) =>
    made(new Map(['staging', 'prod'].map((name) => [name, memoryCluster(() => 0).access])), policy);

  test('what was granted before they had names is in the one without a context', () => {
    const clusters = two({ prod: { context: 'prod' }, staging: {} });
    expect(clusters.of({ cluster: null })).toBe(clusters.of({ cluster: 'staging' }));
    expect([clusters.isIn('staging', { cluster: null }), clusters.isIn('prod', { cluster: null })]).toEqual([
      true,
      false,
    ]);
  });

  test.each([
    ['one that the policy had no more, or not yet, at the start', { staging: {}, prod: { context: 'p' } }, 'gone'],
    ['what has no name, where each has a context', { staging: { context: 's' }, prod: { context: 'p' } }, null],
  ])('%s is as one that is away: nothing can be done there, and it can be told of', async (_what, policy, cluster) => {
    const there = two(policy).of({ cluster });
    const grant = sampleGrant({ cluster });
    await expect(there.takeRights(grant)).rejects.toBeInstanceOf(Unavailable);
    await expect(there.verify(grant)).rejects.toBeInstanceOf(Unavailable);
    expect(await there.cutRights([])).toEqual([]);
    expect(there.objectsOf(grant).length).toBeGreaterThan(0);
    for (const name of ['staging', 'prod']) expect(two(policy).isIn(name, { cluster })).toBe(false);
  });
});

describe('at the start', () => {
  const claims = () => {
    const claimed = new Map<string, ClusterName>();
    return (name: ClusterName) => (uid: string) => {
      const other = claimed.get(uid);
      if (other !== undefined && other !== name) throw new Error(`${name} is ${other}`);
      claimed.set(uid, name);
    };
  };
  const clusters = (...uids: (() => Promise<string>)[]) => {
    const claim = claims();
    return uids.map((uid, index) => ({
      ...connected(`c${index}`, memoryCluster(() => 0).access, uid),
      claim: claim(`c${index}`),
    }));
  };
  const away = async (): Promise<string> => {
    throw new Unavailable('Kubernetes', 'no answer');
  };

  test('one that does not answer keeps the others from nothing', async () => {
    const log = silentLog();
    await identifyClusters(
      clusters(away, async () => 'uid-1'),
      log as never,
    );
    expect(log.lines).toHaveLength(1);
    expect(log.lines[0]).toMatchObject({ level: 'warn', fields: { cluster: 'c0' } });
  });

  test('the only one that can not be known stops it', async () => {
    const [only] = clusters(async () => '');
    await expect(identifyClusters([only as ConnectedCluster], silentLog() as never)).rejects.toThrow("can't be read");
  });
});
