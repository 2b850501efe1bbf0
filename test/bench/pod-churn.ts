import { setTimeout as sleep } from 'node:timers/promises';
import type { Api } from '../../src/sandbox/cluster/api.ts';

/** Pods that change in turn. */
const PODS = 100;
/** How many changes may be under way. */
const MOST_AT_ONCE = 50;

/** Pods of others that get other labels all the time. */
export interface PodChurn {
  /** Answers how many events a second there were. */
  stop(): Promise<number>;
}

/** Makes pods in these namespaces, and relabels one after the other: so many events a second. */
export async function churnPods(api: Api, namespaces: readonly string[], perSecond: number): Promise<PodChurn> {
  const paths: string[] = [];
  for (let index = 0; index < PODS; index++) {
    const list = `/api/v1/namespaces/${namespaces[index % namespaces.length]}/pods`;
    const { status, body } = await api.call('POST', list, {
      metadata: { name: `churn-${index}`, labels: { app: 'churn' } },
      spec: { containers: [{ name: 'app', image: 'registry.k8s.io/pause:3.10' }] },
    });
    if (status !== 201) throw new Error(`POST ${list}: ${status} ${JSON.stringify(body)}`);
    paths.push(`${list}/churn-${index}`);
  }
  const began = performance.now();
  let events = 0;
  const stopping = new AbortController();
  const underWay = new Set<Promise<void>>();
  async function relabel(turn: number): Promise<void> {
    const change = { metadata: { labels: { turn: `t${turn}` } } };
    const { status } = await api.call('PATCH', paths[turn % PODS] ?? '', change, 'application/merge-patch+json');
    if (status === 200) events++;
  }
  const work = (async () => {
    for (let turn = 0; !stopping.signal.aborted; turn++) {
      if (underWay.size >= MOST_AT_ONCE) await Promise.race(underWay);
      const change = relabel(turn).finally(() => underWay.delete(change));
      underWay.add(change);
      await sleep(Math.max(0, began + ((turn + 1) * 1000) / perSecond - performance.now()));
    }
    await Promise.all(underWay);
  })();
  // Told where it is stopped.
  work.catch(() => {});
  return {
    async stop() {
      stopping.abort();
      await work;
      return (events * 1000) / (performance.now() - began);
    },
  };
}
