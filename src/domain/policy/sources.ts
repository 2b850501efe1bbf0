import { z } from 'zod';
import { HTTPS_URL, isHttpsUrl } from '../https-url.ts';
import { KEY_PATTERN_FORM, parseKeyPattern } from './key-pattern.ts';

/** Where the policy asks others: who is on call, and what a ticket says. */

/** The longest URL that is taken. */
const LONGEST_URL = 500;

const sourceUrl = z.string().max(LONGEST_URL).refine(isHttpsUrl, HTTPS_URL);
const pagerDutyId = z
  .string()
  .regex(/^[A-Z0-9]{4,20}$/, 'expected the id of PagerDuty (PABC123), which the address of its page ends with');

/** Adds a problem unless exactly one of these keys is given. */
function exactlyOne(keys: readonly string[]) {
  return (value: object, context: z.core.$RefinementCtx) => {
    const given = keys.filter((key) => value[key as keyof typeof value] !== undefined);
    if (given.length !== 1)
      context.addIssue({
        code: 'custom',
        message: `expected exactly one of ${keys.join(', ')}${given.length === 0 ? '' : `, and not ${given.join(' and ')}`}`,
        input: value,
      });
  };
}

const onCallSource = z
  .strictObject({
    pagerduty: z
      .strictObject({
        escalationPolicy: pagerDutyId
          .optional()
          .describe('the id of an escalation policy')
          .meta({ examples: ['PABC123'] }),
        levels: z
          .array(z.int().min(1).max(20))
          .min(1)
          .optional()
          .describe('the levels of the escalation policy that count; left out: the first alone')
          .meta({ examples: [[1, 2]] }),
        schedule: pagerDutyId
          .optional()
          .describe('the id of a schedule that an escalation policy uses')
          .meta({ examples: ['PABC123'] }),
      })
      .superRefine(exactlyOne(['escalationPolicy', 'schedule']))
      .refine((p) => p.levels === undefined || p.schedule === undefined, {
        path: ['levels'],
        message: 'belongs to an escalation policy: a schedule has no levels',
      })
      .optional()
      .describe('who is on call at PagerDuty, by the setting PAGERDUTY_TOKEN; people by their e-mail address'),
    group: z
      .string()
      .regex(/^S[A-Z0-9]{2,20}$/, 'expected the id of a Slack user group (S0614TZR7), not its handle')
      .optional()
      .describe('a Slack user group that something keeps in step with who is on call')
      .meta({ examples: ['S0ONCALL01'] }),
    url: sourceUrl
      .optional()
      .describe('an https URL that is asked by GET and answers {"users": ["ada@example.test"]}; it holds no secret')
      .meta({ examples: ['https://oncall.example.test/db'] }),
  })
  .superRefine(exactlyOne(['pagerduty', 'group', 'url']))
  .describe('one source: exactly one of pagerduty, group and url');

/** The name of a source: `oncall.payments`. */
export const sourceName = z
  .string()
  .regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, 'expected a name: lower-case letters, digits and dashes');

export const onCallSources = z
  .record(sourceName, onCallSource)
  .refine((sources) => Object.keys(sources).length <= 100, 'has more than 100 sources')
  .describe('sources of who is on call, by name; asked when it is decided');

export const ticketSource = z
  .strictObject({
    pattern: z
      .string()
      .refine((text) => parseKeyPattern(text) !== null, KEY_PATTERN_FORM)
      .describe(
        'what the key of a ticket is, whole, of 64 characters at most: characters, classes, ?, +, *, {2,10} and |',
      )
      .meta({ examples: ['[A-Z]{2,10}-[0-9]+'] }),
    jira: z
      .strictObject({
        projects: z
          .array(z.string().regex(/^[A-Z][A-Z0-9_]{1,31}$/, 'expected the key of a project, such as OPS'))
          .min(1)
          .describe('the keys of the projects whose tickets count')
          .meta({ examples: [['OPS']] }),
        status: z
          .array(z.string().min(1).max(60))
          .min(1)
          .describe('the names of the statuses in which a ticket counts')
          .meta({ examples: [['In Progress']] }),
        reporter: z.literal('other').optional().describe('other: who asks has neither reported nor created the ticket'),
      })
      .optional()
      .describe('tickets of Jira Cloud, by the settings JIRA_URL, JIRA_USER and JIRA_TOKEN'),
    url: sourceUrl
      .optional()
      .describe(
        'an https URL that is sent each request by POST and answers {"allowed": true, "title": "...", "link": "https://...", "until": "2026-12-01T06:00:00Z"}; it holds no secret',
      )
      .meta({ examples: ['https://tickets.example.test/drawbridge'] }),
  })
  .superRefine(exactlyOne(['jira', 'url']))
  .describe('what a ticket is, and where it is looked up: exactly one of jira and url');

export type OnCallSource = z.infer<typeof onCallSource>;
export type TicketSource = z.infer<typeof ticketSource>;

/** How people call the system behind a source. */
export function systemOf({ pagerduty, group }: OnCallSource): string {
  if (pagerduty !== undefined) return 'PagerDuty';
  return group === undefined ? 'its own address' : 'Slack';
}
