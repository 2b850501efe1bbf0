import { describe, expect, test } from 'vitest';
import { parsePolicy } from '../../../../src/config/policy-text.ts';
import { findingsOf } from '../../../../src/domain/policy/findings.ts';
import { listsOf } from '../../../../src/domain/policy/policy.ts';

/** What the policy asks others: each field, as an author may get it wrong. */
const POLICY = `version: 1
administrators: { users: [dot@example.test] }
approvals: { channel: C0ACCESS001 }
profiles:
  view:
    scope: namespace
    namespaces: [staging]
    clusterRole: view
    requesters: { users: [ada@example.test] }
    approvers: { users: [ben@example.test] }
    duration: { default: 30m, maximum: 2h }
identity: {}
`;
const problemsOf = (text: string): readonly string[] => {
  const parsed = parsePolicy(`${POLICY}${text}\n`, 'policy.yaml');
  return parsed.ok ? [] : parsed.problems;
};
/** The profile with other lists of people. */
const profileWith = (change: string): string =>
  `oncall: { payments: { group: S0ONCALL01 }, db: { group: S0ONCALL02 } }
profiles:
  it: { scope: namespace, namespaces: [staging], clusterRole: view, duration: { default: 30m, maximum: 2h }, ${change} }`;
const listProblems = (change: string): readonly string[] => {
  const parsed = parsePolicy(
    `${POLICY.replace(/profiles:[^]*(?=identity)/, '')}${profileWith(change)}\n`,
    'policy.yaml',
  );
  return parsed.ok ? [] : parsed.problems;
};
const PEOPLE = 'requesters: { users: [ada@example.test] }, approvers: { users: [ben@example.test] }';
const PATTERN = 'pattern: "[A-Z]{2,10}-[0-9]+"';

