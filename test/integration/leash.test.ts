import { setTimeout as sleep } from 'node:timers/promises';
import { KubeConfig } from '@kubernetes/client-node';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { createApi } from '../../src/adapters/kubernetes/api.ts';
import { createClusterAccess } from '../../src/adapters/kubernetes/cluster-access.ts';
import { type ManifestContext, objectName } from '../../src/adapters/kubernetes/manifests.ts';
import type { KubeObject } from '../../src/adapters/kubernetes/object.ts';
import { planOf } from '../../src/app/plan/make-plan.ts';
import type { ClusterAccess } from '../../src/app/ports/cluster-access.ts';
import type { Grant } from '../../src/domain/grant/grant.ts';
import { newGrantId } from '../../src/domain/ids.ts';
import { policySchema } from '../../src/domain/policy/schema.ts';
import { type Installation, uninstallChart } from '../../src/sandbox/chart.ts';
import { markRunning } from '../../src/sandbox/cluster/pods.ts';
import { exampleValues, installExample, type Targets, typeWarnings } from '../support/chart.ts';
import { describeWithCluster } from '../support/cluster.ts';
import { startedModel } from '../support/cluster-model.ts';
import { ADA, applyingGrant } from '../support/grants.ts';
import { type Hand, handOf, pathOf } from '../support/hand.ts';
import { changed, IMAGE, KEY, type Made, makeAll, NO_LEASE, newGrants, objectsOf } from '../support/made.ts';
import { bystander, clusterWide, defaultDeny, deployment } from '../support/workloads.ts';

const RBAC = 'rbac.authorization.k8s.io';
const WILDCARD = [{ apiGroups: ['*'], resources: ['*'], verbs: ['*'] }];

