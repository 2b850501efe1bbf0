import { createHmac, type KeyObject, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { deriveKey } from '../keys.ts';

/**
 * The audit as a chain. A line is JSON: the entry, its place (`seq`, from 1), the MAC of the line before it (`prev`, empty for the
 * first), the name of its key, and last its own MAC, HMAC-SHA-256 with a key of the audit's own over the instance and all of the line before it. So a
 * line proves itself, and one line that is known from elsewhere (a head) proves all before it.
 */

/** Where a chain ends, or ended once. */
export interface Head {
  readonly seq: number;
  readonly mac: string;
}

/** A line whose MAC is right. */
export interface Link extends Head {
  readonly prev: string;
  readonly key: string;
  /** What tells this entry from every other; an entry that was printed before it was chained has the same. */
  readonly entry: string;
  /** RFC 3339, UTC. */
  readonly at: string;
  readonly event: string;
  /** All of the line but its MAC. */
  readonly fields: Readonly<Record<string, unknown>>;
}

export type Reading =
  | { readonly sound: true; readonly link: Link }
  /** `seq` is what the line says of itself: null when it says nothing. */
  | { readonly sound: false; readonly seq: number | null; readonly problem: string };

export interface AuditChain {
  /** The name of the key that signs: short, no secret. */
  readonly keyId: string;
  /** The line of an entry, after `after` (null: the first of a chain). */
  sign(fields: object, after: Head | null): { readonly line: string; readonly head: Head };
  read(line: string): Reading;
  /** For an entry that waits in Redis to be chained: a text that only a holder of the key can write, and only for this `name`. */
  wrap(name: string, text: string): string;
  /** The text that was wrapped; null: it was not by us, or for another name. */
  unwrap(name: string, wrapped: string): string | null;
}

const linkSchema = z.looseObject({
  audit: z.literal(1),
  seq: z.int().min(1),
  prev: z.string(),
  key: z.string(),
  entry: z.string(),
  at: z.iso.datetime(),
  event: z.string(),
});
const MAC_AT_END = /^(.*),"mac":"([A-Za-z0-9_-]{43})"\}$/s;

/** @param keys those of SEAL_KEY: of each the audit has one of its own; the first signs, all verify */
export function createAuditChain(options: { readonly keys: readonly Buffer[]; readonly instance: string }): AuditChain {
  const keys = new Map(options.keys.map((key) => [auditKeyId(key), auditKey(key)]));
  const [first] = keys;
  if (first === undefined) throw new Error('no seal key');
  const [keyId, signing] = first;
  const macOf = (key: KeyObject, use: string, text: string) =>
    createHmac('sha256', key).update(`drawbridge ${use} 1\n${options.instance}\n`).update(text).digest('base64url');
  const fits = (key: KeyObject, use: string, text: string, mac: string) => {
    // As texts: the last of 43 characters has bits to spare, and only one of its forms is ours.
    const given = Buffer.from(mac);
    const expected = Buffer.from(macOf(key, use, text));
    return given.length === expected.length && timingSafeEqual(given, expected);
  };
  const waiting = (name: string, text: string) => `${name}\n${text}`;

  return {
    keyId,
    sign(fields, after) {
      const seq = (after?.seq ?? 0) + 1;
      const body = JSON.stringify({ audit: 1, seq, prev: after?.mac ?? '', key: keyId, ...fields });
      const mac = macOf(signing, 'audit', body);
      return { line: `${body.slice(0, -1)},"mac":"${mac}"}`, head: { seq, mac } };
    },

    read(line) {
      const [, begin = '', mac = ''] = MAC_AT_END.exec(line) ?? [];
      const body = `${begin}}`;
      const parsed = linkSchema.safeParse(mac === '' ? null : parseJson(body));
      if (!parsed.success) return { sound: false, seq: claimedSeq(line), problem: 'is no entry of the chain' };
      const { seq, prev, key, entry, at, event } = parsed.data;
      const secret = keys.get(key);
      if (secret === undefined)
        return { sound: false, seq, problem: `names the key ${printable(key)}, which is none of SEAL_KEY` };
      if (!fits(secret, 'audit', body, mac))
        return { sound: false, seq, problem: 'was changed or forged: its MAC is wrong' };
      return { sound: true, link: { seq, mac, prev, key, entry, at, event, fields: parsed.data } };
    },

    wrap: (name, text) => `${macOf(signing, 'audit outbox', waiting(name, text))} ${text}`,
    unwrap(name, wrapped) {
      const [mac, text] = [wrapped.slice(0, 43), wrapped.slice(44)] as const;
      const ours = [...keys.values()].some((key) => fits(key, 'audit outbox', waiting(name, text), mac));
      return ours ? text : null;
    },
  };
}

const auditKey = (key: Buffer): KeyObject => deriveKey(key, 'audit');

/** The name of a key of SEAL_KEY in the lines that the audit's key of it signs: it tells nothing of either. */
export function auditKeyId(key: Buffer): string {
  return `k-${createHmac('sha256', auditKey(key)).update('drawbridge audit key id').digest('hex').slice(0, 8)}`;
}

/** A head as it is printed and typed: `18:mac`. */
export function formatHead({ seq, mac }: Head): string {
  return `${seq}:${mac}`;
}

