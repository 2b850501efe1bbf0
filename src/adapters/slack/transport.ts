import { type Dispatcher, EnvHttpProxyAgent, fetch as fetchBy } from 'undici';

/** How Slack is reached: through the proxy of `HTTPS_PROXY` (or `HTTP_PROXY`, but for `NO_PROXY`), where there is one. */
export interface Transport {
  readonly dispatcher: Dispatcher;
  readonly fetch: typeof fetch;
}

/** Reads the variables of the environment once. https://undici.nodejs.org/#/docs/api/EnvHttpProxyAgent */
export function createTransport(): Transport {
  // A WebSocket wants a connection of its own, which HTTP/2 has not.
  const dispatcher = new EnvHttpProxyAgent({ allowH2: false, proxyTunnel: true });
  const through = (input: string, init?: object) => fetchBy(input, { ...init, dispatcher });
  return { dispatcher, fetch: through as unknown as typeof fetch };
}
