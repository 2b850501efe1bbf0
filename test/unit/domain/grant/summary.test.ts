import { describe, expect, it } from 'vitest';
import { GRANT_STATES } from '../../../../src/domain/grant/grant.ts';
import { overdueBy } from '../../../../src/domain/grant/summary.ts';

const NOW = 1_700_000_000_000;
const later = NOW + 60_000;

describe('an end that is overdue', () => {
  it('is one of access that may be there: no request that waits, and nothing that has ended', () => {
    const overdue = GRANT_STATES.filter(
      (state) => overdueBy({ state, expiresAt: NOW - 1000, endingSince: null }, NOW) > 0,
    );
    expect(overdue).toEqual(['applying', 'active', 'ending']);
  });

  it.each([
    ['its window goes on', later, null, 0],
    ['its window ends now', NOW, null, 0],
    ['its window has ended', NOW - 1500, null, 1500],
    ['somebody has ended it', later, NOW - 700, 700],
    ['somebody ended it, and then its window ended', NOW - 300, NOW - 700, 700],
    ['its window ended, and that was found late', NOW - 700, NOW - 300, 700],
    ['it has no window yet', null, null, 0],
  ])('counts from when it was due: %s', (_what, expiresAt, endingSince, overdue) => {
    expect(overdueBy({ state: 'ending', expiresAt, endingSince }, NOW)).toBe(overdue);
  });
});
