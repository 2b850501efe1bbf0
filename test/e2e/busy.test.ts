import { beforeAll, describe, expect, test } from 'vitest';
import { objectName } from '../../src/adapters/kubernetes/manifests.ts';
import type { PolicyInput } from '../../src/domain/policy/schema.ts';
import { ACCESS, PEOPLE } from '../../src/sandbox/scenery.ts';
import { describeWithCluster } from '../support/cluster.ts';
import { textOf, useStage } from '../support/e2e.ts';
import { useChurn } from '../support/use-churn.ts';
import { deployment } from '../support/workloads.ts';

/** A namespaced role by name, and containment of pods that nothing isolates. */
function policy(input: PolicyInput): void {
  const { view, shell } = input.profiles;
  if (view === undefined || shell?.network === undefined) throw new Error('the example policy has other profiles now');
  const { clusterRole: _role, automatic: _none, ...asked } = view;
  input.profiles['look'] = { ...asked, role: 'look' };
  shell.network.allowIsolation = true;
}

describeWithCluster('in a cluster where something happens all the time', (kube) => {
  const stage = useStage(kube, { policy });
  const churn = useChurn(kube);
  let look: object;

  beforeAll(async () => {
    const { namespaces, cluster } = stage();
    look = {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'Role',
      metadata: { namespace: namespaces.staging, name: 'look' },
      rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get', 'list'] }],
    };
    // `open` reaches, and is reached by, all that comes and goes.
    await cluster.apply([look, ...deployment(namespaces.staging, 'open')]);
    const ready = ['wait', 'deployment/open', '--for=condition=Available', '-n', namespaces.staging, '--timeout=60s'];
    await stage().adminKubectl(ready);
    for (const name of ['default-deny', 'allow-dns']) await patch(name, allBut('open'));
  });

  const patch = (name: string, change: object) =>
    stage().adminKubectl([
      '-n',
      stage().namespaces.staging,
      'patch',
      'netpol',
      name,
      '--type=merge',
      '-p',
      JSON.stringify({ spec: change }),
    ]);
  const allBut = (...apps: string[]) => ({
    podSelector: { matchExpressions: [{ key: 'app', operator: 'NotIn', values: apps }] },
  });
  const thread = async () =>
    (await stage().slack.control.messages(ACCESS)).filter((m) => m.thread_ts !== undefined).map(textOf);

  describe('an approval counts at the first click, and what was approved stays', () => {
    test.each([
      ['debug', '/deploy/open'],
      ['shell', '/deploy/open'],
      ['troubleshoot', '/deploy/checkout'],
      ['own-tools', '/deploy/checkout'],
      ['look', ''],
    ])('%s', async (profile, target) => {
      const s = stage();
      const id = await s.request(`${profile} ${s.namespaces.staging}${target} 10m checkout returns 502`);
      await churn().pass(2);
      await s.press('ben', id, 'approve');
      await s.until(id, 'Active until', 40_000);
      await churn().pass(2);
      expect(await s.audited(id)).toEqual(['requested', 'approval', 'applying', 'active']);
      expect(await s.words(id)).toContain('Active until');
      await s.type('ada', `revoke ${id} done`);
      await s.until(id, 'Revoked', 30_000);
    });

    test('nobody was asked again', async () => {
      expect((await thread()).filter((text) => text.includes('Asked again'))).toEqual([]);
    });
  });

  describe('what is bound and changes under a request is asked again, and said', () => {
    const closesOpen = () => ({
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { namespace: stage().namespaces.staging, name: 'closes-open' },
      spec: { podSelector: { matchLabels: { app: 'open' } }, policyTypes: ['Egress'] },
    });

    test.each<[string, string, string, () => Promise<unknown>, () => Promise<unknown>, RegExp]>([
      [
        'a policy',
        'debug',
        '/deploy/checkout',
        () => patch('checkout-admits-frontend', { ingress: [{ ports: [{ port: 81 }] }] }),
        () => patch('checkout-admits-frontend', { ingress: [{ ports: [{ port: 8080 }] }] }),
        /policy \S+staging\/checkout-admits-frontend was changed/,
      ],
      [
        'isolation',
        'debug',
        '/deploy/open',
        () => kube.apply([closesOpen()]),
        () => stage().adminKubectl(['-n', stage().namespaces.staging, 'delete', 'netpol', 'closes-open']),
        /isolation of the target, egress, before the grant: was no, is yes/,
      ],
      [
        'the policy that isolates',
        'debug',
        '/deploy/checkout',
        () => patch('default-deny', allBut('open', 'checkout')),
        () => patch('default-deny', allBut('open')),
        /policy \S+staging\/default-deny selects the pods no more/,
      ],
      [
        'a role',
        'look',
        '',
        () =>
          kube.apply([
            { ...look, rules: [{ apiGroups: [''], resources: ['pods', 'secrets'], verbs: ['get', 'list'] }] },
          ]),
        () => kube.apply([look]),
        /Role look: \+ get, list secrets/,
      ],
    ])('%s', async (_what, profile, target, change, back, words) => {
      const s = stage();
      const { staging } = s.namespaces;
      const id = await s.request(`${profile} ${staging}${target} 10m checkout returns 502`);
      try {
        await change();
        await s.press('ben', id, 'approve');
        if (profile === 'look') {
          // A role that reads secrets is more than this profile may give at all.
          await s.toldTo('ben', /reads secrets/);
          return;
        }
        expect(await s.until(id, words)).toContain('The plan has changed since it was shown');
        await s.slack.control.waitFor(
          async () => (await thread()).some((text) => words.test(text) && text.includes(id)),
          {
            timeout: 10_000,
            what: `the thread of ${id} says ${String(words)}`,
          },
        );
        expect(await s.objectsOf(id)).toEqual([]);
      } finally {
        await back();
        await s.type('ada', `revoke ${id} done`);
        await s.until(id, 'Withdrawn');
      }
    });
  });

  describe('what others do around an active grant is followed within seconds', () => {
    const WITHIN = 10_000;
    /** Words wait for Slack's limits; what is given is taken down all the same. */
    const taken = (id: string) =>
      stage().slack.control.waitFor(async () => (await stage().objectsOf(id)).length === 0, {
        timeout: WITHIN,
        what: `nothing is left of ${id}`,
      });
    async function active(line: string): Promise<string> {
      const s = stage();
      const id = await s.request(line);
      await s.press('ben', id, 'approve');
      await s.until(id, 'Active until', 40_000);
      return id;
    }
    const onCheckout = (profile: string) =>
      active(`${profile} ${stage().namespaces.staging}/deploy/checkout 10m checkout returns 502`);
    const over = async (id: string) => {
      await stage().type('ada', `revoke ${id} done`);
      await stage().until(id, 'Revoked', 30_000);
    };
    const podsOf = async (app: string) =>
      (await stage().adminKubectl(['-n', stage().namespaces.staging, 'get', 'pods', '-l', `app=${app}`, '-o', 'name']))
        .split('\n')
        .filter((name) => name !== '');
    const inStaging = (...args: string[]) => stage().adminKubectl(['-n', stage().namespaces.staging, ...args]);

    test('a named role that comes to allow more than was approved ends it', async () => {
      const s = stage();
      const id = await active(`look ${s.namespaces.staging} 10m look at the pods`);
      const more = [{ apiGroups: [''], resources: ['pods', 'pods/log'], verbs: ['get', 'list'] }];
      await kube.apply([{ ...look, rules: more }]);
      await taken(id);
      await s.until(id, 'It failed and was taken down', 30_000);
      expect(await s.words(id)).toContain('Role look allows more than was approved: + get, list pods/log');
      await s.dm('dee', 'Role look allows more than was approved');
      expect(await s.objectsOf(id)).toEqual([]);
      await kube.apply([look]);
    });

    test('a pod of somebody else that is given the labels of the target is told', async () => {
      const s = stage();
      const id = await onCheckout('own-tools');
      const [other = ''] = await podsOf('open');
      // Its ReplicaSet lets go of it, and makes another.
      await inStaging('label', other, 'app=checkout', '--overwrite');
      await s.dm('dee', new RegExp(`has taken the labels of the target of ${id}`), WITHIN);
      await inStaging('delete', other);
      await over(id);
    });

    test('a policy of somebody else that begins to select the workspace is told', async () => {
      const s = stage();
      const id = await onCheckout('troubleshoot');
      const workspaces = s.settings['WORKSPACES_NAMESPACE'] ?? '';
      const opens = {
        apiVersion: 'networking.k8s.io/v1',
        kind: 'NetworkPolicy',
        metadata: { namespace: workspaces, name: 'opens' },
        spec: { podSelector: {}, policyTypes: ['Egress'], egress: [{}] },
      };
      await kube.apply([opens]);
      await s.dm('dee', new RegExp(`NetworkPolicy opens .* has begun to select the workspace of ${id}`), WITHIN);
      await s.adminKubectl(['-n', workspaces, 'delete', 'netpol', 'opens']);
      // The profile is strict.
      await s.until(id, 'It failed and was taken down', 30_000);
    });

    test('a policy that isolated the target and is gone ends it', async () => {
      const s = stage();
      const id = await onCheckout('own-tools');
      try {
        await patch('default-deny', allBut('open', 'checkout'));
        await patch('checkout-admits-frontend', { podSelector: { matchLabels: { app: 'nobody' } } });
        await taken(id);
        await s.until(id, /Nothing but .* isolates/, 30_000);
      } finally {
        await patch('default-deny', allBut('open'));
        await patch('checkout-admits-frontend', { podSelector: { matchLabels: { app: 'checkout' } } });
      }
    });

    test('pods that are replaced: the access follows at once, and one message has the names in the end', async () => {
      const s = stage();
      const { control } = s.slack;
      const id = await onCheckout('debug');
      const told = async () =>
        (await control.dms(PEOPLE.ada.id))
          .map(textOf)
          .filter((text) => /pods have changed/.test(text) && text.includes(id));
      const named = async () => {
        const stdout = await inStaging('get', 'role', objectName(id), '-o', 'jsonpath={.rules[*].resourceNames[*]}');
        const pods = stdout.split(' ').filter((name) => name.startsWith('checkout-'));
        return [...new Set(pods.map((name) => `pod/${name}`))].toSorted();
      };
      for (const old of await podsOf('checkout')) {
        await inStaging('delete', old);
        await control.waitFor(
          async () => {
            const now = await podsOf('checkout');
            expect(now).not.toContain(old);
            expect(await named()).toEqual(now.toSorted());
            return true;
          },
          { timeout: WITHIN, what: `the Role of ${id} has the pods that there are` },
        );
      }
      await control.waitFor(async () => (await told()).length > 0, {
        timeout: 20_000,
        what: `Ada is told of the pods of ${id}`,
      });
      const [text = ''] = await told();
      for (const pod of await podsOf('checkout')) expect(text).toContain(pod.replace('pod/', ''));
      await over(id);
      expect(await told()).toHaveLength(1);
    });
  });
});
