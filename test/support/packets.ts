import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { ensureBinaries } from '../../src/sandbox/cluster/binaries.ts';
import type { Cluster } from '../../src/sandbox/cluster/cluster.ts';
import type { Node } from '../../src/sandbox/cluster/node.ts';
import { TOOLS_IMAGE } from '../../src/sandbox/cluster/node-image.ts';

/** What packets do on a real node: dials, scans and watches from inside pods, each by somebody's kubectl exec. */

/** A container in which somebody acts. */
export interface Place {
  readonly kubeconfig: string;
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
}

const inside = ({ namespace, pod, container }: Place, ...command: string[]) => [
  'exec',
  '-i',
  '-n',
  namespace,
  pod,
  '-c',
  container,
  '--',
  ...command,
];

/** A program that runs in a container, with its standard input open. */
export interface Session {
  /** What it has written, and when it last wrote to stdout (milliseconds since the epoch). */
  readonly output: { stdout: string; stderr: string; at: number };
  send(line: string): void;
  /** Closes its standard input. */
  finish(): void;
  /** The exit code of kubectl, once it has ended. */
  readonly ended: Promise<number | null>;
}

/** Starts a program in a container and leaves it running. Whatever happens it ends with its container. */
export async function startIn(place: Place, ...command: string[]): Promise<Session> {
  const { kubectl } = await ensureBinaries(['kubectl'], () => {});
  const child = spawn(kubectl, [`--kubeconfig=${place.kubeconfig}`, ...inside(place, ...command)], {
    env: { ...process.env, KUBERC: 'off' },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '', at: 0 };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output.stdout += text;
    output.at = Date.now();
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text));
  child.stdin.on('error', () => {});
  return {
    output,
    send: (line) => void child.stdin.write(`${line}\n`),
    finish: () => void child.stdin.end(),
    ended: new Promise((resolve) => child.once('close', (code) => resolve(code))),
  };
}

/** Longer than the second after which the kernel sends again what was lost. */
const DIAL_TIMEOUT = '1300ms';

/** Which of the targets (`tcp:HOST:PORTS`) answer from there, sorted; each port for itself. */
export async function reached(
  cluster: Pick<Cluster, 'kubectl'>,
  place: Place,
  targets: readonly string[],
): Promise<string[]> {
  const dial = inside(place, '/probe', 'dial', '-open', `-timeout=${DIAL_TIMEOUT}`, ...targets);
  const { code, stdout, stderr } = await cluster.kubectl(dial, { kubeconfig: place.kubeconfig });
  if (code !== 0) throw new Error(`the probe in ${place.namespace}/${place.pod} ended with ${code}: ${stderr}`);
  return (JSON.parse(stdout) as { target: string }[]).map(({ target }) => target).toSorted();
}

/** What a watch has seen of one target. */
export interface Watched {
  /** `keep`, `open` or `shut`, and `HOST:PORT`. */
  readonly target: string;
  /** How often it went as it must. */
  readonly held: number;
  /** The longest that it took, in milliseconds. */
  readonly longest: number;
  /** When and how it went otherwise for the first time. */
  readonly broken?: string;
}

/**
 * Watches without a break from there: `keep:HOST:PORT` is a connection that must live, `open:` is connected to anew again and again,
 * `shut:` must never be had. Returns when each was tried once.
 */
async function watchFrom(
  place: Place,
  every: string,
  targets: readonly string[],
): Promise<{ stop(): Promise<Watched[]> }> {
  const session = await startIn(place, '/probe', 'watch', `-every=${every}`, ...targets);
  const { output } = session;
  const failed = session.ended.then((code) => {
    throw new Error(`the watch in ${place.namespace}/${place.pod} ended with ${code}: ${output.stderr}`);
  });
  failed.catch(() => {});
  const begun = (async () => {
    while (!output.stdout.startsWith('watching')) await new Promise((resolve) => setTimeout(resolve, 50));
  })();
  await Promise.race([begun, failed]);
  return {
    async stop() {
      session.finish();
      await session.ended;
      const [, report = ''] = output.stdout.split('\n');
      return JSON.parse(report) as Watched[];
    },
  };
}

