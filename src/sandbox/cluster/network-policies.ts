import { watch } from 'node:fs';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { openApi } from './api.ts';
import type { Cluster } from './cluster.ts';
import {
  type AddressedPod,
  type Enforcement,
  type NamespaceObject,
  NO_RULES,
  networkPolicyRules,
  type PodObject,
  type PolicyObject,
} from './network-policy-rules.ts';
import type { Node } from './node.ts';
import { run } from './node-network.ts';
import type { Log } from './supervisor.ts';

const RESOURCES = ['/api/v1/pods', '/api/v1/namespaces', '/apis/networking.k8s.io/v1/networkpolicies'] as const;

/** Plays the part of a network plugin that enforces NetworkPolicies. */
export type PolicyEnforcement = {
  /** Resolves when all that the API server has now is in force; no real cluster can say that. */
  readonly inForce: () => Promise<void>;
  /** Takes the rules away and goes. */
  readonly stop: () => Promise<void>;
};

/**
 * Enforces NetworkPolicies on the node as they come and go, within some tens of milliseconds. A pod that starts waits until rules
 * know it, so that there is no gap. Resolves when it is at work.
 */
export async function enforceNetworkPolicies(
  options: Enforcement & { cluster: Pick<Cluster, 'adminKubeconfig'>; node: Node; log: Log },
): Promise<PolicyEnforcement> {
  const { cluster, node, log } = options;
  const { dir, namespace } = node.network;
  const addressesDir = join(dir, 'addresses');
  const loadedDir = join(dir, 'loaded');
  const api = await openApi(cluster.adminKubeconfig);
  const stopping = new AbortController();
  const nft = (rules: string) => run('nsenter', [`--net=${namespace.path}`, 'nft', '-f', '-'], rules);
  let rulesInForce = '';

  async function list<T>(path: string): Promise<T[]> {
    const { status, body } = await api.call('GET', path);
    if (status !== 200) throw new Error(`can't list ${path}: ${JSON.stringify(body)}`);
    return (body as { items: T[] }).items;
  }

  async function load(): Promise<void> {
    // Before the list, which then has all whose addresses these are.
    const assigned = await readdir(addressesDir);
    const addresses = new Map(assigned.map((name) => name.split('_') as [uid: string, address: string]));
    const [pods, namespaces, policies] = await Promise.all([
      list<PodObject>(RESOURCES[0]),
      list<NamespaceObject>(RESOURCES[1]),
      list<PolicyObject>(RESOURCES[2]),
    ]);
    const addressed = pods.flatMap((pod): AddressedPod[] => {
      const address = addresses.get(pod.metadata.uid) ?? pod.status?.podIP;
      const isOver = ['Succeeded', 'Failed'].includes(pod.status?.phase ?? '');
      return address && !pod.spec.hostNetwork && !isOver ? [{ ...pod, address }] : [];
    });
    const rules = networkPolicyRules({ pods: addressed, namespaces, policies }, options);
    if (rules !== rulesInForce) await nft(rules);
    rulesInForce = rules;
    const marked = await readdir(loadedDir);
    const fresh = assigned.filter((name) => !marked.includes(name));
    await Promise.all(fresh.map((name) => writeFile(join(loadedDir, name), '')));
  }

  // One load at a time; whoever asks meanwhile gets the next one, which sees what they have seen.
  let running: Promise<void> | undefined;
  let next: Promise<void> | undefined;
  function inForce(): Promise<void> {
    if (running === undefined) {
      running = load().finally(() => (running = undefined));
      return running;
    }
    next ??= running
      .catch(() => {})
      .then(() => {
        next = undefined;
        return inForce();
      });
    return next;
  }
  const refresh = () =>
    inForce().catch((error: unknown) => stopping.signal.aborted || log(`network policies: ${String(error)}`));

  async function followResource(path: string): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        // Tells first of all that is there, so that nothing is missed after a break.
        const events = api.lines(`${path}?watch=1&resourceVersion=0`, stopping.signal);
        for await (const _event of events) void refresh();
      } catch (error) {
        if (!stopping.signal.aborted) log(`network policies: ${String(error)}`);
      }
      await delay(100, undefined, { signal: stopping.signal }).catch(() => {});
    }
  }

  await mkdir(loadedDir);
  if (options.denied === 'reject') {
    // The kernel tells of few rejections a second otherwise.
    const tellAll = 'echo 0 >/proc/sys/net/ipv4/icmp_ratemask';
    await run('nsenter', [`--net=${namespace.path}`, 'sh', '-c', tellAll]);
  }
  const newAddresses = watch(addressesDir, () => void refresh());
  await inForce();
  const following = Promise.all(RESOURCES.map(followResource));
  return {
    inForce,
    async stop() {
      stopping.abort();
      newAddresses.close();
      await following;
      // With nobody left to ask, after this one no other load begins.
      await inForce().catch(() => {});
      await rm(loadedDir, { recursive: true, force: true });
      // The node may have gone before.
      await nft(NO_RULES).catch(() => {});
      api.close();
    },
  };
}
