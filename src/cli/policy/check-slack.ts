import { connectSlack, type SlackConnection, SlackRefused } from '../../adapters/slack/connection.ts';
import { createDirectory } from '../../adapters/slack/directory.ts';
import { lackOfChannel, lackOfLists, lackOfScopes } from '../../adapters/slack/needs.ts';
import { createLog } from '../../adapters/telemetry/log.ts';
import { inParallel } from '../../app/common/in-parallel.ts';
import { type Directory } from '../../app/ports/directory.ts';
import { Refusal, Unavailable } from '../../domain/errors.ts';
import { assign } from '../../domain/matching.ts';
import { type Account, identify, kubernetesUser } from '../../domain/people/people.ts';
import { decidersIn, type Finding } from '../../domain/policy/findings.ts';
import { isSlackId } from '../../domain/policy/identity.ts';
import { listsOf, ownChannels, type Policy, type Principals, type Profile } from '../../domain/policy/policy.ts';
import type { Looked, People } from './looked.ts';

/** A policy held against Slack: whom it names is there, and enough of them for what is to be decided. */

/** Of so many requesters it is tried what each may get approved. */
const MOST_TRIED = 50;
/** Lists that are read at once: Slack bears 20 of them a minute. */
const WIDTH = 4;

export async function checkSlack(policy: Policy, env: NodeJS.ProcessEnv): Promise<Looked> {
  const token = env['SLACK_BOT_TOKEN'] ?? '';
  // What is wrong with it is said without it.
  if (!/^xoxb-\S+$/.test(token))
    return { ok: false, problems: ['--slack needs SLACK_BOT_TOKEN, the bot token (xoxb-...) of the Slack app'] };
  const api = env['SLACK_API_URL'] ?? '';
  if (api !== '' && !URL.canParse(api))
    return { ok: false, problems: ['SLACK_API_URL: expected an http or https URL'] };
  const apiUrl = api === '' ? undefined : `${api.replace(/\/+$/, '')}/`;
  const log = createLog({ level: 'silent', secrets: [token] });
  const connection = connectSlack({ botToken: token, apiUrl }, log);
  try {
    const wrong = await lacks(connection, policy);
    return await held(policy, createDirectory(connection, log), wrong);
  } catch (error) {
    if (error instanceof SlackRefused) return { ok: false, problems: [error.message] };
    if (!(error instanceof Unavailable)) throw error;
    return { ok: false, problems: [`Slack can't be read: ${error.message.replaceAll(token, '***')}`] };
  }
}

/** What the bot itself looks for, too: its scopes, the channel in which it posts, and the lists. */
async function lacks(connection: SlackConnection, policy: Policy): Promise<Finding[]> {
  // The token first: without it all else is wrong.
  const necessary = await lackOfScopes(connection, true);
  if (necessary !== null) throw new SlackRefused(necessary);
  const { channel } = policy.approvals;
  const found = [
    { path: [], lack: await lackOfScopes(connection, false) },
    { path: ['approvals', 'channel'], lack: await lackOfChannel(connection, channel) },
    ...(await inParallel(ownChannels(policy), WIDTH, async ({ id, path }) => ({
      path: path.split('.'),
      lack: await lackOfChannel(connection, id, path),
    }))),
    { path: [], lack: await lackOfLists(connection, policy) },
  ];
  return found.flatMap(({ path, lack }) =>
    lack === null ? [] : [{ severity: 'error' as const, path, message: `${lack.lacks}. ${lack.todo}` }],
  );
}

async function held(policy: Policy, directory: Directory, wrong: readonly Finding[]): Promise<Looked> {
  const accounts: Account[] = [];
  for await (const some of directory.everyone()) accounts.push(...some);
  const lists = [...listsOf(policy)];
  const read = await inParallel(lists, WIDTH, (list) => directory.members(list, 'recently'));
  const members = new Map<string, ReadonlySet<string>>();
  for (const [index, list] of lists.entries()) {
    const found = read[index];
    if (found === undefined || 'retryIn' in found) {
      // What is not there was told already; what can't be read now says nothing of the policy.
      if (found?.retryIn != null)
        throw new Unavailable('Slack', `who is in ${list} can't be read now, try again in ${found.retryIn} s`);
      members.set(list, new Set());
    } else members.set(list, found);
  }
  const workspace = workspaceOf(policy, accounts, members);
  const named = Object.entries(policy.profiles);
  const people = Object.fromEntries(named.map(([name, profile]) => [name, peopleOf(workspace, profile)]));
  return {
    ok: true,
    people,
    findings: [
      ...wrong,
      ...strangers(policy, workspace),
      ...named.flatMap(([name, profile]) => shortages(workspace, ['profiles', name], profile)),
    ],
  };
}

interface Workspace {
  /** The Kubernetes user of each account, in lower case, also of those who may not act. */
  readonly userOf: ReadonlyMap<string, string>;
  /** The users of accounts that may act. */
  readonly acting: ReadonlySet<string>;
  readonly members: ReadonlyMap<string, ReadonlySet<string>>;
}

function workspaceOf(
  policy: Policy,
  accounts: readonly Account[],
  members: ReadonlyMap<string, ReadonlySet<string>>,
): Workspace {
  const { identity } = policy;
  const userOf = new Map<string, string>();
  const acting = new Set<string>();
  for (const account of accounts) {
    const user = kubernetesUser(account, identity)?.toLowerCase();
    if (user === undefined) continue;
    userOf.set(account.slackId, user);
    if (!(identify(account, policy) instanceof Refusal)) acting.add(user);
  }
  return { userOf, acting, members };
}

