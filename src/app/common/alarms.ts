import type { GrantId } from '../../domain/ids.ts';
import type { AlarmSubject, Alarms } from '../ports/alarms.ts';
import type { Audit } from '../ports/audit.ts';
import type { Clock } from '../ports/clock.ts';
import type { Scheduler } from '../ports/scheduler.ts';

/** Seconds in which the same is told once. */
const ONCE_IN = 3600;
/** How many are kept while the queue takes none: each says something else, and more would be a flood that nobody reads. */
const MOST_KEPT = 1000;

interface Wanted {
  readonly id: GrantId | null;
  readonly text: string;
  readonly about: AlarmSubject;
}

/** Tells administrators; see the port. What is kept is lost with the process: what is still so then is raised again. */
export function createAlarms(options: {
  readonly scheduler: Pick<Scheduler, 'scheduleOnce' | 'forget'>;
  readonly audit: Audit;
  readonly clock: Pick<Clock, 'now'>;
}): Alarms {
  const { scheduler, audit, clock } = options;
  /** What the queue has not taken: by key what is to be told, or null where it may be told again. */
  const kept = new Map<string, Wanted | null>();

  async function put(key: string): Promise<void> {
    const wanted = kept.get(key);
    if (wanted === undefined) return;
    if (wanted === null) await scheduler.forget(key);
    else {
      const { id, text, about } = wanted;
      if (await scheduler.scheduleOnce({ v: 1, kind: 'alarm', id, text }, key, ONCE_IN))
        await audit.record({ at: clock.now(), event: 'alarm', id, actor: null, rule: about, note: text });
    }
    if (kept.get(key) === wanted) kept.delete(key);
  }

  async function want(key: string, what: Wanted | null): Promise<void> {
    if (kept.size < MOST_KEPT || kept.has(key)) kept.set(key, what);
    await put(key).catch(() => {});
  }

  return {
    raise: (key, id, text, about = 'other') => want(key, { id, text, about }),
    over: (key) => want(key, null),
    async settle() {
      // One after the other: the first that fails says that the queue is still away.
      for (const key of kept.keys()) {
        try {
          await put(key);
        } catch {
          return;
        }
      }
    },
  };
}
