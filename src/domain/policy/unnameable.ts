import { isReachable, isSlackId } from './identity.ts';
import { automaticEntries, type Policy, type Principals, type Profile } from './policy.ts';

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
    ...Object.entries(policy.profiles).flatMap(([name, profile]) =>
      problemsOfProfile(['profiles', name], profile, policy.identity),
    ),
  ];
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

function problemsOfProfile(path: Path, profile: Profile, identity: Policy['identity']): PolicyProblem[] {
  const { requesters, approvers, deny } = profile;
  return [
    ...usersWhoAreNobody([...path, 'requesters'], requesters, identity),
    ...usersWhoAreNobody([...path, 'approvers'], approvers, identity),
    ...usersWhoAreNobody([...path, 'deny'], deny, identity),
    ...automaticEntries(profile).flatMap(({ path: at, when: { members } }) =>
      members === undefined ? [] : usersWhoAreNobody([...path, ...at, 'members'], members, identity),
    ),
    ...listsThatNobodySatisfies(path, profile, identity),
    ...(profile.namespaces.every((pattern) => pattern.startsWith('kube-'))
      ? [{ path: [...path, 'namespaces'], message: 'covers nothing: namespaces of Kubernetes (kube-*) are closed' }]
      : []),
  ];
}

function listsThatNobodySatisfies(path: Path, profile: Profile, identity: Policy['identity']): PolicyProblem[] {
  const { approvals } = profile;
  const denied = usersIn(profile.deny, identity);
  const among = (list: Principals): ReadonlySet<string> | null =>
    list.groups.length + list.channels.length > 0
      ? null
      : new Set([...usersIn(list, identity)].filter((user) => !denied.has(user)));
  // Null: whoever is in a list of Slack, too.
  const requesters = among(profile.requesters);
  const approvers = among(profile.approvers);
  const problems: PolicyProblem[] = [];
  if (requesters?.size === 0)
    problems.push({ path: [...path, 'requesters'], message: 'nobody may ask: all of them are denied' });
  const most = approvers === null ? null : mostApprovals(approvers, requesters, profile.selfApproval);
  if (most !== null && most < approvals)
    problems.push({
      path: [...path, 'approvers'],
      message: `nothing can be approved: ${approvals} needed, and no request has more than ${most} who may`,
    });
  for (const { path: at, when } of automaticEntries(profile)) {
    const members = when.members === undefined ? null : among(when.members);
    if (members !== null && requesters !== null && ![...members].some((user) => requesters.has(user)))
      problems.push({ path: [...path, ...at, 'members'], message: 'none of them may ask' });
  }
  return problems;
}

/** How many may approve the request that has most of them. */
function mostApprovals(approvers: ReadonlySet<string>, requesters: ReadonlySet<string> | null, self: boolean): number {
  const isFromOutside = requesters === null || [...requesters].some((user) => !approvers.has(user));
  return self || isFromOutside ? approvers.size : approvers.size - 1;
}

/** The users whom a list names, as far as the policy can tell them apart. */
function usersIn({ users }: Principals, { overrides }: Policy['identity']): Set<string> {
  const userOf = (entry: string) => overrides.find(({ slack }) => slack === entry)?.user ?? entry;
  return new Set(users.map((entry) => userOf(entry).toLowerCase()));
}
