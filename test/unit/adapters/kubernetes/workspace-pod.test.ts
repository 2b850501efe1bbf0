import { expect, test } from 'vitest';
import { changesOfPod } from '../../../../src/adapters/kubernetes/workspace-pod.ts';
import { setAt } from '../../../support/chart.ts';

const LABELS = { 'app.kubernetes.io/managed-by': 'drawbridge', 'drawbridge.internal/grant': 'g-222222' };
const SPEC = {
  restartPolicy: 'Never',
  automountServiceAccountToken: false,
  terminationGracePeriodSeconds: 1,
  shareProcessNamespace: true,
  dnsPolicy: 'ClusterFirst',
  securityContext: { runAsNonRoot: true },
  initContainers: [{ name: 'probe', image: 'drawbridge:1', command: ['node'] }],
  containers: [{ name: 'workspace', image: 'tools:1', command: ['sleep'], resources: { limits: { cpu: '1' } } }],
};

/** The pod as the Job controller makes it and the API server fills it in, with changes by path. */
function podWith(changes: Readonly<Record<string, unknown>>) {
  const pod = {
    metadata: { name: 'drawbridge-g-222222-workspace-x', labels: { ...LABELS, 'job-name': 'x' }, annotations: {} },
    spec: { ...structuredClone(SPEC), serviceAccountName: 'default', serviceAccount: 'default', priority: 0 },
  };
  for (const [path, value] of Object.entries(changes)) setAt(pod, path, value);
  return pod;
}
const POLICIES = [
  { metadata: { name: 'default-deny' }, spec: { podSelector: {} } },
  { metadata: { name: 'tools' }, spec: { podSelector: { matchLabels: { tools: 'yes' } } } },
  { metadata: { name: 'untold' } },
];

test.each([
  ['nothing', {}],
  ['labels', { 'metadata.labels.team': 'platform' }],
  ['annotations', { 'metadata.annotations.cni|projectcalico|org/podIP': '10.0.0.7/32' }],
  [
    'where it runs',
    { 'spec.nodeName': 'a', 'spec.nodeSelector': { a: 'b' }, 'spec.affinity': {}, 'spec.tolerations': [{}] },
  ],
  ['how it is ranked', { 'spec.priority': 5, 'spec.priorityClassName': 'low', 'spec.preemptionPolicy': 'Never' }],
  ['how it is pulled', { 'spec.imagePullSecrets': [{ name: 'a' }], 'spec.containers.0.imagePullPolicy': 'Always' }],
  ['a sandbox', { 'spec.runtimeClassName': 'gvisor', 'spec.overhead': { cpu: '1' } }],
  ['resources', { 'spec.containers.0.resources': { limits: { cpu: '2' } }, 'spec.initContainers.0.resources': {} }],
  ['variables', { 'spec.containers.0.env': [{ name: 'A', value: 'b' }], 'spec.initContainers.0.env': [{ name: 'A' }] }],
  ['what a pod knows of itself', { 'spec.containers.0.env': [{ name: 'A', valueFrom: { fieldRef: {} } }] }],
])('borne: %s', (_name, changes) => {
  expect(changesOfPod({ spec: SPEC, labels: LABELS }, podWith(changes), POLICIES)).toEqual([]);
});

test.each([
  ['the network of its node', { 'spec.hostNetwork': true }, 'spec.hostNetwork'],
  ['processes of others', { 'spec.hostPID': true }, 'spec.hostPID'],
  ['the account of somebody', { 'spec.serviceAccountName': 'deployer' }, 'spec.serviceAccountName'],
  ['a token', { 'spec.automountServiceAccountToken': true }, 'spec.automountServiceAccountToken'],
  ['a first process that TERM does not end', { 'spec.shareProcessNamespace': false }, 'spec.shareProcessNamespace'],
  ['more time to end', { 'spec.terminationGracePeriodSeconds': 30 }, 'spec.terminationGracePeriodSeconds'],
  ['other names', { 'spec.dnsConfig': { nameservers: ['10.0.0.1'] } }, 'spec.dnsConfig'],
  ['devices', { 'spec.resourceClaims': [{ name: 'nic' }] }, 'spec.resourceClaims[nic]'],
  ['another user', { 'spec.securityContext.runAsNonRoot': false }, 'spec.securityContext.runAsNonRoot'],
  ['a sidecar', { 'spec.containers.1': { name: 'mesh' } }, 'spec.containers[mesh]'],
  ['an init container', { 'spec.initContainers.1': { name: 'mesh' } }, 'spec.initContainers[mesh]'],
  ['another image', { 'spec.containers.0.image': 'x' }, 'spec.containers[workspace].image'],
  ['another probe', { 'spec.initContainers.0.command': ['true'] }, 'spec.initContainers[probe].command'],
  ['a volume', { 'spec.volumes': [{ name: 'v' }] }, 'spec.volumes[v]'],
  ['its mount', { 'spec.containers.0.volumeMounts': [{ name: 'v' }] }, 'spec.containers[workspace].volumeMounts[v]'],
  [
    'a secret',
    { 'spec.containers.0.env': [{ name: 'A', valueFrom: { secretKeyRef: {} } }] },
    'spec.containers[workspace].env[A]',
  ],
  [
    'configuration, beside a plain variable',
    { 'spec.initContainers.0.env': [{ name: 'A', valueFrom: { configMapKeyRef: {} } }] },
    'spec.initContainers[probe].env[A]',
  ],
  [
    'secrets as a whole',
    { 'spec.containers.0.envFrom': [{ secretRef: { name: 'a' } }] },
    'spec.containers[workspace].envFrom',
  ],
  [
    'privileges',
    { 'spec.containers.0.securityContext': { privileged: true } },
    'spec.containers[workspace].securityContext',
  ],
  [
    'a second network',
    { 'metadata.annotations.k8s|v1|cni|cncf|io/networks': 'a' },
    'metadata.annotations k8s.v1.cni.cncf.io/networks',
  ],
  [
    'another network',
    { 'metadata.annotations.v1|multus-cni|io/default-network': 'a' },
    'metadata.annotations v1.multus-cni.io/default-network',
  ],
  [
    'further interfaces',
    { 'metadata.annotations.networking|gke|io/interfaces': '[]' },
    'metadata.annotations networking.gke.io/interfaces',
  ],
  [
    'a label that a policy goes by',
    { 'metadata.labels.tools': 'yes' },
    'metadata.labels (NetworkPolicy tools selects it by them)',
  ],
])('not borne: %s', (_name, changes, path) => {
  expect(changesOfPod({ spec: SPEC, labels: LABELS }, podWith(changes), POLICIES)).toEqual([path]);
});

test('a pod that its Job places is nowhere else', () => {
  const placed = { spec: { ...SPEC, nodeName: 'worker-1' }, labels: LABELS };
  expect(changesOfPod(placed, podWith({ 'spec.nodeName': 'worker-1' }), POLICIES)).toEqual([]);
  for (const nodeName of ['worker-2', undefined])
    expect(changesOfPod(placed, podWith({ 'spec.nodeName': nodeName }), POLICIES)).toEqual(['spec.nodeName']);
});
