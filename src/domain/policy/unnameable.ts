import { formatDuration } from '../duration.ts';
import { assign } from '../matching.ts';
import { isReachable, isSlackId } from './identity.ts';
import { listsOfOnCall } from './on-call-lists.ts';
import {
  type ApprovalStep,
  approvalOf,
  automaticEntries,
  type PlacedPeople,
  type Policy,
  type Principals,
  type Profile,
  requestTimeout,
} from './policy.ts';

/** Entries of the policy that can name nobody, and lists that nobody can satisfy: whoever wrote them believes that they do something. */

export interface PolicyProblem {
  readonly path: readonly (string | number)[];
  readonly message: string;
}
type Path = PolicyProblem['path'];

export function entriesThatNameNobody(policy: Policy): PolicyProblem[] {
  return [
    ...problemsOfOverrides(policy.identity),
    ...problemsOfGroups(policy.identity),
    ...usersWhoAreNobody(['administrators'], policy.administrators, policy.identity),
    ...listsOfOnCall(policy)
      .filter(({ source }) => !Object.hasOwn(policy.oncall ?? {}, source))
      .map(({ path, source }) => ({ path, message: noSource(source, Object.keys(policy.oncall ?? {})) })),
    ...Object.entries(policy.profiles).flatMap(([name, profile]) =>
      problemsOfProfile(['profiles', name], profile, policy),
    ),
    ...callsWithoutSource(policy),
  ];
}

function noSource(name: string, known: readonly string[]): string {
  if (known.length === 0) return `there is no source '${name}': name it under oncall, at the top of the policy`;
  return `there is no source '${name}' under oncall: there are ${known.join(', ')}`;
}

/** Profiles that call who is on call, where no source says who that is. */
function callsWithoutSource({ oncall = {}, profiles }: Policy): PolicyProblem[] {
  if (Object.keys(oncall).length > 0) return [];
  return Object.entries(profiles)
    .filter(([, { approval }]) => approval.notify.mention === 'oncall')
    .map(([name]) => ({
      path: ['profiles', name, 'approval', 'notify', 'mention'],
      message: 'calls nobody: the policy has no source of who is on call (oncall)',
    }));
}

function problemsOfOverrides({ overrides }: Policy['identity']): PolicyProblem[] {
  return overrides.flatMap(({ slack, user }, index) => {
    const path = ['identity', 'overrides', index];
    const isAgain = overrides.findIndex((other) => other.slack === slack) < index;
    return [
      ...(isSlackId(user)
        ? [
            {
              path: [...path, 'user'],
              message: `${user} has the form of a Slack member id: no list could name this user`,
            },
          ]
        : []),
      ...(isAgain
        ? [{ path: [...path, 'slack'], message: `${slack} has two overrides, and so leads to no user` }]
        : []),
    ];
  });
}

function problemsOfGroups(identity: Policy['identity']): PolicyProblem[] {
  return Object.keys(identity.groups)
    .filter((user) => user !== '*' && (isSlackId(user) || !isReachable(user, identity)))
    .map((user) => ({ path: ['identity', 'groups', user], message: nobody(user, identity) }));
}

function usersWhoAreNobody(path: Path, { users }: Principals, identity: Policy['identity']): PolicyProblem[] {
  return users.flatMap((user, index) =>
    isSlackId(user) || isReachable(user, identity)
      ? []
      : [{ path: [...path, 'users', index], message: nobody(user, identity) }],
  );
}

function nobody(user: string, { user: template, emailDomains }: Policy['identity']): string {
  const of = emailDomains === undefined ? 'any address' : `an address of ${emailDomains.join(', ')}`;
  return `${user} is nobody: no override leads to this user, and ${template} is not it for ${of}`;
}

function problemsOfProfile(path: Path, profile: Profile, policy: Policy): PolicyProblem[] {
  const { identity } = policy;
  const { requesters, deny, approval } = profile;
  return [
    ...usersWhoAreNobody([...path, 'requesters'], requesters, identity),
    ...approvalOf(profile).steps.flatMap(({ from, unless, escalate }) =>
      [from, ...escalate, ...placedMembers(unless)].flatMap((list) =>
        usersWhoAreNobody([...path, ...list.path], list.people, identity),
      ),
    ),
    ...usersWhoAreNobody([...path, 'deny'], deny, identity),
    ...usersWhoAreNobody([...path, 'approval', 'notify', 'quiet'], approval.notify.quiet, identity),
    ...automaticEntries(profile).flatMap(({ path: at, when: { members } }) =>
      members === undefined ? [] : usersWhoAreNobody([...path, ...at, 'members'], members, identity),
    ),
    ...(profile.breakGlass === undefined
      ? []
      : [
          ...usersWhoAreNobody([...path, 'breakGlass', 'from'], profile.breakGlass.from, identity),
          ...usersWhoAreNobody([...path, 'breakGlass', 'review', 'from'], profile.breakGlass.review.from, identity),
        ]),
    ...listsThatNobodySatisfies(path, profile, identity),
    ...escalationsThatNeverCome(path, profile, requestTimeout(policy, profile)),
    ...(profile.namespaces?.every((pattern) => pattern.startsWith('kube-'))
      ? [{ path: [...path, 'namespaces'], message: 'covers nothing: namespaces of Kubernetes (kube-*) are closed' }]
      : []),
  ];
}