/** Who of the sandbox's shop may call whom, by its policies; nobody else may call anybody. */
const CALLS = ['frontend checkout', 'frontend catalog', 'checkout ledger', 'ledger payouts'];

/** Watches from every pod of the shop to every other one: what must live and what must not be had. Ended, it answers what was seen. */
export async function watchAll(
  shop: readonly RunningPod[],
  kubeconfig: string,
  every = '200ms',
): Promise<() => Promise<Watched[]>> {
  const watches = await Promise.all(
    shop.map((from) => {
      const others = shop.filter((to) => to.address !== from.address);
      const targets = others.flatMap((to) =>
        to.serves.flatMap((port, index) => {
          const may = index === 0 && CALLS.includes(`${from.labels['app']} ${to.labels['app']}`);
          const address = `${to.address}:${port}`;
          return may ? [`keep:${address}`, `open:${address}`] : [`shut:${address}`];
        }),
      );
      return watchFrom(placeIn(from, kubeconfig), every, targets);
    }),
  );
  return async () => (await Promise.all(watches.map((watch) => watch.stop()))).flat();
}

interface PodObject {
  readonly metadata: {
    readonly namespace: string;
    readonly name: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly ownerReferences?: readonly { readonly kind: string; readonly name: string }[];
  };
  readonly spec: { readonly containers: readonly { readonly name: string; readonly args?: readonly string[] }[] };
  readonly status: { readonly podIP?: string; readonly phase?: string };
}
interface ServiceObject {
  readonly metadata: { readonly namespace: string; readonly name: string };
  readonly spec: {
    readonly clusterIP: string;
    readonly selector?: Readonly<Record<string, string>>;
    readonly ports: readonly { readonly port: number; readonly protocol: string; readonly targetPort: number }[];
  };
}

/** A pod that runs, as the API server tells of it. */
export interface RunningPod {
  readonly namespace: string;
  readonly name: string;
  readonly container: string;
  readonly address: string;
  readonly labels: Readonly<Record<string, string>>;
  /** `namespace/kind/name` of its workload, as messages write it. */
  readonly workload: string;
  /** TCP ports on which the probe serves in it. */
  readonly serves: readonly number[];
}

export function placeIn({ namespace, name, container }: RunningPod, kubeconfig: string): Place {
  return { kubeconfig, namespace, pod: name, container };
}

/** The pods that run, in all namespaces. */
export async function runningPods(cluster: Pick<Cluster, 'kubectl'>): Promise<RunningPod[]> {
  return (await listed<PodObject>(cluster, 'pods')).flatMap(({ metadata, spec, status }) => {
    const { namespace, name, labels = {}, ownerReferences: [owner] = [] } = metadata;
    const [container] = spec.containers;
    if (status.phase !== 'Running' || status.podIP === undefined || container === undefined) return [];
    const isOfDeployment = owner?.kind === 'ReplicaSet';
    const workload = isOfDeployment
      ? `deployment/${owner.name.replace(/-[^-]+$/, '')}`
      : `${owner?.kind ?? 'pod'}/${owner?.name ?? name}`.toLowerCase();
    const serves = (container.args ?? []).flatMap((arg) => /^tcp:(\d+)$/.exec(arg)?.slice(1).map(Number) ?? []);
    return [
      {
        namespace,
        name,
        container: container.name,
        address: status.podIP,
        labels,
        workload: `${namespace}/${workload}`,
        serves,
      },
    ];
  });
}

async function listed<T>({ kubectl }: Pick<Cluster, 'kubectl'>, resource: string): Promise<T[]> {
  const { code, stdout, stderr } = await kubectl(['get', resource, '-A', '-o', 'json']);
  if (code !== 0) throw new Error(stderr);
  return (JSON.parse(stdout) as { items: T[] }).items;
}

