import type { View } from '../../../../app/ports/view.ts';
import { formatDuration } from '../../../../domain/duration.ts';
import type { Grant } from '../../../../domain/grant/grant.ts';
import { hasAdmission, hasGuard, type NetworkPlan, type Plan } from '../../../../domain/plan/plan.ts';
import { describeShell } from '../../../../domain/policy/policy.ts';
import { describeKit } from '../../../../domain/rights/kits.ts';
import { describePlace, isWide } from '../../../../domain/target.ts';
import { ACTIONS } from '../actions.ts';
import { type Block, bullets, button, context, section, small, words } from '../text/blocks.ts';
import {
  clean,
  code,
  codeBlock,
  fitting,
  LIMITS,
  linkTo,
  markup,
  moment,
  more,
  person,
  shorten,
  utc,
} from '../text/text.ts';
import { inShort, type ShortSection, sectionsOf } from './reach-lines.ts';

/** The plan of a grant, as an approver reads it. */

/** What the rights are, a line each. */
function rulesOf(plan: Plan): string[] {
  return plan.rules.map(({ verbs, resources, apiGroups, resourceNames, nonResourceURLs = [] }) => {
    const groups = apiGroups.filter((group) => group !== '');
    const what = [...resources, ...nonResourceURLs].join(', ');
    return `${verbs.join(', ')}: ${what}${groups.length > 0 ? ` (${groups.join(', ')})` : ''}${resourceNames ? ` named ${resourceNames.join(', ')}` : ''}`;
  });
}

/** What the rights are, a line each: in words where the policy has them, whose rules are behind the button. */
function rightsOf(plan: Plan): string[] {
  if (plan.rights !== null) return plan.rights.map((kit) => `${code(kit)} ${describeKit(kit)}`);
  const rules = rulesOf(plan);
  const shell = plan.shell === undefined ? [] : [describeShell(plan.shell)];
  const lines = [...shell, ...(plan.role === null ? rules : [`${plan.role.kind} ${plan.role.name}`, ...rules])];
  return lines.map((line) => code(line, 250));
}

/** The rules of rights in words, as RBAC has them; null: they are no words. */
export function rulesBehind(plan: Plan): Block | null {
  return plan.rights === null ? null : section(`*Rules*\n${codeBlock(rulesOf(plan), LIMITS.section - 100)}`);
}

/** What the role allows, all of it. */
export function rulesOfPlan(plan: Plan): Block {
  const role = plan.role === null ? '' : ` of ${code(`${plan.role.kind} ${plan.role.name}`)}`;
  return section(`*Rules*${role}\n${codeBlock(rulesOf(plan), LIMITS.section - 500)}`);
}

/** How many lines of connections a message has, beside the button that shows all of them, and a modal, which has no such button. */
const LINES = 4;
const LINES_OF_MODAL = 40;

/** Characters that the question of a button has for what is acknowledged. */
const ROOM_TO_ASK = 250;

const NO_CHANGE = 'no change';

/** False where the grant has no policy of its own. */
const changesNetwork = (how: NetworkPlan): boolean => hasGuard(how) || hasAdmission(how);

function confinement({ network: how }: Plan): string {
  switch (how.mode) {
    case 'workspace':
      return `Confined to a workspace (${code(how.image)}${
        how.resources === undefined
          ? ''
          : `, with ${code(how.resources.cpu)} of CPU and ${code(how.resources.memory)} of memory`
      })`;
    case 'contain':
      return how.applies
        ? 'The target’s own pods are contained'
        : 'No policy is added: the pods are isolated for egress already';
    case 'bastion':
      return how.admits
        ? 'Sources are admitted to the target'
        : 'The target is reachable already: nothing isolates it, and nothing is opened';
    default:
      return NO_CHANGE;
  }
}

/** What the grant changes in the cluster's network, and what must be known of it: what closes first, then what opens. */
function network({ grant, digest }: View, wide: boolean): Block[] {
  const { preview } = grant.plan;
  const { notes } = preview;
  const sections = sectionsOf(preview);
  const [opens = 0, closes = 0, reaches = 0] = (['opens', 'closes', 'reaches'] as const).map(
    (list) => preview[list].length + preview.unlisted[list],
  );
  const inside =
    reaches === 0
      ? ''
      : ` From inside the pods ${reaches === 1 ? '1 connection is' : `${reaches} connections are`} possible.`;
  const what = confinement(grant.plan);
  const counts =
    !changesNetwork(grant.plan.network) && opens + closes === 0 ? '' : ` Opens ${opens}, closes ${closes}.`;
  const isSame = what === NO_CHANGE && counts === '';
  const head = markup(
    isSame
      ? `*Network:* ${NO_CHANGE}.${inside}`
      : `*Network, as of* ${(wide ? utc : moment)(preview.asOf)}*:* ${what}.${counts}${inside}`,
  );
  return [
    {
      type: 'section',
      expand: true,
      text: head,
      ...(!wide &&
        (sections.length > 0 || grant.plan.rights !== null) && {
          accessory: button(ACTIONS.showAll, 'Show all', { grant, digest }),
        }),
    },
    ...inShort(sections, wide ? LINES_OF_MODAL : LINES).map(shortSection),
    ...(notes.length > 0 ? [bullets('Note:', notes)] : []),
  ];
}

