import type { Logger } from 'pino';
import { z } from 'zod';
import type { PersonalTicketUse, Tickets } from '../../app/ports/tickets.ts';
import { isHttpsUrl } from '../../domain/https-url.ts';
import type { TicketVerdict } from '../../domain/ticket.ts';
import { askJson, type Budget, newBudget, SourceFault } from './http.ts';
import { askJira, type JiraAccess } from './jira.ts';
import { lineOf } from './line.ts';

/** The longest link that is shown. */
const LONGEST_LINK = 500;

const answer = z.object({
  allowed: z.boolean(),
  title: z.string().nullish(),
  link: z.string().nullish(),
  until: z.iso.datetime({ offset: true }).nullish(),
});

/** What the ticket system of the policy says. Nothing is kept: a ticket that was closed a moment ago counts no more. */
export function createTickets({
  jira,
  log,
  patience,
}: {
  readonly jira: JiraAccess | null;
  readonly log: Pick<Logger, 'warn'>;
  readonly patience?: number;
}): Tickets {
  return {
    async judge(source, use) {
      const budget = newBudget(patience);
      try {
        if (source.url !== undefined) return await askUrl(source.url, use, budget);
        if (source.jira === undefined || jira === null)
          throw new SourceFault('JIRA_URL, JIRA_USER and JIRA_TOKEN are not set', null);
        return await askJira(jira, source.jira, use, budget);
      } catch (error) {
        const { message, retryIn } =
          error instanceof SourceFault ? error : new SourceFault('it could not be asked', null);
        log.warn({ ticket: use.key, reason: message }, 'a ticket can not be looked up: it does not count');
        return { retryIn };
      }
    },
  };
}

async function askUrl(url: string, use: PersonalTicketUse, budget: Budget): Promise<TicketVerdict> {
  const { key, ...request } = use;
  const { allowed, title, link, until } = await askJson(url, answer, budget, { post: { ticket: key, ...request } });
  if (!allowed) return { is: 'refused', why: `${key} does not allow this${title ? `: ${lineOf(title)}` : ''}.` };
  return {
    is: 'allowed',
    ticket: { key, title: lineOf(title ?? ''), link: linkOf(link ?? '') },
    until: until === undefined || until === null ? null : Date.parse(until),
  };
}

function linkOf(text: string): string | null {
  return text.length <= LONGEST_LINK && isHttpsUrl(text) && text.startsWith('https:') ? new URL(text).href : null;
}