describe('sources of who is on call and of tickets', () => {
  test.each([
    'oncall: { payments: { pagerduty: { escalationPolicy: PABC123 } } }',
    'oncall: { payments: { pagerduty: { escalationPolicy: PABC123, levels: [1, 2] } } }',
    'oncall: { payments: { pagerduty: { schedule: PABC123 } } }',
    'oncall: { platform: { group: S0ONCALL01 } }',
    'oncall: { db: { url: "https://oncall.example.test:8443/db" } }',
    'oncall: { db: { url: "http://localhost:8443/db" } }',
    'oncall: {}',
    `tickets: { ${PATTERN}, jira: { projects: [OPS], status: [In Progress], reporter: other } }`,
    `tickets: { ${PATTERN}, url: "https://tickets.example.test/drawbridge" }`,
  ])('%s is taken', (text) => expect(problemsOf(text)).toEqual([]));

  test.each<[string, RegExp]>([
    ['oncall: { db: {} }', /oncall\.db: expected exactly one of pagerduty, group, url$/],
    ['oncall: { db: { group: S0ONCALL01, url: "https://x.example.test" } }', /oncall\.db: .*, and not group and url$/],
    ['oncall: { db: { pagerduty: {} } }', /oncall\.db\.pagerduty: expected exactly one of escalationPolicy, schedule$/],
    [
      'oncall: { db: { pagerduty: { schedule: PABC123, levels: [1] } } }',
      /oncall\.db\.pagerduty\.levels: belongs to an escalation policy/,
    ],
    ['oncall: { db: { pagerduty: { schedule: "PABC123&x=1" } } }', /expected the id of PagerDuty/],
    ['oncall: { db: { pagerduty: { escalationPolicy: payments } } }', /expected the id of PagerDuty/],
    ['oncall: { db: { pagerduty: { escalationPolicy: PABC123, levels: [0] } } }', /levels\[0\]/],
    ['oncall: { db: { pagerduty: { escalationPolicy: PABC123, levels: [] } } }', /levels: is empty/],
    [
      'oncall: { db: { pagerduty: { escalationPolicy: PABC123, level: 1 } } }',
      /level: unknown key, did you mean 'levels'\?/,
    ],
    ['oncall: { db: { group: "@oncall" } }', /expected the id of a Slack user group/],
    ['oncall: { db: { url: "http://oncall.example.test/" } }', /expected an https URL/],
    ['oncall: { db: { url: "http://localhost.example.test/" } }', /expected an https URL/],
    ['oncall: { db: { url: "https://user:secret@oncall.example.test/" } }', /without user and password/],
    ['oncall: { db: { url: "file:///etc/passwd" } }', /expected an https URL/],
    ['oncall: { db: { url: 7 } }', /oncall\.db\.url: expected a text/],
    [`oncall: { db: { url: "https://x.example.test/${'x'.repeat(500)}" } }`, /oncall\.db\.url/],
    ['oncall: { "Pay ments": { group: S0ONCALL01 } }', /expected a name: lower-case letters/],
    ['oncall: { pay_ments: { group: S0ONCALL01 } }', /expected a name: lower-case letters/],
    ['oncall: { constructor: 7 }', /oncall\.constructor: expected a mapping/],
    ['oncall: [db]', /oncall: expected a mapping/],
    [
      `oncall: { ${Array.from({ length: 101 }, (_, at) => `s${at}: { group: S0ONCALL01 }`).join(', ')} }`,
      /more than 100/,
    ],
    [`tickets: { ${PATTERN} }`, /tickets: expected exactly one of jira, url$/],
    ['tickets: { url: "https://x.example.test/" }', /tickets\.pattern: is missing/],
    [
      'tickets: { pattern: "^OPS-.*$", url: "https://x.example.test/" }',
      /tickets\.pattern: expected letters.*matched whole, so no \^/,
    ],
    ['tickets: { pattern: "(a+)+", url: "https://x.example.test/" }', /tickets\.pattern: expected letters/],
    [`tickets: { ${PATTERN}, jira: { projects: [], status: [Done] } }`, /projects: is empty/],
    [`tickets: { ${PATTERN}, jira: { projects: [OPS] } }`, /status: is missing/],
    [`tickets: { ${PATTERN}, jira: { projects: [ops], status: [Done] } }`, /expected the key of a project/],
    [
      `tickets: { ${PATTERN}, jira: { projects: [OPS], status: [Done], reporter: self } }`,
      /reporter: expected "other"/,
    ],
    [`tickets: { ${PATTERN}, url: "http://tickets.example.test/" }`, /tickets\.url: expected an https URL/],
  ])('%s is refused', (text, expected) => {
    const problems = problemsOf(text);
    expect(problems.join('\n')).toMatch(expected);
    for (const line of problems) expect(line).toMatch(/^policy\.yaml:1\d:\d+ (oncall|tickets)/);
  });
});

