import type { App } from '@slack/bolt';
import type { Logger } from 'pino';
import { z } from 'zod';
import type { PeopleChange } from '../../app/ports/directory.ts';
import type { SlackConnection } from './connection.ts';
import { EVENTS } from './manifest.ts';

/** What an event says of people. `all`: somebody may have come into any list, or left it. */
export interface PeopleHint extends Omit<PeopleChange, 'lists'> {
  readonly lists: readonly string[] | 'all';
}

const account = z.string().regex(/^[UW][A-Z0-9]{1,31}$/);
const userGroup = z.string().regex(/^S[A-Z0-9]{1,31}$/);
const channel = z.string().regex(/^[CG][A-Z0-9]{1,31}$/);

/** Of each event only what the hint is made of: all else, however long, is passed over. */
const event = z.discriminatedUnion('type', [
  z.object({ type: z.literal('user_change'), user: z.object({ id: account, deleted: z.boolean().optional() }) }),
  z.object({ type: z.literal('team_join') }),
  z.object({ type: z.literal('subteam_members_changed'), subteam_id: userGroup }),
  z.object({ type: z.literal('subteam_updated'), subteam: z.object({ id: userGroup }) }),
  z.object({ type: z.enum(['member_joined_channel', 'member_left_channel']), channel }),
]);
/** https://docs.slack.dev/apis/events-api#callback-field */
const envelope = z.object({ team_id: z.string(), event });

/** What an event says of the people of this team; null: nothing. */
export function hintOf(body: unknown, teamId: string): PeopleHint | null {
  const parsed = envelope.safeParse(body);
  if (!parsed.success || parsed.data.team_id !== teamId) return null;
  const said = parsed.data.event;
  switch (said.type) {
    case 'user_change':
      // It comes with each change of a status too. Who is deactivated leaves all lists.
      return said.user.deleted === true ? { lists: 'all', deactivated: [said.user.id] } : null;
    case 'team_join':
      return { lists: 'all', deactivated: [] };
    case 'subteam_members_changed':
      return { lists: [said.subteam_id], deactivated: [] };
    case 'subteam_updated':
      return { lists: [said.subteam.id], deactivated: [] };
    default:
      return { lists: [said.channel], deactivated: [] };
  }
}

/** Bolt acknowledges events before their handlers run. */
export function registerPeopleEvents(
  app: App,
  { connection, log, hinted }: { connection: SlackConnection; log: Logger; hinted: (hint: PeopleHint) => void },
): void {
  for (const { name } of EVENTS)
    app.event(name, async ({ body }) => {
      const { teamId } = await connection.identity();
      const hint = hintOf(body, teamId);
      log.debug({ event: name, hint }, 'Slack says that people have changed');
      if (hint !== null) hinted(hint);
    });
}
