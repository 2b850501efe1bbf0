import { describe, expect, it } from 'vitest';
import { isGrantId, newGrantId } from '../../../src/domain/ids.ts';

describe('ids of grants', () => {
  it('are short, readable aloud, and fit labels and names of Kubernetes', () => {
    for (let i = 0; i < 500; i++) {
      const id = newGrantId();
      expect(id).toMatch(/^g-[a-hjkmnp-tv-z2-9]{6}$/);
      expect(isGrantId(id)).toBe(true);
    }
  });

  it('do not repeat soon', () => {
    expect(new Set(Array.from({ length: 1000 }, () => newGrantId())).size).toBeGreaterThan(995);
  });

  it.each([
    '',
    'g-',
    'g-7k3fq',
    'g-7k3fq22',
    'G-7K3FQ2',
    'g-7k3fqo',
    'g-7k3fq1',
    'g-7k3fq2\n',
    'x-7k3fq2',
    'g-7k3fq2:x',
    '../7k3fq2',
  ])('%j is none', (text) => {
    expect(isGrantId(text)).toBe(false);
  });
});
