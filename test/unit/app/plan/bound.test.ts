import { beforeEach, describe, expect, test } from 'vitest';
import type { PolicyInput } from '../../../../src/domain/policy/schema.ts';
import type { Rule } from '../../../../src/domain/rights/rights.ts';
import type { NetworkPolicy, Pod } from '../../../../src/network/types.ts';
import { appWorld, PEOPLE, POLICY } from '../../../support/app-world.ts';

const { ada, ben } = PEOPLE;
const debug = POLICY.profiles.debug!;
const EXEC = [{ apiGroups: [''], resources: ['pods/exec'], verbs: ['get', 'create'] }];
type Network = NonNullable<PolicyInput['profiles'][string]['network']>;

/** A profile of each mode, by which connections elsewhere are shown. */
const MODES: Record<string, Network> = {
  none: { mode: 'none' },
  contain: { mode: 'contain', to: [], allowIsolation: true },
  bastion: { mode: 'bastion', from: [{ cidr: '10.8.0.0/16' }], ports: [{ port: 8080 }] },
  workspace: { mode: 'workspace', image: 'example.test/tools:1' },
};
const withNetwork = (network: Network): PolicyInput => ({
  ...POLICY,
  profiles: { debug: { ...debug, rules: EXEC, network } },
});
const VIEW: Rule[] = [{ apiGroups: [''], resources: ['pods'], verbs: ['get', 'list'] }];
const SECRETS: Rule = { apiGroups: [''], resources: ['secrets'], verbs: ['get'] };
const named = (change: object = {}): PolicyInput => ({
  ...POLICY,
  profiles: {
    debug: {
      ...debug,
      scope: 'namespace',
      rules: undefined,
      clusterRole: 'view',
      network: { mode: 'none' },
      ...change,
    },
  },
});

let app: ReturnType<typeof appWorld>;
beforeEach(() => {
  app = appWorld();
});
const press = async (id: string) => app.useCases.review(ben, id, 'approve', '', await app.seen(id));
const ask = (namespace?: boolean) => app.request(ada, namespace === true ? { target: { namespace: 'staging' } } : {});
async function pending(namespace?: boolean): Promise<string> {
  const { grant } = await ask(namespace);
  await app.run();
  return grant.id;
}
async function active(namespace?: boolean): Promise<string> {
  const id = await pending(namespace);
  await press(id);
  await app.run();
  expect((await app.grant(id)).state).toBe('active');
  return id;
}

let jobs = 0;
/** A Job of a CronJob begins somewhere else, where every pod can reach it. */
function jobElsewhere(): void {
  const name = `nightly-${++jobs}`;
  const pod: Pod = {
    namespace: 'batch',
    name,
    labels: { job: name },
    ips: [`10.1.0.${jobs}`],
    hostNetwork: false,
    ports: [],
    owner: { kind: 'CronJob', name },
    phase: 'Running',
  };
  app.cluster.target.others.push(pod);
}

describe.each(Object.entries(MODES))('what happens elsewhere, in mode %s', (_mode, network) => {
  beforeEach(() => app.setPolicy(withNetwork(network)));

  test('asks nobody again: approved at the first click, and applied', async () => {
    const id = await pending();
    jobElsewhere();
    await press(id);
    expect((await app.grant(id)).state).toBe('approved');
    jobElsewhere();
    await app.run();
    expect((await app.grant(id)).state).toBe('active');
    expect(app.told.map(({ news }) => news)).not.toContain('asked-again');
  });

  test('is no incident while the grant is applied, nor during it', async () => {
    const { giveRights, verify } = app.cluster.access;
    app.cluster.access.giveRights = async (...args) => {
      jobElsewhere();
      return giveRights(...args);
    };
    app.cluster.access.verify = async (...args) => {
      jobElsewhere();
      return verify(...args);
    };
    const id = await active();
    jobElsewhere();
    await app.reconcile();
    await app.run();
    expect([(await app.grant(id)).state, app.alarms]).toEqual(['active', []]);
  });

  test('does not keep a form from being sent', async () => {
    const asked = {
      profile: 'debug',
      target: { namespace: 'staging', workload: { kind: 'Deployment', name: 'checkout' } },
      duration: null,
      reason: 'checkout returns 502',
    } as const;
    const { digest } = await app.useCases.preview(ada, asked);
    jobElsewhere();
    expect(await app.useCases.requestAsShown(ada, asked, digest)).toHaveProperty('requested');
  });

  test('does not keep it from being extended', async () => {
    const id = await active();
    jobElsewhere();
    await app.useCases.extend(ada, id, 600);
    expect((await app.grant(id)).extension).toMatchObject({ duration: 600 });
  });

  test('is shown as of the time at which the cluster was read', async () => {
    const id = await pending();
    const { asOf } = (await app.grant(id)).plan.preview;
    expect(asOf).toBe(app.clock.now());
    app.clock.pass(60);
    await press(id);
    expect((await app.grant(id)).plan.preview.asOf).toBe(asOf + 60_000);
  });
});

