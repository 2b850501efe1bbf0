import { digestOf } from './canonical.ts';
import { formatDuration } from './duration.ts';
import { Refusal } from './errors.ts';
import { approvalsOf, type Extension, type Grant } from './grant.ts';
import { allowedBy, deniedBy, type Memberships, membershipsNeeded, type Person } from './people.ts';
import {
  describeDurations,
  isSystemNamespace,
  matchesNamespace,
  type Policy,
  type Profile,
  profileNamed,
} from './policy.ts';
import type { Wanted } from './target.ts';

/** The longest reason that is taken: a message shows it whole. */
export const LONGEST_REASON = 500;

/** The names of namespaces and Services. https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-label-names */
const LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

/** What somebody asks for. `duration` null: the profile's default. */
export interface Ask {
  readonly profile: string;
  readonly target: Wanted;
  readonly duration: number | null;
  readonly reason: string;
}

/** What was looked up about people before a decision; see domain/people.ts. */
export interface Facts {
  readonly memberships: Memberships;
  /** Kubernetes users of the Slack ids that deny lists name. */
  readonly aliases: ReadonlyMap<string, string | null>;
}

/** A decision with the rule of the policy that made it. */
export type Decided<T = unknown> =
  | ({ readonly allowed: true; readonly rule: string } & T)
  | { readonly allowed: false; readonly refusal: Refusal };

const refuse = (rule: string, reason: string, remedy = ''): { allowed: false; refusal: Refusal } => ({
  allowed: false,
  refusal: new Refusal(rule, reason, remedy),
});

type Why = { readonly allowed: false; readonly refusal: Refusal } | null;
/** The first refusal of an ordered list of checks. */
function firstRefusal(...checks: (() => Why)[]): Why {
  for (const check of checks) {
    const why = check();
    if (why !== null) return why;
  }
  return null;
}

/** The groups and channels to look up before a request or a review of this profile is decided. */
export function lookupsFor(policy: Policy, profile: Profile): { memberships: string[]; aliases: string[] } {
  const lists = [profile.deny, profile.requesters, profile.approvers, policy.administrators];
  return {
    memberships: membershipsNeeded(...lists, ...(profile.automatic ? [profile.automatic.members] : [])),
    aliases: profile.deny.users.filter((user) => /^[UW][A-Z0-9]+$/.test(user)),
  };
}

const denied = (profileName: string, profile: Profile, person: Person, facts: Facts): Why => {
  const entry = deniedBy(profile.deny, person, facts.memberships, facts.aliases);
  return entry === null
    ? null
    : refuse(
        `profiles.${profileName}.deny (${entry})`,
        `The policy denies profile '${profileName}' to you.`,
        'Ask an administrator of Drawbridge.',
      );
};

/** May this person ask for this profile at all? The first half of {@link decideRequest}: it fills the modal. */
export function mayAsk(policy: Policy, profileName: string, person: Person, facts: Facts): Decided {
  const profile = profileNamed(policy, profileName);
  const rule = `profiles.${profileName}`;
  if (profile === undefined)
    return refuse(
      'profiles',
      `There is no profile '${profileName.slice(0, 63)}'.`,
      `Profiles are: ${Object.keys(policy.profiles).join(', ')}.`,
    );
  const why = denied(profileName, profile, person, facts);
  if (why !== null) return why;
  const entry = allowedBy(profile.requesters, person, facts.memberships);
  if (entry === null)
    return refuse(
      `${rule}.requesters`,
      `Profile '${profileName}' is not yours to ask for.`,
      '`/jit` shows what you may ask for.',
    );
  return { allowed: true, rule: `${rule}.requesters (${entry})` };
}

