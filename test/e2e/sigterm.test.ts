import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Bot } from '../../src/sandbox/bot.ts';
import { readKubeconfig, writeKubeconfig } from '../../src/sandbox/cluster/kubeconfig.ts';
import { type ApiProxy, startApiProxy } from '../chaos/api-proxy.ts';
import { describeWithCluster } from '../support/cluster.ts';
import { type Stage, useStage } from '../support/e2e.ts';
import { terminate } from '../support/terminate.ts';

describeWithCluster('SIGTERM in the middle of work', (kube) => {
  const stage = useStage(kube, { bot: false });
  let bots = 0;

  async function viaProxy(s: Stage): Promise<{ bot: Bot; proxy: ApiProxy }> {
    const proxy = await startApiProxy(kube.url, join(kube.dir, 'pki'));
    const { server, credentials } = await readKubeconfig(s.settings['KUBECONFIG'] ?? '');
    const kubeconfig = join(s.dir, `proxied-${bots}.kubeconfig`);
    await writeKubeconfig(kubeconfig, { ...server, url: proxy.url }, credentials);
    return { proxy, bot: await s.startBot({ name: `slow-${bots++}`, env: { KUBECONFIG: kubeconfig } }) };
  }

  test.each([
    ['is finished when that is soon', 300],
    ['is handed over when it is not', 6000],
  ])('an apply, and a revoke, %s', async (_what, ms) => {
    const s = stage();
    const { staging } = s.namespaces;
    const audited = (id: string, event: string) =>
      s.slack.control.waitFor(async () => (await s.audited(id)).includes(event), { timeout: 40_000, what: event });

    const first = await viaProxy(s);
    const id = await s.request(`debug ${staging}/deploy/checkout 10m slow by ${ms} ms`);
    await s.press('ben', id, 'approve');
    await audited(id, 'approval');
    first.proxy.slow(ms);
    await audited(id, 'applying');
    expect(await terminate(first.bot)).toBeLessThan(25_000);
    const isFinished = (await s.audited(id)).includes('active');
    expect(isFinished).toBe(ms < 1000);
    await first.proxy.stop();

    const second = await viaProxy(s);
    await s.until(id, 'Active until', 40_000);
    expect((await s.objectsOf(id)).filter((name) => name.startsWith('RoleBinding'))).toHaveLength(1);
    second.proxy.slow(ms);
    await s.type('ada', `revoke ${id}`);
    await audited(id, 'ending');
    expect(await terminate(second.bot)).toBeLessThan(25_000);
    expect((await s.audited(id)).includes('revoked')).toBe(ms < 1000);
    await second.proxy.stop();

    const third = await s.startBot({ name: `quick-${bots++}` });
    await s.until(id, 'Revoked', 40_000);
    expect(await s.objectsOf(id)).toEqual([]);
    expect(await s.audited(id)).toEqual(['requested', 'approval', 'applying', 'active', 'ending', 'revoked']);
    await third.stop();
  });
});
