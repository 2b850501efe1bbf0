import { clustersPort as real } from '../../src/composition/clusters.ts';

export * from '../../src/composition/clusters.ts';

/** Planted: what ends is looked for in the other cluster. */
export const clustersPort: typeof real = (...args) => {
  const port = real(...args);
  return {
    ...port,
    of(place) {
      const other = port.names.find((name) => !port.isIn(name, place));
      return 'state' in place && place.state === 'ending' && other !== undefined
        ? port.of({ cluster: other })
        : port.of(place);
    },
  };
};
