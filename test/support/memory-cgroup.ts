import { existsSync } from 'node:fs';
import { mkdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';

/** A memory cgroup of its own, for processes that move into it before they begin. */
export interface MemoryCgroup {
  /** Whoever writes its process id into this file is in it. */
  readonly procs: string;
  /** How often the limit was met. */
  failures(): Promise<number>;
  /** Once all its processes are gone. */
  remove(): Promise<void>;
}

const V1 = '/sys/fs/cgroup/memory';
const V2 = '/sys/fs/cgroup';

/**
 * Makes a cgroup that may have so many bytes of memory, as a container with that limit.
 * Sources: https://docs.kernel.org/admin-guide/cgroup-v1/memory.html, https://docs.kernel.org/admin-guide/cgroup-v2.html
 * @throws Error where this process may not make one (it must be root)
 */
export async function makeMemoryCgroup(bytes: number): Promise<MemoryCgroup> {
  const name = `drawbridge-${process.pid}-${Date.now()}`;
  const isV1 = existsSync(join(V1, 'memory.limit_in_bytes'));
  const dir = join(isV1 ? V1 : V2, name);
  await mkdir(dir);
  await writeFile(join(dir, isV1 ? 'memory.limit_in_bytes' : 'memory.max'), String(bytes));
  return {
    procs: join(dir, 'cgroup.procs'),
    async failures() {
      if (isV1) return Number(await readFile(join(dir, 'memory.failcnt'), 'utf8'));
      return Number(/^max (\d+)$/m.exec(await readFile(join(dir, 'memory.events'), 'utf8'))?.[1]);
    },
    remove: () => rmdir(dir),
  };
}

/** The memory limit of the chart: bytes. */
export async function chartLimit(): Promise<number> {
  const file = new URL('../../helm/drawbridge/values.yaml', import.meta.url);
  const { resources } = parse(await readFile(file, 'utf8')) as { resources: { limits: { memory: string } } };
  const mebibytes = /^(\d+)Mi$/.exec(resources.limits.memory)?.[1];
  if (mebibytes === undefined) throw new Error(`the chart's limit is ${resources.limits.memory}`);
  return Number(mebibytes) * 2 ** 20;
}
