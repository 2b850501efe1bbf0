import { open } from 'node:fs/promises';

/** The API server's own audit log: what was in the cluster, and when. It is the witness that everything here is judged by. */

const WRITES = ['create', 'update', 'patch', 'delete', 'deletecollection'];

/** Rules for `startControlPlane`: whole objects of what decides on access, the fact alone of the rest, nothing of reads. */
export const AUDIT_RULES = [
  {
    level: 'RequestResponse',
    verbs: WRITES,
    omitManagedFields: true,
    resources: [
      { group: 'rbac.authorization.k8s.io', resources: ['rolebindings', 'clusterrolebindings'] },
      { group: 'networking.k8s.io', resources: ['networkpolicies'] },
      { group: 'authorization.k8s.io', resources: ['subjectaccessreviews'] },
    ],
  },
  {
    level: 'Metadata',
    verbs: WRITES,
    resources: [
      { group: 'rbac.authorization.k8s.io', resources: ['roles', 'clusterroles'] },
      { group: '', resources: ['serviceaccounts'] },
      { group: 'batch', resources: ['jobs'] },
    ],
  },
  { level: 'None' },
];

/** One line of the audit log, as far as it is read here. https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/ */
interface AuditEvent {
  readonly stage: string;
  readonly verb: string;
  readonly user: { readonly username: string };
  readonly objectRef?: {
    readonly resource: string;
    readonly subresource?: string;
    readonly namespace?: string;
    readonly name?: string;
  };
  readonly responseStatus?: { readonly code?: number };
  readonly requestObject?: ReviewRequest;
  readonly responseObject?: AuditedObject;
  readonly requestReceivedTimestamp: string;
  readonly stageTimestamp: string;
}
interface ReviewRequest {
  readonly spec?: { readonly user?: string; readonly resourceAttributes?: { readonly namespace?: string } };
}
interface AuditedObject {
  readonly kind?: string;
  readonly metadata?: {
    readonly uid?: string;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly deletionTimestamp?: string;
    readonly finalizers?: readonly string[];
  };
  readonly subjects?: readonly { readonly kind?: string; readonly namespace?: string; readonly name: string }[];
  readonly roleRef?: { readonly kind: string; readonly name: string };
  readonly status?: { readonly allowed?: boolean; readonly reason?: string };
}

/** What became of one object, by one successful write. */
interface Change {
  /** Milliseconds since the epoch, with fractions: the request came, the answer was made. In between it took effect. */
  readonly asked: number;
  readonly done: number;
  readonly by: string;
  readonly verb: string;
  /** Absent when the object was gone by it. */
  readonly uid: string | null;
  readonly subjects: readonly string[];
  /** Of a binding, the key in `tracks` of its role, where that is the grant's own; null: it binds one that stays. */
  readonly role: string | null;
  /** Of a binding, the key in `tracks` of the account that is its subject; null: it binds a person. */
  readonly account: string | null;
  readonly expiresAt: number | null;
  /** What it says of its grant. */
  readonly requester: string;
  readonly profile: string;
}

/** Of one object, by its name: all that was done to it, in order. An object that was made anew goes on in the same list. */
export interface Track {
  readonly resource: string;
  readonly namespace: string;
  readonly name: string;
  /** The grant's id in its name. */
  readonly id: string;
  readonly changes: Change[];
  /** The lines of the log, shortened, for people. */
  readonly lines: string[];
}

/** The API server was asked whether this user may do something in this namespace. */
interface Review {
  readonly user: string;
  readonly namespace: string;
  readonly done: number;
  /** The binding that allows it, as its authorizer names it; empty: it is not allowed. */
  readonly allowedBy: string;
}

export interface AuditLog {
  /** Reads what is new. */
  read(): Promise<void>;
  readonly tracks: ReadonlyMap<string, Track>;
  readonly reviews: readonly Review[];
  close(): Promise<void>;
}

/** Milliseconds with fractions: `Date.parse` drops the microseconds. */
function instant(timestamp: string): number {
  const fraction = /\.(\d+)Z$/.exec(timestamp)?.[1] ?? '';
  return Date.parse(timestamp.replace(/\.\d+Z$/, 'Z')) + Number(`0.${fraction || 0}`) * 1000;
}

export const isBinding = (resource: string): boolean => resource.endsWith('rolebindings');

const roleKey = (role: AuditedObject['roleRef'], namespace: string): string | null =>
  role?.kind === 'Role'
    ? `roles ${namespace}/${role.name}`
    : role?.name.startsWith('drawbridge-g-') === true
      ? `clusterroles /${role.name}`
      : null;

function accountKey(subjects: AuditedObject['subjects'] = []): string | null {
  const account = subjects.find(({ kind }) => kind === 'ServiceAccount');
  return account === undefined ? null : `serviceaccounts ${account.namespace}/${account.name}`;
}

