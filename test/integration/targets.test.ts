import { setTimeout as sleep } from 'node:timers/promises';
import { KubeConfig } from '@kubernetes/client-node';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { createApi } from '../../src/adapters/kubernetes/api.ts';
import { createClusterAccess } from '../../src/adapters/kubernetes/cluster-access.ts';
import { planOf } from '../../src/app/plan/make-plan.ts';
import type { ClusterAccess } from '../../src/app/ports/cluster-access.ts';
import type { Grant } from '../../src/domain/grant/grant.ts';
import { newGrantId } from '../../src/domain/ids.ts';
import { differencesOf } from '../../src/domain/plan/differences.ts';
import { boundOf } from '../../src/domain/plan/plan.ts';
import { type Profile } from '../../src/domain/policy/policy.ts';
import { policySchema } from '../../src/domain/policy/schema.ts';
import type { WorkloadKind } from '../../src/domain/rights/rights.ts';
import { markRunning } from '../../src/sandbox/cluster/pods.ts';
import { POLICY } from '../support/app-world.ts';
import { describeWithCluster } from '../support/cluster.ts';
import { startedModel } from '../support/cluster-model.ts';
import { ADA, applyingGrant } from '../support/grants.ts';

/** Rights on pods alone, of which logs can be had of pods that have ended. */
const LOGS = policySchema.parse({
  ...POLICY,
  profiles: {
    debug: {
      ...POLICY.profiles.debug,
      rules: [{ apiGroups: [''], resources: ['pods', 'pods/log'], verbs: ['get'] }],
      network: { mode: 'none' },
    },
  },
}).profiles['debug'] as Profile;

/** A named role in a whole namespace. */
const VIEW = policySchema.parse({
  ...POLICY,
  profiles: {
    debug: {
      ...POLICY.profiles.debug,
      scope: 'namespace',
      rules: undefined,
      clusterRole: 'view',
      network: { mode: 'none' },
    },
  },
}).profiles['debug'] as Profile;

