import { setTimeout as sleep } from 'node:timers/promises';
import { openApi } from '../../src/sandbox/cluster/api.ts';
import type { ControlPlane } from '../../src/sandbox/cluster/control-plane.ts';
import type { Fault } from './installation.ts';

/** A write that takes the API server longer is a fault of the machine: the steps of a grant are writes like it, one after the other. */
const SLOW_MS = 1000;
const EVERY_MS = 250;
/** No write is waited for longer than this. */
const MOST_MS = 10_000;

export interface Pulse {
  /** The longest that a write took: milliseconds. */
  readonly longest: number;
  stop(): Promise<void>;
}

/**
 * Writes to the API server again and again, past the faults that are made, and notes as a fault of its own when that is slow: on a machine with
 * too much to do the bounds begin where the API server answers again.
 * @param note takes each time in which it was slow, as soon as it is known to be
 */
export async function startPulse(
  cluster: ControlPlane,
  namespace: string,
  note: (fault: Fault) => void,
): Promise<Pulse> {
  const api = await openApi(cluster.adminKubeconfig);
  const path = `/api/v1/namespaces/${namespace}/configmaps`;
  await api.call('POST', path, { metadata: { name: 'pulse' } });
  let longest = 0;
  const stop = new AbortController();

  async function beat(count: number): Promise<void> {
    const fault: Fault = { from: Date.now(), to: Date.now() + MOST_MS, what: 'a slow API server', cluster: true };
    const slow = setTimeout(() => note(fault), SLOW_MS);
    await api
      .call('PATCH', `${path}/pulse`, { data: { count: `${count}` } }, 'application/merge-patch+json')
      .catch(() => {});
    clearTimeout(slow);
    fault.to = Date.now();
    longest = Math.max(longest, fault.to - fault.from);
  }
  const beating = (async () => {
    for (let count = 0; !stop.signal.aborted; count += 1) {
      await beat(count);
      await sleep(EVERY_MS, undefined, { signal: stop.signal }).catch(() => {});
    }
  })();
  return {
    get longest() {
      return longest;
    },
    async stop() {
      stop.abort();
      await beating;
      api.close();
    },
  };
}
