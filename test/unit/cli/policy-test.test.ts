import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { runPolicy } from '../../support/policy-cli.ts';

const shipped = (name: string) => fileURLToPath(new URL(`../../../${name}`, import.meta.url));
const example = shipped('policy.example.yaml');
let dir = '';
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'drawbridge-cases-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const ada = {
  name: 'it',
  person: 'ada@example.test',
  memberOf: ['C0ENGINEER1'],
  ask: 'debug staging/deploy/checkout 30m',
};
/** Tries cases, as they are written into a file, against the example policy. */
async function tried(cases: unknown, ...more: string[]) {
  const file = join(dir, 'cases.yaml');
  await writeFile(file, typeof cases === 'string' ? cases : stringify({ cases }));
  return runPolicy('test', example, file, ...more);
}

describe('npm run policy -- test', () => {
  it('has the shipped cases of the example policy as expected', async () => {
    const { code, out, err } = await runPolicy('test', example, shipped('policy.example.cases.yaml'));
    expect([code, err, out]).toEqual([0, '', expect.stringMatching(/: \d+ as expected, 0 not$/)]);
  });

  it.each<[string, object, string]>([
    [
      'another outcome',
      { expect: 'automatic' },
      'it: expected automatic, is people 1 needed (Rule: profiles.debug.requesters (channels: C0ENGINEER1))',
    ],
    [
      'refused, and why',
      { memberOf: [], expect: 'people' },
      "it: expected people, is refused You can't request 'debug' (it needs channel C0ENGINEER1). (Rule: profiles.debug.requesters)",
    ],
    ['other approvals', { expect: 'people', approvals: 2 }, 'it: expected 2 approvals, is 1'],
    [
      'another rule',
      { expect: 'people', rule: 'profiles.view' },
      'it: expected the rule profiles.view, is profiles.debug.requesters (channels: C0ENGINEER1)',
    ],
    [
      'a profile that there is not',
      { ask: 'constructor staging', expect: 'people' },
      "There is no profile 'constructor'",
    ],
    ['a line that can not be read', { ask: 'debug staging/checkout', expect: 'people' }, '(Rule: line)'],
    ['somebody who is nobody', { person: 'ada@elsewhere.test', expect: 'people' }, '(Rule: identity)'],
  ])('says %s', async (_what, change, words) => {
    const { code, err, out } = await tried([
      { ...ada, ...change },
      { ...ada, expect: 'people' },
    ]);
    expect([code, out]).toEqual([1, expect.stringContaining('1 as expected, 1 not')]);
    expect(err).toContain(words);
  });

  it('is -o json for programs', async () => {
    const { code, out, err } = await tried(
      [
        { ...ada, expect: 'refused' },
        { ...ada, expect: 'people' },
      ],
      '-o',
      'json',
    );
    expect([code, err]).toEqual([1, '']);
    expect(JSON.parse(out)).toEqual({
      version: 1,
      passed: 1,
      failed: [{ name: 'it', problems: [expect.stringMatching(/^expected refused, is people/)] }],
    });
  });

  it.each<[string, unknown, RegExp]>([
    ['an unknown key', [{ ...ada, expect: 'people', hope: 1 }], /cases\.yaml: cases\.0: .*hope/],
    ['an unknown outcome', [{ ...ada, expect: 'maybe' }], /cases\.0\.expect/],
    ['no target', [{ ...ada, ask: 'debug', expect: 'people' }], /cases\.0\.ask: expected <profile>/],
    ['no cases', [], /cases\.yaml: cases: /],
    ['no YAML', 'cases: [', /cases\.yaml: /],
    ['a handle for a group', [{ ...ada, memberOf: ['@sre'], expect: 'people' }], /begins with S, C or G/],
  ])('takes no file with %s', async (_what, cases, problem) => {
    expect(await tried(cases)).toMatchObject({ code: 2, out: '', err: expect.stringMatching(problem) });
  });

  it('is wrong without two files, or with another format', async () => {
    expect((await runPolicy('test', example)).code).toBe(2);
    expect((await runPolicy('test', example, 'a', 'b')).code).toBe(2);
    expect((await runPolicy('test', example, 'a', '-o', 'xml')).code).toBe(2);
  });

  it('says that a file is not there', async () => {
    const { code, err } = await runPolicy('test', join(dir, 'nope.yaml'), join(dir, 'nor this.yaml'));
    expect(code).toBe(2);
    expect(err).toMatch(/nope\.yaml.*nor this\.yaml/s);
  });
});
