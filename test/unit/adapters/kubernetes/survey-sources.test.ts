import { describe, expect, test, vi } from 'vitest';
import { createSurveyor } from '../../../../src/adapters/kubernetes/survey.ts';
import { planOf } from '../../../../src/app/plan/make-plan.ts';
import type { SurveyPurpose } from '../../../../src/app/ports/survey.ts';
import { Refusal } from '../../../../src/domain/errors.ts';
import { boundOf, digestOfPlan } from '../../../../src/domain/plan/plan.ts';
import { type Profile } from '../../../../src/domain/policy/policy.ts';
import { policySchema } from '../../../../src/domain/policy/schema.ts';
import type { WorkloadKind } from '../../../../src/domain/rights/rights.ts';
import { POLICY } from '../../../support/app-world.ts';
import { eventually, tellingModel } from '../../../support/cluster-model.ts';
import { type FakeCluster, fakeCluster } from '../../../support/fake-cluster.ts';
import { ADA } from '../../../support/grants.ts';

const NETWORKS = {
  workspace: { mode: 'workspace', image: 'example.test/tools:1', allowIsolation: true },
  contain: {
    mode: 'contain',
    to: [{ namespace: 'payments', pods: { app: 'db' }, ports: [{ port: 5432 }] }],
    allowIsolation: true,
  },
  bastion: { mode: 'bastion', ports: [{ port: 8080 }], from: [{ cidr: '192.0.2.0/24' }], allowIsolation: true },
} as const;
type Mode = keyof typeof NETWORKS;
const profileWith = (mode: Mode): Profile =>
  policySchema.parse({
    ...POLICY,
    profiles: {
      debug: {
        ...POLICY.profiles.debug,
        rules: [{ apiGroups: [''], resources: ['pods/exec'], verbs: ['create', 'get'] }],
        acknowledgePersistence: true,
        network: NETWORKS[mode],
      },
    },
  }).profiles['debug'] as Profile;

const ownedBy = (kind: string, name: string) => ({
  ownerReferences: [{ kind, name, uid: `uid-${name}`, controller: true }],
});
const LABELS = { app: 'checkout' };
const running = (ip: string) => ({
  spec: { containers: [{ ports: [{ name: 'http', containerPort: 8080 }] }] },
  status: { phase: 'Running', podIP: ip, podIPs: [{ ip }] },
});
const deny = (direction: string) => ({ spec: { podSelector: { matchLabels: LABELS }, policyTypes: [direction] } });
const WORKLOAD = { spec: { selector: { matchLabels: LABELS }, template: { metadata: { labels: LABELS } } } };

/** A workload of each kind, with a pod; another is in `payments`. */
async function cluster(kind: WorkloadKind, mode: Mode) {
  const fake = fakeCluster();
  for (const name of ['kube-system', 'staging', 'payments', 'workspaces']) fake.put('Namespace', null, name);
  fake.put(kind, 'staging', 'checkout', WORKLOAD, kind === 'Job' ? ownedBy('CronJob', 'nightly') : {});
  if (kind === 'Deployment') fake.put('ReplicaSet', 'staging', 'set', {}, ownedBy('Deployment', 'checkout'));
  const owner = kind === 'Deployment' ? ownedBy('ReplicaSet', 'set') : ownedBy(kind, 'checkout');
  fake.put('Pod', 'staging', 'checkout-1', running('10.0.0.1'), { labels: LABELS, ...owner });
  fake.put('Pod', 'payments', 'db-1', running('10.0.0.9'), { labels: { app: 'db' } });
  fake.put('NetworkPolicy', 'staging', 'deny', deny('Ingress'));
  const { model } = tellingModel(fake.api);
  await model.listed();
  await eventually(() => expect(fake.watches()).toBe(9));
  const surveyor = createSurveyor({ api: fake.api, model, instance: 'test', workspacesNamespace: 'workspaces' });
  const target = { namespace: 'staging', workload: { kind, name: 'checkout' } };
  const profile = profileWith(mode);
  async function plan(purpose: SurveyPurpose) {
    const survey = await surveyor.survey(target, profile, purpose);
    const wish = { id: 'g-2222aa', requester: ADA, target, profileName: 'debug', duration: 600 };
    return planOf(wish, profile, { asOf: 0, ...survey, unprobed: null }, 'workspaces');
  }
  return { fake, model, plan, owner };
}

