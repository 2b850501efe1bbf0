import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createTickets } from '../../../../src/adapters/sources/tickets.ts';
import type { PersonalTicketUse } from '../../../../src/app/ports/tickets.ts';
import type { TicketSource } from '../../../../src/domain/policy/sources.ts';
import { badReplies, json, sourceServer } from '../../../support/source-server.ts';

/** What a ticket says, over HTTP, with the faults of other people's servers. */
const TOKEN = 'jira-token-4711';
let server: Awaited<ReturnType<typeof sourceServer>>;
let elsewhere: typeof server;
let warned: string[];
beforeEach(async () => {
  [server, elsewhere] = [await sourceServer(), await sourceServer()];
  warned = [];
});
afterEach(async () => {
  await server.close();
  await elsewhere.close();
});

const tickets = (jira = true, patience = 2000) =>
  createTickets({
    jira: jira ? { url: server.url, user: 'bot@example.test', token: TOKEN } : null,
    log: { warn: (...said: unknown[]) => void warned.push(JSON.stringify(said)) },
    patience,
  });
const use: PersonalTicketUse = {
  key: 'OPS-7',
  requester: { user: 'ada@example.test', addresses: ['ada@example.test'] },
  profile: 'debug',
  namespace: 'staging',
  workload: 'Deployment/checkout',
  duration: 1800,
  reason: 'OPS-7 checkout returns 502',
};
const byJira = (change: object = {}): TicketSource => ({
  pattern: '[A-Z]+-[0-9]+',
  jira: { projects: ['OPS', 'SEC'], status: ['In Progress'], ...change },
});
const byUrl = (): TicketSource => ({ pattern: '[A-Z]+-[0-9]+', url: `${server.url}/tickets` });
const person = (name: string) => ({ emailAddress: `${name}@example.test`, accountType: 'atlassian' });
const issue = (fields: object = {}, key: unknown = 'OPS-7') => ({
  id: '10007',
  key,
  fields: {
    summary: 'Checkout returns 502',
    status: { name: 'In Progress', id: '3' },
    project: { key: 'OPS' },
    reporter: person('ben'),
    creator: person('ben'),
    ...fields,
  },
});

describe('Jira', () => {
  test('is asked for the ticket, with the token in the header alone', async () => {
    server.replies(json(issue()));
    expect(await tickets().judge(byJira(), use)).toEqual({
      is: 'allowed',
      ticket: { key: 'OPS-7', title: 'Checkout returns 502', link: `${server.url}/browse/OPS-7` },
      until: null,
    });
    const [asked] = server.got;
    expect(asked?.url).toBe('/rest/api/3/issue/OPS-7?fields=summary%2Cstatus%2Cproject%2Creporter%2Ccreator');
    expect(asked?.headers.authorization).toBe(`Basic ${Buffer.from(`bot@example.test:${TOKEN}`).toString('base64')}`);
  });

  test.each(['a/../../../2/user', '../../user', 'OPS-7?expand=x', 'OPS-7#x', '%2e%2e'])(
    'is asked for a key %j as one part of the path',
    async (key) => {
      server.replies(json(issue()));
      await tickets().judge(byJira(), { ...use, key });
      expect(server.got[0]?.url).toMatch(/^\/rest\/api\/3\/issue\/[^/?]+\?fields=[^?]+$/);
    },
  );

  test.each<[string, object, RegExp]>([
    [
      'is in another status',
      issue({ status: { name: 'Done' } }),
      /is "Done" in Jira: it counts while it is "In Progress"/,
    ],
    ['is in another project', issue({ project: { key: 'FUN' } }), /not in a project that counts: OPS, SEC/],
    ['has moved', issue({ project: { key: 'SEC' } }, 'SEC-1'), /by another key now: SEC-1/],
    ['is found in other case', issue({}, 'ops-7'), /by another key now/],
  ])('refuses a ticket that %s', async (_what, answer, why) => {
    server.replies(json(answer));
    expect(await tickets().judge(byJira(), use)).toEqual({ is: 'refused', why: expect.stringMatching(why) });
  });

  test('refuses a ticket that it does not have or does not show', async () => {
    server.replies(json({ errorMessages: ['Issue does not exist'] }, 404));
    expect(await tickets().judge(byJira(), use)).toEqual({
      is: 'refused',
      why: 'Jira has no ticket OPS-7, or does not show it to Drawbridge.',
    });
  });

  test('compares the name of a status without case', async () => {
    server.replies(json(issue({ status: { name: 'IN PROGRESS' } })));
    expect(await tickets().judge(byJira(), use)).toMatchObject({ is: 'allowed' });
  });

  const hidden = { accountType: 'atlassian' };
  test.each<[string, object, RegExp | null]>([
    ['of somebody else', {}, null],
    ['that something automated has created for somebody else', { creator: { accountType: 'app' } }, null],
    ['that they reported', { reporter: person('ada') }, /your own ticket/],
    ['that they reported, in other case', { reporter: { emailAddress: 'ADA@example.test' } }, /your own ticket/],
    ['that they created and handed to somebody else', { creator: person('ada') }, /your own ticket/],
    ['whose reporter is hidden', { reporter: hidden }, /not known/],
    ['whose creator is hidden', { creator: hidden }, /not known/],
    ['without a reporter', { reporter: null }, /not known/],
    ['without a creator', { creator: null }, /not known/],
    ['of something automated', { reporter: { accountType: 'app' }, creator: { accountType: 'app' } }, /not known/],
  ])('with reporter: other, takes or refuses a ticket %s', async (_what, fields, why) => {
    server.replies(json(issue(fields)));
    const verdict = await tickets().judge(byJira({ reporter: 'other' }), use);
    if (why === null) expect(verdict).toMatchObject({ is: 'allowed' });
    else expect(verdict).toEqual({ is: 'refused', why: expect.stringMatching(why) });
  });

  test('with reporter: other, needs an address of whoever asks', async () => {
    server.replies(json(issue()));
    const verdict = await tickets().judge(byJira({ reporter: 'other' }), {
      ...use,
      requester: { user: 'ada', addresses: [] },
    });
    expect(verdict).toMatchObject({ is: 'refused' });
  });

  test.each<[string, unknown]>([
    ['no fields', { key: 'OPS-7' }],
    ['a key that is a number', issue({}, 1e300)],
    ['a status that is a text', issue({ status: 'In Progress' })],
    ['no project', issue({ project: null })],
    ['a title that is an object', issue({ summary: { type: 'doc' } })],
  ])('is not believed when it answers with %s', async (_what, answer) => {
    server.replies(json(answer));
    expect(await tickets().judge(byJira(), use)).toEqual({ retryIn: null });
  });

  test('is not asked without its settings', async () => {
    expect(await tickets(false).judge(byJira(), use)).toEqual({ retryIn: null });
    expect(warned.join()).toContain('JIRA_URL, JIRA_USER and JIRA_TOKEN are not set');
  });
});

