import { beforeAll, describe, expect, it, vi } from 'vitest';
import { joinKubeconfigs } from '../../src/sandbox/cluster/kubeconfig.ts';
import { describeWithCluster } from '../support/cluster.ts';
import { manifestDir, runPolicy } from '../support/policy-cli.ts';
import { ACCESS, ADA, BEN, CY, SRE, startTestSlack, useSlack } from '../support/slack.ts';

const policyOf = (profiles: object, change: object = {}) => ({
  version: 1,
  identity: { emailDomains: ['example.test'] },
  administrators: { users: [BEN] },
  approvals: { channel: ACCESS },
  ...change,
  profiles,
});
const view = {
  scope: 'namespace',
  namespaces: ['staging'],
  clusterRole: 'view',
  requesters: { channels: [ACCESS] },
  approvers: { groups: [SRE] },
  duration: { default: '30m', maximum: '1h' },
};

async function check(policy: object, ...options: string[]) {
  await using made = await manifestDir({ 'policy.yaml': [policy] });
  return await runPolicy('check', `${made.dir}/policy.yaml`, ...options);
}

describeWithCluster('npm run policy -- check --kubeconfig', (cluster) => {
  let namespace: string;
  const asAdmin = () => ['--kubeconfig', cluster.adminKubeconfig];

  beforeAll(async () => {
    namespace = await cluster.freshNamespace('check');
    const rbac = 'rbac.authorization.k8s.io';
    const bind = { apiGroups: [rbac], resources: ['clusterroles'], resourceNames: ['view'], verbs: ['bind'] };
    await cluster.apply([
      { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { namespace, name: 'bot' } },
      { apiVersion: `${rbac}/v1`, kind: 'Role', metadata: { namespace, name: 'reader' }, rules: [] },
      { apiVersion: `${rbac}/v1`, kind: 'Role', metadata: { namespace, name: 'bot' }, rules: [bind] },
      {
        apiVersion: `${rbac}/v1`,
        kind: 'RoleBinding',
        metadata: { namespace, name: 'bot' },
        roleRef: { apiGroup: rbac, kind: 'Role', name: 'bot' },
        subjects: [{ kind: 'ServiceAccount', namespace, name: 'bot' }],
      },
    ]);
  });

  it('is good where all is there and the bot may give it', async () => {
    const policy = policyOf({ view: { ...view, namespaces: [namespace] } });
    const { code, out, err } = await check(policy, ...asAdmin(), '--bot', `${namespace}/bot`);
    expect([code, err]).toEqual([0, '']);
    expect(out).not.toContain('note:');
  });

  it('names what is not there, where the policy says it', async () => {
    const { code, err, out } = await check(
      policyOf({
        it: { ...view, namespaces: [namespace, `${namespace}x`, 'no-such-*'], clusterRole: 'viwe' },
        role: { ...view, namespaces: [namespace], clusterRole: undefined, role: 'writer' },
        there: { ...view, namespaces: [namespace], clusterRole: undefined, role: 'reader' },
      }),
      ...asAdmin(),
    );
    expect(code).toBe(1);
    expect(err).toMatch(/policy\.yaml:\d+:\d+ profiles\.it\.clusterRole: there is no ClusterRole 'viwe'/);
    expect(err).toContain(
      `profiles.it.namespaces[1]: there is no namespace '${namespace}x' in the cluster, did you mean`,
    );
    expect(err).toContain(`profiles.role.role: there is no Role 'writer' in ${namespace}`);
    expect(err).not.toContain('profiles.there');
    expect(out).toMatch(/note: .*namespaces\[2\]: no namespace of the cluster fits no-such-\* now/);
    expect(out).toContain('there is no service account drawbridge/drawbridge (--bot names another)');
  });

  it('says what the bot may not give', async () => {
    const policy = policyOf({
      view: { ...view, namespaces: [namespace] },
      edit: { ...view, namespaces: [namespace], clusterRole: 'edit', acknowledgePersistence: true },
      logs: { ...view, namespaces: [namespace], clusterRole: undefined, scope: 'workload', rights: ['logs'] },
    });
    const { code, err } = await check(policy, ...asAdmin(), '--bot', `${namespace}/bot`);
    expect(code).toBe(1);
    expect(err).toContain(
      `the bot (${namespace}/bot) may not bind on clusterroles edit in ${namespace}: upgrade the chart`,
    );
    expect(err).toMatch(/profiles\.logs: .*get on pods\/log/);
    expect(err).not.toContain('profiles.view');
  });

  it('looks in each cluster of the policy by its own context, with what is for it', async () => {
    await using made = await manifestDir({});
    const kubeconfig = `${made.dir}/both`;
    await joinKubeconfigs(
      kubeconfig,
      new Map([
        ['hub', cluster.adminKubeconfig],
        ['us', cluster.adminKubeconfig],
      ]),
    );
    const wrong = { ...view, namespaces: [namespace], clusterRole: 'viwe' };
    const policy = (clusters: object) =>
      policyOf(
        { here: { ...view, namespaces: [namespace], clusters: ['eu'] }, there: { ...wrong, clusters: ['us'] } },
        { clusters },
      );
    const options = ['--kubeconfig', kubeconfig, '--bot', `${namespace}/bot`];
    const { code, err } = await check(policy({ eu: {}, us: { context: 'us' } }), ...options);
    expect(code).toBe(1);
    expect(err).toMatch(/profiles\.there\.clusterRole: cluster us: there is no ClusterRole 'viwe' in the cluster/);
    expect(err).not.toContain('cluster eu');
    expect(await check(policy({ eu: {}, us: { context: 'nowhere' } }), ...options)).toMatchObject({
      code: 2,
      out: '',
      err: expect.stringMatching(/^cluster us: .*no cluster for context 'nowhere', contexts are: hub, us/),
    });
  });

  it('says that somebody may not look, and is 2', async () => {
    const nobody = await cluster.kubeconfigFor('ada@example.test');
    expect(await check(policyOf({ view }), '--kubeconfig', nobody)).toMatchObject({
      code: 2,
      out: '',
      err: expect.stringMatching(/^the cluster can't be read: .*403 .*ada@example\.test/),
    });
  });
});

describe('npm run policy -- check --slack', () => {
  const slack = useSlack();
  const at = (env: Record<string, string>) => {
    for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  };
  const here = () => at({ SLACK_BOT_TOKEN: slack().botToken, SLACK_API_URL: slack().apiUrl });

  it('says how many may ask and approve now, by name of the profile', async () => {
    here();
    const { code, out, err } = await check(
      policyOf({ view, denied: { ...view, deny: { users: [ADA] } } }),
      '--slack',
      '-o',
      'json',
    );
    expect([code, err]).toEqual([0, '']);
    expect(JSON.parse(out)).toMatchObject({
      good: true,
      people: { view: { mayAsk: 3, mayApprove: 1 }, denied: { mayAsk: 2, mayApprove: 1 } },
    });
  });

  it('finds who is not there, and what nobody could approve now', async () => {
    here();
    const { code, err } = await check(
      policyOf({
        two: { ...view, approvals: 2 },
        denied: { ...view, deny: { users: [BEN] } },
        strangers: { ...view, requesters: { users: ['zoe@example.test', 'U0NOBODY1', 'Ada@example.test'] } },
        lists: { ...view, approvers: { groups: ['S0NOTHERE1', SRE] } },
      }),
      '--slack',
    );
    expect(code).toBe(1);
    expect(err).toMatch(
      /profiles\.two\.approvers: nothing can be approved now: 2 needed, and no request has more than 1/,
    );
    expect(err).toMatch(/profiles\.denied\.approvers: nothing can be approved now: 1 needed/);
    expect(err).toMatch(/profiles\.strangers\.requesters\.users\[0\]: zoe@example\.test: no account of this Slack/);
    expect(err).toMatch(/users\[1\]: U0NOBODY1: no account/);
    expect(err).not.toContain('Ada@example.test');
    expect(err).toMatch(/the policy names S0NOTHERE1, which is not there/);
  });

  it('finds a channel without the bot', async () => {
    here();
    const { code, err } = await check(policyOf({ view }, { approvals: { channel: 'C0NOTHERE1' } }), '--slack');
    expect([code, err]).toEqual([
      1,
      expect.stringMatching(/approvals\.channel: the approvals channel C0NOTHERE1 is not there/),
    ]);
  });

  it('finds steps that need more people than there are, though each has enough', async () => {
    here();
    const steps = (...counts: number[]) => ({
      ...view,
      approvers: undefined,
      approval: {
        steps: counts.map((count, index) => ({ name: `step-${index}`, from: { groups: [SRE], users: [CY] }, count })),
      },
    });
    const { code, err } = await check(policyOf({ two: steps(1, 1), three: steps(1, 2) }), '--slack');
    expect(code).toBe(1);
    expect(err).toMatch(/profiles\.three\.approval\.steps: nothing can be approved now: some steps need 3 different/);
    expect(err).not.toContain('profiles.two');
  });

  it('finds a channel of a profile that the bot is not in', async () => {
    here();
    const own = { ...view, approval: { notify: { channel: 'C0NOTHERE1' } } };
    const { code, err } = await check(policyOf({ view, own }), '--slack');
    expect([code, err]).toEqual([
      1,
      expect.stringMatching(/policy\.yaml:\d+:\d+ profiles\.own\.approval\.notify\.channel: the channel C0NOTHERE1 of/),
    ]);
  });

  it('says that Slack is not reached or refuses, and never the token', async () => {
    const refused = { SLACK_BOT_TOKEN: 'xoxb-a-wrong-one', SLACK_API_URL: slack().apiUrl };
    const gone = await startTestSlack();
    await gone.stop();
    const away = { SLACK_BOT_TOKEN: 'xoxb-a-wrong-one', SLACK_API_URL: gone.apiUrl };
    for (const [env, words] of [
      [refused, /Slack refuses SLACK_BOT_TOKEN: invalid_auth/],
      [away, /Slack can't be read/],
      [{ SLACK_BOT_TOKEN: 'secret-of-another-kind' }, /--slack needs SLACK_BOT_TOKEN/],
    ] as const) {
      at(env);
      const { code, err, out } = await check(policyOf({ view }), '--slack');
      expect([code, out, err]).toEqual([2, '', expect.stringMatching(words)]);
      expect(err).not.toMatch(/a-wrong-one|secret-of/);
    }
  });
});
