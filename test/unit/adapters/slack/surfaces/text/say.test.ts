import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { saidMessage, sayError } from '../../../../../../src/adapters/slack/surfaces/text/say.ts';
import { Refusal, touching, Unavailable, UnreadableMembers } from '../../../../../../src/domain/errors.ts';
import { IllegalTransition } from '../../../../../../src/domain/grant/grant.ts';

function listening() {
  const lines: string[] = [];
  const log = pino({ level: 'info' }, { write: (line: string) => lines.push(line) });
  return { log, logged: () => lines.join('') };
}

describe('what a person reads of an error', () => {
  it('is the reason, the remedy and the rule of a refusal', () => {
    const { log } = listening();
    const refusal = new Refusal('profiles.debug.requesters', 'Not yours to ask for.', 'Ask Cy.');
    expect(sayError(refusal, 'request', log)).toEqual({
      text: 'Not yours to ask for. Ask Cy. (Rule: profiles.debug.requesters)',
      refusal,
    });
  });

  it('names a list that can not be read as Slack does, to that person alone', () => {
    const { log } = listening();
    const said = (list: string) =>
      saidMessage(
        sayError(
          new UnreadableMembers('profiles.debug.approvers', list, 19.2, 'Whether <you> are one is not known.'),
          'approve',
          log,
        ),
      );
    expect(said('S0SRE')).toMatchObject({
      text: expect.stringMatching(/^Who is in S0SRE can't be read now\. .* Try again in 20 s\. \(Rule: /),
      blocks: [
        { text: { type: 'mrkdwn', text: expect.stringMatching(/^Who is in <!subteam\^S0SRE> can't .*&lt;you&gt;/) } },
      ],
    });
    expect(said('C0ENG').blocks).toMatchObject([{ text: { text: expect.stringContaining('in <#C0ENG> can') } }]);
    const other = new Refusal('target', 'Who is in S0SRE <!here>');
    expect(saidMessage(sayError(other, 'x', log)).blocks).toMatchObject([{ text: { type: 'plain_text' } }]);
  });

  it('is the dependency that is away, and not its secrets', () => {
    const { log, logged } = listening();
    const cause = new Error('connect ECONNREFUSED redis://:hunter2@10.0.0.1');
    const { text } = sayError(new Unavailable('Redis', 'get failed', { cause }), 'list', log);
    expect(text).toContain('Redis does not answer');
    expect(text).toContain('try again');
    expect(text).not.toMatch(/hunter2|ECONNREFUSED|get failed/);
    expect(logged()).toContain('get failed');
    expect(text).toContain('may not have been carried through');
  });

  it('is that nothing was done, where that is certain', () => {
    const { log } = listening();
    const { text } = sayError(new Unavailable('Redis', 'OOM', { untouched: true }), 'request', log);
    expect(text).toMatch(/^Redis does not answer as it should, so nothing was requested or changed\. Try again/);
  });

  it('is when to try again, where the dependency says so, also once it is known what was changed', () => {
    const { log } = listening();
    const limited = new Unavailable('Slack', 'users.info is rate limited', { retryIn: 18.2 });
    for (const error of [limited, touching(limited, false)])
      expect(sayError(error, 'list', log).text).toMatch(/ry again in 19 s\./);
    expect(sayError(new Unavailable('Slack', 'away'), 'list', log).text).toContain('try again in a minute.');
  });

  it('says no time for a list that can not be read before somebody changes something', () => {
    const { log } = listening();
    const { text } = sayError(new UnreadableMembers('rule', 'S0SRE', null, 'Not known.'), 'approve', log);
    expect(text).toBe(
      "Who is in S0SRE can't be read now. Not known. Tell an administrator of Drawbridge. (Rule: rule)",
    );
  });

  it('is a reference of anything else, which the log has too', () => {
    const { log, logged } = listening();
    const { text } = sayError(new TypeError("Cannot read properties of undefined (reading 'secret')"), 'list', log);
    expect(text).not.toMatch(/undefined|secret|TypeError/);
    const reference = /Reference: ([0-9a-f]{6})/.exec(text)?.[1];
    expect(reference).toBeDefined();
    expect(logged()).toContain(`"reference":"${reference}"`);
    expect(logged()).toContain("reading 'secret'");
  });

  it('is that somebody was faster, where a transition is not possible any more', () => {
    const { log } = listening();
    expect(sayError(new IllegalTransition('g-7k3fq2', 'denied', 'approved'), 'approve', log).text).toContain(
      'somebody was faster',
    );
  });

  it('is safe for things that are no errors', () => {
    const { log } = listening();
    expect(sayError('boom', 'x', log).text).toContain('Something went wrong');
  });
});
