import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { runPolicy } from '../../support/policy-cli.ts';

const ROOT = join(import.meta.dirname, '../../..');
const COOKBOOK = 'docs/cookbook';
const RECIPES = globSync('*.yaml', { cwd: join(ROOT, COOKBOOK) })
  .filter((file) => !file.endsWith('.cases.yaml'))
  .map((file) => `${COOKBOOK}/${file}`)
  .toSorted();
const casesOf = (policy: string): string => policy.replace(/\.yaml$/, '.cases.yaml');
const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');

describe('the cookbook', () => {
  it('has policies, each of them in its list', () => {
    expect(RECIPES.length).toBeGreaterThanOrEqual(10);
    const listed = [...read(`${COOKBOOK}/README.md`).matchAll(/\]\((\S+\.yaml)\)/g)].map(([, file]) => file);
    for (const recipe of RECIPES) expect(listed, recipe).toContain(recipe.slice(COOKBOOK.length + 1));
  });

  describe.each([...RECIPES, 'policy.example.yaml'])('%s', (recipe) => {
    it('is a good policy', async () => {
      expect(await runPolicy('check', join(ROOT, recipe))).toMatchObject({ code: 0, err: '' });
    });

    it('decides as its cases say, and they try each profile', async () => {
      const { code, err, out } = await runPolicy('test', join(ROOT, recipe), join(ROOT, casesOf(recipe)));
      expect([code, err, out]).toEqual([0, '', expect.stringMatching(/: \d+ as expected, 0 not$/)]);
      const { cases } = parse(read(casesOf(recipe))) as { cases: { ask: string; expect: string }[] };
      const { profiles } = parse(read(recipe)) as { profiles: object };
      const asked = cases.map(({ ask }) => ask.split(/[ :]/)[0]);
      expect(asked).toEqual(expect.arrayContaining(Object.keys(profiles)));
      // A case that is refused shows that the policy also says no.
      expect(cases.some(({ expect: expected }) => expected === 'refused')).toBe(true);
    });

    it('names the schema for editors', () => {
      const named = /^# yaml-language-server: \$schema=(\S+)$/m.exec(read(recipe))?.[1] ?? '';
      expect(() => read(join(recipe, '..', named))).not.toThrow();
    });
  });
});
