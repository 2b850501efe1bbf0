import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { leaseJob, type ManifestContext, objectName, targetRights } from '../../src/adapters/kubernetes/manifests.ts';
import type { KubeObject } from '../../src/adapters/kubernetes/object.ts';
import { KIT_NAMES, type Kit, kitsFor, rulesOfKits } from '../../src/domain/rights/kits.ts';
import { type Rule, WORKLOAD_KINDS, type WorkloadKind } from '../../src/domain/rights/rights.ts';
import { type Installation, uninstallChart } from '../../src/sandbox/chart.ts';
import { markRunning } from '../../src/sandbox/cluster/pods.ts';
import { installExample } from '../support/chart.ts';
import { describeWithCluster } from '../support/cluster.ts';
import { applyingGrant, samplePlan } from '../support/grants.ts';
import { type Hand, handOf } from '../support/hand.ts';
import { changed } from '../support/made.ts';

/** One person a kit, so that no kit lives on the rights of another. */
const userOf = (kit: Kit): string => `${kit}@example.test`;

const template = (app: string, restartPolicy: 'Always' | 'Never') => ({
  metadata: { labels: { app } },
  spec: { restartPolicy, containers: [{ name: 'app', image: 'example.test/app:1' }] },
});

function workload(kind: WorkloadKind, namespace: string, name: string): object {
  const metadata = { namespace, name };
  const selector = { matchLabels: { app: name } };
  switch (kind) {
    case 'Pod':
      return { apiVersion: 'v1', kind, ...template(name, 'Always'), metadata: { ...metadata, labels: { app: name } } };
    case 'Job':
      return { apiVersion: 'batch/v1', kind, metadata, spec: { template: template(name, 'Never') } };
    default:
      return { apiVersion: 'apps/v1', kind, metadata, spec: { selector, template: template(name, 'Always') } };
  }
}

/** What is said of a command that the API server allows, and passes on to the node that there is not. */
const NODE = /does not have a host assigned/;

