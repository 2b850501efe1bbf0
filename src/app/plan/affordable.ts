import { Refusal } from '../../domain/errors.ts';
import { affordable, TooLarge } from '../../network/cost.ts';
import type { Steps } from '../../network/steps.ts';
import { confine } from './confine.ts';

type Confined = ReturnType<typeof confine>;

/**
 * {@link confine}, with as much of the cluster as can be looked at. Of namespaces that have nothing to do with the grant the policies are
 * left out where they are too many: its people can hinder nobody else.
 * @throws Refusal also when the policies of the target's namespace, or those that select workspaces, are too many
 */
export function* confineAffordably(
  ...[wish, profile, rules, survey, workspaces]: Parameters<typeof confine>
): Confined {
  if (survey.cluster === null) return yield* confine(wish, profile, rules, survey, workspaces);
  const path = `profiles.${wish.profileName}.network`;
  const needed = [wish.target.namespace, workspaces];
  const { cluster, tooLarge } = yield* affordable(survey.cluster, needed);
  for (const namespace of needed) {
    const what = tooLarge.get(namespace);
    if (what !== undefined) throw refusal(path, what);
  }
  const confined = yield* orRefuse(path, confine(wish, profile, rules, { ...survey, cluster }, workspaces));
  const notes = [...tooLarge.values()].map((what) => `Not counted, as if there were none: ${what}. They are too many.`);
  return { ...confined, preview: { ...confined.preview, notes: [...confined.preview.notes, ...notes] } };
}

function* orRefuse<T>(path: string, steps: Steps<T>): Steps<T> {
  try {
    return yield* steps;
  } catch (error) {
    if (error instanceof TooLarge) throw refusal(path, error.message);
    throw error;
  }
}

function refusal(path: string, what: string): Refusal {
  return new Refusal(
    path,
    `What this grant means can't be computed: too much is held against one another, ${what}.`,
    'Say the same with fewer rules, blocks or ports there, or ask for a profile that enters no pod.',
  );
}
