import { access, mkdir, mkdtemp, realpath, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Api, openApi } from './api.ts';
import type { CONTROL_PLANE } from './binaries.ts';
import { type Cluster, describeCluster, openCluster } from './cluster.ts';
import { readKubeconfig, writeKubeconfig } from './kubeconfig.ts';
import { createAuthority, createKey, openAuthority, type Subject } from './pki.ts';
import { type Log, removeAtEnd, type Supervised, supervise, tail } from './supervisor.ts';

/** Everything here is on this machine: a proxy of the user's environment would only be in the way. */
const DIRECT = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(https?|all)_proxy$/i.test(name)));

const START_TIMEOUT_MS = 60_000;
const SERVICE_CIDR = '10.0.0.0/24';
const FIRST_SERVICE_IP = '10.0.0.1';

// Those with work here. All fifty take 8 s to start instead of 4.5: each wants an account and a token, and the manager's own
// limit of calls stays as it is by default, so that many leases that end at once take as long as in production.
const CONTROLLERS = [
  'clusterrole-aggregation',
  'cronjob',
  'daemonset',
  'deployment',
  'disruption',
  'endpoints',
  'endpointslice',
  'garbage-collector',
  'job',
  'namespace',
  'node-lifecycle',
  'pod-garbage-collector',
  'replicaset',
  'resourcequota',
  'root-ca-certificate-publisher',
  'serviceaccount',
  'serviceaccount-token',
  'statefulset',
  'taint-eviction',
  'ttl-after-finished',
  'validatingadmissionpolicy-status',
];

const auditPolicy = (rules: readonly object[]) => ({
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived'],
  rules: [...rules, { level: 'Metadata' }],
});

/** The programs of a control plane. A scheduler runs when its program is given. */
export type ControlPlaneBinaries = Record<(typeof CONTROL_PLANE)[number], string> & { 'kube-scheduler'?: string };

/** A program of the cluster that can be taken away and brought back. */
type Component = {
  /**
   * Starts it, unless it runs, with its state of before; resolves when it is up.
   *
   * @throws Error with the end of its log when it ends instead, or is not up within a minute.
   */
  readonly start: () => Promise<void>;
  /** Kills it, as a crash would. */
  readonly stop: () => Promise<void>;
};

/** A control plane of one's own. It ends with this process at the latest, and nothing of it is left. */
export type ControlPlane = Cluster & {
  readonly apiServer: Component;
  /** Its data is the folder `etcd` of the control plane's. */
  readonly etcd: Component;
  /**
   * Starts one more API server over the same data; it ends with the control plane. Answers where it is: `https://host:port`.
   *
   * @param etcd path of the socket by which it reaches etcd
   */
  readonly anotherApiServer: (etcd: string) => Promise<string>;
  /** Ends it and removes its folder. */
  readonly stop: () => Promise<void>;
};

/**
 * Starts etcd, the API server and the controller manager, each under an identity of its own and reachable from this machine
 * only, with all state in a new temporary folder. Resolves when the API server is ready and the controllers work.
 *
 * Without a node give no scheduler: a pod that is bound to a node that is not there stays Terminating for good.
 *
 * @param options.address IPv4 address of this machine at which the API server listens, and which its certificate names.
 * @param options.auditRules rules of the audit policy that come before the last one, which writes everything at level Metadata.
 *   https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/#audit-k8s-io-v1-PolicyRule
 * @throws Error with the end of the log when a part does not start.
 */
