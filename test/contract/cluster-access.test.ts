import { inItsOwnCluster } from '../../src/adapters/kubernetes/own-cluster.ts';
import { memoryCluster } from '../support/app-world.ts';
import { describeClusterAccess, type Side } from '../support/cluster-contract.ts';

/** The cluster of the unit tests holds what a real one does: the same on real ones in test/integration/cluster-access.test.ts and test/e2e/clusters.test.ts. */

function memorySide(uid: string): Side {
  const { access, target } = memoryCluster(Date.now);
  target.clusterUid = uid;
  return { access: inItsOwnCluster(access, async () => target.clusterUid), uid, namespace: 'staging' };
}

describeClusterAccess('one cluster in memory', async () => [memorySide('uid-a')]);

const two = [memorySide('uid-a'), memorySide('uid-b')];
describeClusterAccess('two clusters in memory', async () => two);
