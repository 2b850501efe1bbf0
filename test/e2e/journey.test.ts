import { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import { auditKeys } from '../../src/adapters/redis/audit-stream.ts';
import { ACTIONS } from '../../src/adapters/slack/surfaces/actions.ts';
import { runAuditCli } from '../../src/cli/audit.ts';
import { ACCESS, PEOPLE } from '../../src/sandbox/scenery.ts';
import { describeWithCluster } from '../support/cluster.ts';
import { textOf, useStage } from '../support/e2e.ts';
import { useChurn } from '../support/use-churn.ts';

describeWithCluster('the main job, from Slack to the API server', (kube) => {
  const stage = useStage(kube);
  useChurn(kube);

  test('a line in Slack, a click, exactly that access, a warning, the end: each is seen and nothing stays', async () => {
    const s = stage();
    const { staging } = s.namespaces;
    const [pod = ''] = await s.podsOf(staging, 'checkout');
    const [neighbour = ''] = await s.podsOf(staging, 'catalog');
    expect((await s.kubectlAs('ada', ['-n', staging, 'get', 'pod', pod])).stderr).toContain('forbidden');

    const id = await s.request(`debug ${staging}/deploy/checkout 12s checkout returns 502`);
    const words = await s.words(id);
    for (const word of ['U0ADA', 'checkout', '12s', 'checkout returns 502']) expect(words).toContain(word);
    // What the message leaves out is behind a button, for whoever may read it.
    await s.press('ben', id, 'details');
    const { control } = s.slack;
    const details = await control.waitFor(() => control.modal(PEOPLE.ben.id), { timeout: 10_000 });
    expect(JSON.stringify(details)).toContain(`Job, Role, RoleBinding in \`${staging}\``);
    expect(JSON.stringify(details)).toContain(`RoleBinding ${staging}/drawbridge-${id}`);
    await control.close(PEOPLE.ben.id);

    await s.press('cy', id, 'approve');
    await s.toldTo('cy', 'not an approver');
    await s.press('ada', id, 'approve');
    await s.toldTo('ada', 'your own request');
    expect(await s.objectsOf(id)).toEqual([]);

    await s.press('ben', id, 'approve');
    await s.until(id, 'Active until');
    const hint = await s.dm('ada', 'What to run');
    expect(hint).toContain(`kubectl -n ${staging} get pod ${pod}`);
    expect((await s.kubectlAs('ada', ['-n', staging, 'get', 'pod', pod])).code).toBe(0);
    expect(await s.can('ada', 'create', `pods/${pod}`, '--subresource=exec', '-n', staging)).toBe('yes');
    expect(await s.can('ada', 'get', `pods/${neighbour}`, '-n', staging)).toBe('no');
    expect(await s.can('ada', 'list', 'pods', '-n', staging)).toBe('no');
    expect(await s.can('ada', 'get', 'secrets', '-n', staging)).toBe('no');
    expect(await s.can('cy', 'get', `pods/${pod}`, '-n', staging)).toBe('no');

    await s.dm('ada', 'Your access ends');
    await s.until(id, 'access was confirmed gone', 30_000);
    await s.dm('ada', 'access was confirmed gone');
    expect((await s.kubectlAs('ada', ['-n', staging, 'get', 'pod', pod])).stderr).toContain('forbidden');
    expect(await s.objectsOf(id)).toEqual([]);
    expect(await s.audited(id)).toEqual([
      'requested',
      'refused',
      'refused',
      'approval',
      'applying',
      'active',
      'ending',
      'expired',
    ]);
    // What has ended stands on Home, and fills in the form that asks for it again.
    const ada = PEOPLE.ada.id;
    await control.openHome(ada);
    const home = () => JSON.stringify(control.home(ada)?.blocks ?? []);
    await control.waitFor(() => home().includes('Ask again'), { timeout: 10_000, what: home() });
    await control.pressHome(ada, { action_id: ACTIONS.again });
    const form = () => JSON.stringify(control.modal(ada)?.blocks ?? []);
    await control.waitFor(() => form().includes('checkout returns 502'), { timeout: 10_000, what: form() });
    expect(form()).toContain('deployment/checkout');
    await control.close(ada);
  });

  test('is in an audit that verifies against every line that the bot printed, and that is found when it is touched', async () => {
    const s = stage();
    const printed = (await s.bots.get('bot')?.lines()) ?? [];
    const lines = printed.filter(({ audit, seq }) => audit === 1 && seq !== undefined);
    expect(lines.length).toBeGreaterThan(8);
    const heads = lines.map(({ seq, mac }) => `${String(seq)}:${String(mac)}`);
    expect(printed.map(({ auditHead }) => auditHead)).toContain(heads[0]);
    const said: string[] = [];
    const verify = () =>
      runAuditCli(
        ['verify', ...heads.flatMap((head) => ['--head', head])],
        { print: (text) => said.push(text), complain: (text) => said.push(text) },
        s.settings,
      );
    expect(await verify(), said.join()).toBe(0);
    const redis = new Redis(s.redisUrl);
    const { stream } = auditKeys(s.installation.instance);
    const [, second] = await redis.xrange(stream, '-', '+', 'COUNT', 2);
    await redis.xdel(stream, second?.[0] ?? '');
    redis.disconnect();
    expect(await verify()).toBe(1);
    expect(said.join()).toContain('seq 2 is missing');
  });

  test('by the modal, with a workspace: the guard first, one pod for one person, and an early end', async () => {
    const s = stage();
    const { staging } = s.namespaces;
    const { control } = s.slack;
    const shown = (text: string) =>
      control.waitFor(() => JSON.stringify(control.modal(PEOPLE.ada.id) ?? '').includes(text), {
        timeout: 10_000,
        what: `the modal shows ${text}`,
      });
    await s.type('ada', '');
    await shown('troubleshoot');
    const before = (await control.messages(ACCESS)).length;
    await control.enter(PEOPLE.ada.id, ACTIONS.profile, 'troubleshoot');
    await shown(ACTIONS.namespace);
    await control.enter(PEOPLE.ada.id, ACTIONS.namespace, staging);
    await shown(ACTIONS.target);
    const { options = [] } = await control.suggest(PEOPLE.ada.id, ACTIONS.target, 'check');
    const targets = options.map(({ value }) => value);
    expect(targets).toEqual(expect.arrayContaining(['deployment/checkout', 'service/checkout']));
    expect(targets.join()).not.toContain('catalog');
    // Block ids carry the choice that they belong to; what they are for stands first.
    const enter = (field: string, text: string) => {
      const ids = JSON.stringify(control.modal(PEOPLE.ada.id)).matchAll(/"block_id":"([^"]+)"/g);
      const block_id = [...ids].map((match) => match[1] ?? '').find((id) => id.startsWith(field)) ?? field;
      return control.enter(PEOPLE.ada.id, { block_id }, text);
    };
    await enter('target', 'deployment/checkout');
    await enter('duration', '10m');
    await enter('reason', 'look at 502s from inside');
    // The form leads to what would be granted; nothing has been asked for yet.
    expect(await control.submit(PEOPLE.ada.id)).not.toHaveProperty('errors');
    await shown('Nothing has been requested yet');
    await shown('8080/TCP');
    await shown('between a pod and its own node');
    expect(await control.messages(ACCESS)).toHaveLength(before);
    // Nothing isolates the target any more: what was shown can't be had, what can be is shown, and so on until they are one.
    const isolation = (selector: object, admits: string) =>
      Promise.all(
        Object.entries({ 'default-deny': selector, 'checkout-admits-frontend': { matchLabels: { app: admits } } }).map(
          ([name, podSelector]) =>
            s.adminKubectl([
              '-n',
              staging,
              'patch',
              'netpol',
              name,
              '--type=merge',
              '-p',
              JSON.stringify({ spec: { podSelector } }),
            ]),
        ),
      );
    await isolation({ matchExpressions: [{ key: 'app', operator: 'NotIn', values: ['checkout'] }] }, 'frontend');
    await control.submit(PEOPLE.ada.id);
    await shown('has changed since you saw it');
    expect(await control.messages(ACCESS)).toHaveLength(before);
    await isolation({ matchExpressions: null }, 'checkout');
    // Back to the form, which is as it was filled in.
    await control.press(PEOPLE.ada.id, ACTIONS.back);
    await shown(ACTIONS.namespace);
    await shown('look at 502s from inside');
    await control.submit(PEOPLE.ada.id);
    await shown('Nothing has been requested yet');
    expect(await control.messages(ACCESS)).toHaveLength(before);
    expect(await control.submit(PEOPLE.ada.id)).toMatchObject({ kind: 'updated' });
    const posted = await control.waitFor(async () => (await control.messages(ACCESS))[before], {
      timeout: 10_000,
    });
    const id = /g-[a-z2-9]{6}/.exec(textOf(posted))?.[0] ?? '';
    expect(textOf(posted)).toMatch(/8080\/TCP/);
    await s.press('cy', id, 'showAll');
    await s.toldTo('cy', '→');
    await s.type('cy', `status ${id}`);
    await s.toldTo('cy', 'the plan is the one that the approvers see');
    await s.press('ben', id, 'approve');
    await s.until(id, 'Active until', 40_000);
    const workspaces = s.installation.workspacesNamespace;
    const hint = await s.dm('ada', `kubectl -n ${workspaces} exec`);
    const pod = /exec -it (\S+)/.exec(hint)?.[1] ?? '';
    expect(await s.can('ada', 'create', `pods/${pod}`, '--subresource=exec', '-n', workspaces)).toBe('yes');
    expect(await s.can('cy', 'create', `pods/${pod}`, '--subresource=exec', '-n', workspaces)).toBe('no');
    expect(
      (await s.objectsOf(id)).map((name) => name.split('/')[0]).toSorted((a = '', b = '') => a.localeCompare(b)),
    ).toEqual([
      'Job',
      'Job',
      'Job',
      'NetworkPolicy',
      'NetworkPolicy',
      'Pod',
      'Role',
      'Role',
      'RoleBinding',
      'RoleBinding',
    ]);
    await s.type('ada', `revoke ${id} done`);
    await s.until(id, 'Revoked', 30_000);
    expect(await s.objectsOf(id)).toEqual([]);
  });

  test('by a Service: a workspace that reaches its pods on their own port, and rights on these pods and no others', async () => {
    const s = stage();
    const { staging } = s.namespaces;
    await s.type('ada', `request troubleshoot ${staging}/svc/no-such 5m a slip of the keyboard`);
    await s.toldTo('ada', 'There is no Service no-such');
    const id = await s.request(`troubleshoot ${staging}/svc/checkout 5m checkout returns 502`);
    const words = await s.words(id);
    for (const word of [
      `${staging}/svc/checkout → deployment/checkout`,
      `+ ${staging}/deployment/checkout 8080/TCP`,
      'Service checkout: dialled on 80, arrives on 8080/TCP.',
    ])
      expect(words).toContain(word);
    await s.press('ben', id, 'approve');
    await s.until(id, 'Active until', 40_000);
    const [pod = ''] = await s.podsOf(staging, 'checkout');
    const [neighbour = ''] = await s.podsOf(staging, 'catalog');
    expect(await s.can('ada', 'get', `pods/${pod}`, '-n', staging)).toBe('yes');
    expect(await s.can('ada', 'get', `pods/${neighbour}`, '-n', staging)).toBe('no');
    const workspaces = s.installation.workspacesNamespace;
    const of = (path: string, ...what: string[]) =>
      s.adminKubectl(['-n', workspaces, 'get', ...what, '-o', `jsonpath={${path}}`]);
    expect(await of('.spec.egress[*].ports', 'networkpolicy', `drawbridge-${id}`)).toBe(
      '[{"port":8080,"protocol":"TCP"}]',
    );
    const address = await s.adminKubectl([
      '-n',
      staging,
      'get',
      'service',
      'checkout',
      '-o',
      'jsonpath={.spec.clusterIP}',
    ]);
    const aliases = await of('.spec.template.spec.hostAliases', 'job', `drawbridge-${id}-workspace`);
    expect(JSON.parse(aliases)).toEqual([{ ip: address, hostnames: expect.arrayContaining(['checkout']) as string[] }]);
    await s.type('ada', `who ${staging}`);
    await s.toldTo('ada', `svc/checkout → deployment/checkout`);
    await s.type('ada', `revoke ${id}`);
    await s.until(id, 'Revoked', 30_000);
    expect(await s.objectsOf(id)).toEqual([]);
    expect(await s.can('ada', 'get', `pods/${pod}`, '-n', staging)).toBe('no');
  });

  test('a longer window is asked for, decided by another, and kept by Kubernetes too', async () => {
    const s = stage();
    const { staging } = s.namespaces;
    const id = await s.request(`debug ${staging}/deploy/checkout 8s short look`);
    await s.press('ben', id, 'approve');
    await s.until(id, 'Active until');
    const deadline = async () =>
      Number(
        await s.adminKubectl([
          '-n',
          staging,
          'get',
          'job',
          `drawbridge-${id}`,
          '-o',
          'jsonpath={.spec.activeDeadlineSeconds}',
        ]),
      );
    const first = await deadline();
    await s.type('ada', `extend ${id} 10m`);
    await s.until(id, 'Approve extension');
    await s.press('ben', id, 'approveExtension');
    await s.dm('ada', 'Extended until');
    expect((await deadline()) - first).toBeGreaterThanOrEqual(599);
    await s.type('ben', `revoke ${id}`);
    await s.until(id, 'Revoked');
  });

  test('a request that nobody decides on times out', async () => {
    const s = stage();
    await s.changePolicy((policy) => {
      policy.approvals.timeout = '3s';
    });
    const { staging } = s.namespaces;
    await s.slack.control.waitFor(
      async () => {
        const id = await s.request(`debug ${staging}/deploy/checkout 5m nobody is there`);
        return s.until(id, 'timed out', 6000).then(
          () => true,
          () => false,
        );
      },
      { timeout: 30_000 },
    );
    await s.dm('ada', 'timed out');
    await s.changePolicy((policy) => {
      policy.approvals.timeout = '1h';
    });
  });

  test('the commands answer: list, status, who, help, approve with a look, deny with a note', async () => {
    const s = stage();
    const { staging } = s.namespaces;
    const id = await s.request(`debug ${staging}/deploy/checkout 5m the commands`);
    await s.type('ada', 'list');
    await s.toldTo('ada', id);
    await s.type('ben', 'list');
    await s.toldTo('ben', id);
    await s.type('cy', `status ${id}`);
    await s.toldTo('cy', 'the commands');
    await s.type('cy', 'aprove');
    await s.toldTo('cy', /approve/);
    await s.type('ben', `approve ${id} go ahead`);
    const [look] = await s.slack.control.waitFor(async () => {
      const found = (await s.slack.control.ephemerals(PEOPLE.ben.id)).filter((m) =>
        textOf(m).includes(`Your decision on ${id}`),
      );
      return found.length > 0 ? found : null;
    });
    expect(await s.audited(id)).toEqual(['requested']);
    await s.slack.control.click(PEOPLE.ben.id, look?.channel ?? '', look?.ts ?? '', ACTIONS.approve);
    await s.until(id, 'Active until');
    await s.type('cy', `who ${staging}`);
    await s.toldTo('cy', id);
    await s.type('ada', `revoke ${id}`);
    await s.until(id, 'Revoked');
    const denied = await s.request(`debug ${staging}/deploy/checkout 5m again`);
    await s.type('ben', `deny ${denied} not today`);
    await s.until(denied, 'Denied');
    expect(await s.dm('ada', 'Denied')).toContain('not today');
  });

  test('pods that restart stay within reach, and their new names are told', async () => {
    const s = stage();
    const { staging } = s.namespaces;
    const id = await s.request(`debug ${staging}/deploy/checkout 5m restarts`);
    await s.press('ben', id, 'approve');
    await s.until(id, 'Active until');
    const before = await s.podsOf(staging, 'checkout');
    await s.adminKubectl(['-n', staging, 'delete', 'pod', before[0] ?? '']);
    const after = await s.slack.control.waitFor(async () => {
      const pods = await s.podsOf(staging, 'checkout');
      return pods.length === before.length && pods[0] !== undefined && !pods.includes(before[0] ?? '') ? pods : null;
    });
    const fresh = after.find((pod) => !before.includes(pod)) ?? '';
    await s.dm('ada', fresh);
    expect((await s.kubectlAs('ada', ['-n', staging, 'get', 'pod', fresh])).code).toBe(0);
    await s.type('ada', `revoke ${id}`);
    await s.until(id, 'Revoked');
  });

  test('what is asked for in one moment, and is more than Slack takes, is all posted, each once, and decided', async () => {
    const s = stage();
    const { control } = s.slack;
    const { staging } = s.namespaces;
    const reasons = Array.from({ length: 8 }, (_, index) => `all at once no ${index}.`);
    const posted = async () =>
      (await control.messages(ACCESS)).filter((message) => message.thread_ts === undefined).map(textOf);
    const postsOf = async (reason: string) => (await posted()).filter((words) => words.includes(reason));
    const since = control.log().length;
    await Promise.all(reasons.map((reason) => s.type('ada', `request view ${staging} 5m ${reason}`)));
    await control.waitFor(async () => (await Promise.all(reasons.map(postsOf))).every((found) => found.length > 0), {
      timeout: 60_000,
      what: 'all messages',
    });
    const limited = control
      .log()
      .slice(since)
      .filter(({ fault }) => fault === 'ratelimited');
    expect(limited.map(({ what }) => what)).toContain('chat.postMessage');
    const ids: string[] = [];
    for (const reason of reasons) {
      const found = await postsOf(reason);
      expect(found).toHaveLength(1);
      ids.push(/g-[a-z2-9]{6}/.exec(found[0] ?? '')?.[0] ?? '');
    }
    const [approved = '', ...others] = ids;
    await s.press('ben', approved, 'approve');
    await s.until(approved, 'Active until', 90_000);
    await s.type('ada', `revoke ${approved}`);
    for (const id of others) await s.type('ada', `revoke ${id}`);
    await s.until(approved, 'Revoked', 90_000);
    for (const id of others) await s.until(id, 'Cancelled', 90_000);
    expect(await s.grantObjects()).toEqual([]);
  }, 240_000);

  test('and nobody was asked again, though something happened elsewhere all the time', async () => {
    const events = (await stage().bots.get('bot')?.audit())?.map(({ event }) => event) ?? [];
    expect(events).toContain('active');
    expect(events).not.toContain('asked-again');
  });
});