/** The verdict on a request: refused, to be approved by people, or granted by a condition of the policy (`approvals` 0). */
export function decideRequest(
  policy: Policy,
  ask: Ask,
  person: Person,
  facts: Facts,
  closedNamespaces: readonly string[] = [],
): Decided<{ readonly profile: Profile; readonly duration: number; readonly approvals: number }> {
  const { target } = ask;
  const asking = mayAsk(policy, ask.profile, person, facts);
  if (!asking.allowed) return asking;
  const profile = policy.profiles[ask.profile] as Profile;
  const path = `profiles.${ask.profile}`;
  const duration = ask.duration ?? profile.duration.default;
  const why = firstRefusal(
    () =>
      LABEL.test(target.namespace)
        ? null
        : refuse(
            'target',
            `'${target.namespace.slice(0, 63)}' is not the name of a namespace.`,
            'Name one namespace; patterns are not taken.',
          ),
    () =>
      isSystemNamespace(target.namespace) || closedNamespaces.includes(target.namespace)
        ? refuse(
            'namespaces',
            `Namespace '${target.namespace}' is closed to every profile: it belongs to Kubernetes or to Drawbridge.`,
          )
        : null,
    () =>
      matchesNamespace(profile.namespaces, target.namespace)
        ? null
        : refuse(
            `${path}.namespaces`,
            `Profile '${ask.profile}' does not cover namespace '${target.namespace}'.`,
            `It covers: ${profile.namespaces.join(', ')}.`,
          ),
    () =>
      profile.scope === 'workload' && target.workload === undefined && target.service === undefined
        ? refuse(
            `${path}.scope`,
            `Profile '${ask.profile}' is for one workload.`,
            `Name it, or a Service in front of it: \`/jit request ${ask.profile} ${target.namespace}/deploy/NAME\`, or \`${target.namespace}/svc/NAME\`.`,
          )
        : null,
    () =>
      profile.scope === 'namespace' && (target.workload !== undefined || target.service !== undefined)
        ? refuse(
            `${path}.scope`,
            `Profile '${ask.profile}' is for a whole namespace, not for one workload.`,
            `Ask for \`${target.namespace}\` alone, or for a profile with scope workload.`,
          )
        : null,
    () =>
      target.workload === undefined || /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/.test(target.workload.name)
        ? null
        : refuse(
            'target',
            'That is not the name of a workload.',
            'Names have lower-case letters, digits, dashes and dots.',
          ),
    () =>
      target.service === undefined || LABEL.test(target.service)
        ? null
        : refuse('target', 'That is not the name of a Service.', 'Names have lower-case letters, digits and dashes.'),
    () =>
      Number.isSafeInteger(duration) && duration > 0
        ? null
        : refuse(
            `${path}.duration`,
            'The duration must be longer than nothing.',
            `Durations: ${describeDurations(profile)}.`,
          ),
    () =>
      duration <= profile.duration.maximum
        ? null
        : refuse(
            `${path}.duration.maximum`,
            `${formatDuration(duration)} is longer than profile '${ask.profile}' allows.`,
            `Ask for ${formatDuration(profile.duration.maximum)} at most.`,
          ),
    () =>
      ask.reason.trim() === ''
        ? refuse('reason', 'A reason is needed: approvers decide by it.', 'Say in a few words what you need it for.')
        : null,
    () =>
      ask.reason.length > LONGEST_REASON
        ? refuse(
            'reason',
            `The reason has ${ask.reason.length} characters, ${LONGEST_REASON} are taken.`,
            'Shorten it; put details into a ticket.',
          )
        : null,
  );
  if (why !== null) return why;
  const automatic = automaticRule(profile, ask, duration, person, facts);
  return automatic === null
    ? { allowed: true, rule: asking.rule, profile, duration, approvals: profile.approvals }
    : { allowed: true, rule: `${path}.automatic (${automatic})`, profile, duration, approvals: 0 };
}

/** The entry by which the policy itself approves, or null. It never acknowledges what a person would have to. */
function automaticRule(profile: Profile, ask: Ask, duration: number, person: Person, facts: Facts): string | null {
  const { automatic } = profile;
  if (automatic === undefined || duration > automatic.maximum) return null;
  if (profile.acknowledgePersistence || profile.network.allowIsolation) return null;
  if (automatic.namespaces !== undefined && !matchesNamespace(automatic.namespaces, ask.target.namespace)) return null;
  return allowedBy(automatic.members, person, facts.memberships);
}