/** All that an approval binds, and what it does not, becomes another. */
function changeAll(fake: FakeCluster, kind: WorkloadKind, owner: object): void {
  const again =
    kind === 'Deployment' ? ownedBy('ReplicaSet', 'new-set') : kind === 'Job' ? ownedBy('Job', 'checkout') : owner;
  if (kind === 'Deployment') fake.put('ReplicaSet', 'staging', 'new-set', {}, ownedBy('Deployment', 'checkout'));
  fake.remove('Pod', 'staging', 'checkout-1');
  fake.put('Pod', 'staging', 'checkout-2', running('10.0.0.2'), { labels: LABELS, ...again });
  fake.put('NetworkPolicy', 'staging', 'let-in', {
    spec: { podSelector: { matchLabels: LABELS }, policyTypes: ['Egress'], egress: [{}] },
  });
  fake.put('NetworkPolicy', 'staging', 'deny', { spec: { podSelector: {}, policyTypes: ['Ingress'], ingress: [{}] } });
  fake.put('NetworkPolicy', 'workspaces', 'let-out', {
    spec: { podSelector: {}, policyTypes: ['Egress'], egress: [{}] },
  });
  fake.put('Service', 'staging', 'front', { spec: { selector: LABELS, clusterIP: '10.9.0.1' } });
  fake.put('Pod', 'payments', 'db-2', running('10.0.0.8'), { labels: { app: 'db' } });
}

describe.each(['workspace', 'contain', 'bastion'] as const)('a plan in mode %s', (mode) => {
  test.each(['Deployment', 'StatefulSet', 'Job'] as const)(
    'binds nothing that the model says: of a %s',
    async (kind) => {
      const { fake, model, plan, owner } = await cluster(kind, mode);
      const before = await plan('bound');
      fake.knobs.isHeld = true;
      changeAll(fake, kind, owner);
      const behind = await plan('bound');
      expect(model.podsIn('staging').map(({ name }) => name)).toEqual(['checkout-1']);
      fake.letGo();
      await eventually(() => expect(model.podsIn('payments')).toHaveLength(2));
      await eventually(() => expect(model.cluster().policies).toHaveLength(3));
      const current = await plan('bound');
      expect(boundOf(behind)).toEqual(boundOf(current));
      expect(digestOfPlan(behind)).not.toBe(digestOfPlan(before));
      // What is not bound, and is written into the cluster all the same.
      expect(behind.pods).toEqual(['checkout-2']);
      expect([behind.network, behind.surroundings]).toEqual([current.network, current.surroundings]);
    },
  );

  test('is the same where it is only shown, once the model knows all of it, and asks far less', async () => {
    const { fake, model, plan, owner } = await cluster('Deployment', mode);
    changeAll(fake, 'Deployment', owner);
    await eventually(() => expect(model.cluster().policies).toHaveLength(3));
    await eventually(() => expect(model.servicesIn('staging')).toHaveLength(1));
    await eventually(() => expect(model.podsIn('staging').map(({ name }) => name)).toEqual(['checkout-2']));
    const bound = await plan('bound');
    fake.asked.length = 0;
    const shown = await plan('shown');
    expect(fake.asked.toSorted()).toEqual([
      'read Deployment staging/checkout',
      'read Namespace /kube-system',
      'read Namespace /staging',
    ]);
    expect(digestOfPlan(shown)).toBe(digestOfPlan(bound));
    expect(shown).toEqual(bound);
  });
});

test('what lies elsewhere is of the model, and only while it is listed: with what is to be done else', async () => {
  const { fake, plan } = await cluster('Deployment', 'workspace');
  fake.knobs.isHeld = true;
  fake.put('NetworkPolicy', 'payments', 'deny', { spec: { podSelector: {}, policyTypes: ['Ingress'] } });
  fake.asked.length = 0;
  await plan('bound');
  expect(fake.asked.filter((call) => call.includes('payments') || /^list \w+ $/.test(call))).toEqual([]);
});

