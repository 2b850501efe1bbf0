import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runPolicy } from '../../support/policy-cli.ts';

const example = fileURLToPath(new URL('../../../policy.example.yaml', import.meta.url));
let dir = '';
let wider = '';
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'drawbridge-diff-'));
  wider = join(dir, 'wider.yaml');
  const text = await readFile(example, 'utf8');
  await writeFile(
    wider,
    text
      .replace('approvals: 2', 'approvals: 1')
      .replace('deny:', 'deny: {}\n    # deny:')
      .replace(/groups: \[S0CONTRACT\]/, '#'),
  );
});
afterAll(() => rm(dir, { recursive: true, force: true }));

describe('npm run policy -- diff', () => {
  it('is silent and 0 where nothing changes, and 0 where it is stricter', async () => {
    expect(await runPolicy('diff', example, example)).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^Nothing/),
    });
    const { code, out } = await runPolicy('diff', wider, example);
    expect([code, out]).toEqual([0, expect.stringMatching(/^Stricter.*payments-edit\.approvals: was 1, is 2/s)]);
  });

  it('is 1 where it is weaker, and says so, for people, pull requests and programs', async () => {
    const text = await runPolicy('diff', example, wider);
    expect(text).toMatchObject({ code: 1, err: '' });
    expect(text.out.split('\n')).toEqual([
      'Weaker: somebody gains, or a decision takes less',
      '  profiles.debug.deny: group S0CONTRACT is denied no more',
      '  profiles.payments-edit.approvals: was 2, is 1',
    ]);
    expect((await runPolicy('diff', example, wider, '--markdown')).out).toContain(
      '- `profiles.payments-edit.approvals`: `was 2, is 1`',
    );
    const json = await runPolicy('diff', example, wider, '-o', 'json');
    expect([json.code, JSON.parse(json.out)]).toMatchObject([
      1,
      {
        version: 1,
        changes: [{ effect: 'weaker' }, { where: 'profiles.payments-edit.approvals', words: 'was 2, is 1' }],
      },
    ]);
  });

  it('bears a policy of 10,000 lines, and says its names in short', async () => {
    const profile = (index: number, maximum: string) => [
      `  team-${index}:`,
      '    scope: workload',
      `    namespaces: ["team-${index}-*"]`,
      '    rights: [read, logs]',
      `    requesters: { groups: [S0TEAM${index}] }`,
      '    approval:',
      '      steps:',
      '        - name: owner',
      '          from:',
      `            groups: [S0OWNER${index}]`,
      '    limits:',
      '      openPerPerson: 2',
      '    duration:',
      '      default: 30m',
      `      maximum: ${maximum}`,
    ];
    const write = async (name: string, maximumOf: (index: number) => string) => {
      const path = join(dir, name);
      const head = ['version: 1', 'identity: {}', 'administrators: { groups: [S0ADMIN001] }'];
      const profiles = Array.from({ length: 670 }, (_, index) => profile(index, maximumOf(index))).flat();
      const lines = [...head, 'approvals: { channel: C0ACCESS001 }', 'profiles:', ...profiles];
      expect(lines.length).toBeGreaterThan(10_000);
      await writeFile(path, `${lines.join('\n')}\n`);
      return path;
    };
    const old = await write('many.yaml', () => '2h');
    const longer = await write('longer.yaml', (index) => (index === 500 ? '3h' : '2h'));
    expect(await runPolicy('diff', old, longer)).toMatchObject({
      code: 1,
      out: expect.stringMatching(/^Weaker[^\n]*\n {2}profiles\.team-500\.duration\.maximum: was 2h, is 3h$/),
    });
    const { code, out } = await runPolicy('check', old);
    expect([code, out]).toEqual([0, expect.stringContaining('team-19 and 650 more')]);
  }, 60_000);

  it('says only of which list somebody is out who was in two', async () => {
    const text = await readFile(example, 'utf8');
    const both = join(dir, 'both.yaml');
    const one = join(dir, 'one.yaml');
    await writeFile(both, text.replace('groups: [S0ADMIN001]', 'groups: [S0ADMIN001, S0SRE00001]'));
    await writeFile(one, text);
    const { out } = await runPolicy('diff', both, one);
    expect(out).toMatch(/administrators/);
    expect(out).not.toMatch(/profiles\.debug\.approvers/);
  });

  it('needs two good policies', async () => {
    const bad = join(dir, 'bad.yaml');
    await writeFile(bad, 'version: 1\n');
    expect(await runPolicy('diff', example, bad)).toMatchObject({
      code: 2,
      out: '',
      err: expect.stringMatching(/bad\.yaml/),
    });
    expect((await runPolicy('diff', example)).code).toBe(2);
    expect((await runPolicy('diff', example, example, '-o', 'xml')).code).toBe(2);
  });
});
