import { cp, rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { type Api, createApi } from '../../src/adapters/kubernetes/api.ts';
import { loadKubeConfig } from '../../src/adapters/kubernetes/kube-config.ts';
import { type Pace, type Reflector, startReflector } from '../../src/adapters/kubernetes/model/reflector.ts';
import { CONTROL_PLANE, ensureBinaries } from '../../src/sandbox/cluster/binaries.ts';
import { type ControlPlane, startControlPlane } from '../../src/sandbox/cluster/control-plane.ts';
import { readKubeconfig, writeKubeconfig } from '../../src/sandbox/cluster/kubeconfig.ts';
import { describeWithCluster } from '../support/cluster.ts';

/** Reflectors at real API servers to which something happens. What only a wire can do is in test/unit/adapters/kubernetes/model. */

interface Named {
  readonly metadata: { readonly name: string; readonly uid: string; readonly resourceVersion: string };
}

/** For how long reads through etcd take longer at the API server that lags: milliseconds. */
const LAG = 1500;

const apiOf = (kubeconfig: string): Api => createApi(loadKubeConfig({ kubeconfig, context: undefined }));

describeWithCluster('a reflector', (shared) => {
  let quiet: Reflector<string>;
  let quietSince: number;
  let bookmarkedAt = 0;
  let own: ControlPlane;

  beforeAll(async () => {
    const listed = Promise.withResolvers<void>();
    const api = apiOf(shared.adminKubeconfig);
    const watch: Api['watch'] = async (kind, options) =>
      tapped(await api.watch(kind, options), ({ type }) => {
        if (type === 'BOOKMARK') bookmarkedAt = performance.now();
      });
    quiet = startReflector<Named, string>({
      api: { ...api, watch },
      kind: 'Role',
      selector: 'nobody=has-this-label',
      project: ({ metadata }) => metadata.name,
      onChange() {},
      onListed: listed.resolve,
      onFault() {},
    });
    await listed.promise;
    quietSince = performance.now();
    own = await startControlPlane({ binaries: await ensureBinaries(CONTROL_PLANE, () => {}), log: () => {} });
  });
  afterAll(async () => {
    quiet.stop();
    await own.stop();
  });

  const role = (name: string, annotations = {}) => ({
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'Role',
    metadata: { name, namespace: 'default', annotations },
    rules: [],
  });
  const remove = async (...names: string[]) => {
    const { code, stderr } = await own.kubectl(['delete', 'role', '--namespace=default', ...names]);
    expect(stderr).toBe('');
    expect(code).toBe(0);
  };

  /** A reflector of all Roles, with what it has told. */
  function reflect(api: Api, pace: Partial<Pace> = {}) {
    const told: { readonly came: string | null; readonly went: string | null }[] = [];
    const faults: string[] = [];
    const reflector = startReflector<Named, string>({
      api,
      kind: 'Role',
      project: ({ metadata }) => metadata.name,
      onChange: (now, before) => told.push({ came: now, went: now === null ? before : null }),
      onListed() {},
      onFault: (error) => faults.push(String(error)),
      pace,
    });
    onTestFinished(() => reflector.stop());
    return {
      faults,
      went: () => told.flatMap(({ went }) => went ?? []),
      names: () => [...reflector.items.values()].toSorted(),
      current: () => reflector.synced && reflector.lostAt === null,
    };
  }

  async function apiAt(url: string): Promise<Api> {
    const { server, credentials } = await readKubeconfig(own.adminKubeconfig);
    const kubeconfig = join(own.dir, 'kubeconfigs', `at-${new URL(url).port}.kubeconfig`);
    await writeKubeconfig(kubeconfig, { ...server, url }, credentials);
    return apiOf(kubeconfig);
  }

  const truth = async () =>
    (await apiOf(own.adminKubeconfig).list<Named>('Role', null)).map(({ metadata }) => metadata.name).toSorted();
  const agrees = (reflected: ReturnType<typeof reflect>) =>
    vi.waitFor(
      async () => {
        expect(reflected.current()).toBe(true);
        expect(reflected.names()).toEqual(await truth());
      },
      { timeout: 40_000, interval: 100 },
    );

  test('goes on where it was when the API server was away', async () => {
    await own.apply([role('stays'), role('goes')]);
    const reflected = reflect(apiOf(own.adminKubeconfig));
    await agrees(reflected);
    await own.apiServer.stop();
    await own.apiServer.start();
    await remove('goes');
    await own.apply([role('comes')]);
    await agrees(reflected);
    expect(reflected.names()).toEqual(expect.arrayContaining(['comes', 'stays']));
    expect(reflected.went()).toEqual(['goes']);
    expect(reflected.faults).not.toEqual([]);
  });

  test('reads everything anew when the API server comes back with an older history', async () => {
    await own.apply([role('was-before')]);
    const data = join(own.dir, 'etcd');
    const backup = join(own.dir, 'backup');
    const restart = async (change: () => Promise<void>) => {
      await own.apiServer.stop();
      await own.etcd.stop();
      await change();
      await own.etcd.start();
      await own.apiServer.start();
    };
    await restart(() => cp(data, backup, { recursive: true }));
    const reflected = reflect(apiOf(own.adminKubeconfig));
    await remove('was-before');
    await own.apply(Array.from({ length: 150 }, (_, index) => role(`later-${index}`)));
    await agrees(reflected);
    await restart(async () => {
      await rm(data, { recursive: true });
      await cp(backup, data, { recursive: true });
    });
    await agrees(reflected);
    expect(reflected.names()).toContain('was-before');
    expect(reflected.went()).toContain('later-0');
    expect(reflected.faults.join()).toContain('an older version than it had');
  });

  test('misses nothing, and takes nothing for gone that is there, behind two API servers that are apart', async () => {
    const lag = { milliseconds: 0 };
    const socket = join(own.dir, 'late.sock');
    const late = await listen((client) => relay(client, connect(join(own.dir, 'etcd.sock')), lag), socket);
    onTestFinished(() => void late.close());
    const behind = await own.anotherApiServer(socket);
    const urls = [own.url, behind];
    let connections = 0;
    const open = new Set<Socket>();
    const balancer = await listen((client) => {
      const { port, hostname } = new URL(urls[connections++ % urls.length] ?? '');
      open.add(client.once('close', () => open.delete(client)));
      relay(client, connect(Number(port), hostname), { milliseconds: 0 });
    }, 0);
    onTestFinished(() => void balancer.close());
    const { port } = balancer.address() as { port: number };
    const reflected = reflect(await apiAt(`https://127.0.0.1:${port}`), { pause: [50, 500] });
    await agrees(reflected);
    lag.milliseconds = LAG;
    const asked = performance.now();
    await (await apiAt(behind)).list('Role', null);
    expect(performance.now() - asked).toBeGreaterThan(LAG);
    const removed = new Set<string>();
    const writer = apiOf(own.adminKubeconfig);
    for (let round = 0; round < 60; round++) {
      await writer.apply(role(`round-${round}`));
      if (round % 3 === 2) {
        const name = `round-${round - 2}`;
        removed.add(name);
        await writer.remove('Role', 'default', name);
      }
      if (round % 5 === 4) for (const connection of open) connection.destroy();
      await sleep(150);
      expect(reflected.went().filter((name) => !removed.has(name))).toEqual([]);
    }
    await agrees(reflected);
    expect(reflected.went().filter((name) => !removed.has(name))).toEqual([]);
    expect(connections).toBeGreaterThan(10);
    for (const connection of open) connection.destroy();
  });

  test('hears bookmarks where nothing happens, within the time that it is held to', async () => {
    const left = 75_000 - (performance.now() - quietSince);
    await vi.waitFor(() => expect(bookmarkedAt).toBeGreaterThan(quietSince), { timeout: left, interval: 200 });
    expect(quiet.items.size).toBe(0);
  }, 80_000);
});

async function* tapped<T>(events: AsyncGenerator<T, void>, tap: (event: T) => void): AsyncGenerator<T, void> {
  for await (const event of events) {
    tap(event);
    yield event;
  }
}

async function listen(serve: (client: Socket) => void, at: string | number): Promise<Server> {
  const server = createServer(serve);
  await new Promise<void>((listening) =>
    typeof at === 'string' ? server.listen(at, listening) : server.listen(at, '127.0.0.1', listening),
  );
  return server;
}

/** What the upstream says arrives so much later. */
function relay(client: Socket, upstream: Socket, lag: { readonly milliseconds: number }): void {
  client.on('error', () => upstream.destroy()).on('close', () => upstream.destroy());
  upstream.on('error', () => client.destroy()).on('close', () => client.destroy());
  client.pipe(upstream);
  upstream.on('data', (data) => {
    if (lag.milliseconds === 0) client.write(data);
    else setTimeout(() => client.write(data), lag.milliseconds);
  });
}
