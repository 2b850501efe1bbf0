import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What a server of somebody else's does with a request. */
export type Reply = (request: IncomingMessage, response: ServerResponse, body: string) => void;

/** A server that answers as it is told, and notes what it was asked. */
export async function sourceServer() {
  const got: { method: string; url: string; headers: IncomingMessage['headers']; body: string }[] = [];
  let reply: Reply = (_request, response) => response.writeHead(500).end();
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      got.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers, body });
      reply(request, response, body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    got,
    replies(next: Reply) {
      reply = next;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export const json =
  (value: unknown, status = 200, headers: Record<string, string> = {}): Reply =>
  (_request, response) =>
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value));

const text =
  (content: string): Reply =>
  (_request, response) =>
    response.writeHead(200).end(content);

/** Ten megabytes, of which nobody waits for the last. */
const flood: Reply = (_request, response) => {
  response.writeHead(200);
  response.on('error', () => {});
  const chunk = Buffer.alloc(64 * 1024, ' ');
  let left = 160;
  const more = () => {
    while (left-- > 0 && response.write(chunk));
    if (left > 0) response.once('drain', more);
    else response.end('{}');
  };
  more();
};

/**
 * What no source of any kind may answer: the name, the reply, and whether to ask again is of use.
 * @param elsewhere where a redirect leads
 */
export const badReplies = (elsewhere: string): [name: string, reply: Reply, passes: boolean][] => [
  ['hangs', () => {}, true],
  ['hangs in the middle', (_request, response) => void response.writeHead(200).write('{"users":'), true],
  ['closes the connection', (request) => request.socket.destroy(), true],
  ['redirects to another host', json({}, 302, { location: elsewhere }), false],
  ['redirects for good', json({}, 308, { location: elsewhere }), false],
  ['sends 10 MB', flood, false],
  ['sends nothing', text(''), false],
  ['sends a page', text('<html>Log in</html>'), false],
  ['sends a list', json([]), false],
  ['sends null', json(null), false],
  ['sends a number', json(1e300), false],
  ['sends what is nested 100,000 deep', text('['.repeat(100_000)), false],
  ['refuses the token', json({}, 401), false],
  ['forbids it', json({}, 403), false],
  ['is overloaded', json({}, 429, { 'retry-after': '7' }), true],
  ['is overloaded for years', json({}, 429, { 'retry-after': '999999' }), true],
  ['fails', json({}, 503), true],
  [
    'answers with a code of success that is none here',
    json({ users: ['ada@example.test'], allowed: true }, 204),
    false,
  ],
];
