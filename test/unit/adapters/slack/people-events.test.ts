import { describe, expect, test } from 'vitest';
import { hintOf, type PeopleHint } from '../../../../src/adapters/slack/people-events.ts';

const TEAM = 'T0LOCAL';
const said = (event: unknown, team_id: unknown = TEAM) => ({ type: 'event_callback', team_id, event });
const changed = (deleted: unknown, id: unknown = 'U0ADA') => said({ type: 'user_change', user: { id, deleted } });

describe('what an event of Slack hints at', () => {
  test.each<[string, unknown, PeopleHint]>([
    ['an account that was deactivated', changed(true), { lists: 'all', deactivated: ['U0ADA'] }],
    ['a new account', said({ type: 'team_join', user: { id: 'U0EVE' } }), { lists: 'all', deactivated: [] }],
    [
      'members of a user group',
      said({ type: 'subteam_members_changed', subteam_id: 'S0SRE', team_id: TEAM, added_users: ['U0CY'] }),
      { lists: ['S0SRE'], deactivated: [] },
    ],
    [
      'a user group',
      said({ type: 'subteam_updated', subteam: { id: 'S0SRE', users: Array(500).fill('U0CY') } }),
      { lists: ['S0SRE'], deactivated: [] },
    ],
    [
      'a member that joined',
      said({ type: 'member_joined_channel', user: 'U0CY', channel: 'C0ENG', team: 'T0OTHER' }),
      { lists: ['C0ENG'], deactivated: [] },
    ],
    [
      'a private channel of old',
      said({ type: 'member_left_channel', user: 'U0CY', channel: 'G0OLD' }),
      { lists: ['G0OLD'], deactivated: [] },
    ],
  ])('%s', (_, body, hint) => {
    expect(hintOf(body, TEAM)).toEqual(hint);
  });

  const joined = { type: 'member_joined_channel', user: 'U0CY', channel: 'C0ENG' };
  test.each([
    ['a new status', changed(false)],
    ['a change that does not say', changed(undefined)],
    ['a word for yes', changed('true')],
    ['another team', said(joined, 'T0OTHER')],
    ['no team', said(joined, null)],
    ['an event that is not heard', said({ type: 'message', channel: 'C0ENG', text: 'hi' })],
    ['no event', said(undefined)],
    ['an event that is a text', said('member_joined_channel')],
    ['nothing', null],
    ['a user that is null', said({ type: 'user_change', user: null })],
    ['no account', changed(true, '__proto__')],
    ['an account without end', changed(true, `U${'0'.repeat(10_000)}`)],
    ['a list of lists', said({ type: 'subteam_members_changed', subteam_id: ['S0SRE'] })],
    ['a channel where a group belongs', said({ type: 'subteam_updated', subteam: { id: 'C0ENG' } })],
    ['a group where a channel belongs', said({ ...joined, channel: 'S0SRE' })],
    ['direct messages', said({ ...joined, channel: 'D0ADA' })],
  ])('%s: nothing', (_, body) => {
    expect(hintOf(body, TEAM)).toBeNull();
  });
});
