import { setTimeout as sleep } from 'node:timers/promises';
import { Unavailable } from '../../../domain/errors.ts';
import { type Api, ApiError, type Kind, type Selection } from '../api.ts';

/** What a reflector reads of an object itself. */
export interface Watched {
  readonly metadata: {
    readonly uid?: string;
    readonly resourceVersion?: string;
    readonly annotations?: Readonly<Record<string, string>>;
  };
}

export interface ReflectorOptions<O extends Watched, T> extends Selection {
  readonly api: Pick<Api, 'list' | 'version' | 'watch'>;
  readonly kind: Kind;
  /** What is kept of an object; the rest of it is dropped at once. */
  readonly project: (object: O) => T;
  /** Runs before each list: what projecting needs to know first. A fault is tried again. */
  readonly prepare?: () => Promise<void>;
  /** An object came or changed (`now`), or is gone (null), be it that an event said so or a new list. */
  readonly onChange: (now: T | null, before: T | null) => void;
  /** A whole list was read: the first one, or one that was needed after a gap. */
  readonly onListed: () => void;
  /** A watch or a list broke off; it is tried again. */
  readonly onFault: (error: unknown) => void;
  readonly pace?: Partial<Pace>;
}

/** All in milliseconds. */
export interface Pace {
  /** How long the API server lets a watch last, at random between these: so that not all of them end together. */
  readonly lasts: readonly [number, number];
  /** A watch that has had a bookmark has the next one, or an event, within this. Seen: one a minute, on a quiet kind too. */
  readonly silence: number;
  /** For how long the next object of a list that is streamed is waited for. */
  readonly listing: number;
  /** The first pause after a fault, and the longest; each is of random length around it. */
  readonly pause: readonly [number, number];
  /** After a gap of this length everything is listed anew. */
  readonly gap: number;
}

const PACE: Pace = {
  lasts: [300_000, 600_000],
  silence: 75_000,
  listing: 30_000,
  pause: [250, 30_000],
  gap: 30_000,
};

/** Of the end that was asked for a watch may be so much short, or over: milliseconds. */
const TOLERANCE = 2000;
const INITIAL_EVENTS_END = 'k8s.io/initial-events-end';

/** One kind of objects in all namespaces, as the API server tells of them. */
export interface Reflector<T> {
  /** By uid. */
  readonly items: ReadonlyMap<string, T>;
  /** All that was there has been read at least once. */
  readonly synced: boolean;
  /** When it last heard anything of a watch, an event or a bookmark; by `performance.now()`. */
  readonly heardAt: number;
  /** Since when it knows of no change, as its watch is down; null: it is open. By `performance.now()`. */
  readonly lostAt: number | null;
  stop(): void;
}

/**
 * Lists a kind once and watches it from there on, for as long as it is not stopped. What it holds is what the API server said last: after a
 * gap it goes on where it was, or lists anew and compares, so that what went meanwhile is told as gone.
 * https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
 */
