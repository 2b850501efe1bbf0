import { createHmac } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

/** Milliseconds between two looks for new entries. */
const LOOK_EVERY = 1000;
/** The pause after a failure: it doubles from the first to the longest. */
const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 60_000;
/** How long the receiver may take to answer: milliseconds. */
const PATIENCE = 10_000;

/** Hands the next lines on; answers whether there may be more. */
export type NextLines = (send: (lines: readonly string[]) => Promise<void>) => Promise<boolean>;

/** Delivers lines, or throws DeliveryFailed; gives up when it is told to stop. */
type Post = (lines: readonly string[], stopped: AbortSignal) => Promise<void>;

/** Why a delivery failed: our own words, which never hold the URL. */
export class DeliveryFailed extends Error {
  override name = 'DeliveryFailed';
}

/**
 * The headers by which a receiver knows that a body is ours and new: HMAC-SHA-256 with the shared secret, in hexadecimal, over
 * `v1:TIMESTAMP:BODY`, the timestamp in seconds since the epoch.
 */
export function signatureHeaders(secret: string, body: string, now: number): Record<string, string> {
  const timestamp = String(Math.floor(now / 1000));
  const mac = createHmac('sha256', secret).update(`v1:${timestamp}:${body}`).digest('hex');
  return { 'x-drawbridge-timestamp': timestamp, 'x-drawbridge-signature': `v1=${mac}` };
}

/** Posts lines to the URL as they are, one a row. @throws DeliveryFailed unless the answer is 2xx; redirects are not followed */
export function createPost(options: {
  readonly url: string;
  readonly secret: string | undefined;
  readonly now?: () => number;
  readonly patience?: number;
}): Post {
  const { url, secret, now = Date.now, patience = PATIENCE } = options;
  return async (lines, stopped) => {
    const body = lines.map((line) => `${line}\n`).join('');
    let response: Response;
    try {
      response = await fetch(url, {
        method: 'POST',
        body,
        headers: {
          'content-type': 'application/x-ndjson',
          ...(secret === undefined ? {} : signatureHeaders(secret, body, now())),
        },
        redirect: 'manual',
        signal: AbortSignal.any([AbortSignal.timeout(patience), stopped]),
      });
    } catch (error) {
      throw new DeliveryFailed(reasonOf(error, patience));
    }
    await response.body?.cancel().catch(() => {});
    if (!response.ok) throw new DeliveryFailed(`the receiver answered ${response.status}`);
  };
}

/** Codes of Node only: the text of an error could hold the URL. */
function reasonOf(error: unknown, patience: number): string {
  if (error instanceof Error && error.name === 'TimeoutError') return `no answer in ${patience / 1000} s`;
  const { code } = ((error as { cause?: unknown }).cause ?? {}) as { code?: unknown };
  return `no connection${typeof code === 'string' && /^[A-Z_]+$/.test(code) ? ` (${code})` : ''}`;
}

/** Delivers the audit to the webhook, in order and at least once, until it is stopped. What fails is tried again for as long as it takes. */
export function startAuditWebhook(options: {
  readonly next: NextLines;
  readonly post: Post;
  readonly log: { info(fields: object, text: string): void; warn(fields: object, text: string): void };
  readonly pauses?: { readonly look: number; readonly first: number; readonly longest: number };
}): { stop(): Promise<void> } {
  const { next, log } = options;
  const { look, first, longest } = options.pauses ?? { look: LOOK_EVERY, first: FIRST_PAUSE, longest: LONGEST_PAUSE };
  const stopped = new AbortController();
  let failures = 0;

  const turn = async (): Promise<number> => {
    try {
      const more = await next(async (lines) => {
        await options.post(lines, stopped.signal);
        if (failures > 0) log.info({ failures }, 'the audit webhook takes entries again');
        failures = 0;
      });
      return more ? 0 : look;
    } catch (error) {
      // Redis that is away is told by its connection, and another replica that delivers is no fault.
      if (!(error instanceof DeliveryFailed)) return look;
      failures += 1;
      if (Number.isInteger(Math.log2(failures)))
        log.warn({ reason: error.message, failures }, 'the audit webhook failed, and is tried again');
      return Math.min(longest, first * 2 ** Math.min(failures - 1, 20));
    }
  };
  const running = (async () => {
    while (!stopped.signal.aborted) await sleep(await turn(), undefined, { signal: stopped.signal }).catch(() => {});
  })();
  return {
    async stop() {
      stopped.abort();
      await running;
    },
  };
}
