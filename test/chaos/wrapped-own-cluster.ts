import type { inItsOwnCluster as real } from '../../src/adapters/kubernetes/own-cluster.ts';

export * from '../../src/adapters/kubernetes/own-cluster.ts';

/** Planted: nobody looks which cluster it is. */
export const inItsOwnCluster: typeof real = (acts) => acts;
