import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { judgeVerdict, type ProbeVerdict, parseVerdict } from '../../../../src/domain/plan/probe.ts';

const UNKNOWN: ProbeVerdict = { target: 'unknown', canary: 'unknown' };
const said = (canary: ProbeVerdict['canary'], target: ProbeVerdict['target'] = 'answers'): ProbeVerdict => ({
  target,
  canary,
});

describe('a probe’s last words', () => {
  test('are read', () => {
    expect(parseVerdict('{"v":1,"target":"silent","canary":"silent"}\n')).toEqual(said('silent', 'silent'));
  });

  test.each([
    '',
    'Error: no such file',
    'null',
    '{}',
    '{"v":2,"target":"answers","canary":"silent"}',
    '{"v":1,"target":"answers","canary":"quiet"}',
    '{"v":1,"target":"answers"}',
    '[{"v":1,"target":"answers","canary":"silent"}]',
    '{"v":1,"target":"answers","canary":"silent"}x',
  ])('that are none of its own say nothing: %s', (text) => {
    expect(parseVerdict(text)).toEqual(UNKNOWN);
  });

  test('never throw, and never say more than they do', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        expect(parseVerdict(text)).toEqual(UNKNOWN);
      }),
    );
  });
});

describe('a verdict', () => {
  const refusal = (text: RegExp) =>
    expect.objectContaining({
      name: 'Refusal',
      rule: 'profiles.debug.network.strict',
      message: expect.stringMatching(text) as string,
    });

  test.each([
    ['the canary answers', said('answers'), /does not enforce NetworkPolicies: .*no access was given: install/],
    ['nobody knows', UNKNOWN, /could not be checked\. .*canary .* Ready and that PROBE_IMAGE is set/],
    ['there was no probe', null, /could not be checked/],
  ])('under strict refuses, with what to do, when %s', (_what, verdict, text) => {
    expect(() => judgeVerdict(verdict, 'debug', true)).toThrow(refusal(text));
    expect(judgeVerdict(verdict, 'debug', false).join(' ')).toMatch(
      verdict?.canary === 'answers' ? /does not enforce NetworkPolicies/ : /could not be checked/,
    );
  });

  test.each([true, false])('of a silent canary needs no words (strict: %s), a silent target some', (strict) => {
    expect(judgeVerdict(said('silent'), 'debug', strict)).toEqual([]);
    expect(judgeVerdict(said('silent', 'unknown'), 'debug', strict)).toEqual([]);
    expect(judgeVerdict(said('silent', 'silent'), 'debug', strict)).toEqual([
      expect.stringContaining('The target did not answer'),
    ]);
  });
});
