import type { Connection, Endpoint, Preview } from '../../../../domain/plan/plan.ts';
import { codeLine } from '../text/text.ts';

/** Connections as lines of text: a few for a message, or all of them with their reasons, in pages. */

/** Connections of one kind. What matters more to an approver stands first in a list of sections. */
export interface ReachSection {
  /** Begins a sentence that goes on with `from … to …`. */
  readonly title: string;
  readonly sign: string;
  readonly connections: readonly Connection[];
  /** How many more there are, of which nothing is known but that. */
  readonly unlisted: number;
}

/** What a preview has to show; without what is empty. */
export function sectionsOf({ closes, opens, reaches, unlisted }: Preview): ReachSection[] {
  const all: ReachSection[] = [
    { title: 'Closes', sign: '-', connections: closes, unlisted: unlisted.closes },
    { title: 'Opens', sign: '+', connections: opens, unlisted: unlisted.opens },
    { title: 'The pods can connect', sign: '·', connections: reaches, unlisted: unlisted.reaches },
  ];
  return all.filter(({ connections }) => connections.length > 0);
}

/** Characters for one block and for all blocks of a message, with room for what stands around them; see LIMITS in text.ts. */
const PIECE = 2700;
const PAGE = 8000;

/** `a, b and 3 more`. */
function namesOf(names: readonly string[], most = 2): string {
  const rest = names.length - most;
  return rest <= 0 ? names.join(', ') : `${names.slice(0, most).join(', ')} and ${rest} more`;
}

/** `staging/deployment/checkout`, or `0.0.0.0/0 except 10.0.0.0/8`. */
function endText(end: Endpoint): string {
  if (!('cidr' in end)) return `${end.namespace}/${end.kind.toLowerCase()}/${end.name}`;
  return end.except === undefined ? end.cidr : `${end.cidr} except ${namesOf(end.except)}`;
}

/** `8080/TCP, 9000-9010/UDP, all SCTP`, or `all ports`. */
function portsText(ports: Connection['ports']): string {
  const isAll = ({ from, to }: Connection['ports'][number]) => from <= 1 && to >= 65_535;
  if (new Set(ports.filter(isAll).map(({ protocol }) => protocol)).size === 3) return 'all ports';
  return ports
    .map((range) => {
      const { protocol, from, to } = range;
      return isAll(range) ? `all ${protocol}` : `${from === to ? from : `${from}-${to}`}/${protocol}`;
    })
    .join(', ');
}

/** What a line says of connections beside their ends: only those with the same may share one. */
function qualities({ ports, pluginDependent, pods }: Connection): string {
  const some = pods === undefined ? '' : ` (pods: ${pods})`;
  return ` ${portsText(ports)}${some}${pluginDependent ? ' (depends on the network plugin)' : ''}`;
}

/** Some connections of a section in one line. */
interface Group {
  readonly text: string;
  readonly connections: number;
}

type Side = 'from' | 'to';

/** The end that all have in common: said once, it is in no line. */
interface CommonEnd {
  readonly side: Side;
  readonly end: string;
}

function commonEnd(connections: readonly Connection[]): CommonEnd | null {
  for (const side of ['from', 'to'] as const) {
    const [end, ...others] = new Set(connections.map((c) => endText(c[side])));
    if (end !== undefined && others.length === 0) return { side, end };
  }
  return null;
}

/** Addresses outside first: that is where data leaves to. */
function inOrder(connections: readonly Connection[], side: Side): Connection[] {
  const keyed = connections.map((c) => ({
    c,
    key: `${'cidr' in c[side] ? 0 : 1} ${endText(c[side])}${qualities(c)}`,
  }));
  return keyed.toSorted((a, b) => (a.key < b.key ? -1 : Number(a.key > b.key))).map(({ c }) => c);
}