describeWithCluster('targets that are not as they should be', (kube) => {
  let cluster: ClusterAccess;
  let namespace: string;
  let model: ReturnType<typeof startedModel>;
  let stop = async () => {};

  beforeAll(async () => {
    namespace = await kube.freshNamespace('targets');
    const config = new KubeConfig();
    config.loadFromFile(kube.adminKubeconfig);
    const api = createApi(config);
    model = startedModel(api, namespace);
    cluster = createClusterAccess({
      api,
      model,
      sealKeys: [Buffer.alloc(32, 7)],
      ownNamespace: 'drawbridge',
      probeImage: null,
      workspacesNamespace: namespace,
      instance: namespace,
      now: Date.now,
      sleep,
    });
    const kubelet = await markRunning({
      kubeconfig: await kube.kubeconfigFor('system:kube-scheduler'),
      namespaces: [namespace],
    });
    stop = () => kubelet.stop();
  });
  afterAll(() => {
    model.stop();
    return stop();
  });

  const template = (app: string, restartPolicy = 'Always') => ({
    metadata: { labels: { app } },
    spec: { restartPolicy, containers: [{ name: 'app', image: 'registry.k8s.io/pause:3.10' }] },
  });
  const deployment = (name: string, replicas = 1, finalizers: string[] = []) => ({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { namespace, name, finalizers },
    spec: { replicas, selector: { matchLabels: { app: name } }, template: template(name) },
  });

  async function plan(kind: WorkloadKind, name: string, where = namespace) {
    const target = { namespace: where, workload: { kind, name } };
    const survey = await cluster.survey(target, LOGS, 'bound');
    const wish = { id: newGrantId(), requester: ADA, target, profileName: 'debug', duration: 600 };
    return planOf(wish, LOGS, survey, namespace);
  }
  const kubectl = async (...args: string[]) => {
    const { code, stdout, stderr } = await kube.kubectl(['-n', namespace, ...args]);
    if (code !== 0) throw new Error(stderr);
    return stdout.trim();
  };
  const untilPlanned = (kind: WorkloadKind, name: string) =>
    vi.waitFor(() => plan(kind, name), { timeout: 20_000, interval: 100 });
  const refused = (message: RegExp) =>
    expect.objectContaining({ name: 'Refusal', rule: 'target', message: expect.stringMatching(message) as string });

  it('a Job whose pod has failed: its logs, by its name', async () => {
    await kube.apply([
      {
        apiVersion: 'batch/v1',
        kind: 'Job',
        metadata: { namespace, name: 'migrate' },
        spec: { backoffLimit: 0, template: template('migrate', 'Never') },
      },
    ]);
    const [pod = ''] = (await untilPlanned('Job', 'migrate')).pods;
    const phase = () => kubectl('get', 'pod', pod, '-o', 'jsonpath={.status.phase}');
    await vi.waitFor(async () => expect(await phase()).toBe('Running'), { timeout: 20_000 });
    const ended = JSON.stringify({ status: { phase: 'Failed' } });
    await kubectl('patch', 'pod', pod, '--subresource=status', '--type=merge', '-p', ended);
    await vi.waitFor(async () => {
      const { pods, preview } = await plan('Job', 'migrate');
      expect(pods).toEqual([pod]);
      expect(preview.notes.join()).toContain('have ended');
    });
  });

  it('a Deployment of no replicas is refused', async () => {
    await kube.apply([deployment('idle', 0)]);
    await expect(plan('Deployment', 'idle')).rejects.toEqual(refused(/idle is scaled to 0/));
  });

  it('a workload that is being deleted is refused, and no longer offered', async () => {
    await kube.apply([deployment('leaving', 1, ['example.test/keep'])]);
    await untilPlanned('Deployment', 'leaving');
    await kubectl('delete', 'deployment', 'leaving', '--wait=false');
    await expect(plan('Deployment', 'leaving')).rejects.toEqual(refused(/leaving .* is being deleted/));
    expect(await cluster.workloads(namespace)).not.toContainEqual({ kind: 'Deployment', name: 'leaving' });
    await kubectl('patch', 'deployment', 'leaving', '--type=merge', '-p', '{"metadata":{"finalizers":null}}');
  });

  it('a pod that is being deleted is refused', async () => {
    await kube.apply([
      {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { namespace, name: 'last', finalizers: ['example.test/keep'], labels: { app: 'last' } },
        spec: template('last').spec,
      },
    ]);
    await untilPlanned('Pod', 'last');
    await kubectl('delete', 'pod', 'last', '--wait=false');
    await expect(plan('Pod', 'last')).rejects.toEqual(refused(/last .* is being deleted/));
    await kubectl('patch', 'pod', 'last', '--type=merge', '-p', '{"metadata":{"finalizers":null}}');
  });

  it('a namespace that is being deleted is refused, and no longer offered', async () => {
    const doomed = await kube.freshNamespace('doomed');
    await kube.apply([
      {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { namespace: doomed, name: 'kept', finalizers: ['example.test/keep'] },
      },
    ]);
    await kubectl('delete', 'namespace', doomed, '--wait=false');
    await expect(cluster.survey({ namespace: doomed }, LOGS, 'bound')).rejects.toEqual(
      refused(/doomed.* is being deleted/),
    );
    await expect(plan('Deployment', 'any', doomed)).rejects.toEqual(refused(/is being deleted/));
    expect(await cluster.namespaces()).not.toContain(doomed);
    const { code } = await kube.kubectl([
      '-n',
      doomed,
      'patch',
      'configmap',
      'kept',
      '--type=merge',
      '-p',
      '{"metadata":{"finalizers":null}}',
    ]);
    expect(code).toBe(0);
  });

  it('a namespace that is made again is another one', async () => {
    const reborn = await kube.freshNamespace('reborn');
    const planned = async () => {
      const survey = await cluster.survey({ namespace: reborn }, VIEW, 'bound');
      const wish = {
        id: newGrantId(),
        requester: ADA,
        target: { namespace: reborn },
        profileName: 'debug',
        duration: 600,
      };
      return planOf(wish, VIEW, survey, namespace);
    };
    const made = await planned();
    const grant: Grant = applyingGrant(600, { plan: made, target: made.target });
    expect(await cluster.targetGone(grant)).toBeNull();
    await kubectl('delete', 'namespace', reborn);
    expect(await cluster.targetGone(grant)).toMatch(/Namespace reborn-\S+ was deleted$/);
    await kubectl('create', 'namespace', reborn);
    expect(await cluster.targetGone(grant)).toMatch(/another has its name/);
    expect(differencesOf(boundOf(made), boundOf(await planned()))).toEqual([
      expect.stringMatching(/^namespace reborn-\S+ was deleted and made again/),
    ]);
  });

  it('a workload that is made again is another one, whose pods are nobody’s business', async () => {
    await kube.apply([deployment('checkout')]);
    const made = await untilPlanned('Deployment', 'checkout');
    const grant: Grant = applyingGrant(600, { plan: made, target: made.target });
    expect(await cluster.targetGone(grant)).toBeNull();
    expect(await cluster.podsOf(grant)).toEqual(made.pods);
    await kubectl('delete', 'deployment', 'checkout');
    expect(await cluster.targetGone(grant)).toMatch(/was deleted$/);
    await kube.apply([deployment('checkout')]);
    const other = await untilPlanned('Deployment', 'checkout');
    expect(other.pods).not.toEqual(made.pods);
    expect(await cluster.podsOf(grant)).toEqual([]);
    expect(await cluster.targetGone(grant)).toMatch(/another has its name/);
  });
});
