import { describe, expect, it } from 'vitest';
import { jobKey, parseDeed, parseWord } from '../../../../src/adapters/queue/jobs.ts';
import type { Job } from '../../../../src/app/ports/scheduler.ts';

const id = 'g-7k3fq2';

describe('payloads of the queue', () => {
  it.each<Job>([
    { v: 1, kind: 'apply', id },
    { v: 1, kind: 'revoke', id },
    { v: 1, kind: 'remind', id },
  ])('$kind is a deed', (job) => {
    expect(parseDeed(structuredClone(job))).toEqual({ job });
    expect(parseWord(job)).toHaveProperty('problem');
  });

  it.each<Job>([
    { v: 1, kind: 'tell', id, news: 'asked-again' },
    { v: 1, kind: 'alarm', id: null, text: 'a stranger' },
    { v: 1, kind: 'alarm', id, text: 'a stranger' },
  ])('$kind is a word', (job) => {
    expect(parseWord(structuredClone(job))).toEqual({ job });
    expect(parseDeed(job)).toHaveProperty('problem');
  });

  it('drops members that a newer version added, so that no right can ride along', () => {
    expect(parseDeed({ v: 1, kind: 'apply', id, rules: ['*'] })).toEqual({ job: { v: 1, kind: 'apply', id } });
  });

  it.each([
    null,
    'x',
    [],
    {},
    { v: 2, kind: 'apply', id },
    { v: 1, kind: 'apply', id: 'G-7K3FQ2' },
    { v: 1, kind: 'apply' },
  ])('%j is none', (payload) => {
    expect(parseDeed(payload)).toHaveProperty('problem');
    expect(parseWord(payload)).toHaveProperty('problem');
  });

  it('have keys that name them, without a colon', () => {
    expect(jobKey({ v: 1, kind: 'revoke', id })).toBe('revoke.g-7k3fq2');
    expect(jobKey({ v: 1, kind: 'tell', id, news: 'ended' })).toBe('tell.g-7k3fq2.ended');
    expect(jobKey({ v: 1, kind: 'alarm', id, text: 'a: b' })).toMatch(/^alarm\.g-7k3fq2\.[0-9a-f]{16}$/);
    expect(jobKey({ v: 1, kind: 'alarm', id: null, text: 'a' })).not.toBe(
      jobKey({ v: 1, kind: 'alarm', id: null, text: 'b' }),
    );
  });
});
