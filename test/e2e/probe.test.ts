import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { enforceNetworkPolicies } from '../../src/sandbox/cluster/network-policies.ts';
import { reasonAgainstNode } from '../../src/sandbox/cluster/node-packages.ts';
import { startWorld } from '../../src/sandbox/world.ts';
import { askingAgain, type Stage, stageOf } from '../support/e2e.ts';

// The programs of a node may have to be built first.
const FIRST_START_MS = 20 * 60_000;
const reason = await reasonAgainstNode();
if (reason !== null) console.warn(`SKIPPED the probe on a real node: ${reason}`);

/** The real probe and the real canary, in Drawbridge's own image, on a real node: before policies are enforced there, and after. */
describe.skipIf(reason !== null && !process.env['CI'])('the probe of a workspace on a real node', () => {
  const stops: (() => Promise<void>)[] = [];
  let s: Stage;

  beforeAll(async () => {
    const world = await startWorld({
      log: (line) => process.stderr.write(`${line}\n`),
      node: 'open',
      policy: askingAgain(({ profiles }) => {
        const strict = profiles['troubleshoot']!;
        profiles['lenient'] = { ...strict, network: { ...strict.network, strict: false } };
        profiles['deaf'] = { ...strict, network: { ...strict.network, ports: [{ port: 9999 }] } };
      }),
    });
    stops.push(() => world.stop());
    s = stageOf(world);
    await world.startBot();
  }, FIRST_START_MS);

  afterAll(async () => {
    for (let stop = stops.pop(); stop !== undefined; stop = stops.pop()) await stop();
  }, 120_000);

  async function approved(profile: string): Promise<string> {
    const id = await s.request(`${profile} ${s.namespaces.staging}/deploy/checkout 5m 502 from inside`);
    expect(await s.words(id)).not.toContain('enforces NetworkPolicies');
    await s.press('ben', id, 'approve');
    return id;
  }
  async function ended(id: string): Promise<void> {
    await s.press('ben', id, 'revoke');
    await s.until(id, 'access was confirmed gone', 60_000);
    expect(await s.objectsOf(id)).toEqual([]);
  }
  /** What the audit says was seen. */
  const seen = async (id: string) =>
    (await Promise.all([...s.bots.values()].map((bot) => bot.audit())))
      .flat()
      .find((line) => line.id === id && line.event === 'active')?.note;

  describe('in a cluster that does not enforce NetworkPolicies', () => {
    test('a strict grant is refused, taken down and told', async () => {
      const id = await approved('troubleshoot');
      const words = await s.until(id, /Failed[^]*does not enforce NetworkPolicies/, 60_000);
      expect(words).toContain('so no access was given');
      expect(await s.dm('ada', id)).toContain('does not enforce NetworkPolicies');
      expect(await s.objectsOf(id)).toEqual([]);
      expect(await s.audited(id)).not.toContain('active');
    });

    test('another one is given, and everybody concerned is told', async () => {
      const id = await approved('lenient');
      expect(await s.until(id, 'Active until', 40_000)).toContain('does not enforce NetworkPolicies');
      expect(await s.dm('ada', 'You have access')).toContain('does not enforce NetworkPolicies');
      expect(await seen(id)).toBe('probe: target answers, canary answers');
      await ended(id);
    });
  });

  describe('in a cluster that does', () => {
    beforeAll(async () => {
      const { cluster, node } = s;
      if (node === undefined) throw new Error('no node');
      const policies = await enforceNetworkPolicies({ cluster, node, keepEstablished: true, log: () => {} });
      stops.push(() => policies.stop());
      await policies.inForce();
    });

    test.each(['troubleshoot', 'lenient'])('what was approved is given, without a word of it: %s', async (profile) => {
      const id = await approved(profile);
      const words = await s.until(id, 'Active until', 40_000);
      expect(words).not.toMatch(/enforce|could not be checked|did not answer/);
      expect(await seen(id)).toBe('probe: target answers, canary silent');
      await ended(id);
    });

    test('a target that does not answer is told of, and the access is given: it may be what is looked into', async () => {
      const id = await approved('deaf');
      expect(await s.until(id, 'Active until', 40_000)).toContain('The target did not answer the workspace');
      expect(await seen(id)).toBe('probe: target silent, canary silent');
      await ended(id);
    });

    test('without its canary a strict profile is refused before anybody is asked', async () => {
      const canary = ['-n', s.installation.workspacesNamespace, '-l', 'app.kubernetes.io/component=canary'];
      await s.adminKubectl(['scale', 'deployment', ...canary, '--replicas=0']);
      await s.adminKubectl(['wait', 'pod', ...canary, '--for=delete', '--timeout=30s']);
      await s.type('ada', `request troubleshoot ${s.namespaces.staging}/deploy/checkout 5m 502 from inside`);
      await s.toldTo('ada', /can't be checked now: no canary is Ready/);
    });
  });
});
