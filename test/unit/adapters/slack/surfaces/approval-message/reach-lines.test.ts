import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  inShort,
  pagesOf,
  type ReachSection,
} from '../../../../../../src/adapters/slack/surfaces/approval-message/reach-lines.ts';
import type { Connection, Endpoint } from '../../../../../../src/domain/plan/plan.ts';

const workload = (name: string, namespace = 'payments'): Endpoint => ({ namespace, kind: 'Deployment', name });
const CHECKOUT = workload('checkout', 'staging');
const TCP = (port: number) => ({ protocol: 'TCP', from: port, to: port });
const to = (end: Endpoint, change: Partial<Connection> = {}): Connection => ({
  from: CHECKOUT,
  to: end,
  ports: [TCP(8080)],
  reasons: [],
  pluginDependent: false,
  ...change,
});
const opens = (...connections: Connection[]): ReachSection => ({
  title: 'Opens',
  sign: '+',
  connections,
  unlisted: 0,
});
const short = (section: ReachSection, most = 8) => inShort([section], most)[0];

describe('connections in short', () => {
  it('say the end once that they have in common', () => {
    expect(short(opens(to(workload('api')), to(workload('db'))))).toEqual({
      title: 'Opens',
      common: { side: 'from', end: 'staging/deployment/checkout' },
      lines: ['+ payments/deployment/api 8080/TCP', '+ payments/deployment/db 8080/TCP'],
      left: 0,
      counted: false,
    });
    const from = (name: string) => to(CHECKOUT, { from: workload(name) });
    expect(short(opens(from('api'), from('db')))).toMatchObject({
      common: { side: 'to', end: 'staging/deployment/checkout' },
      lines: ['+ payments/deployment/api 8080/TCP', '+ payments/deployment/db 8080/TCP'],
    });
  });

  it('without such an end are grouped by where they lead', () => {
    const sources = ['a', 'b', 'c', 'd'].map((name) => to(CHECKOUT, { from: workload(name) }));
    expect(short(opens(...sources, to(workload('db'))))).toMatchObject({
      common: null,
      lines: [
        '+ staging/deployment/checkout → payments/deployment/db 8080/TCP',
        '+ payments/deployment/a, payments/deployment/b and 2 more → staging/deployment/checkout 8080/TCP',
      ],
    });
  });

  it('name addresses outside first, with the exceptions', () => {
    const outside = { cidr: '0.0.0.0/0', except: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16'] };
    expect(short(opens(to(workload('api')), to(outside)))?.lines).toEqual([
      '+ 0.0.0.0/0 except 10.0.0.0/8, 172.16.0.0/12 and 1 more 8080/TCP',
      '+ payments/deployment/api 8080/TCP',
    ]);
  });

  it('mark what holds for some pods only, or depends on the plugin', () => {
    const marked = to(workload('api'), { pods: '1 of 2 -> 1 of 1', pluginDependent: true });
    expect(short(opens(marked))?.lines).toEqual([
      '+ payments/deployment/api 8080/TCP (pods: 1 of 2 -> 1 of 1) (depends on the network plugin)',
    ]);
  });

  it.each([
    [[{ protocol: 'TCP', from: 1, to: 65_535 }], 'all TCP'],
    [['TCP', 'UDP', 'SCTP'].map((protocol) => ({ protocol, from: 1, to: 65_535 })), 'all ports'],
    [[TCP(80), { protocol: 'UDP', from: 5000, to: 5010 }], '80/TCP, 5000-5010/UDP'],
  ])('write ports as %2$s', (ports, text) => {
    expect(short(opens(to(workload('api'), { ports })))?.lines[0]).toBe(`+ payments/deployment/api ${text}`);
  });

  it('that are too many count the workloads of a namespace, as far as the same is true of them', () => {
    const many = Array.from({ length: 12 }, (_, i) => to(workload(`w${i}`)));
    const other = to(workload('db'), { ports: [TCP(5432)] });
    const apart = to(workload('mail', 'ops'));
    expect(short(opens(...many, other, apart))).toMatchObject({
      lines: [
        '+ ops/deployment/mail 8080/TCP',
        '+ payments/deployment/db 5432/TCP',
        '+ 12 workloads in payments 8080/TCP',
      ],
      left: 0,
    });
  });

  it('leave each section a line, and give the first what it needs', () => {
    const clients = Array.from({ length: 20 }, (_, i) => to(CHECKOUT, { from: workload('w', `n${i}`) }));
    const sections = [
      { title: 'Closes', sign: '-', connections: clients, unlisted: 0 },
      opens(to(workload('api')), to(workload('db'))),
      { title: 'Reaches', sign: '·', connections: clients.slice(0, 1), unlisted: 30 },
    ];
    const shown = inShort(sections, 8);
    expect(shown.map(({ lines, left }) => [lines.length, left])).toEqual([
      [6, 14],
      [1, 0],
      [1, 30],
    ]);
    expect(shown[1]?.lines).toEqual(['+ 2 workloads in payments 8080/TCP']);
  });
});

const end = fc.oneof(
  fc.record({
    namespace: fc.constantFrom('a', 'b', 'c'),
    kind: fc.constantFrom('Deployment', 'Job'),
    name: fc.constantFrom('x', 'y', 'z'),
  }),
  fc.record({ cidr: fc.constantFrom('0.0.0.0/0', '203.0.113.0/24') }),
);
const anyConnection: fc.Arbitrary<Connection> = fc.record({
  from: end,
  to: end,
  ports: fc.constantFrom([TCP(80)], [TCP(80), TCP(443)]),
  reasons: fc.array(fc.constantFrom('egress: not isolated', 'x'.repeat(900)), { maxLength: 2 }),
  pluginDependent: fc.boolean(),
});
const anySections = fc
  .array(fc.array(anyConnection, { minLength: 1, maxLength: 60 }), { maxLength: 3 })
  .map((lists) => lists.map((connections, i) => ({ title: `Section ${i}`, sign: '+', connections, unlisted: 0 })));

describe('by law', () => {
  it('a short text has as many lines as it may, and hides nothing that it does not count', () => {
    fc.assert(
      fc.property(anySections, fc.integer({ min: 1, max: 12 }), (sections, most) => {
        const shown = inShort(sections, most);
        expect(shown.reduce((sum, { lines }) => sum + lines.length, 0)).toBeLessThanOrEqual(
          Math.max(most, sections.length),
        );
        for (const [i, { lines, left }] of shown.entries()) {
          expect(lines.length).toBeGreaterThan(0);
          expect(left).toBeLessThan(sections[i]?.connections.length ?? 0);
          expect(left).toBeGreaterThanOrEqual(0);
        }
      }),
    );
  });

  it('all pages together hold every connection once, in order, and each page fits', () => {
    fc.assert(
      fc.property(anySections, (sections) => {
        const pages = pagesOf(sections);
        expect(pages.length).toBeGreaterThan(0);
        const lines = pages.flat().flatMap((piece) => piece.lines);
        const count = sections.reduce((sum, { connections }) => sum + connections.length, 0);
        expect(lines.filter((line) => line.startsWith('+ '))).toHaveLength(count);
        for (const page of pages.slice(1)) expect(page.length).toBeGreaterThan(0);
      }),
    );
  });
});
