import { setTimeout as delay } from 'node:timers/promises';
import { type Api, openApi } from '../../src/sandbox/cluster/api.ts';
import type { Cluster } from '../../src/sandbox/cluster/cluster.ts';
import { markRunning } from '../../src/sandbox/cluster/pods.ts';

/** What never stands still in a cluster that is used: Jobs, CronJobs' Jobs, rollouts, scaling and relabelling. */
export interface Churn {
  /** Changes that were made so far. */
  readonly count: number;
  stop(): Promise<void>;
}

const IMAGE = 'registry.k8s.io/pause:3.10';
/** So many Jobs of each kind are there at once. */
const JOBS = 3;
const MERGE = 'application/merge-patch+json';
const STRATEGIC = 'application/strategic-merge-patch+json';

/**
 * Keeps things changing in namespaces of its own until it is stopped, through the real API and its controllers.
 * @param cluster where there are no nodes: pods are marked as running
 * @param options.every milliseconds between two changes; default 400
 */
export async function startChurn(
  cluster: Pick<Cluster, 'adminKubeconfig' | 'kubeconfigFor' | 'apply'>,
  options: { readonly namespaces: readonly string[]; readonly every?: number },
): Promise<Churn> {
  const { namespaces, every = 400 } = options;
  const api = await openApi(cluster.adminKubeconfig);
  await cluster.apply(namespaces.map((name) => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } })));
  for (const namespace of namespaces) await accountOf(api, namespace);
  await cluster.apply(namespaces.flatMap(scenery));
  const kubelet = await markRunning({
    kubeconfig: await cluster.kubeconfigFor('system:kube-scheduler'),
    namespaces,
    podCidr: '10.99.0.0/16',
  });
  const stopping = new AbortController();
  let count = 0;

  async function churn(): Promise<void> {
    for (let round = 0; !stopping.signal.aborted; round++) {
      const namespace = namespaces[round % namespaces.length] ?? '';
      const change = CHANGES[Math.floor(round / namespaces.length) % CHANGES.length];
      await change?.(api, namespace, round);
      count += 1;
      await delay(every, undefined, { signal: stopping.signal }).catch(() => {});
    }
  }

  const churning = churn();
  // Who waits for it in `stop` is told; until then nobody is.
  churning.catch(() => {});
  return {
    get count() {
      return count;
    },
    async stop() {
      stopping.abort();
      await kubelet.stop();
      await churning.finally(() => api.close());
    },
  };
}

/** Each makes one change. */
const CHANGES: readonly ((api: Api, namespace: string, round: number) => Promise<void>)[] = [
  (api, namespace, round) => runJob(api, namespace, 'batch', round, []),
  (api, namespace, round) =>
    patch(api, deployment(namespace, 'web'), {
      spec: { template: { metadata: { annotations: { 'example.test/round': String(round) } } } },
    }),
  async (api, namespace, round) => {
    const { metadata } = (await read(api, cronJob(namespace))) as { metadata: { uid: string } };
    const owner = { apiVersion: 'batch/v1', kind: 'CronJob', name: 'nightly', uid: metadata.uid, controller: true };
    await runJob(api, namespace, 'nightly', round, [owner]);
  },
  (api, namespace, round) => patch(api, deployment(namespace, 'worker'), { spec: { replicas: 1 + (round % 3) } }),
  (api, namespace, round) =>
    patch(api, `/api/v1/namespaces/${namespace}/pods/tool`, { metadata: { labels: { app: `tool-${round % 5}` } } }),
  (api, namespace, round) =>
    patch(api, `/api/v1/namespaces/${namespace}`, { metadata: { labels: { team: `team-${round % 4}` } } }),
];

const deployment = (namespace: string, name: string) => `/apis/apps/v1/namespaces/${namespace}/deployments/${name}`;
const cronJob = (namespace: string) => `/apis/batch/v1/namespaces/${namespace}/cronjobs/nightly`;

async function read(api: Api, path: string): Promise<unknown> {
  return mustBe([200], `GET ${path}`, await api.call('GET', path));
}

async function patch(api: Api, path: string, change: object): Promise<void> {
  mustBe([200], `PATCH ${path}`, await api.call('PATCH', path, change, path.includes('/apis/') ? STRATEGIC : MERGE));
}

/** Makes a Job, which has a pod, and takes the one away that was made some rounds ago, as one that has run and been cleared up. */
async function runJob(
  api: Api,
  namespace: string,
  of: string,
  round: number,
  ownerReferences: object[],
): Promise<void> {
  const path = `/apis/batch/v1/namespaces/${namespace}/jobs`;
  const job = {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: `${of}-${round}`, labels: { churn: of }, ownerReferences },
    spec: { template: { metadata: { labels: { app: of } }, spec: { restartPolicy: 'Never', ...podSpec(of) } } },
  };
  mustBe([201], `POST ${path}`, await api.call('POST', path, job));
  const { items } = (await read(api, `${path}?labelSelector=churn%3D${of}`)) as {
    items: { metadata: { name: string; creationTimestamp: string } }[];
  };
  const oldest = items.toSorted((a, b) => numberOf(a.metadata.name) - numberOf(b.metadata.name))[0];
  if (items.length <= JOBS || oldest === undefined) return;
  const gone = `${path}/${oldest.metadata.name}?propagationPolicy=Background`;
  mustBe([200, 404], `DELETE ${gone}`, await api.call('DELETE', gone));
}

/** Waits for the account without which no pod is admitted. */
async function accountOf(api: Api, namespace: string): Promise<void> {
  const end = Date.now() + 20_000;
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts/default`;
  while ((await api.call('GET', path)).status !== 200) {
    if (Date.now() > end) throw new Error(`namespace ${namespace} gets no service account`);
    await delay(50);
  }
}

const numberOf = (name: string): number => Number(name.slice(name.lastIndexOf('-') + 1));

function mustBe(statuses: readonly number[], what: string, answer: { status: number; body: unknown }): unknown {
  if (!statuses.includes(answer.status)) throw new Error(`${what}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body;
}

const podSpec = (name: string) => ({ containers: [{ name, image: IMAGE, ports: [{ containerPort: 8080 }] }] });

function scenery(namespace: string): object[] {
  const template = (app: string) => ({ metadata: { labels: { app } }, spec: podSpec(app) });
  const replicated = (name: string) => ({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { namespace, name },
    spec: { replicas: 2, selector: { matchLabels: { app: name } }, template: template(name) },
  });
  return [
    replicated('web'),
    replicated('worker'),
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { namespace, name: 'tool', labels: { app: 'tool' } },
      spec: podSpec('tool'),
    },
    {
      apiVersion: 'batch/v1',
      kind: 'CronJob',
      metadata: { namespace, name: 'nightly' },
      spec: {
        schedule: '* * * * *',
        successfulJobsHistoryLimit: 1,
        jobTemplate: {
          spec: { template: { ...template('nightly'), spec: { restartPolicy: 'Never', ...podSpec('nightly') } } },
        },
      },
    },
  ];
}
