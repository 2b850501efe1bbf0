import { execFile } from 'node:child_process';
import { connect } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { parseVerdict } from '../../../src/domain/plan/probe.ts';
import { check, listen, type Times } from '../../../src/probe/check.ts';
import { freePort } from '../../../src/sandbox/ports.ts';

const TIMES: Times = { dial: 100, pause: 10, patience: 1000, bound: 5000 };
const at = (port: number) => `tcp:127.0.0.1:${port}`;
const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});
async function listening(port = 0): Promise<number> {
  const server = await listen(port);
  closing.push(server.close);
  return server.port;
}

describe('a probe', () => {
  test('says what answers: any address of the target, and a canary that still does after a while', async () => {
    const open = await listening();
    const began = performance.now();
    const args = [`--target=${at(await freePort())}`, `--target=${at(open)}`, `--canary=${at(open)}`];
    expect(await check(args, TIMES)).toEqual({ v: 1, target: 'answers', canary: 'answers' });
    expect(performance.now() - began).toBeGreaterThanOrEqual(TIMES.patience);
  });

  test('a canary that is cut off within that while is silent', async () => {
    const { port, close } = await listen(0);
    setTimeout(close, 150);
    expect(await check([`--canary=${at(port)}`], TIMES)).toMatchObject({ canary: 'silent' });
  });

  test('is not misled by a first moment without a network: silence counts from when the target answered, or after a long while', async () => {
    const canary = `--canary=${at(await freePort())}`;
    const took = async (...args: string[]) => {
      const began = performance.now();
      expect(await check([canary, ...args], TIMES)).toMatchObject({ canary: 'silent' });
      return performance.now() - began;
    };
    const known = await took(`--target=${at(await listening())}`);
    expect(known).toBeGreaterThanOrEqual(TIMES.dial - 1);
    expect(known).toBeLessThan(TIMES.patience);
    expect(await took()).toBeGreaterThanOrEqual(TIMES.patience);
    expect(await took(`--target=${at(await freePort())}`)).toBeGreaterThanOrEqual(TIMES.patience);
    const port = await freePort();
    setTimeout(() => void listening(port), 50);
    expect(await check([`--canary=${at(port)}`], TIMES)).toMatchObject({ canary: 'answers' });
  });

  test('takes a canary for silent within a second of the target, by itself', async () => {
    const args = [`--target=${at(await listening())}`, `--canary=${at(await freePort())}`];
    const began = performance.now();
    expect(await check(args)).toEqual({ v: 1, target: 'answers', canary: 'silent' });
    expect(performance.now() - began).toBeLessThan(1000);
  });

  test('is not misled by a canary of which the first tries are lost', async () => {
    const port = await freePort();
    const target = `--target=${at(await listening())}`;
    // Nobody takes the first three tries: a connection that is refused waits like one that is dropped.
    setTimeout(() => void listening(port), 250);
    const times = { ...TIMES, dial: 500, pause: 100 };
    expect(await check([target, `--canary=${at(port)}`], times)).toMatchObject({ canary: 'answers' });
  });

  test('reads an answer that came while it did not run', async () => {
    const port = await listening();
    const verdict = check([`--target=${at(port)}`], { ...TIMES, dial: 50, patience: 0 });
    process.nextTick(() => {
      for (const end = performance.now() + 200; performance.now() < end; );
    });
    expect(await verdict).toMatchObject({ target: 'answers' });
  });

  test('a target whose way is opened a moment later answers, one that has none is silent', async () => {
    const [late, never] = [await freePort(), await freePort()];
    setTimeout(() => void listening(late), 150);
    expect(await check([`--target=${at(late)}`], TIMES)).toMatchObject({ target: 'answers' });
    expect(await check([`--target=${at(never)}`], TIMES)).toMatchObject({ target: 'silent' });
  });

  test('over IPv6 too', async () => {
    const port = await listening();
    expect(await check([`--target=tcp:[::1]:${port}`], TIMES)).toMatchObject({ target: 'answers' });
  });

  test.each([
    [[]],
    [['--target=udp:127.0.0.1:53', '--canary=sctp:127.0.0.1:1']],
    [['--canary=tcp:localhost:80', '--target=tcp:127.0.0.1:99999', '--target', 'tcp:127.0.0.1:1', 'x']],
  ])('what it can not ask it does not know: %j', async (args) => {
    expect(await check(args, TIMES)).toEqual({ v: 1, target: 'unknown', canary: 'unknown' });
  });

  test('ends when its time is over, whatever it knows', async () => {
    const port = await freePort();
    const args = [`--target=${at(port)}`, `--canary=${at(port)}`];
    expect(await check(args, { ...TIMES, bound: 50 })).toEqual({ v: 1, target: 'unknown', canary: 'unknown' });
  });

  test('has one time for both, when neither the target nor the canary says anything', async () => {
    const args = [`--target=${at(await freePort())}`, `--canary=${at(await freePort())}`];
    const began = performance.now();
    expect(await check(args, { ...TIMES, dial: 5000, bound: 1000 })).toMatchObject({
      target: 'unknown',
      canary: 'unknown',
    });
    expect(performance.now() - began).toBeLessThan(1900);
  });
});

test('the canary takes everybody, and outlives those who hang up', async () => {
  const port = await listening();
  for (let i = 0; i < 3; i++)
    connect(port, '127.0.0.1')
      .on('error', () => {})
      .resetAndDestroy();
  const words = await new Promise<string>((resolve, reject) =>
    connect(port, '127.0.0.1')
      .on('data', (data) => resolve(String(data)))
      .on('error', reject),
  );
  expect(words).toContain('The canary of Drawbridge');
});

describe('as a program', () => {
  const run = (...args: string[]) =>
    new Promise<{ code: number; stdout: string }>((resolve) => {
      execFile(process.execPath, ['src/probe/main.ts', ...args], (error, stdout) =>
        resolve({ code: Number(error?.code ?? 0), stdout }),
      );
    });

  test.each([[['check']], [['check', '--canary=nonsense', '']]])(
    'it ends well and says one line that the bot reads: %j',
    async (args) => {
      const { code, stdout } = await run(...args);
      expect(code).toBe(0);
      expect(stdout.trim().split('\n')).toHaveLength(1);
      expect(JSON.parse(stdout)).toMatchObject({ v: 1 });
      expect(parseVerdict(stdout)).toEqual({ target: 'unknown', canary: 'unknown' });
    },
  );

  test('it says what it saw in words that the bot reads', async () => {
    const port = await listening();
    const { code, stdout } = await run('check', `--target=${at(port)}`, `--canary=${at(await freePort())}`);
    expect([code, parseVerdict(stdout)]).toEqual([0, { target: 'answers', canary: 'silent' }]);
  });
});
