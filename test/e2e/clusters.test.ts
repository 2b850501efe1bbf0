import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ACTIONS } from '../../src/adapters/slack/surfaces/actions.ts';
import { TOKEN_PLACE } from '../../src/app/inquire/kubeconfig.ts';
import { runKeys } from '../../src/cli/keys.ts';
import { runReaper } from '../../src/cli/reaper.ts';
import type { PolicyInput } from '../../src/domain/policy/schema.ts';
import type { Bot } from '../../src/sandbox/bot.ts';
import type { Cluster } from '../../src/sandbox/cluster/cluster.ts';
import { joinKubeconfigs, readKubeconfig, writeKubeconfig } from '../../src/sandbox/cluster/kubeconfig.ts';
import { PEOPLE } from '../../src/sandbox/scenery.ts';
import type { OtherCluster } from '../../src/sandbox/world.ts';
import { describeWithCluster } from '../support/cluster.ts';
import { describeClusterAccess, realSide, type Side } from '../support/cluster-contract.ts';
import { type Stage, textOf, useStage } from '../support/e2e.ts';

/** One bot and two real control planes, with namespaces and workloads of the same names. */

interface Readiness {
  readonly ready: boolean;
  readonly degraded: Readonly<Record<string, string>>;
}
const readiness = async (bot: Bot): Promise<Readiness> =>
  (await fetch(`${bot.opsUrl}/readyz`)).json() as Promise<Readiness>;

const uidOf = (kubectl: OtherCluster['adminKubectl']) =>
  kubectl(['get', 'namespace', 'kube-system', '-o=jsonpath={.metadata.uid}']);

/** Runs the reaper of the other cluster, by the key that `npm run keys` prints for the cluster of this uid. */
async function reap(s: Stage, { cluster }: OtherCluster, uid: string): Promise<{ code: number; said: string }> {
  const told: string[] = [];
  const out = { print: (text: string) => void told.push(text), complain: (text: string) => void told.push(text) };
  const { SEAL_KEY, INSTANCE, WORKSPACES_NAMESPACE } = s.settings;
  await runKeys(['--uid', uid], out, { SEAL_KEY, INSTANCE });
  const env = { CLUSTER_SEAL_KEY: told.pop(), INSTANCE, WORKSPACES_NAMESPACE, KUBECONFIG: cluster.adminKubeconfig };
  return { code: await runReaper(false, [], out, env), said: told.join('\n') };
}

