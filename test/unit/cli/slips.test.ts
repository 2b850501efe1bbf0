import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { runAuditCli } from '../../../src/cli/audit.ts';
import { runCheck } from '../../../src/cli/check-installation.ts';
import type { Output } from '../../../src/cli/command.ts';
import { runPolicyCli } from '../../../src/cli/policy.ts';
import { runReaper } from '../../../src/cli/reaper.ts';

/** What people see who mistype, at each program that `npm run` has and that takes arguments. */

const ROOT = join(import.meta.dirname, '../../..');
const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: Record<string, string> };

type Ran = { code: unknown; stdout: string; stderr: string };

/** Those whose whole program is a function; they run here, in no time. */
const HERE: Readonly<Record<string, (argv: readonly string[], out: Output) => Promise<number>>> = {
  policy: runPolicyCli,
  audit: (argv, out) => runAuditCli(argv, out, {}),
  reap: (argv, out) => runReaper(false, argv, out, {}),
  'revoke-all': (argv, out) => runReaper(true, argv, out, {}),
  'check-installation': (argv, out) => runCheck(argv, out, {}),
};

/** Runs what `npm run PROGRAM -- ARGS` runs, without settings. */
async function run(program: string, args: readonly string[]): Promise<Ran> {
  const here = HERE[program];
  if (here === undefined) return spawned(program, args);
  const ran = { stdout: '', stderr: '' };
  const print = (text: string) => void (ran.stdout += `${text}\n`);
  const complain = (text: string) => void (ran.stderr += `${text}\n`);
  return { code: await here(args, { print, complain }), ...ran };
}

function spawned(program: string, args: readonly string[]): Promise<Ran> {
  const env = { HOME: '/nowhere', PATH: `${join(ROOT, 'node_modules/.bin')}:${process.env['PATH']}` };
  return new Promise((done) => {
    execFile('sh', ['-c', `${scripts[program]} "$@"`, 'sh', ...args], { cwd: ROOT, env }, (error, stdout, stderr) =>
      done({ code: error?.code ?? 0, stdout, stderr }),
    );
  });
}

const SLIPS: readonly (readonly [program: string, args: readonly string[], says: string])[] = [
  ['policy', [], 'expected a subcommand: check, explain, test, diff, reach, connections'],
  ['policy', ['chek'], "unknown subcommand 'chek', did you mean 'check'?"],
  ['policy', ['check'], 'expected one policy file'],
  ['policy', ['check', '--fast', 'policy.yaml'], "Unknown option '--fast'"],
  [
    'policy',
    ['explain', 'policy.yaml', '--member-of', 'S0SRE00001'],
    'expected --person with an e-mail address or a Slack member id',
  ],
  ['policy', ['reach', '--from', 'a/b'], 'expected --from, --to and --port'],
  ['policy', ['connections', '-o', '-n'], "Option '-o' argument is ambiguous"],
  ['policy', ['connections', 'deploy/'], "Unexpected argument 'deploy/'"],
  ['audit', [], 'expected a subcommand: verify, export'],
  ['audit', ['verfy'], "unknown subcommand 'verfy', did you mean 'verify'?"],
  ['audit', ['verify', '--head', '12'], '--head 12: expected SEQ:MAC as it was printed'],
  ['audit', ['export'], 'expected --since'],
  ['reap', ['--yes'], "Unknown option '--yes'"],
  ['reap', ['now'], "Unexpected argument 'now'"],
  ['revoke-all', ['--yess'], "Unknown option '--yess'"],
  ['check-installation', ['--all'], "Unknown option '--all'"],
  ['image', ['--platform', 'linux/mips'], '--platform linux/mips: there is linux/amd64 and linux/arm64'],
  ['bench', ['node', 'many'], 'node many: expected how many runs, or nothing'],
  ['chaos', ['--histories', 'few'], '--histories few: expected a whole number, 1 or more'],
  ['versions', ['1.34.4'], '1.34.4: expected a version such as v1.34.4, from v1.30 on'],
  ['env-example', ['--chek'], "Unknown option '--chek'"],
];

