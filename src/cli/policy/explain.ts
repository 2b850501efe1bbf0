import { parseArgs } from 'node:util';
import { loadPolicy } from '../../config/policy-text.ts';
import { formatDuration } from '../../domain/duration.ts';
import { allowedBy, concluded, deniedBy, type Person, ruleOf } from '../../domain/people/people.ts';
import { describeConditions, describeOnCall, describePeople } from '../../domain/policy/conditions-in-words.ts';
import {
  approvalOf,
  automaticEntries,
  describeCoverage,
  describeDurations,
  describeLimits,
  describeRights,
  type Policy,
  type Principals,
  type Profile,
  requestTimeout,
  type Scope,
  type When,
} from '../../domain/policy/policy.ts';
import { describeRule } from '../../domain/rights/coverage.ts';
import { describeKit, rulesOfKits } from '../../domain/rights/kits.ts';
import { type Subcommand, UsageError, usage } from '../command.ts';
import { describeNetwork, forPrograms } from './gives.ts';
import { isJson, OUTPUT, printJson, unanswered } from './output.ts';
import { MEMBERSHIP, membersAmong, personNamed } from './person.ts';

export const explain: Subcommand = {
  summary: 'says what profiles give, and what a person may ask for and approve, by which rule',
  help: `Usage: npm run policy -- explain FILE [--person WHO [--member-of ID]...] [--profile NAME] [-o json]

Without a person: what each profile gives, rule by rule, to whom, and who decides.

  --person WHO      an e-mail address (taken as confirmed) or a Slack member id
  --member-of ID    a Slack user group (S...) or channel (C..., G...) that the person is in, or oncall:NAME, a source by which the
                    person is on call; may be repeated. Neither Slack nor sources are asked: what hangs on another is said as
                    "only as a member of"
  --profile NAME    only this profile
  -o json           {"version": 1, "profiles": [{"name", "lines": [...], ...}]}: the lines as they are printed, and without
                    a person the profile with all its defaults and the rules that it gives (durations in seconds); with one
                    "user", "groups" and "administrator", and for each profile whether "something" of it is theirs

Exit code: 0 the person may ask for or approve something of it (or none was named), 1 nothing, 2 wrong arguments, or a policy
that can't be read or is bad.

Example: npm run policy -- explain policy.example.yaml --person ada@example.test --member-of S0SRE00001`,

  async run(args, out) {
    const { positionals, values } = usage(() =>
      parseArgs({
        args: [...args],
        allowPositionals: true,
        options: {
          ...OUTPUT,
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
      if (!MEMBERSHIP.test(id))
        throw new UsageError(`--member-of ${id}: expected an id that begins with S, C or G, or oncall:NAME`);

    const asJson = isJson(values.output);
    const result = await loadPolicy(file);
    if (!result.ok) return unanswered(out, asJson, result.problems);
    const { policy } = result;
    if (values.profile !== undefined && !Object.hasOwn(policy.profiles, values.profile))
      throw new UsageError(
        `the policy has no profile '${values.profile}'; profiles are: ${Object.keys(policy.profiles).join(', ')}`,
      );
    if (values.person === undefined) {
      const told = Object.entries(policy.profiles)
        .filter(([name]) => values.profile === undefined || name === values.profile)
        .map(([name, profile]) => ({
          name,
          profile,
          lines: [...describeProfile(policy, name, profile), ...describeNetwork(profile)],
        }));
      if (asJson)
        printJson(out, {
          profiles: told.map(({ name, profile, lines }) => ({ name, ...forPrograms(profile), lines })),
        });
      else out.print(told.map(({ lines }) => lines.join('\n')).join('\n\n'));
      return 0;
    }
    const person = personNamed(policy, values.person);
    if (person === null) {
      const domains = policy.identity.emailDomains;
      const accepted = domains === undefined ? '' : ` Addresses of these domains are accepted: ${domains.join(', ')}.`;
      const words = `${values.person} leads to no single Kubernetes user (identity): may neither ask nor decide.${accepted}`;
      if (asJson) printJson(out, { user: null, lines: [words], profiles: [] });
      else out.print(words);
      return 1;
    }
    const known = new Set(values['member-of']);
    const admin = standing(policy.administrators, person, known);
    const told = Object.entries(policy.profiles)
      .filter(([name]) => values.profile === undefined || name === values.profile)
      .map(([name, profile]) => ({ name, ...tell(policy, name, profile, person, known) }));
    if (asJson) {
      const { user, groups } = person;
      printJson(out, { user, groups, administrator: admin.verdict, profiles: told });
    } else {
      out.print(`${values.person} is the Kubernetes user ${person.user}${inGroups(person)}`);
      if (admin.verdict !== 'no') out.print(`administrator: ${admin.words}`);
      for (const { lines } of told) for (const line of ['', ...lines]) out.print(line);
    }
    return told.some(({ something }) => something) ? 0 : 1;
  },
};

/** What a request of a profile names, by its scope. */
const TARGETS: Readonly<Record<Scope, { readonly short: string; readonly named: string }>> = {
  namespace: { short: 'a whole namespace', named: 'a namespace' },
  workload: { short: 'one workload', named: 'one workload, by its name or a Service in front of it' },
  cluster: { short: 'the whole cluster', named: 'none: the whole cluster' },
  node: { short: 'one node', named: 'one node, by its name' },
};

/** Where a profile may be asked for, if the policy names clusters. */
const inClusters = ({ clusters }: Profile): string =>
  clusters === undefined ? '' : `; clusters ${clusters.join(', ')}`;

/** What a profile gives, rule by rule, to whom, and who decides. */
function describeProfile(policy: Policy, name: string, profile: Profile): string[] {
  const { deny, requesters, rights } = profile;
  const kits = (rights ?? []).flatMap((kit) => [
    `  ${kit}: ${describeKit(kit)}`,
    ...rulesOfKits([kit], null).map((rule) => `    ${describeRule(rule)}`),
  ]);
  const denied = describePeople(deny);
  return [
    `${name}: ${describeRights(profile)}; ${TARGETS[profile.scope].short}${profile.scope === 'cluster' ? '' : `; ${describeCoverage(profile)}`}${inClusters(profile)}`,
    ...kits,
    ...(profile.rules ?? []).map((rule) => `    ${describeRule(rule)}`),
    `  for ${describeDurations(profile)}; a request waits ${formatDuration(requestTimeout(policy, profile))}`,
    ...(profile.ticket === 'none' ? [] : [`  a ticket is ${profile.ticket}`]),
    ...limitLines(profile).map((line) => `  ${line}`),
    `  may ask: ${describePeople(requesters)}${denied === '' ? '' : `, never ${denied}`}`,
    ...describeSteps(profile).map((line) => `  ${line}`),
    ...describeAsking(profile).map((line) => `  ${line}`),
    ...automaticEntries(profile).map(({ when }) => {
      const who = when.members === undefined ? 'everybody who may ask' : describePeople(when.members);
      return `  without a person: ${describeCondition(profile, when)}, to ${who}`;
    }),
    ...describeBreakGlass(profile).map((line) => `  ${line}`),
  ];
}

function describeBreakGlass({ breakGlass }: Profile): string[] {
  if (breakGlass === undefined) return [];
  const { from, maximum, perDay, review } = breakGlass;
  return [
    `break-glass: at once for ${formatDuration(maximum)} at most, ${perDay} a day for a person, by ${describePeople(from)}; reviewed within ${formatDuration(review.within)} by ${describePeople(review.from)}`,
  ];
}

/** Where it is asked, who is called and what must be said, as far as the policy says it. */
function describeAsking({ approval: { note, notify } }: Profile): string[] {
  const { channel, mention, direct, quiet } = notify;
  const never = describePeople(quiet);
  const asked = [
    ...(channel === undefined ? [] : [`in channel ${channel}`]),
    ...(mention === 'approvers' ? [] : [mention === 'oncall' ? 'calling who is on call' : 'calling nobody']),
    ...(direct ? ['by direct message too'] : []),
    ...(never === '' ? [] : [`never calling ${never}`]),
  ];
  const notes = [
    ...(note.approve === undefined ? [] : [`to approve: ${note.approve}`]),
    ...(note.deny === 'optional' ? [] : [`to deny: ${note.deny}`]),
  ];
  return [
    ...(asked.length === 0 ? [] : [`asked ${asked.join(', ')}`]),
    ...(notes.length === 0 ? [] : [`a note ${notes.join(', ')}`]),
  ];
}

function limitLines(profile: Profile): string[] {
  const limits = describeLimits(profile);
  return limits.length === 0 ? [] : [`limits: ${limits.join(', ')}`];
}

const describeCondition = (profile: Profile, { members: _members, namespaces, ...when }: When): string => {
  const { maximum = profile.duration.maximum, hours, ...rest } = when;
  const where = namespaces === undefined ? '' : ` in ${namespaces.join(', ')}`;
  const more = describeConditions(rest);
  return [
    `up to ${formatDuration(maximum)}${where}`,
    ...(more === '' ? [] : [more]),
    ...(hours === undefined ? [] : [hours]),
  ].join(', ');
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

/** Which steps a person may approve; of the short form there is one. */
function approving(profile: Profile, person: Person, known: ReadonlySet<string>): Standing {
  const { steps } = approvalOf(profile);
  const all = steps.flatMap(({ name, from, escalate }) =>
    [{ ...from, after: 0 }, ...escalate].map(({ people, after }) => {
      const { verdict, words } = standing(people, person, known);
      const step =
        profile.approvers === undefined ? `step ${name}${after > 0 ? ` after ${formatDuration(after)}` : ''}: ` : '';
      return { verdict, words: `${step}${words}` };
    }),
  );
  const some = all.filter(({ verdict }) => verdict !== 'no');
  const verdict = some.find((one) => one.verdict === 'yes')?.verdict ?? some[0]?.verdict ?? 'no';
  return { verdict, words: some.map(({ words }) => words).join('; ') || 'no' };
}

/** Who decides, a line a step. */
function describeSteps(profile: Profile): string[] {
  const { order, steps } = approvalOf(profile);
  if (profile.approvers !== undefined)
    return steps.map(({ count, from }) => `approvals needed: ${count}, by ${describePeople(from.people)}`);
  return [
    `approvals needed: ${order === 'sequence' ? 'one step after the other' : 'all steps at once'}, each person for one step`,
    ...steps.flatMap(({ name, count, from, unless, escalate }) => [
      `  ${name}: ${count}, by ${describePeople(from.people)}${unless === null ? '' : `; not needed ${describeConditions(unless.when)}`}`,
      ...escalate.map(({ after, people }) => `    after ${formatDuration(after)} also by ${describePeople(people)}`),
    ]),
  ];
}

function describeOthers(list: Principals, known: ReadonlySet<string>): string {
  return [
    ...list.groups.filter((id) => !known.has(id)).map((id) => `group ${id}`),
    ...list.channels.filter((id) => !known.has(id)).map((id) => `channel ${id}`),
    ...(list.oncall ?? []).filter((name) => !known.has(`oncall:${name}`)).map(describeOnCall),
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
  const lines = [`${name}: ${describeRights(profile)}; ${describeCoverage(profile)}${inClusters(profile)}`];
  if (denied.is === 'named') return { lines: [...lines, `  denied: ${ruleOf(denied.entry)}`], something: false };
  const asks = standing(profile.requesters, person, known);
  const approves = approving(profile, person, known);
  lines.push(`  may ask: ${asks.words}`);
  if (asks.verdict !== 'no') {
    lines.push(`    target: ${TARGETS[profile.scope].named}`);
    lines.push(
      `    for ${describeDurations(profile)}; a request waits ${formatDuration(requestTimeout(policy, profile))}`,
    );
    lines.push(...limitLines(profile).map((line) => `    ${line}`));
    lines.push(...describeSteps(profile).map((line) => `    ${line}`));
    if (profile.automatic !== undefined)
      lines.push(`    without a person: ${describeAutomatic(profile, person, known)}`);
  }
  if (profile.breakGlass !== undefined)
    lines.push(`  may break the glass: ${standing(profile.breakGlass.from, person, known).words}`);
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
