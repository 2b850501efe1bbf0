import { describe, expect, it } from 'vitest';
import { Refusal } from '../../../../src/domain/errors.ts';
import { type Narrowing, sourceKey } from '../../../../src/domain/plan/narrower.ts';
import type { PolicyInput } from '../../../../src/domain/policy/schema.ts';
import { appWorld, PEOPLE, POLICY } from '../../../support/app-world.ts';

const { debug } = POLICY.profiles as { debug: PolicyInput['profiles'][string] };
const { rules: _rules, network: _network, approvers: _approvers, ...rest } = debug;
/** Rights in words, and two steps, of which one falls away for short windows. */
const policyWith = (change: object = {}): PolicyInput => ({
  ...POLICY,
  profiles: {
    debug: { ...rest, rights: ['read', 'logs', 'exec'], approvers: debug.approvers, ...change },
  },
});
const ruleOf = (work: Promise<unknown>) =>
  work.then(
    () => null,
    (error: unknown) => (error instanceof Refusal ? error.rule : String(error)),
  );

async function waiting(policy: PolicyInput = policyWith()) {
  const app = appWorld(policy);
  const id = await app.pending(PEOPLE.ada, { duration: 3600 });
  const approve = async (by: string, changes: Narrowing) => {
    const seen = await app.seen(id);
    const { digest } = await app.useCases.considerChanges(by, id, changes, '');
    return app.useCases.approveWithChanges(by, id, changes, '', seen, digest);
  };
  return { app, id, approve };
}

