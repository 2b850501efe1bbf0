import { existsSync, globSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { expect, test } from 'vitest';

/** What the documents name is there: links and their anchors, npm scripts, files of commands. Addresses outside are not asked. */

const ROOT = join(import.meta.dirname, '../..');
const DOCUMENTS = globSync(['*.md', 'docs/**/*.md', 'helm/**/*.md'], { cwd: ROOT }).toSorted();
const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: Record<string, string> };

const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');

/** The anchors of a document's headings, as GitHub makes them. */
function anchorsOf(text: string): string[] {
  const headings = text.replaceAll(/^```[^]*?^```/gm, '').matchAll(/^#+ (.*)$/gm);
  return [...headings].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

/** What is wrong with a link of this document; null: nothing. */
function problemOf(document: string, link: string): string | null {
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? document : join(dirname(document), path);
  if (!existsSync(join(ROOT, target))) return `${link}: no such file`;
  if (anchor === undefined) return null;
  if (statSync(join(ROOT, target)).isDirectory() || !target.endsWith('.md'))
    return `${link}: an anchor in what has no headings`;
  return anchorsOf(read(target)).includes(anchor) ? null : `${link}: no such heading`;
}

test('the documents of a repository are there', () => {
  for (const file of ['README.md', 'SECURITY.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'docs/adr/README.md'])
    expect(DOCUMENTS).toContain(file);
});

test.each(DOCUMENTS)('%s: every link leads somewhere', (document) => {
  const links = [...read(document).matchAll(/\]\(<?([^)>\s]+)>?\)/g)].map(([, link = '']) => link);
  const own = links.filter((link) => !/^(https?|mailto):/.test(link));
  expect(own.map((link) => problemOf(document, link)).filter((problem) => problem !== null)).toEqual([]);
});

test.each(DOCUMENTS)('%s: every command that it names is there', (document) => {
  const text = read(document);
  const named = [...text.matchAll(/npm run (?:--silent )?([a-z][\w-]*(?::[\w-]+)*)/g)].map(([, name = '']) => name);
  expect(named.filter((name) => scripts[name] === undefined)).toEqual([]);
  const files = [...text.matchAll(/\b(?:npx vitest run --project (\w+)|node) ((?:src|test)\/[\w./-]+)/g)];
  for (const [, project, file = ''] of files) {
    expect(existsSync(resolve(ROOT, file)), file).toBe(true);
    if (project !== undefined) expect(file).toContain(`test/${project}/`);
  }
});

test('anchors are made as GitHub makes them', () => {
  expect(
    anchorsOf("# What the bot can't do, even when its token is stolen\n```sh\n# no heading\n```\n## `A_b` c-d"),
  ).toEqual(['what-the-bot-cant-do-even-when-its-token-is-stolen', 'a_b-c-d']);
  expect(problemOf('README.md', 'docs/nothing.md')).toMatch(/no such file/);
  expect(problemOf('README.md', 'docs/security.md#nothing')).toMatch(/no such heading/);
  expect(problemOf('docs/security.md', '../README.md#what-it-promises')).toBeNull();
});
