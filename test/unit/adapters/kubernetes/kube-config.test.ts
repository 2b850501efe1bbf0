import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createApi } from '../../../../src/adapters/kubernetes/api.ts';
import { followKubeConfig, loadKubeConfig } from '../../../../src/adapters/kubernetes/kube-config.ts';

let dir: string;
let file: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'drawbridge-kubeconfig-'));
  file = join(dir, 'config');
});
afterEach(async () => {
  vi.useRealTimers();
  await rm(dir, { recursive: true });
});

const write = (server: string, token: string, contexts: readonly string[] = ['prod', 'staging']) =>
  writeFile(
    file,
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': contexts[0],
      clusters: [{ name: 'c', cluster: { server, 'insecure-skip-tls-verify': server.startsWith('http:') } }],
      users: [{ name: 'u', user: { token } }],
      contexts: contexts.map((name) => ({ name, context: { cluster: 'c', user: 'u' } })),
    }),
  );
const tokenOf = (config: ReturnType<typeof loadKubeConfig>) => config.getCurrentUser()?.token;

test('a context that is not there is told with those that are', async () => {
  await write('https://a.example.test', 'one');
  expect(() => loadKubeConfig({ kubeconfig: file, context: 'dev', named: 'clusters.dev.context' })).toThrow(
    "clusters.dev.context: the kubeconfig has no context 'dev'; it has prod, staging",
  );
});

describe('a kubeconfig that changes', () => {
  async function followed() {
    await write('https://a.example.test', 'one');
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const faults: string[] = [];
    const kube = followKubeConfig({ kubeconfig: file, context: 'prod' }, (error) => faults.push(String(error)));
    return { kube, faults, look: () => vi.advanceTimersByTimeAsync(2000) };
  }

  test('is read again: its token is another', async () => {
    const { kube, look } = await followed();
    const before = kube.current();
    await look();
    expect(kube.current()).toBe(before);
    await write('https://a.example.test', 'two');
    await look();
    await vi.waitFor(() => expect(tokenOf(kube.current())).toBe('two'));
    kube.stop();
  });

  test.each([
    ['half of it', () => writeFile(file, '{"clusters": [')],
    ['one without the context', () => write('https://a.example.test', 'two', ['staging'])],
    ['one that leads elsewhere', () => write('https://b.example.test', 'two')],
  ])('keeps what it was where there is %s, and that is told once', async (_what, change) => {
    const { kube, faults, look } = await followed();
    await change();
    await look();
    await vi.waitFor(() => expect(faults).toHaveLength(1));
    await look();
    await look();
    expect([tokenOf(kube.current()), faults.length]).toEqual(['one', 1]);
    await write('https://a.example.test', 'three');
    await look();
    await vi.waitFor(() => expect(tokenOf(kube.current())).toBe('three'));
    kube.stop();
  });
});

describe('an API server that does not answer, beside others', () => {
  let server: Server;
  let isSilent: boolean;
  let asked: number;
  beforeEach(async () => {
    isSilent = true;
    asked = 0;
    server = createServer((_request, response) => {
      asked += 1;
      if (!isSilent) response.end('{"kind": "Namespace"}');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    await write(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, 'one');
  });
  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  test('is asked by one call at a time, and the others fail at once until it answers', async () => {
    const api = createApi(loadKubeConfig({ kubeconfig: file, context: 'prod' }), undefined, undefined, true);
    await expect(api.ready()).rejects.toThrow('no answer');
    const begin = performance.now();
    const many = await Promise.allSettled(Array.from({ length: 20 }, () => api.read('Namespace', null, 'staging')));
    expect(many.every(({ status }) => status === 'rejected')).toBe(true);
    expect(performance.now() - begin).toBeLessThan(1000);
    expect(asked).toBe(1);
    isSilent = false;
    await vi.waitFor(() => api.read('Namespace', null, 'staging'), { timeout: 8000, interval: 100 });
    await api.read('Namespace', null, 'staging');
    expect(asked).toBe(3);
  });
});
