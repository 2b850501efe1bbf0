import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { PassThrough, type Readable, type Writable } from 'node:stream';
import { Exec, type KubeConfig } from '@kubernetes/client-node';

/** What a dial came to: `name` is what the other side said, `error` why it did not get there. */
export type Dialled = { target: string; open: boolean; name?: string; error?: string };

/** Someone who dials from one place, as often as asked: one process for all rounds. */
export type Dialler = {
  /** All targets (`tcp:HOST:PORT`, `udp:` and `sctp:` likewise) at once. One round at a time. */
  readonly dial: (targets: readonly string[]) => Promise<Dialled[]>;
  readonly stop: () => void;
};

// Longer than a busy machine takes: who is let through gets an answer, and who is rejected is told.
const loop = (probe: string) => `while read -r targets; do ${probe} dial -timeout=8s $targets; done`;

/** Dials from a container of the image `drawbridge.test/tools:1`, through one `exec` of the API server. */
export async function dialFromPod(config: KubeConfig, namespace: string, pod: string): Promise<Dialler> {
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  const command = ['sh', '-c', loop('/probe')];
  const socket = await new Exec(config).exec(namespace, pod, 'main', command, stdout, stderr, stdin, false);
  socket.addEventListener('close', () => stdout.end());
  return dialler({ stdin, stdout, stderr }, () => socket.close());
}

/** Dials from this machine, through a command that runs another one somewhere, such as `nsenter --net=PATH`. */
export function dialThrough(enter: readonly [string, ...string[]], probe: string): Dialler {
  const [command, ...args] = enter;
  const child = spawn(command, [...args, 'sh', '-c', loop(probe)]);
  return dialler(child, () => void child.kill());
}

function dialler(process: { stdin: Writable; stdout: Readable; stderr: Readable }, end: () => void): Dialler {
  let complaints = '';
  process.stderr.setEncoding('utf8').on('data', (text: string) => (complaints += text));
  const lines = createInterface({ input: process.stdout })[Symbol.asyncIterator]();
  return {
    async dial(targets) {
      process.stdin.write(`${targets.join(' ')}\n`);
      const { value, done } = await lines.next();
      if (done) throw new Error(`nobody dials any more: ${complaints}`);
      return JSON.parse(value) as Dialled[];
    },
    stop: end,
  };
}
