import { expect, test } from 'vitest';
import { countAudit } from '../../../src/composition/count-audit.ts';

const ben = { user: 'ben@example.test', slackId: 'U0BEN' };

test.each([
  [{ event: 'approval', actor: ben, profile: 'debug' }, ['decided', 'debug', 'approved', 'person']],
  [{ event: 'approval', actor: null, profile: 'debug' }, ['decided', 'debug', 'approved', 'policy']],
  [{ event: 'denied', actor: ben, profile: 'debug' }, ['decided', 'debug', 'denied', 'person']],
  [{ event: 'refused', actor: null }, ['decided', 'none', 'refused', 'policy']],
  [{ event: 'timed-out', actor: null, profile: 'debug' }, ['decided', 'debug', 'timed-out', 'policy']],
  [{ event: 'cancelled', actor: ben, profile: 'debug' }, ['decided', 'debug', 'cancelled', 'person']],
  [{ event: 'expired', actor: null, profile: 'debug', lateness: 1500 }, ['revoked', 'debug', 'expired', 1.5]],
  [{ event: 'revoked', actor: ben, profile: 'debug' }, ['revoked', 'debug', 'revoked', 0]],
  [{ event: 'failed', actor: null, profile: 'debug', lateness: 20 }, ['revoked', 'debug', 'failed', 0.02]],
  [{ event: 'alarm', actor: null, rule: 'tampering' }, ['alarmed', 'tampering']],
  [{ event: 'alarm', actor: null, rule: 'other' }, ['alarmed', 'other']],
  [{ event: 'active', actor: null, profile: 'debug' }, undefined],
])('%o is counted as %o', (entry, counted) => {
  const counts: unknown[] = [];
  countAudit(
    {
      decided: (...args) => counts.push(['decided', ...args]),
      alarmed: (...args) => counts.push(['alarmed', ...args]),
      revoked: (...args) => counts.push(['revoked', ...args]),
    },
    entry,
  );
  expect(counts).toEqual(counted === undefined ? [] : [counted]);
});
