import { setTimeout as delay } from 'node:timers/promises';
import { openApi } from './api.ts';

/** What this file reads of a pod. */
export type Pod = {
  metadata: { name: string; namespace: string; uid: string; deletionTimestamp?: string };
  spec: { containers: Container[]; initContainers?: Container[]; nodeName?: string };
  status?: { phase?: string; podIP?: string };
};
type Container = { name: string; image?: string };
type PodList = { metadata: { resourceVersion: string }; items: Pod[] };
type WatchEvent = { type: string; object: Pod };

/** What the probe of a workspace says in a cluster that enforces NetworkPolicies, of a target that answers. */
const CONFINED = JSON.stringify({ v: 1, target: 'answers', canary: 'silent' });

/**
 * Plays the kubelet where there is no node: each Pending pod, present or to come, gets the status of a running one (init
 * containers completed, containers ready, an address of its own). Nothing is run. A pod without a node is gone as soon as it
 * is deleted, so endings need no help.
 *
 * @param options.kubeconfig of the harness, as somebody who may patch pods/status. `kubeconfigFor('system:kube-scheduler')` may, and
 *   unlike the administrator is let through by admission policies that keep all but Kubernetes' own parts away from pods.
 * @param options.namespaces only these; default: all.
 * @param options.podCidr IPv4 range of the addresses. Default 10.244.0.0/16.
 * @param options.terminationMessage what an init container leaves as its last words. Default: a probe that all is as it should be, any
 *   other nothing.
 * @param options.onError is told of a failure; it goes on regardless.
 */
export async function markRunning(options: {
  kubeconfig: string;
  namespaces?: readonly string[];
  podCidr?: string;
  terminationMessage?: (pod: Pod, initContainer: string) => string;
  onError?: (error: unknown) => void;
}): Promise<{ stop(): Promise<void> }> {
  const {
    kubeconfig,
    namespaces,
    podCidr = '10.244.0.0/16',
    terminationMessage = (_pod, initContainer) => (initContainer === 'probe' ? CONFINED : ''),
    onError = () => {},
  } = options;
  const api = await openApi(kubeconfig);
  const stopping = new AbortController();
  const nextIp = addressesOf(podCidr);
  const usedIps = new Set<string>();

  async function visit(pod: Pod): Promise<void> {
    const { name, namespace, uid, deletionTimestamp } = pod.metadata;
    if (pod.status?.podIP) usedIps.add(pod.status.podIP);
    const isOurs = namespaces === undefined || namespaces.includes(namespace);
    if (!isOurs || pod.status?.phase !== 'Pending' || pod.spec.nodeName || deletionTimestamp) return;
    let ip = nextIp();
    while (usedIps.has(ip)) ip = nextIp();
    usedIps.add(ip);
    const { status, body } = await api.call(
      'PATCH',
      `/api/v1/namespaces/${namespace}/pods/${name}/status`,
      // The uid makes it a conflict when another pod has this name by now.
      { metadata: { uid }, status: runningStatus(pod, ip, terminationMessage) },
      'application/merge-patch+json',
    );
    const isGone = status === 404 || status === 409;
    if (status !== 200 && !isGone) onError(new Error(`${namespace}/${name} stays Pending: ${JSON.stringify(body)}`));
  }

  async function followUntilLost(): Promise<void> {
    const { status, body } = await api.call('GET', '/api/v1/pods');
    if (status !== 200) throw new Error(`can't list pods: ${JSON.stringify(body)}`);
    const { metadata, items } = body as PodList;
    for (const pod of items) if (pod.status?.podIP) usedIps.add(pod.status.podIP);
    for (const pod of items) await visit(pod);
    const path = `/api/v1/pods?watch=1&resourceVersion=${metadata.resourceVersion}`;
    for await (const event of api.lines(path, stopping.signal)) {
      const { type, object } = event as WatchEvent;
      if (type === 'ERROR') return;
      if (type === 'ADDED') await visit(object);
    }
  }

  async function follow(): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        await followUntilLost();
      } catch (error) {
        if (!stopping.signal.aborted) onError(error);
      }
      await delay(200, undefined, { signal: stopping.signal }).catch(() => {});
    }
  }

  const following = follow();
  return {
    async stop() {
      stopping.abort();
      await following;
      api.close();
    },
  };
}

function runningStatus(pod: Pod, ip: string, terminationMessage: (pod: Pod, initContainer: string) => string) {
  const now = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
  const common = (container: Container) => ({
    name: container.name,
    image: container.image ?? '',
    imageID: '',
    containerID: `none://${pod.metadata.uid}/${container.name}`,
    ready: true,
    restartCount: 0,
  });
  const condition = (type: string) => ({ type, status: 'True', lastTransitionTime: now });
  return {
    phase: 'Running',
    startTime: now,
    hostIP: '127.0.0.1',
    hostIPs: [{ ip: '127.0.0.1' }],
    podIP: ip,
    podIPs: [{ ip }],
    conditions: ['PodScheduled', 'Initialized', 'ContainersReady', 'Ready'].map(condition),
    initContainerStatuses: (pod.spec.initContainers ?? []).map((container) => ({
      ...common(container),
      started: false,
      state: {
        terminated: {
          exitCode: 0,
          reason: 'Completed',
          message: terminationMessage(pod, container.name),
          startedAt: now,
          finishedAt: now,
          containerID: common(container).containerID,
        },
      },
    })),
    containerStatuses: pod.spec.containers.map((container) => ({
      ...common(container),
      started: true,
      state: { running: { startedAt: now } },
    })),
  };
}

/** The host addresses of an IPv4 range, one after the other, without its network and broadcast addresses. */
function addressesOf(cidr: string): () => string {
  const [base = '', bits = ''] = cidr.split('/');
  const size = 2 ** (32 - Number(bits));
  const first = base.split('.').reduce((sum, byte) => sum * 256 + Number(byte), 0);
  let offset = 0;
  return () => {
    offset += 1;
    if (!(offset < size - 1)) throw new Error(`no address left in ${cidr}`);
    const address = first + offset;
    return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.');
  };
}