describe('lists of people by on-call', () => {
  test.each([
    'requesters: { oncall: [payments] }, approvers: { oncall: [db, payments] }',
    'requesters: { oncall: [payments] }, approvers: { users: [ben@example.test], oncall: [db] }',
    `${PEOPLE}, automatic: { oncall: [payments], maximum: 30m }`,
    `${PEOPLE}, automatic: [{ when: { oncall: [payments] } }, { when: { members: { oncall: [db] } } }]`,
  ])('%s is taken', (change) => expect(listProblems(change)).toEqual([]));

  test.each<[string, RegExp]>([
    [
      'requesters: { oncall: [payment] }, approvers: { users: [ben@example.test] }',
      /requesters\.oncall\[0\]: there is no source 'payment' under oncall: there are payments, db/,
    ],
    [`${PEOPLE}, automatic: { oncall: [nobody], maximum: 30m }`, /automatic\.oncall\[0\]: there is no source 'nobody'/],
    [
      `${PEOPLE}, automatic: [{ when: { members: { oncall: [constructor] } } }]`,
      /automatic\[0\]\.when\.members\.oncall\[0\]: there is no source 'constructor'/,
    ],
    [
      `${PEOPLE}, automatic: [{ when: { oncall: [payments], members: { users: [ada@example.test] } } }]`,
      /automatic\[0\]\.when\.oncall: stands beside members/,
    ],
    [
      `${PEOPLE}, automatic: { maximum: 30m }`,
      /automatic\.members: is missing: expected users, groups, channels or oncall/,
    ],
    ['requesters: { oncall: [] }, approvers: { users: [ben@example.test] }', /requesters\.oncall: is empty/],
    [
      'requesters: { oncall: payments }, approvers: { users: [ben@example.test] }',
      /requesters\.oncall: expected a list/,
    ],
    [
      'requesters: { oncall: ["PAY"] }, approvers: { users: [ben@example.test] }',
      /requesters\.oncall\[0\]: expected a name/,
    ],
    [`${PEOPLE}, deny: { oncall: [payments] }`, /deny\.oncall: unknown key/],
  ])('%s is refused', (change, expected) => expect(listProblems(change).join('\n')).toMatch(expected));

  test('do not hold administrators, who must be able to act while a source is away', () => {
    const text = POLICY.replace('users: [dot@example.test]', 'oncall: [payments]');
    const parsed = parsePolicy(`${text}oncall: { payments: { group: S0ONCALL01 } }\n`, 'policy.yaml');
    expect(parsed).toMatchObject({ ok: false, problems: [expect.stringMatching(/administrators/), expect.anything()] });
  });

  test('warn where nobody is left while the source can not be read', () => {
    const parsed = parsePolicy(
      `${POLICY.replace(/profiles:[^]*(?=identity)/, '')}${profileWith('requesters: { oncall: [payments], users: [ada@example.test] }, approvers: { oncall: [db] }, automatic: { oncall: [db], maximum: 30m }')}\n`,
      'policy.yaml',
    );
    if (!parsed.ok) throw new Error(parsed.problems.join());
    expect(findingsOf(parsed.policy).filter(({ severity }) => severity === 'note')).toEqual([
      {
        severity: 'note',
        path: ['profiles', 'it', 'approvers'],
        message:
          "names nobody but who is on call (db): while that can't be read, nobody is in it. Name a group or users too",
      },
    ]);
    expect([...listsOf(parsed.policy)].toSorted()).toEqual(['S0ONCALL01', 'S0ONCALL02']);
  });
});

describe('tickets of profiles and conditions', () => {
  const TICKETS = `tickets: { ${PATTERN}, url: "https://tickets.example.test/" }\n`;
  const BY_OTHERS = `tickets: { ${PATTERN}, jira: { projects: [OPS], status: [Open], reporter: other } }\n`;
  const problemsWith = (change: string, tickets: string): readonly string[] => {
    const base = POLICY.replace(/profiles:[^]*(?=identity)/, '');
    const parsed = parsePolicy(`${base}${tickets}${profileWith(`${PEOPLE}, ${change}`)}\n`, 'policy.yaml');
    return parsed.ok ? [] : parsed.problems;
  };

  test.each<[string, string]>([
    ['ticket: required', TICKETS],
    ['ticket: optional, automatic: [{ when: { ticket: true, maximum: 30m } }]', TICKETS],
    ['ticket: required, automatic: [{ when: { ticket: true } }]', BY_OTHERS],
    ['ticket: none', ''],
  ])('%s is taken', (change, tickets) => expect(problemsWith(change, tickets)).toEqual([]));

  test.each<[string, string, RegExp]>([
    ['ticket: required', '', /profiles\.it\.ticket: needs tickets, at the top of the policy/],
    ['ticket: true', TICKETS, /profiles\.it\.ticket: expected "required" or "optional" or "none"/],
    [
      'ticket: required, automatic: [{ when: { ticket: true } }]',
      TICKETS,
      /automatic\[0\]\.when\.ticket: would approve alone/,
    ],
    [
      'ticket: required, automatic: [{ when: { ticket: false, maximum: 30m } }]',
      TICKETS,
      /automatic\[0\]\.when\.ticket: expected true/,
    ],
    [
      'automatic: [{ when: { ticket: true, maximum: 30m } }]',
      TICKETS,
      /automatic\[0\]\.when\.ticket: is never met, since the profile takes no ticket/,
    ],
    [
      'ticket: required, automatic: [{ when: { maximum: 30m } }, { when: { ticket: true } }]',
      TICKETS,
      /automatic\[1\]\.when\.ticket: would approve alone/,
    ],
  ])('%s is refused', (change, tickets, expected) =>
    expect(problemsWith(change, tickets).join('\n')).toMatch(expected),
  );
});
