import { matches } from '../../network/selector.ts';
import type { NetworkPolicy } from '../../network/types.ts';
import { differences } from './changed-on-its-way.ts';

/**
 * The pod of a workspace, or of a node shell, is made by the Job controller, and admission webhooks may change it after the Job: the leash does not see it. So it is
 * held against the template of its Job before anybody is let in.
 */

export interface MadePod {
  readonly metadata: {
    readonly name: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec: Readonly<Record<string, unknown>>;
}

/** Where and how a pod is run, which changes nothing of what somebody reaches or reads in it. */
const HARMLESS = [
  'affinity',
  'imagePullSecrets',
  'nodeSelector',
  'overhead',
  'preemptionPolicy',
  'priority',
  'priorityClassName',
  'resources',
  'runtimeClassName',
  'schedulerName',
  'schedulingGates',
  'serviceAccount',
  'tolerations',
  'topologySpreadConstraints',
];
const HARMLESS_OF_A_CONTAINER = ['imagePullPolicy', 'ports', 'resources'];

/**
 * By these a pod gets networks beside that of the cluster, which no NetworkPolicy governs.
 * Sources: Multus (k8snetworkplumbingwg/multus-cni, docs/how-to-use.md), https://cloud.google.com/kubernetes-engine/docs/how-to/setup-multinetwork-support-for-pods
 */
const NETWORK_ANNOTATIONS = [
  'k8s.v1.cni.cncf.io/networks',
  'v1.multus-cni.io/default-network',
  'networking.gke.io/interfaces',
];

/** Each account is one without a token; the API server fills its name in. */
const ACCOUNT = { serviceAccountName: 'default' };

const HARMLESS_PATH = new RegExp(
  `^((${HARMLESS.join('|')})\\b|(init)?[cC]ontainers\\[[^\\]]*\\]\\.(${HARMLESS_OF_A_CONTAINER.join('|')})\\b)`,
);

/** Plain variables are borne; whoever is in the pod could read what comes from elsewhere. */
const isPlain = (env: unknown): boolean =>
  ((env ?? []) as { valueFrom?: { secretKeyRef?: unknown; configMapKeyRef?: unknown } }[]).every(
    ({ valueFrom }) => valueFrom?.secretKeyRef === undefined && valueFrom?.configMapKeyRef === undefined,
  );

function withoutPlainVariables(spec: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const of = (list: unknown) =>
    ((list ?? []) as Record<string, unknown>[]).map(({ env, ...container }) =>
      isPlain(env) ? container : { ...container, env },
    );
  return { ...spec, containers: of(spec['containers']), initContainers: of(spec['initContainers']) };
}

/**
 * What of the pod of a workspace is not as its Job has it, and matters: paths of fields, empty when all is well.
 * @param spec of the Job's template, as the API server keeps it
 * @param labels that Drawbridge gave it
 * @param policies of others in its namespace
 */
export function changesOfPod(
  { spec, labels }: { readonly spec: MadePod['spec']; readonly labels: Readonly<Record<string, string>> },
  pod: MadePod,
  policies: readonly NetworkPolicy[],
): string[] {
  const wanted = withoutPlainVariables({ ...ACCOUNT, ...spec });
  // The scheduler says where a pod runs, unless its Job does: a shell on another node is another node's.
  const isPlaced = (path: string) => path === 'nodeName' && spec['nodeName'] === undefined;
  const fields = differences(wanted, withoutPlainVariables(pod.spec)).filter(
    (path) => !HARMLESS_PATH.test(path) && !isPlaced(path),
  );
  const networks = NETWORK_ANNOTATIONS.filter((key) => key in (pod.metadata.annotations ?? {}));
  const selecting = policies.filter(
    ({ spec: { podSelector } = {} }) =>
      matches(podSelector ?? {}, pod.metadata.labels ?? {}) && !matches(podSelector ?? {}, labels),
  );
  return [
    ...fields.map((path) => `spec.${path}`),
    ...networks.map((key) => `metadata.annotations ${key}`),
    ...selecting.map(({ metadata }) => `metadata.labels (NetworkPolicy ${metadata?.name} selects it by them)`),
  ];
}
