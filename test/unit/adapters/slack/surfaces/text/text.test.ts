import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  clean,
  code,
  codeBlock,
  fitting,
  moment,
  person,
  plain,
  shorten,
  typed,
} from '../../../../../../src/adapters/slack/surfaces/text/text.ts';

const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc
    .array(
      fc.constantFrom(
        '<!channel>',
        '<@U0BEN>',
        '`',
        '```',
        '&lt;',
        '\n',
        '*x*',
        ':ok:',
        '\u202e',
        '\u200d',
        '<http://x|y>',
      ),
      { maxLength: 20 },
    )
    .map((a) => a.join('')),
);

describe('clean', () => {
  it.each([
    ['line\nbreak\r\nand\ttab', 'line break and tab'],
    ['Ada\u202e nimda', 'Ada nimda'],
    ['a\u200bb\u2060c\ufeffd', 'abc d'],
    ['x\u2028y\u2029z', 'x y z'],
    ['bell\u0007 and \u001b[31mred', 'bell and [31mred'],
    ['tag\u{e0041}s', 'tags'],
    ['fill\u3164er\u2800', 'filler'],
    ['half \ud83d', 'half \ufffd'],
    ['  much   space ', 'much space'],
    ['Zoë, 日本語, עברית', 'Zoë, 日本語, עברית'],
  ])('%j becomes %j', (text, expected) => {
    expect(clean(text)).toBe(expected);
  });

  it('cuts piles of marks that write over other lines', () => {
    expect(clean(`a${'\u0301'.repeat(50)}`)).toBe(`a${'\u0301'.repeat(4)}`);
  });

  it('leaves one visible line, whatever it gets, and nothing to clean', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const cleaned = clean(text);
        expect(cleaned).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
        expect(clean(cleaned)).toBe(cleaned);
      }),
    );
  });
});

describe('text in markup', () => {
  it('can neither mention, link, format nor leave its code span', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const shown = code(text);
        expect(shown).toMatch(/^`[^`<>\n]+`$/);
      }),
    );
  });

  it('can not leave a block of code', () => {
    fc.assert(
      fc.property(fc.array(anyText, { maxLength: 5 }), (lines) => {
        const inner = codeBlock(lines).slice(4, -4);
        expect(inner).not.toMatch(/[`<>]/);
      }),
    );
  });

  it('shows the letters that Slack would read as its own', () => {
    expect(code('a<b>&`c`')).toBe('`a&lt;b&gt;&amp;ˋcˋ`');
  });
});

describe('plain', () => {
  it('is never empty, never too long, and shows emoji codes to the letter', () => {
    expect(plain('')).toEqual({ type: 'plain_text', text: '–', emoji: false });
    expect(plain(':white_check_mark: approved')).toMatchObject({ text: ':white_check_mark: approved', emoji: false });
    fc.assert(
      fc.property(anyText, fc.integer({ min: 1, max: 100 }), (text, most) => {
        const shown = plain(text, most).text;
        expect(shown.length).toBeGreaterThan(0);
        expect(shown.length).toBeLessThanOrEqual(most);
        expect(shown.isWellFormed()).toBe(true);
      }),
    );
  });

  it('says how much of a long text is missing', () => {
    const shown = plain('x'.repeat(10_000)).text;
    expect(shown.length).toBeLessThanOrEqual(3000);
    const kept = shown.indexOf(' …');
    expect(shown).toContain(` … and ${10_000 - kept} more characters`);
  });
});

describe('fitting', () => {
  it('keeps what fits and counts what does not', () => {
    expect(fitting(['aaaa', 'bbbb', 'cccc'], 100)).toEqual(['aaaa', 'bbbb', 'cccc']);
    expect(fitting(['aaaa', 'bbbb', 'cccc'], 100, 2)).toEqual(['aaaa', 'bbbb', '… and 1 more']);
  });

  it('never goes beyond its length', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ maxLength: 40 }), { maxLength: 30 }),
        fc.integer({ min: 20, max: 200 }),
        (lines, most) => {
          expect(fitting(lines, most).join('\n').length).toBeLessThanOrEqual(most);
        },
      ),
    );
  });
});

describe('person', () => {
  it('names the account and the Kubernetes user', () => {
    expect(person({ slackId: 'U0ADA', user: 'ada@example.test' })).toBe('<@U0ADA> (`ada@example.test`)');
  });

  it('mentions nothing that is not an account', () => {
    expect(person({ slackId: '!channel', user: 'x>' })).toBe('`x&gt;`');
  });
});

describe('moment', () => {
  it('has a fallback in UTC', () => {
    expect(moment(Date.UTC(2026, 0, 5, 9, 30))).toBe(
      '<!date^1767605400^{date_short_pretty} {time_secs}|2026-01-05 09:30:00 UTC>',
    );
  });
});

describe('typed', () => {
  it.each([
    ['<@U0ADA|ada>', '@ada'],
    ['<@U0ADA>', '@U0ADA'],
    ['<#C0ACCESS|access>', '#access'],
    ['<!subteam^S0SRE|@sre>', '@sre'],
    ['<!here>', '@here'],
    ['<mailto:a@b.test|a@b.test>', 'a@b.test'],
    ['<https://good.test/|evil.test>', 'https://good.test/'],
    ['&amp;lt;', '&lt;'],
    ['1 < 2 and 3 > 2', '1 < 2 and 3 > 2'],
  ])('%j was typed as %j', (text, expected) => {
    expect(typed(text)).toBe(expected);
  });
});

describe('shorten', () => {
  it('does not cut a character in two', () => {
    expect(shorten('😀'.repeat(40), 50).isWellFormed()).toBe(true);
  });
});
