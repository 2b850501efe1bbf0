import { cpus, loadavg, release, totalmem } from 'node:os';

/** So often ours and the baseline are measured in turn, where they are compared. */
export const PAIRS = Number(process.env['BENCH_PAIRS'] ?? 5);

/** Ours by the baseline, of pairs that were measured in turn: what both have in common, the load of the machine above all, falls out of it. */
export interface Ratio {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

export function ratioOf(pairs: readonly { readonly ours: number; readonly bare: number }[]): Ratio {
  const ratios = pairs.map(({ ours, bare }) => ours / bare);
  return { median: median(ratios), least: Math.min(...ratios), most: Math.max(...ratios) };
}

/** What a row answers: one line of the table. */
export interface Figure {
  readonly what: string;
  readonly inputs: string;
  readonly ours: string;
  readonly baseline: string;
  /** Ours by the baseline; null where there is nothing to compare. */
  readonly ratio: Ratio | null;
  /** Empty: none was set. */
  readonly aim: string;
  /** Null without an aim. */
  readonly met: boolean | null;
  /** Where the time goes, one phrase; below the table. */
  readonly note?: string;
}

/** A row of `npm run bench`. `say` tells how far it is. */
export interface Row {
  readonly name: string;
  readonly about: string;
  run(say: (line: string) => void): Promise<Figure[]>;
}

/** The value below which that share (0 to 1) of the values is; NaN of none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))] ?? Number.NaN;
}

export const median = (values: readonly number[]): number => quantile(values, 0.5);

/** Milliseconds, for people. */
export function ms(value: number): string {
  if (!Number.isFinite(value)) return '–';
  if (value >= 600_000) return `${(value / 60_000).toFixed(0)} min`;
  if (value >= 10_000) return `${(value / 1000).toFixed(1)} s`;
  return `${value.toFixed(value < 10 ? 1 : 0)} ms`;
}

/** Cores, load and versions, as they are now. */
export function machine(): string {
  const load = loadavg()
    .map((value) => value.toFixed(1))
    .join(' ');
  return `${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GB, load ${load}, Linux ${release()}, Node ${process.versions.node}`;
}

const spreadOf = ({ median: middle, least, most }: Ratio): string =>
  `${middle.toPrecision(3)}x${least === most ? '' : ` (${least.toPrecision(3)} to ${most.toPrecision(3)})`}`;

/** All figures as one table (markdown), with the notes below it. */
export function table(figures: readonly Figure[]): string {
  const head = ['', 'inputs', 'ours', 'bare', 'ratio', 'aim', ''];
  const cells = figures.map(({ what, inputs, ours, baseline, ratio, aim, met }) => [
    what,
    inputs,
    ours,
    baseline,
    ratio === null ? '–' : spreadOf(ratio),
    aim,
    met === null ? '' : met ? 'met' : 'MISSED',
  ]);
  const widths = head.map((name, column) => Math.max(name.length, ...cells.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  const notes = figures.flatMap(({ what, note }) => (note === undefined ? [] : [`- ${what}: ${note}`]));
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...cells.map(line), '', ...notes].join('\n');
}