/** Ports that are looked at on every address: all well-known ones, and whatever serves anything here. */
const PORTS = '1-1024,8080,8081,8443,8444,10249,10250,10255,10256,10257,10259';
/** Datagrams take longer, as they are sent again before silence counts. */
const UDP_PORTS = '53,80,443,8080,8443';

/** Everything that there is to be scanned: each pod and Service, the node, the outside, the API server. Nothing else is. */
export async function everything(
  cluster: Pick<Cluster, 'kubectl'>,
  node: Node,
): Promise<{ readonly targets: string[]; readonly apiServer: string; isOfNode(target: string): boolean }> {
  const pods = await runningPods(cluster);
  const services = await listed<ServiceObject>(cluster, 'services');
  const { nodeAddress, hostAddress, podCidr } = node.network;
  // Its end of the link to each pod, of the link to this machine, and of the link to the outside.
  const nodeAddresses = [nodeAddress, podCidr.replace(/0\/24$/, '1'), '198.51.100.1'];
  const addresses = [
    ...pods.map(({ address }) => address),
    ...services.map(({ spec }) => spec.clusterIP),
    ...nodeAddresses,
    node.outsideAddress,
  ];
  const { stdout } = await cluster.kubectl(['config', 'view', '-o', 'jsonpath={.clusters[0].cluster.server}']);
  const apiServer = `tcp:${hostAddress}:${new URL(stdout).port}`;
  return {
    targets: [...addresses.flatMap((address) => [`tcp:${address}:${PORTS}`, `udp:${address}:${UDP_PORTS}`]), apiServer],
    apiServer,
    isOfNode: (target) => nodeAddresses.includes(target.split(':')[1] ?? ''),
  };
}

/**
 * The targets that the preview of an approval message stands for: its workloads' pods on its ports, and the Services that lead there
 * and nowhere else, on theirs.
 */
export async function targetsOfPreview(cluster: Pick<Cluster, 'kubectl'>, words: string): Promise<string[]> {
  const pods = await runningPods(cluster);
  const services = await listed<ServiceObject>(cluster, 'services');
  const lines = [...words.matchAll(/^\W*\+ (?:\S+ → )?(\S+) +(.+?)`*$/gm)];
  const targets = lines.flatMap(([, to = '', ports = '']) => {
    const behind = pods.filter(({ workload }) => workload === to);
    return ports.split(', ').flatMap((each) => {
      const [port = '', protocol = ''] = each.split('/');
      const to = (address: string, number: number | string) => `${protocol.toLowerCase()}:${address}:${number}`;
      const leadingThere = services.filter(({ metadata, spec }) => {
        const ends = pods.filter(
          ({ namespace, labels }) =>
            namespace === metadata.namespace &&
            Object.entries(spec.selector ?? { '': 'none' }).every(([key, value]) => labels[key] === value),
        );
        return ends.length > 0 && ends.every((pod) => behind.includes(pod));
      });
      return [
        ...behind.map(({ address }) => to(address, port)),
        ...leadingThere.flatMap(({ spec }) =>
          spec.ports
            .filter(({ targetPort }) => targetPort === Number(port))
            .map((each) => to(spec.clusterIP, each.port)),
        ),
      ];
    });
  });
  return targets.toSorted();
}

/** A pod of the shape of a workspace, of which no grant knows. */
export function visitor(
  namespace: string,
  name: string,
  labels: Record<string, string> = {},
  args: readonly string[] = ['sleep'],
): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace, name, labels },
    spec: {
      terminationGracePeriodSeconds: 1,
      automountServiceAccountToken: false,
      securityContext: { runAsNonRoot: true, runAsUser: 65_532, seccompProfile: { type: 'RuntimeDefault' } },
      containers: [
        {
          name: 'main',
          image: TOOLS_IMAGE,
          args,
          securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
        },
      ],
    },
  };
}

/** Command lines of all processes of this machine that contain the text, containers' too. */
export function processesWith(text: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
        return command.includes(text) ? [command] : [];
      } catch {
        // It has ended meanwhile.
        return [];
      }
    });
}
