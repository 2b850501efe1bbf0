import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fullName } from '../../image/oci.ts';
import { SYSTEM_PATH } from '../apt.ts';
import { openApi } from './api.ts';
import { CONTROL_PLANE, ensureBinaries, NODE } from './binaries.ts';
import { type ControlPlane, startControlPlane } from './control-plane.ts';
import { writeKubeconfig } from './kubeconfig.ts';
import { PAUSE_IMAGE, TOOLS_IMAGE, writeDrawbridgeImage, writeToolsImage } from './node-image.ts';
import { holdNamespace, type Namespace, type NodeNetwork, prepareNodeNetwork, run } from './node-network.ts';
import { BUSYBOX, CNI_DIR, ensureNodePackages, workspaceTools } from './node-packages.ts';
import { openAuthority } from './pki.ts';
import { type Log, type Supervised, supervise, tail } from './supervisor.ts';

const START_TIMEOUT_MS = 60_000;
const NODE_NAME = 'node-1';
// Of the API server's --service-cluster-ip-range.
const DNS_SERVICE_IP = '10.0.0.10';
// In the folder of the run, where it is reached from outside of the node's own mounts too.
const CONTAINERD_SOCKET = 'containerd.sock';

/** A place that is not the cluster: TEST-NET-2 (RFC 5737), reached from the node only. */
const OUTSIDE = { node: '198.51.100.1', address: '198.51.100.7' };

/** The programs of a node. */
export type NodeBinaries = Record<Exclude<(typeof NODE)[number], 'kube-scheduler'>, string>;

/** A node that runs pods. */
export type Node = {
  readonly name: string;
  readonly network: NodeNetwork;
  /** An address outside of the cluster that serves TCP and UDP on 80 and 443, each saying `outside`. */
  readonly outsideAddress: string;
  /** Path for `nsenter --net=` of the network that has this address. */
  readonly outsideNamespace: string;
  /** Takes the images of an archive (OCI or `docker save`); `as`: the one that it names so gets another name too. */
  readonly load: (archive: string, as?: { readonly name: string; readonly also: string }) => Promise<void>;
  /** Ends the node and its pods. The network stays until it is stopped itself. */
  readonly stop: () => Promise<void>;
};

/**
 * Starts a real node on this machine: containerd, kubelet and kube-proxy (nftables) in the network namespace given and in mount and
 * process namespaces of their own, with cluster DNS. Resolves when it is Ready and its DNS answers, so that pods with the image
 * `drawbridge.test/tools:1` and with Drawbridge's own start at once. It ends with this process at the latest, and with it all that it ran.
 *
 * @param options.controlPlane listens at the network's `hostAddress` and has a scheduler.
 * @throws Error with the end of the log when it does not start.
 */