describeWithCluster('rights in words', (cluster) => {
  let at: Installation;
  let namespace: string;
  let context: ManifestContext;
  let bot: Hand;
  const closing: (() => Promise<unknown>)[] = [];
  const kubeconfigs = new Map<Kit, string>();

  beforeAll(async () => {
    const installed = await installExample(cluster, 'kits', {
      'policy.profiles.debug.rules': undefined,
      'policy.profiles.debug.rights': [...KIT_NAMES],
    });
    at = installed.at;
    namespace = installed.targets.staging;
    closing.push(() => uninstallChart(cluster.adminKubeconfig, at));
    context = { instance: at.instance, workspacesNamespace: at.workspacesNamespace };
    bot = await handOf(await cluster.serviceAccountKubeconfig(at.namespace, at.serviceAccount));
    await cluster.apply(
      WORKLOAD_KINDS.flatMap(({ kind }) =>
        ['mine', 'other'].map((name) => workload(kind, namespace, `${name}-${kind.toLowerCase()}`)),
      ),
    );
    const kubelet = await markRunning({
      kubeconfig: await cluster.kubeconfigFor('system:kube-scheduler'),
      namespaces: [namespace],
    });
    closing.unshift(() => kubelet.stop());
    for (const kit of KIT_NAMES) kubeconfigs.set(kit, await cluster.kubeconfigFor(userOf(kit)));
  });

  afterAll(async () => {
    for (const close of closing) await close();
  });

  /** The pod of a workload; there is no node for one of a DaemonSet, in whose place stands one of its name. */
  async function podOf(name: string): Promise<string> {
    if (name.endsWith('daemonset')) {
      await cluster.apply([workload('Pod', namespace, `${name}-x`)]);
      return `${name}-x`;
    }
    return vi.waitFor(
      async () => {
        const running = ['--field-selector=status.phase=Running', '-o', 'jsonpath={.items[0].metadata.name}'];
        const { stdout } = await cluster.kubectl(['-n', namespace, 'get', 'pods', '-l', `app=${name}`, ...running]);
        expect(stdout).not.toBe('');
        return stdout;
      },
      { timeout: 20_000, interval: 200 },
    );
  }

  /** The objects of a grant of one kit, as the bot writes them. */
  async function objectsOf(kit: Kit, kind: WorkloadKind, pods: readonly string[], uid: string | null) {
    const base = applyingGrant(600);
    const target = { namespace, workload: { kind, name: `mine-${kind.toLowerCase()}` } };
    const plan = samplePlan({ target, user: userOf(kit), rights: [kit], rules: rulesOfKits([kit], kind), pods });
    const grant = { ...base, target, plan, pods, requester: { ...base.requester, user: userOf(kit) } };
    const lease = leaseJob(grant, context, namespace, Date.now());
    if (uid === null) expect(await bot.apply(lease)).toBe('accepted');
    const owner = { name: objectName(grant.id), uid: uid ?? (await bot.read<KubeObject>(lease)).metadata.uid ?? '' };
    return targetRights(grant, context, owner, pods);
  }

  /** The commands of a kit on a workload and its pod, each with what is said where it may be done, if it is not done. */
  function commandsOf(kit: Kit, kind: WorkloadKind, pod: string, name: string): [string[], RegExp?][] {
    const word = WORKLOAD_KINDS.find((each) => each.kind === kind)?.words[0] ?? '';
    const isRolled = ['Deployment', 'StatefulSet', 'DaemonSet'].includes(kind);
    switch (kit) {
      case 'read':
        return [
          [['get', word, name]],
          [['get', 'pod', pod, '-o', 'yaml']],
          [['wait', `pod/${pod}`, '--for=condition=Ready', '--timeout=10s']],
          ...(isRolled ? [[['rollout', 'status', `${word}/${name}`, '--watch=false']] as [string[]]] : []),
        ];
      case 'logs':
        return [[['logs', pod]]];
      case 'exec':
        return [
          [['exec', pod, '--', 'true'], NODE],
          [['attach', pod], NODE],
        ];
      case 'port-forward':
        return [[['port-forward', pod, ':8080'], NODE]];
      case 'restart':
        return [[['delete', 'pod', pod]]];
      case 'scale':
        return [[['scale', `${word}/${name}`, '--replicas=2']]];
      default:
        return kit satisfies never;
    }
  }

  test.each(WORKLOAD_KINDS.map(({ kind }) => kind))(
    'of a %s are used as people type it, and refused on its neighbour',
    async (kind) => {
      const [mine, other] = [`mine-${kind.toLowerCase()}`, `other-${kind.toLowerCase()}`];
      const [pod, neighbour] = await Promise.all([podOf(mine), podOf(other)]);
      // What changes the pods comes last.
      for (const kit of kitsFor(KIT_NAMES, kind).toSorted(
        (one, next) => Number(one === 'restart') - Number(next === 'restart'),
      )) {
        const run = (args: readonly string[]) =>
          cluster.kubectl(['-n', namespace, ...args], { kubeconfig: kubeconfigs.get(kit) ?? '' });
        for (const object of await objectsOf(kit, kind, [pod], null)) expect(await bot.apply(object)).toBe('accepted');
        for (const [args] of commandsOf(kit, kind, neighbour, other))
          expect([args, (await run(args)).stderr]).toEqual([args, expect.stringMatching(/forbidden/i)]);
        for (const [args, beyond] of commandsOf(kit, kind, pod, mine)) {
          const { code, stderr } = await run(args);
          if (beyond === undefined) expect([args, code, stderr]).toEqual([args, 0, expect.anything()]);
          else expect([args, stderr]).toEqual([args, expect.stringMatching(beyond)]);
        }
      }
    },
  );

  test('are what the chart lets the bot give, and no more', async () => {
    const wider: [string, Rule][] = [
      ['a verb that no kit has', { apiGroups: [''], resources: ['pods'], verbs: ['patch'] }],
      ['a template that runs another image', { apiGroups: ['apps'], resources: ['deployments'], verbs: ['patch'] }],
      ['a resource that no kit has', { apiGroups: [''], resources: ['pods/ephemeralcontainers'], verbs: ['get'] }],
    ];
    const [role] = await objectsOf('read', 'Deployment', ['p'], '00000000-0000-4000-8000-000000000000');
    if (role === undefined) throw new Error('no Role');
    expect(await bot.apply(role, true)).toBe('accepted');
    expect(await bot.apply(changed(role, { 'rules.0.resourceNames': undefined }), true)).toMatch(/^403 .*name nothing/);
    for (const [, rule] of wider)
      expect(await bot.apply(changed(role, { 'rules.0': { ...rule, resourceNames: ['p'] } }), true)).toMatch(/^403 /);
  });
});