/** A request has timed out by then. */
function escalationsThatNeverCome(path: Path, profile: Profile, timeout: number): PolicyProblem[] {
  return approvalOf(profile).steps.flatMap(({ escalate }) =>
    escalate
      .filter(({ after }) => after >= timeout)
      .map(({ path: to }) => ({
        path: [...path, ...to.slice(0, -1), 'after'],
        message: `comes too late: a request times out after ${formatDuration(timeout)}`,
      })),
  );
}

function placedMembers(unless: ApprovalStep['unless']): PlacedPeople[] {
  return unless?.when.members === undefined ? [] : [{ path: [...unless.path, 'members'], people: unless.when.members }];
}

function listsThatNobodySatisfies(path: Path, profile: Profile, identity: Policy['identity']): PolicyProblem[] {
  const denied = usersIn(profile.deny, identity);
  const among = (list: Principals): ReadonlySet<string> | null =>
    list.groups.length + list.channels.length > 0 || list.oncall !== undefined
      ? null
      : new Set([...usersIn(list, identity)].filter((user) => !denied.has(user)));
  // Null: whoever is in a list of Slack, too.
  const requesters = among(profile.requesters);
  const problems: PolicyProblem[] = [];
  if (requesters?.size === 0)
    problems.push({ path: [...path, 'requesters'], message: 'nobody may ask: all of them are denied' });
  problems.push(...stepsThatNobodySatisfies(path, profile, requesters, among));
  if (profile.breakGlass !== undefined) problems.push(...reviewsThatNobodyMakes(path, profile.breakGlass, among));
  for (const { path: at, when } of automaticEntries(profile)) {
    const members = when.members === undefined ? null : among(when.members);
    if (members !== null && requesters !== null && ![...members].some((user) => requesters.has(user)))
      problems.push({ path: [...path, ...at, 'members'], message: 'none of them may ask' });
  }
  return problems;
}

/** Whoever breaks the glass does not review it: somebody else must be able to. */
function reviewsThatNobodyMakes(
  path: Path,
  { from, review }: NonNullable<Profile['breakGlass']>,
  among: (list: Principals) => ReadonlySet<string> | null,
): PolicyProblem[] {
  const [breakers, reviewers] = [among(from), among(review.from)];
  if (reviewers === null || reviewers.size > 1) return [];
  const [only] = reviewers;
  if (only !== undefined && breakers?.has(only) !== true) return [];
  const who =
    only === undefined ? 'all of them are denied' : `${only} may break the glass, and never reviews their own`;
  return [{ path: [...path, 'breakGlass', 'review', 'from'], message: `nobody could review it: ${who}` }];
}

/** Steps that no request could get the people for, as far as the policy names them one by one. */
function stepsThatNobodySatisfies(
  path: Path,
  profile: Profile,
  requesters: ReadonlySet<string> | null,
  among: (list: Principals) => ReadonlySet<string> | null,
): PolicyProblem[] {
  const steps = approvalOf(profile).steps.flatMap(({ name, from, escalate, count }) => {
    const lists = [from, ...escalate].map(({ people }) => among(people));
    const users = lists.reduce<Set<string> | null>(
      (all, list) => (all === null || list === null ? null : new Set([...all, ...list])),
      new Set(),
    );
    return users === null ? [] : [{ name, path: from.path, users, count }];
  });
  const most = (of: typeof steps) => mostApprovals(of, requesters, profile.selfApproval);
  const isShort = profile.approvers !== undefined;
  const alone = steps.flatMap((one): PolicyProblem[] => {
    const found = most([one]);
    const of = isShort ? '' : `step '${one.name}': `;
    const message = `nothing can be approved: ${of}${one.count} needed, and no request has more than ${found} who may`;
    return found < one.count ? [{ path: [...path, ...one.path], message }] : [];
  });
  const all = steps.reduce((sum, { count }) => sum + count, 0);
  // A step that more may decide than all steps need has somebody left always.
  const scarce = steps.filter(({ users }) => users.size <= all);
  const needed = scarce.reduce((sum, { count }) => sum + count, 0);
  const found = alone.length > 0 ? needed : most(scarce);
  if (found === needed) return alone;
  const names = scarce.map(({ name }) => name).join(', ');
  const message = `nothing can be approved: ${names} need ${needed} different people, and no request has more than ${found} who may`;
  return [{ path: [...path, 'approval', 'steps'], message }];
}

/** How many people could approve these steps, each one step, of the request that has most of them. */
function mostApprovals(
  steps: readonly { readonly users: ReadonlySet<string>; readonly count: number }[],
  requesters: ReadonlySet<string> | null,
  self: boolean,
): number {
  const users = [...new Set(steps.flatMap((step) => [...step.users]))];
  const without = (requester: string | null) => {
    const able = users
      .filter((user) => self || user !== requester)
      .map((user) => new Set(steps.flatMap((step, index) => (step.users.has(user) ? [index] : []))));
    return assign(
      steps.map(({ count }) => count),
      able,
    ).flat().length;
  };
  // Whoever decides no step keeps nobody from it.
  const isFromOutside =
    requesters === null ||
    requesters.size === 0 ||
    [...requesters].some((user) => !steps.some((step) => step.users.has(user)));
  const enough = steps.reduce((sum, { count }) => sum + count, 0);
  let most = 0;
  for (const requester of isFromOutside ? [null] : requesters) {
    most = Math.max(most, without(requester));
    if (most === enough) break;
  }
  return most;
}

/** The users whom a list names, as far as the policy can tell them apart. */
function usersIn({ users }: Principals, { overrides }: Policy['identity']): Set<string> {
  const userOf = (entry: string) => overrides.find(({ slack }) => slack === entry)?.user ?? entry;
  return new Set(users.map((entry) => userOf(entry).toLowerCase()));
}
