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
  readonly onChange: (now: T | null, before: T | null, uid: string) => void;
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

/**
 * What a watch has missed comes at once when it goes on: one that tells nothing for so long has missed nothing, even where a proxy keeps the
 * beginning of its answer back. Milliseconds.
 */
const QUIET = 1000;
/** Of the end that was asked for a watch may be so much short, or over: milliseconds. */
const TOLERANCE = 2000;
const INITIAL_EVENTS_END = 'k8s.io/initial-events-end';

/** One kind of objects in all namespaces, as the API server tells of them. */
export interface Reflector<T> {
  /** By uid. */
  readonly items: ReadonlyMap<string, T>;
  /** All that was there has been read at least once. */
  readonly synced: boolean;
  /** Since when changes may be unknown, as nothing has been listed or the watch is down; null: none are. By `performance.now()`. */
  readonly lostAt: number | null;
  stop(): void;
}

/** For so long a watch may be down before what it told counts as old: milliseconds. */
const STALE = 10_000;

/** Milliseconds for which changes may have gone unheard; 0: all is as of now. */
function ageOf({ lostAt }: Pick<Reflector<unknown>, 'lostAt'>): number {
  return lostAt === null ? 0 : performance.now() - lostAt;
}

export const isStale = (reflector: Pick<Reflector<unknown>, 'lostAt'>): boolean => ageOf(reflector) > STALE;

/** By kind how old what is known of it is at most: seconds. */
export type Ages = ReadonlyMap<Kind, number>;

export function agesOf(held: Iterable<{ readonly kind: Kind; readonly reflector: Reflector<unknown> }>): Ages {
  const ages = new Map<Kind, number>();
  for (const { kind, reflector } of held) ages.set(kind, Math.max(ages.get(kind) ?? 0, ageOf(reflector) / 1000));
  return ages;
}

/**
 * Lists a kind once and watches it from there on, for as long as it is not stopped. What it holds is what the API server said last: after a
 * gap it goes on where it was, or lists anew and compares, so that what went meanwhile is told as gone.
 * https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
 */
export function startReflector<O extends Watched, T>(options: ReflectorOptions<O, T>): Reflector<T> {
  const { api, kind, selector, fieldSelector, metadataOnly, project, onChange, onListed, onFault } = options;
  const pace: Pace = { ...PACE, ...options.pace };
  const selection: Selection = { selector, fieldSelector, metadataOnly };
  const stopping = new AbortController();
  const items = new Map<string, T>();
  /** Up to which everything is known; null: a list is needed. */
  let version: string | null = null;
  let synced = false;
  let lostAt: number | null = performance.now();
  /** The API server streams lists (since Kubernetes 1.32, where nobody has turned it off). */
  let streams = true;
  /** There was more than `project` lets it hold. */
  let isFull = false;
  /** Faults since a watch last told anything. */
  let failures = 0;

  function put(object: O): string {
    const uid = object.metadata.uid ?? '';
    const before = items.get(uid) ?? null;
    const now = project(object);
    items.set(uid, now);
    onChange(now, before, uid);
    return uid;
  }

  function drop(uid: string): void {
    const before = items.get(uid);
    if (before === undefined) return;
    items.delete(uid);
    onChange(null, before, uid);
  }

  function dropAllBut(there: ReadonlySet<string>): void {
    for (const uid of items.keys()) if (!there.has(uid)) drop(uid);
  }

  /** A list is whole: what it does not have is gone. */
  function listed(there: ReadonlySet<string>, of: string): void {
    dropAllBut(there);
    isFull = false;
    version = of;
    lostAt = null;
    synced = true;
    onListed();
  }

  /** Drops what is gone before the list is read that would say so in its end. */
  async function makeRoom(): Promise<void> {
    const keep = (page: readonly O[]) => page.map(({ metadata: { uid = '' } }) => uid);
    dropAllBut(new Set(await api.list<O, string>(kind, null, { ...selection, metadataOnly: true, keep })));
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
    lostAt = null;
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
    const quiet = setTimeout(() => {
      if (there === null) lostAt = null;
    }, QUIET);
    try {
      const signal = AbortSignal.any([stopping.signal, silent.signal]);
      const events = await api.watch<O>(kind, { ...selection, since: version, seconds, signal });
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
          there = null;
        }
        expectWithin(there !== null ? pace.listing : hasBookmarks ? pace.silence : rest());
      }
    } finally {
      clearTimeout(timer);
      clearTimeout(quiet);
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

  async function connect(): Promise<void> {
    if (lostAt !== null) {
      if (performance.now() - lostAt > pace.gap) version = null;
      await mustBeTheSameHistory();
    }
    if (version === null) {
      await options.prepare?.();
      if (isFull) await makeRoom();
      if (!streams) await listByPages();
    }
    await watch();
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted)
      try {
        await connect();
      } catch (error) {
        if (stopping.signal.aborted) return;
        lostAt ??= performance.now();
        const status = error instanceof ApiError ? error.status : null;
        isFull ||= status === 413;
        // From where it was, a watch that met too much would meet it again, before what says that some of it is gone.
        const isGone = error instanceof Restored || status === 410 || isFull;
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
