import { describe, expect, test } from 'vitest';
import { parsePolicy } from '../../../../src/config/policy-file.ts';

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
