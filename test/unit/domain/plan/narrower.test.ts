import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  addedBy,
  openedBy,
  portKey,
  sourceKey,
  takenAway,
  whyNotNarrower,
} from '../../../../src/domain/plan/narrower.ts';
import type { Plan } from '../../../../src/domain/plan/plan.ts';
import { growth } from '../../../../src/domain/rights/coverage.ts';
import { KIT_NAMES, rulesOfKits } from '../../../../src/domain/rights/kits.ts';
import { narrowedRules } from '../../../../src/domain/rights/narrowed-rules.ts';
import { samplePlan, samplePreview } from '../../../support/grants.ts';
import { WORKSPACE_PLAN } from '../../../support/views.ts';

const kits = fc.subarray([...KIT_NAMES], { minLength: 1 });
const planWith = (rights: Plan['rights'], duration: number, change: Partial<Plan> = {}): Plan =>
  samplePlan({ rights, duration, rules: rulesOfKits(rights ?? [], 'Deployment'), ...change });

describe('a plan that is a part of another', () => {
  it('allows nothing that the other does not, and lasts no longer', () => {
    fc.assert(
      fc.property(kits, kits, fc.nat(100), fc.nat(100), (asked, changed, long, short) => {
        const [one, other] = [planWith(asked, long), planWith(changed, short)];
        const isPart = short <= long && growth(one.rules, other.rules).length === 0;
        expect(whyNotNarrower(one, other) === null).toBe(isPart);
        if (changed.every((kit) => asked.includes(kit)) && short <= long) expect(whyNotNarrower(one, other)).toBeNull();
      }),
    );
  });

  it('opens no other port and lets nobody else in, and never loses the last of them', () => {
    const bastion = (ports: readonly number[], from: readonly string[]): Plan =>
      planWith(['logs'], 600, {
        network: {
          mode: 'bastion',
          selector: { matchLabels: { app: 'checkout' } },
          ports: ports.map((port) => ({ port, protocol: 'TCP' })),
          from: from.map((cidr) => ({ cidr })),
          admits: true,
        },
      });
    const ports = fc.subarray([80, 443, 8080], { minLength: 1 });
    const cidrs = fc.subarray(['10.0.0.0/8', '192.0.2.0/24', '::/0'], { minLength: 1 });
    fc.assert(
      fc.property(ports, ports, cidrs, cidrs, (p1, p2, s1, s2) => {
        const isPart = p2.every((port) => p1.includes(port)) && s2.every((cidr) => s1.includes(cidr));
        expect(whyNotNarrower(bastion(p1, s1), bastion(p2, s2)) === null).toBe(isPart);
        expect(whyNotNarrower(bastion(p1, s1), bastion([], s1))).not.toBeNull();
        expect(whyNotNarrower(bastion(p1, s1), bastion(p1, []))).not.toBeNull();
      }),
    );
    // The same number is another port by another protocol.
    const udp = bastion([80], ['::/0']);
    if (udp.network.mode !== 'bastion') throw new Error('another mode');
    const asUdp = { ...udp, network: { ...udp.network, ports: [{ port: 80, protocol: 'UDP' as const }] } };
    expect(whyNotNarrower(udp, asUdp)).not.toBeNull();
  });

  it('may be of one workload where the asked one is of its namespace, and then gives nothing beside it', () => {
    const whole = { target: { namespace: 'staging' }, workload: null } as const;
    const one = {
      target: { namespace: 'staging', workload: { kind: 'Deployment', name: 'checkout' } },
      workload: { uid: 'u', selector: { matchLabels: { app: 'checkout' } }, labels: {} },
      surroundings: { policies: [{ name: 'staging/x', spec: 'y' }], isolation: [] },
    } as const;
    fc.assert(
      fc.property(kits, kits, (asked, changed) => {
        const was = samplePlan({ rights: asked, rules: rulesOfKits(asked, null), ...whole });
        const is = planWith(changed, was.duration, one);
        if (whyNotNarrower(was, is) !== null) return;
        expect(growth(was.rules, narrowedRules(is.rules, one.target, ['checkout-1']))).toEqual([]);
      }),
    );
    const was = samplePlan({ rights: ['logs'], rules: rulesOfKits(['logs'], null), ...whole });
    const why = (change: Partial<Plan>) => whyNotNarrower(was, planWith(['logs'], was.duration, { ...one, ...change }));
    expect(why({})).toBeNull();
    expect(why({ target: { ...one.target, namespace: 'payments' } })).not.toBeNull();
    expect(why({ target: { ...one.target, service: 'checkout' } })).not.toBeNull();
    expect(why({ workload: null })).not.toBeNull();
    expect(why({ target: { scope: 'cluster' }, workload: null })).not.toBeNull();
    expect(whyNotNarrower(planWith(['logs'], was.duration, one), was)).not.toBeNull();
    // A role is bound whole: with it one workload would be all of the namespace.
    const role = { role: { kind: 'ClusterRole', name: 'view' } } as const;
    expect(whyNotNarrower({ ...was, ...role }, planWith(['logs'], was.duration, { ...one, ...role }))).not.toBeNull();
  });

  it.each<[string, Partial<Plan>]>([
    ['another credential', { credential: 'token' }],
    ['another node', { nodeUid: 'other' }],
    [
      'pods isolated that were not',
      { preview: samplePreview({ isolates: ['staging/deployment/checkout (ingress)'] }) },
    ],
    ['another user', { user: 'eve@example.test' }],
    ['other groups', { groups: ['system-like'] }],
    ['another target', { target: { namespace: 'payments' } }],
    ['a namespace that was made again', { namespaceUid: 'other' }],
    ['another cluster', { cluster: 'other' }],
    ['another profile', { profileDigest: 'other' }],
    ['a role', { role: { kind: 'ClusterRole', name: 'edit' } }],
    ['a role that may grow', { roleMayGrow: true }],
    ['another mode', { network: { mode: 'bastion', selector: {}, ports: [], from: [], admits: false } }],
    ['other policies around it', { surroundings: { policies: [{ name: 'staging/x', spec: 'y' }], isolation: [] } }],
  ])('is none with %s', (_what, change) => {
    const asked = planWith(['logs'], 600);
    expect(whyNotNarrower(asked, planWith(['logs'], 600))).toBeNull();
    expect(whyNotNarrower(asked, planWith(['logs'], 600, change))).not.toBeNull();
  });

  it('says what is taken away', () => {
    const asked = samplePlan({ duration: 3600, rights: ['read', 'logs', 'exec'] });
    expect(takenAway(asked, { duration: 600, rights: ['logs'] })).toEqual(['10m instead of 1h', 'without read, exec']);
    expect(takenAway(asked, { duration: 3600, rights: ['exec', 'logs', 'read'] })).toEqual([]);
    expect(takenAway({ ...asked, rights: null }, { rights: ['logs'] })).toEqual([]);
    const pods = { namespace: 'vpn', pods: { app: 'gateway' } };
    const network: Plan['network'] = {
      mode: 'bastion',
      selector: {},
      ports: [80, 443].map((port) => ({ port, protocol: 'TCP' })),
      from: [{ cidr: '10.0.0.0/8' }, pods],
      admits: true,
    };
    const open = samplePlan({ duration: 60, rights: null, network, target: { namespace: 'staging' } });
    const workload = { kind: 'Deployment', name: 'checkout' } as const;
    expect(takenAway(open, { ports: ['80/TCP'], sources: [sourceKey({ cidr: '10.0.0.0/8' })], workload })).toEqual([
      'deployment/checkout instead of all of staging',
      'without 443/TCP, source vpn app=gateway',
    ]);
    expect(takenAway(open, { ports: ['443/TCP', '80/TCP'], sources: network.from.map(sourceKey) })).toEqual([]);
  });

  it('has nothing that was not asked for', () => {
    const workload = { kind: 'Deployment', name: 'checkout' } as const;
    const { network } = WORKSPACE_PLAN;
    const asked = samplePlan({ rights: ['logs'], network, target: { namespace: 'staging', workload } });
    expect(addedBy(asked, { rights: ['logs'], ports: openedBy(network).ports.map(portKey), workload })).toBeNull();
    expect(addedBy(asked, { rights: ['exec'] })).toContain('exec');
    expect(addedBy({ ...asked, rights: null }, { rights: ['logs'] })).toContain('logs');
    expect(addedBy(asked, { ports: ['8080/TCP', '22/TCP'] })).toContain('22/TCP');
    expect(addedBy(asked, { ports: ['8080/UDP'] })).toContain('8080/UDP');
    expect(addedBy(asked, { sources: ['aaaaaaaaaaaa'] })).not.toBeNull();
    expect(addedBy(asked, { workload: { ...workload, name: 'catalog' } })).not.toBeNull();
    const whole = { ...asked, target: { namespace: 'staging' }, role: null } as const;
    expect(addedBy(whole, { workload })).toBeNull();
    expect(addedBy({ ...whole, role: { kind: 'ClusterRole', name: 'edit' } }, { workload })).not.toBeNull();
    expect(addedBy({ ...whole, target: { scope: 'cluster' } }, { workload })).not.toBeNull();
  });
});
