import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { takenAway, whyNotNarrower } from '../../../../src/domain/plan/narrower.ts';
import type { Plan } from '../../../../src/domain/plan/plan.ts';
import { growth } from '../../../../src/domain/rights/coverage.ts';
import { KIT_NAMES, rulesOfKits } from '../../../../src/domain/rights/kits.ts';
import { samplePlan } from '../../../support/grants.ts';

const kits = fc.subarray([...KIT_NAMES], { minLength: 1 });
const planWith = (rights: Plan['rights'], duration: number, change: Partial<Plan> = {}): Plan =>
  samplePlan({ rights, duration, rules: rulesOfKits(rights ?? [], 'Deployment'), ...change });

describe('a plan that is a part of another', () => {
  it('allows nothing that the other does not, and lasts no longer', () => {
    fc.assert(
      fc.property(kits, kits, fc.nat(100), fc.nat(100), (asked, changed, long, short) => {
        const [one, other] = [planWith(asked, long), planWith(changed, short)];
        const isPart = short <= long && growth(one.rules, other.rules).length === 0;
        expect(whyNotNarrower(one, other) === null).toBe(isPart);
        if (changed.every((kit) => asked.includes(kit)) && short <= long) expect(whyNotNarrower(one, other)).toBeNull();
      }),
    );
  });

  it.each<[string, Partial<Plan>]>([
    ['another user', { user: 'eve@example.test' }],
    ['other groups', { groups: ['system-like'] }],
    ['another target', { target: { namespace: 'payments' } }],
    ['a namespace that was made again', { namespaceUid: 'other' }],
    ['another cluster', { cluster: 'other' }],
    ['another profile', { profileDigest: 'other' }],
    ['a role', { role: { kind: 'ClusterRole', name: 'edit' } }],
    ['a role that may grow', { roleMayGrow: true }],
    ['another mode', { network: { mode: 'bastion', selector: {}, ports: [], from: [], admits: false } }],
    ['other policies around it', { surroundings: { policies: [{ name: 'staging/x', spec: 'y' }], isolation: [] } }],
  ])('is none with %s', (_what, change) => {
    const asked = planWith(['logs'], 600);
    expect(whyNotNarrower(asked, planWith(['logs'], 600))).toBeNull();
    expect(whyNotNarrower(asked, planWith(['logs'], 600, change))).not.toBeNull();
  });

  it('says what is taken away', () => {
    const asked = { duration: 3600, rights: ['read', 'logs', 'exec'] } as const;
    expect(takenAway(asked, { duration: 600, rights: ['logs'] })).toEqual([
      '10m in the place of 1h',
      'without read, exec',
    ]);
    expect(takenAway(asked, { duration: 3600, rights: ['exec', 'logs', 'read'] })).toEqual([]);
    expect(takenAway({ duration: 60, rights: null }, { rights: ['logs'] })).toEqual([]);
  });
});
