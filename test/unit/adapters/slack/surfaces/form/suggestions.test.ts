import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Suggestions,
  suggestedDurations,
  suggestedNamespaces,
  suggestedTargets,
  toSlack,
  typedTarget,
} from '../../../../../../src/adapters/slack/surfaces/form/suggestions.ts';
import type { Offer } from '../../../../../../src/app/ports/use-cases.ts';
import { wholeDuration } from '../../../../../../src/domain/typed-duration.ts';
import { suggestionErrors } from '../../../../../../src/sandbox/slack/blockkit.ts';

const OFFER: Offer = {
  profile: 'debug',
  description: '',
  scope: 'workload',
  rights: null,
  cluster: null,
  namespaces: ['payments', 'pre-payments', 'staging'],
  defaultDuration: 2700,
  maximumDuration: 5400,
};
const ALL = [
  { kind: 'StatefulSet', name: 'ledger' },
  { kind: 'Deployment', name: 'pre-checkout' },
  { kind: 'Deployment', name: 'checkout' },
  { kind: 'Service', name: 'checkout' },
];
const valuesOf = ({ options }: Suggestions) => options.map(({ value }) => value);

describe('targets by what is typed', () => {
  it.each([
    ['', ['statefulset/ledger', 'deployment/pre-checkout', 'deployment/checkout', 'service/checkout']],
    ['check', ['deployment/checkout', 'service/checkout', 'deployment/pre-checkout']],
    ['CHECK', ['deployment/checkout', 'service/checkout', 'deployment/pre-checkout']],
    ['deploy/check', ['deployment/checkout', 'deployment/pre-checkout']],
    ['svc/', ['service/checkout']],
    ['cm/check', []],
    ['nothing', []],
  ])('%j', (typed, values) => {
    expect(valuesOf(suggestedTargets(ALL, typed))).toEqual(values);
  });

  it('say how many more there are', () => {
    const many = Array.from({ length: 5000 }, (_, i) => ({ kind: 'Deployment', name: `shop-${i}` }));
    const found = suggestedTargets(many, 'shop');
    expect(found.options).toHaveLength(100);
    expect(toSlack(found)).toMatchObject({
      option_groups: [{ label: { text: '100 of 5000: type more of the name' } }],
    });
    expect(valuesOf(suggestedTargets(many, 'shop-4999'))).toEqual(['deployment/shop-4999']);
  });

  it('while workloads are not known are what is typed, where that is a target', () => {
    expect(valuesOf(typedTarget('deploy/checkout'))).toEqual(['deployment/checkout']);
    for (const typed of ['', 'checkout', 'deploy/', 'cm/x']) expect(valuesOf(typedTarget(typed))).toEqual([]);
  });

  it('are told apart by their ends where their names are long', () => {
    const [one, other] = suggestedTargets(
      ['a', 'b'].map((end) => ({ kind: 'Deployment', name: 'x'.repeat(90) + end })),
      '',
    ).options;
    expect(one?.description).not.toEqual(other?.description);
  });
});

describe('namespaces by what is typed', () => {
  it('begin with those that begin with it', () => {
    expect(valuesOf(suggestedNamespaces(OFFER, 'pay'))).toEqual(['payments', 'pre-payments']);
  });
});

describe('lengths by what is typed', () => {
  it.each([
    ['', ['15m', '30m', '45m', '1h', '1h30m']],
    ['20 minutes', ['20m']],
    ['4', ['45m', '4m']],
    ['1', ['15m', '1h', '1h30m', '1m']],
    ['soon', []],
    ['-5m', []],
    ['0', []],
  ])('%j', (typed, values) => {
    expect(valuesOf(suggestedDurations(OFFER, typed))).toEqual(values);
  });

  it('of what is too long say the maximum', () => {
    expect(suggestedDurations(OFFER, '1d')).toMatchObject({
      heading: '1h30m is the most',
      options: [{ value: '1h30m' }],
    });
  });
});

describe('whatever is typed, and whatever there is', () => {
  const odd = fc.oneof(fc.string({ unit: 'grapheme' }), fc.string({ maxLength: 300 }), fc.constantFrom('deploy/', '4'));

  it('is what Slack takes', () => {
    const named = fc.record({ kind: fc.constantFrom('Deployment', 'Service'), name: odd });
    fc.assert(
      fc.property(fc.array(named, { maxLength: 250 }), odd, (all, typed) => {
        const names = all.map(({ name }) => name);
        for (const found of [
          suggestedTargets(all, typed),
          suggestedNamespaces({ ...OFFER, namespaces: names }, typed),
          suggestedDurations(OFFER, typed),
          typedTarget(typed),
        ])
          expect(suggestionErrors(toSlack(found))).toEqual([]);
      }),
    );
  });

  it('no length is longer than the profile allows, and each is one', () => {
    fc.assert(
      fc.property(odd, fc.integer({ min: 1, max: 200_000 }), (typed, maximumDuration) => {
        const offer = { ...OFFER, maximumDuration, defaultDuration: maximumDuration };
        for (const value of valuesOf(suggestedDurations(offer, typed)))
          expect(wholeDuration(value ?? '')).toSatisfy(
            (seconds: number | null) => seconds !== null && seconds <= maximumDuration,
          );
      }),
    );
  });
});
