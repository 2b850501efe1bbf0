/** CPU and memory of a workspace, in the few forms of Kubernetes' quantities that are written as the API server keeps them. */

/** `cpu` as `500m` or `2`, `memory` as `512Mi` or `2Gi`. */
export interface Resources {
  readonly cpu: string;
  readonly memory: string;
}
export type ResourceName = keyof Resources;

interface Unit {
  readonly pattern: RegExp;
  /** What it looks like, for error messages. */
  readonly form: string;
  /** In thousandths of a core, or in Mi. */
  readonly factors: Readonly<Record<string, number>>;
  readonly least: number;
  readonly most: number;
}

const UNITS: Readonly<Record<ResourceName, Unit>> = {
  cpu: {
    pattern: /^[1-9][0-9]{0,4}m?$/,
    form: 'cores (2) or thousandths of one (500m), from 10m to 64',
    factors: { m: 1, '': 1000 },
    least: 10,
    most: 64_000,
  },
  memory: {
    pattern: /^[1-9][0-9]{0,5}(Mi|Gi)$/,
    form: 'a whole number of Mi or Gi (512Mi, 2Gi), from 32Mi to 256Gi',
    factors: { Mi: 1, Gi: 1024 },
    least: 32,
    most: 256 * 1024,
  },
};

export const patternOf = (name: ResourceName): RegExp => UNITS[name].pattern;
export const formOf = (name: ResourceName): string => UNITS[name].form;

/** Thousandths of a core, or Mi; null: it is no such amount, or beyond what a workspace may be given anywhere. */
export function parseQuantity(name: ResourceName, text: string): number | null {
  const { pattern, factors, least, most } = UNITS[name];
  if (!pattern.test(text)) return null;
  const [, digits = '', unit = ''] = /^(\d+)(\w*)$/.exec(text) ?? [];
  const amount = Number(digits) * (factors[unit] ?? Number.NaN);
  return amount >= least && amount <= most ? amount : null;
}

/** As the API server keeps it: `1000m` is `1`, `2048Mi` is `2Gi`. The inverse of {@link parseQuantity}. */
export function formatQuantity(name: ResourceName, amount: number): string {
  if (name === 'cpu') return amount % 1000 === 0 ? String(amount / 1000) : `${amount}m`;
  return amount % 1024 === 0 ? `${amount / 1024}Gi` : `${amount}Mi`;
}

/** Which of these are more than the most that is allowed, in words; empty: none. */
export function beyond(asked: Resources, most: Resources): string[] {
  return (['cpu', 'memory'] as const).flatMap((name) =>
    // What can't be read is more than anything.
    (parseQuantity(name, asked[name]) ?? Infinity) <= (parseQuantity(name, most[name]) ?? 0)
      ? []
      : [`${asked[name]} of ${name}, and ${most[name]} is the most here`],
  );
}
