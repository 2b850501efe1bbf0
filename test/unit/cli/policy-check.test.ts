import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { runPolicy } from '../../support/policy-cli.ts';

const example = fileURLToPath(new URL('../../../policy.example.yaml', import.meta.url));
let dir = '';
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'drawbridge-check-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const base = {
  version: 1,
  identity: { emailDomains: ['example.test'] },
  administrators: { users: ['dee@example.test'] },
  approvals: { channel: 'C0ACCESS001' },
};
const debug = {
  scope: 'workload',
  namespaces: ['staging'],
  rights: ['read', 'logs'],
  requesters: { channels: ['C0ENGINEER1'] },
  approvers: { groups: ['S0SRE00001'] },
  duration: { default: '30m', maximum: '1h' },
};

async function written(profiles: object, name = 'policy.yaml'): Promise<string> {
  const file = join(dir, name);
  await writeFile(file, stringify({ ...base, profiles }, { aliasDuplicateObjects: false }));
  return file;
}
const checked = async (change: object) => runPolicy('check', await written({ it: { ...debug, ...change } }));

describe('npm run policy -- check', () => {
  it.each<[string, object, RegExp]>([
    [
      'whose requesters are all denied',
      { deny: { channels: ['C0ENGINEER1'] } },
      /policy\.yaml:\d+:\d+ profiles\.it\.requesters: nobody may ask: deny names everybody/,
    ],
    [
      'whose approvers are all denied, by list and by name in another case',
      {
        approvers: { groups: ['S0SRE00001'], users: ['ben@example.test'] },
        deny: { groups: ['S0SRE00001'], users: ['Ben@Example.test'] },
      },
      /profiles\.it\.approvers: nothing can be approved: deny names everybody/,
    ],
    [
      'of two approvals of one who alone may ask',
      { requesters: { users: ['ada@example.test'] }, approvers: { users: ['ada@example.test'] }, approvals: 2 },
      /profiles\.it\.approvers: nothing can be approved: 2 needed/,
    ],
    [
      'of closed namespaces alone',
      { namespaces: ['kube-system'] },
      /profiles\.it\.namespaces: covers nothing: namespaces of Kubernetes/,
    ],
  ])('finds a profile %s, and is 1', async (_what, change, words) => {
    const { code, err } = await checked(change);
    expect([code, err]).toEqual([1, expect.stringMatching(words)]);
  });

  it.each<[string, object, RegExp | null]>([
    [
      'that only those decide who may ask',
      { requesters: { groups: ['S0SRE00001'], users: ['ada@example.test'] } },
      /^note: .*policy\.yaml:\d+:\d+ profiles\.it\.approvers: only those who may ask may approve/m,
    ],
    [
      'nothing where one approver may not ask',
      { approvers: { groups: ['S0SRE00001'], users: ['ben@example.test'] } },
      null,
    ],
    ['nothing where some approvers are denied', { deny: { groups: ['S0CONTRACT'] } }, null],
    [
      'that one namespace is closed',
      { namespaces: ['staging', 'kube-public'] },
      /namespaces\[1\]: kube-public covers nothing/,
    ],
    [
      'that automatic approval never counts',
      { acknowledgePersistence: true, automatic: [{ when: { maximum: '5m' } }] },
      /profiles\.it\.automatic: never counts/,
    ],
    [
      'that it holds nowhere',
      { automatic: [{ when: { maximum: '5m' } }, { when: { namespaces: ['production'] } }] },
      /profiles\.it\.automatic\[1\]\.when\.namespaces: holds nowhere: the profile covers staging/,
    ],
  ])('notes %s, and is 0', async (_what, change, words) => {
    const { code, out, err } = await checked(change);
    expect([code, err]).toEqual([0, '']);
    if (words === null) expect(out).not.toContain('note:');
    else expect(out).toMatch(words);
  });

  it('has notes and problems for programs, with the path as it was given', async () => {
    const file = await written({
      it: { ...debug, deny: { channels: ['C0ENGINEER1'] }, namespaces: ['x', 'kube-public'] },
    });
    const { code, out, err } = await runPolicy('check', file, '-o', 'json');
    expect([code, err]).toEqual([1, '']);
    expect(JSON.parse(out)).toEqual({
      version: 1,
      good: false,
      profiles: ['it'],
      problems: [expect.stringContaining(`${file}:`)],
      notes: [expect.stringMatching(/kube-public/)],
    });
  });

  it('takes options of a cluster only with one', async () => {
    expect(await runPolicy('check', example, '--context', 'x')).toMatchObject({
      code: 2,
      err: expect.stringContaining('--context goes with --kubeconfig'),
    });
    expect((await runPolicy('check', example, '--bot', 'x/y')).code).toBe(2);
    expect((await runPolicy('check', example, '--kubeconfig', 'x', '--bot', 'drawbridge')).err).toMatch(
      /NAMESPACE\/NAME/,
    );
    expect(await runPolicy('check', example, '--kubeconfig', join(dir, 'none'), '-o', 'json')).toMatchObject({
      code: 2,
      err: '',
      out: expect.stringMatching(/"problems": \[\s*".*none: can't be read/),
    });
  });

  it('says that a cluster is not reached', async () => {
    const kubeconfig = join(dir, 'away.yaml');
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, 'close');
    const cluster = { name: 'away', cluster: { server: `https://127.0.0.1:${port}` } };
    const contexts = [{ name: 'away', context: { cluster: 'away', user: 'ada' } }];
    const users = [{ name: 'ada', user: {} }];
    await writeFile(kubeconfig, stringify({ clusters: [cluster], contexts, users, 'current-context': 'away' }));
    expect(await runPolicy('check', example, '--kubeconfig', kubeconfig)).toMatchObject({
      code: 2,
      out: '',
      err: expect.stringMatching(/^the cluster can't be read: .*ECONNREFUSED/),
    });
  });
});

describe('-o json', () => {
  it('of explain has what profiles give, or what a person may', async () => {
    const all = JSON.parse((await runPolicy('explain', example, '-o', 'json')).out) as {
      profiles: { name: string; gives: object[] | null; duration: object; lines: string[] }[];
    };
    expect(all.profiles.map(({ name }) => name)).toContain('payments-edit');
    expect(all.profiles.find(({ name }) => name === 'debug')).toMatchObject({
      duration: { default: 1800, maximum: 7200 },
      gives: expect.arrayContaining([{ apiGroups: [''], resources: ['pods/log'], verbs: ['get'] }]),
      lines: expect.arrayContaining([expect.stringMatching(/may ask: channel C0ENGINEER1/)]),
    });
    const ada = ['--person', 'ada@example.test', '--member-of', 'C0ENGINEER1', '--profile', 'debug'];
    const { code, out } = await runPolicy('explain', example, ...ada, '-o', 'json');
    expect([code, JSON.parse(out)]).toEqual([
      0,
      {
        version: 1,
        user: 'ada@example.test',
        groups: ['developers'],
        administrator: 'perhaps',
        profiles: [{ name: 'debug', something: true, lines: expect.any(Array) }],
      },
    ]);
    const given = await runPolicy(
      'explain',
      join(dirname(example), 'docs/cookbook/database.yaml'),
      '--profile',
      'psql',
    );
    expect(given.out).toMatch(/network: workspace of .*psql:17, with 500m of CPU and 1Gi of memory, strict$/m);
    const nobody = await runPolicy('explain', example, '--person', 'x@elsewhere.test', '-o', 'json');
    expect([nobody.code, JSON.parse(nobody.out)]).toEqual([1, expect.objectContaining({ user: null })]);
  });

  it.each([['check'], ['explain'], ['test', example], ['diff', example]])(
    'of %s says why there is no answer',
    async (name, ...more) => {
      const { code, out, err } = await runPolicy(name, join(dir, 'none.yaml'), ...more, '-o', 'json');
      expect([code, err]).toEqual([2, '']);
      expect(JSON.parse(out)).toMatchObject({
        version: 1,
        problems: expect.arrayContaining([expect.stringContaining('none.yaml')]),
      });
    },
  );
});

describe('a policy of ten thousand lines', () => {
  const users = (count: number) => Array.from({ length: count }, (_, index) => `person-${index}@example.test`);
  const profilesNamed = (count: number, change: object) =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`profile-${index}`, { ...debug, ...change }]));
  const lines = (text: string) => text.split('\n').length;

  const many = { requesters: { users: users(20) } };
  const good = () => written(profilesNamed(300, many), 'good.yaml');
  const bad = () =>
    written(profilesNamed(300, { ...many, approvals: 2, deny: { groups: ['S0SRE00001'] } }), 'bad.yaml');

  it('is checked, and what is printed is bounded', { timeout: 120_000 }, async () => {
    const { code, err } = await runPolicy('check', await bad());
    expect([code, lines(err)]).toEqual([1, 202]);
    expect(err).toMatch(/… and 100 more \(-o json has them all\)\n.*300 problems$/);
  });

  it('is explained', { timeout: 120_000 }, async () => {
    expect((await runPolicy('explain', await good(), '--person', 'person-1@example.test')).code).toBe(0);
  });

  it('is compared, for people in few lines and for programs whole', { timeout: 120_000 }, async () => {
    const files = [await bad(), await good()];
    const diff = await runPolicy('diff', ...files);
    expect([diff.code, lines(diff.out)]).toEqual([1, 202]);
    const { changes } = JSON.parse((await runPolicy('diff', ...files, '-o', 'json')).out) as { changes: object[] };
    expect(changes).toHaveLength(600);
  });

  it('with a slip in each of its profiles is told in few lines', { timeout: 120_000 }, async () => {
    const { code, err } = await runPolicy('check', await written(profilesNamed(300, { aprovals: 2 }), 'slips.yaml'));
    expect([code, lines(err)]).toEqual([1, 102]);
  });

  it('beyond what is read is refused before it is parsed', async () => {
    const file = join(dir, 'large.yaml');
    await writeFile(file, '# x\n'.repeat(400_000));
    expect(await runPolicy('check', file)).toMatchObject({ code: 2, err: expect.stringMatching(/1048576 at most/) });
  });
});