export async function startControlPlane(options: {
  binaries: ControlPlaneBinaries;
  log: Log;
  address?: string;
  auditRules?: readonly object[];
}): Promise<ControlPlane> {
  const { binaries, log, address = '127.0.0.1', auditRules = [] } = options;
  const dir = await realpath(await mkdtemp(join(tmpdir(), 'drawbridge-cluster-')));
  const folder = removeAtEnd(dir);
  const started: Component[] = [];

  const component = (name: string, command: string, args: () => string[], isUp: () => Promise<boolean>): Component => {
    const made = createComponent({ name, command, args, isUp, dir, log });
    started.push(made);
    return made;
  };
  const stop = async () => {
    await Promise.all(started.map((part) => part.stop()));
    await folder.stop();
  };

  try {
    await prepare(dir, address, auditRules);
    const asAdmin = async (path: string) => answers(await openApi(join(dir, 'admin.kubeconfig')), path);
    let port = 0;
    const etcd = component('etcd', binaries.etcd, etcdArgs, () => exists(join(dir, ETCD_SOCKET)));
    const apiServer = component(
      'kube-apiserver',
      binaries['kube-apiserver'],
      () => apiServerArgs(dir, address, port, join(dir, ETCD_SOCKET)),
      () => asAdmin('/readyz'),
    );

    const startApiServer = async () => {
      for (let attempt = 1; ; attempt += 1) {
        port = await freePort(address);
        const url = `https://${address}:${port}`;
        await describeCluster(dir, { url, kubectl: binaries.kubectl });
        await writeComponentKubeconfigs(dir, url);
        try {
          return await apiServer.start();
        } catch (error) {
          // Somebody may have taken the port since we looked.
          if (attempt === 3 || !String(error).includes('address already in use')) throw error;
        }
      }
    };
    await etcd.start();
    await startApiServer();

    const controllers = component(
      'kube-controller-manager',
      binaries['kube-controller-manager'],
      () => controllerManagerArgs(dir),
      // Made by a controller, and without it no pod is admitted.
      () => asAdmin('/api/v1/namespaces/default/serviceaccounts/default'),
    );
    await controllers.start();

    const scheduler = binaries['kube-scheduler'];
    if (scheduler !== undefined) {
      await component(
        'kube-scheduler',
        scheduler,
        () => schedulerArgs(dir),
        async () => true,
      ).start();
    }
    const anotherApiServer = async (socket: string) => {
      const another = await freePort(address);
      const url = `https://${address}:${another}`;
      const kubeconfig = join(dir, 'kubeconfigs', 'another-api-server.kubeconfig');
      const { server, credentials } = await readKubeconfig(join(dir, 'admin.kubeconfig'));
      await writeKubeconfig(kubeconfig, { ...server, url }, credentials);
      await component(
        'another-kube-apiserver',
        binaries['kube-apiserver'],
        () => [...apiServerArgs(dir, address, another, socket), `--audit-log-path=${join(dir, 'another-audit.log')}`],
        async () => answers(await openApi(kubeconfig), '/readyz'),
      ).start();
      return url;
    };
    return { ...openCluster(dir), apiServer, etcd, anotherApiServer, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function createComponent(options: {
  name: string;
  command: string;
  args: () => string[];
  isUp: () => Promise<boolean>;
  dir: string;
  log: Log;
}): Component {
  const { name, command, args, isUp, dir, log } = options;
  const logFile = join(dir, 'logs', `${name}.log`);
  let current: Supervised | undefined;

  async function stop(): Promise<void> {
    const part = current;
    current = undefined;
    await part?.stop();
  }

  async function start(): Promise<void> {
    if (current !== undefined) return;
    const part = await supervise({ command, args: args(), logFile, cwd: dir, env: DIRECT });
    current = part;
    const deadline = Date.now() + START_TIMEOUT_MS;
    let problem = `is not up after ${START_TIMEOUT_MS / 1000} s`;
    while (Date.now() < deadline) {
      if (await isUp()) {
        void part.ended.then((how) => {
          if (current !== part) return;
          current = undefined;
          log(`cluster: ${name} ended by itself (${how}); see ${logFile}`);
        });
        return;
      }
      const end = await Promise.race([part.ended, delay(50)]);
      if (end !== undefined) {
        problem = `ended at its start (${end})`;
        break;
      }
    }
    const lastLines = await tail(logFile);
    await stop();
    throw new Error(`${name} ${problem}. The end of its log:\n${lastLines}`);
  }

  return { start, stop };
}

/** Certificates, keys and files that do not depend on the port. */
async function prepare(dir: string, address: string, auditRules: readonly object[]): Promise<void> {
  await Promise.all(['logs', 'kubeconfigs', 'pki'].map((name) => mkdir(join(dir, name), { mode: 0o700 })));
  const authority = await createAuthority(join(dir, 'pki'));
  const save = async (file: string, subject: Subject) => {
    const { certificate, key } = await authority.issue(subject);
    await writeFile(pki(dir, `${file}.crt`), certificate);
    await writeFile(pki(dir, `${file}.key`), key, { mode: 0o600 });
  };
  await save('server', {
    name: 'kube-apiserver',
    serves: { dns: ['kubernetes', 'localhost'], ips: [...new Set(['127.0.0.1', FIRST_SERVICE_IP, address])] },
  });
  await save('kubelet-client', { name: 'kube-apiserver-kubelet-client' });
  await writeFile(pki(dir, 'service-accounts.key'), createKey(), { mode: 0o600 });
  await writeFile(join(dir, 'audit-policy.json'), JSON.stringify(auditPolicy(auditRules)));
}

/** Not the administrator for all: admission policies and the audit log must see each by its own name. */
async function writeComponentKubeconfigs(dir: string, url: string): Promise<void> {
  const authority = openAuthority(join(dir, 'pki'));
  for (const name of ['kube-controller-manager', 'kube-scheduler']) {
    const credentials = await authority.issue({ name: `system:${name}` });
    await writeKubeconfig(componentKubeconfig(dir, name), { url, ca: authority.certificate }, credentials);
  }
}

const pki = (dir: string, file: string) => join(dir, 'pki', file);
const componentKubeconfig = (dir: string, name: string) => join(dir, `${name}.kubeconfig`);

// Sockets in our own folder instead of ports: etcd asks nobody who they are. Relative to the folder, since etcd takes the
// host part of the URL of its peers for the path.
const ETCD_SOCKET = 'etcd.sock';
const ETCD_PEER_SOCKET = 'etcd-peer.sock';

function etcdArgs(): string[] {
  return [
    '--data-dir=etcd',
    '--unsafe-no-fsync',
    // Alone it need not wait a second for others to vote.
    '--heartbeat-interval=10',
    '--election-timeout=100',
    // As kubeadm has it: the API server makes bookmarks of it for watches of kinds on which nothing happens.
    '--watch-progress-notify-interval=5s',
    `--listen-client-urls=unix://${ETCD_SOCKET}`,
    `--advertise-client-urls=unix://${ETCD_SOCKET}`,
    `--listen-peer-urls=unix://${ETCD_PEER_SOCKET}`,
    `--initial-advertise-peer-urls=unix://${ETCD_PEER_SOCKET}`,
    `--initial-cluster=default=unix://${ETCD_PEER_SOCKET}`,
  ];
}

function apiServerArgs(dir: string, address: string, port: number, etcd: string): string[] {
  return [
    `--etcd-servers=unix://${etcd}`,
    `--bind-address=${address}`,
    `--advertise-address=${address}`,
    `--secure-port=${port}`,
    `--service-cluster-ip-range=${SERVICE_CIDR}`,
    '--endpoint-reconciler-type=none',
    '--authorization-mode=Node,RBAC',
    // For shells on nodes.
    '--allow-privileged=true',
    '--anonymous-auth=false',
    '--enable-admission-plugins=NodeRestriction',
    `--client-ca-file=${pki(dir, 'ca.crt')}`,
    `--tls-cert-file=${pki(dir, 'server.crt')}`,
    `--tls-private-key-file=${pki(dir, 'server.key')}`,
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${pki(dir, 'service-accounts.key')}`,
    `--service-account-signing-key-file=${pki(dir, 'service-accounts.key')}`,
    `--kubelet-certificate-authority=${pki(dir, 'ca.crt')}`,
    `--kubelet-client-certificate=${pki(dir, 'kubelet-client.crt')}`,
    `--kubelet-client-key=${pki(dir, 'kubelet-client.key')}`,
    // Else exec looks the node's name up in DNS.
    '--kubelet-preferred-address-types=InternalIP',
    `--audit-policy-file=${join(dir, 'audit-policy.json')}`,
    `--audit-log-path=${join(dir, 'audit.log')}`,
  ];
}

function controllerManagerArgs(dir: string): string[] {
  const kubeconfig = componentKubeconfig(dir, 'kube-controller-manager');
  return [
    `--kubeconfig=${kubeconfig}`,
    `--authentication-kubeconfig=${kubeconfig}`,
    `--authorization-kubeconfig=${kubeconfig}`,
    `--service-account-private-key-file=${pki(dir, 'service-accounts.key')}`,
    `--root-ca-file=${pki(dir, 'ca.crt')}`,
    '--use-service-account-credentials=true',
    `--controllers=${CONTROLLERS.map((name) => `${name}-controller`).join()}`,
    '--leader-elect=false',
    '--secure-port=0',
  ];
}

function schedulerArgs(dir: string): string[] {
  const kubeconfig = componentKubeconfig(dir, 'kube-scheduler');
  return [
    `--kubeconfig=${kubeconfig}`,
    `--authentication-kubeconfig=${kubeconfig}`,
    `--authorization-kubeconfig=${kubeconfig}`,
    '--leader-elect=false',
    '--secure-port=0',
  ];
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

async function answers(api: Api, path: string): Promise<boolean> {
  try {
    return (await api.call('GET', path)).status === 200;
  } catch {
    return false;
  } finally {
    api.close();
  }
}

async function freePort(host: string): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, host, resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error(`no free port at ${host}`);
  return address.port;
}