describe('a slip in the arguments is one line and exit code 2', () => {
  test.each(SLIPS)('npm run %s -- %j', async (program, args, says) => {
    const { code, stdout, stderr } = await run(program, args);
    expect(stdout).toBe('');
    expect(stderr.split('\n')).toEqual([expect.stringContaining(says), '']);
    const [subcommand = ''] = args;
    const named = says.includes('subcommand') || !['policy', 'audit'].includes(program) ? '' : `${subcommand} `;
    expect(stderr).toContain(`; npm run ${program} -- ${named}--help says more\n`);
    expect(code).toBe(2);
  });
});

describe('--help is the whole, whatever else is said', () => {
  test.each([
    ['policy', []],
    ['policy', ['check']],
    ['policy', ['explain']],
    ['policy', ['test']],
    ['policy', ['diff']],
    ['policy', ['reach']],
    ['policy', ['connections']],
    ['audit', []],
    ['audit', ['verify']],
    ['audit', ['export']],
    ['reap', []],
    ['revoke-all', []],
    ['versions', []],
    ['env-example', []],
  ])('npm run %s -- %j', async (program, args) => {
    for (const help of [['--help', '--nonsense'], ['-h']]) {
      const { code, stdout, stderr } = await run(program, [...args, ...help]);
      expect(stderr).toBe('');
      const isList = args.length === 0 && ['policy', 'audit'].includes(program);
      expect(stdout).toMatch(
        new RegExp(`^Usage: npm run .*${program}\\b[^]*${isList ? 'SUBCOMMAND --help' : 'Exit code: '}`),
      );
      expect(code).toBe(0);
    }
  });
});

describe('settings that are missing are named, without the whole help', () => {
  test.each([
    ['audit', ['verify'], ['REDIS_URL', 'SEAL_KEY']],
    ['audit', ['export', '--since', '1h'], ['REDIS_URL', 'SEAL_KEY']],
    ['reap', [], ['SEAL_KEY']],
  ])('npm run %s -- %j', async (program, args, missing) => {
    const { code, stdout, stderr } = await run(program, args);
    expect(stdout).toBe('');
    const [first, ...rest] = stderr.trimEnd().split('\n');
    expect(first).toBe('The settings are wrong; .env.example describes each:');
    expect(rest.slice(0, -1).map((line) => /^ {2}(\w+) is not set/.exec(line)?.[1])).toEqual(missing);
    expect(rest.at(-1)).toBe(`npm run ${program} -- ${args[0] === undefined ? '' : `${args[0]} `}--help says more`);
    expect(code).toBe(2);
  });
});

describe('a file .env', () => {
  const folder = mkdtempSync(join(tmpdir(), 'drawbridge-env-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const reap = () =>
    new Promise<string>((done) => {
      const env = { PATH: process.env['PATH'], INSTANCE: 'from-the-environment' };
      execFile(process.execPath, [join(ROOT, 'src/cli/reap.ts')], { cwd: folder, env }, (_error, _stdout, stderr) =>
        done(stderr),
      );
    });

  test('is not missed when there is none, and read when there is one; the environment wins', async () => {
    expect(await reap()).toMatch(/^The settings are wrong; .env.example describes each:\n {2}SEAL_KEY is not set/);
    writeFileSync(join(folder, '.env'), 'SEAL_KEY=short\nINSTANCE=Not_A_Label\n');
    expect(await reap()).toMatch(
      /^The settings are wrong; .env.example describes each:\n {2}SEAL_KEY is wrong .*\nnpm run/,
    );
  });

  test('is left by npm to the programs, except the bot', () => {
    const told = Object.keys(scripts).filter((name) => scripts[name]?.includes('--env-file'));
    expect(told).toEqual(['start']);
  });
});
