import { parseArgs } from 'node:util';
import { loadPolicy } from '../../config/policy-file.ts';
import { formatDuration } from '../../domain/duration.ts';
import { allowedBy, concluded, deniedBy, type Person, ruleOf } from '../../domain/people/people.ts';
import {
  automaticEntries,
  describeDurations,
  describeRights,
  type Policy,
  type Principals,
  type Profile,
  requestTimeout,
  type When,
} from '../../domain/policy/policy.ts';
import { describeRule } from '../../domain/rights/coverage.ts';
import { describeKit, rulesOfKits } from '../../domain/rights/kits.ts';
import { type Subcommand, UsageError, usage } from '../command.ts';
import { membersAmong, personNamed } from './person.ts';

export const explain: Subcommand = {
  summary: 'says what profiles give, and what a person may ask for and approve, by which rule',
  help: `Usage: npm run policy -- explain FILE [--person WHO [--member-of ID]...] [--profile NAME]

Without a person: what each profile gives, rule by rule, to whom, and who decides.

  --person WHO      an e-mail address (taken as confirmed) or a Slack member id
  --member-of ID    a Slack user group (S...) or channel (C..., G...) that the person is in; may be repeated.
                    Slack is not asked: what hangs on another group or channel is said as "only as a member of"
  --profile NAME    only this profile

Exit code: 0 the person may ask for or approve something of it (or none was named), 1 nothing or a bad policy, 2 wrong arguments.

Example: npm run policy -- explain policy.example.yaml --person ada@example.test --member-of S0SRE00001`,

  async run(args, out) {
    const { positionals, values } = usage(() =>
      parseArgs({
        args: [...args],
        allowPositionals: true,
        options: {
          person: { type: 'string' },
          profile: { type: 'string' },
          'member-of': { type: 'string', multiple: true, default: [] },
        },
      }),
    );
    const [file, ...rest] = positionals;
    if (file === undefined || rest.length > 0) throw new UsageError('expected one policy file');
    if (values.person === undefined && values['member-of'].length > 0)
      throw new UsageError('expected --person with an e-mail address or a Slack member id');
    for (const id of values['member-of'])
      if (!/^[SCG][A-Z0-9]+$/.test(id))
        throw new UsageError(`--member-of ${id}: expected an id that begins with S, C or G`);

    const result = await loadPolicy(file);
    if (!result.ok) {
      for (const problem of result.problems) out.complain(problem);
      return 1;
    }
    const { policy } = result;
    if (values.profile !== undefined && !Object.hasOwn(policy.profiles, values.profile))
      throw new UsageError(
        `the policy has no profile '${values.profile}'; profiles are: ${Object.keys(policy.profiles).join(', ')}`,
      );
    if (values.person === undefined) {
      const told = Object.entries(policy.profiles)
        .filter(([name]) => values.profile === undefined || name === values.profile)
        .map(([name, profile]) => describeProfile(policy, name, profile).join('\n'));
      out.print(told.join('\n\n'));
      return 0;
    }
    const person = personNamed(policy, values.person);
    if (person === null) {
      const domains = policy.identity.emailDomains;
      const accepted = domains === undefined ? '' : ` Addresses of these domains are accepted: ${domains.join(', ')}.`;
      out.print(
        `${values.person} leads to no single Kubernetes user (identity): may neither ask nor decide.${accepted}`,
      );
      return 1;
    }
    out.print(`${values.person} is the Kubernetes user ${person.user}${inGroups(person)}`);
    const known = new Set(values['member-of']);
    const admin = standing(policy.administrators, person, known);
    if (admin.verdict !== 'no') out.print(`administrator: ${admin.words}`);

    let something = false;
    for (const [name, profile] of Object.entries(policy.profiles)) {
      if (values.profile !== undefined && name !== values.profile) continue;
      const told = tell(policy, name, profile, person, known);
      something ||= told.something;
      out.print('');
      for (const line of told.lines) out.print(line);
    }
    return something ? 0 : 1;
  },
};

