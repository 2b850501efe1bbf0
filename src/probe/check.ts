import { type AddressInfo, connect, createServer } from 'node:net';

/** `unknown`: there was nothing that could be asked. */
type Answer = 'answers' | 'silent' | 'unknown';

/** What a probe saw. The bot reads it (domain/probe.ts): a change needs another `v`. */
export interface Verdict {
  readonly v: 1;
  readonly target: Answer;
  readonly canary: Answer;
}

/** Milliseconds. All together stay within `bound`. */
export interface Times {
  /** How long an answer is waited for. Within a second the kernel sends nothing again that was lost: only another try does. */
  readonly dial: number;
  /** Between two tries. */
  readonly pause: number;
  /** How long a target that does not answer is tried, and how long a canary that does: policies need a moment to be in force. */
  readonly patience: number;
  /** After this the verdict is said, whatever is known. */
  readonly bound: number;
}

/** How often a canary is tried before it counts as silent: one packet that was lost, or one moment without the processor, proves nothing. */
const CANARY_TRIES = 4;
const TIMES: Times = { dial: 500, pause: 100, patience: 3500, bound: 6500 };
export const UNKNOWN: Verdict = { v: 1, target: 'unknown', canary: 'unknown' };

interface Address {
  readonly host: string;
  readonly port: number;
}

/** `tcp:10.0.0.1:8080`, `tcp:[fd00::1]:8080`; null: something else. */
function addressOf(text: string): Address | null {
  const [, v4, v6, port] = /^tcp:(?:([\d.]+)|\[([\da-f:.]+)\]):(\d{1,5})$/i.exec(text) ?? [];
  const host = v4 ?? v6;
  return host === undefined || Number(port) > 65_535 ? null : { host, port: Number(port) };
}

/**
 * Whether somebody takes a TCP connection at this address. A refusal is no answer, and not believed before the time is over: what is
 * not reachable in the first moments of a pod says nothing.
 */
function answers({ host, port }: Address, timeout: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const end = (taken: boolean) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(taken);
    };
    // An answer that has come while this process did not run is read before that.
    const timer = setTimeout(() => setImmediate(end, false), timeout);
    socket.once('connect', () => end(true));
    socket.once('error', () => socket.destroy());
  });
}

const pauseFor = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds));

/** Any of them is enough; what does not answer at once is asked again, since its way may be opened a moment later. */
async function askTarget(addresses: readonly Address[], times: Times): Promise<Answer> {
  if (addresses.length === 0) return 'unknown';
  const end = performance.now() + times.patience;
  do {
    const taken = await Promise.all(addresses.map((address) => answers(address, times.dial)));
    if (taken.includes(true)) return 'answers';
    await pauseFor(times.pause);
  } while (performance.now() < end);
  return 'silent';
}

/** Whether one of several tries is taken, which begin one after the other and wait until the same moment. */
async function answersOneOf(address: Address, { dial, pause }: Times): Promise<boolean> {
  const tries = Array.from({ length: CANARY_TRIES }, async (_, index) => {
    await pauseFor(index * pause);
    return answers(address, dial - index * pause);
  });
  return (await Promise.all(tries)).includes(true);
}

/**
 * It answers only when it still does after a while. It is silent when no try got anything from a pod whose network is known to be up: because
 * its target answered, or because the time that networks need is over.
 */
async function askCanary(address: Address | null, times: Times, target: Promise<Answer>): Promise<Answer> {
  if (address === null) return 'unknown';
  const end = performance.now() + times.patience;
  const late = pauseFor(times.patience);
  await Promise.race([late, target.then((answer) => (answer === 'answers' ? undefined : late))]);
  for (;;) {
    const isLate = performance.now() >= end;
    if (!(await answersOneOf(address, times))) return 'silent';
    if (isLate) return 'answers';
    await pauseFor(times.pause);
  }
}

/**
 * Asks the target and the canary, both at once.
 * @param args `--target=tcp:IP:PORT`, any number, and `--canary=tcp:IP:PORT`; what is written otherwise is not asked
 */
export async function check(args: readonly string[], times: Times = TIMES): Promise<Verdict> {
  const given = (flag: string) =>
    args
      .filter((arg) => arg.startsWith(`--${flag}=`))
      .map((arg) => addressOf(arg.slice(flag.length + 3)))
      .filter((address) => address !== null);
  const within = (answer: Promise<Answer>) =>
    Promise.race([answer, pauseFor(times.bound).then((): Answer => 'unknown')]);
  const asked = askTarget(given('target'), times);
  const [target, canary] = await Promise.all([
    within(asked),
    within(askCanary(given('canary')[0] ?? null, times, asked)),
  ]);
  return { v: 1, target, canary };
}

/** Takes connections and says who it is. Answers the port; 0 finds a free one. */
export function listen(port: number): Promise<{ port: number; close: () => void }> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => {
      // Whoever connects may be gone before it has heard.
      socket.on('error', () => socket.destroy());
      socket.end('The canary of Drawbridge: who reads this was let in by nobody.\n');
    });
    server.once('error', reject);
    server.listen(port, () => resolve({ port: (server.address() as AddressInfo).port, close: () => server.close() }));
  });
}
