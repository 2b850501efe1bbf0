import type { Instant } from '../../domain/clocks.ts';
import type { Condition, Conditions, Kind, Lack, Need } from '../ports/conditions.ts';

const AGAIN = 10_000;

const keyOf = ({ name, cluster = '' }: Kind): string => `${name} ${cluster}`;

/**
 * What Drawbridge lacks of what it needs. Needs are looked at from time to time; what they lack is told when it is found, and when it is there
 * again.
 *
 * @param elapsed milliseconds of a clock that only goes forward: one that is set back must delay no look
 * @param tell `began`: it is missing, or what is missing is another now than `before`; `ended`: it is there again
 * @param unknown a need could not be looked at
 */
export function createConditions(options: {
  readonly now: () => Instant;
  readonly elapsed?: () => number;
  readonly tell: { began(condition: Condition, before: Condition | null): void; ended(condition: Condition): void };
  readonly unknown: (name: string, error: unknown) => void;
}): Conditions {
  const { now, tell, elapsed = () => performance.now() } = options;
  const needs: { readonly need: Need; due: number; looking: Promise<void> | null; known: boolean }[] = [];
  const conditions = new Map<string, Condition>();

  function report(kind: Kind, lack: Lack | null): void {
    const key = keyOf(kind);
    const before = conditions.get(key);
    if (lack === null) {
      if (before === undefined) return;
      conditions.delete(key);
      tell.ended(before);
      return;
    }
    const { name, severity, refuses, cluster } = kind;
    const condition = { name, severity, refuses, cluster, ...lack, since: before?.since ?? now() };
    conditions.set(key, condition);
    if (before?.lacks !== lack.lacks || before.detail !== lack.detail) tell.began(condition, before ?? null);
  }

  async function lookAt(entry: (typeof needs)[number]): Promise<void> {
    const { need } = entry;
    let lack: Lack | null = null;
    let known = true;
    try {
      lack = await need.look();
    } catch (error) {
      known = false;
      options.unknown(need.name, error);
    }
    entry.due = elapsed() + (known && lack === null ? need.every : (need.again ?? AGAIN));
    if (!known) return;
    entry.known = true;
    report(need, lack);
  }

  return {
    add: (need) => void needs.push({ need, due: Number.NEGATIVE_INFINITY, looking: null, known: false }),
    report,
    doubt(name) {
      for (const entry of needs)
        if (entry.need.name === name && !conditions.has(keyOf(entry.need))) entry.due = Number.NEGATIVE_INFINITY;
    },
    list: () => [...conditions.values()],
    hindrance(to, cluster = null) {
      const untried = needs.flatMap(({ need, known }) =>
        known || need.untilKnown === undefined ? [] : [{ ...need, ...need.untilKnown, since: now() }],
      );
      const hinders = ({ refuses, cluster: where }: Kind) =>
        (where === undefined || where === cluster) &&
        (refuses === 'giving' || (refuses === 'asking' && to === 'asking'));
      return [...conditions.values(), ...untried].find(hinders) ?? null;
    },
    async tend(all = false) {
      const at = elapsed();
      await Promise.all(
        needs.map(async (entry) => {
          // Whoever asks for all must not be answered by a look that began before.
          if (all) await entry.looking;
          if (!all && entry.due > at) return;
          entry.looking ??= lookAt(entry).finally(() => {
            entry.looking = null;
          });
          await entry.looking;
        }),
      );
    },
  };
}