describeWithCluster('the leash', (cluster) => {
  let at: Installation;
  let targets: Targets;
  let context: ManifestContext;
  let bot: Hand;
  let admin: Hand;
  let minor: number;
  /** Objects of grants that are there, made by the bot. */
  let live: Record<Made, KubeObject>;
  const closing: (() => Promise<unknown>)[] = [];

  const fresh = () => objectsOf(newGrants(targets), context);

  beforeAll(async () => {
    ({ at, targets } = await installExample(cluster, 'drawbridge'));
    closing.push(() => uninstallChart(cluster.adminKubeconfig, at));
    context = { instance: at.instance, workspacesNamespace: at.workspacesNamespace };
    await cluster.apply([
      {
        apiVersion: `${RBAC}/v1`,
        kind: 'Role',
        metadata: { namespace: targets.shop, name: 'configurator' },
        rules: [{ apiGroups: [''], resources: ['configmaps'], verbs: ['get', 'update'] }],
      },
      {
        apiVersion: `${RBAC}/v1`,
        kind: 'RoleBinding',
        metadata: { namespace: targets.team, name: 'cy-view' },
        roleRef: { apiGroup: RBAC, kind: 'ClusterRole', name: 'view' },
        subjects: [{ apiGroup: RBAC, kind: 'User', name: 'cy@example.test' }],
      },
      bystander(targets.staging),
      bystander(at.workspacesNamespace),
    ]);
    bot = await handOf(await cluster.serviceAccountKubeconfig(at.namespace, at.serviceAccount));
    admin = await handOf(cluster.adminKubeconfig);
    minor = await cluster.minorVersion();
    live = await makeAll(bot, newGrants(targets), context);
  });

  afterAll(async () => {
    for (const close of closing) await close();
  });

  test('the policies are free of type errors', async () => {
    expect(await typeWarnings(cluster, at.release)).toEqual({ policies: 12, warnings: [] });
  });

  describe('what is refused although RBAC allows it: an object that differs from what the bot writes in', () => {
    const me = () => ({ kind: 'ServiceAccount', name: at.serviceAccount, namespace: at.namespace });
    const user = (name: string) => ({ apiGroup: RBAC, kind: 'User', name });
    const label = (name: string) => `metadata.labels.drawbridge|internal/${name}`;
    const pod = (field: string) => `spec.template.spec.${field}`;
    const container = (field: string) => pod(`containers.0.${field}`);
    const NO_OTHER_FIELDS = /has the fields that Drawbridge gives it, and no others/;
    const OWNER = { apiVersion: 'batch/v1', kind: 'Job', name: 'x', uid: NO_LEASE };
    const NO_PROBE = /no init container but the probe of a workspace, exactly as/;
    const theProbe = () =>
      (fresh().workspace.spec as { template: { spec: { initContainers: object[] } } }).template.spec.initContainers[0];
    const anywhere = {
      podSelector: { matchLabels: { app: 'x' } },
      namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'default' } },
    };
    /** Changed thing, object, changes, what the refusal says; `new`: what is there can't be changed so by anybody. */
    type Row = [string, Made, () => Record<string, unknown>, RegExp, 'new'?];
    const rows: Row[] = [
      ['subject: the bot itself', 'binding', () => ({ 'subjects.0': me() }), /to people only/],
      [
        'subject: the bot itself, written as a user',
        'binding',
        () => ({ 'subjects.0': user(`system:serviceaccount:${at.namespace}:${at.serviceAccount}`) }),
        /to people only/,
      ],
      [
        'subject: a user of Kubernetes',
        'binding',
        () => ({ 'subjects.0': user('system:kube-controller-manager') }),
        /to people only/,
      ],
      [
        'subject: a group',
        'binding',
        () => ({ 'subjects.0': { apiGroup: RBAC, kind: 'Group', name: 'developers' } }),
        /to people only/,
      ],
      [
        'subject: everybody',
        'binding',
        () => ({ 'subjects.0': { apiGroup: RBAC, kind: 'Group', name: 'system:authenticated' } }),
        /to people only/,
      ],
      ['subject: two people', 'binding', () => ({ 'subjects.1': user('mallory@example.test') }), /for one person/],
      [
        'role: one that another profile gives elsewhere',
        'binding',
        () => ({ 'metadata.namespace': targets.shop }),
        /No profile of the policy gives ClusterRole view/,
        'new',
      ],
      [
        'role: a named one in the workspaces namespace',
        'binding',
        () => ({ 'metadata.namespace': at.workspacesNamespace }),
        /No profile of the policy gives ClusterRole view/,
        'new',
      ],
      ['owner: none', 'binding', () => ({ 'metadata.ownerReferences': undefined }), /owned by the lease/],
      ['owner: another Job', 'binding', () => ({ 'metadata.ownerReferences.0.name': 'forever' }), /owned by the lease/],
      [
        'owner: a second one, which would keep it',
        'binding',
        () => ({
          'metadata.ownerReferences.1': {
            apiVersion: 'v1',
            kind: 'ConfigMap',
            name: 'forever',
            uid: '11111111-1111-4111-8111-111111111111',
          },
        }),
        /owned by the lease/,
      ],
      ['owner of a Role: none', 'role', () => ({ 'metadata.ownerReferences': undefined }), /owned by the lease/],
      [
        'owner of an admission: none',
        'admission',
        () => ({ 'metadata.ownerReferences': undefined }),
        /owned by the lease/,
      ],
      [
        'finalizers of a binding',
        'binding',
        () => ({ 'metadata.finalizers': ['example.test/keep'] }),
        /adds no finalizers/,
      ],
      [
        'finalizers of a lease',
        'lease',
        () => ({ 'metadata.finalizers': ['example.test/keep'] }),
        /adds no finalizers/,
      ],

      ['name: free', 'binding', () => ({ 'metadata.name': 'ada-view' }), /named drawbridge-ID/, 'new'],
      [
        'name: of another grant',
        'binding',
        () => ({ 'metadata.name': 'drawbridge-g-222222' }),
        /named drawbridge-ID/,
        'new',
      ],
      [
        'label: no grant',
        'binding',
        () => ({ [label('grant')]: undefined }),
        /carries the label drawbridge.internal\/grant|carried the labels|owned by the lease/,
      ],
      [
        'label: a grant that is no id',
        'lease',
        () => ({ [label('grant')]: 'kubernetes', 'metadata.name': 'drawbridge-kubernetes' }),
        /the id of a grant/,
        'new',
      ],
      [
        'label: another grant',
        'binding',
        () => ({ [label('grant')]: 'g-222222' }),
        /named drawbridge-ID|carried the labels|owned by the lease/,
      ],
      [
        'label: another instance',
        'binding',
        () => ({ [label('instance')]: 'other' }),
        /its own instance|carried the labels|belongs to Drawbridge/,
      ],
      [
        'label: no instance',
        'lease',
        () => ({ [label('instance')]: undefined }),
        /its own instance|carried the labels|belongs to Drawbridge/,
      ],
      [
        'label: none of those by which people list what is open',
        'lease',
        () => ({ 'metadata.labels.app|kubernetes|io/managed-by': undefined }),
        /managed-by with drawbridge|carried the labels/,
      ],
      [
        'namespace: kube-system',
        'lease',
        () => ({ 'metadata.namespace': 'kube-system' }),
        /covers the namespace kube-system/,
        'new',
      ],
      ['namespace: of the bot', 'lease', () => ({ 'metadata.namespace': at.namespace }), /covers the namespace/, 'new'],
      [
        'namespace: that no profile names',
        'lease',
        () => ({ 'metadata.namespace': 'default' }),
        /covers the namespace default/,
        'new',
      ],

      [
        'rules: held, but for another namespace',
        'role',
        () => ({ 'rules.0': { apiGroups: [''], resources: ['events'], verbs: ['list'] } }),
        /not within those/,
      ],
      [
        'rules: all pods instead of those of the workload',
        'role',
        () => ({ 'rules.0.resourceNames': undefined }),
        /not within those/,
      ],
      [
        'rules: the empty name, which is that of a list',
        'role',
        () => ({ 'rules.0.resourceNames': [''] }),
        /not within those/,
      ],
      [
        'rules: all workspaces',
        'workspace role',
        () => ({ 'rules.0.resourceNames': undefined }),
        /names the pod of its own grant/,
      ],
      [
        'rules: the workspace of another',
        'workspace role',
        () => ({ 'rules.1.resourceNames': ['drawbridge-g-222222-workspace-abcde'] }),
        /names the pod of its own grant/,
      ],
      [
        'rules: more than a workspace needs',
        'workspace role',
        () => ({ 'rules.4': { apiGroups: ['batch'], resources: ['jobs'], verbs: ['delete'], resourceNames: ['x'] } }),
        /look at its pod/,
      ],

      [
        'Job: a name of neither shape',
        'lease',
        () => ({ 'metadata.name': 'SUFFIX-miner' }),
        /is a lease .* or, in the workspaces namespace, a workspace/,
        'new',
      ],
      [
        'Job: a workspace in the target’s namespace',
        'workspace',
        () => ({ 'metadata.namespace': targets.staging }),
        /is a lease .* or, in the workspaces namespace, a workspace/,
        'new',
      ],
      ['lease: one that runs', 'lease', () => ({ 'spec.parallelism': 1 }), /never starts a pod/],
      ['lease: another image', 'lease', () => ({ [container('image')]: IMAGE }), /never starts a pod/, 'new'],
      ['lease: no deadline', 'lease', () => ({ 'spec.activeDeadlineSeconds': undefined }), /ends by itself/],
      [
        'lease: a deadline past seven days',
        'lease',
        () => ({ 'spec.activeDeadlineSeconds': 604_803 }),
        /ends by itself/,
      ],
      [
        'lease: one that stays when it has ended',
        'lease',
        () => ({ 'spec.ttlSecondsAfterFinished': 3600 }),
        /ends by itself/,
      ],
      ['lease: suspended, so that its time stands still', 'lease', () => ({ 'spec.suspend': true }), /ends by itself/],
      [
        'lease: of another controller',
        'lease',
        () => ({ 'spec.managedBy': 'example.test/never' }),
        /ends by itself/,
        'new',
      ],
      [
        'lease: a selector for the pods of others',
        'lease',
        () => ({
          'spec.manualSelector': true,
          'spec.selector': { matchLabels: { app: 'checkout' } },
          'spec.template.metadata.labels': { app: 'checkout' },
        }),
        /chooses no pods/,
        'new',
      ],
      ...(['lease', 'workspace'] as const).map(
        (made): Row => [
          `${made}: a selector that lets go of its pods`,
          made,
          () => ({ 'spec.selector': { matchExpressions: [{ key: 'x', operator: 'DoesNotExist' }] } }),
          /chooses no pods/,
          'new',
        ],
      ),
      [
        'lease: a service account',
        'lease',
        () => ({ [pod('serviceAccountName')]: 'default' }),
        /no service account/,
        'new',
      ],

      [
        'workspace: another image',
        'workspace',
        () => ({ [container('image')]: 'example.test/miner:1' }),
        /workspace with the image example.test\/miner:1/,
        'new',
      ],
      [
        'workspace: a second container',
        'workspace',
        () => ({ [pod('containers.1')]: { name: 'more', image: IMAGE } }),
        /workspace with the image/,
        'new',
      ],
      [
        'workspace: an init container beside the probe',
        'workspace',
        () => ({ [pod('initContainers.1')]: { name: 'more', image: IMAGE } }),
        NO_PROBE,
        'new',
      ],
      ['lease: an init container', 'lease', () => ({ [pod('initContainers')]: [theProbe()] }), NO_PROBE, 'new'],
      ...(
        [
          ['another name', { name: 'helper' }],
          ['an image that is pulled by nobody', { imagePullPolicy: 'Never' }],
          ['the image of a workspace', { image: IMAGE }],
          ['the chart’s image in another version', { image: 'drawbridge:0.1.0-rc1' }],
          ['another command', { command: ['sh', '-c', 'true'] }],
          ['a command that listens', { command: ['node', 'src/probe/main.ts', 'listen'] }],
          ['a longer command', { command: ['node', 'src/probe/main.ts', 'check', 'x'] }],
          ['no command', { command: undefined }],
          ['an argument of another kind', { args: ['--eval=1'] }],
          ['a name for an address', { args: ['--canary=tcp:localhost:80'] }],
          ['an argument with a second line', { args: ['--canary=tcp:10.0.0.9:8080\n--eval=1'] }],
          ['arguments without end', { args: Array.from({ length: 11 }, () => '--target=tcp:10.0.0.7:8080') }],
          ['another folder', { workingDir: '/tmp' }],
          ['a variable', { env: [{ name: 'NODE_OPTIONS', value: '--import=data:text/javascript,0' }] }],
          ['variables of a secret', { envFrom: [{ secretRef: { name: 's' } }] }],
          ['a port', { ports: [{ containerPort: 80 }] }],
          ['an open input', { stdin: true }],
          ['an input that closes', { stdinOnce: true }],
          ['a terminal', { tty: true }],
          ['a life beside the workspace', { restartPolicy: 'Always' }],
          [
            'a life by exit codes',
            {
              restartPolicy: 'Never',
              restartPolicyRules: [{ action: 'Restart', exitCodes: { operator: 'In', values: [1] } }],
            },
          ],
          ['a hook', { restartPolicy: 'Always', lifecycle: { preStop: { sleep: { seconds: 1 } } } }],
          ['a liveness probe', { restartPolicy: 'Always', livenessProbe: { tcpSocket: { port: 80 } } }],
          ['a readiness probe', { restartPolicy: 'Always', readinessProbe: { tcpSocket: { port: 80 } } }],
          ['a startup probe', { restartPolicy: 'Always', startupProbe: { tcpSocket: { port: 80 } } }],
          ['last words from elsewhere', { terminationMessagePath: '/etc/passwd' }],
          ['last words of its log', { terminationMessagePolicy: 'FallbackToLogsOnError' }],
          ['a file system to write on', { 'securityContext.readOnlyRootFilesystem': undefined }],
        ] as const
      ).map(
        ([name, changes]): Row => [
          `the probe of a workspace: ${name}`,
          'workspace',
          () =>
            Object.fromEntries(
              Object.entries(changes).map(([field, value]) => [pod(`initContainers.0.${field}`), value]),
            ),
          NO_PROBE,
          'new',
        ],
      ),
      [
        'the probe of a workspace: a volume',
        'workspace',
        () => ({
          [pod('volumes')]: [{ name: 'v', emptyDir: {} }],
          [pod('initContainers.0.volumeMounts')]: [{ name: 'v', mountPath: '/v' }],
        }),
        /no volumes and reads no secrets/,
        'new',
      ],
      [
        'workspace: a hook',
        'workspace',
        () => ({ [container('lifecycle')]: { preStop: { sleep: { seconds: 1 } } } }),
        /one container and nothing beside/,
        'new',
      ],
      [
        'workspace: a service account',
        'workspace',
        () => ({ [pod('serviceAccountName')]: 'default' }),
        /no service account/,
        'new',
      ],
      [
        'workspace: a service account token',
        'workspace',
        () => ({ [pod('automountServiceAccountToken')]: true }),
        /no service account/,
        'new',
      ],
      [
        'workspace: a volume',
        'workspace',
        () => ({ [pod('volumes')]: [{ name: 's', secret: { secretName: 's' } }] }),
        /no volumes and reads no secrets/,
        'new',
      ],
      [
        'workspace: the environment from a secret',
        'workspace',
        () => ({ [container('envFrom')]: [{ secretRef: { name: 's' } }] }),
        /no volumes and reads no secrets/,
        'new',
      ],
      [
        'workspace: a variable from a secret',
        'workspace',
        () => ({ [container('env')]: [{ name: 'A', valueFrom: { secretKeyRef: { name: 's', key: 'k' } } }] }),
        /no volumes and reads no secrets/,
        'new',
      ],
      [
        'workspace: the network of the node',
        'workspace',
        () => ({ [pod('hostNetwork')]: true }),
        /shares nothing with its node/,
        'new',
      ],
      [
        'workspace: the processes of the node',
        'workspace',
        // The API server takes only one of these.
        () => ({ [pod('hostPID')]: true, [pod('shareProcessNamespace')]: undefined }),
        /shares nothing with its node/,
        'new',
      ],
      [
        'workspace: a node of choice',
        'workspace',
        () => ({ [pod('nodeName')]: 'control-plane' }),
        /where the scheduler puts it/,
        'new',
      ],
      [
        'workspace: tolerations',
        'workspace',
        () => ({ [pod('tolerations')]: [{ operator: 'Exists' }] }),
        /where the scheduler puts it/,
        'new',
      ],
      [
        'workspace: an annotation, which may name a further network',
        'workspace',
        () => ({ 'spec.template.metadata.annotations': { 'k8s.v1.cni.cncf.io/networks': 'other' } }),
        /no annotations/,
        'new',
      ],
      [
        'workspace: a label that policies of others go by',
        'workspace',
        () => ({ 'spec.template.metadata.labels.app': 'checkout' }),
        /the labels of its grant and no others/,
        'new',
      ],
      [
        'workspace: the label of another grant',
        'workspace',
        () => ({ 'spec.template.metadata.labels.drawbridge|internal/grant': 'g-222222' }),
        /the labels of its grant and no others/,
        'new',
      ],
      [
        'workspace: an end that lasts',
        'workspace',
        () => ({ [pod('terminationGracePeriodSeconds')]: 3600 }),
        /within a second/,
        'new',
      ],
      [
        'workspace: many',
        'workspace',
        () => ({ 'spec.parallelism': 50, 'spec.completions': 50 }),
        /one pod, once/,
        'new',
      ],

      ...(
        [
          ['another command', container('command'), ['nc', '-l', '80'], /with this command and this DNS/],
          ['a longer command', container('command'), ['sleep', 'infinity', 'x'], /with this command and this DNS/],
          ['no command', container('command'), undefined, /with this command and this DNS/],
          ['arguments', container('args'), ['-c', 'true'], NO_OTHER_FIELDS],
          ['a variable', container('env'), [{ name: 'A', value: 'b' }], NO_OTHER_FIELDS],
          ['another folder', container('workingDir'), '/tmp', NO_OTHER_FIELDS],
          ['an open input', container('stdin'), true, NO_OTHER_FIELDS],
          ['a port of its node', container('ports'), [{ containerPort: 80, hostPort: 80 }], NO_OTHER_FIELDS],
          ['a container that begins again', container('restartPolicy'), 'Never', NO_OTHER_FIELDS],
          ['more rights in the container', container('securityContext.capabilities.add'), ['NET_RAW'], NO_OTHER_FIELDS],
          ['another user', pod('securityContext.runAsUser'), 1000, NO_OTHER_FIELDS],
          ['kernel settings', pod('securityContext.sysctls'), [{ name: 'a', value: 'b' }], NO_OTHER_FIELDS],
          ['another scheduler', pod('schedulerName'), 'mine', NO_OTHER_FIELDS],
          ['a name in DNS', pod('hostname'), 'checkout', NO_OTHER_FIELDS],
          ['a first process that need not heed TERM', pod('shareProcessNamespace'), undefined, /share a namespace/],
          ['passwords for images', pod('imagePullSecrets'), [{ name: 's' }], NO_OTHER_FIELDS],
          [
            'a DNS server of its own',
            pod('dnsConfig'),
            { nameservers: ['198.51.100.1'] },
            /with this command and this DNS/,
          ],
          ['the DNS of the node', pod('dnsPolicy'), 'Default', /with this command and this DNS/],
          ['more memory', container('resources.limits.memory'), '64Gi', /within the resources/],
          ['a disk without end', container('resources.limits.ephemeral-storage'), undefined, /within the resources/],
          ['Services in its environment', pod('enableServiceLinks'), true, /within the resources/],
          [
            'failures that do not count',
            'spec.podFailurePolicy',
            { rules: [{ action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] }] },
            /the fields that Drawbridge gives it/,
          ],
          ['an index', 'spec.completionMode', 'Indexed', /the fields that Drawbridge gives it/],
          ['a success of its own', 'spec.podReplacementPolicy', 'Failed', /the fields that Drawbridge gives it/],
          ['an owner', 'metadata.ownerReferences', [OWNER], /nothing owns it/],
          ['a label more', 'metadata.labels.app', 'x', /labels of its grant and no others/],
          ['an annotation of others', 'metadata.annotations.example|test/a', 'b', /annotations drawbridge.internal/],
          [
            'a pod of another instance',
            'spec.template.metadata.labels.drawbridge|internal/instance',
            'x',
            /carries the labels/,
          ],
        ] as const
      ).map(
        ([name, field, value, refusal]): Row => [
          `workspace: ${name}`,
          'workspace',
          () => ({ [field]: value }),
          refusal,
          'new',
        ],
      ),
      ...(
        [
          ['a command', container('command'), ['sleep'], /one container that never starts/],
          [
            'names of its own',
            pod('hostAliases'),
            [{ ip: '10.0.0.7', hostnames: ['x'] }],
            /one container that never starts/,
          ],
          ['a variable', container('env'), [{ name: 'A', value: 'b' }], NO_OTHER_FIELDS],
          ['labels of a pod', 'spec.template.metadata.labels', { app: 'checkout' }, /carries the labels/],
          ['an end of its own', pod('activeDeadlineSeconds'), 5, NO_OTHER_FIELDS],
          ['processes that see each other', pod('shareProcessNamespace'), true, /one container that never starts/],
        ] as const
      ).map(
        ([name, field, value, refusal]): Row => [`lease: ${name}`, 'lease', () => ({ [field]: value }), refusal, 'new'],
      ),
      [
        'binding: a name beside its own',
        'binding',
        () => ({ 'metadata.name': 'SUFFIX-more' }),
        /named drawbridge-ID/,
        'new',
      ],
      ['role: a name beside its own', 'role', () => ({ 'metadata.name': 'SUFFIX-more' }), /named drawbridge-ID/, 'new'],
      [
        'guard: a name beside its own',
        'guard',
        () => ({ 'metadata.name': 'SUFFIX-more' }),
        /named drawbridge-ID/,
        'new',
      ],
      ['binding: for nobody yet', 'binding', () => ({ subjects: [] }), /for one person/, 'new'],
      ['binding: for a name of blanks', 'binding', () => ({ 'subjects.0.name': 'ada ben' }), /named without blanks/],
      ['binding: for a name that is everybody', 'binding', () => ({ 'subjects.0.name': '*' }), /named without blanks/],
      ['guard: a port by name', 'guard', () => ({ 'spec.egress.0.ports.0.port': 'http' }), /names each port/],
      [
        'guard: out to a second target',
        'guard',
        () => ({ 'spec.egress.1.to.0.podSelector.matchLabels': { app: 'x' } }),
        /lets out to pods that a profile/,
      ],
      [
        'guard: out to what only other modes cover',
        'guard',
        () => ({ 'spec.egress.0.to.0.namespaceSelector.matchLabels.kubernetes|io/metadata|name': targets.team }),
        /lets out to pods that a profile/,
      ],
      ['guard: owned', 'guard', () => ({ 'metadata.ownerReferences': [OWNER] }), /confines is owned by nothing/],
      ['guard: all pods', 'guard', () => ({ 'spec.podSelector': {} }), /selects the pod of its grant/],
      [
        'guard: the pods of another grant',
        'guard',
        () => ({ 'spec.podSelector.matchLabels': { 'drawbridge.internal/grant': 'g-222222' } }),
        /selects the pod of its grant/,
      ],
      [
        'guard: something in',
        'guard',
        () => ({ 'spec.ingress': [{ from: [anywhere], ports: [{ port: 80 }] }] }),
        /closes both directions/,
      ],
      [
        'guard: one direction only',
        'guard',
        () => ({ 'spec.policyTypes': ['Ingress'], 'spec.egress': undefined }),
        /closes both directions/,
      ],
      ['guard: out to everywhere', 'guard', () => ({ 'spec.egress': [{}] }), /lets out to pods that a profile/],
      [
        'guard: out to an address',
        'guard',
        () => ({ 'spec.egress.0.to': [{ ipBlock: { cidr: '198.51.100.0/24' } }] }),
        /lets out to pods that a profile/,
      ],
      [
        'guard: out to a namespace that no profile names',
        'guard',
        () => ({ 'spec.egress.0.to': [anywhere] }),
        /lets out to pods that a profile/,
      ],
      [
        'guard: out to all pods',
        'guard',
        () => ({ 'spec.egress.0.to.0.podSelector': {} }),
        /lets out to pods that a profile/,
      ],
      [
        'guard: out to all of kube-system',
        'guard',
        () => ({ 'spec.egress.1.to.0.podSelector': { matchLabels: { tier: 'control-plane' } } }),
        /lets out to pods that a profile/,
      ],
      [
        'guard: out to DNS on another port',
        'guard',
        () => ({ 'spec.egress.1.ports.0.port': 8181 }),
        /lets out to pods that a profile/,
      ],
      ['guard: out to all ports', 'guard', () => ({ 'spec.egress.0.ports': undefined }), /names each port/],
      [
        'guard: out to a range of ports',
        'guard',
        () => ({ 'spec.egress.0.ports.0.endPort': 65_535 }),
        /names each port/,
      ],
      ['admission: everybody is isolated', 'admission', () => ({ 'spec.podSelector': {} }), /never all/],
      [
        'admission: everybody is isolated, in other words',
        'admission',
        () => ({ 'spec.podSelector': { matchExpressions: [{ key: 'no-such', operator: 'DoesNotExist' }] } }),
        /never all/,
      ],
      ['admission: nothing is let in', 'admission', () => ({ 'spec.ingress': [] }), /closes nothing else/],
      [
        'admission: closes what goes out',
        'admission',
        () => ({ 'spec.policyTypes': ['Ingress', 'Egress'] }),
        /closes nothing else/,
      ],
      [
        'admission: lets everybody in',
        'admission',
        () => ({ 'spec.ingress.0.from': undefined }),
        /lets in the workspace of its grant/,
      ],
      [
        'admission: lets another namespace in',
        'admission',
        () => ({ 'spec.ingress.0.from.1': anywhere }),
        /lets in the workspace of its grant/,
      ],
      [
        'admission: lets an address in',
        'admission',
        () => ({ 'spec.ingress.0.from.1': { ipBlock: { cidr: '198.51.100.0/24' } } }),
        /lets in the workspace of its grant/,
      ],
      [
        'admission: lets all workspaces in',
        'admission',
        () => ({ 'spec.ingress.0.from.0.podSelector': {} }),
        /lets in the workspace of its grant/,
      ],
      ['admission: all ports', 'admission', () => ({ 'spec.ingress.0.ports': undefined }), /names each port/],
      ['containment: of all pods', 'containment', () => ({ 'spec.podSelector': {} }), /never all/],
      [
        'containment: out to what no profile names',
        'containment',
        () => ({ 'spec.egress.0.to.0': anywhere }),
        /contained to what a profile/,
      ],
      [
        'containment: out to more labels of that namespace',
        'containment',
        () => ({ 'spec.egress.0.to.0.podSelector.matchLabels': { app: 'cart' } }),
        /contained to what a profile/,
      ],
      [
        'containment: out to a wider network',
        'containment',
        () => ({ 'spec.egress.1.to.0.ipBlock.cidr': '10.0.0.0/8' }),
        /contained to what a profile/,
      ],
      [
        'containment: out on a port that no profile names',
        'containment',
        () => ({ 'spec.egress.0.ports.0.port': 22 }),
        /contained to what a profile/,
      ],
      [
        'containment: out on the port of another peer',
        'containment',
        () => ({ 'spec.egress.1.ports.0.port': 8080 }),
        /contained to what a profile/,
      ],
      [
        'containment: out on all ports',
        'containment',
        () => ({ 'spec.egress.0.ports': undefined }),
        /contained to what a profile/,
      ],
      [
        'containment: out to nothing, where the profile names something',
        'containment',
        () => ({ 'spec.egress': [] }),
        /contained to what a profile/,
      ],
      [
        'containment: without the peer that the profile names last',
        'containment',
        () => ({ 'spec.egress': (fresh().containment.spec as { egress: object[] }).egress.slice(0, -1) }),
        /contained to what a profile/,
      ],
      [
        'containment: owned by a lease, with which it would go first',
        'containment',
        () => ({
          'metadata.ownerReferences': [OWNER],
        }),
        /confines is owned by nothing/,
      ],
      ['containment: out to everywhere', 'containment', () => ({ 'spec.egress': [{}] }), /contained to what a profile/],
      [
        'containment: lets somebody in as well',
        'containment',
        () => ({ 'spec.ingress': [{ from: [anywhere], ports: [{ port: 8080, protocol: 'TCP' }] }] }),
        /contained to what a profile/,
        'new',
      ],
      [
        'containment: closes what comes in as well',
        'containment',
        () => ({ 'spec.policyTypes': ['Ingress', 'Egress'] }),
        /lets in, and closes nothing else/,
      ],
      [
        'sources: of the whole world',
        'sources',
        () => ({ 'spec.ingress.0.from.0.ipBlock.cidr': '0.0.0.0/0' }),
        /and nobody else/,
      ],
      ['sources: that no profile names', 'sources', () => ({ 'spec.ingress.0.from.1': anywhere }), /and nobody else/],
      ['sources: a whole namespace', 'sources', () => ({ 'spec.ingress.0.from.1.podSelector': {} }), /and nobody else/],
      ['sources: everybody', 'sources', () => ({ 'spec.ingress.0.from': undefined }), /and nobody else/],
      ['sources: on all ports', 'sources', () => ({ 'spec.ingress.0.ports': undefined }), /names each port/],
      [
        'sources: without their lease',
        'sources',
        () => ({ 'metadata.ownerReferences': undefined }),
        /owned by the lease/,
        'new',
      ],
    ];

    /** Fields that Kubernetes has since this minor version, by the rows above. */
    const SINCE: Readonly<Record<string, number>> = {
      'lease: of another controller': 32,
      'workspace: a container that begins again': 35,
      'the probe of a workspace: a life by exit codes': 35,
    };
    /** That an API server which does not know what is changed refuses it by itself, or takes the object without it. */
    async function isUnknown(object: KubeObject, changes: Readonly<Record<string, unknown>>): Promise<void> {
      const answer = await bot.apply(changed(object, changes));
      if (answer !== 'accepted')
        return expect(answer).toMatch(/^(422 .*Forbidden|422 .*Unsupported|500 .*not declared)/);
      const taken = await admin.read<KubeObject>(object);
      for (const [path, value] of Object.entries(changes)) expect(changed(taken, { [path]: value })).not.toEqual(taken);
      expect(await bot.remove(object)).toBe('accepted');
    }

    test.each(rows)('%s', async (name, made, changes, refusal, onlyNew) => {
      const object = fresh()[made];
      expect(await bot.apply(object, true)).toBe('accepted');
      if (minor < (SINCE[name] ?? 0)) return isUnknown(object, changes());
      const wrong = changed(object, changes());
      const wrongName = wrong.metadata.name.replace('SUFFIX', object.metadata.name);
      const answer = await bot.apply(changed(wrong, { 'metadata.name': wrongName }), true);
      expect(answer).toMatch(/^403 /);
      expect(answer).toMatch(refusal);
      if (onlyNew !== undefined) return;
      expect(await bot.apply(live[made], true)).toBe('accepted');
      expect(await bot.apply(changed(live[made], changes()), true)).toMatch(refusal);
    });

    test('fewer sources than a profile names are let in, on fewer ports, and never none', async () => {
      const { sources } = fresh();
      const [{ from, ports }] = (sources.spec as { ingress: [{ from: object[]; ports: object[] }] }).ingress;
      expect(from.length).toBeGreaterThan(1);
      for (const one of from)
        expect(await bot.apply(changed(sources, { 'spec.ingress.0.from': [one] }), true)).toBe('accepted');
      expect(await bot.apply(changed(sources, { 'spec.ingress.0.ports': ports.slice(0, 1) }), true)).toBe('accepted');
      expect(await bot.apply(changed(sources, { 'spec.ingress.0.from': [] }), true)).toMatch(/and nobody else/);
      expect(await bot.apply(changed(sources, { 'spec.ingress.0.ports': [] }), true)).toMatch(/names each port/);
    });

    test('a grant’s own Role and a named Role are bound as they are, and nowhere else', async () => {
      expect(await bot.apply(live['own binding'], true)).toBe('accepted');
      const named = fresh()['role binding'];
      expect(await bot.apply(named, true)).toBe('accepted');
      expect(await bot.apply(changed(named, { 'metadata.namespace': targets.team }), true)).toMatch(/^40[34] /);
    });
  });

  describe('what is somebody else’s', () => {
    test.each(['binding', 'role', 'lease', 'admission'] as const)(
      'a stranger’s object where ours would be (%s) is neither deleted, changed nor made ours',
      async (made) => {
        const ours = fresh()[made];
        const label = 'metadata.labels.drawbridge|internal/';
        const stranger = changed(ours, {
          [`${label}grant`]: undefined,
          [`${label}instance`]: undefined,
          'metadata.ownerReferences': undefined,
        });
        expect(await admin.create(stranger)).toBe('accepted');
        const before = await admin.read<KubeObject>(stranger);
        expect(await bot.remove(stranger)).toMatch(/^403 .*carries the label/);
        expect(await bot.patch(stranger, { metadata: { annotations: { a: 'b' } } })).toMatch(/^403 .*-leash/);
        const disguise = { metadata: { labels: ours.metadata.labels, ownerReferences: ours.metadata.ownerReferences } };
        expect(await bot.patch(stranger, disguise)).toMatch(/^403 .*carried the labels/);
        expect(await bot.apply(ours)).toMatch(/^403 .*carried the labels/);
        expect(await bot.remove(stranger)).toMatch(/^403 .*carries the label/);
        expect(await admin.read<KubeObject>(stranger)).toMatchObject({
          metadata: { uid: before.metadata.uid, labels: before.metadata.labels },
        });
        expect(await admin.remove(stranger)).toBe('accepted');
        if (made !== 'lease') expect(await bot.apply(ours, true)).toBe('accepted');
      },
    );

    test('another installation’s grant is out of reach too', async () => {
      const other = changed(fresh().binding, {
        'metadata.labels.drawbridge|internal/instance': 'other',
        'metadata.ownerReferences': undefined,
      });
      expect(await admin.apply(other)).toBe('accepted');
      expect(await bot.remove(other)).toMatch(/^403 .*its own instance/);
      expect(await bot.patch(other, { subjects: [] })).toMatch(/^403 .*its own instance/);
      expect(await admin.remove(other)).toBe('accepted');
    });

    test('a lease is not deleted so that its access stays', async () => {
      const dryRun = 'All';
      for (const options of [{ dryRun }, { dryRun, propagationPolicy: 'Orphan' }, { dryRun, orphanDependents: 'true' }])
        expect(await bot.remove(live.lease, options)).toMatch(/^403 .*only with what it owns/);
      for (const propagationPolicy of ['Background', 'Foreground'])
        expect(await bot.remove(live.lease, { dryRun, propagationPolicy })).toBe('accepted');
    });

    test('what the bot makes by POST is under the same leash as what it applies', async () => {
      const { binding } = fresh();
      expect(await bot.create(binding, true)).toBe('accepted');
      const foreign = changed(binding, { 'metadata.name': 'ada-view' });
      expect(await bot.create(foreign, true)).toMatch(/^403 .*named drawbridge-ID/);
      const generated = changed(binding, { 'metadata.name': undefined, 'metadata.generateName': 'drawbridge-' });
      expect(await bot.create(generated, true)).toMatch(/^403 .*named drawbridge-ID/);
    });
  });

  /** What a thief would try beside: name, method, path, body. All of it is accepted from somebody whom RBAC allows it. */
  type Try = [string, string, () => string, (() => object)?, string?];
  const named = (apiVersion: string, kind: string, namespace: string, more: object = {}) => ({
    apiVersion,
    kind,
    metadata: { name: 'drawbridge-g-444444', namespace },
    ...more,
  });
  const merge = 'application/merge-patch+json';
  const thePod = (namespace: string) => `/api/v1/namespaces/${namespace}/pods/bystander`;
  const writes: Try[] = [
    [
      'bind itself to cluster-admin',
      'POST',
      () => `/apis/${RBAC}/v1/clusterrolebindings`,
      () =>
        clusterWide('thief', 'cluster-admin', {
          kind: 'ServiceAccount',
          name: at.serviceAccount,
          namespace: at.namespace,
        }),
    ],
    [
      'make a ClusterRole of wildcards',
      'POST',
      () => `/apis/${RBAC}/v1/clusterroles`,
      () => named(`${RBAC}/v1`, 'ClusterRole', '', { metadata: { name: 'thief' }, rules: WILDCARD }),
    ],
    [
      'widen its own ClusterRole',
      'PATCH',
      () => `/apis/${RBAC}/v1/clusterroles/${at.release}`,
      () => ({ rules: WILDCARD }),
      merge,
    ],
    [
      'mint a token of a controller',
      'POST',
      () => '/api/v1/namespaces/kube-system/serviceaccounts/job-controller/token',
      () => ({ apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} }),
    ],
    [
      'mint a token of its own',
      'POST',
      () => `/api/v1/namespaces/${at.namespace}/serviceaccounts/${at.serviceAccount}/token`,
      () => ({ apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} }),
    ],
    [
      'write a secret',
      'POST',
      () => `/api/v1/namespaces/${targets.staging}/secrets`,
      () => named('v1', 'Secret', targets.staging),
    ],
    [
      'change its policy',
      'PATCH',
      () => `/api/v1/namespaces/${at.namespace}/configmaps/${at.release}`,
      () => ({ data: { 'policy.yaml': '' } }),
      merge,
    ],
    [
      'change its image',
      'PATCH',
      () => `/apis/apps/v1/namespaces/${at.namespace}/deployments/${at.release}`,
      () => ({ spec: { replicas: 0 } }),
      merge,
    ],
    [
      'run a pod',
      'POST',
      () => `/api/v1/namespaces/${targets.staging}/pods`,
      () => named('v1', 'Pod', targets.staging, { spec: { containers: [{ name: 'a', image: IMAGE }] } }),
    ],
    ['delete a pod', 'DELETE', () => thePod(targets.staging)],
    [
      'evict a pod',
      'POST',
      () => `${thePod(targets.staging)}/eviction`,
      () => ({
        apiVersion: 'policy/v1',
        kind: 'Eviction',
        metadata: { name: 'bystander', namespace: targets.staging },
      }),
    ],
    [
      'label a pod into a workspace',
      'PATCH',
      () => thePod(targets.staging),
      () => ({ metadata: { labels: { app: 'x' } } }),
      merge,
    ],
    [
      'change a pod’s status',
      'PATCH',
      () => `${thePod(targets.staging)}/status`,
      () => ({ status: { message: 'x' } }),
      merge,
    ],
    [
      'add a container to a pod',
      'PATCH',
      () => `${thePod(targets.staging)}/ephemeralcontainers`,
      () => ({ spec: { ephemeralContainers: [{ name: 'e', image: IMAGE }] } }),
      'application/strategic-merge-patch+json',
    ],
    [
      'make a namespace',
      'POST',
      () => '/api/v1/namespaces',
      () => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'team-thief' } }),
    ],
    [
      'take Pod Security from a namespace',
      'PATCH',
      () => `/api/v1/namespaces/${at.workspacesNamespace}`,
      () => ({ metadata: { labels: { 'pod-security.kubernetes.io/enforce': null } } }),
      merge,
    ],
    [
      'take the default deny from the workspaces',
      'DELETE',
      () =>
        `/apis/networking.k8s.io/v1/namespaces/${at.workspacesNamespace}/networkpolicies/${at.release}-default-deny`,
    ],
    [
      'change a lease through its status',
      'PATCH',
      () => `${pathOf(live.lease)}/status`,
      () => ({ metadata: { annotations: { a: 'b' } } }),
      merge,
    ],
    ['delete all bindings of a namespace', 'DELETE', () => `/apis/${RBAC}/v1/namespaces/${targets.team}/rolebindings`],
  ];
  const connections: Try[] = [
    ['exec', 'POST', () => `${thePod(targets.staging)}/exec?command=id&stdout=1`],
    ['exec into a workspace', 'POST', () => `${thePod(at.workspacesNamespace)}/exec?command=id&stdout=1`],
    ['attach', 'POST', () => `${thePod(at.workspacesNamespace)}/attach?stdout=1`],
  ];
  const wideConnections: Try[] = [
    ['port-forward', 'POST', () => `${thePod(targets.staging)}/portforward?ports=80`],
    ['pods/proxy', 'GET', () => `/api/v1/namespaces/${targets.staging}/pods/none/proxy/`],
    ['services/proxy', 'GET', () => '/api/v1/namespaces/default/services/https:kubernetes:443/proxy/'],
    ['nodes/proxy', 'GET', () => '/api/v1/nodes/node-1/proxy/pods'],
  ];
  const dry = (path: string) => `${path}${path.includes('?') ? '&' : '?'}dryRun=All`;

  describe('other things that a thief would try are refused', () => {
    test.each(writes)('%s', async (_name, method, path, body, type) => {
      expect(await admin.call(method, dry(path()), body?.(), type)).toBe('accepted');
      expect(await bot.call(method, path(), body?.(), type)).toMatch(/^403 /);
    });

    test.each(connections)('%s, though it holds the right, to give it', async (_name, method, path) => {
      expect(await admin.call(method, path())).not.toMatch(/^403 /);
      expect(await bot.call(method, path())).toMatch(/^403 .*connects to nothing/);
    });

    test.each(['cluster-admin', 'edit', 'admin'])('bind %s, which no profile names', async (name) => {
      const wide = changed(fresh().binding, { 'roleRef.name': name });
      expect(await bot.create(wide, true)).toMatch(/^403 .*(not currently held|No profile of the policy gives)/);
    });

    test.each([
      ['everything', { apiGroups: ['*'], resources: ['*'], verbs: ['*'], resourceNames: ['x'] }],
      ['secrets', { apiGroups: [''], resources: ['secrets'], verbs: ['get'], resourceNames: ['x'] }],
      ['a verb more', { apiGroups: [''], resources: ['pods'], verbs: ['get', 'delete'], resourceNames: ['x'] }],
    ])('a Role with %s', async (_name, rule) => {
      expect(await bot.create(changed(fresh().role, { 'rules.0': rule }), true)).toMatch(
        /^403 .*(not currently held|not within those)/,
      );
    });

    test('secrets are not read, nobody is impersonated, admission policies are not touched', async () => {
      expect(await admin.call('GET', `/api/v1/namespaces/${at.namespace}/secrets`)).toBe('accepted');
      for (const namespace of [at.namespace, targets.staging, 'kube-system'])
        expect(await bot.call('GET', `/api/v1/namespaces/${namespace}/secrets`)).toMatch(/^403 /);
      const kubeconfig = await cluster.serviceAccountKubeconfig(at.namespace, at.serviceAccount);
      const as = await cluster.kubectl(['get', 'secrets', '-A', '--as=x', '--as-group=system:masters'], { kubeconfig });
      expect(as.stderr).toMatch(/cannot impersonate/);
      for (const kind of ['validatingadmissionpolicies', 'validatingadmissionpolicybindings']) {
        const leash = `/apis/admissionregistration.k8s.io/v1/${kind}/${at.release}-leash`;
        expect(await admin.call('GET', leash)).toBe('accepted');
        expect(await bot.call('DELETE', leash)).toMatch(/^403 /);
        expect(await bot.call('PATCH', leash, { metadata: { labels: { a: 'b' } } }, merge)).toMatch(/^403 /);
      }
    });

    test('what its policy names without a pattern it may read and write there and nowhere else', async () => {
      const log = (namespace: string) => `/api/v1/namespaces/${namespace}/pods/none/log`;
      expect(await bot.call('GET', log(targets.staging))).toMatch(/^404 /);
      expect(await bot.call('GET', log('kube-system'))).toMatch(/^403 /);
      expect(await bot.call('GET', log(targets.team))).toMatch(/^403 /);
      const elsewhere = changed(fresh().role, { 'metadata.namespace': targets.shop });
      expect(await bot.apply(elsewhere, true)).toMatch(/^403 .*not currently held/);
    });
  });

  describe('with all rights that RBAC has, it still', () => {
    const binding = () => `thief-${at.release}`;
    beforeAll(async () => {
      await cluster.apply([
        clusterWide(binding(), 'cluster-admin', {
          kind: 'ServiceAccount',
          name: at.serviceAccount,
          namespace: at.namespace,
        }),
      ]);
      await vi.waitFor(
        async () => expect(await bot.call('GET', '/api/v1/namespaces/default/secrets')).toBe('accepted'),
        { timeout: 10_000 },
      );
    });
    afterAll(async () => {
      await cluster.kubectl(['delete', 'clusterrolebinding', binding()]);
    });

    test.each(writes)('can’t %s', async (_name, method, path, body, type) => {
      expect(await bot.call(method, path(), body?.(), type)).toMatch(/^403 .*-leash(-[a-z]+)?' denied request/);
    });

    test.each([...connections, ...wideConnections])('can’t %s', async (_name, method, path) => {
      expect(await admin.call(method, path())).not.toMatch(/-leash'/);
      expect(await bot.call(method, path())).toMatch(/^403 .*connects to nothing/);
    });

    test('can’t make by PUT what it can’t make otherwise', async () => {
      const { binding } = fresh();
      expect(await bot.replace(binding, true)).toBe('accepted');
      expect(await bot.replace(changed(binding, { 'metadata.name': 'ada-view' }), true)).toMatch(
        /^403 .*named drawbridge-ID/,
      );
    });

    test('can’t give what no profile gives', async () => {
      const wide = changed(fresh().binding, { 'roleRef.name': 'cluster-admin' });
      expect(await bot.create(wide, true)).toMatch(/^403 .*No profile of the policy gives ClusterRole cluster-admin/);
      expect(await bot.create(changed(fresh().role, { rules: WILDCARD }), true)).toMatch(/^403 .*not within those/);
      expect(await bot.create(fresh().binding, true)).toBe('accepted');
    });
  });

  describe('with its own rights the bot does its work', () => {
    let work: ClusterAccess;
    let grant: Grant;
    const profiles = () => policySchema.parse(exampleValues(targets).policy).profiles;

    beforeAll(async () => {
      const config = new KubeConfig();
      config.loadFromFile(await cluster.serviceAccountKubeconfig(at.namespace, at.serviceAccount));
      const api = createApi(config);
      const model = startedModel(api, at.instance);
      closing.push(async () => model.stop());
      work = createClusterAccess({
        ...context,
        api,
        model,
        sealKeys: [KEY],
        ownNamespace: at.namespace,
        probeImage: at.probeImage,
        now: Date.now,
        sleep,
      });
      const kubelet = await markRunning({
        kubeconfig: await cluster.kubeconfigFor('system:kube-scheduler'),
        namespaces: [targets.staging, at.workspacesNamespace],
      });
      closing.push(() => kubelet.stop());
      await cluster.apply([...deployment(targets.staging, 'cart', { replicas: 1 }), defaultDeny(targets.staging)]);
    });

    test('from survey to the last lease, with an extension and a binding that a finalizer keeps', async () => {
      const profile = profiles().debug;
      if (profile === undefined) throw new Error('no profile debug');
      const target = { namespace: targets.staging, workload: { kind: 'Deployment', name: 'cart' } } as const;
      expect(await work.namespaces()).toContain(targets.staging);
      expect(await work.workloads(targets.staging)).toContainEqual({ kind: 'Deployment', name: 'cart' });
      const survey = await vi.waitFor(
        async () => {
          const found = await work.survey(target, profile, 'bound');
          expect(found.workload?.pods[0]?.ip).toMatch(/\d/);
          return found;
        },
        { timeout: 20_000 },
      );
      const id = newGrantId();
      const plan = planOf(
        // Nobody of whom other suites have grants in this cluster meanwhile: what else they may do is looked up.
        { id, requester: { ...ADA, user: 'leashed@example.test' }, target, profileName: 'debug', duration: 600 },
        profile,
        survey,
        at.workspacesNamespace,
      );
      expect(plan.network).toMatchObject({ mode: 'workspace', admits: true });
      // API discovery may be read, and a Service be resolved, with these rights.
      expect(survey.otherPolicies).toEqual([]);
      expect((await work.survey({ namespace: targets.staging, service: 'cart' }, profile, 'bound')).target).toEqual({
        ...target,
        service: 'cart',
      });
      grant = applyingGrant(600, { id, plan, pods: plan.pods });

      await work.placeLeases(grant);
      await work.raiseGuard(grant);
      await work.admit(grant);
      const { pod: workspacePod, probe } = await work.startWorkspace(grant);
      expect(probe).toEqual({ target: 'answers', canary: 'silent' });
      const pods = await work.podsOf(grant);
      await work.giveRights(grant, pods, workspacePod);
      grant = { ...grant, state: 'active', pods, workspacePod };
      expect(await work.verify(grant)).toEqual([]);

      grant = { ...grant, expiresAt: (grant.expiresAt ?? 0) + 600_000, duration: 1200 };
      await work.extend(grant);
      expect(await work.verify(grant)).toEqual([]);
      expect((await work.found()).filter((f) => f.id === id).map((f) => f.sealed)).toEqual(
        work.objectsOf(grant).map(() => true),
      );

      const kept = { ...live['own binding'], metadata: { name: objectName(id), namespace: targets.staging } };
      expect(await admin.patch(kept, { metadata: { finalizers: ['example.test/keep'] } })).toBe('accepted');
      await work.takeRights(grant);
      expect((await admin.read<{ subjects?: object[] }>(kept)).subjects ?? []).toEqual([]);
      await work.closeAdmission(grant);
      await work.endWorkspace(grant);
      await work.lowerGuard(grant);
      await work.dropLeases(grant);
      expect(await work.remains(grant)).toEqual([]);
      expect(await work.otherAccess(grant)).toEqual([]);
      expect(await admin.patch(kept, { metadata: { finalizers: [] } })).toBe('accepted');
    });

    test('a changed object of its own is disarmed', async () => {
      const sample = newGrants(targets).observe;
      const observe = { ...sample, plan: { ...sample.plan, cluster: '' } };
      await work.placeLeases(observe);
      await work.giveRights(observe, [], null);
      const name = { ...live.binding, metadata: { name: objectName(observe.id), namespace: targets.team } };
      expect(
        await admin.patch(name, {
          subjects: [{ apiGroup: RBAC, kind: 'Group', name: 'everybody' }],
          metadata: { ownerReferences: [], finalizers: ['example.test/keep'] },
        }),
      ).toBe('accepted');
      const found = (await work.found()).find((f) => f.id === observe.id && f.kind === 'RoleBinding');
      expect(found).toMatchObject({ sealed: false });
      if (found) await work.remove(found);
      expect((await admin.read<{ subjects?: object[] }>(name)).subjects ?? []).toEqual([]);
      expect(await admin.patch(name, { metadata: { finalizers: [] } })).toBe('accepted');
      await work.dropLeases(observe);
    });
  });
});
