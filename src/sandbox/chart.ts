import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { ApiException, KubeConfig, type KubernetesObject, KubernetesObjectApi } from '@kubernetes/client-node';
import { parseAllDocuments } from 'yaml';
import { CHART, type ChartValues } from './chart-values.ts';
import { ensureHelm } from './cluster/binaries.ts';
import { removeAtEnd } from './cluster/supervisor.ts';

/** An object of the chart as helm rendered it. */
export interface Rendered {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels: Readonly<Record<string, string>>;
  };
  readonly [field: string]: unknown;
}

/** The names under which a chart is installed: the release, and the namespace of the bot. */
export interface Release {
  readonly release: string;
  readonly namespace: string;
}

/** What an installation is called in the cluster. */
export interface Installation extends Release {
  /** The bot's service account, in `namespace`. */
  readonly serviceAccount: string;
  readonly instance: string;
  readonly workspacesNamespace: string;
  readonly accountsNamespace: string;
  readonly nodesNamespace: string;
  /** What workspaces are probed with; null: the probe is disabled. */
  readonly probeImage: string | null;
}

const DEFAULT_RELEASE: Release = { release: 'drawbridge', namespace: 'drawbridge' };
/** How long the API server may take to put new admission policies into force: milliseconds. It looks for them once a second. */
const ADMISSION_TIMEOUT = 30_000;

/**
 * Runs helm and answers what it writes; `values` becomes the file `values.json` in its working directory.
 * @throws Error with helm's words when it fails
 */
export async function helm(args: readonly string[], values: ChartValues | null): Promise<string> {
  const program = await ensureHelm();
  const dir = await mkdtemp(join(tmpdir(), 'drawbridge-helm-'));
  const folder = removeAtEnd(dir);
  try {
    if (values !== null) await writeFile(join(dir, 'values.json'), JSON.stringify(values), { mode: 0o600 });
    // Its caches too: what it learns of a cluster that is gone tomorrow is of no use to anybody.
    const env = { ...process.env, HELM_CACHE_HOME: dir, HELM_CONFIG_HOME: dir, HELM_DATA_HOME: dir, KUBECACHEDIR: dir };
    const { stdout } = await promisify(execFile)(program, args, { cwd: dir, env, maxBuffer: 64 * 1024 * 1024 });
    return stdout;
  } catch (error) {
    const { stderr, stdout } = error as { stderr?: string; stdout?: string };
    throw new Error(`helm ${args[0]}: ${stderr || stdout || String(error)}`.trim(), { cause: error });
  } finally {
    await folder.stop();
  }
}

/**
 * The objects of the chart with these values, as helm renders them without a cluster.
 * @throws Error with helm's words: values that the schema or the chart itself refuses
 */
export async function renderChart(values: ChartValues, options: Partial<Release> = {}): Promise<Rendered[]> {
  const { release, namespace } = { ...DEFAULT_RELEASE, ...options };
  const text = await helm(['template', release, CHART, '--namespace', namespace, '--values', 'values.json'], values);
  return parseAllDocuments(text)
    .map((document) => document.toJS() as Rendered | null)
    .filter((object) => object !== null);
}

/**
 * Installs or upgrades the chart with the real helm, and waits until its admission policies are in force. The namespaces that the policy
 * names without a pattern must be there. Pods are not waited for.
 * @param options.kubeconfig path of a kubeconfig of somebody who may do all that
 * @throws Error with helm's words
 */
export async function installChart(
  options: { readonly kubeconfig: string; readonly values: ChartValues } & Partial<Release>,
): Promise<Installation> {
  const { values, release, namespace } = { ...DEFAULT_RELEASE, ...options };
  await installRelease(options);
  return installationWith({ values, release, namespace });
}

/** The same of a chart without the bot (`mode: satellite`), of which only the release itself can be told. */
export async function installRelease(
  options: { readonly kubeconfig: string; readonly values: ChartValues } & Partial<Release>,
): Promise<void> {
  const { kubeconfig, values, release, namespace } = { ...DEFAULT_RELEASE, ...options };
  const where = ['--namespace', namespace, '--kubeconfig', kubeconfig];
  await helm(
    ['upgrade', release, CHART, '--install', '--create-namespace', ...where, '--values', 'values.json'],
    values,
  );
  await admissionInForce(kubeconfig, namespace);
}

/** What an installation with these values is called in the cluster, whether it is there or not. */
export async function installationWith(chart: { readonly values: ChartValues } & Release): Promise<Installation> {
  return installationOf(await renderChart(chart.values, chart), chart);
}

