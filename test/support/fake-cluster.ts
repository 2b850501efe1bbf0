import {
  type Api,
  ApiError,
  type Kind,
  type ListOptions,
  type WatchOptions,
} from '../../src/adapters/kubernetes/api.ts';

interface FakeObject {
  readonly metadata: {
    readonly uid: string;
    readonly name: string;
    readonly namespace?: string;
    readonly resourceVersion: string;
    readonly [more: string]: unknown;
  };
  readonly [more: string]: unknown;
}
interface Event {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
  readonly object: unknown;
}

/** Objects of all kinds at the interface of the API: reads and lists are as of now, watches tell when they are let. Selectors of labels select all. */
export function fakeCluster() {
  let version = 100;
  const objects = new Map<string, FakeObject>();
  const watches = new Map<(event: Event | null) => void, Kind>();
  const held: (() => void)[] = [];
  const knobs = {
    /** Watches tell nothing for now. */
    isHeld: false,
    /** Kinds that may not be watched. */
    refused: new Set<Kind>(),
    /** A watch that is to go on is told that what came after its version is forgotten. */
    isForgotten: false,
  };
  /** `verb Kind namespace/name`, one for each call. */
  const asked: string[] = [];
  const keyOf = (kind: Kind, namespace: string | null, name: string) => `${kind} ${namespace ?? ''}/${name}`;
  const of = (kind: Kind, namespace: string | null) =>
    [...objects].flatMap(([key, object]) =>
      key.startsWith(`${kind} ${namespace === null ? '' : `${namespace}/`}`) ? [object] : [],
    );

  function tell(kind: Kind, event: Event): void {
    const now = () => {
      for (const [hear, watched] of watches) if (watched === kind) hear(event);
    };
    if (knobs.isHeld) held.push(now);
    else now();
  }

  async function* watch(kind: Kind, { since, signal }: WatchOptions) {
    const queue: (Event | null)[] =
      since !== null
        ? []
        : [
            ...of(kind, null).map((object) => ({ type: 'ADDED' as const, object })),
            {
              type: 'BOOKMARK',
              object: {
                metadata: { resourceVersion: String(version), annotations: { 'k8s.io/initial-events-end': 'true' } },
              },
            },
          ];
    let wake = () => {};
    const hear = (event: Event | null) => {
      queue.push(event);
      wake();
    };
    watches.set(hear, kind);
    signal.addEventListener('abort', () => hear(null));
    try {
      for (;;) {
        const next = queue.shift();
        if (next === null) return;
        if (next === undefined) await new Promise<void>((resolve) => (wake = resolve));
        else yield next;
      }
    } finally {
      watches.delete(hear);
    }
  }

  const api = {
    async read(kind: Kind, namespace: string | null, name: string) {
      asked.push(`read ${keyOf(kind, namespace, name)}`);
      return objects.get(keyOf(kind, namespace, name)) ?? null;
    },
    async list(kind: Kind, namespace: string | null, { keep = (page) => page }: ListOptions<object, object> = {}) {
      asked.push(`list ${kind} ${namespace ?? ''}`);
      return keep(of(kind, namespace));
    },
    version: async () => String(version),
    async watch(kind: Kind, options: WatchOptions) {
      if (knobs.refused.has(kind)) throw new ApiError(403, `${kind} may not be watched`);
      if (knobs.isForgotten && options.since !== null) throw new ApiError(410, 'too old resource version');
      return watch(kind, options);
    },
    groups: async () => [],
  } as unknown as Api;

  return {
    api,
    asked,
    knobs,
    put(kind: Kind, namespace: string | null, name: string, object: object = {}, metadata: object = {}): void {
      version += 1;
      const key = keyOf(kind, namespace, name);
      const before = objects.get(key);
      const next: FakeObject = {
        ...object,
        metadata: {
          uid: before?.metadata.uid ?? `uid-${name}`,
          name,
          ...(namespace === null ? {} : { namespace }),
          resourceVersion: String(version),
          ...metadata,
        },
      };
      objects.set(key, next);
      tell(kind, { type: before === undefined ? 'ADDED' : 'MODIFIED', object: next });
    },
    remove(kind: Kind, namespace: string | null, name: string): void {
      version += 1;
      const key = keyOf(kind, namespace, name);
      const object = objects.get(key);
      if (object === undefined) throw new Error(`there is no ${key}`);
      objects.delete(key);
      tell(kind, {
        type: 'DELETED',
        object: { ...object, metadata: { ...object.metadata, resourceVersion: String(version) } },
      });
    },
    /** Watches of the kind break off, and what is being told to them is lost. */
    cut(kind: Kind): void {
      for (const [hear, watched] of watches) if (watched === kind) hear(null);
    },
    /** Watches tell what has been held. */
    letGo(): void {
      knobs.isHeld = false;
      for (const now of held.splice(0)) now();
    },
    watches: () => watches.size,
  };
}

export type FakeCluster = ReturnType<typeof fakeCluster>;