describe('an address of its own', () => {
  test('is sent the request, and says how long the ticket holds', async () => {
    server.replies(
      json({
        allowed: true,
        title: 'Change 4',
        link: 'https://tickets.example.test/OPS-7',
        until: '2026-12-01T06:00:00Z',
      }),
    );
    expect(await tickets().judge(byUrl(), use)).toEqual({
      is: 'allowed',
      ticket: { key: 'OPS-7', title: 'Change 4', link: 'https://tickets.example.test/OPS-7' },
      until: Date.UTC(2026, 11, 1, 6),
    });
    const { key, ...request } = use;
    expect(JSON.parse(server.got[0]?.body ?? '')).toEqual({ ticket: key, ...request });
    expect(server.got[0]).toMatchObject({ method: 'POST', url: '/tickets' });
  });

  test('refuses by a word of its own', async () => {
    server.replies(json({ allowed: false, title: 'closed\non Friday' }));
    expect(await tickets().judge(byUrl(), use)).toEqual({
      is: 'refused',
      why: 'OPS-7 does not allow this: closed on Friday.',
    });
  });

  test.each([
    'javascript:alert(1)',
    'http://tickets.example.test/',
    'https://user:secret@tickets.example.test/',
    'tickets',
    `https://tickets.example.test/${'x'.repeat(600)}`,
  ])('gives no link that is %s', async (link) => {
    server.replies(json({ allowed: true, title: 'x', link }));
    expect(await tickets().judge(byUrl(), use)).toMatchObject({ ticket: { link: null } });
  });

  test('gives a title that is one line, without what turns a display around, and cut', async () => {
    server.replies(json({ allowed: true, title: `a\r\n\u202Eb\u0000${'x'.repeat(5000)}` }));
    const verdict = await tickets().judge(byUrl(), use);
    expect(verdict).toMatchObject({ ticket: { title: expect.stringMatching(/^a bx+…$|^a b x+…$/) } });
    expect(JSON.stringify(verdict).length).toBeLessThan(400);
  });

  test.each<[string, unknown]>([
    ['no word whether it allows', { title: 'x' }],
    ['a text for yes', { allowed: 'true' }],
    ['a number for yes', { allowed: 1 }],
    ['an end that is no time', { allowed: true, until: 'tomorrow' }],
    ['an end without a zone', { allowed: true, until: '2026-12-01T06:00:00' }],
    ['an end that is a number', { allowed: true, until: 1e300 }],
    ['a title that is a list', { allowed: true, title: ['x'] }],
  ])('is not believed when it answers with %s', async (_what, answer) => {
    server.replies(json(answer));
    expect(await tickets().judge(byUrl(), use)).toEqual({ retryIn: null });
  });
});

describe.each<[string, () => TicketSource]>([
  ['Jira', byJira],
  ['an address of its own', byUrl],
])('%s', (_kind, source) => {
  test.each(badReplies('http://127.0.0.1:1/'))('allows nothing when it %s', async (what, reply, passes) => {
    server.replies(reply);
    const judging = tickets(true, what.startsWith('hangs') ? 200 : 2000).judge(source(), use);
    expect(await judging).toEqual({ retryIn: passes ? expect.any(Number) : null });
    expect(warned.join()).not.toContain(TOKEN);
    expect(warned.join()).not.toContain(Buffer.from(`bot@example.test:${TOKEN}`).toString('base64'));
  });

  test('is not followed to another host, which gets nothing', async () => {
    server.replies(json({}, 307, { location: `${elsewhere.url}/` }));
    expect(await tickets().judge(source(), use)).toEqual({ retryIn: null });
    expect(elsewhere.got).toEqual([]);
  });

  test('is asked each time', async () => {
    server.replies(_kind === 'Jira' ? json(issue()) : json({ allowed: true }));
    await tickets().judge(source(), use);
    server.replies(_kind === 'Jira' ? json(issue({ status: { name: 'Done' } })) : json({ allowed: false }));
    expect(await tickets().judge(source(), use)).toMatchObject({ is: 'refused' });
  });
});
