import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CSV_HEADER, csvCell, csvRow } from '../../../src/cli/audit/csv.ts';
import { createAuditChain } from '../../../src/domain/audit/chain.ts';

/** A reader of RFC 4180, written from its grammar. */
function parseCsv(text: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let at = 0;
  for (;;) {
    let cell = '';
    if (text[at] === '"') {
      for (at += 1; text[at] !== '"' || text[at + 1] === '"'; at++) {
        if (at >= text.length) throw new Error('a quoted cell has no end');
        if (text[at] === '"') at += 1;
        cell += text[at];
      }
      at += 1;
    } else while (at < text.length && text[at] !== ',' && text[at] !== '\r') cell += text[at++];
    row.push(cell);
    if (text[at] === ',') at += 1;
    else {
      rows.push(row);
      row = [];
      if (text.slice(at, at + 2) !== '\r\n') throw new Error(`a row ends with ${JSON.stringify(text[at])}`);
      at += 2;
      if (at === text.length) return rows;
    }
  }
}

describe('a cell of the export', () => {
  it.each([
    ['=1+1', "'=1+1"],
    ['+49 30', "'+49 30"],
    ['-2', "'-2"],
    ['@SUM(A1)', "'@SUM(A1)"],
    ['\t=1', `"'\t=1"`],
    ['  =1', "'  =1"],
    ['\n=1', `"'\n=1"`],
    ['＝1', "'＝1"],
    ['plain', 'plain'],
    ['a "word", two', '"a ""word"", two"'],
    [['RoleBinding a/b', 'Job a/b'], '"RoleBinding a/b; Job a/b"'],
    [undefined, ''],
    [0, '0'],
  ])('%j is %j', (value, cell) => expect(csvCell(value)).toBe(cell));

  const unit = fc.constantFrom(...Array.from('=+-@＝ \t\r\n",;\'ab\u{1f600}'));
  it('is read back as the text, and never begins like a formula', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit, maxLength: 12 }), { minLength: 1, maxLength: 5 }), (texts) => {
        const [row = []] = parseCsv(`${texts.map(csvCell).join(',')}\r\n`);
        expect(row.map((cell, i) => (cell === `'${texts[i]}` ? texts[i] : cell))).toEqual(texts);
        expect(row.filter((cell) => /^[=+\-@\t\r]/.test(cell))).toEqual([]);
      }),
    );
  });
});

it('a row has the columns of the header, with who did it and free text in cells of their own', () => {
  const chain = createAuditChain({ keys: [Buffer.alloc(32, 1)], instance: 'default' });
  const { line, head } = chain.sign(
    {
      entry: 'e',
      at: '2026-01-05T09:00:00.000Z',
      event: 'requested',
      id: 'g-7k3fq2',
      actor: { user: 'ada@example.test', slackId: 'U0ADA' },
      note: '=HYPERLINK("https://evil.example"),\r\nsecond line',
    },
    null,
  );
  const reading = chain.read(line);
  if (!reading.sound) throw new Error(reading.problem);
  const [header = [], row = [], ...more] = parseCsv(`${CSV_HEADER}\n${csvRow(reading.link)}\n`);
  expect(more).toEqual([]);
  expect(Object.fromEntries(header.map((name, i) => [name, row[i]]))).toMatchObject({
    seq: '1',
    id: 'g-7k3fq2',
    user: 'ada@example.test',
    slackId: 'U0ADA',
    note: '\'=HYPERLINK("https://evil.example"),\r\nsecond line',
    mac: head.mac,
  });
});
