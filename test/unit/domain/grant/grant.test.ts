import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  approvalsOf,
  become,
  GRANT_STATES,
  type GrantState,
  hasEnded,
  holdsAccess,
  IllegalTransition,
  mayBecome,
} from '../../../../src/domain/grant/grant.ts';
import { ADA, BEN, sampleGrant } from '../../../support/grants.ts';

const state = fc.constantFrom(...GRANT_STATES);

describe('the states of a grant', () => {
  test('access is reached only through a decision, and left only through a verified teardown', () => {
    fc.assert(
      fc.property(fc.array(state, { maxLength: 30 }), (wishes) => {
        let grant = sampleGrant();
        const path: GrantState[] = [grant.state];
        for (const wish of wishes) {
          try {
            grant = become(grant, wish);
            path.push(grant.state);
          } catch (error) {
            expect(error).toBeInstanceOf(IllegalTransition);
          }
        }
        const firstAccess = path.findIndex(holdsAccess);
        if (firstAccess >= 0) expect(path.slice(0, firstAccess)).toContain('approved');
        const ended = path.findIndex(hasEnded);
        if (ended >= 0) expect(ended).toBe(path.length - 1);
        if (firstAccess >= 0 && ended >= 0) expect(path[ended - 1]).toBe('ending');
      }),
    );
  });

  test('an end is an end', () => {
    for (const from of GRANT_STATES.filter(hasEnded))
      for (const to of GRANT_STATES) expect(mayBecome(from, to)).toBe(false);
  });
});

test('one person counts once, and only for the plan that is shown now', () => {
  const at = Date.now();
  const approval = { by: BEN, verdict: 'approve', at, rule: '', note: '', digest: 'now' } as const;
  const other = { ...BEN, slackId: 'U0BEN2' };
  const grant = sampleGrant({
    digest: 'now',
    decisions: [
      approval,
      { ...approval, by: other },
      { ...approval, by: ADA, digest: 'before' },
      { ...approval, by: ADA, verdict: 'deny' },
    ],
  });
  expect(approvalsOf(grant)).toEqual([approval]);
});
