/**
 * A "no" that the person who asked may read: what was refused, by which rule, and what to do instead.
 * Every other error is a fault: its text goes to the log only (see adapters/slack/say.ts).
 */
export class Refusal extends Error {
  readonly rule: string;
  readonly remedy: string;

  /**
   * @param rule   the rule that refused, as a path into the policy (`profiles.debug.duration.maximum`) or a short name
   * @param reason what was refused and why, one sentence
   * @param remedy what the person can do instead, one sentence; empty when there is nothing
   */
  constructor(rule: string, reason: string, remedy = '') {
    super(reason);
    this.name = 'Refusal';
    this.rule = rule;
    this.remedy = remedy;
  }
}

/** What Drawbridge can't do without. */
export type Dependency = 'Kubernetes' | 'Redis' | 'Slack' | 'Clock';

/** A dependency did not do its part (Redis, the API server, Slack, the clock). `dependency` may be shown, the cause goes to the log. */
export class Unavailable extends Error {
  readonly dependency: Dependency;
  /** True when it is certain that nothing was changed. */
  readonly untouched: boolean;

  constructor(dependency: Dependency, message: string, options?: ErrorOptions & { readonly untouched?: boolean }) {
    super(message, options);
    this.name = 'Unavailable';
    this.dependency = dependency;
    this.untouched = options?.untouched ?? false;
  }
}

/** The same fault, from which it is known whether anything was changed; any other error as it is. */
export function touching(error: unknown, touched: boolean): unknown {
  if (!(error instanceof Unavailable) || error.untouched !== touched) return error;
  return new Unavailable(error.dependency, error.message, { cause: error, untouched: !touched });
}

/** The cluster answered, and the answer is no. `words` are its own: they name objects, quotas and admission webhooks, and may be shown as text. */
export class Declined extends Error {
  readonly words: string;

  constructor(message: string, words: string) {
    super(message);
    this.name = 'Declined';
    this.words = words;
  }
}