describe('what is bound and changes under a request is asked again, and said', () => {
  const allowWeb = (port: number): NetworkPolicy => ({
    metadata: { namespace: 'staging', name: 'allow-web' },
    spec: { podSelector: { matchLabels: { app: 'checkout' } }, ingress: [{ ports: [{ port }] }] },
  });
  const changes: [string, () => void, string | RegExp][] = [
    ['a policy that comes', () => app.cluster.target.policies.push(allowWeb(81)), /policy staging\/allow-web/],
    [
      'a policy that changes',
      () =>
        app.cluster.target.policies.splice(0, 1, {
          ...app.cluster.target.policies[0]!,
          spec: { podSelector: {}, policyTypes: ['Ingress'], ingress: [{ from: [{ podSelector: {} }] }] },
        }),
      'policy staging/default-deny was changed',
    ],
    [
      'isolation that ends',
      () => app.cluster.target.policies.splice(0),
      'isolation of the target, ingress, before the grant: was yes, is no',
    ],
    [
      'another target of that name',
      () => Object.assign(app.cluster.target, { uid: 'uid-2' }),
      /was deleted and made again/,
    ],
    [
      'another namespace of that name',
      () => Object.assign(app.cluster.target, { namespaceUid: 'namespace-2' }),
      'namespace staging was deleted and made again (was uid namespace-1, is namespace-2)',
    ],
    [
      'another cluster',
      () => Object.assign(app.cluster.target, { clusterUid: 'cluster-2' }),
      'cluster: was cluster-1, is cluster-2',
    ],
    [
      'the rules of the profile',
      () => app.setPolicy({ ...POLICY, profiles: { debug: { ...debug, rules: [...EXEC] } } }),
      /rules of the profile: - get pods; .*\+ create, get pods\/exec/,
    ],
  ];

  test.each(changes)('before the approval: %s', async (_what, change, words) => {
    const id = await pending();
    change();
    await press(id);
    await app.run();
    const grant = await app.grant(id);
    expect(grant.state).toBe('pending');
    expect(grant.remarks[0]).toMatch(/has changed since it was shown/);
    const matching = typeof words === 'string' ? words : (expect.stringMatching(words) as string);
    expect(grant.remarks).toContainEqual(matching);
    expect(app.audit.find(({ event }) => event === 'asked-again')?.note).toMatch(words);
    await press(id);
    await app.run();
    expect((await app.grant(id)).state).toBe('active');
  });

  test.each(changes)('after it, before anything is applied: %s', async (_what, change) => {
    const id = await pending();
    await press(id);
    change();
    await app.run();
    expect((await app.grant(id)).state).toBe('pending');
    expect(app.cluster.held.size).toBe(0);
  });

  test('a named role whose rules are others, with what came and went', async () => {
    app.setPolicy(named({ acknowledgePersistence: true }));
    app.cluster.target.roleRules = VIEW;
    const id = await pending(true);
    app.cluster.target.roleRules = [{ ...VIEW[0]!, verbs: ['get'] }, SECRETS];
    await press(id);
    expect((await app.grant(id)).remarks).toContain('ClusterRole view: - list pods; + get secrets');
  });

  test('a whole namespace that is another one, though it has the name', async () => {
    app.setPolicy(named());
    app.cluster.target.roleRules = VIEW;
    const id = await pending(true);
    Object.assign(app.cluster.target, { namespaceUid: 'namespace-2' });
    await press(id);
    await app.run();
    expect((await app.grant(id)).state).toBe('pending');
    await press(id);
    Object.assign(app.cluster.target, { namespaceUid: 'namespace-3' });
    await app.run();
    expect([(await app.grant(id)).state, app.cluster.held.size]).toEqual(['pending', 0]);
  });

  test('but the same rules in other words are the same role', async () => {
    app.setPolicy(named());
    app.cluster.target.roleRules = VIEW;
    const id = await pending(true);
    app.cluster.target.roleRules = ['list', 'get'].map((verb) => ({ ...VIEW[0]!, verbs: [verb] }));
    await press(id);
    expect((await app.grant(id)).state).toBe('approved');
  });
});

