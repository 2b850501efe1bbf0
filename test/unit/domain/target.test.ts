import { describe, expect, it } from 'vitest';
import { parseGrantRecord } from '../../../src/domain/grant/record.ts';
import { describeTarget } from '../../../src/domain/target.ts';
import { sampleGrant, samplePlan } from '../../support/grants.ts';

const checkout = { namespace: 'staging', workload: { kind: 'Deployment', name: 'checkout' } } as const;

describe('a target in words', () => {
  it('is what a person types, and for a Service also what it has been found to be', () => {
    expect(describeTarget({ namespace: 'staging' })).toBe('staging');
    expect(describeTarget(checkout)).toBe('staging/deployment/checkout');
    expect(describeTarget({ namespace: 'staging', service: 'shop' })).toBe('staging/svc/shop');
    expect(describeTarget({ ...checkout, service: 'shop' })).toBe('staging/svc/shop → deployment/checkout');
  });
});

describe('a stored target', () => {
  const stored = (target: object) => {
    const grant = sampleGrant({ plan: samplePlan({ target: checkout }) });
    return parseGrantRecord(JSON.stringify({ ...grant, target, plan: { ...grant.plan, target } }));
  };

  it.each([
    ['of before there were Services', checkout],
    ['of a namespace', { namespace: 'staging' }],
    ['named by a Service', { ...checkout, service: 'shop' }],
    ['of a newer version', { ...checkout, port: 'http' }],
  ])('%s is read as it was written', (_what, target) => {
    expect(stored(target)).toMatchObject({ grant: { target, plan: { target } } });
  });

  it('with a Service and no workload is none: it would be read as the whole namespace', () => {
    expect(stored({ namespace: 'staging', service: 'shop' })).toHaveProperty('problem');
  });
});
