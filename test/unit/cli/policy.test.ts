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
    it('warns of what may not be meant, and calls it good', async () => {
      const text = await readFile(example, 'utf8');
      const changed = join(dir, 'warned.yaml');
      const entries = '    automatic:\n      - when: { maximum: 5m }\n      - when: { rights: [logs], maximum: 5m }\n';
      await writeFile(
        changed,
        text.replace(
          / {4}automatic:\n {6}members:\n {8}groups: \[S0ONCALL01\]\n {6}maximum: 30m\n {6}namespaces: \[staging\]\n/,
          entries,
        ),
      );
      const warnings = [
        'profiles.view.automatic[0].when: names no people: everybody who may ask is approved at once where the rest holds',
        'profiles.view.automatic[1].when: names no people: everybody who may ask is approved at once where the rest holds',
        'profiles.view.automatic[1].when.rights: is never met: the profile gives a role or rules, not rights in words',
      ];
      const { code, out } = await run('check', changed);
      expect(code).toBe(0);
      const lines = out.split('\n').filter((line) => line.startsWith('note: '));
      expect(lines.map((line) => line.replace(/^note: \S+ /, ''))).toEqual(expect.arrayContaining(warnings));
      expect(lines).toHaveLength(3);
      expect(JSON.parse((await run('check', changed, '-o', 'json')).out)).toMatchObject({
        good: true,
        notes: { length: 3 },
      });
      expect((await run('check', example)).out).not.toContain('names no people');
    });
    it('lists every problem with its place', async () => {
      const { code, out, err } = await run('check', bad);
      expect(code).toBe(1);
      expect(out).toBe('');
      expect(err).toContain(`${bad}:2:1 profils: unknown key, did you mean 'profiles'?`);
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
      expect(JSON.parse(wrong.out)).toHaveProperty('problems.0', expect.stringContaining(`${bad}:1:1 `));
      expect((await run('check', example, '-o', 'xml')).code).toBe(2);
    });
    it('is wrong without a file, with two, or with options', async () => {
      expect((await run('check')).code).toBe(2);
      expect((await run('check', example, bad)).code).toBe(2);
      expect((await run('check', '--fast', example)).code).toBe(2);
    });
    it('says that a file is not there', async () => {
      expect(await run('check', join(dir, 'none.yaml'))).toMatchObject({
        code: 2,
        err: expect.stringContaining("can't be read"),
      });
    });
  });

  it('explain says the limits of a profile, and what it asks of a reason', async () => {
    const limited = join(dir, 'limited.yaml');
    const text = await readFile(example, 'utf8');
    const lines =
      '    limits: { openPerPerson: 2, perPersonADay: 10, open: 20 }\n    reason: { min: 10, template: Why? }\n';
    await writeFile(
      limited,
      text.replace('    acknowledgePersistence: true\n', `    acknowledgePersistence: true\n${lines}`),
    );
    const said =
      'limits: 2 at once for a person, 10 a day for a person, 20 at once for everybody together, a reason of 10 characters or more';
    expect((await run('explain', limited, '--profile', 'payments-edit')).out).toContain(`  ${said}\n`);
    const asks = ['--person', 'ben@example.test', '--member-of', 'S0SRE00001', '--profile', 'payments-edit'];
    expect((await run('explain', limited, ...asks)).out).toContain(`    ${said}\n`);
    expect((await run('explain', example, '--profile', 'payments-edit')).out).not.toContain('limits');
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
    it('says where it is asked, who is called and what must be said', async () => {
      const { out } = await run('explain', 'docs/cookbook/team-channels.yaml');
      expect(out).toContain('asked in channel C0PAYMENTS1, by direct message too, never calling dee@example.test');
      expect(out).toContain('a note to approve: required, to deny: required');
      expect(out).toContain('asked in channel C0DOCS00001, calling nobody');
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
    it('says the steps, who decides each, when one is not needed, and who may come to decide it', async () => {
      const file = join(dir, 'steps.yaml');
      await writeFile(
        file,
        `version: 1
identity: {}
administrators: { users: [dee@example.test] }
approvals: { channel: C0ACCESS001 }
profiles:
  edit:
    scope: namespace
    namespaces: [staging]
    clusterRole: view
    requesters: { users: [ada@example.test] }
    approval:
      order: sequence
      steps:
        - { name: owner, from: { users: [ben@example.test] }, escalate: [{ after: 10m, to: { groups: [S0ONCALL01] } }] }
        - { name: security, from: { groups: [S0SECURITY] }, count: 2, unless: { maximum: 15m, namespaces: [staging] } }
    duration: { default: 15m, maximum: 1h }
`,
      );
      expect((await run('explain', file)).out.split('\n')).toEqual(
        expect.arrayContaining([
          '  approvals needed: one step after the other, each person for one step',
          '    owner: 1, by ben@example.test',
          '      after 10m also by group S0ONCALL01',
          '    security: 2, by group S0SECURITY; not needed up to 15m, in staging',
        ]),
      );
      const ben = await run('explain', file, '--person', 'ben@example.test');
      expect(ben.out).toContain(
        'may approve: step owner: yes (users: ben@example.test); step owner after 10m: only as a member of group S0ONCALL01; step security: only as a member of group S0SECURITY, not own requests',
      );
      const ada = await run('explain', file, '--person', 'ada@example.test', '--member-of', 'S0SECURITY');
      expect(ada.out).toContain('step security: yes (groups: S0SECURITY)');
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
      expect((await run('explain', bad, '--person', 'ada@example.test')).code).toBe(2);
    });
  });
});