describe('a named role, during the grant', () => {
  beforeEach(() => {
    app.setPolicy(named());
    app.cluster.target.roleRules = VIEW;
  });

  test('that comes to allow more ends it, and administrators are told what', async () => {
    const id = await active(true);
    app.cluster.target.roleRules = [...VIEW, SECRETS];
    await app.reconcile();
    await app.run();
    const grant = await app.grant(id);
    expect(grant).toMatchObject({
      state: 'failed',
      ending: { note: expect.stringContaining('+ get secrets') as string },
    });
    expect(app.cluster.hasRights(id)).toBe(false);
    expect(app.alarms.join()).toContain(
      `ClusterRole view allows more than was approved: + get secrets. ${id} is ended.`,
    );
  });

  /** As the administrator of a namespace can write a Role: nothing but what they hold, name by name. */
  const HUGE: Rule[] = [
    { apiGroups: [''], resources: ['pods'], verbs: ['get'], resourceNames: [...Array(200_000).keys()].map(String) },
  ];

  test('that is too large to be compared ends it as well, and holds nobody up', async () => {
    const id = await active(true);
    app.cluster.target.roleRules = HUGE;
    const before = process.threadCpuUsage().user;
    await app.reconcile();
    await app.run();
    expect((await app.grant(id)).state).toBe('failed');
    expect(app.alarms.join()).toContain(
      'ClusterRole view has come to have more single rights than are compared (20000, or fewer with wildcards)',
    );
    expect(process.threadCpuUsage().user - before).toBeLessThan(200_000);
  });

  test('that is too large for its wildcards is given to nobody', async () => {
    app.cluster.target.roleRules = [
      { apiGroups: ['*'], resources: [...Array(20_000).keys()].map(String), verbs: ['get'] },
    ];
    const before = process.threadCpuUsage().user;
    await expect(ask(true)).rejects.toMatchObject({
      name: 'Refusal',
      message: expect.stringContaining('too many with wildcards') as string,
    });
    expect(process.threadCpuUsage().user - before).toBeLessThan(200_000);
  });

  test('that is too large to be compared is given to nobody', async () => {
    app.cluster.target.roleRules = HUGE;
    const before = process.threadCpuUsage().user;
    await expect(ask(true)).rejects.toMatchObject({
      name: 'Refusal',
      message: expect.stringContaining('more than 20000 single rights') as string,
    });
    expect(process.threadCpuUsage().user - before).toBeLessThan(200_000);
  });

  test('that has come to allow more is not prolonged, and the person is told what differs', async () => {
    const id = await active(true);
    app.cluster.target.roleRules = [...VIEW, SECRETS];
    app.setPolicy(named({ acknowledgePersistence: true }));
    await expect(app.useCases.extend(ada, id, 600)).rejects.toMatchObject({
      name: 'Refusal',
      message: expect.stringContaining('ClusterRole view: + get secrets') as string,
    });
  });

  test('that allows less, or is gone, is no incident', async () => {
    const id = await active(true);
    for (const rules of [[{ ...VIEW[0]!, verbs: ['get'] }], []]) {
      app.cluster.target.roleRules = rules;
      await app.reconcile();
    }
    await app.run();
    expect([(await app.grant(id)).state, app.alarms]).toEqual(['active', []]);
  });

  test('that may grow by the profile is let grow', async () => {
    app.setPolicy(named({ roleMayGrow: true }));
    const id = await active(true);
    app.cluster.target.roleRules = [...VIEW, SECRETS];
    await app.reconcile();
    await app.run();
    expect([(await app.grant(id)).state, app.alarms]).toEqual(['active', []]);
  });

  test('that grows while the grant is applied is an incident at once', async () => {
    const id = await pending(true);
    await press(id);
    const { giveRights } = app.cluster.access;
    app.cluster.access.giveRights = async (...args) => {
      app.cluster.target.roleRules = [...VIEW, SECRETS];
      return giveRights(...args);
    };
    await app.run();
    expect(await app.grant(id)).toMatchObject({
      state: 'failed',
      ending: { note: expect.stringContaining('+ get secrets') as string },
    });
  });

  test('is read once for all grants that bind it; the fault of one is not that of the others', async () => {
    const ids = [await active(true), await app.active(ben, { target: { namespace: 'staging' } })];
    let reads = 0;
    app.cluster.access.rulesOf = async () => {
      reads++;
      return [...VIEW, SECRETS];
    };
    await app.reconcile();
    expect(reads).toBe(1);
    for (const id of ids) expect((await app.grant(id)).state).toBe('ending');
  });
});

