import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, afterEach, expect } from 'vitest';
import { freePort } from '../../src/sandbox/ports.ts';
import { ensureRedis } from '../../src/sandbox/redis.ts';
import { type Supervised, supervised } from '../../src/sandbox/supervise.ts';

export interface RedisProcess {
  readonly port: number;
  readonly server: Supervised;
}

/** Redis processes of whatever kind; all of them end with each test, or with the suite. */
export function redisProcesses(until: 'test' | 'suite' = 'test') {
  const cleanups: (() => unknown)[] = [];
  (until === 'test' ? afterEach : afterAll)(async () => {
    for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
  });

  /** @param config lines of its configuration file; a port, an address and a folder of its own it has */
  async function start(args: string[] = [], config = ''): Promise<RedisProcess> {
    const dir = await mkdtemp(join(tmpdir(), 'drawbridge-topology-'));
    const port = await freePort();
    const file = join(dir, 'server.conf');
    await writeFile(file, `port ${port}\nbind 127.0.0.1\ndir ${dir}\nlogfile ""\n${config}`);
    const server = supervised(await ensureRedis({ log: () => {} }), [file, ...args], { cwd: dir, removeOnOrphan: dir });
    cleanups.push(async () => {
      await server.stop();
      await rm(dir, { recursive: true, force: true });
    });
    return { port, server };
  }

  /** A connection to one of them, once it answers. */
  async function client(port: number): Promise<Redis> {
    const redis = new Redis(port, '127.0.0.1', { retryStrategy: () => 20, enableReadyCheck: false });
    redis.on('error', () => {});
    cleanups.push(() => redis.disconnect());
    await expect.poll(() => redis.ping(), { timeout: 10_000 }).toBe('PONG');
    return redis;
  }

  return {
    cleanups,
    start,
    client,
    /** A master with a replica that has all of it, and a Sentinel that promotes the replica when the master is silent for a second. */
    async sentinel() {
      const master = await start([], 'appendonly yes\nrepl-diskless-sync-delay 0\n');
      const replica = await start([], `appendonly yes\nreplicaof 127.0.0.1 ${master.port}\n`);
      const watch = `sentinel monitor mymaster 127.0.0.1 ${master.port} 1`;
      const quick = 'sentinel down-after-milliseconds mymaster 1000\nsentinel failover-timeout mymaster 5000';
      const guard = await start(['--sentinel'], `${watch}\n${quick}\n`);
      const [data, admin] = [await client(replica.port), await client(guard.port)];
      await expect.poll(() => data.info('replication'), { timeout: 15_000 }).toContain('master_link_status:up');
      await expect
        .poll(() => admin.call('SENTINEL', 'replicas', 'mymaster'), { timeout: 15_000 })
        .toSatisfy((found: unknown) => Array.isArray(found) && found.length === 1);
      return { master, replica, admin, url: `redis+sentinel://127.0.0.1:${guard.port}/mymaster` };
    },
    /** Three masters that share the slots. @param more lines of their configuration */
    async cluster(more = '') {
      const config = `cluster-enabled yes\ncluster-announce-ip 127.0.0.1\ncluster-node-timeout 2000\n${more}`;
      const nodes = [await start([], config), await start([], config), await start([], config)];
      const clients = await Promise.all(nodes.map(({ port }) => client(port)));
      const third = Math.ceil(16_384 / 3);
      for (const [i, node] of clients.entries())
        await node.cluster('ADDSLOTSRANGE', i * third, Math.min(16_384, (i + 1) * third) - 1);
      for (const { port } of nodes) await clients[0]?.cluster('MEET', '127.0.0.1', port);
      for (const node of clients)
        await expect
          .poll(() => node.cluster('INFO'), { timeout: 20_000 })
          .toMatch(/cluster_state:ok[\s\S]*cluster_size:3/);
      return { nodes, clients, url: `redis+cluster://127.0.0.1:${nodes[0]?.port}` };
    },
  };
}
