import type { TestProject } from 'vitest/node';
import { ClusterUnavailableError, CONTROL_PLANE, ensureBinaries } from '../../src/sandbox/cluster/binaries.ts';
import { startControlPlane } from '../../src/sandbox/cluster/control-plane.ts';

/** What the setup tells the suites: the folder of the run's cluster (for `openCluster`), or why there is none. */
export type ProvidedCluster = { dir: string } | { missing: string };

declare module 'vitest' {
  interface ProvidedContext {
    cluster: ProvidedCluster;
  }
}

type Running = { provided: ProvidedCluster; stop: () => Promise<void> };
type Shared = { users: number; running: Promise<Running> };

// Vitest calls the setup once for each project that names it, each time with modules of its own; they share one cluster.
const registry = globalThis as typeof globalThis & { drawbridgeTestCluster?: Shared };

const log = (line: string) => process.stderr.write(`${line}\n`);

async function start(): Promise<Running> {
  try {
    const binaries = await ensureBinaries(CONTROL_PLANE, log);
    const { dir, stop } = await startControlPlane({ binaries, log });
    return { provided: { dir }, stop };
  } catch (error) {
    if (!(error instanceof ClusterUnavailableError)) throw error;
    log(error.message);
    return { provided: { missing: error.message }, stop: async () => {} };
  }
}

/** Vitest's global setup: one control plane for the whole run, provided as `cluster`. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const shared = (registry.drawbridgeTestCluster ??= { users: 0, running: start() });
  shared.users += 1;
  const { provided, stop } = await shared.running;
  project.provide('cluster', provided);
  return async () => {
    shared.users -= 1;
    if (shared.users > 0) return;
    delete registry.drawbridgeTestCluster;
    await stop();
  };
}
