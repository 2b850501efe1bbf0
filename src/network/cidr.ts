/** A block of addresses; `first` and `last` are both included. A single address is a block of one. */
export interface Cidr {
  readonly family: 4 | 6;
  readonly first: bigint;
  readonly last: bigint;
  /** Canonical: host bits cleared, IPv6 as RFC 5952 writes it. */
  readonly text: string;
}

/**
 * By hand, since every address of a cluster passes here. Leading zeros count as decimal, as in the API server's own
 * reading.
 */
function parseV4(text: string): bigint | null {
  let value = 0;
  let part = -1;
  let parts = 0;
  for (let index = 0; index <= text.length; index++) {
    const digit = text.charCodeAt(index) - 48;
    if (digit >= 0 && digit <= 9) part = Math.max(part, 0) * 10 + digit;
    else if ((index === text.length || digit === -2) && part >= 0 && part <= 255) {
      value = value * 256 + part;
      part = -1;
      parts++;
    } else return null;
  }
  return parts === 4 ? BigInt(value) : null;
}

function groupsOf(text: string): number[] | null {
  if (text === '') return [];
  const groups: number[] = [];
  const parts = text.split(':');
  for (const [index, part] of parts.entries()) {
    if (part.includes('.') && index === parts.length - 1) {
      const v4 = parseV4(part);
      if (v4 === null) return null;
      groups.push(Number(v4 >> 16n), Number(v4 & 0xffffn));
    } else if (/^[0-9a-f]{1,4}$/i.test(part)) groups.push(Number.parseInt(part, 16));
    else return null;
  }
  return groups;
}

function parseV6(text: string): bigint | null {
  const halves = text.split('::');
  const head = groupsOf(halves[0] ?? '');
  const tail = groupsOf(halves[1] ?? '');
  if (head === null || tail === null || halves.length > 2) return null;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return null;
  return [...head, ...Array<number>(missing).fill(0), ...tail].reduce(
    (value, group) => (value << 16n) | BigInt(group),
    0n,
  );
}

function formatV4(value: bigint): string {
  return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 255n).join('.');
}

function formatV6(value: bigint): string {
  const groups = Array.from({ length: 8 }, (_, index) => ((value >> BigInt(112 - 16 * index)) & 0xffffn).toString(16));
  const text = groups.join(':');
  const zeros = text.match(/\b0(:0)+\b/g) ?? [];
  const longest = zeros.reduce((best, run) => (run.length > best.length ? run : best), '');
  return longest === '' ? text : text.replace(new RegExp(`(?:^|:)${longest}(?:$|:)`), '::');
}

/** @throws Error when the text is no IPv4 or IPv6 address. */
export function parseAddress(text: string): { readonly family: 4 | 6; readonly value: bigint } {
  const family = text.includes(':') ? 6 : 4;
  const value = family === 6 ? parseV6(text) : parseV4(text);
  if (value === null) throw new Error(`not an address: ${text}`);
  return { family, value };
}

/**
 * Reads `10.0.0.0/8`, `2001:db8::/32` or a single address, as Kubernetes does: host bits are cleared.
 * @throws Error when it is neither; the API server refuses such text, so it can only come from a mistake.
 */
export function parseCidr(text: string): Cidr {
  const [address = '', length, ...rest] = text.split('/');
  const { family, value } = parseAddress(address);
  const width = family === 6 ? 128 : 32;
  const bits = length === undefined ? width : /^\d+$/.test(length) ? Number(length) : Number.NaN;
  if (!(bits <= width) || rest.length > 0) throw new Error(`not an address or CIDR: ${text}`);
  const hosts = BigInt(width - bits);
  const first = (value >> hosts) << hosts;
  const last = first + (1n << hosts) - 1n;
  return { family, first, last, text: `${family === 6 ? formatV6(first) : formatV4(first)}/${bits}` };
}

/** Whether `inner` lies in `outer` completely. */
export function contains(outer: Cidr, inner: Cidr): boolean {
  return outer.family === inner.family && outer.first <= inner.first && inner.last <= outer.last;
}

/** Whether they share an address. Two blocks are nested or disjoint, never crossed. */
export function overlaps(a: Cidr, b: Cidr): boolean {
  return contains(a, b) || contains(b, a);
}