export async function startNode(options: {
  controlPlane: ControlPlane;
  network: NodeNetwork;
  binaries: NodeBinaries;
  log: Log;
}): Promise<Node> {
  const { controlPlane, network, binaries, log } = options;
  const { dir } = network;
  const file = (name: string) => join(dir, name);
  const logFile = file('node.log');
  let outside: Namespace | undefined;
  let node: Supervised | undefined;
  let isStopping = false;
  const stop = async () => {
    isStopping = true;
    await Promise.all([node?.stop(), outside?.stop()]);
  };
  const ctr = (...args: string[]) =>
    run(binaries.ctr, ['--address', file(CONTAINERD_SOCKET), '--namespace', 'k8s.io', ...args]);
  const load: Node['load'] = async (archive, as) => {
    await ctr('image', 'import', archive);
    if (as !== undefined) await ctr('image', 'tag', fullName(as.name), fullName(as.also));
  };
  // A hundred megabytes, so all else goes on meanwhile.
  const writingDrawbridge = writeDrawbridgeImage(file('drawbridge.tar'));
  writingDrawbridge.catch(() => {});
  try {
    const [{ path: outsideNamespace }] = await Promise.all([
      startOutside(network, binaries.probe).then((started) => (outside = started)),
      writeToolsImage(file('image.tar'), { probe: binaries.probe, busybox: BUSYBOX, tools: workspaceTools() }),
      writeIdentities(controlPlane, network),
      writeFile(file('cni/pods.conflist'), JSON.stringify(cniConfig(network))),
      symlink(binaries.probe, file('plugins/await-policies')),
      writeFile(file('containerd.toml'), containerdConfig(network)),
      writeFile(file('kubelet.json'), JSON.stringify(kubeletConfig(controlPlane, network))),
      writeFile(file('kube-proxy.json'), JSON.stringify(kubeProxyConfig(network))),
      writeFile(file('init'), initScript(network, binaries)),
      mkdir(file('kubelet')),
    ]);
    node = await supervise({
      command: 'nsenter',
      args: [
        `--net=${network.namespace.path}`,
        'unshare',
        '--mount',
        '--pid',
        '--fork',
        '--kill-child',
        '--mount-proc',
        'sh',
        file('init'),
      ],
      logFile,
      cwd: dir,
      env: { PATH: `${dirname(binaries['containerd-shim-runc-v2'])}:${SYSTEM_PATH}` },
    });
    const ended = node.ended.then((how) => `the node ended (${how})`);
    await waitFor('the node is not Ready', ended, () => isReady(controlPlane, `/api/v1/nodes/${NODE_NAME}`));
    await controlPlane.apply(clusterServices(controlPlane));
    await waitFor('DNS is not Ready', ended, () =>
      isReady(controlPlane, '/api/v1/namespaces/kube-system/pods/kube-dns'),
    );
    await writingDrawbridge;
    await load(file('drawbridge.tar'));
    void ended.then((how) => isStopping || log(`cluster: ${how} by itself; see ${logFile}`));
    return { name: NODE_NAME, network, outsideAddress: OUTSIDE.address, outsideNamespace, load, stop };
  } catch (error) {
    const ends = await Promise.all(
      ['node', 'containerd', 'kubelet', 'kube-proxy'].map(
        async (name) => `${name}.log:\n${await tail(file(`${name}.log`))}`,
      ),
    );
    await writingDrawbridge.catch(() => {});
    await stop();
    throw new Error(`${String(error)}. The ends of the logs:\n${ends.join('\n')}`, {
      cause: error,
    });
  }
}

/**
 * Everything at once: packages, programs, network, control plane with scheduler, node. `stop` ends and removes all of it.
 *
 * @throws ClusterUnavailableError when no node can run here.
 */