/** May this person approve or deny this request now? Rights are as of now: nothing is read from the message. */
export function decideReview(
  policy: Policy,
  grant: Pick<Grant, 'profile' | 'requester' | 'decisions' | 'digest'>,
  reviewer: Person,
  verdict: 'approve' | 'deny',
  facts: Facts,
): Decided {
  const profile = profileNamed(policy, grant.profile);
  const path = `profiles.${grant.profile}`;
  if (profile === undefined)
    return refuse(
      'profiles',
      `The policy has no profile '${grant.profile}' any more.`,
      'The request can only be denied by an administrator or time out.',
    );
  const why = denied(grant.profile, profile, reviewer, facts);
  if (why !== null) return why;
  const self = reviewer.user === grant.requester.user;
  if (self && !profile.selfApproval)
    return refuse(
      `${path}.selfApproval`,
      'Nobody decides on a request of their own.',
      'Another approver must press the button.',
    );
  const entry = allowedBy(profile.approvers, reviewer, facts.memberships);
  if (entry === null)
    return refuse(
      `${path}.approvers`,
      `You are not an approver of profile '${grant.profile}'.`,
      'The message of the request names those who are.',
    );
  const already = grant.decisions.some(
    (d) => d.verdict === verdict && d.digest === grant.digest && d.by?.user === reviewer.user,
  );
  if (already)
    return refuse(
      'approvals',
      'You have decided on this already: each person counts once.',
      'Another approver must press the button.',
    );
  return { allowed: true, rule: `${path}.approvers (${entry})` };
}

/** How many more people must approve. */
export function approvalsMissing(grant: Grant): number {
  return Math.max(0, grant.approvalsNeeded - approvalsOf(grant).length);
}

/** May this person end the grant, or call the request back? The requester, its approvers and administrators may. */
export function mayEnd(policy: Policy, grant: Grant, person: Person, facts: Facts): Decided {
  if (person.user === grant.requester.user) return { allowed: true, rule: 'requester' };
  const admin = allowedBy(policy.administrators, person, facts.memberships);
  if (admin !== null) return { allowed: true, rule: `administrators (${admin})` };
  const profile = profileNamed(policy, grant.profile);
  const approver = profile === undefined ? null : allowedBy(profile.approvers, person, facts.memberships);
  if (approver !== null) return { allowed: true, rule: `profiles.${grant.profile}.approvers (${approver})` };
  return refuse(
    'revoke',
    'Only the requester, an approver of the profile or an administrator ends a grant.',
    'Ask one of them.',
  );
}

/** May this grant be extended by so much? Never past the profile's maximum, counted from the start of the window. */
export function decideExtension(
  policy: Policy,
  grant: Grant,
  person: Person,
  seconds: number | null,
  facts: Facts,
  now: number,
): Decided<{ readonly approvals: number; readonly duration: number }> {
  if (person.user !== grant.requester.user)
    return refuse('extend', 'Only the requester asks for a longer window.', 'Ask for a grant of your own.');
  if (grant.state !== 'active' || grant.startsAt === null || grant.expiresAt === null || grant.expiresAt <= now)
    return refuse(
      'extend',
      `Only an active grant can be extended; ${grant.id} is ${grant.state === 'active' ? 'at its end' : grant.state}.`,
      'Make a new request.',
    );
  const asking = mayAsk(policy, grant.profile, person, facts);
  if (!asking.allowed) return asking;
  const profile = policy.profiles[grant.profile] as Profile;
  const extra = seconds ?? profile.duration.default;
  if (!Number.isSafeInteger(extra) || extra <= 0)
    return refuse(
      `profiles.${grant.profile}.duration`,
      'The duration must be longer than nothing.',
      `Durations: ${describeDurations(profile)}.`,
    );
  const length = Math.ceil((grant.expiresAt - grant.startsAt) / 1000) + extra;
  if (length > profile.duration.maximum) {
    const room = profile.duration.maximum - Math.ceil((grant.expiresAt - grant.startsAt) / 1000);
    return refuse(
      `profiles.${grant.profile}.duration.maximum`,
      `With ${formatDuration(extra)} more the window would be longer than the ${formatDuration(profile.duration.maximum)} that profile '${grant.profile}' allows.`,
      room > 0 ? `Ask for ${formatDuration(room)} at most.` : 'Make a new request when this one has ended.',
    );
  }
  const automatic = automaticRule(
    profile,
    { profile: grant.profile, target: grant.target, duration: length, reason: grant.reason },
    length,
    person,
    facts,
  );
  return {
    allowed: true,
    rule: automatic === null ? asking.rule : `profiles.${grant.profile}.automatic (${automatic})`,
    approvals: automatic === null ? profile.approvals : 0,
    duration: extra,
  };
}

/** What approvers of an extension agree to: the grant as it was approved, its end, and so much more. */
export function extensionDigest(grant: Grant, extension: Extension): string {
  return digestOf({ grant: grant.digest, expiresAt: grant.expiresAt, duration: extension.duration });
}
