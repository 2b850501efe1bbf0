import { describe, expect, it } from 'vitest';
import { nearest } from '../../../src/domain/nearest.ts';

describe('the nearest word', () => {
  const words = ['check', 'explain', 'requesters', 'approvers', 'deny'];
  it.each([
    ['chek', 'check'],
    ['hceck', 'check'],
    ['Requester', 'requesters'],
    ['denny', 'deny'],
    ['approver', 'approvers'],
  ])('to %s is %s', (word, meant) => {
    expect(nearest(word, words)).toBe(meant);
  });
  it.each([
    // Of up to five letters one may be wrong, of six two, of nine three.
    ['dn', 'dny', 'dny'],
    ['ab', 'cd', null],
    ['polixx', 'policy', 'policy'],
    ['polxxx', 'policy', null],
    ['approxxxx', 'approvers', null],
    ['approvxxx', 'approvers', 'approvers'],
    // Letters swapped with a neighbour count as one.
    ['yneb', 'deny', null],
    ['edny', 'deny', 'deny'],
    ['dney', 'deny', 'deny'],
    ['ab', 'ba', 'ba'],
    ['aab', 'aba', 'aba'],
    ['abcd', 'badc', null],
    // A longer word than any of ours is only itself.
    ['a'.repeat(64), `${'a'.repeat(63)}b`, `${'a'.repeat(63)}b`],
    ['a'.repeat(65), `${'a'.repeat(64)}b`, null],
    ['a'.repeat(65), 'a'.repeat(65), 'a'.repeat(65)],
    ['a'.repeat(65), 'a'.repeat(64), null],
    ['a'.repeat(64), 'a'.repeat(65), null],
  ])('%s for %s: %s', (word, candidate, found) => {
    expect(nearest(word, [candidate])).toBe(found);
  });
  it('of two that are as near is the first', () => {
    expect(nearest('axc', ['abc', 'adc'])).toBe('abc');
    expect(nearest('adc', ['abc', 'adc'])).toBe('adc');
  });
  it.each(['', 'x', 'zebra', 'a'.repeat(1000)])('to %j is none', (word) => {
    expect(nearest(word, words)).toBeNull();
  });
});
