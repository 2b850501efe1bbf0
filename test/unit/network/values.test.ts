import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { contains, overlaps, parseCidr } from '../../../src/network/cidr.ts';
import {
  ALL_PORTS,
  fromRanges,
  includesPort,
  intersect,
  isEmpty,
  type PortSet,
  partition,
  subtract,
  toRanges,
  union,
  unionAll,
} from '../../../src/network/portset.ts';
import type { PortRange, Protocol } from '../../../src/network/types.ts';

describe('port sets', () => {
  const range: fc.Arbitrary<PortRange> = fc
    .tuple(
      fc.constantFrom<Protocol>('TCP', 'UDP', 'SCTP'),
      fc.integer({ min: 1, max: 12 }),
      fc.integer({ min: 0, max: 6 }),
    )
    .map(([protocol, from, length]) => ({ protocol, from, to: from + length }));
  const ranges = fc.array(range, { maxLength: 6 });
  const holds = (list: readonly PortRange[], protocol: Protocol, port: number): boolean =>
    list.some((item) => item.protocol === protocol && item.from <= port && port <= item.to);

  test('union, intersection and difference are those of sets, in one canonical form', () => {
    fc.assert(
      fc.property(ranges, ranges, (a, b) => {
        const [setA, setB] = [fromRanges(a), fromRanges(b)];
        const laws: [PortSet, (inA: boolean, inB: boolean) => boolean][] = [
          [union(setA, setB), (inA, inB) => inA || inB],
          [intersect(setA, setB), (inA, inB) => inA && inB],
          [subtract(setA, setB), (inA, inB) => inA && !inB],
        ];
        for (const [set, law] of laws) {
          for (const protocol of ['TCP', 'UDP', 'SCTP'] as const) {
            for (let port = 1; port <= 20; port++) {
              expect(includesPort(set, protocol, port)).toBe(law(holds(a, protocol, port), holds(b, protocol, port)));
            }
          }
          expect(fromRanges(toRanges(set).toReversed())).toEqual(set);
        }
      }),
    );
  });

  test('many sets together, and cut into pieces by who holds what, are those of sets', () => {
    fc.assert(
      fc.property(fc.array(ranges, { maxLength: 5 }), (lists) => {
        const sets = lists.map(fromRanges);
        const pieces = partition(sets);
        expect(unionAll(pieces.map(({ ports }) => ports))).toEqual(unionAll(sets));
        for (const protocol of ['TCP', 'UDP', 'SCTP'] as const)
          for (let port = 1; port <= 20; port++) {
            const holders = lists.flatMap((list, index) => (holds(list, protocol, port) ? [index] : []));
            expect(includesPort(unionAll(sets), protocol, port)).toBe(holders.length > 0);
            const found = pieces.filter(({ ports }) => includesPort(ports, protocol, port));
            expect(found.map((piece) => piece.sets)).toEqual(holders.length > 0 ? [holders] : []);
          }
      }),
    );
  });

  test('all ports and none are what they are together with others', () => {
    const some = fromRanges([{ protocol: 'TCP', from: 80, to: 90 }]);
    const none: PortSet = [];
    expect([union(some, ALL_PORTS), union(ALL_PORTS, some), union(none, some), union(some, none)]).toEqual([
      ALL_PORTS,
      ALL_PORTS,
      some,
      some,
    ]);
    expect([
      intersect(some, ALL_PORTS),
      intersect(ALL_PORTS, some),
      intersect(none, some),
      intersect(some, none),
    ]).toEqual([some, some, none, none]);
    expect([subtract(some, ALL_PORTS), subtract(none, some), subtract(some, none), subtract(some, some)]).toEqual([
      none,
      none,
      some,
      none,
    ]);
    expect(toRanges(subtract(ALL_PORTS, some)).slice(0, 2)).toEqual([
      { protocol: 'TCP', from: 1, to: 79 },
      { protocol: 'TCP', from: 91, to: 65535 },
    ]);
  });

  test('all ports are 1-65535 of each protocol; what does not exist is left out', () => {
    expect(toRanges(ALL_PORTS)).toEqual(
      (['TCP', 'UDP', 'SCTP'] as const).map((protocol) => ({ protocol, from: 1, to: 65535 })),
    );
    expect(subtract(ALL_PORTS, fromRanges(toRanges(ALL_PORTS)))).toEqual([]);
    expect(toRanges(fromRanges([{ protocol: 'UDP', from: 0, to: 70000 }]))).toEqual([
      { protocol: 'UDP', from: 1, to: 65535 },
    ]);
    expect(isEmpty(fromRanges([{ protocol: 'TCP', from: 9, to: 8 }]))).toBe(true);
  });

  test('ranges that touch become one, but never across protocols', () => {
    const set = fromRanges([
      { protocol: 'TCP', from: 80, to: 81 },
      { protocol: 'TCP', from: 82, to: 65535 },
      { protocol: 'UDP', from: 1, to: 1 },
    ]);
    expect(toRanges(set)).toEqual([
      { protocol: 'TCP', from: 80, to: 65535 },
      { protocol: 'UDP', from: 1, to: 1 },
    ]);
  });
});