/** `*Opens*, from `a` to:` and a line each. */
function shortSection({ title, common, lines, left, counted }: ShortSection): Block {
  const ends =
    common === null ? ':' : `, ${common.side} ${code(common.end)} ${common.side === 'from' ? 'to' : 'from'}:`;
  const tail = left === 0 ? '' : `\n${more(left)}${counted && common !== null ? ', there or elsewhere' : ''}`;
  const head = `*${title}*${ends}\n`;
  return section(`${head}${codeBlock(lines, LIMITS.section - head.length - tail.length)}${tail}`);
}

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;

/** What an approver says yes to as well, the worst first: rights by which access outlives the grant, then connections that end. Null: nothing. */
export function acknowledgements({ persistence, preview }: Plan): string | null {
  const closed = preview.closes.length + preview.unlisted.closes;
  const parts = [
    ...(persistence.length > 0
      ? [`gives rights by which access can outlive the grant: ${persistence.join('; ')}`]
      : []),
    ...(preview.isolates.length > 0 ? [`isolates live pods for the first time: ${preview.isolates.join(', ')}`] : []),
    ...(closed > 0 ? [`closes ${counted(closed, 'connection')} that live pods may be using`] : []),
  ];
  return parts.length === 0 ? null : parts.join('; it ');
}

/** The same for the question of a button, which takes little: what is left out there is said to stand in the message. */
export function acknowledgedInShort(plan: Plan): string | null {
  const whole = acknowledgements(plan);
  if (whole === null || whole.length <= ROOM_TO_ASK) return whole;
  const { persistence, preview } = plan;
  const closed = preview.closes.length + preview.unlisted.closes;
  const parts = [
    ...(persistence.length > 0
      ? [`gives ${counted(persistence.length, 'right')} by which access can outlive the grant`]
      : []),
    ...(preview.isolates.length > 0
      ? [`isolates ${counted(preview.isolates.length, 'workload')} for the first time`]
      : []),
    ...(closed > 0 ? [`closes ${counted(closed, 'connection')}`] : []),
  ];
  return `${parts.join('; it ')}: all of it stands in the message`;
}

/** Who, what, where, how long and why: what a decision is made by, first. */
export function essentials(view: View): Block[] {
  const { grant } = view;
  const { plan } = grant;
  const pods = plan.pods.length;
  const where =
    code(describePlace(grant)) +
    (isWide(grant.target)
      ? ''
      : grant.target.workload === undefined
        ? ' (whole namespace)'
        : ` (${pods} pod${pods === 1 ? '' : 's'} now)`);
  const rights = fitting(rightsOf(plan), 1200, 8);
  const said = shorten(clean(view.description), 250);
  return [
    {
      type: 'section',
      fields: [
        markup(`*Who*\n${person(grant.requester)}`),
        markup(
          `*How long*\n${formatDuration(grant.duration)}${grant.startAt === undefined ? '' : `, from ${moment(grant.startAt)}`}`,
        ),
        markup(`*Where*\n${where}`),
        markup(`*What*\n${code(grant.profile)}${said === '' ? '' : ` ${code(said)}`}\n${rights.join('\n')}`),
      ],
    },
    section('*Why, in the words of the requester*'),
    words(`“${grant.reason}”`),
    ...ticketLine(grant),
  ];
}

/** The ticket, as its system told of it when it was asked for. */
function ticketLine({ ticket }: Grant): Block[] {
  if (ticket === undefined) return [];
  const key = ticket.link === null ? code(ticket.key) : linkTo(ticket.link, ticket.key);
  return [section(`*Ticket* ${key}${ticket.title === '' ? '' : `: ${code(ticket.title)}`}`)];
}

/** What nobody decides without: warnings, the worst first, then what opens and closes. The rest is in {@link details}. */
export function warnings(view: View, wide = false): (Block | null)[] {
  const acknowledged = acknowledgements(view.grant.plan);
  return [
    acknowledged === null ? null : words(`⚠ Whoever approves this acknowledges that it ${acknowledged}.`),
    ...network(view, wide),
  ];
}

/** What follows from the rights and the network. `wide`: for a modal, which has room and no button to show all. */
export function details(view: View, wide = false): (Block | null)[] {
  const { grant, objects } = view;
  const { groups, user } = grant.plan;
  const member = groups.length > 0 ? ` (member of ${code(groups.join(', '), 300)})` : '';
  return [
    wide ? rulesBehind(grant.plan) : null,
    ...warnings(view, wide),
    objects.length === 0
      ? null
      : context(
          `*Creates, for* ${code(user)}${member}*:* ${objects.length} objects\n${byNamespace(objects).join('\n')}`,
        ),
    small(view.closing),
  ];
}

/** `Job, Role, RoleBinding in staging`: a line a namespace; the whole names are in the status. */
function byNamespace(objects: readonly string[]): string[] {
  const parts = objects
    .map((object) => /^([A-Za-z]+) (?:([^/]+)\/)?(.+)$/.exec(object))
    .filter((found) => found !== null);
  return [...Map.groupBy(parts, ([, , namespace]) => namespace ?? '')].map(
    ([namespace, found]) =>
      `${found.map(([, kind]) => kind).join(', ')} ${namespace === '' ? 'in no namespace' : `in ${code(namespace)}`}`,
  );
}
