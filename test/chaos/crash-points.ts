/** Where a bot can be told to kill itself: before or after the next call of this kind. */
const WRITES = [
  'create Grant',
  'change Grant',
  'schedule revoke',
  'schedule apply',
  'schedule tell',
  'apply Job',
  'apply NetworkPolicy',
  'apply Role',
  'apply RoleBinding',
  'remove RoleBinding',
  'remove Role',
  'remove NetworkPolicy',
  'remove Job',
] as const;

export interface CrashPoint {
  readonly write: (typeof WRITES)[number];
  readonly when: 'before' | 'after';
}

export const CRASH_POINTS: readonly CrashPoint[] = WRITES.flatMap((write) => [
  { write, when: 'before' } as const,
  { write, when: 'after' } as const,
]);

/** Faults of the code itself that the run must catch (see bot.ts), each with the promise that it breaks. */
export const PLANTS = {
  'late-schedule': 'P2',
  'guard-last': 'P3',
  'early-word': 'P7',
  'wrong-cluster': 'P7',
  'anyone-approves': 'P1',
  'deaf-digest': 'P4',
  'nervous-digest': 'P4',
  'unjudged-extension': 'P1',
  'role-grows': 'P4',
} as const;
export type Plant = keyof typeof PLANTS;
