import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  auditKeyId,
  type ChainProblem,
  createAuditChain,
  createVerifier,
  formatHead,
  type Head,
  parseHead,
} from '../../../../src/domain/audit/chain.ts';

const KEY = Buffer.alloc(32, 1);
const OTHER_KEY = Buffer.alloc(32, 2);
const chain = createAuditChain({ keys: [KEY], instance: 'default' });

const fields = (entry: string, more: object = {}) => ({
  entry,
  at: '2026-01-05T09:00:00.000Z',
  event: 'active',
  ...more,
});

function chained(count: number, on = chain, more: object = {}): { lines: string[]; heads: Head[] } {
  const lines: string[] = [];
  const heads: Head[] = [];
  for (let i = 0; i < count; i++) {
    const { line, head } = on.sign(fields(`entry ${i}`, more), heads.at(-1) ?? null);
    lines.push(line);
    heads.push(head);
  }
  return { lines, heads };
}

function problemsOf(
  lines: readonly string[],
  { heads = [], keep = 1000, by = chain }: { heads?: readonly Head[]; keep?: number; by?: typeof chain } = {},
): readonly ChainProblem[] {
  const verifier = createVerifier(by, keep);
  for (const line of lines) verifier.take(line);
  return verifier.finish(heads).problems;
}

/** The numbers that are named as missing. */
function missing(problems: readonly ChainProblem[]): number[] {
  return problems.flatMap(({ seq, what }) => {
    const to = /^to (\d+) are missing$/.exec(what)?.[1];
    if (seq === null || (to === undefined && what !== 'is missing')) return [];
    return Array.from({ length: Number(to ?? seq) - seq + 1 }, (_, i) => seq + i);
  });
}

const unit = fc.constantFrom(...Array.from('ab"\\{}:, \n\r\u0000\u2028\ud800\u{1f600}'));
const length = fc.integer({ min: 2, max: 30 });