export function startReflector<O extends Watched, T>(options: ReflectorOptions<O, T>): Reflector<T> {
  const { api, kind, selector, metadataOnly, project, onChange, onListed, onFault } = options;
  const pace: Pace = { ...PACE, ...options.pace };
  const selection: Selection = { selector, metadataOnly };
  const stopping = new AbortController();
  const items = new Map<string, T>();
  /** Up to which everything is known; null: a list is needed. */
  let version: string | null = null;
  let synced = false;
  let heardAt = Number.NEGATIVE_INFINITY;
  let lostAt: number | null = performance.now();
  /** Since when no watch has begun to answer; null: one has. */
  let brokeAt: number | null = null;
  /** The API server streams lists (since Kubernetes 1.32, where nobody has turned it off). */
  let streams = true;
  /** Faults since a watch last told anything. */
  let failures = 0;

  function put(object: O): string {
    const uid = object.metadata.uid ?? '';
    const before = items.get(uid) ?? null;
    const now = project(object);
    items.set(uid, now);
    onChange(now, before);
    return uid;
  }

  function drop(uid: string): void {
    const before = items.get(uid);
    if (before === undefined) return;
    items.delete(uid);
    onChange(null, before);
  }

  /** A list is whole: what it does not have is gone. */
  function listed(there: ReadonlySet<string>, of: string): void {
    for (const uid of items.keys()) if (!there.has(uid)) drop(uid);
    version = of;
    heardAt = performance.now();
    synced = true;
    onListed();
  }

  async function listByPages(): Promise<void> {
    let of = '';
    const there = await api.list<O, string>(kind, null, {
      ...selection,
      keep: (page) => page.map(put),
      versioned: (version) => (of = version),
    });
    if (!stopping.signal.aborted) listed(new Set(there), of);
  }

  /** Versions only grow. A smaller one: the API server has other data than it had, such as a backup of etcd. */
  function goOnTo(next: string | undefined): void {
    if (next === undefined) return;
    if (version !== null && isOlder(next, version)) throw new Restored();
    version = next;
    heardAt = performance.now();
    failures = 0;
  }

  /** One connection: a list, where one is needed and can be streamed, and all that happens after it. */
  async function watch(): Promise<void> {
    const seconds = Math.ceil((pace.lasts[0] + Math.random() * (pace.lasts[1] - pace.lasts[0])) / 1000);
    const began = performance.now();
    const silent = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    const expectWithin = (ms: number) => {
      clearTimeout(timer);
      timer = setTimeout(() => silent.abort(), ms);
    };
    /** Uids that a streamed list has named so far. */
    let there = version === null ? new Set<string>() : null;
    let hasBookmarks = false;
    const rest = () => began + seconds * 1000 + 5 * TOLERANCE - performance.now();
    // A proxy may keep the beginning of an answer back until the first event or bookmark.
    expectWithin(there === null ? pace.silence : pace.listing);
    try {
      const signal = AbortSignal.any([stopping.signal, silent.signal]);
      const events = await api.watch<O>(kind, { ...selection, since: version, seconds, signal });
      brokeAt = null;
      if (there === null) expectWithin(rest());
      for await (const { type, object } of events) {
        const { uid = '', resourceVersion, annotations } = object.metadata;
        if (type === 'DELETED') {
          drop(uid);
          there?.delete(uid);
        } else if (type !== 'BOOKMARK') {
          put(object);
          there?.add(uid);
        }
        if (there === null) {
          hasBookmarks ||= type === 'BOOKMARK';
          goOnTo(resourceVersion);
        } else if (type === 'BOOKMARK' && annotations?.[INITIAL_EVENTS_END] === 'true') {
          listed(there, resourceVersion ?? '');
          lostAt = null;
          there = null;
        }
        expectWithin(there !== null ? pace.listing : hasBookmarks ? pace.silence : rest());
      }
    } finally {
      clearTimeout(timer);
    }
    if (there !== null || performance.now() < began + seconds * 1000 - TOLERANCE)
      throw new Unavailable('Kubernetes', `watch of ${kind}: it ended before its time`);
    failures = 0;
  }

  /**
   * Before a watch goes on that broke off: the API server may be another now, over other data, and would say nothing of what is older than
   * the version that it is asked for. @throws Restored
   */
  async function mustBeTheSameHistory(): Promise<void> {
    if (version === null) return;
    if (isOlder(await api.version(kind, selection), version)) throw new Restored();
  }

  async function connect(isDoubtful: boolean): Promise<void> {
    if (brokeAt !== null && performance.now() - brokeAt > pace.gap) version = null;
    if (isDoubtful) await mustBeTheSameHistory();
    if (version === null) {
      await options.prepare?.();
      if (!streams) await listByPages();
    }
    // The API server has just answered, or ended the watch before in its time: what has happened since comes with the next one.
    if (version !== null) lostAt = null;
    await watch();
  }

  async function run(): Promise<void> {
    let isDoubtful = false;
    while (!stopping.signal.aborted)
      try {
        await connect(isDoubtful);
        isDoubtful = false;
      } catch (error) {
        if (stopping.signal.aborted) return;
        lostAt ??= performance.now();
        brokeAt ??= performance.now();
        isDoubtful = true;
        const isGone = error instanceof Restored || (error instanceof ApiError && error.status === 410);
        if (version === null && streams && error instanceof ApiError && [400, 422].includes(error.status)) {
          streams = false;
          continue;
        }
        if (isGone) version = null;
        onFault(error);
        const pause = Math.min(pace.pause[1], pace.pause[0] * 2 ** failures++);
        await sleep(pause * (0.5 + Math.random()), undefined, { signal: stopping.signal }).catch(() => {});
      }
  }

  void run();
  return {
    items,
    get synced() {
      return synced;
    },
    get heardAt() {
      return heardAt;
    },
    get lostAt() {
      return lostAt;
    },
    stop: () => stopping.abort(),
  };
}

class Restored extends Error {
  constructor() {
    super('the API server has an older version than it had: everything is read anew');
  }
}

/**
 * Versions are whole numbers, and comparable since Kubernetes 1.35 says so (KEP-5504); before it they were in fact.
 * https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions
 */
const isOlder = (a: string, b: string): boolean => a.length < b.length || (a.length === b.length && a < b);
