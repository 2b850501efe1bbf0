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
  let bots = 0;

  async function viaProxy(s: Stage): Promise<{ bot: Bot; proxy: ApiProxy }> {
    const proxy = await startApiProxy(kube.url, join(kube.dir, 'pki'));
    const { server, credentials } = await readKubeconfig(s.settings['KUBECONFIG'] ?? '');
    const kubeconfig = join(s.dir, `proxied-${bots}.kubeconfig`);
    await writeKubeconfig(kubeconfig, { ...server, url: proxy.url }, credentials);
    return { proxy, bot: await s.startBot({ name: `slow-${bots++}`, env: { KUBECONFIG: kubeconfig } }) };
  }

  const audited = (s: Stage, id: string, event: string) =>
    s.slack.control.waitFor(async () => (await s.audited(id)).includes(event), { timeout: 40_000, what: event });

  /** What is left another bot, of which the API server is as quick as ever, takes to its end. */
  async function ends(s: Stage, id: string, isActive: boolean): Promise<void> {
    const next = await s.startBot({ name: `quick-${bots++}` });
    if (!isActive) {
      await s.until(id, 'Active until', 40_000);
      expect((await s.objectsOf(id)).filter((name) => name.startsWith('RoleBinding'))).toHaveLength(1);
      await s.type('ada', `revoke ${id}`);
    }
    await s.until(id, 'Revoked', 40_000);
    expect(await s.objectsOf(id)).toEqual([]);
    expect(await s.audited(id)).toEqual(['requested', 'approval', 'applying', 'active', 'ending', 'revoked']);
    await next.stop();
  }

  test('an apply', async () => {
    const s = stage();
    const { bot, proxy } = await viaProxy(s);
    const id = await s.request(`debug ${s.namespaces.staging}/deploy/checkout 10m to be applied`);
    await s.press('ben', id, 'approve');
    await audited(s, id, 'approval');
    proxy.slow(SLOW_MS);
    await audited(s, id, 'applying');
    expect(await terminate(bot)).toBeLessThan(25_000);
    expect(await s.audited(id)).not.toContain('active');
    await proxy.stop();
    await ends(s, id, false);
  });

  test('a revoke', async () => {
    const s = stage();
    const { bot, proxy } = await viaProxy(s);
    const id = await s.request(`debug ${s.namespaces.staging}/deploy/checkout 10m to be revoked`);
    await s.press('ben', id, 'approve');
    await s.until(id, 'Active until', 40_000);
    proxy.slow(SLOW_MS);
    await s.type('ada', `revoke ${id}`);
    await audited(s, id, 'ending');
    expect(await terminate(bot)).toBeLessThan(25_000);
    expect(await s.audited(id)).not.toContain('revoked');
    await proxy.stop();
    await ends(s, id, true);
  });
});
