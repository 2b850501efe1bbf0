import { parseArgs } from 'node:util';
import { parseCidr } from '../../network/cidr.ts';
import type { OutsidePeer, Pod, Protocol } from '../../network/types.ts';
import { createJudge, type SideVerdict, type Verdict } from '../../network/verdict.ts';
import { type Subcommand, UsageError, usage } from '../command.ts';
import { loadWorld, WORLD_HELP, WORLD_OPTIONS, WORLD_REMARKS } from '../world/world.ts';
import { isJson, OUTPUT, printJson } from './output.ts';
import { type DialledPort, findEnd, podText, type Stop } from './reach-ends.ts';

export const reach: Subcommand = {
  summary: 'says whether one connection is allowed, and by which policies',
  help: `Usage: npm run policy -- reach --from END --to END --port PORT (-f PATH... | --kubeconfig FILE [--context NAME]) [-n NAMESPACE]... [-o json]

  --from END            who opens the connection: namespace/pod, namespace/kind/name for all pods of a workload
                        (deploy, sts, ds, rs, rc, job, cronjob), or an address or CIDR outside the cluster
  --to END              who takes it: the same, or namespace/svc/name for the pods behind a Service
  --port PORT           as dialled: 8080/TCP (UDP, SCTP; TCP when left out)
${WORLD_HELP}
  -o json               {"version": 1, "allowed": true | false, "notes": [...], "pairs": [{"from", "to", "port", "allowed",
                        "why": [...]}]}, every pair of pods

${WORLD_REMARKS}
Exit code: 0 allowed (between all these pods), 1 not allowed, 2 wrong arguments, bad manifests or a cluster that can't
be read.

Examples:
  npm run policy -- reach --from shop/deploy/web --to shop/svc/db --port 5432/TCP -f deploy/
  npm run policy -- reach --from 203.0.113.7 --to shop/web-0 --port 443 --kubeconfig ~/.kube/config`,

  async run(args, out) {
    const { values } = usage(() =>
      parseArgs({
        args: [...args],
        options: {
          ...WORLD_OPTIONS,
          ...OUTPUT,
          from: { type: 'string' },
          to: { type: 'string' },
          port: { type: 'string' },
        },
      }),
    );
    const { from, to } = values;
    if (from === undefined || to === undefined || values.port === undefined)
      throw new UsageError('expected --from, --to and --port');
    const dialled = readPort(values.port);
    const asJson = isJson(values.output);
    const loaded = await loadWorld(values);
    if (!loaded.ok) {
      for (const problem of loaded.problems) out.complain(problem);
      return 2;
    }
    for (const note of loaded.notes) out.complain(note);

    const source = findEnd(from, 'from', dialled, loaded.world);
    const destination = findEnd(to, 'to', dialled, loaded.world);
    if (!source.ok || !destination.ok) {
      for (const end of [source, destination]) if (!end.ok) out.complain(end.problem);
      return 2;
    }
    if ([source, destination].every(({ stops }) => stops.every(({ end }) => 'cidr' in end)))
      throw new UsageError('one end has to be in the cluster: no NetworkPolicy decides between two addresses outside');

    const judge = createJudge(loaded.world);
    const judged = pairs(source.stops, destination.stops).map((pair): Judged => {
      const [{ end: sender }, { end: receiver, port }] = pair;
      return { sender, receiver, port, verdict: judge(sender, receiver, port, dialled.protocol) };
    });
    const notes = [...source.notes, ...destination.notes];
    const allowed = judged.every(({ verdict }) => verdict.allowed);
    if (asJson) printJson(out, { allowed, notes, pairs: judged.map(pairOf) });
    else out.print(tell({ from, to, dialled, notes, judged }));
    return allowed ? 0 : 1;
  },
};

function readPort(text: string): DialledPort {
  const [, digits = '', word = 'TCP'] = /^(\d{1,5})(?:\/(\w+))?$/.exec(text) ?? [];
  const port = Number(digits);
  const protocol = (['TCP', 'UDP', 'SCTP'] as const).find((one) => one === word.toUpperCase());
  if (port < 1 || port > 65535 || protocol === undefined)
    throw new UsageError(
      `--port ${text}: expected a number from 1 to 65535 and a protocol, such as 8080/TCP or 53/UDP`,
    );
  return { port, protocol };
}

