import type { Instant } from '../domain/clocks.ts';

/** Something that Drawbridge needs and does not have, in words for those who run it: no secrets, and but for `detail` no names of people. */
export interface Lack {
  /** What is missing or wrong, a clause without a stop: `the bot is not in the channel C0ACCESS`. */
  readonly lacks: string;
  /** What to do about it, a sentence. */
  readonly todo: string;
  /** More about it, for the log and for administrators alone: it may name people. */
  readonly detail?: string;
}

/** `not ready`: it takes no commands, or can't end grants. `degraded`: it can, but something can't be given, or nobody is told. */
export type Severity = 'not ready' | 'degraded';

export interface Kind {
  /** A few plain words, the same for ever: it is a label of a metric. */
  readonly name: string;
  readonly severity: Severity;
  /** What is refused with its words while it is missing: only what people must be asked for, or everything that gives access. */
  readonly refuses?: 'asking' | 'giving' | undefined;
}

/** One thing that is needed, and how to find out whether it is there. */
export interface Need extends Kind {
  /** Milliseconds between two looks while nothing is missing. */
  readonly every: number;
  /** Milliseconds between two looks while something is, or while it is not known; default: ten seconds. */
  readonly again?: number;
  /** What is taken to be missing until the first look that finds out: it refuses, and is not told. Default: nothing. */
  readonly untilKnown?: Lack;
  /** What is missing; null: nothing. Throws when that can't be found out now: what was found the last time counts then. */
  look(): Promise<Lack | null>;
}

/** A lack that was found, and is not made good yet. */
export interface Condition extends Kind, Lack {
  readonly since: Instant;
}

export interface Conditions {
  /** From now on it is looked at, the first time at the next {@link Conditions.tend}. */
  add(need: Need): void;
  /** For what is found out on the way: this is missing now, or (null) is there again. */
  report(kind: Kind, lack: Lack | null): void;
  /** The need of this name may be missing: where it is not known to be, it is looked at with the next {@link Conditions.tend}. */
  doubt(name: string): void;
  /** What is missing now, the oldest first. */
  list(): readonly Condition[];
  /** Why nothing can be granted now or, for `asking`, nobody be asked for it; null: it can. */
  hindrance(to: 'asking' | 'giving'): Condition | null;
  /** Looks at what is due for it; `all`: at everything, now. Never throws. */
  tend(all?: boolean): Promise<void>;
}

/** The need that messages to the approvers can be posted. */
export const APPROVALS_CHANNEL = 'slack channel';

const AGAIN = 10_000;

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
    const { name } = kind;
    const before = conditions.get(name);
    if (lack === null) {
      if (before === undefined) return;
      conditions.delete(name);
      tell.ended(before);
      return;
    }
    const { severity, refuses } = kind;
    const condition = { name, severity, refuses, ...lack, since: before?.since ?? now() };
    conditions.set(name, condition);
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
      if (conditions.has(name)) return;
      for (const entry of needs) if (entry.need.name === name) entry.due = Number.NEGATIVE_INFINITY;
    },
    list: () => [...conditions.values()],
    hindrance(to) {
      const untried = needs.flatMap(({ need, known }) =>
        known || need.untilKnown === undefined ? [] : [{ ...need, ...need.untilKnown, since: now() }],
      );
      const hinders = ({ refuses }: Kind) => refuses === 'giving' || (refuses === 'asking' && to === 'asking');
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