describe('a chain of the audit', () => {
  it('is good as it was signed, whatever the entries say', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ note: fc.string({ unit }), more: fc.jsonValue({ maxDepth: 2 }) }), { maxLength: 6 }),
        (entries) => {
          let head: Head | null = null;
          const lines = entries.map((more, i) => {
            const signed = chain.sign(fields(`entry ${i}`, more), head);
            head = signed.head;
            return signed.line;
          });
          expect(lines.join()).not.toContain('\n');
          expect(problemsOf(lines, { heads: head === null ? [] : [head] })).toEqual([]);
        },
      ),
    );
  });

  it('whatever single character is changed, added or taken, the entry is named', () => {
    const { lines } = chained(5);
    fc.assert(
      fc.property(
        fc.nat(4),
        fc.nat(2000),
        fc.constantFrom('', 'x', '"', '0', '}', ' '),
        fc.boolean(),
        (i, at, by, add) => {
          const line = lines[i] ?? '';
          const place = at % line.length;
          const changed = line.slice(0, place) + by + line.slice(place + (add ? 0 : 1));
          fc.pre(changed !== line);
          return problemsOf(lines.with(i, changed)).length > 0 && !chain.read(changed).sound;
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('has one form of each MAC: none of the others that decode to the same bytes is taken', () => {
    const [line = ''] = chained(1).lines;
    const last = line.length - 3;
    const others = Array.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_').filter(
      (c) => c !== line[last],
    );
    expect(others.filter((c) => chain.read(`${line.slice(0, last)}${c}${line.slice(last + 1)}`).sound)).toEqual([]);
  });

  it('names exactly the entries that were taken out of its middle', () => {
    fc.assert(
      fc.property(length, fc.infiniteStream(fc.boolean()), (count, coin) => {
        const { lines } = chained(count);
        const gone = lines.map((_, i) => i > 0 && i < count - 1 && coin.next().value === true);
        const problems = problemsOf(lines.filter((_, i) => !gone[i]));
        expect(missing(problems)).toEqual(gone.flatMap((g, i) => (g ? [i + 1] : [])));
      }),
    );
  });

  it('in any other order, an entry that stands wrong is named, and none is called missing', () => {
    const shuffled = length.chain((count) => {
      const { lines } = chained(count);
      return fc.tuple(fc.constant(lines), fc.shuffledSubarray(lines, { minLength: count }));
    });
    fc.assert(
      fc.property(shuffled, ([lines, other]) => {
        fc.pre(lines.join() !== other.join());
        const problems = problemsOf(other);
        expect(problems.some(({ what }) => what.startsWith('is out of order'))).toBe(true);
        expect(missing(problems)).toEqual([]);
      }),
    );
  });

  it('that lost its end is good by itself, and bad against any head that was there', () => {
    fc.assert(
      fc.property(length, fc.nat(), (count, cut) => {
        const { lines, heads } = chained(count);
        const kept = cut % count;
        expect(problemsOf(lines.slice(0, kept))).toEqual([]);
        expect(problemsOf(lines.slice(0, kept), { heads }).map(({ seq }) => seq)).toEqual(
          heads.slice(kept).map(({ seq }) => seq),
        );
      }),
    );
  });

  it('that was cut and went on is good by itself, and bad against the heads that went', () => {
    const { lines, heads } = chained(6);
    const anew = chain.sign(fields('another'), heads[2] ?? null);
    const cut = [...lines.slice(0, 3), anew.line];
    expect(problemsOf(cut)).toEqual([]);
    expect(problemsOf(cut, { heads: heads.slice(0, 3) })).toEqual([]);
    expect(problemsOf(cut, { heads: heads.slice(3, 4) })).toEqual([
      { seq: 4, what: expect.stringContaining('rewritten') },
    ]);
    // Its old end put back behind the new one.
    expect(problemsOf([...cut, ...lines.slice(3)]).map(({ seq, what }) => `${seq} ${what}`)).toEqual([
      expect.stringMatching(/^4 is there twice with different content/),
    ]);
    expect(problemsOf([...cut, ...lines.slice(4)]).map(({ seq, what }) => `${seq} ${what}`)).toEqual([
      expect.stringMatching(/^5 does not follow the seq 4 that is here/),
    ]);
  });

  it('may have lost its beginning to the retention alone', () => {
    const { lines } = chained(10);
    expect(problemsOf(lines.slice(4), { keep: 6 })).toEqual([]);
    expect(problemsOf(lines.slice(4), { keep: 7 })).toEqual([{ seq: 5, what: expect.stringContaining('missing') }]);
    // Rubbish does not count as kept.
    expect(problemsOf([...lines.slice(4), '{}'], { keep: 7 })).toHaveLength(2);
  });

  it('an entry that comes again, as a copy or with another number, is named', () => {
    const { lines, heads } = chained(4);
    expect(problemsOf([...lines, lines[1] ?? ''])).toEqual([{ seq: 2, what: expect.stringContaining('twice') }]);
    const again = chain.sign(fields('entry 1'), heads.at(-1) ?? null);
    expect(problemsOf([...lines, again.line])).toEqual([{ seq: 5, what: 'repeats the entry of seq 2' }]);
  });

  it('of another installation or another key is not taken for ours', () => {
    const { lines } = chained(3);
    const strange = createAuditChain({ keys: [KEY], instance: 'other' });
    expect(problemsOf(lines, { by: strange }).map(({ what }) => what)).toEqual(
      Array.from({ length: 3 }, () => expect.stringContaining('MAC is wrong')),
    );
    const foreign = createAuditChain({ keys: [OTHER_KEY], instance: 'default' });
    expect(problemsOf(lines, { by: foreign })[0]?.what).toContain(
      `key "${auditKeyId(KEY)}", which is none of SEAL_KEY`,
    );
  });

  it('goes on under a new key, and both are needed to verify it', () => {
    const old = chained(3);
    const rotated = createAuditChain({ keys: [OTHER_KEY, KEY], instance: 'default' });
    const { line } = rotated.sign(fields('new'), old.heads.at(-1) ?? null);
    expect(problemsOf([...old.lines, line], { by: rotated })).toEqual([]);
    expect(problemsOf([...old.lines, line], { by: chain })).toHaveLength(1);
  });

  it('does not show its key: neither the name nor a line holds any of it', () => {
    const shown = `${auditKeyId(KEY)} ${chained(2).lines.join()}`;
    for (const encoding of ['hex', 'base64', 'base64url'] as const)
      expect(shown).not.toContain(KEY.toString(encoding).slice(0, 12));
  });

  it('is signed with a key that is none of SEAL_KEY: one that leaks there forges no entry, and the other way round', () => {
    const { line, head } = chain.sign(fields('a'), null);
    const body = line.replace(/,"mac":"[^"]*"/, '');
    const signedRaw = createHmac('sha256', KEY).update(`drawbridge audit 1\ndefault\n${body}`).digest('base64url');
    expect(signedRaw).not.toBe(head.mac);
    expect(chain.read(line.replace(head.mac, signedRaw)).sound).toBe(false);
    expect(chain.read(line).sound).toBe(true);
  });

  it('a wrapped entry opens under its own name and installation only, and only unchanged', () => {
    const wrapped = chain.wrap('name', '{"a":1}');
    expect(chain.unwrap('name', wrapped)).toBe('{"a":1}');
    expect(chain.unwrap('other', wrapped)).toBeNull();
    expect(chain.unwrap('name', `${wrapped} `)).toBeNull();
    expect(chain.unwrap('name', wrapped.slice(1))).toBeNull();
    expect(createAuditChain({ keys: [KEY], instance: 'other' }).unwrap('name', wrapped)).toBeNull();
    // A line of the chain is no wrapped entry, though the same key made it.
    const { line, head } = chain.sign(fields('a'), null);
    expect(chain.unwrap('', `${head.mac} ${line}`)).toBeNull();
  });
});

describe('a head', () => {
  it('is read as it was printed, and nothing else is', () => {
    const [head = { seq: 0, mac: '' }] = chained(1).heads;
    expect(parseHead(formatHead(head))).toEqual(head);
    for (const text of ['', '1', '1:', `0:${head.mac}`, `-1:${head.mac}`, `1:${head.mac}x`, `1.5:${head.mac}`])
      expect(parseHead(text)).toBeNull();
  });
});
