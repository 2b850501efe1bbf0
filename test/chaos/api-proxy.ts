import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Agent, createServer, request as secureRequest } from 'node:https';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { openAuthority } from '../../src/sandbox/cluster/pki.ts';

/** What goes wrong between a bot and the API server, at the wire. */
export interface ApiProxy {
  /** `https://127.0.0.1:PORT`, with a certificate of the cluster's own authority. */
  readonly url: string;
  /** Connections are cut and refused. */
  away(on: boolean): void;
  /** Every call waits so many milliseconds before it is passed on; 0: none. */
  slow(ms: number): void;
  /** The next calls (or the next writes) are not passed on but answered so. */
  answer(status: number, calls: number, writesOnly: boolean): void;
  /** The next writes are carried out, and their answers cut. */
  loseAnswers(calls: number): void;
  /** The next writes are passed on only after so many milliseconds, whether anybody still waits for them or not. */
  hold(calls: number, ms: number): void;
  /** The API server's clock is so many milliseconds ahead, as the Date of its answers says. */
  clockAhead(ms: number): void;
  clear(): void;
  /** Calls that met a fault so far. */
  readonly faults: number;
  stop(): Promise<void>;
}

const isWrite = (method = '') => !['GET', 'HEAD'].includes(method);

/** @param pki the folder of the cluster's authority */
export async function startApiProxy(target: string, pki: string): Promise<ApiProxy> {
  const authority = openAuthority(pki);
  const { certificate, key } = await authority.issue({ name: 'chaos-proxy', serves: { dns: [], ips: ['127.0.0.1'] } });
  const agent = new Agent({ keepAlive: true, ca: authority.certificate });
  let isAway = false;
  let delay = 0;
  let answers = { status: 0, left: 0, writesOnly: false };
  let losing = 0;
  let holding = { left: 0, ms: 0 };
  let ahead = 0;
  let faults = 0;

  async function pass(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const { method = 'GET', url = '/', headers } = incoming;
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const write = isWrite(method) && !url.includes('accessreviews');
    if (isAway) {
      faults += 1;
      incoming.socket.destroy();
      return;
    }
    if (delay > 0) {
      faults += 1;
      await sleep(delay);
    }
    if (answers.left > 0 && (write || !answers.writesOnly)) {
      answers.left -= 1;
      faults += 1;
      const { status } = answers;
      const body = { kind: 'Status', apiVersion: 'v1', status: 'Failure', code: status, message: 'planned fault' };
      outgoing.writeHead(status, { 'content-type': 'application/json', 'retry-after': '1' }).end(JSON.stringify(body));
      return;
    }
    const lost = write && losing > 0;
    if (lost) losing -= 1;
    if (write && holding.left > 0) {
      holding.left -= 1;
      faults += 1;
      await sleep(holding.ms);
    }
    const passed = secureRequest(new URL(url, target), { method, headers, agent });
    passed.end(Buffer.concat(chunks));
    const [response] = (await once(passed, 'response')) as [IncomingMessage];
    if (lost) {
      faults += 1;
      response.resume();
      await once(response, 'end');
      incoming.socket.destroy();
      return;
    }
    const said = new Date(Date.parse(response.headers.date ?? '') + ahead);
    const shifted = ahead === 0 ? response.headers : { ...response.headers, date: said.toUTCString() };
    outgoing.writeHead(response.statusCode ?? 502, shifted).flushHeaders();
    response.pipe(outgoing);
    // A watch that nobody listens to any more.
    outgoing.once('close', () => response.destroy());
    response.once('error', () => outgoing.destroy());
  }

  const server = createServer({ cert: certificate, key }, (incoming, outgoing) => {
    pass(incoming, outgoing).catch(() => incoming.socket.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    away(on) {
      isAway = on;
      if (on) server.closeAllConnections();
    },
    slow(ms) {
      delay = ms;
    },
    answer(status, calls, writesOnly) {
      answers = { status, left: calls, writesOnly };
    },
    loseAnswers(calls) {
      losing = calls;
    },
    hold(calls, ms) {
      holding = { left: calls, ms };
    },
    clockAhead(ms) {
      ahead = ms;
    },
    clear() {
      isAway = false;
      ahead = 0;
      delay = 0;
      answers = { status: 0, left: 0, writesOnly: false };
      losing = 0;
      holding = { left: 0, ms: 0 };
    },
    get faults() {
      return faults;
    },
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
      agent.destroy();
    },
  };
}
