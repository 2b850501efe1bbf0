import { randomBytes } from 'node:crypto';
import { describe, inject, test } from 'vitest';
import { type Cluster, openCluster } from '../../src/sandbox/cluster/cluster.ts';
import type { ProvidedCluster } from './cluster-setup.ts';

/** The cluster of the test run, shared by all suites: keep to namespaces of your own. */
export type TestCluster = Cluster & {
  /** Makes a namespace `<prefix>-<random>` in which pods can be created, and returns its name. */
  readonly freshNamespace: (prefix: string, labels?: Record<string, string>) => Promise<string>;
  /** The minor version of its Kubernetes: 37 of v1.37.2. */
  readonly minorVersion: () => Promise<number>;
};

/**
 * A suite that needs the run's cluster (test/support/cluster-setup.ts must be the project's global setup). Without one it is
 * a failed test in CI, and a skipped one, said aloud, elsewhere.
 */
export function describeWithCluster(name: string, suite: (cluster: TestCluster) => void): void {
  const provided: ProvidedCluster = inject('cluster');
  if ('dir' in provided) {
    describe(name, () => suite(openTestCluster(provided.dir)));
  } else if (process.env['CI']) {
    test(name, () => {
      throw new Error(provided.missing);
    });
  } else {
    console.warn(`SKIPPED ${name}: ${provided.missing}`);
    test.skip(`${name}: no cluster`);
  }
}

function openTestCluster(dir: string): TestCluster {
  const cluster = openCluster(dir);
  return {
    ...cluster,
    async freshNamespace(prefix, labels = {}) {
      const name = `${prefix}-${randomBytes(4).toString('hex')}`;
      await cluster.apply([{ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } }]);
      // Pods are refused until a controller has made this account.
      const account = ['wait', '--for=create', 'serviceaccount/default', `--namespace=${name}`, '--timeout=20s'];
      const { code, stderr } = await cluster.kubectl(account);
      if (code !== 0) throw new Error(`namespace ${name} is not ready: ${stderr.trim()}`);
      return name;
    },
    async minorVersion() {
      const { stdout } = await cluster.kubectl(['get', '--raw', '/version']);
      const { gitVersion } = JSON.parse(stdout) as { gitVersion: string };
      return Number(/^v1\.(\d+)\./.exec(gitVersion)?.[1]);
    },
  };
}
