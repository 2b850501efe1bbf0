import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runPolicyCli } from '../../../src/cli/policy.ts';

const example = fileURLToPath(new URL('../../../policy.example.yaml', import.meta.url));
let dir = '';
let bad = '';
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'drawbridge-cli-'));
  bad = join(dir, 'bad.yaml');
  await writeFile(bad, 'version: 1\nprofils: {}\n');
});
afterAll(() => rm(dir, { recursive: true, force: true }));

async function run(...argv: string[]) {
  const out: string[] = [];
  const err: string[] = [];
  const code = await runPolicyCli(argv, { print: (text) => out.push(text), complain: (text) => err.push(text) });
  return { code, out: out.join('\n'), err: err.join('\n') };
}
const explain = (...argv: string[]) => run('explain', example, ...argv);

describe('npm run policy', () => {
  it('has a schema for editors, which the example names', async () => {
    const named = /^# yaml-language-server: \$schema=(\S+)$/m.exec(await readFile(example, 'utf8'))?.[1] ?? '';
    const schema = JSON.parse(await readFile(join(dirname(example), named), 'utf8')) as { properties: object };
    expect(Object.keys(schema.properties)).toContain('profiles');
  });

  it('says what it can do', async () => {
    expect(await run('--help')).toMatchObject({ code: 0, err: '', out: expect.stringMatching(/check.*explain/s) });
    expect(await run()).toMatchObject({ code: 2, out: '', err: expect.stringMatching(/check.*explain.*--help/) });
    expect(await run('chek')).toMatchObject({ code: 2, err: expect.stringContaining("did you mean 'check'?") });
    expect(await run('constructor')).toMatchObject({ code: 2 });
  });

  it.each(['check', 'explain'])('%s has help with an example', async (name) => {
    expect(await run(name, '--help')).toMatchObject({
      code: 0,
      out: expect.stringMatching(/Usage.*Exit code.*Example/s),
    });
  });

  describe('check', () => {
    it('says good, and the profiles', async () => {
      expect(await run('check', example)).toMatchObject({
        code: 0,
        err: '',
        out: expect.stringContaining('troubleshoot'),
      });
    });
    it('lists every problem with its place', async () => {
      const { code, out, err } = await run('check', bad);
      expect(code).toBe(1);
      expect(out).toBe('');
      expect(err).toContain("bad.yaml:2:1 profils: unknown key, did you mean 'profiles'?");
      expect(err).toContain('identity: is missing');
    });
    it('is -o json for programs', async () => {
      const good = await run('check', example, '-o', 'json');
      expect([good.code, good.err]).toEqual([0, '']);
      expect(JSON.parse(good.out)).toMatchObject({
        version: 1,
        good: true,
        problems: [],
        profiles: ['view', 'debug', 'troubleshoot', 'shell', 'own-tools', 'payments-edit'],
      });
      const wrong = await run('check', bad, '-o', 'json');
      expect([wrong.code, wrong.err]).toEqual([1, '']);
      expect(JSON.parse(wrong.out)).toMatchObject({ version: 1, good: false, profiles: [] });
      expect(JSON.parse(wrong.out)).toHaveProperty('problems.0', expect.stringMatching(/^bad\.yaml:\d+:\d+ /));
      expect((await run('check', example, '-o', 'xml')).code).toBe(2);
    });
    it('is wrong without a file, with two, or with options', async () => {
      expect((await run('check')).code).toBe(2);
      expect((await run('check', example, bad)).code).toBe(2);
      expect((await run('check', '--fast', example)).code).toBe(2);
    });
    it('says that a file is not there', async () => {
      expect(await run('check', join(dir, 'none.yaml'))).toMatchObject({
        code: 1,
        err: expect.stringContaining("can't be read"),
      });
    });
  });

  describe('explain', () => {
    it('says what hangs on memberships as a condition', async () => {
      const { code, out } = await explain('--person', 'ada@example.test', '--profile', 'debug');
      expect(code).toBe(0);
      expect(out).toContain('ada@example.test is the Kubernetes user ada@example.test, in groups developers');
      expect(out).toContain('may ask: only as a member of channel C0ENGINEER1');
      expect(out).toContain('but nothing of it as a member of group S0CONTRACT');
      expect(out).not.toContain('payments-edit');
    });
    it('says yes, and by which entry, for memberships that are given', async () => {
      const { out } = await explain(
        '--person',
        'ada@example.test',
        '--profile',
        'debug',
        '--member-of',
        'C0ENGINEER1',
        '--member-of',
        'S0ONCALL01',
      );
      expect(out).toContain('may ask: yes (channels: C0ENGINEER1)');
      expect(out).toContain('without a person: up to 30m in staging, yes (groups: S0ONCALL01)');
      expect(out).toContain('approvals needed: 1, by group S0SRE00001');
      expect(out).toContain('target: one workload, by its name or a Service in front of it');
    });
    it('lets deny win', async () => {
      const { code, out } = await explain(
        '--person',
        'ada@example.test',
        '--profile',
        'debug',
        '--member-of',
        'C0ENGINEER1',
        '--member-of',
        'S0CONTRACT',
      );
      expect(code).toBe(1);
      expect(out).toContain('denied: profiles.debug.deny (groups: S0CONTRACT)');
      expect(out).not.toContain('may ask');
    });
    it('knows users by name', async () => {
      expect((await explain('--person', 'ben@example.test', '--profile', 'payments-edit')).out).toContain(
        'may approve: yes (users: ben@example.test), not own requests',
      );
      expect((await explain('--person', 'cy@example.test', '--profile', 'payments-edit')).out).toContain(
        'may approve: only as a member of group S0PAYMENTS',
      );
    });
    it('says that somebody is nobody', async () => {
      expect(await explain('--person', 'ada@elsewhere.test')).toMatchObject({
        code: 1,
        out: expect.stringContaining('no single Kubernetes user'),
      });
      expect(await explain('--person', 'U0NOBODY')).toMatchObject({ code: 1 });
    });
    it('says without a person what a profile gives, rule by rule, to whom, and who decides', async () => {
      expect(await explain('--profile', 'debug')).toMatchObject({
        code: 0,
        err: '',
        out: expect.stringMatching(/^debug: read, logs, exec; one workload/),
      });
      expect((await explain('--profile', 'debug')).out.split('\n')).toEqual(
        expect.arrayContaining([
          '  logs: reads the logs of its pods',
          '    get pods/log',
          '    get, create pods/exec, pods/attach',
          '  may ask: channel C0ENGINEER1, never group S0CONTRACT',
          '  approvals needed: 1, by group S0SRE00001',
          '  without a person: up to 30m in staging, to group S0ONCALL01',
        ]),
      );
      expect((await explain()).out).toMatch(/^view: ClusterRole view; a whole namespace.*^shell: .*^    get pods$/ms);
    });
    it('is wrong with memberships of nobody, with an unknown profile, or with a handle for a group', async () => {
      expect((await explain('--member-of', 'S0SRE00001')).code).toBe(2);
      expect(await explain('--person', 'ada@example.test', '--profile', 'x')).toMatchObject({
        code: 2,
        err: expect.stringContaining('profiles are: view, debug'),
      });
      expect((await explain('--person', 'ada@example.test', '--member-of', '@sre')).code).toBe(2);
    });
    it('needs a good policy', async () => {
      expect((await run('explain', bad, '--person', 'ada@example.test')).code).toBe(1);
    });
  });
});