/** The Kubernetes users whom a list names. */
function usersIn({ userOf, members }: Workspace, { users, groups, channels }: Principals): Set<string> {
  const ids = [
    ...users.filter(isSlackId),
    ...[...groups, ...channels].flatMap((list) => [...(members.get(list) ?? [])]),
  ];
  return new Set([
    ...users.filter((user) => !isSlackId(user)).map((user) => user.toLowerCase()),
    ...ids.flatMap((id) => userOf.get(id) ?? []),
  ]);
}

/** Those in any of these lists who may act and whom `deny` does not name. */
function able(workspace: Workspace, profile: Profile, lists: readonly Principals[]): Set<string> {
  const denied = usersIn(workspace, profile.deny);
  const named = lists.flatMap((list) => [...usersIn(workspace, list)]);
  return new Set(named.filter((user) => workspace.acting.has(user) && !denied.has(user)));
}

const approversOf = (workspace: Workspace, profile: Profile): Set<string> =>
  able(
    workspace,
    profile,
    decidersIn(profile).flatMap(({ lists }) => lists),
  );

const peopleOf = (workspace: Workspace, profile: Profile): People => ({
  mayAsk: able(workspace, profile, [profile.requesters]).size,
  mayApprove: approversOf(workspace, profile).size,
});

/** Who is on call is not asked here: of such a list it is not known who is in it. */
const isOpen = ({ oncall = [] }: Principals): boolean => oncall.length > 0;

/** Profiles that nobody could use now. */
function shortages(workspace: Workspace, path: readonly string[], profile: Profile): Finding[] {
  const error = (at: readonly (string | number)[], message: string): Finding => ({
    severity: 'error',
    path: [...path, ...at],
    message,
  });
  const asking = able(workspace, profile, [profile.requesters]);
  if (asking.size === 0 && !isOpen(profile.requesters)) return [error(['requesters'], 'nobody in Slack may ask now')];
  const steps = decidersIn(profile)
    .filter(({ lists }) => !lists.some(isOpen))
    .map(({ path: at, count, lists }) => ({ at, count, deciding: able(workspace, profile, lists) }));
  const most = (of: typeof steps) => mostApprovals(of, asking, profile.selfApproval);
  const alone = steps.flatMap((step) => {
    const found = most([step]);
    return found < step.count
      ? [
          error(
            step.at,
            `nothing can be approved now: ${step.count} needed, and no request has more than ${found} who may`,
          ),
        ]
      : [];
  });
  const needed = steps.reduce((sum, { count }) => sum + count, 0);
  // A step that more may decide than all steps need has somebody left always.
  const scarce = steps.filter(({ deciding }) => deciding.size <= needed);
  const ofScarce = scarce.reduce((sum, { count }) => sum + count, 0);
  const found = alone.length > 0 ? ofScarce : most(scarce);
  return found < ofScarce
    ? [
        error(
          ['approval', 'steps'],
          `nothing can be approved now: some steps need ${ofScarce} different people, and no request has more than ${found} who may`,
        ),
      ]
    : alone;
}

/** How many people could approve these steps, each one step, of a request that has most of them: nobody decides about their own. */
function mostApprovals(
  steps: readonly { readonly count: number; readonly deciding: ReadonlySet<string> }[],
  asking: ReadonlySet<string>,
  self: boolean,
): number {
  const deciding = [...new Set(steps.flatMap((step) => [...step.deciding]))];
  const filled = (people: readonly string[]) =>
    assign(
      steps.map(({ count }) => count),
      people.map((user) => new Set(steps.flatMap((step, index) => (step.deciding.has(user) ? [index] : [])))),
    ).flat().length;
  if (self || asking.size === 0 || [...asking].some((user) => !deciding.includes(user))) return filled(deciding);
  // Everybody who may ask decides, too. Of more people than there are places one can always be left out.
  const places = steps.reduce((sum, { count }) => sum + count, 0);
  if (asking.size > MOST_TRIED) return Math.min(places, deciding.length - 1);
  return Math.max(0, ...[...asking].map((requester) => filled(deciding.filter((user) => user !== requester))));
}

/** Users of the policy who are no account of this workspace that may act. */
function strangers({ administrators, profiles }: Policy, { userOf, acting }: Workspace): Finding[] {
  const known = new Set(userOf.values());
  const lists: [(string | number)[], Principals][] = [
    [['administrators'], administrators],
    ...Object.entries(profiles).flatMap(([name, profile]): [(string | number)[], Principals][] => [
      [['profiles', name, 'requesters'], profile.requesters],
      ...decidersIn(profile).flatMap(({ path, lists: all }) =>
        all.map((list): [(string | number)[], Principals] => [['profiles', name, ...path], list]),
      ),
      [['profiles', name, 'deny'], profile.deny],
    ]),
  ];
  return lists.flatMap(([path, { users }]) =>
    users.flatMap((entry, index): Finding[] => {
      const user = isSlackId(entry) ? userOf.get(entry) : entry.toLowerCase();
      const at = [...path, 'users', index];
      if (user === undefined || !known.has(user))
        return [{ severity: 'error', path: at, message: `${entry}: no account of this Slack leads to that user` }];
      // Whom a list of those who are denied names need not be there any more.
      if (acting.has(user) || path.at(-1) === 'deny') return [];
      const message = `${entry} may not act: deactivated, a guest, a bot, or of another workspace`;
      return [{ severity: 'note', path: at, message }];
    }),
  );
}
