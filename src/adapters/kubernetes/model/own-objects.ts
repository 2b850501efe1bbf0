import type { Found, OwnObjects, OwnObjectsListener } from '../../../app/ports/own-objects.ts';
import { Unavailable } from '../../../domain/errors.ts';
import type { Api, Kind } from '../api.ts';
import type { ClusterKeys } from '../cluster-keys.ts';
import { judgeWith, KINDS, ofInstance } from '../found.ts';
import type { KubeObject } from '../object.ts';
import { type Ages, agesOf, isStale, type Pace, type Reflector, startReflector } from './reflector.ts';

export interface OwnObjectsOptions extends OwnObjectsListener {
  readonly api: Pick<Api, 'list' | 'version' | 'watch' | 'read'>;
  readonly instance: string;
  readonly keysOf: () => Promise<ClusterKeys>;
  readonly onFault: (error: unknown) => void;
  readonly pace?: Partial<Pace>;
}

/** By a reflector a kind. Each version of an object is judged once, when it comes. */
export function watchOwnObjects(options: OwnObjectsOptions): OwnObjects & { ages(): Ages } {
  const { api, instance, keysOf, onChange, onListed, onFault, pace = {} } = options;
  const byGrant = new Map<string, Map<string, Found>>();
  let judge: ReturnType<typeof judgeWith> | null = null;

  const isSynced = () => reflectors.every(({ reflector }) => reflector.synced);

  function take(now: Found | null, before: Found | null): void {
    if (before !== null) {
      const id = before.id ?? '';
      byGrant.get(id)?.delete(before.uid);
      if (byGrant.get(id)?.size === 0) byGrant.delete(id);
    }
    if (now !== null) {
      const id = now.id ?? '';
      const those = byGrant.get(id) ?? new Map<string, Found>();
      byGrant.set(id, those.set(now.uid, now));
    }
    if (!isSynced() || isSame(now, before)) return;
    for (const id of new Set([before, now].flatMap((found) => (found === null ? [] : [found.id ?? ''])))) onChange(id);
  }

  const reflectors: { readonly kind: Kind; readonly reflector: Reflector<Found> }[] = [];
  for (const kind of KINDS)
    reflectors.push({
      kind,
      reflector: startReflector<KubeObject, Found>({
        api,
        kind,
        selector: ofInstance(instance),
        async prepare() {
          judge ??= judgeWith(await keysOf(), api);
        },
        project(object) {
          if (judge === null) throw new Error('the keys are not known yet');
          return judge(kind, object);
        },
        onChange: take,
        onListed() {
          if (reflectors.length === KINDS.length && isSynced()) onListed();
        },
        onFault,
        pace,
      }),
    });

  const isKnown = () => isSynced() && !reflectors.some(({ reflector }) => isStale(reflector));

  function mustBeKnown(): void {
    if (!isKnown()) throw new Unavailable('Kubernetes', 'what there is of ours is not known: its watches are down');
  }

  return {
    ids() {
      mustBeKnown();
      return byGrant.keys();
    },
    of(id) {
      mustBeKnown();
      return [...(byGrant.get(id)?.values() ?? [])];
    },
    isKnown,
    ages: () => agesOf(reflectors),
    stop() {
      for (const { reflector } of reflectors) reflector.stop();
    },
  };
}

/** The status of a Job, say, changes nothing that matters of it. */
function isSame(a: Found | null, b: Found | null): boolean {
  if (a === null || b === null) return a === b;
  return (
    a.id === b.id &&
    a.name === b.name &&
    a.sealed === b.sealed &&
    a.orphaned === b.orphaned &&
    a.inert === b.inert &&
    a.otherVersion === b.otherVersion &&
    a.ending === b.ending &&
    a.expiresAt === b.expiresAt &&
    a.deleting === b.deleting
  );
}
