import type { Policy } from './policy.ts';
import type { PolicyProblem } from './unnameable.ts';

/** Tickets that a profile or a condition counts on, and that nothing looks up or that would approve by themselves. */
export function wrongTickets({ profiles, tickets }: Policy): PolicyProblem[] {
  const isByOthers = tickets?.jira?.reporter === 'other';
  return Object.entries(profiles).flatMap(([name, profile]) => {
    const path = ['profiles', name];
    const conditions = conditionsWithTicket(path, profile);
    return [
      ...(profile.ticket !== 'none' && tickets === undefined
        ? [
            {
              path: [...path, 'ticket'],
              message: 'needs tickets, at the top of the policy: what a ticket is, and where it is looked up',
            },
          ]
        : []),
      ...(profile.ticket === 'none'
        ? conditions.map(({ path: at }) => ({
            path: [...at, 'ticket'],
            message: 'is never met, since the profile takes no ticket: say ticket: optional or required in the profile',
          }))
        : []),
      ...conditions
        .filter(({ isAlone }) => isAlone && !isByOthers)
        .map(({ path: at }) => ({
          path: [...at, 'ticket'],
          message:
            'would approve alone, and anybody can open a ticket: add another condition, or take tickets of others only (tickets.jira.reporter: other)',
        })),
    ];
  });
}

type Path = readonly (string | number)[];

/** The conditions that name a ticket, wherever they stand. */
function conditionsWithTicket(path: Path, value: unknown): { readonly path: Path; readonly isAlone: boolean }[] {
  if (typeof value !== 'object' || value === null) return [];
  const members = Object.entries(value as Record<string, unknown>).filter(([, member]) => member !== undefined);
  const own = members.some(([key, member]) => key === 'ticket' && member === true)
    ? [{ path, isAlone: members.length === 1 }]
    : [];
  return [
    ...own,
    ...members.flatMap(([key, inner]) =>
      conditionsWithTicket([...path, Array.isArray(value) ? Number(key) : key], inner),
    ),
  ];
}
