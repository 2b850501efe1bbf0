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
  it.each(['', 'x', 'zebra', 'a'.repeat(1000)])('to %j is none', (word) => {
    expect(nearest(word, words)).toBeNull();
  });
});
