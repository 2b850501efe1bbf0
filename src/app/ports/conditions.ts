import type { Instant } from '../../domain/clocks.ts';
import type { ClusterName } from '../../domain/target.ts';

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
  /** The cluster in which it is missing, where that has a name; left out: it is no matter of one such cluster. */
  readonly cluster?: string | undefined;
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
  /** Why nothing can be granted in this cluster now or, for `asking`, nobody be asked for it; null: it can. */
  hindrance(to: 'asking' | 'giving', cluster?: ClusterName): Condition | null;
  /** Looks at what is due for it; `all`: at everything, now. Never throws. */
  tend(all?: boolean): Promise<void>;
}

/** The need that messages to the approvers can be posted. */
export const APPROVALS_CHANNEL = 'slack channel';
/** The same of the channels that profiles have of their own. */
export const OWN_CHANNELS = 'slack channels of profiles';
