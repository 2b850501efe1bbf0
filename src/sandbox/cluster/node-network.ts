import { execFile } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { mkdir, mkdtemp, readFile, realpath } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { SYSTEM_PATH } from '../apt.ts';

import { atEnd, type Supervised, supervise, tail } from './supervisor.ts';

const execute = promisify(execFile);

/** A network namespace that lives as long as the process that holds it: it has no name, so nothing can be left of it. */
export type Namespace = {
  /** Path for `nsenter --net=`. */
  readonly path: string;
  readonly pid: string;
  readonly stop: () => Promise<void>;
};

/** The network of a node to come. Addresses are IPv4. */
export type NodeNetwork = {
  /** Unique on this machine; at most 15 bytes, as an interface's name must be. Also the name of the node's control groups. */
  readonly name: string;
  /** The run's folder, removed at the end. */
  readonly dir: string;
  /** This machine's end of the link: where the API server must listen. */
  readonly hostAddress: string;
  /** The node's end of the link. */
  readonly nodeAddress: string;
  /** Addresses of the pods; this machine has a route to them. */
  readonly podCidr: string;
  readonly namespace: Namespace;
  /** Ends it and removes everything that is named after it. */
  readonly stop: () => Promise<void>;
};

// Kept for benchmarks (RFC 2544), so that no real network is hidden: one /30 and one /24 for each run.
const linkOf = (run: number) => ({ host: `198.18.${run}.1`, node: `198.18.${run}.2` });
const podsOf = (run: number) => `198.19.${run}.0/24`;
const RUNS = 256;

/** Removes the control groups "$1" and the folder "$2", as soon as what is in them has died. */
const REMOVE = `
tries=0
while [ $tries -lt 200 ]; do
  for group in /sys/fs/cgroup/"$1" /sys/fs/cgroup/*/"$1"; do
    [ -d "$group" ] && find "$group" -depth -type d -exec rmdir {} \\;
  done
  rm -rf "$2"
  left=
  for path in /sys/fs/cgroup/"$1" /sys/fs/cgroup/*/"$1" "$2"; do [ -e "$path" ] && left=yes; done
  [ "$left" ] || exit 0
  sleep 0.1; tries=$((tries+1))
done
`;

/**
 * Runs a program of the system; its standard output.
 *
 * @throws Error with what it said.
 */
export async function run(command: string, args: readonly string[], input = ''): Promise<string> {
  const running = execute(command, args, { env: { PATH: SYSTEM_PATH }, maxBuffer: 2 ** 26 });
  running.child.stdin?.on('error', () => {}).end(input);
  return (await running).stdout;
}

/**
 * Makes a network namespace held by the program given, which runs in it.
 *
 * @param options.name of its files in `dir`.
 */
export async function holdNamespace(options: {
  dir: string;
  name: string;
  command?: readonly string[];
}): Promise<Namespace> {
  const { dir, name, command = ['sleep', 'infinity'] } = options;
  const pidFile = join(dir, `${name}.pid`);
  const logFile = join(dir, `${name}.log`);
  const holder = await supervise({
    command: 'unshare',
    args: ['--net', 'sh', '-c', 'ip link set lo up && echo $$ >"$0" && exec "$@"', pidFile, ...command],
    logFile,
    cwd: dir,
    env: { PATH: SYSTEM_PATH },
  });
  for (;;) {
    const pid = (await readFile(pidFile, 'utf8').catch(() => '')).trim();
    if (pid !== '') return { path: `/proc/${pid}/ns/net`, pid, stop: holder.stop };
    const end = await Promise.race([holder.ended, delay(10)]);
    if (end !== undefined) throw new Error(`no network namespace ${name} (${end}): ${await tail(logFile)}`);
  }
}

/**
 * Makes the network namespace of a node, with a link to this machine. To be done before the control plane starts, which must
 * listen at `hostAddress`. It ends with this process at the latest, and nothing of it is left.
 */
export async function prepareNodeNetwork(): Promise<NodeNetwork> {
  const name = `dbn${randomBytes(4).toString('hex')}`;
  const dir = await realpath(await mkdtemp(join(tmpdir(), `drawbridge-node-`)));
  const remains: Supervised = atEnd(REMOVE, [name, dir]);
  let namespace: Namespace | undefined;
  const stop = async () => {
    await namespace?.stop();
    // Gone with its other end, but not at once.
    await run('ip', ['link', 'delete', name]).catch(() => {});
    await remains.stop();
  };
  try {
    await Promise.all(['addresses', 'cni', 'plugins'].map((part) => mkdir(join(dir, part))));
    namespace = await holdNamespace({ dir, name: 'network' });
    const inside = `--net=${namespace.path}`;
    await run('ip', ['link', 'add', name, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace.pid]);
    await run('ip', ['link', 'set', name, 'up']);
    const number = await reserve(name);
    const { host, node } = linkOf(number);
    const ip = (...args: string[]) => run('nsenter', [inside, 'ip', ...args]);
    await ip('address', 'add', `${node}/30`, 'dev', 'eth0');
    await ip('link', 'set', 'eth0', 'up');
    await ip('route', 'add', 'default', 'via', host);
    await run('nsenter', [inside, 'sh', '-c', 'echo 1 >/proc/sys/net/ipv4/ip_forward']);
    await run('ip', ['route', 'add', podsOf(number), 'via', node, 'dev', name]);
    return { name, dir, hostAddress: host, nodeAddress: node, podCidr: podsOf(number), namespace, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Finds numbers that nobody uses and gives this machine's end its address. The kernel sees to it that each is taken once. */
async function reserve(device: string): Promise<number> {
  const first = randomInt(RUNS);
  for (let tried = 0; tried < RUNS; tried += 1) {
    const number = (first + tried) % RUNS;
    const { host } = linkOf(number);
    try {
      // Two runs can't both have the same route.
      await run('ip', ['route', 'add', `${host.replace(/1$/, '0')}/30`, 'dev', device]);
    } catch (error) {
      if (String(error).includes('File exists')) continue;
      throw error;
    }
    await run('ip', ['address', 'add', `${host}/30`, 'dev', device, 'noprefixroute']);
    return number;
  }
  throw new Error('no addresses left for a node in 198.18.0.0/15');
}
