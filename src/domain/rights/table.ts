/**
 * What each right on a resource of Kubernetes is to a grant: one table, from which come the checks of the policy, those of the chart, the
 * chart's leash on the bot, and what an approver reads. It has every resource and verb that Kubernetes 1.37 serves; a test compares it with
 * the API server's own discovery.
 */

/**
 * Worst first.
 * - `never inline`: reads or mints a credential, or leaves a way in. The bot would have to hold it to give it, and admission sees no reads: only
 *   a named role gives it, and the profile acknowledges it.
 * - `acknowledged`: what is done with it goes on acting after the grant; the profile says `acknowledgePersistence`.
 * - `said`: ends with the grant, but reaches further than it looks; the plan says so.
 */
export const CLASSES = ['never inline', 'acknowledged', 'said'] as const;
export type RightClass = (typeof CLASSES)[number];

/** Resources with verbs; `*` as a verb is every verb, `userextras/*` is every subresource. */
export interface Rights {
  readonly groups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

export interface DangerousRight extends Rights {
  readonly class: RightClass;
  /** What whoever has it does, as in "it reads secrets". */
  readonly does: string;
  /** The resources are named behind it, where the words alone don't say which. */
  readonly named?: true;
  /** It runs something in a pod, whose network is then shared. */
  readonly entersPods?: true;
  /** The page of Kubernetes that says it, or what was seen on an API server. */
  readonly source: string;
}

const CORE = '';
const RBAC = 'rbac.authorization.k8s.io';
const ADMISSION = 'admissionregistration.k8s.io';
const ADMISSION_KINDS = [
  'mutatingadmissionpolicies',
  'mutatingadmissionpolicybindings',
  'mutatingwebhookconfigurations',
  'validatingadmissionpolicies',
  'validatingadmissionpolicies/status',
  'validatingadmissionpolicybindings',
  'validatingwebhookconfigurations',
];
const CERTIFICATES = 'certificates.k8s.io';
const NETWORKING = 'networking.k8s.io';
const STORAGE = 'storage.k8s.io';
const DEVICES = 'resource.k8s.io';
/** Served no more, but the built-in roles still name it. */
const EXTENSIONS = 'extensions';

export const READS = ['get', 'list', 'watch'];
const WRITES = ['create', 'update', 'patch'];
const DELETES = ['delete', 'deletecollection'];
const CHANGES = [...WRITES, ...DELETES];
/** Those that every resource may have. */
export const VERBS = [...READS, ...CHANGES];
const ANY = ['*'];

const PRACTICES = 'https://kubernetes.io/docs/concepts/security/rbac-good-practices/';
const DOCS = 'https://kubernetes.io/docs/';

/** In each class the worst first: so they are read. */
export const DANGEROUS_RIGHTS: readonly DangerousRight[] = [
  {
    class: 'never inline',
    does: 'impersonates others',
    groups: [CORE, 'authentication.k8s.io'],
    resources: ['users', 'groups', 'serviceaccounts', 'uids', 'userextras', 'userextras/*', 'nodes'],
    verbs: ['impersonate'],
    source: `${PRACTICES}#impersonate-verb; constrained impersonation (impersonate:user-info and others): KEP-5284`,
  },
  {
    class: 'never inline',
    does: 'writes RBAC',
    groups: [RBAC],
    resources: ['roles', 'rolebindings', 'clusterroles', 'clusterrolebindings'],
    verbs: [...WRITES, 'bind', 'escalate'],
    source: `${PRACTICES}#escalate-verb, #bind-verb`,
  },
  {
    class: 'never inline',
    does: 'mints service account tokens',
    groups: [CORE],
    resources: ['serviceaccounts/token'],
    verbs: ANY,
    source: `${PRACTICES}#token-request`,
  },
  {
    class: 'never inline',
    does: 'reads secrets',
    groups: [CORE],
    resources: ['secrets'],
    verbs: ANY,
    source: `${PRACTICES}#listing-secrets; seen: an empty patch, an update or a deletecollection with dryRun=All answers with the content, and one of type service-account-token that is created is filled with a token`,
  },
  {
    class: 'never inline',
    does: 'reaches the kubelet past admission',
    groups: [CORE],
    resources: ['nodes/proxy', 'nodes/checkpoint', 'nodes/log'],
    verbs: ANY,
    source: `${PRACTICES}#access-to-proxy-subresource-of-nodes; ${DOCS}reference/access-authn-authz/kubelet-authn-authz/`,
  },
  {
    class: 'never inline',
    does: 'makes certificates',
    groups: [CERTIFICATES],
    resources: [
      'certificatesigningrequests',
      'certificatesigningrequests/approval',
      'certificatesigningrequests/status',
      'podcertificaterequests',
      'podcertificaterequests/status',
      'signers',
    ],
    verbs: [...WRITES, 'approve', 'sign', 'attest'],
    source: `${PRACTICES}#csrs-and-certificate-issuing; ${DOCS}reference/access-authn-authz/certificate-signing-requests/#pod-certificate-requests`,
  },
  {
    class: 'never inline',
    does: 'changes admission, which sees and stops every write',
    groups: [ADMISSION],
    resources: ADMISSION_KINDS,
    verbs: CHANGES,
    source: `${PRACTICES}#control-admission-webhooks`,
  },
  {
    class: 'never inline',
    does: 'answers API calls in the place of the API server',
    groups: ['apiregistration.k8s.io'],
    resources: ['apiservices', 'apiservices/status'],
    verbs: CHANGES,
    source: `${DOCS}concepts/extend-kubernetes/api-extension/apiserver-aggregation/: tokens of the callers' requests arrive there`,
  },
  {
    class: 'never inline',
    does: 'changes custom resource definitions, whose conversion webhooks see every object',
    groups: ['apiextensions.k8s.io'],
    resources: ['customresourcedefinitions', 'customresourcedefinitions/status'],
    verbs: CHANGES,
    source: `${DOCS}tasks/extend-kubernetes/custom-resources/custom-resource-definition-versioning/#webhook-conversion`,
  },
  {
    class: 'never inline',
    does: 'changes which certificates are trusted',
    groups: [CERTIFICATES],
    resources: ['clustertrustbundles'],
    verbs: CHANGES,
    source: `${DOCS}reference/access-authn-authz/certificate-signing-requests/#cluster-trust-bundles`,
  },
  {
    class: 'never inline',
    does: 'creates or changes workloads',
    named: true,
    entersPods: true,
    groups: [CORE, 'apps', 'batch', EXTENSIONS],
    resources: [
      'pods',
      'podtemplates',
      'replicationcontrollers',
      'deployments',
      'deployments/rollback',
      'statefulsets',
      'daemonsets',
      'replicasets',
      'controllerrevisions',
      'jobs',
      'cronjobs',
    ],
    verbs: WRITES,
    source: `${PRACTICES}#workload-creation; a controller revision is the pod template that a rollback takes`,
  },
  {
    class: 'never inline',
    does: 'adds containers to running pods',
    entersPods: true,
    groups: [CORE],
    resources: ['pods/ephemeralcontainers'],
    verbs: WRITES,
    source: `${DOCS}concepts/workloads/pods/ephemeral-containers/`,
  },
  {
    class: 'never inline',
    does: 'enters workspaces of others',
    groups: ['drawbridge.internal'],
    resources: ['workspaces'],
    verbs: ANY,
    source: 'helm/drawbridge/templates/connect.yaml asks for this right',
  },
  {
    class: 'never inline',
    does: 'changes nodes',
    groups: [CORE],
    resources: ['nodes', 'nodes/status'],
    verbs: WRITES,
    source: `${DOCS}reference/access-authn-authz/node/: labels and taints draw pods to a node; the API server connects to the address in its status`,
  },
  {
    class: 'never inline',
    does: 'makes volumes of the disk of a node',
    groups: [CORE],
    resources: ['persistentvolumes', 'persistentvolumes/status'],
    verbs: WRITES,
    source: `${PRACTICES}#persistent-volume-creation`,
  },
  {
    class: 'never inline',
    does: 'changes storage drivers, which are given tokens of pods',
    groups: [STORAGE],
    resources: ['csidrivers'],
    verbs: CHANGES,
    source: 'https://kubernetes-csi.github.io/docs/token-requests.html',
  },
  {
    class: 'never inline',
    does: 'changes namespaces, whose labels choose Pod Security, admission and network policies',
    groups: [CORE],
    resources: ['namespaces', 'namespaces/finalize', 'namespaces/status'],
    verbs: WRITES,
    source: `${PRACTICES}#namespace-modification; a rule of a Role covers the namespace that it is in`,
  },
  {
    class: 'never inline',
    does: 'changes network policies',
    groups: [NETWORKING, EXTENSIONS],
    resources: ['networkpolicies'],
    verbs: CHANGES,
    source: `${DOCS}concepts/services-networking/network-policies/: they confine grants`,
  },
  {
    class: 'never inline',
    does: 'changes the labels of pods',
    named: true,
    groups: [CORE],
    resources: ['pods/status', 'pods/binding', 'bindings'],
    verbs: CHANGES,
    source: 'seen: both subresources take labels, and labels decide which policies and Services select a pod',
  },

  {
    class: 'acknowledged',
    does: 'redirects traffic of others',
    named: true,
    groups: [CORE, 'discovery.k8s.io', NETWORKING, EXTENSIONS],
    resources: [
      'services',
      'services/status',
      'endpoints',
      'endpointslices',
      'ingresses',
      'ingresses/status',
      'ingressclasses',
      'ipaddresses',
      'servicecidrs',
      'servicecidrs/status',
    ],
    verbs: CHANGES,
    source:
      'https://github.com/kubernetes/kubernetes/issues/97076 (CVE-2020-8554), https://github.com/kubernetes/kubernetes/issues/103675 (CVE-2021-25740)',
  },
  {
    class: 'acknowledged',
    does: 'changes service accounts, by whose annotations clouds give roles',
    groups: [CORE],
    resources: ['serviceaccounts'],
    verbs: CHANGES,
    source: `${DOCS}concepts/security/service-accounts/; https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html`,
  },
  {
    class: 'acknowledged',
    does: 'takes the lead from controllers',
    groups: ['coordination.k8s.io'],
    resources: ['leases'],
    verbs: CHANGES,
    source: `${DOCS}concepts/architecture/leases/`,
  },
  {
    class: 'acknowledged',
    does: 'changes how pods of others are run',
    named: true,
    groups: ['scheduling.k8s.io', 'node.k8s.io', DEVICES, STORAGE],
    resources: [
      'priorityclasses',
      'runtimeclasses',
      'deviceclasses',
      'devicetaintrules',
      'devicetaintrules/status',
      'resourceslices',
      'csinodes',
      'csinodes/status',
      'csistoragecapacities',
      'storageclasses',
      'volumeattachments',
      'volumeattachments/status',
      'volumeattributesclasses',
    ],
    verbs: CHANGES,
    source: `${DOCS}concepts/scheduling-eviction/pod-priority-preemption/, ${DOCS}concepts/containers/runtime-class/, ${DOCS}concepts/storage/storage-classes/`,
  },
  {
    class: 'acknowledged',
    does: 'changes whom the API server serves first',
    groups: ['flowcontrol.apiserver.k8s.io', 'storagemigration.k8s.io'],
    resources: [
      'flowschemas',
      'flowschemas/status',
      'prioritylevelconfigurations',
      'prioritylevelconfigurations/status',
      'storageversionmigrations',
      'storageversionmigrations/status',
    ],
    verbs: CHANGES,
    source: `${DOCS}concepts/cluster-administration/flow-control/; a storage migration writes all objects of a resource anew`,
  },

  {
    class: 'said',
    does: 'enters containers: the token of the pod and mounted secrets can be copied out',
    entersPods: true,
    groups: [CORE],
    resources: ['pods/exec', 'pods/attach'],
    verbs: ANY,
    source: `${DOCS}tasks/debug/debug-application/get-shell-running-container/; exec asks for get, since 1.35 for create too`,
  },
  {
    class: 'said',
    does: 'forwards ports: reaches every port of the pod, also those on its localhost, past every network policy',
    groups: [CORE],
    resources: ['pods/portforward'],
    verbs: ANY,
    source: `${DOCS}tasks/access-application-cluster/port-forward-access-application-cluster/; seen: the kubelet connects within the pod`,
  },
  {
    class: 'said',
    does: 'goes through the API server: reaches ports of pods past every network policy',
    groups: [CORE],
    resources: ['pods/proxy', 'services/proxy'],
    verbs: ANY,
    source: `${DOCS}tasks/access-application-cluster/access-cluster-services/#manually-constructing-apiserver-proxy-urls`,
  },
  {
    class: 'said',
    does: 'changes configuration that workloads read, which stays as it is left',
    groups: [CORE],
    resources: ['configmaps'],
    verbs: CHANGES,
    source: `${DOCS}concepts/configuration/configmap/`,
  },
  {
    class: 'said',
    does: 'scales workloads, which stay as they are left',
    groups: [CORE, 'apps', 'autoscaling', EXTENSIONS],
    resources: [
      'deployments/scale',
      'statefulsets/scale',
      'replicasets/scale',
      'replicationcontrollers/scale',
      'horizontalpodautoscalers',
      'pods/resize',
    ],
    verbs: CHANGES,
    source: `${DOCS}tasks/run-application/scale-stateful-set/, ${DOCS}tasks/configure-pod-container/resize-container-resources/`,
  },
  {
    class: 'said',
    does: 'claims storage and devices, which are kept',
    groups: [CORE, DEVICES],
    resources: [
      'persistentvolumeclaims',
      'persistentvolumeclaims/status',
      'resourceclaims',
      'resourceclaims/status',
      'resourceclaimtemplates',
    ],
    verbs: CHANGES,
    source: `${DOCS}concepts/storage/persistent-volumes/, ${DOCS}concepts/scheduling-eviction/dynamic-resource-allocation/`,
  },
  {
    class: 'said',
    does: 'deletes what others need',
    named: true,
    groups: [CORE, RBAC],
    resources: [
      'namespaces',
      'nodes',
      'persistentvolumes',
      'roles',
      'rolebindings',
      'clusterroles',
      'clusterrolebindings',
    ],
    verbs: DELETES,
    source: `${DOCS}concepts/architecture/garbage-collection/`,
  },
];

/** A signing request holds no key, and what a ConfigMap or a log holds is not Kubernetes' to know. */
const NO_CREDENTIAL = `${PRACTICES}: of what Kubernetes stores, only secrets are credentials`;

/** Looked at, and found to give no more than they say, and nothing that outlives the grant. */
export const HARMLESS_RIGHTS: readonly (Rights & { readonly source: string })[] = [
  {
    groups: [CORE],
    resources: [
      'bindings',
      'componentstatuses',
      'configmaps',
      'endpoints',
      'limitranges',
      'namespaces',
      'namespaces/status',
      'nodes',
      'nodes/configz',
      'nodes/healthz',
      'nodes/metrics',
      'nodes/pods',
      'nodes/stats',
      'nodes/status',
      'persistentvolumeclaims',
      'persistentvolumeclaims/status',
      'persistentvolumes',
      'persistentvolumes/status',
      'pods',
      'pods/ephemeralcontainers',
      'pods/log',
      'pods/resize',
      'pods/status',
      'podtemplates',
      'replicationcontrollers',
      'replicationcontrollers/scale',
      'replicationcontrollers/status',
      'resourcequotas',
      'resourcequotas/status',
      'serviceaccounts',
      'services',
      'services/status',
    ],
    verbs: READS,
    source: NO_CREDENTIAL,
  },
  {
    groups: [ADMISSION],
    resources: ADMISSION_KINDS,
    verbs: READS,
    source: NO_CREDENTIAL,
  },
  {
    groups: ['apiextensions.k8s.io'],
    resources: ['customresourcedefinitions', 'customresourcedefinitions/status'],
    verbs: READS,
    source: NO_CREDENTIAL,
  },
  {
    groups: ['apiregistration.k8s.io'],
    resources: ['apiservices', 'apiservices/status'],
    verbs: READS,
    source: NO_CREDENTIAL,
  },
  {
    groups: ['apps'],
    resources: [
      'controllerrevisions',
      'daemonsets',
      'daemonsets/status',
      'deployments',
      'deployments/scale',
      'deployments/status',
      'replicasets',
      'replicasets/scale',
      'replicasets/status',
      'statefulsets',
      'statefulsets/scale',
      'statefulsets/status',
    ],
    verbs: READS,
    source: NO_CREDENTIAL,
  },
  {
    groups: ['autoscaling'],
    resources: ['horizontalpodautoscalers', 'horizontalpodautoscalers/status'],
    verbs: READS,
    source: NO_CREDENTIAL,
  },
  {
    groups: ['batch'],
    resources: ['cronjobs', 'cronjobs/status', 'jobs', 'jobs/status'],
    verbs: READS,
    source: NO_CREDENTIAL,
  },
  {
    groups: [CERTIFICATES],
    resources: [
      'certificatesigningrequests',
      'certificatesigningrequests/approval',
      'certificatesigningrequests/status',
      'clustertrustbundles',
      'podcertificaterequests',
      'podcertificaterequests/status',
    ],
    verbs: READS,
    source: NO_CREDENTIAL,
  },
  {
    groups: ['coordination.k8s.io'],
    resources: ['leases'],
    verbs: READS,
    source: NO_CREDENTIAL,
  },
  {
    groups: ['discovery.k8s.io'],
    resources: ['endpointslices'],
    verbs: READS,
    source: NO_CREDENTIAL,
  },
  {
    groups: [EXTENSIONS],
    resources: [
      'daemonsets',
      'daemonsets/status',
      'deployments',
      'deployments/scale',
      'deployments/status',
      'ingresses',
      'ingresses/status',
      'networkpolicies',
      'replicasets',
      'replicasets/scale',
      'replicasets/status',
      'replicationcontrollers/scale',
    ],
    verbs: READS,
    source: NO_CREDENTIAL,
  },
  {
    groups: ['flowcontrol.apiserver.k8s.io'],
    resources: [
      'flowschemas',
      'flowschemas/status',
      'prioritylevelconfigurations',
      'prioritylevelconfigurations/status',
    ],
    verbs: READS,
    source: NO_CREDENTIAL,
  },
  {
    groups: [NETWORKING],
    resources: [
      'ingressclasses',
      'ingresses',
      'ingresses/status',
      'ipaddresses',
      'networkpolicies',
      'servicecidrs',
      'servicecidrs/status',
    ],
    verbs: READS,
    source: NO_CREDENTIAL,
  },
  {
    groups: ['node.k8s.io'],
    resources: ['runtimeclasses'],
    verbs: READS,
    source: NO_CREDENTIAL,
  },
  {
    groups: ['policy'],
    resources: ['poddisruptionbudgets', 'poddisruptionbudgets/status'],
    verbs: READS,
    source: NO_CREDENTIAL,
  },
  {
    groups: [RBAC],
    resources: ['clusterrolebindings', 'clusterroles', 'rolebindings', 'roles'],
    verbs: READS,
    source: NO_CREDENTIAL,
  },
  {
    groups: [DEVICES],
    resources: [
      'deviceclasses',
      'devicetaintrules',
      'devicetaintrules/status',
      'resourceclaims',
      'resourceclaims/status',
      'resourceclaimtemplates',
      'resourceslices',
    ],
    verbs: READS,
    source: NO_CREDENTIAL,
  },
  {
    groups: ['scheduling.k8s.io'],
    resources: ['priorityclasses'],
    verbs: READS,
    source: NO_CREDENTIAL,
  },
  {
    groups: [STORAGE],
    resources: [
      'csidrivers',
      'csinodes',
      'csinodes/status',
      'csistoragecapacities',
      'storageclasses',
      'volumeattachments',
      'volumeattachments/status',
      'volumeattributesclasses',
    ],
    verbs: READS,
    source: NO_CREDENTIAL,
  },
  {
    groups: ['storagemigration.k8s.io'],
    resources: ['storageversionmigrations', 'storageversionmigrations/status'],
    verbs: READS,
    source: NO_CREDENTIAL,
  },
  {
    groups: [CORE, 'apps', 'batch', EXTENSIONS],
    resources: [
      'pods',
      'podtemplates',
      'replicationcontrollers',
      'deployments',
      'statefulsets',
      'daemonsets',
      'replicasets',
      'controllerrevisions',
      'jobs',
      'cronjobs',
    ],
    verbs: DELETES,
    source: `${DOCS}concepts/workloads/controllers/: disturbs, gives nothing`,
  },
  {
    groups: [CERTIFICATES],
    resources: ['certificatesigningrequests', 'podcertificaterequests'],
    verbs: DELETES,
    source: `${DOCS}reference/access-authn-authz/certificate-signing-requests/: a certificate that was issued stays valid`,
  },
  {
    groups: [CORE],
    resources: ['pods/eviction'],
    verbs: ['create'],
    source: `${DOCS}concepts/scheduling-eviction/api-eviction/: disturbs, gives nothing`,
  },
  {
    groups: [CORE, 'apps', 'autoscaling', 'batch', 'policy'],
    resources: [
      'daemonsets/status',
      'deployments/status',
      'replicasets/status',
      'statefulsets/status',
      'replicationcontrollers/status',
      'horizontalpodautoscalers/status',
      'cronjobs/status',
      'jobs/status',
      'poddisruptionbudgets/status',
      'resourcequotas/status',
    ],
    verbs: ['update', 'patch'],
    source: `${DOCS}reference/using-api/api-concepts/: a report, which its controller writes again`,
  },
  {
    groups: [CORE, 'policy'],
    resources: ['limitranges', 'resourcequotas', 'poddisruptionbudgets'],
    verbs: CHANGES,
    source: `${DOCS}concepts/policy/resource-quotas/: how much, not what`,
  },
  {
    groups: [CORE, 'events.k8s.io'],
    resources: ['events'],
    verbs: VERBS,
    source: `${DOCS}reference/kubernetes-api/cluster-resources/event-v1/: words`,
  },
  {
    groups: ['authentication.k8s.io', 'authorization.k8s.io'],
    resources: [
      'selfsubjectreviews',
      'tokenreviews',
      'localsubjectaccessreviews',
      'selfsubjectaccessreviews',
      'selfsubjectrulesreviews',
      'subjectaccessreviews',
    ],
    verbs: ['create'],
    source: `${DOCS}reference/access-authn-authz/authorization/#checking-api-access: questions; who asks whose a token is has the token`,
  },
];

/** The groups that are Kubernetes' own. */
export const KNOWN_GROUPS: ReadonlySet<string> = new Set(
  [...DANGEROUS_RIGHTS, ...HARMLESS_RIGHTS].flatMap(({ groups }) => groups),
);

/** ClusterRoles of Kubernetes that a profile must acknowledge, whatever they are found to hold in a cluster. */
export const WIDE_ROLES: readonly string[] = ['edit', 'admin', 'cluster-admin'];
