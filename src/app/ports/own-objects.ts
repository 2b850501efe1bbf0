import type { Instant } from '../../domain/clocks.ts';
import type { Grant } from '../../domain/grant/grant.ts';
import type { GrantId } from '../../domain/ids.ts';

/** The kinds by which people have rights, and those that say which. */
export const BINDINGS: readonly string[] = ['RoleBinding', 'ClusterRoleBinding'];
export const ROLES: readonly string[] = ['Role', 'ClusterRole'];

/** An object in the cluster. */
export interface ObjectRef {
  readonly kind: string;
  /** '': it is in none. */
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

/** An object that carries our instance. */
export interface Found extends ObjectRef {
  readonly id: GrantId | null;
  readonly sealed: boolean;
  /** Its seal holds but for the lease that owned it, which is gone: ours, and nothing of Kubernetes will end it. */
  readonly orphaned: boolean;
  /** A binding without subjects, or a role without rules: it gives nothing. */
  readonly inert: boolean;
  /** Another version of Drawbridge sealed it, and only that version can judge it: it is left alone. */
  readonly otherVersion: boolean;
  /** Only of sealed and of orphaned objects. */
  readonly expiresAt: Instant | null;
  /** The whole grant, which sealed leases carry; see manifests. Read when it is asked for; null: there is none. */
  readonly record: () => Promise<Grant | null>;
  /** That record says that the grant is ending. */
  readonly ending: boolean;
  /** Somebody has deleted it, a finalizer keeps it. */
  readonly deleting: boolean;
}

/** Everything that carries our instance, as the cluster tells of it: what has changed is known a moment later. */
export interface OwnObjects {
  /** The ids that something carries now, '' where it carries none. @throws Unavailable while it is not known, or has not been for some seconds */
  ids(): Iterable<string>;
  /** What carries this id ('': none) now. @throws like {@link OwnObjects.ids} */
  of(id: string): readonly Found[];
  /** Whether it is known: false before the first list, and when the watches have been down for some seconds. */
  isKnown(): boolean;
  stop(): void;
}

export interface OwnObjectsListener {
  /** Something that carries this id ('': none) came, was changed or is gone. Not for what the first list has. */
  readonly onChange: (id: string) => void;
  /** All of it has been listed, for the first time or after a gap. */
  readonly onListed: () => void;
}

/** `Role staging/drawbridge-g-7k3fq2`, `ClusterRole drawbridge-g-7k3fq2`. */
export const nameOfRef = ({ kind, namespace, name }: Pick<ObjectRef, 'kind' | 'namespace' | 'name'>): string =>
  `${kind} ${namespace === '' ? '' : `${namespace}/`}${name}`;

/** Whether an object of that name ({@link nameOfRef}) gives somebody rights. */
export const isBindingNamed = (name: string): boolean => BINDINGS.includes(name.split(' ')[0] ?? '');
