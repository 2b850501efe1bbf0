import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isKey, type KeyPattern, parseKeyPattern } from '../../../../src/domain/policy/key-pattern.ts';

const matches = (pattern: string, text: string) => isKey(parseKeyPattern(pattern) as KeyPattern, text);

describe('a pattern of ticket keys', () => {
  test.each<[pattern: string, yes: string[], no: string[]]>([
    [
      '[A-Z]{2,10}-[0-9]+',
      ['OPS-1', 'AB-123456', 'ABCDEFGHIJ-0'],
      ['O-1', 'ABCDEFGHIJK-1', 'OPS-', 'ops-1', 'xOPS-1', 'OPS-1x', 'OPS-1\n', ' OPS-1', ''],
    ],
    ['OPS-\\d{3}|#\\d+', ['OPS-123', '#7'], ['OPS-12', 'OPS-1234', '7', 'OPS-123|#7']],
    ['[A-Z]+[A-Z]+[0-9]?-1', ['AB-1', 'ABC9-1'], ['A-1']],
    ['a{0,2}b*c', ['c', 'aac', 'aabbbc'], ['aaac', 'aab']],
    ['x{64}', ['x'.repeat(64)], ['x'.repeat(63), 'x'.repeat(65)]],
    ['x+', ['x'.repeat(64)], ['x'.repeat(65)]],
  ])('%s is matched whole', (pattern, yes, no) => {
    expect(yes.filter((text) => !matches(pattern, text))).toEqual([]);
    expect(no.filter((text) => matches(pattern, text))).toEqual([]);
  });

  test.each([
    '',
    '^OPS-1$',
    '(OPS)-1',
    'OPS-.',
    '.*',
    '\\w+',
    '\\D',
    '[^A]',
    '[]',
    '[Z-A]',
    '[A-z]',
    '[0-Z]',
    'A{2',
    'A{3,2}',
    'A{65}',
    'A{1,99}',
    'a**',
    '+',
    'A|',
    '|',
    'a*',
    '[A-Z]*',
    'OPS 1',
    'é',
    '[\u212A]',
    'x'.repeat(129),
    '(a+)+',
    'OPS-1\\',
    '..',
  ])('%j is none', (pattern) => expect(parseKeyPattern(pattern)).toBeNull());

  test('is matched at once, where a regular expression would try for ever', () => {
    const many = '[A-Za-z0-9]*'.repeat(10);
    const started = performance.now();
    expect(matches(`${many}-`, 'a'.repeat(64))).toBe(false);
    expect(performance.now() - started).toBeLessThan(2000);
  });

  test('says the same as a regular expression', () => {
    const atom = fc.tuple(
      fc.constantFrom('A', '-', '[A-B]', '\\d', '[0-9A]'),
      fc.constantFrom('', '?', '+', '*', '{2}', '{1,2}', '{0,}'),
    );
    const pattern = fc
      .array(atom, { minLength: 1, maxLength: 5 })
      .map((atoms) => atoms.map((parts) => parts.join('')).join(''));
    const text = fc.string({ unit: fc.constantFrom('A', 'B', '-', '0', '9'), maxLength: 8 });
    fc.assert(
      fc.property(pattern, text, (source, key) => {
        const parsed = parseKeyPattern(source);
        // One that matches the empty text is refused.
        if (parsed === null) return new RegExp(`^(?:${source})$`).test('');
        return isKey(parsed, key) === new RegExp(`^(?:${source})$`).test(key);
      }),
    );
  });
});
