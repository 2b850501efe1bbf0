/** How often the app may call, as https://docs.slack.dev/apis/web-api/rate-limits and the page of each method say. */
const TIERS: Readonly<Record<string, number>> = {
  // Tier 2: 20 and more a minute.
  'usergroups.list': 20,
  'usergroups.users.list': 20,
  'users.list': 20,
  'conversations.list': 20,
  // Tier 3: 50 and more.
  'apps.connections.open': 50,
  'chat.delete': 50,
  'chat.update': 50,
  'conversations.history': 50,
  'conversations.info': 50,
  'conversations.open': 50,
  'conversations.replies': 50,
  'team.info': 50,
  'users.conversations': 50,
  'users.lookupByEmail': 50,
};

/** Tier 4, for all others here: users.info, conversations.members, chat.postEphemeral, views.*. */
const OTHERS = 100;
/** Messages in one channel: one a second, "short bursts" more; how many more Slack does not say. */
const POSTS = 60;
const BURST = 5;
/** Messages in all channels together, a minute: "several hundred". */
const ALL_POSTS = 300;

export interface Limits {
  /** Counts a call; the seconds to wait, for Retry-After, when it is one too many, else null. */
  take(method: string, channel: string): number | null;
}

/** @param minuteMs how long a minute lasts: a test may shorten it */
export function createLimits(minuteMs: number, now: () => number = () => performance.now()): Limits {
  const calls = new Map<string, number[]>();

  /** At most `most` within `span`. */
  const within = (key: string, most: number, span: number): number | null => {
    const at = now();
    const recent = (calls.get(key) ?? []).filter((one) => one > at - span);
    calls.set(key, recent);
    const [oldest = at] = recent;
    if (recent.length >= most) return Math.max(1, Math.ceil((oldest + span - at) / 1000));
    recent.push(at);
    return null;
  };

  return {
    take(method, channel) {
      // Not limited in a way that the app could meet: https://docs.slack.dev/reference/methods/auth.test ("hundreds a minute").
      if (method === 'auth.test' || method === 'response_url') return null;
      if (method === 'chat.postMessage')
        return within(`${method} ${channel}`, BURST, (minuteMs * BURST) / POSTS) ?? within(method, ALL_POSTS, minuteMs);
      return within(method, TIERS[method] ?? OTHERS, minuteMs);
    },
  };
}
