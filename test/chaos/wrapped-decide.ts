import { decide as real } from '../../src/domain/decide.ts';

export * from '../../src/domain/decide.ts';

/** Planted: whoever presses Approve may. */
export const decide = ((rules, act, parties) =>
  act.kind === 'approve'
    ? real(rules, { kind: 'apply', grant: act.grant }, { ...parties, actor: null })
    : real(rules, act, parties)) as typeof real;
