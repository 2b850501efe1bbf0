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
