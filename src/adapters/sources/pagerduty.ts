import { z } from 'zod';
import type { OnCallSource } from '../../domain/policy/sources.ts';
import { askJson, type Budget, SourceFault } from './http.ts';

/** Where PagerDuty's REST API is, and by what it is asked. */
export interface PagerDutyAccess {
  readonly url: string;
  readonly token: string;
}

/** Entries of a page, and pages that are read: an escalation policy has fewer. */
const PAGE = 100;
const MOST_PAGES = 5;

/** Source: https://developer.pagerduty.com/api-reference/3a6b910f11050-list-all-of-the-on-calls */
const page = z.object({
  oncalls: z
    .array(
      z.object({
        escalation_policy: z.object({ id: z.string() }),
        escalation_level: z.int(),
        schedule: z.object({ id: z.string() }).nullish(),
        user: z.object({ email: z.string().max(320).nullish() }),
      }),
    )
    .max(PAGE),
  more: z.boolean(),
});
type Entry = z.infer<typeof page>['oncalls'][number];

/** The addresses of those who are on call now by an escalation policy, at the levels that count, or by a schedule. @throws SourceFault */
export async function askPagerDuty(
  access: PagerDutyAccess,
  asked: NonNullable<OnCallSource['pagerduty']>,
  budget: Budget,
): Promise<string[]> {
  const { escalationPolicy, schedule, levels = [1] } = asked;
  // What is answered is held against what was asked: a filter that a server does not know it leaves out silently.
  const counts = (entry: Entry): boolean =>
    schedule === undefined
      ? entry.escalation_policy.id === escalationPolicy && levels.includes(entry.escalation_level)
      : entry.schedule?.id === schedule;
  const found: string[] = [];
  for (let at = 0; at < MOST_PAGES; at++) {
    const url = new URL('/oncalls', access.url);
    url.search = new URLSearchParams([
      schedule === undefined ? ['escalation_policy_ids[]', escalationPolicy ?? ''] : ['schedule_ids[]', schedule],
      ['include[]', 'users'],
      ['limit', String(PAGE)],
      ['offset', String(at * PAGE)],
    ]).toString();
    const { oncalls, more } = await askJson(url.href, page, budget, {
      headers: {
        accept: 'application/vnd.pagerduty+json;version=2',
        authorization: `Token token=${access.token}`,
      },
    });
    found.push(...oncalls.filter(counts).flatMap(({ user }) => user.email ?? []));
    if (!more) return found;
  }
  throw new SourceFault(`it has more than ${PAGE * MOST_PAGES} entries`, null, 200);
}
