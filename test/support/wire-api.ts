import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { KubeConfig } from '@kubernetes/client-node';
import { onTestFinished } from 'vitest';
import { createApi } from '../../src/adapters/kubernetes/api.ts';
import type { KubeObject } from '../../src/adapters/kubernetes/object.ts';

/** An API over plain HTTP to a server that answers as told. */
export async function apiOn(answer: (request: IncomingMessage, response: ServerResponse) => void) {
  const server = createServer(answer);
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const config = new KubeConfig();
  config.loadFromOptions({
    clusters: [
      { name: 'c', server: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, skipTLSVerify: true },
    ],
    users: [{ name: 'u' }],
    contexts: [{ name: 'x', cluster: 'c', user: 'u' }],
    currentContext: 'x',
  });
  return createApi(config);
}

/**
 * One kind of objects as an API server keeps it, over HTTP: its versions, its watches, and what goes wrong with them. Of other kinds it has none.
 */
export async function wireApi(plural = 'roles') {
  let version = 100;
  let objects = new Map<string, KubeObject>();
  let past: { version: number; type: string; object: KubeObject }[] = [];
  /** What came before this is forgotten. */
  let compacted = 0;
  const watches = new Map<ServerResponse, { readonly since: number; readonly url: URL }>();
  const knobs = {
    streams: true,
    /** New connections are refused with this status; 0: they are cut. */
    refuses: null as number | null,
    /** Pages have so many objects. */
    page: 2,
    /** The beginning of an answer comes at once, and not with the first event. */
    flushes: true,
    /** Lists that are streamed come to their end. */
    ends: true,
  };
  /** `list`, `page`, `stream`, `watch VERSION` or `check`, one for each call. */
  const asked: string[] = [];

  const line = (type: string, object: unknown) => `${JSON.stringify({ type, object })}\n`;
  const bookmark = (at: number, annotations = {}) =>
    line('BOOKMARK', { metadata: { resourceVersion: String(at), annotations } });
  const status = (response: ServerResponse, code: number, message: string) =>
    response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify({ kind: 'Status', message }));

  const isIts = ({ pathname }: URL) => pathname.endsWith(`/${plural}`);
  /** Of all names, or of the one that is asked for. */
  const isOf = ({ searchParams }: URL, { metadata }: KubeObject) =>
    [null, `metadata.name=${metadata.name}`].includes(searchParams.get('fieldSelector'));

  function watch(url: URL, response: ServerResponse): void {
    const since = url.searchParams.get('resourceVersion');
    if (since === null) {
      asked.push('stream');
      if (!knobs.streams)
        return void status(
          response,
          422,
          'sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled',
        );
      response.writeHead(200, { 'content-type': 'application/json' });
      for (const object of isIts(url) ? objects.values() : [])
        if (isOf(url, object)) response.write(line('ADDED', object));
      if (knobs.ends) response.write(bookmark(version, { 'k8s.io/initial-events-end': 'true' }));
    } else {
      asked.push(`watch ${since}`);
      response.writeHead(200, { 'content-type': 'application/json' });
      if (knobs.flushes) response.flushHeaders();
      if (Number(since) < compacted) {
        response.end(line('ERROR', { code: 410, message: 'too old resource version' }));
        return;
      }
      for (const event of past.filter((one) => isIts(url) && isOf(url, one.object) && one.version > Number(since)))
        response.write(line(event.type, event.object));
    }
    if (!isIts(url)) return;
    // What is not newer than the version that was asked for is not told.
    watches.set(response, { since: Number(since ?? version), url });
    response.once('close', () => watches.delete(response));
  }

  function list(url: URL, response: ServerResponse): void {
    const limit = url.searchParams.get('limit');
    const from = Number(url.searchParams.get('continue') ?? 0);
    asked.push(limit === '1' ? 'check' : 'page');
    const size = Math.min(knobs.page, Number(limit));
    const items = [...objects.values()].filter((object) => isOf(url, object)).slice(from, from + size);
    const next = from + size < objects.size ? { continue: String(from + size) } : {};
    response
      .writeHead(200, { 'content-type': 'application/json' })
      .end(JSON.stringify({ items, metadata: { resourceVersion: String(version), ...next } }));
  }

  const api = await apiOn((request, response) => {
    const url = new URL(request.url ?? '', 'http://api');
    if (knobs.refuses === 0) request.socket.destroy();
    else if (knobs.refuses !== null) status(response, knobs.refuses, 'not now');
    else if (url.searchParams.get('watch') === 'true') watch(url, response);
    else list(url, response);
  });

  function endAll(): void {
    for (const response of watches.keys()) response.end();
    watches.clear();
  }

  function happen(type: string, object: KubeObject): void {
    past.push({ version, type, object });
    for (const [response, { since, url }] of watches)
      if (version > since && isOf(url, object)) response.write(line(type, object));
  }

  return {
    api,
    asked,
    knobs,
    get version() {
      return version;
    },
    watches: () => watches.size,
    /** Makes or changes an object; `as` is what else it has, and may seal it. */
    put(name: string, labels: Record<string, string> = {}, as = (object: KubeObject) => object): void {
      version += 1;
      const type = objects.has(name) ? 'MODIFIED' : 'ADDED';
      const uid = objects.get(name)?.metadata.uid ?? `uid-${name}-${version}`;
      const metadata = { name, namespace: 'staging', uid, resourceVersion: String(version), labels };
      const object = as({ apiVersion: 'v1', kind: 'Role', metadata });
      objects.set(name, object);
      happen(type, object);
    },
    remove(name: string): void {
      const object = objects.get(name);
      if (object === undefined) throw new Error(`there is no ${name}`);
      version += 1;
      objects.delete(name);
      happen('DELETED', { ...object, metadata: { ...object.metadata, resourceVersion: String(version) } });
    },
    bookmark(): void {
      for (const [response, { since }] of watches) if (version >= since) response.write(bookmark(version));
    },
    /** Ends all watches as an API server does that stops. */
    end: endAll,
    /** Cuts all watches in the middle of what they are told. */
    cut(): void {
      for (const response of watches.keys())
        response.write('{"type":"ADDED","object":{"metadata":{"na', () => response.destroy());
      watches.clear();
    },
    write(text: string): void {
      for (const response of watches.keys()) response.write(text);
    },
    /** Nothing that happened so far can be watched any more. */
    compact(): void {
      compacted = version;
    },
    /** Everything is as in a backup: these objects, and a version of that time. All watches end. */
    restore(at: number, names: readonly string[]): void {
      version = at;
      past = [];
      objects = new Map([...objects].filter(([name]) => names.includes(name)));
      endAll();
    },
  };
}