export async function startClusterWithNode(options: {
  log: Log;
}): Promise<{ controlPlane: ControlPlane; node: Node; stop: () => Promise<void> }> {
  const { log } = options;
  await ensureNodePackages({ log });
  const binaries = { ...(await ensureBinaries(CONTROL_PLANE, log)), ...(await ensureBinaries(NODE, log)) };
  const stops: (() => Promise<void>)[] = [];
  const stop = async () => {
    for (let next = stops.pop(); next; next = stops.pop()) await next();
  };
  try {
    const network = await prepareNodeNetwork();
    stops.push(network.stop);
    const controlPlane = await startControlPlane({ binaries, log, address: network.hostAddress });
    stops.push(controlPlane.stop);
    const node = await startNode({ controlPlane, network, binaries, log });
    stops.push(node.stop);
    return { controlPlane, node, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Another network namespace, behind the node's: TEST-NET-2, with someone who answers. */
async function startOutside(network: NodeNetwork, probe: string): Promise<Namespace> {
  const ports = [80, 443].flatMap((port) => [`tcp:${port}`, `udp:${port}`]);
  const command = [probe, 'serve', '-name', 'outside', ...ports];
  const outside = await holdNamespace({ dir: network.dir, name: 'outside', command });
  const ip = (namespace: Namespace, ...args: string[]) => run('nsenter', [`--net=${namespace.path}`, 'ip', ...args]);
  await ip(network.namespace, 'link', 'add', 'outside', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', outside.pid);
  await ip(network.namespace, 'address', 'add', `${OUTSIDE.node}/24`, 'dev', 'outside');
  await ip(network.namespace, 'link', 'set', 'outside', 'up');
  await ip(outside, 'address', 'add', `${OUTSIDE.address}/24`, 'dev', 'eth0');
  await ip(outside, 'link', 'set', 'eth0', 'up');
  await ip(outside, 'route', 'add', 'default', 'via', OUTSIDE.node);
  return outside;
}

async function waitFor(problem: string, ended: Promise<string>, isSo: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(`${problem} after ${START_TIMEOUT_MS / 1000} s`);
    const end = await Promise.race([ended, delay(50)]);
    if (end !== undefined) throw new Error(`${problem}: ${end}`);
  }
}

/** Whether the node or pod at this path has the condition Ready. */
async function isReady(controlPlane: ControlPlane, path: string): Promise<boolean> {
  const api = await openApi(controlPlane.adminKubeconfig);
  try {
    const { status, body } = await api.call('GET', path);
    const { conditions = [] } = (body as { status?: { conditions?: { type: string; status: string }[] } }).status ?? {};
    return status === 200 && conditions.some((each) => each.type === 'Ready' && each.status === 'True');
  } finally {
    api.close();
  }
}

async function writeIdentities(controlPlane: ControlPlane, network: NodeNetwork): Promise<void> {
  const authority = openAuthority(join(controlPlane.dir, 'pki'));
  const server = { url: controlPlane.url, ca: authority.certificate };
  const file = (name: string) => join(network.dir, name);
  const kubelet = await authority.issue({
    name: `system:node:${NODE_NAME}`,
    groups: ['system:nodes'],
    serves: { dns: [], ips: [network.nodeAddress] },
  });
  await writeFile(file('kubelet.crt'), kubelet.certificate);
  await writeFile(file('kubelet.key'), kubelet.key, { mode: 0o600 });
  await writeKubeconfig(file('kubelet.kubeconfig'), server, kubelet);
  await writeKubeconfig(file('kube-proxy.kubeconfig'), server, await authority.issue({ name: 'system:kube-proxy' }));
}

/**
 * Process 1 of the node. All that it mounts is its own. The control groups are in two forms: the hierarchies of version 1, of which
 * a hybrid's version 2 is hidden from kubelet, whose clean-up it confuses; or version 2 alone.
 */
function initScript({ name, dir, nodeAddress }: NodeNetwork, binaries: NodeBinaries): string {
  return `
set -eu
cd '${dir}'
mount -t tmpfs tmpfs /run
mkdir /run/netns /run/containerd log
# Kubelet keeps the logs of pods there, and deletes those of pods that it does not know: of another node on this machine too.
mkdir -p /var/log
mount --bind log /var/log
# Kubelet sets these, and they are the whole machine's: it gets copies.
for name in vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops kernel/keys/root_maxkeys kernel/keys/root_maxbytes; do
  mkdir -p sysctl/$name
  cat /proc/sys/$name >sysctl/$name/copy
  mount --bind sysctl/$name/copy /proc/sys/$name
done
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
  mkdir /sys/fs/cgroup/${name}
  for group in /sys/fs/cgroup /sys/fs/cgroup/${name}; do
    for controller in $(cat $group/cgroup.controllers); do
      echo +$controller >$group/cgroup.subtree_control 2>/dev/null || true
    done
  done
else
  if [ -d /sys/fs/cgroup/unified ]; then umount /sys/fs/cgroup/unified; fi
  for group in /sys/fs/cgroup/*/; do mkdir -p "$group/${name}"; done
  for file in cpuset.cpus cpuset.mems; do
    cat /sys/fs/cgroup/cpuset/$file >/sys/fs/cgroup/cpuset/${name}/$file
  done
fi
mount --make-rshared /
'${binaries.containerd}' --config containerd.toml >containerd.log 2>&1 &
until [ -S ${CONTAINERD_SOCKET} ]; do sleep 0.02; done
until '${binaries.ctr}' --address '${dir}/${CONTAINERD_SOCKET}' --namespace k8s.io image import image.tar; do sleep 0.1; done
'${binaries['kube-proxy']}' --config=kube-proxy.json >kube-proxy.log 2>&1 &
'${binaries.kubelet}' --config=kubelet.json --kubeconfig=kubelet.kubeconfig --root-dir='${dir}/kubelet' --cert-dir='${dir}/kubelet/pki' \\
  --hostname-override=${NODE_NAME} --node-ip=${nodeAddress} >kubelet.log 2>&1 &
wait $!
`;
}

/** Each pod gets a link and a route of its own, so that its traffic passes the node's forward hook, neighbours' too. */
function cniConfig({ dir, podCidr }: NodeNetwork): object {
  return {
    cniVersion: '1.0.0',
    name: 'pods',
    plugins: [
      {
        type: 'ptp',
        ipMasq: false,
        ipam: {
          type: 'host-local',
          dataDir: join(dir, 'ipam'),
          ranges: [[{ subnet: podCidr }]],
          routes: [{ dst: '0.0.0.0/0' }],
        },
      },
      { type: 'await-policies', dir },
    ],
  };
}

function containerdConfig({ dir }: NodeNetwork): string {
  return `
version = 3
root = "${dir}/containerd"
state = "/run/containerd/state"
[grpc]
  address = "${dir}/${CONTAINERD_SOCKET}"
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = "${PAUSE_IMAGE}"
[plugins.'io.containerd.cri.v1.runtime']
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ["${CNI_DIR}", "${dir}/plugins"]
    conf_dir = "${dir}/cni"
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
      SystemdCgroup = false
`;
}

function kubeletConfig(controlPlane: ControlPlane, { name, dir, nodeAddress }: NodeNetwork): object {
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    address: nodeAddress,
    authentication: {
      anonymous: { enabled: false },
      x509: { clientCAFile: join(controlPlane.dir, 'pki', 'ca.crt') },
      webhook: { enabled: false },
    },
    authorization: { mode: 'AlwaysAllow' },
    tlsCertFile: join(dir, 'kubelet.crt'),
    tlsPrivateKeyFile: join(dir, 'kubelet.key'),
    containerRuntimeEndpoint: `unix://${join(dir, CONTAINERD_SOCKET)}`,
    // Changed ConfigMaps, the policy in one of them, reach their pods that fast; a minute by default.
    syncFrequency: '5s',
    failCgroupV1: false,
    failSwapOn: false,
    cgroupDriver: 'cgroupfs',
    cgroupRoot: `/${name}`,
    enforceNodeAllocatable: [],
    localStorageCapacityIsolation: false,
    makeIPTablesUtilChains: false,
    evictionHard: {
      'memory.available': '1Mi',
      'nodefs.available': '0%',
      'imagefs.available': '0%',
      'nodefs.inodesFree': '0%',
    },
    resolvConf: '',
    clusterDomain: 'cluster.local',
    clusterDNS: [DNS_SERVICE_IP],
  };
}

function kubeProxyConfig({ dir, podCidr }: NodeNetwork): object {
  return {
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    mode: 'nftables',
    clientConnection: { kubeconfig: join(dir, 'kube-proxy.kubeconfig') },
    clusterCIDR: podCidr,
    hostnameOverride: NODE_NAME,
    // The machine's limits stay as they are.
    conntrack: { maxPerCore: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
  };
}

/** What a cluster brings along: the way to the API server under the name `kubernetes`, and DNS for Services. */
function clusterServices({ url }: ControlPlane): object[] {
  const { hostname, port } = new URL(url);
  const dns = { name: 'kube-dns', namespace: 'kube-system' };
  const labels = { 'k8s-app': 'kube-dns' };
  const rbac = 'rbac.authorization.k8s.io';
  return [
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: 'kubernetes', namespace: 'default', labels: { 'kubernetes.io/service-name': 'kubernetes' } },
      addressType: 'IPv4',
      endpoints: [{ addresses: [hostname] }],
      ports: [{ name: 'https', port: Number(port) }],
    },
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: dns },
    {
      apiVersion: `${rbac}/v1`,
      kind: 'ClusterRole',
      metadata: { name: 'kube-dns' },
      rules: [{ apiGroups: [''], resources: ['services'], verbs: ['get'] }],
    },
    {
      apiVersion: `${rbac}/v1`,
      kind: 'ClusterRoleBinding',
      metadata: { name: 'kube-dns' },
      roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: 'kube-dns' },
      subjects: [{ kind: 'ServiceAccount', ...dns }],
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: dns,
      spec: {
        clusterIP: DNS_SERVICE_IP,
        selector: labels,
        ports: ['UDP', 'TCP'].map((protocol) => ({ name: protocol.toLowerCase(), protocol, port: 53 })),
      },
    },
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { ...dns, labels },
      spec: {
        serviceAccountName: 'kube-dns',
        dnsPolicy: 'Default',
        terminationGracePeriodSeconds: 1,
        containers: [
          {
            name: 'dns',
            image: TOOLS_IMAGE,
            imagePullPolicy: 'Never',
            args: ['dns', `outside.example.test=${OUTSIDE.address}`],
          },
        ],
      },
    },
  ];
}
