import { inParallel } from '../../src/app/common/in-parallel.ts';
import { type Api, openApi } from '../../src/sandbox/cluster/api.ts';

export interface ClusterSize {
  /** Of 6 KB each, marked as running. */
  readonly pods: number;
  /** As large as etcd takes, in one namespace. */
  readonly large: number;
  readonly namespaces: number;
  /** Deployments, all in the first namespace. */
  readonly workloads: number;
}

/** So many namespaces have pods, and a policy. */
export const INHABITED = 200;
/** Bytes of a large pod: etcd takes 1.5 MiB. */
export const LARGE = 1.4 * 2 ** 20;

/** Calls of the API server at once. */
const AT_ONCE = 16;

/** The namespaces that {@link fillCluster} makes, covered by the profiles of a bench. */
export const bigNamespace = (index: number): string => `bench-${index}`;

/** Makes what a big cluster has, through the API. Nothing of it is run or followed by controllers. */
export async function fillCluster(kubeconfig: string, size: ClusterSize): Promise<void> {
  const api = await openApi(kubeconfig);
  try {
    await each(size.namespaces, (index) =>
      post(api, '/api/v1/namespaces', { metadata: { name: bigNamespace(index) } }),
    );
    const inhabited = Math.min(INHABITED, size.namespaces);
    // Without it there are no pods; the controller that makes it is far behind at so many namespaces.
    await each(inhabited, (index) =>
      post(api, `/api/v1/namespaces/${bigNamespace(index)}/serviceaccounts`, { metadata: { name: 'default' } }),
    );
    await each(inhabited, (index) =>
      post(api, `/apis/networking.k8s.io/v1/namespaces/${bigNamespace(index)}/networkpolicies`, {
        metadata: { name: 'default-deny' },
        spec: { podSelector: {}, policyTypes: ['Ingress'] },
      }),
    );
    await each(size.workloads, (index) =>
      post(api, `/apis/apps/v1/namespaces/${bigNamespace(0)}/deployments`, deployment(index)),
    );
    await each(size.pods, async (index) => {
      const path = `/api/v1/namespaces/${bigNamespace(index % inhabited)}/pods`;
      await post(api, path, pod(index));
      await must(api, 'PATCH', `${path}/pod-${index}/status`, statusOf(index), 'application/merge-patch+json');
    });
    await each(size.large, (index) => post(api, `/api/v1/namespaces/${bigNamespace(0)}/pods`, largePod(index)));
  } finally {
    api.close();
  }
}

async function each(count: number, work: (index: number) => Promise<void>): Promise<void> {
  await inParallel([...Array(count).keys()], AT_ONCE, work);
}

const post = (api: Api, path: string, object: object): Promise<void> => must(api, 'POST', path, object);

/** A busy API server may take longer than the harness waits: what was made all the same is there then (409). */
async function must(api: Api, method: string, path: string, body: object, type?: string, tries = 5): Promise<void> {
  const answer = await api.call(method, path, body, type).catch((error: unknown) => {
    if (tries === 1) throw error;
    return null;
  });
  if (answer === null) return must(api, method, path, body, type, tries - 1);
  if (answer.status >= 300 && answer.status !== 409)
    throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
}

/** Paused, so that no ReplicaSet is made of it. */
function deployment(index: number): object {
  const labels = { app: `app-${index}` };
  return {
    metadata: { name: `app-${index}` },
    spec: {
      replicas: 0,
      paused: true,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'app', image: 'registry.k8s.io/pause:3.10' }] } },
    },
  };
}

function pod(index: number): object {
  return {
    metadata: {
      name: `pod-${index}`,
      labels: { app: `app-${index % 100}`, 'example.test/pod': `pod-${index}` },
      annotations: { 'example.test/note': 'x'.repeat(3500) },
    },
    spec: {
      containers: [
        {
          name: 'app',
          image: 'registry.k8s.io/pause:3.10',
          env: Array.from({ length: 20 }, (_, i) => ({ name: `SETTING_${i}`, value: 'y'.repeat(30) })),
          ports: [{ name: 'http', containerPort: 8080 }],
        },
      ],
    },
  };
}

function largePod(index: number): object {
  const annotation = 'x'.repeat(255 * 2 ** 10);
  const env = [{ name: 'SETTING', value: 'y'.repeat(LARGE - annotation.length) }];
  return {
    metadata: { name: `large-${index}`, annotations: { 'example.test/note': annotation } },
    spec: { containers: [{ name: 'app', image: 'registry.k8s.io/pause:3.10', env }] },
  };
}

function statusOf(index: number): object {
  const ip = `10.${64 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`;
  return {
    status: { phase: 'Running', podIP: ip, podIPs: [{ ip }], hostIP: '192.0.2.1', hostIPs: [{ ip: '192.0.2.1' }] },
  };
}
