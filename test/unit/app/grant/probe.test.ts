import { describe, expect, test } from 'vitest';
import type { ProbeVerdict } from '../../../../src/domain/plan/probe.ts';
import { appWorld, PEOPLE, POLICY } from '../../../support/app-world.ts';

const { ada, ben } = PEOPLE;
const debug = POLICY.profiles.debug!;

function world(strict: boolean) {
  const network = { ...debug.network, image: 'example.test/tools:1', strict };
  return appWorld({ ...POLICY, profiles: { debug: { ...debug, network } } });
}
async function approved(app: ReturnType<typeof appWorld>): Promise<string> {
  const { grant } = await app.request();
  await app.run();
  await app.useCases.review(ben, grant.id, 'approve', '', await app.seen(grant.id));
  await app.run();
  return grant.id;
}
const seen = (canary: ProbeVerdict['canary'], target: ProbeVerdict['target'] = 'answers') => ({ target, canary });

describe('a cluster that enforces NetworkPolicies', () => {
  test.each([true, false])(
    'gives what was approved, without a word (strict: %s); the audit has what was seen',
    async (strict) => {
      const app = world(strict);
      const grant = await app.grant(await approved(app));
      expect(grant).toMatchObject({ state: 'active', remarks: [] });
      expect(app.audit.find(({ event }) => event === 'active')?.note).toBe('probe: target answers, canary silent');
    },
  );

  test.each([true, false])('and a target that does not answer: said, not refused (strict: %s)', async (strict) => {
    const app = world(strict);
    app.cluster.target.probe = seen('silent', 'silent');
    const grant = await app.grant(await approved(app));
    expect(grant.state).toBe('active');
    expect(grant.remarks).toEqual([expect.stringContaining('did not answer')]);
    expect(app.cluster.held.get(grant.id)?.lease?.remarks).toEqual(grant.remarks);
  });
});

describe('a cluster that does not, or of which nobody knows', () => {
  const verdicts: [string, ProbeVerdict | null, string][] = [
    ['the canary answers', seen('answers'), 'does not enforce NetworkPolicies'],
    ['the canary was not there', seen('unknown'), 'could not be checked'],
    ['there is no probe', null, 'could not be checked'],
  ];

  test.each(verdicts)(
    'gives nothing under strict, takes down what there is, and says why: %s',
    async (_n, probe, words) => {
      const app = world(true);
      app.cluster.target.probe = probe;
      const { giveRights } = app.cluster.access;
      let given = false;
      app.cluster.access.giveRights = async (...args) => {
        given = true;
        await giveRights(...args);
      };
      const grant = await app.grant(await approved(app));
      expect(grant).toMatchObject({ state: 'failed', ending: { note: expect.stringContaining(words) as string } });
      expect(given).toBe(false);
      expect(app.cluster.held.size).toBe(0);
      expect(app.told.at(-1)).toMatchObject({ news: 'ended', state: 'failed' });
      expect(app.audit.find(({ event }) => event === 'ending')?.note).toContain(words);
      expect(app.alarms.join()).toContain(words);
    },
  );

  test.each(verdicts)('gives it with a remark that everybody sees without strict: %s', async (_n, probe, words) => {
    const app = world(false);
    app.cluster.target.probe = probe;
    const grant = await app.grant(await approved(app));
    expect(grant.state).toBe('active');
    expect(grant.remarks.join()).toContain(words);
    await app.useCases.revoke(ada, grant.id, '');
    await app.run();
    expect((await app.grant(grant.id)).remarks.join()).toContain(words);
  });
});

describe('when no probe can be run', () => {
  test('a strict profile is refused before anybody is asked', async () => {
    const app = world(true);
    app.cluster.target.unprobed = 'no canary is Ready in drawbridge-workspaces';
    await expect(app.request()).rejects.toMatchObject({
      name: 'Refusal',
      rule: 'profiles.debug.network.strict',
      message: expect.stringContaining('no canary is Ready in drawbridge-workspaces') as string,
    });
    expect(app.told).toEqual([]);
  });

  test('another says so in its preview, and what is approved is not asked again when that changes', async () => {
    const app = world(false);
    app.cluster.target.unprobed = 'PROBE_IMAGE is not set';
    const { grant } = await app.request();
    await app.run();
    expect(grant.plan.preview.notes.join()).toContain("can't be checked: PROBE_IMAGE is not set");
    app.cluster.target.unprobed = null;
    await app.useCases.review(ben, grant.id, 'approve', '', await app.seen(grant.id));
    expect(await app.grant(grant.id)).toMatchObject({ state: 'approved' });
    expect((await app.grant(grant.id)).plan.preview.notes.join()).not.toContain('PROBE_IMAGE');
  });

  test('a strict request that waits is not applied when the canary has gone meanwhile', async () => {
    const app = world(true);
    const { grant } = await app.request();
    await app.run();
    app.cluster.target.unprobed = 'no canary is Ready in drawbridge-workspaces';
    const press = app.useCases.review(ben, grant.id, 'approve', '', await app.seen(grant.id));
    await expect(press).rejects.toMatchObject({ rule: 'profiles.debug.network.strict' });
    expect((await app.grant(grant.id)).state).toBe('pending');
    expect(app.cluster.held.size).toBe(0);
  });
});
