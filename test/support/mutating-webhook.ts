import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openApi } from '../../src/sandbox/cluster/api.ts';
import { openAuthority } from '../../src/sandbox/cluster/pki.ts';

interface ReviewedMeta {
  name?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
}
interface ReviewedPod {
  containers: { name: string; image: string; [field: string]: unknown }[];
  [field: string]: unknown;
}
/** An object as the API server sends it to a webhook, free to be changed; of these fields it has those of its kind. */
export interface Reviewed {
  kind: string;
  metadata: ReviewedMeta;
  spec: ReviewedPod & { template: { metadata?: ReviewedMeta; spec: ReviewedPod }; suspend?: boolean };
  rules: { verbs: string[] }[];
  [field: string]: unknown;
}
/** Changes the object in place. */
export type Mutation = (object: Reviewed) => void;

/** Somebody's mutating admission webhook: an HTTPS server beside the API server, which calls it for what is written in these namespaces. */
export interface MutatingWebhook {
  /** As refusals and its configuration name it. */
  readonly name: string;
  /** What it does from now on. */
  mutate(mutation: Mutation): void;
  /** From now on it answers no call of these operations. */
  fail(operations: readonly ('CREATE' | 'UPDATE' | 'DELETE')[]): void;
  stop(): Promise<void>;
}

const GROUP = 'admissionregistration.k8s.io';
const CONFIGURATIONS = `/apis/${GROUP}/v1/mutatingwebhookconfigurations`;
/** A ConfigMap of this name is only a try whether the API server calls it yet. */
const TRY = 'is-the-webhook-in-force';
const IN_FORCE_MS = 20_000;

const RULES = [
  [['batch'], ['jobs', 'cronjobs']],
  [[''], ['pods', 'configmaps', 'namespaces']],
  [['rbac.authorization.k8s.io'], ['roles', 'rolebindings']],
  [['networking.k8s.io'], ['networkpolicies']],
];

interface Review {
  readonly request: {
    readonly uid: string;
    readonly operation: 'CREATE' | 'UPDATE' | 'DELETE';
    readonly kind: { readonly kind: string };
    readonly object: Reviewed | null;
  };
}

/** Each member that differs, replaced as a whole: a JSON patch. */
function patchOf(before: Reviewed, after: Reviewed): object[] {
  return Object.keys(after)
    .filter((key) => JSON.stringify(before[key]) !== JSON.stringify(after[key]))
    .map((key) => ({ op: 'add', path: `/${key}`, value: after[key] }));
}

/** @param operations that the API server calls it for; `objectSelector` as of its configuration */
export async function startMutatingWebhook(options: {
  readonly cluster: { readonly dir: string; readonly adminKubeconfig: string };
  readonly namespaces: readonly string[];
  readonly operations?: readonly string[];
  readonly objectSelector?: object;
}): Promise<MutatingWebhook> {
  const { cluster, namespaces, operations = ['CREATE', 'UPDATE', 'DELETE'], objectSelector = {} } = options;
  const authority = openAuthority(join(cluster.dir, 'pki'));
  const pair = await authority.issue({ name: 'webhook', serves: { dns: [], ips: ['127.0.0.1'] } });
  let mutation: Mutation = () => {};
  let failing: readonly string[] = [];
  let isTried = false;

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { uid, operation, object, kind } = (JSON.parse(Buffer.concat(chunks).toString()) as Review).request;
    if (object?.metadata.name === TRY) isTried = true;
    else if (failing.includes(operation)) return void request.socket.destroy();
    const patch: object[] = [];
    if (object !== null && kind.kind !== 'ConfigMap') {
      const before = structuredClone(object);
      mutation(object);
      patch.push(...patchOf(before, object));
    }
    const patched = { patchType: 'JSONPatch', patch: Buffer.from(JSON.stringify(patch)).toString('base64') };
    const review = {
      apiVersion: `admission.k8s.io/v1`,
      kind: 'AdmissionReview',
      response: { uid, allowed: true, ...(patch.length > 0 ? patched : {}) },
    };
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(review));
  }
  const server = createServer({ cert: pair.certificate, key: pair.key }, (request, response) => {
    answer(request, response).catch(() => request.socket.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  const api = await openApi(cluster.adminKubeconfig);
  const name = `adds-${randomBytes(3).toString('hex')}.example.test`;
  const configuration = {
    apiVersion: `${GROUP}/v1`,
    kind: 'MutatingWebhookConfiguration',
    metadata: { name },
    webhooks: [
      {
        name,
        clientConfig: {
          url: `https://127.0.0.1:${(server.address() as AddressInfo).port}/`,
          caBundle: Buffer.from(authority.certificate).toString('base64'),
        },
        rules: RULES.map(([apiGroups, resources]) => ({ apiGroups, apiVersions: ['v1'], resources, operations })),
        namespaceSelector: {
          matchExpressions: [{ key: 'kubernetes.io/metadata.name', operator: 'In', values: namespaces }],
        },
        objectSelector,
        sideEffects: 'None',
        admissionReviewVersions: ['v1'],
        failurePolicy: 'Fail',
        timeoutSeconds: 5,
      },
    ],
  };
  const made = await api.call('POST', CONFIGURATIONS, configuration);
  if (made.status !== 201) throw new Error(`the webhook was not taken: ${JSON.stringify(made.body)}`);
  const config = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: TRY, labels: { 'is-a': 'try' } } };
  /** Waits until the API server calls it, or does not any more. */
  async function isCalled(wanted: boolean): Promise<void> {
    for (const end = Date.now() + IN_FORCE_MS; ; await sleep(50)) {
      isTried = false;
      await api.call('POST', `/api/v1/namespaces/${namespaces[0]}/configmaps?dryRun=All`, config);
      if (isTried === wanted) return;
      if (Date.now() > end) throw new Error(`the API server ${wanted ? 'does not call' : 'still calls'} the webhook`);
    }
  }
  await isCalled(true);

  return {
    name,
    mutate: (next) => void (mutation = next),
    fail: (next) => void (failing = next),
    async stop() {
      await api.call('DELETE', `${CONFIGURATIONS}/${name}`);
      await isCalled(false);
      api.close();
      server.closeAllConnections();
      server.close();
    },
  };
}

/** What a cluster's own conventions add to everything: labels, annotations, where pods run, what they are pulled with. */
export const addsHarmlessThings: Mutation = (object) => {
  const mark = (metadata: Reviewed['metadata']) => {
    metadata.labels = { ...metadata.labels, team: 'platform', 'example.test/cost-centre': '42' };
    metadata.annotations = { ...metadata.annotations, 'example.test/reviewed-at': String(Date.now()) };
  };
  mark(object.metadata);
  const place = (pod: ReviewedPod) =>
    Object.assign(pod, {
      tolerations: [...((pod['tolerations'] as object[] | undefined) ?? []), { key: 'spot', operator: 'Exists' }],
      nodeSelector: { 'example.test/pool': 'general' },
      imagePullSecrets: [{ name: 'registry' }],
    });
  if (object.kind === 'Pod') {
    place(object.spec);
    for (const container of object.spec.containers) container['env'] = [{ name: 'REGION', value: 'eu' }];
  }
  // Nobody may change those of a Job that is there.
  if (object.kind === 'Job' && object.spec.template.metadata?.labels?.['team'] === undefined) {
    mark((object.spec.template.metadata ??= {}));
    place(object.spec.template.spec);
    for (const container of object.spec.template.spec.containers)
      if (container.name === 'lease') {
        container['resources'] = { limits: { memory: '64Mi' } };
      }
  }
};
