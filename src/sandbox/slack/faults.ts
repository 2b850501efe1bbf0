/** What can go wrong between the bot and Slack, on purpose. */
export type Fault =
  /** HTTP 429 with Retry-After, in whole seconds. */
  | { kind: 'ratelimited'; retryAfter: number }
  /** An answer of a proxy in between, e.g. 500 or 503, with a body that is not JSON. */
  | { kind: 'status'; status: number }
  /** `{ok: false, error}` with HTTP 200: missing_scope, unknown_method, invalid_auth, internal_error ... */
  | { kind: 'error'; error: string }
  /** No answer until the caller gives up. */
  | { kind: 'hang' }
  /** The connection is cut before anything was done. */
  | { kind: 'reset' }
  /** The call is carried out, the connection cut before the answer: the caller can't know. */
  | { kind: 'lost-answer' };

export interface Faults {
  /**
   * Makes the next `times` calls (default 1) go wrong: of every method, or of `method` only. `response_url` is the
   * method for what is posted to a response_url.
   */
  next(fault: Fault, options?: { method?: string; times?: number }): void;
  /** Nothing of Slack can be reached: API, response_url and Socket Mode connections are cut and refused. */
  away(): void;
  back(): void;
  /** Slack says some seconds ahead that it will refresh the Socket Mode connections. */
  warnSockets(): void;
  /** Slack's hourly "disconnect": the bot is told to come back on a new Socket Mode connection. */
  refreshSockets(): void;
  /** Somebody switches Socket Mode off in the settings of the app, or on again. */
  socketMode(on: boolean): void;
  /** The Socket Mode connections are cut without a word. */
  dropSockets(): void;
  /** From now on Slack tells nothing of changes of people, groups and channels; or tells of them again. */
  loseEvents(isLost: boolean): void;
  /** Forgets all faults but that of events, and cuts the calls that hang. */
  clear(): void;
}

interface Planned {
  fault: Fault;
  method: string | undefined;
  left: number;
}

export interface FaultPlan {
  /** The fault of this call, if any; counts it. */
  take(method: string): Fault | undefined;
  readonly isAway: boolean;
  plan: Omit<Faults, 'warnSockets' | 'refreshSockets' | 'dropSockets' | 'socketMode' | 'loseEvents'>;
}

/** `onClear` cuts what hangs, `onAway` what is connected. */
export function createFaults(onClear: () => void, onAway: () => void): FaultPlan {
  let planned: Planned[] = [];
  let away = false;
  return {
    get isAway() {
      return away;
    },
    take(method) {
      const hit = planned.find((one) => one.method === undefined || one.method === method);
      if (!hit) return undefined;
      hit.left -= 1;
      if (hit.left <= 0) planned = planned.filter((one) => one !== hit);
      return hit.fault;
    },
    plan: {
      next(fault, { method, times = 1 } = {}) {
        planned.push({ fault, method, left: times });
      },
      away() {
        away = true;
        onAway();
      },
      back() {
        away = false;
      },
      clear() {
        planned = [];
        away = false;
        onClear();
      },
    },
  };
}
