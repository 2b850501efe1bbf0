import type { Span } from './audit-log.ts';
import type { Deed, Request } from './batch.ts';
import { factsOf, isBound, mayGrow } from './histories.ts';
import type { Installation } from './installation.ts';
import type { Changed } from './slots.ts';

/** Holds P1 and P4 against what was changed under a request or a grant. */

/** How long a grant may go on after its role has come to allow more and nothing is broken any more: a watch on the role is opened again after a pause. */
const GROWTH_MS = 35_000;
/** Clocks of one machine, of which Slack's counts whole milliseconds. */
const TICK = 3;

interface Case {
  readonly on: Pick<Installation, 'slack' | 'faulty'>;
  readonly request: Request;
  /** What was changed under any request of the same history: they have one target. */
  readonly around: readonly Changed[];
  readonly id: string;
  /** When its RoleBindings were in force. */
  readonly made: readonly Span[];
  /** As Drawbridge's own audit has it. */
  readonly timesAsked: number;
  /** Whether the deed is one of somebody whom the policy lets decide on it. */
  readonly isAllowed: (deed: Deed) => boolean;
}
interface Accusation {
  readonly promise: 'P1' | 'P4';
  readonly text: string;
}

export function judgeChanges(of: Case): {
  readonly found: readonly Accusation[];
  readonly isAskedAgain: boolean;
  readonly isForNothing: boolean;
} {
  const { request, around, id, timesAsked, on } = of;
  const { changes } = request;
  const bound = changes.filter((change) => isBound(change) && change.when === 'waiting');
  const causes = around.filter(isBound);
  const again = on.slack.askedAgain.get(id) ?? [];
  const isForNothing = timesAsked > causes.length || again.some(({ at }) => !causes.some(({ from }) => from <= at));
  const found: Accusation[] = [
    ...changes.filter((change) => !isBound(change)).flatMap((change) => benefitted(of, change)),
    ...bound.flatMap((change) => appliedUnasked(of, change)),
    ...changes.filter(({ when }) => when === 'active').flatMap((change) => grown(of, change)),
    ...(isForNothing
      ? ([{ promise: 'P4', text: 'was asked again though nothing that an approval binds had changed' }] as const)
      : []),
  ];
  return { found, isAskedAgain: again.length > 0 || timesAsked > 0, isForNothing };
}

/** Whoever benefits is judged at each decision: of a request, and of an extension. */
function benefitted({ request, made }: Case, change: Changed): Accusation[] {
  const approved = Math.min(...made.map((span) => span.from)) + request.history.seconds * 1000;
  const isWrong =
    change.when === 'waiting'
      ? made.some((span) => span.asked > change.to)
      : made.some((span) => span.expiries.some(({ expiresAt }) => expiresAt > approved + TICK));
  const did = change.when === 'waiting' ? 'bound' : 'made to last longer';
  return isWrong ? [{ promise: 'P1', text: `was ${did} though ${tellChange(change)}` }] : [];
}

/** What was seen is what is applied: where that has changed, enough people must have approved it anew, and been told what it was. */
function appliedUnasked({ on, request, id, made, isAllowed }: Case, change: Changed): Accusation[] {
  const found: Accusation[] = [];
  const asked = on.slack.askedAgain.get(id)?.find(({ at }) => at >= change.from);
  if (asked !== undefined && !asked.blocks.includes(change.name))
    found.push({ promise: 'P4', text: `was asked again, and nobody was told that ${tellChange(change)}` });
  if (!made.some((span) => span.asked > change.to)) return found;
  const { approvals } = factsOf(request.history.profile);
  const since = request.deeds.filter(
    (deed) => deed.what === 'approve' && isAllowed(deed) && asked !== undefined && deed.at >= asked.at,
  );
  const people = new Set(since.map(({ by }) => by)).size;
  if (people < approvals) {
    const how =
      asked === undefined ? 'nobody was asked again' : `since they were asked again ${people} of ${approvals} approved`;
    found.push({ promise: 'P4', text: `was applied though ${tellChange(change)}: ${how}` });
  }
  return found;
}

/** A grant whose role has come to allow more ends, unless its profile says that it may. */
function grown({ on, request, id, made }: Case, change: Changed): Accusation[] {
  if (mayGrow(request.history.change?.slot ?? 0)) {
    const ended = on.slack.said.some((said) => said.id === id && said.text.includes('allows more'));
    return ended ? [{ promise: 'P4', text: `was ended because ${tellChange(change)}, which its profile allows` }] : [];
  }
  return made.flatMap((span) => {
    const end = Math.min(span.to, Date.now());
    const faults = on.faulty.filter((fault) => fault.from < end && fault.to > change.to);
    const over = Math.max(change.to, ...faults.map((fault) => Math.min(fault.to, end)));
    if (end <= over + GROWTH_MS) return [];
    return [{ promise: 'P4', text: `was in force ${Math.round(end - change.to)} ms after ${tellChange(change)}` }];
  });
}

/** `ClusterRole look-0 had come to allow more`. */
export function tellChange({ what, name }: Changed): string {
  const told: Record<Changed['what'], string> = {
    'add-policy': `NetworkPolicy ${name} had been added`,
    'change-policy': `NetworkPolicy ${name} had been changed`,
    'grow-role': `ClusterRole ${name} had come to allow more`,
    deactivate: `${name} had been deactivated`,
    deny: `${name} had been put on the deny list`,
    leave: `${name} was no requester any more`,
  };
  return told[what];
}
