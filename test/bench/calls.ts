import { readFile } from 'node:fs/promises';

/** A call of the API server, as its own audit log has it. Times in milliseconds since the epoch, with fractions. */
export interface Call {
  readonly id: string;
  readonly at: number;
  readonly done: number;
  readonly verb: string;
  readonly uri: string;
  readonly status: number;
  readonly body: unknown;
}

interface AuditEvent {
  readonly auditID: string;
  readonly verb: string;
  readonly requestURI: string;
  readonly user: { readonly username: string };
  readonly responseStatus?: { readonly code?: number };
  readonly requestObject?: unknown;
  readonly requestReceivedTimestamp: string;
  readonly stageTimestamp: string;
}

/** Milliseconds with fractions: `Date.parse` drops the microseconds. */
function instant(timestamp: string): number {
  const fraction = /\.(\d+)Z$/.exec(timestamp)?.[1] ?? '';
  return Date.parse(timestamp.replace(/\.\d+Z$/, 'Z')) + Number(`0.${fraction || 0}`) * 1000;
}

/** What this user called between two instants, in order; a watch counts once, when it began. */
export async function callsOf(auditLog: string, user: string, from: number, to: number): Promise<Call[]> {
  const calls = new Map<string, Call>();
  for (const line of (await readFile(auditLog, 'utf8')).split('\n')) {
    if (!line.includes(user)) continue;
    const event = JSON.parse(line) as AuditEvent;
    const at = instant(event.requestReceivedTimestamp);
    if (event.user.username !== user || at < from || at > to) continue;
    calls.set(event.auditID, {
      id: event.auditID,
      at,
      done: instant(event.stageTimestamp),
      verb: event.verb,
      uri: event.requestURI,
      status: event.responseStatus?.code ?? 0,
      body: event.requestObject,
    });
  }
  return [...calls.values()].toSorted((a, b) => a.at - b.at);
}

const METHODS: Readonly<Record<string, string>> = {
  create: 'POST',
  patch: 'PATCH',
  update: 'PUT',
  delete: 'DELETE',
};

/** How the call is made again. */
export function requestOf({ verb, uri }: Call): { readonly method: string; readonly contentType: string } {
  const method = METHODS[verb] ?? 'GET';
  const patch = uri.includes('force=true') ? 'application/apply-patch+yaml' : 'application/merge-patch+json';
  return { method, contentType: method === 'PATCH' ? patch : 'application/json' };
}

/** The kinds of calls that were made most, `get jobs 12`. */
export function kindsOf(calls: readonly Call[], most: number): string {
  const kinds = [...Map.groupBy(calls, kindOf)].toSorted((a, b) => b[1].length - a[1].length);
  return kinds
    .slice(0, most)
    .map(([kind, of]) => `${kind} ${of.length}`)
    .join(', ');
}

function kindOf({ verb, uri }: Call): string {
  const parts = (uri.split('?')[0] ?? '').split('/');
  const root = parts[1] === 'api' ? 3 : 4;
  return `${verb} ${parts[root] === 'namespaces' ? (parts[root + 2] ?? 'namespaces') : (parts[root] ?? uri)}`;
}
