import type { LogEntry } from '../../src/sandbox/slack/index.ts';

/** What Drawbridge said, read at Slack's side of the wire. */

const TITLES = {
  'Access requested': 'pending',
  Approved: 'approved',
  'Being set up': 'applying',
  Active: 'active',
  Ending: 'ending',
  Denied: 'denied',
  Cancelled: 'cancelled',
  'Timed out': 'timed-out',
  Expired: 'expired',
  Revoked: 'revoked',
  Failed: 'failed',
} as const;
export type Standing = (typeof TITLES)[keyof typeof TITLES];
/** Ends after access, which may be said only once it is gone; and ends without any. */
export const GONE: readonly Standing[] = ['expired', 'revoked', 'failed'];
export const NEVER: readonly Standing[] = ['denied', 'cancelled', 'timed-out'];
export const isEnd = (standing: Standing) => GONE.includes(standing) || NEVER.includes(standing);

/** The bot said where a grant stands. */
export interface Said {
  readonly at: number;
  readonly id: string;
  readonly standing: Standing;
  readonly text: string;
  /** In the message of the request, or elsewhere: a direct message, an answer. */
  readonly inMessage: boolean;
}

export interface SlackView {
  /** Reads what is new. */
  read(): void;
  readonly said: readonly Said[];
  /** Messages of requests by the grant's id, in the order in which they were posted. */
  readonly messages: ReadonlyMap<string, readonly string[]>;
  /** Ids of the grants that were asked for with this reason, in the order in which they were seen. */
  idsOf(reason: string): readonly string[];
  reasonOf(id: string): string | undefined;
  /** What the message of a request says now. */
  standing(id: string): Said | undefined;
  /** Each time that the message of a waiting request said that it is asked again, by the grant's id: when, and all that it said. */
  readonly askedAgain: ReadonlyMap<string, readonly { readonly at: number; readonly blocks: string }[]>;
  /** Calls of the app that met a planned fault. */
  readonly faults: number;
}

const ID = /g-[a-z2-9]{6}/;
/** Words by which the message or a direct message begins, and those of an answer that shows one grant: `g-7k3fq2: expired, debug on ...`. */
const TITLED = new RegExp(`^(${Object.keys(TITLES).join('|')}): .*?(${ID.source})`);
const SHOWN = new RegExp(`^(${ID.source}): (${Object.values(TITLES).join('|')})(,|$)`);

/** @param log the traffic between Slack and the app, which grows */
export function viewSlack(log: readonly LogEntry[], channel: string): SlackView {
  const said: Said[] = [];
  const messages = new Map<string, string[]>();
  const ids = new Map<string, string[]>();
  const reasons = new Map<string, string>();
  const standings = new Map<string, Said>();
  const askedAgain = new Map<string, { at: number; blocks: string }[]>();
  let next = 0;
  let faults = 0;

  function take({ at, what, detail, answer }: LogEntry): void {
    const text = typeof detail['text'] === 'string' ? detail['text'] : '';
    const titled = TITLED.exec(text);
    const shown = SHOWN.exec(text);
    const id = titled?.[2] ?? shown?.[1];
    if (id === undefined) return;
    const standing = titled ? TITLES[titled[1] as keyof typeof TITLES] : (shown?.[2] as Standing);
    const inMessage =
      titled !== null && detail['channel'] === channel && detail['thread_ts'] === undefined && what.startsWith('chat.');
    // Why it ended, as it was told: for people who look at a failure.
    const blocks = JSON.stringify(detail['blocks'] ?? '');
    const why = /Drawbridge: “(.*?)”/.exec(blocks)?.[1] ?? '';
    const one: Said = { at, id, standing, text: why === '' ? text : `${text} (${why})`, inMessage };
    said.push(one);
    if (!inMessage) return;
    standings.set(id, one);
    if (standing === 'pending' && blocks.includes('asked again'))
      askedAgain.set(id, [...(askedAgain.get(id) ?? []), { at, blocks }]);
    const { ok, ts } = (answer ?? {}) as { ok?: boolean; ts?: string };
    if (what === 'chat.postMessage' && ok === true && ts !== undefined)
      messages.set(id, [...(messages.get(id) ?? []), ts]);
    const reason = /s-?\d+b\d+h\d+t\d+/.exec(blocks)?.[0];
    if (reason === undefined || reasons.has(id)) return;
    reasons.set(id, reason);
    ids.set(reason, [...(ids.get(reason) ?? []), id]);
  }

  return {
    said,
    messages,
    askedAgain,
    idsOf: (reason) => ids.get(reason) ?? [],
    reasonOf: (id) => reasons.get(id),
    standing: (id) => standings.get(id),
    get faults() {
      return faults;
    },
    read() {
      for (let entry = log[next]; entry !== undefined; entry = log[next]) {
        if (entry.from === 'app') {
          // Its answer is on its way.
          if (entry.answer === undefined && entry.fault === undefined && Date.now() - entry.at < 3000) return;
          if (entry.fault !== undefined) faults += 1;
          take(entry);
        }
        next += 1;
      }
    },
  };
}
