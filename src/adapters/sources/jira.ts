import { z } from 'zod';
import type { PersonalTicketUse } from '../../app/ports/tickets.ts';
import { plainAddress } from '../../domain/policy/identity.ts';
import type { TicketSource } from '../../domain/policy/sources.ts';
import type { TicketVerdict } from '../../domain/ticket.ts';
import { askJson, type Budget, SourceFault } from './http.ts';
import { lineOf } from './line.ts';

/** Where Jira Cloud is (`https://example.atlassian.net`), and the account that asks. */
export interface JiraAccess {
  readonly url: string;
  readonly user: string;
  readonly token: string;
}

/** An address is null where its owner's settings hide it. https://developer.atlassian.com/cloud/jira/platform/profile-visibility/ */
const account = z.object({ emailAddress: z.string().nullish(), accountType: z.string().nullish() });
/** Source: https://developer.atlassian.com/cloud/jira/platform/rest/v3/api-group-issues/#api-rest-api-3-issue-issueidorkey-get */
const issue = z.object({
  key: z.string(),
  fields: z.object({
    summary: z.string(),
    status: z.object({ name: z.string() }),
    project: z.object({ key: z.string() }),
    reporter: account.nullish(),
    creator: account.nullish(),
  }),
});
type Issue = z.infer<typeof issue>;

const refused = (why: string): TicketVerdict => ({ is: 'refused', why });

/** What Jira says of a ticket now. @throws SourceFault */
export async function askJira(
  access: JiraAccess,
  wanted: NonNullable<TicketSource['jira']>,
  use: PersonalTicketUse,
  budget: Budget,
): Promise<TicketVerdict> {
  const { key } = use;
  const url = new URL(`/rest/api/3/issue/${encodeURIComponent(key)}`, access.url);
  url.search = new URLSearchParams({ fields: 'summary,status,project,reporter,creator' }).toString();
  const credentials = Buffer.from(`${access.user}:${access.token}`).toString('base64');
  let found: Issue;
  try {
    found = await askJson(url.href, issue, budget, { headers: { authorization: `Basic ${credentials}` } });
  } catch (error) {
    // Jira says the same of a ticket that is not there and of one that the account may not see.
    if (error instanceof SourceFault && error.status === 404)
      return refused(`Jira has no ticket ${key}, or does not show it to Drawbridge.`);
    throw error;
  }
  const why = whyNot(found, wanted, use);
  if (why !== null) return refused(why);
  const link = new URL(`/browse/${encodeURIComponent(key)}`, access.url).href;
  return { is: 'allowed', ticket: { key, title: lineOf(found.fields.summary), link }, until: null };
}

function whyNot(
  { key, fields }: Issue,
  { projects, status, reporter }: NonNullable<TicketSource['jira']>,
  use: PersonalTicketUse,
): string | null {
  // Jira finds a ticket that has moved by its old key, and others by their number or in other case.
  if (key !== use.key) return `Jira knows ${use.key} by another key now: ${lineOf(key)}.`;
  if (!projects.includes(fields.project.key)) return `${key} is not in a project that counts: ${projects.join(', ')}.`;
  const isCalled = (name: string) => name.toLowerCase() === fields.status.name.toLowerCase();
  if (!status.some(isCalled))
    return `${key} is "${lineOf(fields.status.name)}" in Jira: it counts while it is ${status.map((name) => `"${name}"`).join(' or ')}.`;
  return reporter === undefined ? null : whyNotByOther(key, fields, use.requester.addresses);
}

/** The reporter is a field that may be edited, the creator is not; what is automated has no address, and is nobody's own. */
function whyNotByOther(key: string, fields: Issue['fields'], own: readonly string[]): string | null {
  const addressOf = (one: Issue['fields']['reporter']) => plainAddress(one?.emailAddress ?? '');
  const [reporter, creator] = [addressOf(fields.reporter), addressOf(fields.creator)];
  if (own.length === 0)
    return `Whether ${key} is of somebody else is not known: your own e-mail address is not confirmed.`;
  if (reporter === null || (creator === null && fields.creator?.accountType !== 'app'))
    return `Whether ${key} is of somebody else is not known: Jira does not show whose it is.`;
  return own.includes(reporter) || (creator !== null && own.includes(creator))
    ? `${key} is your own ticket: it takes one that somebody else has reported and created.`
    : null;
}