describe('blocks of addresses', () => {
  test.each([
    ['10.1.2.3/8', '10.0.0.0/8'],
    ['192.168.1.1', '192.168.1.1/32'],
    ['010.0.0.08/32', '10.0.0.8/32'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['::/0', '::/0'],
    ['2001:DB8:0:0:1::5/64', '2001:db8::/64'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1/128'],
    ['1:0:2:0:0:0:3:4', '1:0:2::3:4/128'],
    ['fe80::10:0:0:1', 'fe80::10:0:0:1/128'],
    ['::ffff:10.0.0.1', '::ffff:a00:1/128'],
    ['1::', '1::/128'],
    ['255.0.0.255', '255.0.0.255/32'],
    ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8/128'],
    ['1:2:3:4:5:6:10.0.0.1', '1:2:3:4:5:6:a00:1/128'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0/128'],
    // Of two runs of zeros as long as each other the first is shortened (RFC 5952).
    ['1:0:0:2:3:0:0:4', '1::2:3:0:0:4/128'],
    ['::/128', '::/128'],
  ])('%s is %s', (text, canonical) => expect(parseCidr(text).text).toBe(canonical));

  test.each([
    '',
    '10.0.0/8',
    '10.0.0.256',
    '10.0.0.0/33',
    '10.0.0.0/x',
    '10.0.0.0/8/8',
    '1:2',
    '1::2::3',
    '::/129',
    'fe80::g',
    '1.2.3.4.5',
    '10..0.1',
    '256.0.0.1',
    '10.0.0.1.',
    '10-0.0.1',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7:8::',
    '1:2:3:4:5:6:7',
    '10.0.0.1:2:3:4:5:6:7',
    '1:2:3:4:5:6:10.0.0.1:7',
    '::10.0.0.256',
    'g::1',
    '1::g',
    '1::2::',
  ])('%o is refused', (text) => expect(() => parseCidr(text)).toThrow(/not an address/));

  test('blocks nest or are apart, and families never meet', () => {
    const [ten, inner, other, six] = ['10.0.0.0/8', '10.200.0.0/16', '11.0.0.0/8', '::/0'].map(parseCidr) as [
      ReturnType<typeof parseCidr>,
      ReturnType<typeof parseCidr>,
      ReturnType<typeof parseCidr>,
      ReturnType<typeof parseCidr>,
    ];
    expect([contains(ten, inner), contains(inner, ten), contains(ten, other), contains(six, ten)]).toEqual([
      true,
      false,
      false,
      false,
    ]);
    expect([overlaps(inner, ten), overlaps(ten, inner), overlaps(ten, other)]).toEqual([true, true, false]);
    const [first, last, whole] = ['10.0.0.0/9', '10.128.0.0/9', '10.0.0.0/8'].map(parseCidr) as [
      ReturnType<typeof parseCidr>,
      ReturnType<typeof parseCidr>,
      ReturnType<typeof parseCidr>,
    ];
    expect([contains(ten, first), contains(ten, last), contains(ten, whole)]).toEqual([true, true, true]);
    expect([contains(first, ten), contains(last, ten), contains(first, last)]).toEqual([false, false, false]);
  });
});
