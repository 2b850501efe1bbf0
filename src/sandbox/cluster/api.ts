import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { readKubeconfig } from './kubeconfig.ts';

/** What the API server said; `body` is parsed when it is JSON. */
type Answer = { status: number; body: unknown };

/** The few raw calls that the harness itself needs; the product's own client is another matter. */
export type Api = {
  /** One call. Any status is an answer; only a broken connection throws. */
  call(method: string, path: string, body?: unknown, contentType?: string): Promise<Answer>;
  /** The objects of a stream of JSON lines (a watch), until it ends, breaks or is aborted. */
  lines(path: string, signal: AbortSignal): AsyncGenerator;
  /** Closes the kept connections. */
  close(): void;
};

/** Opens the API server that a kubeconfig of this harness names, as the one it names. */
export async function openApi(kubeconfig: string): Promise<Api> {
  const { server, credentials } = await readKubeconfig(kubeconfig);
  const agent = new Agent({
    keepAlive: true,
    ca: server.ca,
    ...('token' in credentials ? {} : { cert: credentials.certificate, key: credentials.key }),
  });
  const authorization = 'token' in credentials ? { authorization: `Bearer ${credentials.token}` } : {};

  function send(method: string, path: string, signal: AbortSignal, body?: string, contentType?: string) {
    return new Promise<IncomingMessage>((resolve, reject) => {
      const headers = {
        accept: 'application/json',
        ...authorization,
        ...(contentType && { 'content-type': contentType }),
        // Node leaves it out where a body is unusual (DELETE), and the server takes the body for the next request.
        ...(body !== undefined && { 'content-length': Buffer.byteLength(body) }),
      };
      request(new URL(path, server.url), { method, signal, agent, headers }, resolve).once('error', reject).end(body);
    });
  }

  return {
    async call(method, path, body, contentType = 'application/json') {
      const text = body === undefined ? undefined : JSON.stringify(body);
      const response = await send(method, path, AbortSignal.timeout(10_000), text, text && contentType);
      const chunks: Buffer[] = [];
      for await (const chunk of response) chunks.push(chunk);
      const answer = Buffer.concat(chunks).toString();
      const isJson = response.headers['content-type']?.includes('json') ?? false;
      return { status: response.statusCode ?? 0, body: isJson ? JSON.parse(answer) : answer };
    },
    async *lines(path, signal) {
      const response = await send('GET', path, signal);
      let rest = '';
      for await (const chunk of response.setEncoding('utf8')) {
        const lines = `${rest}${chunk}`.split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) yield JSON.parse(line);
      }
    },
    close: () => agent.destroy(),
  };
}