/** Null: not a head. */
export function parseHead(text: string): Head | null {
  const [, seq, mac] = /^([1-9]\d{0,14}):([A-Za-z0-9_-]{43})$/.exec(text) ?? [];
  return seq === undefined || mac === undefined ? null : { seq: Number(seq), mac };
}

/** One thing that is wrong with a chain, a sentence that begins with `seq N`; null: with an entry that has no number. */
export interface ChainProblem {
  readonly seq: number | null;
  readonly what: string;
}

export interface Verification {
  /** Sound entries. */
  readonly count: number;
  readonly first: Link | null;
  /** The one with the highest sequence. */
  readonly last: Link | null;
  /** In the order of their sequence. */
  readonly problems: readonly ChainProblem[];
}

/**
 * Looks at the lines of a chain in the order in which they are stored; `take` answers the link of a sound one. `finish` says everything
 * that is wrong: entries that are changed, forged, missing, out of order or twice there, and heads that are not in the chain.
 * @param keep the oldest entries may be gone, by the retention, when at least so many are left
 */
export function createVerifier(
  chain: AuditChain,
  keep: number,
): { take(line: string): Link | null; finish(heads: readonly Head[]): Verification } {
  const problems: ChainProblem[] = [];
  const say = (seq: number | null, what: string) => void problems.push({ seq, what });
  const bySeq = new Map<number, Link[]>();
  const byEntry = new Map<string, number>();
  const unsound = new Set<number>();
  let first: Link | null = null;
  let last: Link | null = null;

  return {
    take(line) {
      const reading = chain.read(line);
      const after = last === null ? 'at the beginning' : `after seq ${last.seq}`;
      if (!reading.sound) {
        if (reading.seq !== null) unsound.add(reading.seq);
        say(reading.seq, `${reading.problem} (it stands ${after})`);
        return null;
      }
      const { link } = reading;
      const { seq } = link;
      const same = bySeq.get(seq) ?? [];
      bySeq.set(seq, [...same, link]);
      if (same.some(({ mac }) => mac === link.mac)) say(seq, `is there twice: a copy stands ${after}`);
      else if (same.length > 0)
        say(seq, 'is there twice with different content: the chain was cut before it and went on from there');
      else if (last !== null && seq < last.seq) say(seq, `is out of order: it stands ${after}`);
      const before = byEntry.get(link.entry);
      if (before !== undefined && before !== seq) say(seq, `repeats the entry of seq ${before}`);
      byEntry.set(link.entry, seq);
      first = first === null || seq < first.seq ? link : first;
      last = last === null || seq > last.seq ? link : last;
      return link;
    },

    finish(heads) {
      const begin = first?.seq ?? 0;
      const end = last?.seq ?? 0;
      const seqs = [...bySeq.keys()].toSorted((a, b) => a - b);
      if (begin > 1 && seqs.length < keep)
        say(begin, `is the oldest, and the retention keeps the newest ${keep}: those before it are missing`);
      for (const [i, seq] of seqs.entries()) {
        const next = seqs[i + 1] ?? seq + 1;
        if (next > seq + 1)
          for (const [from, to] of gaps(seq + 1, next - 1, unsound))
            say(from, from === to ? 'is missing' : `to ${to} are missing`);
        const preceding = bySeq.get(seq - 1);
        if (preceding === undefined) continue;
        for (const { prev } of bySeq.get(seq) ?? [])
          if (!preceding.some(({ mac }) => mac === prev))
            say(seq, `does not follow the seq ${seq - 1} that is here: one of them was replaced`);
      }
      for (const head of heads) {
        const here = bySeq.get(head.seq);
        if (here?.some(({ mac }) => mac === head.mac)) continue;
        if (here !== undefined)
          say(head.seq, 'is not the entry of the given head: the chain was rewritten, or began anew');
        else if (head.seq > end)
          say(head.seq, `is a given head and not here, the chain ends at ${end}: its end was cut, or Redis lost it`);
        else if (head.seq < begin)
          say(head.seq, `is a given head and older than the oldest entry kept (${begin}): give a newer head`);
        else say(head.seq, 'is a given head and not here: it is missing or unsound');
      }
      const sorted = problems.toSorted((a, b) => (a.seq ?? 0) - (b.seq ?? 0));
      return { count: seqs.length, first, last, problems: sorted };
    },
  };
}

/** The spans of [from, to] without the numbers in `but`. */
function gaps(from: number, to: number, but: ReadonlySet<number>): [from: number, to: number][] {
  const found: [number, number][] = [];
  let start = from;
  for (const cut of [...but].filter((seq) => seq >= from && seq <= to).toSorted((a, b) => a - b)) {
    if (cut > start) found.push([start, cut - 1]);
    start = cut + 1;
  }
  if (start <= to) found.push([start, to]);
  return found;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function claimedSeq(line: string): number | null {
  const claimed = z.looseObject({ seq: z.int().min(1) }).safeParse(parseJson(line));
  return claimed.success ? claimed.data.seq : null;
}

/** What a stranger may have written, fit to be printed. */
function printable(text: string): string {
  return JSON.stringify(text.slice(0, 40));
}
