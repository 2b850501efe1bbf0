import type { RoleWatch } from '../../../app/upkeep/follower.ts';
import type { NamedRole } from '../../../app/upkeep/grant-index.ts';
import { digestOf } from '../../../domain/canonical.ts';
import type { Api } from '../api.ts';
import { type Ages, agesOf, isStale, type Pace, type Reflector, startReflector, type Watched } from './reflector.ts';

/** There are few, and a right that grows unheard is one that nobody approved: no long pause after a fault, in milliseconds. */
const PAUSE = [250, 5000] as const;

export interface NamedRolesOptions {
  readonly api: Pick<Api, 'list' | 'version' | 'watch'>;
  /** It has other rules, is gone, or was made anew. Not for what the first list has. @param namespace null of a ClusterRole */
  readonly onRole: (role: NamedRole, namespace: string | null) => void;
  /** All of this name have been listed, for the first time or after a gap. */
  readonly onRoleListed: (role: NamedRole) => void;
  readonly onFault: (error: unknown) => void;
  readonly pace?: Partial<Pace>;
}

interface KubeRole extends Watched {
  readonly metadata: Watched['metadata'] & { readonly namespace?: string };
  readonly rules?: readonly unknown[] | null;
}

/** What is kept of it. */
interface Seen {
  readonly namespace: string | null;
  readonly rules: string;
}

/** By a reflector for each name of a role that grants bind: others are never read. */
export function watchNamedRoles(
  options: NamedRolesOptions,
): RoleWatch & { isKnown(): boolean; ages(): Ages; stop(): void } {
  const { api, onRole, onRoleListed, onFault, pace = {} } = options;
  const reflectors = new Map<string, { readonly kind: NamedRole['kind']; readonly reflector: Reflector<Seen> }>();
  const keyOf = ({ kind, name }: NamedRole) => `${kind} ${name}`;

  function start(role: NamedRole): Reflector<Seen> {
    const reflector: Reflector<Seen> = startReflector<KubeRole, Seen>({
      api,
      kind: role.kind,
      fieldSelector: `metadata.name=${role.name}`,
      project: ({ metadata, rules }) => ({ namespace: metadata.namespace ?? null, rules: digestOf(rules ?? []) }),
      onChange(now, before) {
        // Another uid is another object: one goes, and one comes.
        const namespace = (now ?? before)?.namespace ?? null;
        if (reflector.synced && now?.rules !== before?.rules) onRole(role, namespace);
      },
      onListed: () => onRoleListed(role),
      onFault,
      pace: { pause: PAUSE, ...pace },
    });
    return reflector;
  }

  return {
    watch(role) {
      const key = keyOf(role);
      if (!reflectors.has(key)) reflectors.set(key, { kind: role.kind, reflector: start(role) });
    },
    unwatch(role) {
      reflectors.get(keyOf(role))?.reflector.stop();
      reflectors.delete(keyOf(role));
    },
    /** Nothing of what is watched has gone unheard for long. */
    isKnown: () => ![...reflectors.values()].some(({ reflector }) => isStale(reflector)),
    ages: () => agesOf(reflectors.values()),
    stop() {
      for (const { reflector } of reflectors.values()) reflector.stop();
      reflectors.clear();
    },
  };
}