describe('policies of others, during the grant', () => {
  const letsOut = (egress: object[], namespace = 'drawbridge-workspaces'): NetworkPolicy => ({
    metadata: { namespace, name: 'of-others' },
    spec: { podSelector: {}, policyTypes: ['Egress'], egress },
  });
  const isolatesEgress = letsOut([], 'staging');
  const to = (cidr: string) => ({ to: [{ ipBlock: { cidr } }] });
  async function looked(id: string) {
    await app.reconcile();
    await app.run();
    const grant = await app.grant(id);
    return { state: grant.state, alarms: app.alarms.join(), note: grant.ending?.note ?? '' };
  }

  describe.each([
    ['workspace', { mode: 'workspace', image: 'example.test/tools:1' }, 'drawbridge-workspaces'],
    [
      'contain',
      { mode: 'contain', to: [{ cidr: '192.0.2.0/24', ports: [{ port: 443 }] }], allowIsolation: true },
      'staging',
    ],
  ] as const)('on the pods of mode %s', (mode, network, namespace) => {
    const policies = () => (mode === 'workspace' ? app.cluster.target.foreign : app.cluster.target.policies);
    const known = letsOut([{ to: [{ ipBlock: { cidr: '192.0.2.0/24' } }], ports: [{ port: 443 }] }], namespace);
    const start = async (strict: boolean) => {
      app.setPolicy(withNetwork({ ...network, strict } as Network));
      // Strict accepts it only where it lets nothing out that the profile does not.
      if (mode === 'contain' || !strict) policies().push(known);
      return active();
    };

    test('that are widened are told, and end the grant of a strict profile', async () => {
      for (const strict of [false, true]) {
        const id = await start(strict);
        const at = policies().findIndex(({ metadata }) => metadata?.name === 'of-others');
        policies().splice(at, at < 0 ? 0 : 1, letsOut([to('198.51.100.0/24')], namespace));
        const { state, alarms } = await looked(id);
        expect(alarms).toMatch(
          new RegExp(`of-others in ${namespace} .* of ${id}, or was changed, and lets it do more`),
        );
        expect(state).toBe(strict ? 'failed' : 'active');
        app = appWorld();
      }
    });

    test('that are narrowed, renamed or only deny are none of that', async () => {
      const id = await start(false);
      const at = policies().indexOf(known);
      policies().splice(at, 1, { ...known, metadata: { namespace, name: 'renamed' } });
      expect(await looked(id)).toMatchObject({ state: 'active', alarms: '' });
      policies().splice(at, 1, letsOut([], namespace));
      expect(await looked(id)).toMatchObject({ state: 'active', alarms: '' });
    });
  });

  test('that open the target’s own pods do not concern a grant that confines a workspace', async () => {
    app.setPolicy(withNetwork({ ...MODES.workspace, strict: true }));
    const id = await active();
    app.cluster.target.policies.push(letsOut([{}], 'staging'));
    expect(await looked(id)).toMatchObject({ state: 'active', alarms: '' });
  });

  test.each([
    ['workspace', 'Nothing but %s isolates staging/deployment/checkout any more (ingress)'],
    ['bastion', 'Nothing but %s isolates staging/deployment/checkout any more (ingress)'],
    ['contain', 'Nothing contains staging/deployment/checkout any more'],
  ] as const)('that isolated the target and are gone end a grant of mode %s', async (mode, what) => {
    app.setPolicy(withNetwork(MODES[mode]!));
    app.cluster.target.policies.push(isolatesEgress);
    const id = await active();
    expect(await looked(id)).toMatchObject({ state: 'active' });
    app.cluster.target.policies.splice(0);
    const { state, note, alarms } = await looked(id);
    expect(state).toBe('failed');
    expect(note).toContain(what.replace('%s', id));
    expect(alarms).toContain(note);
  });

  test('that contained the target and go while the grant is applied end it before it is active', async () => {
    app.setPolicy(withNetwork(MODES.contain!));
    app.cluster.target.policies.push(isolatesEgress);
    const id = await pending();
    const { giveRights } = app.cluster.access;
    app.cluster.access.giveRights = async (...args) => {
      app.cluster.target.policies.splice(0);
      return giveRights(...args);
    };
    await press(id);
    await app.run();
    expect(await app.grant(id)).toMatchObject({ state: 'failed' });
    expect(app.told.map(({ news }) => news)).not.toContain('granted');
  });

  test('that come to isolate the target as well change nothing', async () => {
    const id = await active();
    app.cluster.target.policies.push(isolatesEgress);
    expect(await looked(id)).toMatchObject({ state: 'active', alarms: '' });
  });

  test('and isolation that was acknowledged is none of that', async () => {
    app.setPolicy(withNetwork(MODES.contain!));
    const id = await active();
    expect(await looked(id)).toMatchObject({ state: 'active', alarms: '' });
  });
});