export async function openAuditLog(path: string): Promise<AuditLog> {
  const file = await open(path, 'r');
  const tracks = new Map<string, Track>();
  const reviews: Review[] = [];
  let rest = Buffer.alloc(0);

  function take(event: AuditEvent): void {
    const { objectRef, responseStatus, responseObject } = event;
    const code = responseStatus?.code ?? 0;
    if (event.stage !== 'ResponseComplete' || code < 200 || code >= 300 || objectRef === undefined) return;
    const done = instant(event.stageTimestamp);
    const { resource, subresource, namespace = '', name = '' } = objectRef;
    if (resource === 'subjectaccessreviews') {
      const { user = '', resourceAttributes } = event.requestObject?.spec ?? {};
      const { allowed = false, reason = '' } = responseObject?.status ?? {};
      reviews.push({ user, namespace: resourceAttributes?.namespace ?? '', done, allowedBy: allowed ? reason : '' });
      return;
    }
    const id = /^drawbridge-(g-[a-z2-9]{6})(-workspace|-token)?$/.exec(name)?.[1];
    if (id === undefined || subresource !== undefined) return;
    const key = `${resource} ${namespace}/${name}`;
    const track: Track = tracks.get(key) ?? { resource, namespace, name, id, changes: [], lines: [] };
    tracks.set(key, track);
    const gone =
      event.verb === 'delete'
        ? responseObject?.metadata?.finalizers === undefined
        : responseObject?.metadata?.deletionTimestamp !== undefined && responseObject.metadata.finalizers === undefined;
    const annotations = responseObject?.metadata?.annotations ?? {};
    const expires = annotations['drawbridge.internal/expires-at'];
    const subjects = (responseObject?.subjects ?? []).map((subject) => subject.name);
    track.changes.push({
      asked: instant(event.requestReceivedTimestamp),
      done,
      by: event.user.username,
      verb: event.verb,
      uid: gone ? null : (responseObject?.metadata?.uid ?? ''),
      subjects: gone ? [] : subjects,
      role: roleKey(responseObject?.roleRef, namespace),
      account: accountKey(responseObject?.subjects),
      expiresAt: expires === undefined ? null : Date.parse(expires),
      requester: annotations['drawbridge.internal/requester'] ?? '',
      profile: annotations['drawbridge.internal/profile'] ?? '',
    });
    track.lines.push(
      `${event.stageTimestamp} ${event.verb} ${key} ${code} by ${event.user.username.replace('system:serviceaccount:', '')}${gone ? ' -> gone' : ''}${isBinding(resource) && !gone ? ` -> subjects [${subjects.join()}] until ${expires ?? '?'}` : ''}`,
    );
  }

  /** Reads one after the other: each goes on where the last one ended. */
  let reading: Promise<void> = Promise.resolve();
  return {
    tracks,
    reviews,
    read() {
      reading = reading.then(readOn);
      return reading;
    },
    close: () => file.close(),
  };

  async function readOn(): Promise<void> {
    for (;;) {
      const chunk = Buffer.allocUnsafe(1 << 18);
      const { bytesRead } = await file.read(chunk, 0, chunk.length, null);
      if (bytesRead === 0) return;
      const text = Buffer.concat([rest, chunk.subarray(0, bytesRead)]);
      const end = text.lastIndexOf(10) + 1;
      rest = Buffer.from(text.subarray(end));
      for (const line of text.subarray(0, end).toString().split('\n')) {
        if (line !== '') take(JSON.parse(line) as AuditEvent);
      }
    }
  }
}

/** A time for which an object was there, or a RoleBinding had subjects. `to` is infinite while it still is. */
export interface Span {
  readonly track: Track;
  readonly uid: string;
  /** It took effect between these two. */
  readonly asked: number;
  readonly from: number;
  /** It ended between these two. */
  readonly endAsked: number;
  readonly to: number;
  readonly by: string;
  readonly endedBy: string;
  readonly subjects: readonly string[];
  readonly role: string | null;
  readonly account: string | null;
  /** The last word of the object on its end. */
  readonly expiresAt: number | null;
  /** What it said at each write. */
  readonly expiries: readonly { readonly at: number; readonly expiresAt: number }[];
}

/** The spans in which something held of one object. */
export function spansOf(track: Track, holds: (change: Change) => boolean): Span[] {
  const spans: Span[] = [];
  let current: (Span & { expiries: { at: number; expiresAt: number }[] }) | null = null;
  // Answers are logged as they are made, not as the writes took effect.
  for (const change of track.changes.toSorted((a, b) => a.done - b.done)) {
    const on = change.uid !== null && holds(change);
    if (current !== null && (!on || change.uid !== current.uid)) {
      spans.push({ ...current, endAsked: change.asked, to: change.done, endedBy: change.by });
      current = null;
    }
    if (!on) continue;
    const { uid, subjects, role, account, expiresAt, by } = change;
    current ??= {
      track,
      uid: uid ?? '',
      asked: change.asked,
      from: change.done,
      endAsked: Number.POSITIVE_INFINITY,
      to: Number.POSITIVE_INFINITY,
      by,
      endedBy: '',
      subjects,
      role,
      account,
      expiresAt,
      expiries: [],
    };
    if (expiresAt !== null) current.expiries.push({ at: change.done, expiresAt });
    current = { ...current, subjects, expiresAt: expiresAt ?? current.expiresAt };
  }
  if (current !== null) spans.push(current);
  return spans;
}
