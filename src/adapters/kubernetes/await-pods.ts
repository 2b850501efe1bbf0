import type { Api } from './api.ts';
import type { ProbedPod } from './probe.ts';
import type { MadePod } from './workspace-pod.ts';

export type WorkspacePod = ProbedPod & MadePod;

/** Milliseconds after which the pods are looked at although no change was told: a watch may break, or be kept back by a proxy. */
const UNTOLD = 500;

/**
 * Looks at the pods of a workspace until what they are answers `judge`: at once, and whenever the API server tells that one of them has changed.
 *
 * @param limit milliseconds
 * @param judge null: not yet
 * @returns null: not within `limit`
 */
export async function awaitPods<T>(
  options: {
    readonly api: Pick<Api, 'list' | 'watch'>;
    readonly sleep: (milliseconds: number) => Promise<void>;
    readonly namespace: string;
    readonly selector: string;
    readonly limit: number;
  },
  judge: (pods: readonly WorkspacePod[]) => Promise<T | null>,
): Promise<T | null> {
  const { api, sleep, namespace, selector, limit } = options;
  const end = performance.now() + limit;
  const stopping = new AbortController();
  /** Resolves with the first change since the last look began. */
  let change = Promise.withResolvers<void>();
  async function follow(since: string): Promise<void> {
    const { signal } = stopping;
    const seconds = Math.ceil(limit / 1000);
    for await (const { type } of await api.watch('Pod', { namespace, selector, since, seconds, signal }))
      if (type !== 'BOOKMARK') change.resolve();
  }
  let following: Promise<void> | null = null;
  try {
    for (;;) {
      change = Promise.withResolvers();
      let version = '';
      const versioned = (of: string) => (version = of);
      const answer = await judge(await api.list<WorkspacePod>('Pod', namespace, { selector, versioned }));
      if (answer !== null || performance.now() >= end) return answer;
      following ??= follow(version).catch(() => {});
      await Promise.race([change.promise, sleep(UNTOLD)]);
    }
  } finally {
    stopping.abort();
  }
}
