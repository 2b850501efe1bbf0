import { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import type { PolicyInput } from '../../src/domain/policy/schema.ts';
import { ACCESS } from '../../src/sandbox/scenery.ts';
import { describeWithCluster } from '../support/cluster.ts';
import { textOf, useStage } from '../support/e2e.ts';

function policy(input: PolicyInput): void {
  const { debug } = input.profiles;
  if (debug === undefined) throw new Error('the example policy has other profiles now');
  delete debug.approvers;
  debug.approval = {
    order: 'sequence',
    steps: [
      { name: 'owner', from: { groups: ['S0SRE00001'] } },
      {
        name: 'security',
        from: { users: ['cy@example.test'] },
        escalate: [{ after: '20s', to: { groups: ['S0ADMIN001'] } }],
      },
    ],
  };
}

describeWithCluster('a request through two steps, one after the other', (kube) => {
  const stage = useStage(kube, { policy });

  test('is open when both are complete, the second by whom it escalated to, although the bot was killed and its queue lost', async () => {
    const s = stage();
    const id = await s.request(`debug ${s.namespaces.staging}/deploy/checkout 5m checkout returns 502`);
    await s.press('cy', id, 'approve');
    await s.toldTo('cy', "Step 'security' has not been asked yet");

    const said = async (text: string) => {
      const { ts } = await s.message(id);
      return (await s.slack.control.messages(ACCESS)).filter(
        (one) => one.thread_ts === ts && one.ts !== ts && textOf(one).includes(text),
      ).length;
    };
    const soon = { timeout: 40_000 };
    await s.press('ben', id, 'approve');
    await s.until(id, '`owner` 1 of 1');
    await s.slack.control.waitFor(async () => (await said('Now asked: `security`')) === 1, soon);
    await s.press('dee', id, 'approve');
    await s.toldTo('dee', 'not an approver');

    const bot = s.bots.get('bot');
    await bot?.kill9();
    const redis = new Redis(s.redisUrl);
    for (const queue of ['deeds', 'words']) {
      const keys = await redis.keys(`{drawbridge:${s.installation.instance}}:${queue}:*`);
      expect(keys.length).toBeGreaterThan(0);
      await redis.del(...keys);
    }
    redis.disconnect();
    await bot?.restart();
    await s.slack.control.waitFor(async () => (await said('more people may now')) > 0, { timeout: 60_000 });
    await s.until(id, 'S0ADMIN001');

    await s.press('dee', id, 'approve');
    const words = await s.until(id, 'Active until');
    expect(words).toMatch(/for `owner`.*for `security`/);
    expect(await said('more people may now')).toBe(1);
    await s.type('ada', `revoke ${id}`);
    await s.until(id, 'Revoked');
    expect(await s.objectsOf(id)).toEqual([]);
    expect(await s.audited(id)).toEqual([
      'requested',
      'refused',
      'approval',
      'refused',
      'approval',
      'applying',
      'active',
      'ending',
      'revoked',
    ]);
  });
});
