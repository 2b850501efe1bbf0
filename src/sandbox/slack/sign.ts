import { createHmac } from 'node:crypto';

/**
 * The signature of a request from Slack: `v0=` and the HMAC-SHA-256 of `v0:timestamp:body`.
 * https://docs.slack.dev/authentication/verifying-requests-from-slack
 */
export function signature(secret: string, timestamp: number, body: string): string {
  return `v0=${createHmac('sha256', secret).update(`v0:${timestamp}:${body}`).digest('hex')}`;
}

export interface SignOptions {
  secret: string;
  /** Seconds since the epoch; default now. */
  timestamp?: number;
  /** Sent in place of the right one; null: none is sent. */
  signature?: string | null;
  /** Default: `application/x-www-form-urlencoded`, as for commands and interactions. */
  contentType?: string;
}

/** The headers with which Slack sends this body to a request URL. */
export function signedHeaders(body: string, options: SignOptions): Record<string, string> {
  const timestamp = options.timestamp ?? Math.floor(Date.now() / 1000);
  const sent = options.signature === undefined ? signature(options.secret, timestamp, body) : options.signature;
  return {
    'content-type': options.contentType ?? 'application/x-www-form-urlencoded',
    'x-slack-request-timestamp': String(timestamp),
    ...(sent === null ? {} : { 'x-slack-signature': sent }),
  };
}

/**
 * Posts a body to a request URL as Slack does, or as a forger would: another secret, an old timestamp, a wrong or
 * missing signature.
 */
export async function signedRequest(
  url: string,
  body: string,
  options: SignOptions,
): Promise<{ status: number; body: string }> {
  const response = await fetch(url, { method: 'POST', headers: signedHeaders(body, options), body });
  return { status: response.status, body: await response.text() };
}
