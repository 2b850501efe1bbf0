import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Condition, Severity } from '../../app/ports/conditions.ts';
import { Unavailable } from '../../domain/errors.ts';

/** Null: ready. Otherwise what is not, in words that operators may read. One that throws is not ready either. */
export type ReadinessCheck = () => string | null | Promise<string | null>;

export interface OpsServer {
  readonly port: number;
  close(): Promise<void>;
}

const CHECK_MS = 2000;

/**
 * Serves `/healthz` (the process answers), `/readyz` (200, or 503 and what is not ready; and what is degraded) and `/metrics`, for the platform; no secrets,
 * no names of people.
 *
 * @param options.port 0 takes a free one
 */
export async function startOps(options: {
  readonly port: number;
  readonly host?: string;
  readonly checks: Readonly<Record<string, ReadinessCheck>>;
  readonly conditions: () => readonly Condition[];
  /** @param failing the names of the checks that fail now */
  readonly metrics: (failing: readonly string[]) => Promise<{ readonly contentType: string; readonly body: string }>;
}): Promise<OpsServer> {
  const pages: Record<string, (response: ServerResponse) => Promise<void>> = {
    '/healthz': async (response) => answer(response, 200, 'text/plain', 'ok\n'),
    '/readyz': async (response) => {
      const of = (severity: Severity) =>
        Object.fromEntries(
          options
            .conditions()
            .filter((condition) => condition.severity === severity)
            .map(({ name, cluster, lacks, todo, since }) => [
              cluster === undefined ? name : `${name} of ${cluster}`,
              `${lacks}. ${todo} (since ${new Date(since).toISOString()})`,
            ]),
        );
      const failing = { ...of('not ready'), ...(await failingChecks(options.checks)) };
      const body = { ready: Object.keys(failing).length === 0, failing, degraded: of('degraded') };
      answer(response, body.ready ? 200 : 503, 'application/json', `${JSON.stringify(body)}\n`);
    },
    '/metrics': async (response) => {
      const { contentType, body } = await options.metrics(Object.keys(await failingChecks(options.checks)));
      answer(response, 200, contentType, body);
    },
  };
  const server = createServer((request, response) => {
    const path = (request.url ?? '').split('?')[0] ?? '';
    const page = Object.hasOwn(pages, path) ? pages[path] : undefined;
    if (page === undefined) return answer(response, 404, 'text/plain', 'not here: /healthz, /readyz, /metrics\n');
    if (request.method !== 'GET' && request.method !== 'HEAD') return answer(response, 405, 'text/plain', 'GET only\n');
    page(response).catch(() => answer(response, 500, 'text/plain', 'failed\n'));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function answer(response: ServerResponse, status: number, type: string, body: string): void {
  if (response.headersSent) return;
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' }).end(body);
}

/** The checks that fail now, with the reason; each has two seconds. */
async function failingChecks(checks: Readonly<Record<string, ReadinessCheck>>): Promise<Record<string, string>> {
  const results = await Promise.all(
    Object.entries(checks).map(async ([name, check]) => [name, await resultOf(check)] as const),
  );
  return Object.fromEntries(results.filter((entry): entry is readonly [string, string] => entry[1] !== null));
}

async function resultOf(check: ReadinessCheck): Promise<string | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve(`no answer in ${CHECK_MS / 1000} s`), CHECK_MS);
  });
  try {
    return await Promise.race([Promise.resolve().then(check), late]);
  } catch (error) {
    return error instanceof Unavailable ? error.message : 'failed';
  } finally {
    clearTimeout(timer);
  }
}