describe('approval with changes', () => {
  it('gives less than was asked for, says who took what away, and nothing more is applied', async () => {
    const { app, id, approve } = await waiting();
    await approve(PEOPLE.ben, { duration: 600, rights: ['logs'] });
    await app.run();
    const grant = await app.grant(id);
    expect(grant).toMatchObject({
      state: 'active',
      duration: 600,
      rights: ['logs'],
      plan: { duration: 600, rights: ['logs'] },
    });
    expect((grant.expiresAt ?? 0) - (grant.startsAt ?? 0)).toBe(600_000);
    expect(JSON.stringify(grant.plan.rules)).not.toContain('pods/exec');
    expect(grant.remarks).toEqual(['ben@example.test gives less: 10m instead of 1h; without read, exec.']);
    expect(app.told.map(({ news }) => news)).toContain('narrowed');
    expect(app.audit.find(({ event }) => event === 'narrowed')).toMatchObject({ actor: { user: 'ben@example.test' } });
  });

  it.each<[string, Narrowing, string]>([
    ['longer', { duration: 7000 }, 'changes'],
    ['past the maximum of the profile', { duration: 8000 }, 'profiles.debug.duration.maximum'],
    ['with another right', { rights: ['read', 'logs', 'exec', 'scale'] }, 'changes'],
    ['without any right', { rights: [] }, 'profiles.debug.rights'],
    ['with nothing taken away', { duration: 3600 }, 'changes'],
    ['for no time', { duration: 0 }, 'profiles.debug.duration'],
  ])('is refused %s', async (_what, changes, rule) => {
    const { app, id } = await waiting();
    expect(await ruleOf(app.useCases.considerChanges(PEOPLE.ben, id, changes, ''))).toBe(rule);
    const seen = await app.seen(id);
    expect(await ruleOf(app.useCases.approveWithChanges(PEOPLE.ben, id, changes, '', seen, '0'.repeat(12)))).toBe(rule);
    expect(await app.grant(id)).toMatchObject({ state: 'pending', duration: 3600 });
  });

  it('widens no request for fewer rights to all that the profile has', async () => {
    const app = appWorld(policyWith());
    const id = await app.pending(PEOPLE.ada, { duration: 3600, rights: ['logs'] });
    const all = { duration: 600, rights: ['read', 'logs', 'exec'] } as const;
    expect(await ruleOf(app.useCases.considerChanges(PEOPLE.ben, id, all, ''))).toBe('changes');
    const { grant } = await app.useCases.considerChanges(PEOPLE.ben, id, { duration: 600 }, '');
    expect(grant.plan.rights).toEqual(['logs']);
  });

  it.each<[string, string]>([
    ['the requester', PEOPLE.ada],
    ['somebody who decides nothing', PEOPLE.dot],
  ])('is not for %s', async (_who, by) => {
    const { app, id } = await waiting();
    expect(await ruleOf(app.useCases.considerChanges(by, id, { duration: 600 }, ''))).not.toBeNull();
    const seen = await app.seen(id);
    expect(
      await ruleOf(app.useCases.approveWithChanges(by, id, { duration: 600 }, '', seen, '0'.repeat(12))),
    ).not.toBeNull();
    expect((await app.grant(id)).duration).toBe(3600);
  });

  it('counts only by what was shown, and by the button of the message as it is', async () => {
    const { app, id } = await waiting();
    const seen = await app.seen(id);
    const changes = { duration: 600 };
    const { digest } = await app.useCases.considerChanges(PEOPLE.ben, id, changes, '');
    const other = { duration: 900 };
    expect(await ruleOf(app.useCases.approveWithChanges(PEOPLE.ben, id, other, '', seen, digest))).toBe('digest');
    const copied = { ...seen, message: { channel: 'C0OTHER', ts: '9' } };
    expect(await ruleOf(app.useCases.approveWithChanges(PEOPLE.ben, id, changes, '', copied, digest))).toBe('message');
    app.cluster.target.uid = 'uid-2';
    await app.useCases.approveWithChanges(PEOPLE.ben, id, changes, '', seen, digest);
    expect(await app.grant(id)).toMatchObject({ state: 'pending', duration: 3600 });
    expect(app.audit.map(({ event }) => event)).toContain('asked-again');
  });

  it('keeps the approvals of more, and steps that are not needed for less fall away', async () => {
    const steps = [
      { name: 'owner', from: { users: ['ben@example.test'] } },
      { name: 'other', from: { users: ['cy@example.test'] } },
      { name: 'security', from: { users: ['dot@example.test'] }, unless: { maximum: '15m' } },
    ];
    const { app, id, approve } = await waiting(policyWith({ approvers: undefined, approval: { steps } }));
    await app.useCases.review(PEOPLE.ben, id, 'approve', '', await app.seen(id));
    expect((await app.grant(id)).approvalsNeeded).toBe(3);
    await approve(PEOPLE.cy, { duration: 600 });
    await app.run();
    expect(await app.grant(id)).toMatchObject({ state: 'active', duration: 600, waived: [{ name: 'security' }] });
  });

  it.each(['parallel', 'sequence'] as const)(
    'is for whoever may approve what was asked for, also where that step falls away by it (%s)',
    async (order) => {
      const steps = [
        { name: 'owner', from: { users: ['ben@example.test'] } },
        { name: 'security', from: { users: ['dot@example.test'] }, unless: { maximum: '15m' } },
      ];
      const { app, id, approve } = await waiting(policyWith({ approvers: undefined, approval: { order, steps } }));
      await app.useCases.review(PEOPLE.ben, id, 'approve', '', await app.seen(id));
      expect(await ruleOf(approve(PEOPLE.cy, { duration: 600 }))).toBe('id');
      expect(await ruleOf(approve(PEOPLE.ben, { duration: 600 }))).toBe('approvals');
      await approve(PEOPLE.dot, { duration: 600 });
      await app.run();
      const { state, duration, decisions } = await app.grant(id);
      expect({ state, duration }).toEqual({ state: 'active', duration: 600 });
      expect(decisions.map(({ by }) => by?.slackId)).toEqual([PEOPLE.ben, PEOPLE.dot]);
    },
  );

  it('waits for the others who must approve it, too', async () => {
    const { app, id, approve } = await waiting(policyWith({ approvals: 2 }));
    await approve(PEOPLE.ben, { duration: 600 });
    expect(await app.grant(id)).toMatchObject({ state: 'pending', duration: 600 });
    await app.useCases.review(PEOPLE.cy, id, 'approve', '', await app.seen(id));
    await app.run();
    expect((await app.grant(id)).state).toBe('active');
  });

  it('is not for a role, which is bound whole, but for its time', async () => {
    const { app, id, approve } = await waiting(POLICY);
    await approve(PEOPLE.ben, { duration: 600 });
    await app.run();
    expect(await app.grant(id)).toMatchObject({ state: 'active', duration: 600 });
  });

  describe('of what is opened', () => {
    const network = {
      mode: 'bastion',
      ports: [{ port: 8080 }, { port: 8443 }],
      from: [{ cidr: '10.0.0.0/8' }, { namespace: 'vpn', pods: { app: 'gateway' } }],
    };
    const left = { ports: ['8443/TCP'], sources: [sourceKey({ cidr: '10.0.0.0/8' })] };
    const opened = { ports: [{ port: 8443, protocol: 'TCP' }], from: [{ cidr: '10.0.0.0/8' }] };

    it('leaves fewer ports and sources, also when it is made longer', async () => {
      const { app, id, approve } = await waiting(policyWith({ network }));
      await approve(PEOPLE.ben, left);
      await app.run();
      const grant = await app.grant(id);
      expect(grant).toMatchObject({ state: 'active', plan: { network: opened } });
      expect(grant.remarks).toEqual(['ben@example.test gives less: without 8080/TCP, source vpn app=gateway.']);
      const { digest } = await app.useCases.extend(PEOPLE.ada, id, 600);
      await app.useCases.reviewExtension(PEOPLE.cy, id, 'approve', '', { ...(await app.seen(id)), digest });
      await app.run();
      expect(await app.grant(id)).toMatchObject({ state: 'active', extension: null, plan: { network: opened } });
    });

    it('is asked again, and opens no more, where the profile has changed since', async () => {
      const { app, id, approve } = await waiting(policyWith({ network, approvals: 2 }));
      await approve(PEOPLE.ben, left);
      app.setPolicy(policyWith({ network: { ...network, ports: [{ port: 22 }, { port: 8443 }] }, approvals: 2 }));
      await app.useCases.review(PEOPLE.cy, id, 'approve', '', await app.seen(id));
      expect(await app.grant(id)).toMatchObject({ state: 'pending', plan: { network: opened } });
      expect(app.audit.map(({ event }) => event)).toContain('asked-again');
      app.setPolicy(policyWith({ network: { ...network, ports: [{ port: 22 }] }, approvals: 2 }));
      const again = async () => app.useCases.review(PEOPLE.cy, id, 'approve', '', await app.seen(id));
      expect(await ruleOf(again())).toBe('profiles.debug.network.ports');
    });

    it.each<[string, Narrowing]>([
      ['a port that was not asked for', { ports: ['22/TCP'] }],
      ['one beside those that were', { ports: ['8443/TCP', '22/TCP'] }],
      ['the same number by another protocol', { ports: ['8443/UDP'] }],
      ['a source that was not asked for', { sources: [sourceKey({ cidr: '0.0.0.0/0' })] }],
      ['one workload, where it is one already', { workload: { kind: 'Deployment', name: 'catalog' } }],
    ])('is refused with %s', async (_what, changes) => {
      const { app, id } = await waiting(policyWith({ network }));
      const shorter = { duration: 600, ...changes };
      expect(await ruleOf(app.useCases.considerChanges(PEOPLE.ben, id, shorter, ''))).toBe('changes');
      const seen = await app.seen(id);
      expect(await ruleOf(app.useCases.approveWithChanges(PEOPLE.ben, id, shorter, '', seen, '0'.repeat(12)))).toBe(
        'changes',
      );
    });

    it.each<[string, Narrowing, string]>([
      ['port', { ports: [] }, 'profiles.debug.network.ports'],
      ['source', { sources: [] }, 'profiles.debug.network.from'],
    ])('is refused without any %s: none would be all', async (_what, changes, rule) => {
      const { app, id } = await waiting(policyWith({ network }));
      expect(await ruleOf(app.useCases.considerChanges(PEOPLE.ben, id, changes, ''))).toBe(rule);
    });
  });

  describe('of a whole namespace', () => {
    const workload = { kind: 'Deployment', name: 'checkout' } as const;
    async function ofNamespace(change: object = {}) {
      const app = appWorld(policyWith({ scope: 'namespace', ...change }));
      const id = await app.pending(PEOPLE.ada, { duration: 3600, target: { namespace: 'staging' } });
      return { app, id };
    }

    it('leaves one workload of it: its pods, followed, and asked for again as it was', async () => {
      const { app, id } = await ofNamespace();
      const seen = await app.seen(id);
      const { digest } = await app.useCases.considerChanges(PEOPLE.ben, id, { workload }, '');
      await app.useCases.approveWithChanges(PEOPLE.ben, id, { workload }, '', seen, digest);
      await app.run();
      const target = { namespace: 'staging', workload };
      expect(await app.grant(id)).toMatchObject({ state: 'active', target, plan: { target }, pods: ['checkout-1'] });
      const longer = await app.useCases.extend(PEOPLE.ada, id, 600);
      const onMessage = { ...(await app.seen(id)), digest: longer.digest };
      await app.useCases.reviewExtension(PEOPLE.cy, id, 'approve', '', onMessage);
      await app.run();
      expect(await app.grant(id)).toMatchObject({ state: 'active', extension: null });
      await app.useCases.revoke(PEOPLE.ada, id, '');
      await app.run();
      expect(await app.useCases.again(PEOPLE.ada, id)).toMatchObject({ target: { namespace: 'staging' } });
    });

    it('is not left to a workload where a role is bound, which is bound whole', async () => {
      const { app, id } = await ofNamespace({ rights: undefined, clusterRole: 'view' });
      expect(await ruleOf(app.useCases.considerChanges(PEOPLE.ben, id, { workload }, ''))).toBe('changes');
    });

    it('is not left to a workload on which it gives nothing', async () => {
      const rules = [{ apiGroups: [''], resources: ['configmaps'], verbs: ['get'] }];
      const { app, id } = await ofNamespace({ rights: undefined, rules });
      expect(await ruleOf(app.useCases.considerChanges(PEOPLE.ben, id, { workload }, ''))).toBe('target');
    });
  });
});