/**
 * Removes what `installChart` made, but not the release's own namespace.
 * @throws Error with helm's words
 */
export async function uninstallChart(kubeconfig: string, { release, namespace }: Release): Promise<void> {
  try {
    await helm(['uninstall', release, '--namespace', namespace, '--kubeconfig', kubeconfig, '--wait=watcher'], null);
  } catch (error) {
    const going = [...String(error).matchAll(STILL_GOING)].flatMap(([, name]) => name ?? []);
    if (going.length === 0) throw error;
    for (const name of going) await namespaceGone(kubeconfig, name);
  }
}

/** Helm's watch now and then ends before its time (seen with 4.x): everything is uninstalled, and this namespace has begun to go. */
const STILL_GOING = /resource Namespace\/\/(\S+) still exists\. status: Terminating/g;
const NAMESPACE_TIMEOUT = 60_000;

/** @throws Error when it is still there after {@link NAMESPACE_TIMEOUT} */
async function namespaceGone(kubeconfig: string, name: string): Promise<void> {
  const api = apiOf(kubeconfig);
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name } };
  await untilAnswered(404, () => api.read(namespace), NAMESPACE_TIMEOUT, `namespace ${name} is still there`);
}

function apiOf(kubeconfig: string): KubernetesObjectApi {
  const config = new KubeConfig();
  config.loadFromFile(kubeconfig);
  return KubernetesObjectApi.makeApiClient(config);
}

/**
 * Calls until the API server answers with this code.
 * @param lack what is so as long as it does not
 * @throws Error with `lack` after `limit` milliseconds; what else the API server answers with
 */
async function untilAnswered(code: number, call: () => Promise<unknown>, limit: number, lack: string): Promise<void> {
  const isAnswered = () =>
    call().then(
      () => false,
      (error: unknown) => {
        if (error instanceof ApiException && error.code === code) return true;
        throw error;
      },
    );
  const end = performance.now() + limit;
  while (!(await isAnswered())) {
    if (performance.now() > end) throw new Error(`${lack} after ${limit / 1000} s`);
    await delay(100);
  }
}

function installationOf(objects: readonly Rendered[], { release, namespace }: Release): Installation {
  const isBot = ({ kind, metadata }: Rendered) => kind === 'Deployment' && metadata.namespace === namespace;
  const pod = objects.find(isBot) as unknown as {
    spec: {
      template: { spec: { serviceAccountName: string; containers: [{ env: { name: string; value?: string }[] }] } };
    };
  };
  const { serviceAccountName, containers } = pod.spec.template.spec;
  const setting = (variable: string) => containers[0].env.find(({ name }) => name === variable)?.value;
  return {
    release,
    namespace,
    serviceAccount: serviceAccountName,
    instance: setting('INSTANCE') ?? '',
    workspacesNamespace: setting('WORKSPACES_NAMESPACE') ?? '',
    accountsNamespace: setting('ACCOUNTS_NAMESPACE') ?? '',
    nodesNamespace: setting('NODES_NAMESPACE') ?? '',
    probeImage: setting('PROBE_IMAGE') ?? null,
  };
}

/**
 * Waits until every admission policy that was made before this call is in force. The API server takes policies into force all at once, from
 * what it has seen of them in the order of their making: when one that is made now refuses, those before it do too.
 * @throws Error when that takes longer than {@link ADMISSION_TIMEOUT}
 */
async function admissionInForce(kubeconfig: string, namespace: string): Promise<void> {
  const api = apiOf(kubeconfig);
  const name = `drawbridge-sentinel-${randomBytes(4).toString('hex')}`;
  const admission = { apiVersion: 'admissionregistration.k8s.io/v1', metadata: { name } };
  const sentinel: KubernetesObject[] = [
    {
      ...admission,
      kind: 'ValidatingAdmissionPolicy',
      spec: {
        matchConstraints: {
          namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
          resourceRules: [{ apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'], operations: ['CREATE'] }],
        },
        validations: [{ expression: `object.metadata.name != '${name}'` }],
      },
    } as KubernetesObject,
    {
      ...admission,
      kind: 'ValidatingAdmissionPolicyBinding',
      spec: { policyName: name, validationActions: ['Deny'] },
    } as KubernetesObject,
  ];
  const configMap = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace } };
  try {
    for (const object of sentinel) await api.create(object);
    const dryRun = () => api.create(configMap, undefined, 'All');
    await untilAnswered(422, dryRun, ADMISSION_TIMEOUT, 'admission policies are not in force');
  } finally {
    for (const object of sentinel.toReversed()) await api.delete(object).catch(() => {});
  }
}
