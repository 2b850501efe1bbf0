import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { helm, type Rendered, renderChart } from '../../src/sandbox/chart.ts';
import { CHART } from '../../src/sandbox/chart-values.ts';
import { exampleValues, setAt } from '../support/chart.ts';

const EXAMPLE = join(CHART, '../../policy.example.yaml');
const text = readFileSync(EXAMPLE, 'utf8');
const fromFile = (policyFile: string) => renderChart({ existingSecret: 'drawbridge', policyFile });
const policyOf = (objects: readonly Rendered[]): unknown => objects.find(({ kind }) => kind === 'ConfigMap')?.data;
const messageOf = (refused: Promise<unknown>): Promise<string> =>
  refused.then(
    () => 'accepted',
    (error: unknown) => String(error),
  );
const withoutPolicy = (objects: readonly Rendered[]) => objects.filter(({ kind }) => kind !== 'ConfigMap');

describe('the policy as a file', () => {
  test('makes what the same policy makes as a value, and reaches the bot as it was written', async () => {
    const asFile = await fromFile(text);
    const asValue = await renderChart({ existingSecret: 'drawbridge', policy: parse(text) });
    expect(withoutPolicy(asFile)).toEqual(withoutPolicy(asValue));
    expect(policyOf(asFile)).toEqual({ 'policy.yaml': text });
  });

  test('is given by --set-file', async () => {
    const given = ['--set', 'existingSecret=drawbridge', '--set-file', `policyFile=${EXAMPLE}`];
    expect(await helm(['template', 'drawbridge', CHART, ...given], null)).toContain('drawbridge-gives-troubleshoot');
  });

  test.each([
    ['none', {}, /policyFile: give the policy, by --set-file/],
    ['two', { policyFile: text, policy: exampleValues().policy }, /policy and policyFile: give one of them/],
    ['no YAML', { policyFile: 'profiles: [' }, /policyFile: is not YAML/],
    ['a list', { policyFile: '- version: 1' }, /policyFile: is not YAML: .*cannot unmarshal array/],
  ])('refuses %s', async (_name, values, message) => {
    await expect(renderChart({ existingSecret: 'drawbridge', ...values })).rejects.toThrow(message);
  });

  /** Policies that are wrong in several places at once: path, value, and where that is told. */
  const wrong: [string, unknown, string][][] = [
    [
      ['version', 2, '/version'],
      ['profils', {}, ''],
      ['identity.user', 3, '/identity/user'],
      ['identity.confirmedBy', 'mail', '/identity/confirmedBy'],
      ['identity.emailDomains', [], '/identity/emailDomains'],
      ['identity.groups', { '*': [''] }, '/identity/groups/*/0'],
      ['administrators.users', [4], '/administrators/users/0'],
      ['approvals.channel', '#approvals', '/approvals/channel'],
      ['profiles.debug.description', 'x'.repeat(201), '/profiles/debug/description'],
      ['profiles.debug.approvals', 1.5, '/profiles/debug/approvals'],
      ['profiles.debug.selfApproval', 'maybe', '/profiles/debug/selfApproval'],
      ['profiles.debug.rules.0.verbs.0', '*', '/profiles/debug/rules/0/verbs/0'],
      ['profiles.debug.rules.0.apiGroups.0', '*', '/profiles/debug/rules/0/apiGroups/0'],
      ['profiles.debug.rules.0.resources.0', '*', '/profiles/debug/rules/0/resources/0'],
      ['profiles.debug.rules.1.resources', undefined, '/profiles/debug/rules/1'],
      ['profiles.debug.network.ports', [{ port: 'HTTP' }, { port: 65_536 }], '/profiles/debug/network/ports/1/port'],
      ['profiles.observe.rights', ['logs', 'log', 'logs'], '/profiles/observe/rights'],
      ['profiles.observe.rights.1', 'log', '/profiles/observe/rights/1'],
      ['profiles.shell.approvals', 11, '/profiles/shell/approvals'],
      ['profiles.tune.approvals', 0, '/profiles/tune/approvals'],
      ['profiles.own-tools.network.from.0.cidr', '10.8.0.0', '/profiles/own-tools/network/from/0/cidr'],
    ],
    [
      ['version', undefined, ''],
      ['identity', [], '/identity'],
      ['profiles.debug', null, '/profiles/debug'],
      ['profiles.shell', ['x'], '/profiles/shell'],
      ['profiles.own-tools.automatic', [{ when: { maximum: '5m' }, wen: {} }], '/profiles/own-tools/automatic/0'],
      [
        'profiles.observe.automatic',
        Array.from({ length: 21 }, () => ({ when: { maximum: '5m' } })),
        '/profiles/observe/automatic',
      ],
    ],
  ];
  test.each(wrong)('is held against the schema of the value', async (...changes) => {
    const { policy } = exampleValues();
    for (const [path, value] of changes) setAt(policy, path, value);
    const [asValue, asFile] = await Promise.all([
      messageOf(renderChart({ existingSecret: 'drawbridge', policy })),
      messageOf(fromFile(stringify(policy))),
    ]);
    for (const [, , where] of changes) {
      expect(asValue).toContain(`at '/policy${where}'`);
      expect(asFile).toContain(`at '${where}'`);
    }
  });

  test('has the names of its profiles held against it too', async () => {
    const { policy } = exampleValues({}, { 'policy.profiles.Debug': exampleValues().policy.profiles.debug });
    await expect(fromFile(stringify(policy))).rejects.toThrow("at '/profiles': 'Debug' does not match");
  });

  test('takes what the schema takes', async () => {
    const { policy } = exampleValues(
      {},
      {
        'policy.profiles.debug.approvals': 1,
        'policy.profiles.shell.approvals': 10,
        'policy.profiles.debug.description': 'x'.repeat(200),
        'policy.profiles.debug.network.ports': [{ port: 'http' }, { port: 1 }, { port: 65_535 }],
        'policy.profiles.own-tools.network.from.0.cidr': 'fd00::/16',
        'policy.profiles.shell.automatic': [
          { when: { maximum: '5m', hours: 'Mon-Fri 08:00-18:00 Europe/Berlin' } },
          { when: { members: { groups: ['S0SRE00001'] } } },
        ],
      },
    );
    expect(withoutPolicy(await fromFile(stringify(policy)))).toEqual(
      withoutPolicy(await renderChart({ existingSecret: 'drawbridge', policy })),
    );
  });

  test('what the schema can’t say is refused too', async () => {
    const { policy } = exampleValues({}, { 'policy.profiles.debug.namespaces': ['kube-system'] });
    await expect(fromFile(stringify(policy))).rejects.toThrow(/'kube-system' belongs to Kubernetes/);
  });
});
