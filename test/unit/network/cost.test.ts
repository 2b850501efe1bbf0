import { describe, expect, test } from 'vitest';
import { affordable, mustBeFew, TooLarge } from '../../../src/network/cost.ts';
import { atOnce } from '../../../src/network/steps.ts';
import type { NetworkPolicy } from '../../../src/network/types.ts';
import { cluster, pod, policy } from './build.ts';

const numbers = (count: number): number[] => [...Array(count).keys()];

/** One policy of so many blocks, each rule with so many ports: what it costs is about their product. */
function blocksTimesPorts(namespace: string, blocks: number, ports: number, name = 'many'): NetworkPolicy {
  const to = numbers(blocks).map((index) => ({ ipBlock: { cidr: `${1 + (index >> 8)}.${index & 255}.0.0/16` } }));
  return policy(namespace, name, {
    podSelector: {},
    policyTypes: ['Egress'],
    egress: [{ to, ports: numbers(ports).map((index) => ({ port: 1 + index * 2 })) }],
  });
}
const small = policy('small', 'deny', { podSelector: {} });
const keptOf = (policies: readonly NetworkPolicy[], needed: readonly string[] = []) => {
  const { cluster: left, tooLarge } = atOnce(affordable(cluster([pod('small', 'a')], policies), needed));
  return { kept: left.policies.map(({ metadata }) => metadata?.namespace), tooLarge };
};

describe('the policies of a cluster', () => {
  test('are all kept, as the very same cluster, where they are not too many', () => {
    const given = cluster([pod('small', 'a')], [small, blocksTimesPorts('big', 1000, 100)]);
    const { cluster: left, tooLarge } = atOnce(affordable(given, []));
    expect(left).toBe(given);
    expect(tooLarge.size).toBe(0);
  });

  test('of a namespace that has too many are left out, and it is said what they are', () => {
    const { kept, tooLarge } = keptOf([small, blocksTimesPorts('greedy', 6000, 200)], ['greedy']);
    expect(kept).toEqual(['small']);
    expect([...tooLarge]).toEqual([
      [
        'greedy',
        'the NetworkPolicies of namespace greedy (1 with 1 rule, 6,000 address blocks, 200 port ranges, 0 selector terms)',
      ],
    ]);
  });

  test('are counted by where ports begin and end: the same ports in many rules are the same', () => {
    const alike = numbers(300).map((index) => blocksTimesPorts('alike', 20, 1, `policy-${index}`));
    expect(keptOf(alike).tooLarge.size).toBe(0);
  });

  test('count for nothing in rules without blocks, but for their length', () => {
    const ports = numbers(5000).map((index) => ({ port: 1 + index * 2 }));
    const many = policy('long', 'ports', { podSelector: {}, policyTypes: ['Egress'], egress: [{ ports }] });
    expect(keptOf([many, blocksTimesPorts('long', 4000, 1)]).tooLarge.size).toBe(0);
  });

  test('that are too many together are left out from the largest on, those that are needed last', () => {
    const each = numbers(6).map((index) => blocksTimesPorts(`n${index}`, 2000, 400 + index));
    expect(keptOf([...each, small]).kept).toEqual(['n0', 'n1', 'n2', 'n3', 'small']);
    expect(keptOf([...each, small], ['n5']).kept).toEqual(['n0', 'n1', 'n2', 'n5', 'small']);
  });
});

test('what policies tell apart is too much by the pairs it makes', () => {
  expect(() => mustBeFew(200, 900, 100)).not.toThrow();
  expect(() => mustBeFew(200, 900, 101)).toThrow(TooLarge);
  expect(() => mustBeFew(200, 901, 100)).toThrow(/200 kinds of pods here, 1,001 kinds of pods and addresses/);
});