/** A line for each end that differs or, where those are too many, for each of its namespaces. What a line says is true of all that it counts. */
function groupsOf({ sign, connections }: ReachSection, most: number): { common: CommonEnd | null; groups: Group[] } {
  const common = commonEnd(connections);
  const side = common?.side === 'to' ? 'from' : 'to';
  const sorted = inOrder(connections, side);
  const grouped = (key: (c: Connection) => string, text: (members: readonly Connection[]) => string): Group[] =>
    [...Map.groupBy(sorted, (c) => `${key(c)}${qualities(c)}`).values()].map((members) => ({
      text: `${sign} ${text(members)}${members[0] === undefined ? '' : qualities(members[0])}`,
      connections: members.length,
    }));
  const endsOf = (members: readonly Connection[], which: Side) => [...new Set(members.map((c) => endText(c[which])))];
  if (common === null) {
    const text = (members: readonly Connection[]) =>
      `${namesOf(endsOf(members, 'from'))} → ${endsOf(members, 'to')[0]}`;
    return { common, groups: grouped((c) => endText(c.to), text) };
  }
  const single = grouped(
    (c) => endText(c[side]),
    (members) => namesOf(endsOf(members, side)),
  );
  if (single.length <= most) return { common, groups: single };
  const place = (end: Endpoint) => ('cidr' in end ? endText(end) : end.namespace);
  const byNamespace = grouped(
    (c) => place(c[side]),
    (members) => {
      const ends = endsOf(members, side);
      return ends.length === 1 ? namesOf(ends) : `${ends.length} workloads in ${members[0] && place(members[0][side])}`;
    },
  );
  return { common, groups: byNamespace };
}

/** As many as fit into a block; the first one always. */
function fitting(groups: readonly Group[]): readonly Group[] {
  let size = 0;
  return groups.filter(({ text }, index) => {
    size += codeLine(text).length + 1;
    return index === 0 || size <= PIECE - 400;
  });
}

/** What is shown of a section in a message. */
export interface ShortSection {
  readonly title: string;
  readonly common: CommonEnd | null;
  readonly lines: readonly string[];
  /** How many connections no line tells of. */
  readonly left: number;
  /** True when some of those are only counted: their ends are not known. */
  readonly counted: boolean;
}

/**
 * All sections in at most `most` lines together: each has one at least, and the first ones get what they need before the others. A section
 * fits into one block.
 */
export function inShort(sections: readonly ReachSection[], most: number): ShortSection[] {
  let room = most;
  return sections.map((section, index) => {
    const mine = Math.max(1, room - (sections.length - index - 1));
    const { common, groups } = groupsOf(section, mine);
    const shown = fitting(groups.slice(0, mine));
    room -= shown.length;
    const told = shown.reduce((sum, { connections }) => sum + connections, 0);
    return {
      title: section.title,
      common,
      lines: shown.map(({ text }) => text),
      left: section.connections.length - told + section.unlisted,
      counted: section.unlisted > 0,
    };
  });
}

/** Lines that go into one block. */
export interface Piece {
  readonly title: string;
  readonly lines: readonly string[];
}

/** Every connection with the policies that are the reason, in pages that a message can hold; there is one at least. */
export function pagesOf(sections: readonly ReachSection[]): Piece[][] {
  const pages: { title: string; lines: string[] }[][] = [[]];
  let onPage = 0;
  let inPiece = 0;
  for (const { title, sign, connections, unlisted } of sections) {
    for (const [index, c] of connections.entries()) {
      const lines = [
        `${sign} ${endText(c.from)} → ${endText(c.to)}${qualities(c)}`,
        ...c.reasons.map((reason) => `↳ ${reason}`),
      ];
      const size = lines.reduce((sum, line) => sum + codeLine(line).length + 1, 0);
      const turns = onPage > 0 && onPage + size > PAGE;
      if (turns) {
        pages.push([]);
        onPage = 0;
      }
      if (turns || index === 0 || inPiece + size > PIECE) {
        pages.at(-1)?.push({ title, lines: [] });
        inPiece = 0;
      }
      pages
        .at(-1)
        ?.at(-1)
        ?.lines.push(...lines);
      onPage += size;
      inPiece += size;
    }
    if (unlisted > 0) pages.at(-1)?.at(-1)?.lines.push(`… and ${unlisted} more, which are counted but not listed`);
  }
  return pages;
}
