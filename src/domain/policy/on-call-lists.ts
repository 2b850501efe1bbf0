import type { Policy } from './policy.ts';

/** Where the policy names sources of who is on call. */

type Path = readonly (string | number)[];

/** Each name of a source, with its place: `profiles.debug.approvers.oncall[0]`. */
export function listsOfOnCall({ profiles }: Policy): { readonly path: Path; readonly source: string }[] {
  return placesOfOnCall(['profiles'], profiles).flatMap(({ path, oncall }) =>
    oncall.map((source, index) => ({ path: [...path, 'oncall', index], source })),
  );
}

/**
 * The lists of those who ask and decide that name nobody but by such sources: while one can't be read, nobody is in it. A condition is no such
 * list: where it is not known, people decide.
 */
export function listsOfOnCallAlone({ profiles }: Policy): { readonly path: Path; readonly message: string }[] {
  return placesOfOnCall(['profiles'], profiles)
    .filter(({ path, isAlone }) => isAlone && LISTS.includes(path.at(-1)))
    .map(({ path, oncall }) => ({
      path,
      message: `names nobody but who is on call (${oncall.join(', ')}): while that can't be read, nobody is in it. Name a group or users too`,
    }));
}

const LISTS: readonly unknown[] = ['requesters', 'approvers', 'from'];

interface Place {
  readonly path: Path;
  readonly oncall: readonly string[];
  readonly isAlone: boolean;
}

/** All of them, wherever lists of people stand. What is short for members stands in both places, and is named where it was written. */
function placesOfOnCall(path: Path, value: unknown): Place[] {
  if (typeof value !== 'object' || value === null) return [];
  const members = Object.entries(value as Record<string, unknown>);
  const oncall = Object.hasOwn(value, 'oncall') ? (value as { oncall?: unknown }).oncall : undefined;
  const own = Array.isArray(oncall) ? [{ path, oncall: oncall as string[], isAlone: isAlone(value) }] : [];
  const below = members
    .filter(([key]) => key !== 'oncall' && !(own.length > 0 && key === 'members'))
    .flatMap(([key, inner]) => placesOfOnCall([...path, Array.isArray(value) ? Number(key) : key], inner));
  return [...own, ...below];
}

function isAlone(value: object): boolean {
  const { users = [], groups = [], channels = [] } = value as Partial<Record<string, readonly unknown[]>>;
  return users.length + groups.length + channels.length === 0;
}