test('a survey says since when the model hears nothing, and of a profile that needs none of it nothing', async () => {
  const { fake, plan, model } = await cluster('Deployment', 'contain');
  expect((await plan('bound')).preview.notes.join()).not.toContain('As of');
  vi.spyOn(model, 'staleSince').mockReturnValue(Date.parse('2026-03-04T05:06:07Z'));
  for (const purpose of ['bound', 'shown'] as const)
    expect((await plan(purpose)).preview.notes.join()).toContain('As of 2026-03-04 05:06:07 UTC');
  const surveyor = createSurveyor({ api: fake.api, model, instance: 'test', workspacesNamespace: 'workspaces' });
  const plain = policySchema.parse({
    ...POLICY,
    profiles: {
      debug: {
        ...POLICY.profiles.debug,
        rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }],
        network: { mode: 'none' },
      },
    },
  }).profiles['debug'] as Profile;
  const target = { namespace: 'staging', workload: { kind: 'Deployment' as const, name: 'checkout' } };
  expect(await surveyor.survey(target, plain, 'bound')).toMatchObject({ cluster: null, staleSince: null });
});

test('what is shown is read anew while the model hears nothing', async () => {
  const { fake, plan, model, owner } = await cluster('Deployment', 'contain');
  vi.spyOn(model, 'staleSince').mockReturnValue(Date.parse('2026-03-04T05:06:07Z'));
  fake.knobs.isHeld = true;
  changeAll(fake, 'Deployment', owner);
  expect(boundOf(await plan('shown'))).toEqual(boundOf(await plan('bound')));
});

test('forms offer what is there and is not being deleted: namespaces, workloads, Services that select pods', async () => {
  const { fake, model } = await cluster('Deployment', 'contain');
  const surveyor = createSurveyor({ api: fake.api, model, instance: 'test', workspacesNamespace: 'workspaces' });
  const leaving = { deletionTimestamp: '2026-01-01T00:00:00Z' };
  fake.put('Namespace', null, 'doomed', {}, leaving);
  fake.put('StatefulSet', 'staging', 'db');
  fake.put('DaemonSet', 'staging', 'doomed', {}, leaving);
  fake.put('Service', 'staging', 'front', { spec: { selector: LABELS } });
  fake.put('Service', 'staging', 'doomed', { spec: { selector: LABELS } }, leaving);
  fake.put('Service', 'staging', 'external', { spec: { type: 'ExternalName', selector: LABELS } });
  fake.put('Service', 'staging', 'last', { spec: {} });
  await eventually(() => expect(model.servicesIn('staging')).toHaveLength(4));
  await eventually(() => expect(model.namespaces()).toHaveLength(5));
  await eventually(() => expect(model.workloadsIn('staging')).toHaveLength(3));
  fake.asked.length = 0;
  expect(await surveyor.namespaces()).toEqual(['kube-system', 'staging', 'payments', 'workspaces']);
  expect(await surveyor.workloads('staging')).toEqual([
    { kind: 'Deployment', name: 'checkout' },
    { kind: 'StatefulSet', name: 'db' },
    { kind: 'Service', name: 'front' },
  ]);
  expect(fake.asked).toEqual([]);
});

test('of Services it is known where they are dialled, and a name that was mistyped is told the nearest', async () => {
  const { fake, model } = await cluster('Deployment', 'workspace');
  const ports = [
    { port: 80, targetPort: 8080 },
    { port: 443, targetPort: 'https' },
  ];
  fake.put('Service', 'staging', 'front', {
    spec: { selector: LABELS, clusterIP: '10.9.0.1', ports: ports.slice(0, 1) },
  });
  fake.put('Service', 'staging', 'unclear', { spec: { selector: LABELS, clusterIP: '10.9.0.2', ports } });
  await eventually(() => expect(model.servicesIn('staging')).toHaveLength(2));
  const surveyor = createSurveyor({ api: fake.api, model, instance: 'test', workspacesNamespace: 'workspaces' });
  const survey = (kind: WorkloadKind, name: string) =>
    surveyor.survey({ namespace: 'staging', workload: { kind, name } }, profileWith('workspace'), 'shown');
  const { workload } = await survey('Deployment', 'checkout');
  expect(workload?.services).toEqual([
    { name: 'front', clusterIP: '10.9.0.1', ports: [{ dialled: 80, port: 8080, protocol: 'TCP' }] },
    { name: 'unclear', clusterIP: '10.9.0.2', ports: [] },
  ]);
  const remedyOf = (kind: WorkloadKind, name: string) =>
    survey(kind, name).then(
      () => null,
      (error: unknown) => (error instanceof Refusal ? error.remedy : null),
    );
  expect(await remedyOf('Deployment', 'chekout')).toContain('Did you mean staging/deployment/checkout?');
  expect(await remedyOf('StatefulSet', 'checkout')).toContain('Did you mean staging/deployment/checkout?');
  expect(await remedyOf('Deployment', 'ledger')).not.toContain('Did you mean');
});
