import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonical } from '../../../src/domain/canonical.ts';
import { digestOfPlan, type Plan } from '../../../src/domain/plan.ts';
import { samplePlan } from '../../support/grants.ts';
import { WORKSPACE_PLAN } from '../../support/views.ts';

const workspace = (change: object): Plan => ({
  ...WORKSPACE_PLAN,
  network: { ...WORKSPACE_PLAN.network, ...change },
});
const [opened] = WORKSPACE_PLAN.preview.opens;

describe('the digest of a plan', () => {
  test.each<[string, Plan]>([
    ['the person', samplePlan({ user: 'cy@example.test' })],
    ['their groups', samplePlan({ groups: ['admins'] })],
    ['a rule', samplePlan({ rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['delete'] }] })],
    ['the role', samplePlan({ role: { kind: 'ClusterRole', name: 'edit' } })],
    ['the target', samplePlan({ target: { namespace: 'payments' } })],
    [
      'another workload of the same name',
      samplePlan({ workload: { uid: 'another', selector: { matchLabels: { app: 'checkout' } } } }),
    ],
    [
      'the selector',
      samplePlan({
        workload: { uid: '11111111-1111-4111-8111-111111111111', selector: { matchLabels: { app: 'x' } } },
      }),
    ],
    ['the duration', samplePlan({ duration: 1801 })],
    ['the profile in the policy', samplePlan({ profileDigest: 'q' })],
    ['what is acknowledged', samplePlan({ persistence: ['reads secrets'] })],
    ['the confinement', WORKSPACE_PLAN],
  ])('changes with %s', (_what, plan) => {
    expect(digestOfPlan(plan)).not.toBe(digestOfPlan(samplePlan()));
  });

  test.each<[string, Plan]>([
    ['an image', workspace({ image: 'evil' })],
    ['a port', workspace({ ports: [{ port: 22, protocol: 'TCP' }] })],
    ['DNS', workspace({ dns: 'cluster' })],
    ['whether it admits', workspace({ admits: false })],
    ['a connection that opens', { ...WORKSPACE_PLAN, preview: { ...WORKSPACE_PLAN.preview, opens: [] } }],
    ['a connection that closes', { ...WORKSPACE_PLAN, preview: { ...WORKSPACE_PLAN.preview, closes: [opened!] } }],
  ])('of a workspace changes with %s', (_what, plan) => {
    expect(digestOfPlan(plan)).not.toBe(digestOfPlan(WORKSPACE_PLAN));
  });

  test('does not change with pods and addresses: a rollout must not void an approval', () => {
    expect(digestOfPlan(samplePlan({ pods: ['checkout-9', 'checkout-10'] }))).toBe(digestOfPlan(samplePlan()));
    const at = (...ips: string[]) => workspace({ hostAliases: ips.map((ip) => ({ ip, hostnames: ['checkout'] })) });
    expect(digestOfPlan(at('10.0.0.1'))).toBe(digestOfPlan(at('10.0.0.2', '10.0.0.3')));
    const told = {
      ...WORKSPACE_PLAN,
      preview: { ...WORKSPACE_PLAN.preview, opens: [{ ...opened!, pods: '1 of 2', reasons: ['x'] }] },
    };
    expect(digestOfPlan(told)).toBe(digestOfPlan(WORKSPACE_PLAN));
  });
});

test('canonical JSON is the same for equal values, whatever the order of keys', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const reversed = JSON.parse(JSON.stringify(value), (_key, member: unknown) =>
        member !== null && typeof member === 'object' && !Array.isArray(member)
          ? Object.fromEntries(Object.entries(member).toReversed())
          : member,
      ) as unknown;
      expect(canonical(reversed)).toBe(canonical(value));
      expect(JSON.parse(canonical(value))).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
});
