/**
 * A "no" that the person who asked may read: what was refused, by which rule, and what to do instead.
 * Every other error is a fault: its text goes to the log only (see adapters/slack/surfaces/text/say.ts).
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
export type Dependency =
  | 'Kubernetes'
  | 'Redis'
  | 'Slack'
  | 'Clock'
  | 'The source of who is on call'
  | 'The ticket system';

/** A "no" only for now, as something is not known that may be in a moment: whoever can wait asks again. */
export class NotNow extends Refusal {
  /** What does not tell it. */
  readonly dependency: Dependency;
  /** Seconds after which it can be asked again; null: it said nothing. */
  readonly retryIn: number | null;

  constructor(dependency: Dependency, retryIn: number | null, ...said: ConstructorParameters<typeof Refusal>) {
    super(...said);
    this.dependency = dependency;
    this.retryIn = retryIn;
  }
}

/** A "no" only because it can't be read now who is in a list of the policy: never the policy's own no. */
export class UnreadableMembers extends NotNow {
  /** Of members: the id of the user group or channel. Of oncall: the name of the source in the policy. */
  readonly list: string;
  readonly kind: 'members' | 'oncall';

  /**
   * @param retryIn seconds; null: it can't be read before somebody has changed something
   * @param unknown what is not known while the list can't be read, one sentence
   */
  constructor(
    rule: string,
    list: string,
    retryIn: number | null,
    unknown: string,
    kind: 'members' | 'oncall' = 'members',
  ) {
    super(
      kind === 'members' ? 'Slack' : 'The source of who is on call',
      retryIn,
      rule,
      `Who is ${kind === 'members' ? 'in' : 'on call for'} ${list} can't be read now. ${unknown}`,
      retryIn === null ? 'Tell an administrator of Drawbridge.' : `Try again in ${Math.ceil(retryIn)} s.`,
    );
    this.list = list;
    this.kind = kind;
  }

  /** The same, for somebody else to read. */
  saying(unknown: string): UnreadableMembers {
    return new UnreadableMembers(this.rule, this.list, this.retryIn, unknown, this.kind);
  }
}

/** A "no" only because the ticket system can't be asked now. */
export class UnreadableTicket extends NotNow {
  constructor(rule: string, key: string, retryIn: number | null) {
    super(
      'The ticket system',
      retryIn,
      rule,
      `The ticket system can't be asked for ${key} now.`,
      retryIn === null ? 'Tell an administrator of Drawbridge.' : `Try again in ${Math.ceil(retryIn)} s.`,
    );
  }
}

/** A dependency did not do its part (Redis, the API server, Slack, the clock). `dependency` may be shown, the cause goes to the log. */
export class Unavailable extends Error {
  readonly dependency: Dependency;
  /** True when it is certain that nothing was changed. */
  readonly untouched: boolean;
  /** Seconds after which it said that it can be asked again; null: it said nothing. */
  readonly retryIn: number | null;
  /** What it said itself, where that says who is to be asked; may be shown as text. */
  readonly words: string | null;

  constructor(
    dependency: Dependency,
    message: string,
    options?: ErrorOptions & {
      readonly untouched?: boolean;
      readonly retryIn?: number | null;
      readonly words?: string | null;
    },
  ) {
    super(message, options);
    this.name = 'Unavailable';
    this.dependency = dependency;
    this.untouched = options?.untouched ?? false;
    this.retryIn = options?.retryIn ?? null;
    this.words = options?.words ?? null;
  }
}

/** The same fault, from which it is known whether anything was changed; any other error as it is. */
export function touching(error: unknown, touched: boolean): unknown {
  if (!(error instanceof Unavailable) || error.untouched !== touched) return error;
  return new Unavailable(error.dependency, error.message, {
    cause: error,
    untouched: !touched,
    retryIn: error.retryIn,
    words: error.words,
  });
}

/** A message that will never be taken as it is: somebody must change something first. */
export class Undeliverable extends Error {
  /** Where it was to be posted. */
  readonly channel: string;
  /** The word by which it was refused. */
  readonly word: string;

  constructor(channel: string, word: string, options?: ErrorOptions) {
    super(`a message can't be posted in ${channel}: ${word}`, options);
    this.name = 'Undeliverable';
    this.channel = channel;
    this.word = word;
  }
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