describeWithCluster('of two clusters', (kube) => {
  const stage = useStage(kube, {
    clusters: 2,
    policy(policy) {
      const { requesters, approvers, duration } = policy.profiles['debug'] as Required<PolicyInput['profiles'][string]>;
      policy.profiles['everywhere'] = {
        requesters,
        approvers,
        duration,
        scope: 'cluster',
        clusterRole: 'view',
        credential: 'token',
        clusters: ['*'],
      };
    },
  });
  const here = () => {
    const s = stage();
    const { other } = s;
    const bot = s.bots.get('bot');
    if (other === undefined || bot === undefined) throw new Error('there is no second cluster, or no bot');
    return { s, other, bot, target: `${s.namespaces.staging}/deploy/checkout` };
  };
  const active = async (s: Stage, line: string): Promise<string> => {
    const id = await s.request(line);
    await s.press('ben', id, 'approve');
    await s.until(id, 'Active until', 40_000);
    return id;
  };
  const canReadPods = (s: Stage, cluster: string) =>
    s.can('ada', 'get', `pods/checkout-none`, '-n', s.namespaces.staging, '--context', cluster);
  /** The objects of a grant, by cluster. */
  const objectsOf = async (s: Stage, other: OtherCluster, id: string) => {
    const own = (names: string[]) => names.filter((name) => name.includes(id));
    return { eu: own(await s.grantObjects()), us: own(await other.grantObjects()) };
  };
  const untilDegraded = (s: Stage, bot: Bot, name: string, isThere: boolean) =>
    s.slack.control.waitFor(async () => name in (await readiness(bot)).degraded === isThere, {
      timeout: 40_000,
      what: `${name} is ${isThere ? '' : 'not '}missing`,
    });

  let sides: readonly Side[] | undefined;
  describeClusterAccess('the port of two real clusters', async () => {
    const { s, other } = here();
    const files = [kube.adminKubeconfig, other.cluster.adminKubeconfig];
    sides ??= await Promise.all(files.map((file) => realSide(file, s.namespaces.staging, 'contract')));
    return sides;
  });

  describe('both there', () => {
    test('a grant is in the one that it names, from the request to its end, and the same in the other is another', async () => {
      const { s, other, target } = here();
      await s.type('ada', `request debug ${target} 5m where`);
      await s.toldTo('ada', `Say in which one: eu:${s.namespaces.staging}`);
      await s.type('ada', `request debug asia:${target} 5m where`);
      await s.toldTo('ada', "There is no cluster 'asia'");

      const us = await active(s, `debug us:${target} 5m over there`);
      expect(await s.words(us)).toContain(`us:${s.namespaces.staging}/deployment/checkout`);
      await s.dm('ada', `kubectl --context us -n ${s.namespaces.staging}`);
      expect(await objectsOf(s, other, us)).toMatchObject({ eu: [], us: { length: 3 } });
      const eu = await active(s, `debug eu:${target} 5m over here`);
      expect(await objectsOf(s, other, eu)).toMatchObject({ eu: { length: 3 }, us: [] });
      const pod = async (cluster: string, kubectl: (args: readonly string[]) => Promise<string>) => {
        const role = JSON.parse(
          await kubectl([
            'get',
            'role',
            `drawbridge-${cluster === 'us' ? us : eu}`,
            '-n',
            s.namespaces.staging,
            '-ojson',
          ]),
        ) as { rules: { resourceNames?: string[] }[] };
        return role.rules.flatMap(({ resourceNames = [] }) => resourceNames)[0] ?? '';
      };
      const pods = { us: await pod('us', other.adminKubectl), eu: await pod('eu', s.adminKubectl) };
      const use = (cluster: 'eu' | 'us') =>
        s.kubectlAs('ada', ['--context', cluster, 'get', 'pod', pods[cluster], '-n', s.namespaces.staging]);
      expect([(await use('us')).code, (await use('eu')).code]).toEqual([0, 0]);

      // The reaper there has the key of its own cluster; that of the other one knows nothing there.
      const own = await reap(s, other, await uidOf(other.adminKubectl));
      expect(own).toEqual({ code: 0, said: '0 removed, 0 kept' });
      const foreign = await reap(s, other, await uidOf(s.adminKubectl));
      expect([foreign.code, foreign.said]).toEqual([1, expect.stringContaining(`drawbridge-${us} carries the labels`)]);

      await s.type('ada', `revoke ${us}`);
      await s.until(us, 'access was confirmed gone', 40_000);
      expect((await use('us')).stderr).toContain('Forbidden');
      expect((await use('eu')).code).toBe(0);
      expect(await objectsOf(s, other, us)).toEqual({ eu: [], us: [] });

      // What was sealed for one is a forgery in the other, and ends nothing.
      const name = `drawbridge-${eu}`;
      const copy = JSON.parse(
        await s.adminKubectl(['get', 'rolebinding', name, '-n', s.namespaces.staging, '-ojson']),
      ) as {
        metadata: Record<string, unknown>;
      };
      for (const field of ['uid', 'resourceVersion', 'ownerReferences', 'creationTimestamp', 'managedFields'])
        delete copy.metadata[field];
      await other.cluster.apply([copy]);
      await s.dm(
        'dee',
        new RegExp(`In cluster us: RoleBinding \\S+/${name} carries Drawbridge's labels but no valid seal`),
        40_000,
      );
      expect((await use('eu')).code).toBe(0);
      expect(await s.words(eu)).toContain('Active until');
      await other.adminKubectl(['delete', 'rolebinding', name, '-n', s.namespaces.staging]);

      await s.type('ada', `revoke ${eu}`);
      await s.until(eu, 'access was confirmed gone', 40_000);
    });

    test('a kubeconfig whose token rotates is read again', async () => {
      const { s, other, bot, target } = here();
      const eu = await kube.serviceAccountKubeconfig(s.installation.namespace, s.installation.serviceAccount);
      // Nobody's.
      await s.rotate(
        new Map([
          ['eu', eu],
          ['us', await other.cluster.kubeconfigFor('nobody@example.test')],
        ]),
      );
      await untilDegraded(s, bot, 'cluster of us', true);
      expect(await readiness(bot)).toMatchObject({ ready: true });
      await s.rotate(
        new Map([
          ['eu', eu],
          ['us', await other.credential()],
        ]),
      );
      await untilDegraded(s, bot, 'cluster of us', false);
      const id = await active(s, `debug us:${target} 5m with another token`);
      await s.type('ada', `revoke ${id}`);
      await s.until(id, 'access was confirmed gone', 40_000);
    });

    test('one by two names is refused at the start', async () => {
      const { s } = here();
      const file = join(s.dir, 'double.kubeconfig');
      const own = await kube.serviceAccountKubeconfig(s.installation.namespace, s.installation.serviceAccount);
      await joinKubeconfigs(
        file,
        new Map([
          ['eu', own],
          ['us', own],
        ]),
      );
      await expect(s.startBot({ name: 'double', env: { KUBECONFIG: file } })).rejects.toThrow(
        /clusters\.\w+ and clusters\.\w+ of the policy lead to one cluster: name it once/,
      );
    });
  });

  test('a token of a satellite reads that whole cluster and no other, and its lease ends it without the bot', async () => {
    const { s, other, bot } = here();
    const { control } = s.slack;
    const id = await active(s, 'everywhere us: 20s by a token');
    expect(await s.words(id)).toContain('the whole cluster us');
    const news = await control.waitFor(
      async () => (await control.dms(PEOPLE.ada.id)).find((message) => textOf(message).includes(TOKEN_PLACE)),
      { timeout: 20_000, what: 'the kubeconfig' },
    );
    await control.click(PEOPLE.ada.id, news.channel, news.ts, ACTIONS.token);
    const shown = await control.waitFor(() => /eyJ[\w.-]{100,}/.exec(JSON.stringify(control.modal(PEOPLE.ada.id))), {
      timeout: 20_000,
      what: 'the token',
    });
    const token = shown[0];
    const reads = async (cluster: Cluster) => {
      const file = join(s.dir, 'token.kubeconfig');
      const { server } = await readKubeconfig(cluster.adminKubeconfig);
      await writeKubeconfig(file, server, { token });
      const { code, stderr } = await cluster.kubectl(['get', 'pods', '-A'], { kubeconfig: file });
      return code === 0 ? 'yes' : stderr;
    };
    expect(textOf(news)).toContain((await readKubeconfig(other.cluster.adminKubeconfig)).server.url);
    expect(await reads(other.cluster)).toBe('yes');
    expect(await reads(kube)).toMatch(/Unauthorized|must be logged in/);

    await bot.stop();
    await control.waitFor(async () => /Unauthorized|must be logged in/.test(await reads(other.cluster)), {
      timeout: 60_000,
      what: 'the token is refused',
    });
    expect(await other.adminKubectl(['get', 'clusterrolebindings', '-o', 'name'])).toContain(`drawbridge-${id}`);
    await bot.restart();
    await s.until(id, 'access was confirmed gone', 40_000);
    expect(await objectsOf(s, other, id)).toEqual({ eu: [], us: [] });
  });

  test('killed while grants are open in both, one hurts the other in nothing, and is told right when it is back', async () => {
    const { s, other, bot, target } = here();
    const us = await active(s, `debug us:${target} 30s to be cut off`);
    const eu = await active(s, `debug eu:${target} 25s goes on`);
    await other.cluster.apiServer.stop();
    await untilDegraded(s, bot, 'cluster of us', true);
    expect(await readiness(bot)).toMatchObject({ ready: true });
    expect(await (await fetch(`${bot.opsUrl}/metrics`)).text()).toContain(
      'drawbridge_condition{condition="cluster",severity="degraded",cluster="us"} 1',
    );
    await s.dm('dee', 'in cluster us the API server does not answer', 40_000);
    await s.type('ada', `request debug us:${target} 5m not now`);
    await s.toldTo('ada', 'Nothing is granted in us now');

    // The other ends in time, and gives again.
    const words = await s.until(eu, 'access was confirmed gone', 60_000);
    expect(words).not.toContain('late');
    const again = await active(s, `debug eu:${target} 5m while the other is away`);

    await other.cluster.apiServer.start();
    await s.until(us, 'access was confirmed gone', 60_000);
    // What gives nothing any more may wait for the garbage collector, which has been away too.
    await s.slack.control.waitFor(async () => (await objectsOf(s, other, us)).us.length === 0, {
      timeout: 90_000,
      what: `nothing is left of ${us}`,
    });
    expect(await canReadPods(s, 'us')).toBe('no');
    await untilDegraded(s, bot, 'cluster of us', false);
    await s.type('ada', `revoke ${again}`);
    await s.until(again, 'access was confirmed gone', 40_000);
  });

  test('contexts that were swapped while the bot was down confirm no end in the wrong one', async () => {
    const { s, other, bot, target } = here();
    const us = await active(s, `debug us:${target} 20s to be mistaken`);
    await bot.stop();
    const eu = await kube.serviceAccountKubeconfig(s.installation.namespace, s.installation.serviceAccount);
    const lead = async (first: string, second: string) => {
      await s.rotate(
        new Map([
          ['eu', first],
          ['us', second],
        ]),
      );
      await bot.restart();
    };
    await lead(await other.credential(), eu);
    await s.dm('dee', `another cluster is reached than the one in which 1 open grant was given (${us})`, 40_000);
    await s.type('ada', `revoke ${us}`);
    await s.until(us, 'Ending');
    expect((await readiness(bot)).degraded).toHaveProperty('cluster of open grants of us');
    // Where it was given its lease ends it, of which nobody can tell here. A collector that was away takes its time.
    await s.slack.control.waitFor(async () => (await objectsOf(s, other, us)).us.length === 0, {
      timeout: 120_000,
      what: `nothing is left of ${us}`,
    });
    expect(await s.words(us)).not.toContain('confirmed gone');
    await bot.stop();
    await lead(eu, await other.credential());
    await s.until(us, 'access was confirmed gone', 60_000);
    expect((await readiness(bot)).degraded).toEqual({});
  });
});
