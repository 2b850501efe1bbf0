import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Bot } from '../../src/sandbox/bot.ts';
import { readKubeconfig, writeKubeconfig } from '../../src/sandbox/cluster/kubeconfig.ts';
import { type ApiProxy, startApiProxy } from '../chaos/api-proxy.ts';
import { describeWithCluster } from '../support/cluster.ts';
import { type Stage, useStage } from '../support/e2e.ts';
import { terminate } from '../support/terminate.ts';

/** Slower than a bot may wait at its end. What is finished in time is seen in rolling.test.ts. */
const SLOW_MS = 6000;

describeWithCluster('SIGTERM in the middle of work that takes too long hands over', (kube) => {
  const stage = useStage(kube, { bot: false });

  async function viaProxy(s: Stage): Promise<{ bot: Bot; proxy: ApiProxy }> {
    const proxy = await startApiProxy(kube.url, join(kube.dir, 'pki'));
    const { server, credentials } = await readKubeconfig(s.settings['KUBECONFIG'] ?? '');
    const kubeconfig = join(s.dir, 'proxied.kubeconfig');
    await writeKubeconfig(kubeconfig, { ...server, url: proxy.url }, credentials);
    return { proxy, bot: await s.startBot({ name: 'slow', env: { KUBECONFIG: kubeconfig } }) };
  }

  const audited = (s: Stage, id: string, event: string) =>
    s.slack.control.waitFor(async () => (await s.audited(id)).includes(event), { timeout: 40_000, what: event });

  const request = (s: Stage, what: string) =>
    s.request(`debug ${s.namespaces.staging}/deploy/checkout 10m to be ${what}`);
  const opened = ['requested', 'approval', 'applying', 'active'];

  test('an apply and a revoke', async () => {
    const s = stage();
    const { bot, proxy } = await viaProxy(s);
    const [revoked, applied] = [await request(s, 'revoked'), await request(s, 'applied')];
    await s.press('ben', revoked, 'approve');
    await s.until(revoked, 'Active until', 40_000);
    await s.press('ben', applied, 'approve');
    await audited(s, applied, 'approval');
    proxy.slow(SLOW_MS);
    await audited(s, applied, 'applying');
    await s.type('ada', `revoke ${revoked}`);
    await audited(s, revoked, 'ending');
    expect(await terminate(bot)).toBeLessThan(25_000);
    expect(await s.audited(applied)).not.toContain('active');
    expect(await s.audited(revoked)).not.toContain('revoked');
    await proxy.stop();

    // What is left another bot, of which the API server is as quick as ever, takes to its end.
    const next = await s.startBot({ name: 'quick' });
    await s.until(revoked, 'Revoked', 40_000);
    expect(await s.objectsOf(revoked)).toEqual([]);
    await s.until(applied, 'Active until', 40_000);
    expect((await s.objectsOf(applied)).filter((name) => name.startsWith('RoleBinding'))).toHaveLength(1);
    await s.type('ada', `revoke ${applied}`);
    await s.until(applied, 'Revoked', 40_000);
    expect(await s.objectsOf(applied)).toEqual([]);
    for (const id of [revoked, applied]) expect(await s.audited(id)).toEqual([...opened, 'ending', 'revoked']);
    await next.stop();
  });
});
