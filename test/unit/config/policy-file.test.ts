import { mkdir, mkdtemp, readFile, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { openPolicyFile } from '../../../src/config/policy-file.ts';
import { loadPolicy, parsePolicy } from '../../../src/config/policy-text.ts';
import { silentLog } from '../../support/silent-log.ts';

const GOOD = `version: 1
identity: {}
administrators:
  users: [ada@example.test]
approvals:
  channel: C0ACCESS001
profiles:
  debug:
    scope: namespace
    namespaces: [staging]
    clusterRole: view
    requesters: { users: [ada@example.test] }
    approvers: { users: [ben@example.test] }
    duration: { default: 30m, maximum: 1h }
`;
const problemsOf = (text: string) => {
  const result = parsePolicy(text, 'policy.yaml');
  return result.ok ? [] : result.problems;
};
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});
async function directory(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'drawbridge-policy-'));
  cleanups.push(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

describe('a policy file', () => {
  it('is read, with its defaults', () => {
    const result = parsePolicy(GOOD, 'policy.yaml');
    expect(result).toMatchObject({
      ok: true,
      policy: { identity: { user: '{email}' }, profiles: { debug: { duration: { default: 1800, maximum: 3600 } } } },
    });
  });

  it('as shipped is good', async () => {
    const file = fileURLToPath(new URL('../../../policy.example.yaml', import.meta.url));
    expect(await loadPolicy(file)).toMatchObject({ ok: true });
  });

  const change = (from: string, to: string) => GOOD.replace(from, to);
  it.each([
    [
      'an unknown key, with the nearest',
      change('clusterRole:', 'clusterrole:'),
      "policy.yaml:11:5 profiles.debug.clusterrole: unknown key, did you mean 'clusterRole'?",
    ],
    [
      'an unknown key near none',
      change('version: 1', 'version: 1\nfoo: bar'),
      'policy.yaml:2:1 foo: unknown key, known are version, identity',
    ],
    [
      'a wrong duration',
      change('maximum: 1h', "maximum: '2'"),
      "policy.yaml:14:40 profiles.debug.duration.maximum: '2' is not a duration: expected a number with a unit",
    ],
    [
      'a number for a duration',
      change('maximum: 1h', 'maximum: 2'),
      'policy.yaml:14:40 profiles.debug.duration.maximum: expected a number with a unit',
    ],
    [
      'a word that is none of those known',
      change('scope: namespace', 'scope: pod'),
      'policy.yaml:9:12 profiles.debug.scope: expected "namespace" or "workload"',
    ],
    [
      'what is missing',
      change('  channel: C0ACCESS001', '  timeout: 1h'),
      'policy.yaml:5:1 approvals.channel: is missing: expected a text',
    ],
    [
      'an empty value',
      change('channel: C0ACCESS001', 'channel:'),
      'policy.yaml:6:11 approvals.channel: expected a text',
    ],
    [
      'an entry of a list',
      change('[ben@example.test]', '[ben@example.test, "a b"]'),
      'policy.yaml:13:44 profiles.debug.approvers.users[1]: expected a Kubernetes user',
    ],
    [
      'a key of an automatic approval',
      change('    duration:', '    automatic: { members: { users: [ada@example.test] }, maximun: 5m }\n    duration:'),
      "profiles.debug.automatic.maximun: unknown key, did you mean 'maximum'?",
    ],
    [
      'a key of one of its entries',
      change('    duration:', '    automatic: [{ when: { hour: x } }]\n    duration:'),
      "profiles.debug.automatic[0].when.hour: unknown key, did you mean 'hours'?",
    ],
    [
      'an automatic approval of no form',
      change('    duration:', '    automatic: true\n    duration:'),
      'profiles.debug.automatic: expected one entry (members, maximum), or a list of entries',
    ],
    ...(
      [
        ['perDay: 0', 'perDay: Too small'],
        ['perDay: 1001', 'perDay: Too big'],
        ['perDay: 1.5', 'perDay: expected a whole number'],
        ["perDay: '3'", 'perDay: expected a number'],
        ['perDay: .inf', 'perDay: expected a number'],
        ['perDay:', 'perDay: expected a number'],
        ['rights: []', 'rights: is empty: expected at least one entry'],
        ['rights: logs', 'rights: expected a list'],
        ['rights: [logs, Exec]', "rights[1]: 'Exec' is none of these rights, did you mean 'exec'?"],
        ['rights: [logs, logs]', "rights[1]: 'logs' stands here twice"],
        ['hours: "Mon-Fri 18:00-18:00 UTC"', 'hours: expected days, times and a time zone'],
      ] as const
    ).map(([condition, problem]): [string, string, string] => [
      `a condition of an automatic approval: ${condition}`,
      change('    duration:', `    automatic:\n    - when:\n        maximum: 5m\n        ${condition}\n    duration:`),
      `profiles.debug.automatic[0].when.${problem}`,
    ]),
    ...(
      [
        ['limits: { open: 0 }', 'limits.open: Too small'],
        ['limits: { openPerPerson: -1 }', 'limits.openPerPerson: Too small'],
        ['limits: { perPersonADay: 1.5 }', 'limits.perPersonADay: expected a whole number'],
        ['limits: { open: 10001 }', 'limits.open: Too big'],
        ["limits: { open: '3' }", 'limits.open: expected a number'],
        ['limits: { open: 1e400 }', 'limits.open: expected a number'],
        ['limits: 3', 'limits: expected a mapping'],
        ['limits: { opened: 3 }', "limits.opened: unknown key, did you mean 'open'?"],
        ['reason: { min: 0 }', 'reason.min: Too small'],
        ['reason: { min: 501 }', 'reason.min: Too big'],
        ['reason: { template: "  " }', 'reason.template: is blank'],
        ['reason: { template: 3 }', 'reason.template: expected a text'],
        [`reason: { template: "${'x'.repeat(151)}" }`, 'reason.template: Too big'],
      ] as const
    ).map(([line, problem]): [string, string, string] => [
      `a limit or a rule for reasons: ${line.slice(0, 40)}`,
      change('    duration:', `    ${line}\n    duration:`),
      `profiles.debug.${problem}`,
    ]),
    ['a bad profile name', change('  debug:', '  De bug:'), 'policy.yaml:8:3 profiles.De bug: expected a profile name'],
    [
      'a rule across keys',
      change('default: 30m', 'default: 2h'),
      'policy.yaml:14:26 profiles.debug.duration.default: is longer than maximum',
    ],
    ['an empty file', '', 'policy.yaml:1:1 the policy: expected a mapping'],
    [
      'a key twice',
      change('version: 1', 'version: 1\nversion: 1'),
      'policy.yaml:2:1 not valid YAML: Map keys must be unique',
    ],
    [
      'two documents',
      `${GOOD}---\nversion: 1\n`,
      'policy.yaml:15:1 not valid YAML: Source contains multiple documents',
    ],
    [
      'an unknown tag',
      change('channel: C0', 'channel: !!secret C0'),
      'policy.yaml:6:12 not valid YAML: Unresolved tag',
    ],
    ['broken YAML', change('[staging]', '[staging'), 'policy.yaml:11:'],
    ['a key of every object', `${GOOD}__proto__: {}\n`, 'policy.yaml:15:1 __proto__: unknown key'],
  ])('is refused for %s, with line and column', (_, text, expected) => {
    const problems = problemsOf(text);
    expect(problems.join('\n')).toContain(expected);
  });

  it('is refused for all its faults at once, in the order of the file', () => {
    const problems = problemsOf(
      GOOD.replace('C0ACCESS001', 'access').replace('scope: namespace', 'scope: pod').replace('1h }', '1 }'),
    );
    expect(problems.map((line) => Number(line.split(':')[1]))).toEqual([6, 9, 14]);
  });

  it('follows aliases, and refuses bombs of them', () => {
    expect(
      problemsOf(
        GOOD.replace('users: [ada@example.test]', 'users: &a [ada@example.test]').replace(
          '{ users: [ada@example.test] }',
          '{ users: *a }',
        ),
      ),
    ).toEqual([]);
    const bomb = Array.from({ length: 12 }, (_, i) => `a${i}: &a${i} [${i === 0 ? 'x' : `*a${i - 1},`.repeat(9)}]`);
    expect(problemsOf(`${bomb.join('\n')}\n`)[0]).toMatch(/alias/i);
  });

  it('is refused when it is larger than 1 MiB, a directory, or not there', async () => {
    const dir = await directory();
    const large = join(dir, 'large.yaml');
    await writeFile(large, GOOD + '#'.repeat(1024 * 1024));
    expect(await loadPolicy(large)).toMatchObject({
      ok: false,
      problems: [expect.stringContaining('1048576 at most')],
    });
    expect(await loadPolicy(dir)).toMatchObject({ ok: false });
    expect(await loadPolicy(join(dir, 'none.yaml'))).toMatchObject({
      ok: false,
      problems: [expect.stringContaining("none.yaml: can't be read")],
    });
  });
});

const named = (name: string) => GOOD.replace('  debug:', `  ${name}:`);

describe('the policy in force', () => {
  /** Polling is as good as off, unless a test is about it: reloads then come from the watcher. */
  const watching = async (file: string, pollEvery = 3_600_000) => {
    const log = silentLog();
    const changes: string[][] = [];
    const policies = await openPolicyFile(file, log);
    policies.follow({ pollEvery, onChange: (p) => changes.push(Object.keys(p.profiles)) });
    cleanups.push(() => policies.close());
    return { policies, log, changes, profiles: () => Object.keys(policies.current().profiles) };
  };

  /** As many profiles as make a policy that takes some 100 ms to parse. */
  const LONG =
    GOOD +
    Array.from({ length: 500 }, (_, n) => GOOD.slice(GOOD.indexOf('  debug:')).replace('debug', `debug-${n}`)).join('');

  it('is parsed elsewhere when it is long: everything else goes on meanwhile', async () => {
    const file = join(await directory(), 'policy.yaml');
    await writeFile(file, GOOD);
    const { policies, profiles } = await watching(file);
    await writeFile(file, LONG);
    let turns = 0;
    const turning = setInterval(() => turns++, 1);
    cleanups.push(() => clearInterval(turning));
    await policies.reload();
    expect(profiles()).toHaveLength(501);
    expect(turns).toBeGreaterThan(20);
    await writeFile(file, LONG.replace('clusterRole: view', 'clusterrole: view'));
    await policies.reload();
    expect(policies.problem()).toMatch(/policy\.yaml:11:5 profiles\.debug\.clusterrole: unknown key/);
    expect(profiles()).toHaveLength(501);
  });

  it('tells the first of very many problems, in little time', async () => {
    const text = Array.from({ length: 3000 }, (_, n) => `k${n}: 1`).join('\n');
    for (const bad of [text, text.replaceAll(/k\d+/g, 'version'), `profiles:\n${text.replaceAll(/^/gm, '  ')}`]) {
      const begun = performance.now();
      const result = parsePolicy(bad, 'policy.yaml');
      expect(result.ok || result.problems.length).toBe(101);
      expect(result.ok || result.problems.at(-1)).toMatch(/^and more/);
      expect(performance.now() - begun).toBeLessThan(2000);
    }
  });

  it('that takes too long to judge keeps none from being read after it', async () => {
    const file = join(await directory(), 'policy.yaml');
    await writeFile(file, GOOD);
    const policies = await openPolicyFile(file, silentLog(), 1);
    cleanups.push(() => policies.close());
    await writeFile(file, LONG);
    await policies.reload();
    expect(policies.problem()).toBe("policy.yaml: can't be judged: it takes over 0.001 s");
    await writeFile(file, `${GOOD}\n# mended`);
    await policies.reload();
    expect(policies.problem()).toBeNull();
  });

  it.each([
    ['short', 10_000],
    ['long', 50_000],
  ])('stays when a %s text is nested deeper than anything can read', async (_length, depth) => {
    const file = join(await directory(), 'policy.yaml');
    await writeFile(file, GOOD);
    const { policies, profiles } = await watching(file);
    await writeFile(file, '['.repeat(depth));
    await policies.reload();
    expect(policies.problem()).toMatch(/^policy\.yaml/);
    expect(profiles()).toEqual(['debug']);
  });

  it('is not there with a bad file at the start', async () => {
    const file = join(await directory(), 'policy.yaml');
    await writeFile(file, 'version: 2\n');
    await expect(watching(file)).rejects.toThrow(/policy.yaml:1:10 version: expected 1/);
  });

  it('changes when another file is put in its place', async () => {
    const dir = await directory();
    const file = join(dir, 'policy.yaml');
    await writeFile(file, named('one'));
    const { profiles, changes } = await watching(file);
    expect(profiles()).toEqual(['one']);
    await writeFile(join(dir, '.policy.yaml.tmp'), named('two'));
    await rename(join(dir, '.policy.yaml.tmp'), file);
    await expect.poll(profiles, { timeout: 5000 }).toEqual(['two']);
    expect(changes).toEqual([['two']]);
  });

  it('changes when a ConfigMap mount swaps its symlink', async () => {
    const dir = await directory();
    for (const version of ['1', '2']) {
      await mkdir(join(dir, `..${version}`));
      await writeFile(join(dir, `..${version}`, 'policy.yaml'), named(`v${version}`));
    }
    await symlink('..1', join(dir, '..data'));
    await symlink(join('..data', 'policy.yaml'), join(dir, 'policy.yaml'));
    const { profiles } = await watching(join(dir, 'policy.yaml'));
    expect(profiles()).toEqual(['v1']);
    await symlink('..2', join(dir, '..data_tmp'));
    await rename(join(dir, '..data_tmp'), join(dir, '..data'));
    await expect.poll(profiles, { timeout: 5000 }).toEqual(['v2']);
  });

  it('is found by polling where nothing tells of changes', async () => {
    const dir = await directory();
    const elsewhere = await directory();
    await writeFile(join(elsewhere, 'real.yaml'), named('one'));
    await symlink(join(elsewhere, 'real.yaml'), join(dir, 'policy.yaml'));
    const { profiles } = await watching(join(dir, 'policy.yaml'), 30);
    await writeFile(join(elsewhere, 'real.yaml'), named('two'));
    await expect.poll(profiles, { timeout: 5000 }).toEqual(['two']);
  });

  it('stays when the file turns bad or goes away, says why once, and follows when it is good again', async () => {
    const file = join(await directory(), 'policy.yaml');
    await writeFile(file, named('one'));
    const { policies, log, profiles, changes } = await watching(file);
    expect(policies.problem()).toBeNull();

    // Moved into its place: a file that is half written is a fault of its own, and told as one.
    await writeFile(`${file}.new`, named('two').replace('clusterRole', 'clusterrole'));
    await rename(`${file}.new`, file);
    await expect
      .poll(() => policies.problem(), { timeout: 5000 })
      .toMatch(/policy.yaml:11:5.*did you mean 'clusterRole'/);
    await policies.reload();
    await policies.reload();
    expect(profiles()).toEqual(['one']);
    expect(log.lines.filter((line) => line.level === 'error')).toHaveLength(1);

    await unlink(file);
    await policies.reload();
    expect(policies.problem()).toMatch(/can't be read/);
    expect(profiles()).toEqual(['one']);

    await writeFile(file, named('three'));
    await expect.poll(profiles, { timeout: 5000 }).toEqual(['three']);
    expect(policies.problem()).toBeNull();
    expect(changes).toEqual([['three']]);
  });

  it('does not change by comments alone', async () => {
    const file = join(await directory(), 'policy.yaml');
    await writeFile(file, GOOD);
    const { policies, changes } = await watching(file);
    const before = policies.current();
    await writeFile(file, `# a comment\n${await readFile(file, 'utf8')}`);
    await policies.reload();
    expect(policies.current()).toBe(before);
    expect(changes).toEqual([]);
  });

  it('says which profiles are disabled, and why', async () => {
    const file = join(await directory(), 'policy.yaml');
    await writeFile(file, GOOD);
    const { policies } = await watching(file);
    expect(policies.disabled('debug', null)).toBeNull();
    policies.setDisabled(null, new Map([['debug', 'needs bind on ClusterRole view']]));
    expect(policies.disabled('debug', null)).toBe('needs bind on ClusterRole view');
    policies.setDisabled(null, new Map());
    expect(policies.disabled('debug', null)).toBeNull();
  });
});