/** What a profile gives, rule by rule, to whom, and who decides. */
function describeProfile(policy: Policy, name: string, profile: Profile): string[] {
  const { approvals, approvers, deny, requesters, rights } = profile;
  const kits = (rights ?? []).flatMap((kit) => [
    `  ${kit}: ${describeKit(kit)}`,
    ...rulesOfKits([kit], null).map((rule) => `    ${describeRule(rule)}`),
  ]);
  const denied = describePrincipals(deny);
  return [
    `${name}: ${describeRights(profile)}; ${profile.scope === 'workload' ? 'one workload' : 'a whole namespace'}; namespaces ${profile.namespaces.join(', ')}`,
    ...kits,
    ...(profile.rules ?? []).map((rule) => `    ${describeRule(rule)}`),
    `  for ${describeDurations(profile)}; a request waits ${formatDuration(requestTimeout(policy, profile))}`,
    `  may ask: ${describePrincipals(requesters)}${denied === '' ? '' : `, never ${denied}`}`,
    `  approvals needed: ${approvals}, by ${describePrincipals(approvers)}`,
    ...automaticEntries(profile).map(({ when }) => {
      const who = when.members === undefined ? 'everybody who may ask' : describePrincipals(when.members);
      return `  without a person: ${describeCondition(profile, when)}, to ${who}`;
    }),
  ];
}

const describeCondition = (profile: Profile, { maximum, namespaces, hours }: When): string => {
  const where = namespaces === undefined ? '' : ` in ${namespaces.join(', ')}`;
  const at = hours === undefined ? '' : `, ${hours}`;
  return `up to ${formatDuration(maximum ?? profile.duration.maximum)}${where}${at}`;
};

const inGroups = (person: Person) => (person.groups.length === 0 ? '' : `, in groups ${person.groups.join(', ')}`);

interface Standing {
  readonly verdict: 'yes' | 'perhaps' | 'no';
  readonly words: string;
}

/** Whether a list names the person, with what is known of memberships; the rest is said as a condition. */
function standing(list: Principals, person: Person, known: ReadonlySet<string>): Standing {
  const listing = concluded(allowedBy({ '': list }, person), membersAmong(known, person));
  if (listing.is === 'named') return { verdict: 'yes', words: `yes (${listing.entry.word}: ${listing.entry.id})` };
  const others = describeOthers(list, known);
  return others === ''
    ? { verdict: 'no', words: 'no' }
    : { verdict: 'perhaps', words: `only as a member of ${others}` };
}

function describeOthers(list: Principals, known: ReadonlySet<string>): string {
  return [
    ...list.groups.filter((id) => !known.has(id)).map((id) => `group ${id}`),
    ...list.channels.filter((id) => !known.has(id)).map((id) => `channel ${id}`),
  ].join(' or ');
}

function tell(
  policy: Policy,
  name: string,
  profile: Profile,
  person: Person,
  known: ReadonlySet<string>,
): { lines: string[]; something: boolean } {
  const deciding = deniedBy(`profiles.${name}.deny`, profile.deny, person, policy.identity);
  const denied = concluded(deciding, membersAmong(known, person));
  const lines = [`${name}: ${describeRights(profile)}; namespaces ${profile.namespaces.join(', ')}`];
  if (denied.is === 'named') return { lines: [...lines, `  denied: ${ruleOf(denied.entry)}`], something: false };
  const asks = standing(profile.requesters, person, known);
  const approves = standing(profile.approvers, person, known);
  lines.push(`  may ask: ${asks.words}`);
  if (asks.verdict !== 'no') {
    const target =
      profile.scope === 'workload' ? 'one workload, by its name or a Service in front of it' : 'a namespace';
    lines.push(`    target: ${target}`);
    lines.push(
      `    for ${describeDurations(profile)}; a request waits ${formatDuration(requestTimeout(policy, profile))}`,
    );
    lines.push(`    approvals needed: ${profile.approvals}, by ${describePrincipals(profile.approvers)}`);
    if (profile.automatic !== undefined)
      lines.push(`    without a person: ${describeAutomatic(profile, person, known)}`);
  }
  lines.push(
    `  may approve: ${approves.words}${approves.verdict === 'no' || profile.selfApproval ? '' : ', not own requests'}`,
  );
  const unless = describeOthers(profile.deny, known);
  if (unless !== '') lines.push(`  but nothing of it as a member of ${unless} (deny)`);
  return { lines, something: asks.verdict !== 'no' || approves.verdict !== 'no' };
}

function describeAutomatic(profile: Profile, person: Person, known: ReadonlySet<string>): string {
  if (profile.acknowledgePersistence || profile.network.allowIsolation)
    return 'never: acknowledgePersistence and allowIsolation need a person';
  return automaticEntries(profile)
    .map(({ when }) => {
      const who = when.members === undefined ? 'to everybody who may ask' : standing(when.members, person, known).words;
      return `${describeCondition(profile, when)}, ${who}`;
    })
    .join('; or ');
}

function describePrincipals({ users, groups, channels }: Principals): string {
  return [...users, ...groups.map((id) => `group ${id}`), ...channels.map((id) => `channel ${id}`)].join(', ');
}
