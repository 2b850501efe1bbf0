import { parseCidr } from '../../network/cidr.ts';
import type { Connection, OutsidePeer, PortRange, Workload, WorkloadPeer } from '../../network/types.ts';
import { plainCidrs } from './plain-cidrs.ts';

/** Connections as text for people, JSON for programs and a graph for Graphviz; the same whatever order they come in. */

/** Sorts by namespace, kind and name, and addresses last, in their own order. */
function endKey(end: Workload): string {
  if (!('cidr' in end)) return `0 ${end.namespace} ${end.kind} ${end.name}`;
  const { family, first, last } = parseCidr(end.cidr);
  const hex = (value: bigint): string => value.toString(16).padStart(32, '0');
  return `1 ${family} ${hex(first)} ${hex(last)} ${end.except?.join() ?? ''}`;
}

function sorted(connections: readonly Connection[]): Connection[] {
  const portKey = ({ protocol, from, to }: PortRange): string =>
    `${protocol.length}${protocol} ${String(from).padStart(5, '0')}-${String(to).padStart(5, '0')}`;
  const keyOf = ({ from, to, ports, pluginDependent, reasons, pods = '' }: Connection): string =>
    [endKey(from), endKey(to), ports.map(portKey).join(), pluginDependent, pods, ...reasons].join('\n');
  return connections
    .map((connection) => ({ connection, key: keyOf(connection) }))
    .sort((a, b) => (a.key < b.key ? -1 : Number(a.key > b.key)))
    .map(({ connection }) => connection);
}

/**
 * `{"version": 1, "connections": [{"from", "to", "ports", "reasons", "pluginDependent", "pods"?}]}`. An end is
 * `{"namespace", "kind", "name"}` of a workload or `{"cidr"}`; blocks with exceptions become several plain ones.
 */
export function asJson(connections: readonly Connection[]): string {
  const plain = connections.flatMap(({ from, to, ports, reasons, pluginDependent, pods }) =>
    plainEnds(from).flatMap((source) =>
      plainEnds(to).map((destination) => ({
        from: source,
        to: destination,
        ports,
        reasons,
        pluginDependent,
        ...(pods === undefined ? {} : { pods }),
      })),
    ),
  );
  return JSON.stringify({ version: 1, connections: sorted(plain) }, null, 2);
}

function plainEnds(end: Workload): Workload[] {
  return 'cidr' in end ? plainCidrs(end).map((cidr) => ({ cidr })) : [end];
}

export function endText(end: Workload): string {
  return 'cidr' in end ? outsideText(end) : `${end.namespace}/${end.kind}/${end.name}`;
}

function outsideText({ cidr, except }: OutsidePeer): string {
  return except === undefined ? cidr : `${cidr} except ${except.join(', ')}`;
}

function portsText(ports: readonly PortRange[]): string {
  const isAll = ({ from, to }: PortRange): boolean => from === 1 && to === 65535;
  if (ports.length === 3 && ports.every(isAll)) return 'all ports';
  return ports
    .map((range) => {
      const { protocol, from, to } = range;
      return isAll(range) ? `all ${protocol}` : `${from === to ? from : `${from}-${to}`}/${protocol}`;
    })
    .join(', ');
}

/** Longer cells than this push the rest of their line to the right instead of widening the column for all. */
const WIDEST = 48;

/** Grouped by source, one line a connection: destination, ports, reasons. */
export function asText(connections: readonly Connection[], notGoverned: readonly WorkloadPeer[]): string {
  const rows = sorted(connections).map(({ from, to, ports, reasons, pluginDependent, pods }) => ({
    from: endText(from),
    cells: [endText(to), portsText(ports)],
    rest: [
      reasons.join('; '),
      ...(pods === undefined ? [] : [`[${pods} pods]`]),
      ...(pluginDependent ? ['[plugin-dependent]'] : []),
    ].join(' '),
  }));
  const widths = [0, 1].map((column) =>
    Math.max(0, ...rows.map(({ cells }) => cells[column]?.length ?? 0).filter((width) => width <= WIDEST)),
  );
  const lines: string[] = [];
  for (const [from, group] of Map.groupBy(rows, (row) => row.from)) {
    lines.push(from);
    for (const { cells, rest } of group)
      lines.push(`  -> ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}  ${rest}`);
    lines.push('');
  }
  lines.push(rows.length === 1 ? '1 connection' : `${rows.length} connections`);
  for (const workload of notGoverned) lines.push(`${endText(workload)}: not governed by NetworkPolicy (hostNetwork)`);
  return lines.join('\n');
}

/** A text between quotes of the DOT language, taken as it is. https://graphviz.org/doc/info/lang.html */
function quote(text: string): string {
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`;
}

/** A cluster for each namespace, an edge for each connection; dashed: plugin-dependent; dotted: not governed. */
export function asDot(connections: readonly Connection[], notGoverned: readonly WorkloadPeer[]): string {
  const rows = sorted(connections);
  const ends = new Map(
    [...rows.flatMap(({ from, to }) => [from, to]), ...notGoverned].map((end) => [endKey(end), end] as const),
  );
  const ungoverned = new Set(notGoverned.map(endKey));
  const nodes = [...ends].sort(([a], [b]) => (a < b ? -1 : 1));
  const lines = ['digraph "connections" {', '  "rankdir"="LR";', '  node ["shape"="box"];'];
  const inside = nodes.flatMap(([key, end]) => ('cidr' in end ? [] : [{ key, end }]));
  for (const [namespace, members] of Map.groupBy(inside, ({ end }) => end.namespace)) {
    lines.push(`  subgraph ${quote(`cluster_${namespace}`)} {`, `    "label"=${quote(namespace)};`);
    for (const { key, end } of members) {
      const label = `${end.kind}/${end.name}`;
      const attributes = ungoverned.has(key)
        ? `"label"=${quote(`${label} (hostNetwork: not governed)`)}, "style"="dotted"`
        : `"label"=${quote(label)}`;
      lines.push(`    ${quote(endText(end))} [${attributes}];`);
    }
    lines.push('  }');
  }
  for (const [, end] of nodes) if ('cidr' in end) lines.push(`  ${quote(endText(end))} ["shape"="ellipse"];`);
  for (const { from, to, ports, reasons, pluginDependent, pods } of rows) {
    const label = portsText(ports) + (pods === undefined ? '' : ` [${pods} pods]`);
    const style = pluginDependent ? ', "style"="dashed"' : '';
    const attributes = `"label"=${quote(label)}, "tooltip"=${quote(reasons.join('\n'))}${style}`;
    lines.push(`  ${quote(endText(from))} -> ${quote(endText(to))} [${attributes}];`);
  }
  return [...lines, '}'].join('\n');
}