/** Every sender with every receiver; a pod with itself only where nothing else was asked. */
function pairs(senders: readonly Stop[], receivers: readonly Stop[]): [Stop, Stop][] {
  const all = senders.flatMap((sender) => receivers.map((receiver): [Stop, Stop] => [sender, receiver]));
  const others = all.filter(([sender, receiver]) => sender.end !== receiver.end);
  return others.length > 0 ? others : all;
}

interface Judged {
  readonly sender: Pod | OutsidePeer;
  readonly receiver: Pod | OutsidePeer;
  readonly port: number;
  readonly verdict: Verdict;
}

const pairOf = (one: Judged) => ({
  from: nameOf(one.sender),
  to: nameOf(one.receiver),
  port: one.port,
  allowed: one.verdict.allowed,
  why: explain(one),
});

interface Told {
  readonly from: string;
  readonly to: string;
  readonly dialled: { readonly port: number; readonly protocol: Protocol };
  readonly notes: readonly string[];
  readonly judged: readonly Judged[];
}

/** More pairs than this are counted, not named. */
const MOST_NAMED = 5;

function tell({ from, to, dialled, notes, judged }: Told): string {
  const allowed = judged.filter(({ verdict }) => verdict.allowed).length;
  const answer =
    allowed === judged.length
      ? 'allowed'
      : allowed === 0
        ? 'not allowed'
        : `not allowed everywhere (for ${allowed} of ${judged.length} pairs)`;
  const lines = [
    `${answer}: ${from} -> ${to} ${dialled.port}/${dialled.protocol}`,
    ...notes.map((note) => `  ${note}`),
  ];
  const groups = [...Map.groupBy(judged, (item) => explain(item).join('\n')).values()];
  if (groups.length === 1 && judged.length > 1) lines.push(`  the same for all ${judged.length} pairs of pods:`);
  for (const group of groups) {
    const [first] = group;
    if (!first) continue;
    if (groups.length > 1) lines.push('', `${first.verdict.allowed ? 'allowed' : 'not allowed'}: ${namePairs(group)}`);
    lines.push(...explain(first).map((line) => `  ${line}`));
  }
  return lines.join('\n');
}

function namePairs(group: readonly Judged[]): string {
  const named = group
    .slice(0, MOST_NAMED)
    .map(({ sender, receiver, port }) => `${nameOf(sender)} -> ${nameOf(receiver)} ${port}`);
  return named.join(', ') + (group.length > MOST_NAMED ? ` and ${group.length - MOST_NAMED} more` : '');
}

function nameOf(end: Pod | OutsidePeer): string {
  return 'cidr' in end ? end.cidr : podText(end);
}

function explain({ sender, receiver, verdict }: Judged): string[] {
  const { allowed, egress, ingress, notGoverned, pluginDependent, reasons } = verdict;
  // One reason: it is not policies that decide.
  const sides =
    reasons.length === 1
      ? reasons
      : [`egress: ${explainSide(egress, sender)}`, `ingress: ${explainSide(ingress, receiver)}`];
  const isBlock = [sender, receiver].some((end) => 'cidr' in end && !isAddress(end.cidr));
  return [
    ...sides,
    ...(notGoverned === undefined ? [] : [`not governed by NetworkPolicy: ${notGoverned}`]),
    ...(pluginDependent ? [`plugin-dependent: ${dependence(notGoverned)}`] : []),
    ...(isBlock && !allowed
      ? ['no rule admits the whole block; a part of it may be: `connections` lists what is']
      : []),
  ];
}

function isAddress(cidr: string): boolean {
  const { first, last } = parseCidr(cidr);
  return first === last;
}

function dependence(notGoverned: string | undefined): string {
  return notGoverned === undefined
    ? "an ipBlock against a pod's address decides, on which network plugins differ"
    : 'network plugins differ on whether policies hold for pods with hostNetwork';
}

/** Which policies allow, which isolate, and which of these miss. */
function explainSide({ allowed, allowedBy, isolatedBy }: SideVerdict, end: Pod | OutsidePeer): string {
  if ('cidr' in end) return 'outside the cluster, no policy applies';
  if (end.hostNetwork) return 'hostNetwork, no policy applies';
  if (isolatedBy.length === 0) return 'not isolated: no policy selects the pod';
  if (!allowed) return `isolated by ${isolatedBy.join(', ')}, and none of them allows it`;
  const misses = isolatedBy.filter((id) => !allowedBy.includes(id));
  return `allowed by ${allowedBy.join(', ')}${misses.length > 0 ? `; isolated by ${misses.join(', ')} too, which would not allow it` : ''}`;
}
