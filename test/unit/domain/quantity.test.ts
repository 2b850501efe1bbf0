import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { beyond, formatQuantity, parseQuantity } from '../../../src/domain/quantity.ts';

describe('amounts of CPU and memory', () => {
  it.each([
    ['cpu', '500m', 500, '500m'],
    ['cpu', '10m', 10, '10m'],
    ['cpu', '2', 2000, '2'],
    ['cpu', '1000m', 1000, '1'],
    ['cpu', '64', 64_000, '64'],
    ['memory', '32Mi', 32, '32Mi'],
    ['memory', '1536Mi', 1536, '1536Mi'],
    ['memory', '2048Mi', 2048, '2Gi'],
    ['memory', '256Gi', 262_144, '256Gi'],
  ] as const)('%s %s is %i, written %s', (name, text, amount, written) => {
    expect(parseQuantity(name, text)).toBe(amount);
    expect(formatQuantity(name, amount)).toBe(written);
  });

  it.each([
    ['cpu', ['0', '0m', '-1', '1e9', '9m', '65', '64001m', '0.5', '1.5', '2 ', '02', '500M', '1Ki', '', 'NaN', '٢']],
    ['memory', ['0', '0Mi', '-512Mi', '1e9', '1Ki', '31Mi', '257Gi', '512', '512M', '1G', '0.5Gi', '1 Gi', '1Ti', '']],
  ] as const)('%s takes nothing else', (name, texts) => {
    expect(texts.filter((text) => parseQuantity(name, text) !== null)).toEqual([]);
  });

  it('are the same when they are written and read again', () => {
    fc.assert(
      fc.property(fc.integer({ min: 10, max: 64_000 }), fc.integer({ min: 32, max: 262_144 }), (cpu, memory) => {
        expect(parseQuantity('cpu', formatQuantity('cpu', cpu))).toBe(cpu);
        expect(parseQuantity('memory', formatQuantity('memory', memory))).toBe(memory);
      }),
    );
  });

  it('are held against the most that there may be; what can not be read is too much', () => {
    const most = { cpu: '2', memory: '4Gi' };
    expect(beyond({ cpu: '2000m', memory: '4096Mi' }, most)).toEqual([]);
    expect(beyond({ cpu: '2001m', memory: '5Gi' }, most)).toEqual([
      '2001m of cpu, and 2 is the most here',
      '5Gi of memory, and 4Gi is the most here',
    ]);
    expect(beyond({ cpu: 'lots', memory: '1Gi' }, most)).toHaveLength(1);
  });
});
