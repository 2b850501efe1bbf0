import { describe, expect, it } from 'vitest';
import { carriedChanges, carryChanges } from '../../../../../../src/adapters/slack/surfaces/actions.ts';
import {
  changedModal,
  changeModal,
  changesIn,
} from '../../../../../../src/adapters/slack/surfaces/approval-message/change-modal.ts';
import { portKey, sourceKey } from '../../../../../../src/domain/plan/narrower.ts';
import type { Plan } from '../../../../../../src/domain/plan/plan.ts';
import { type Block, controls, initialValue, viewErrors } from '../../../../../../src/sandbox/slack/blockkit.ts';
import { sampleView, WORKSPACE_PLAN } from '../../../../../support/views.ts';

const about = { id: 'g-7k3fq2', digest: 'a'.repeat(12), message: null, of: 'request' } as const;
const WHOLE: Partial<Plan> = { target: { namespace: 'staging' }, workload: null, network: { mode: 'none' } };
const BASTION = {
  mode: 'bastion',
  selector: { matchLabels: { app: 'checkout' } },
  ports: [80, 443].map((port) => ({ port, protocol: 'TCP' as const })),
  from: [{ cidr: '10.0.0.0/8' }, { namespace: 'vpn', pods: { app: 'gateway' } }],
  admits: true,
} as const;

const viewWith = (change: Partial<Plan>) => sampleView({ plan: { ...WORKSPACE_PLAN, ...change } });
const dialog = (change: Partial<Plan>) => changeModal(viewWith(change), about, false);
const fields = (change: Partial<Plan>) =>
  controls(dialog(change).blocks as unknown as Block[]).map(({ block }) => block.block_id);

/** The dialog as it stands, with these fields as somebody left them. */
function left(change: Partial<Plan>, entered: Record<string, object> = {}) {
  const values: Record<string, Record<string, object>> = {};
  for (const { block, element } of controls(dialog(change).blocks as unknown as Block[]))
    values[block.block_id ?? ''] = {
      [element.action_id ?? '']: entered[block.block_id ?? ''] ?? initialValue(element) ?? {},
    };
  return changesIn(values, viewWith(change).grant);
}
const chosen = (...keys: string[]) => ({ selected_options: keys.map((value) => ({ value })) });

describe('the dialog of an approval with changes', () => {
  it('has a field for what can be less, and holds all that was asked for', () => {
    expect(fields({})).toEqual(['duration', 'note']);
    expect(fields({ rights: ['logs', 'exec'] })).toEqual(['duration', 'rights', 'note']);
    expect(fields({ network: BASTION })).toEqual(['duration', 'ports', 'sources', 'note']);
    expect(fields(WHOLE)).toEqual(['duration', 'target', 'note']);
    // A role is bound whole, whatever it is bound to.
    expect(fields({ ...WHOLE, role: { kind: 'ClusterRole', name: 'view' } })).toEqual(['duration', 'note']);
    expect(left({ network: BASTION })).toMatchObject({
      changes: { ports: ['80/TCP', '443/TCP'], sources: BASTION.from.map(sourceKey) },
    });
    expect(left(WHOLE)).not.toHaveProperty('changes.workload');
  });

  it('reads what is left', () => {
    const source = sourceKey(BASTION.from[1]);
    expect(left({ network: BASTION }, { ports: chosen('443/TCP'), sources: chosen(source) })).toMatchObject({
      changes: { ports: ['443/TCP'], sources: [source] },
    });
    expect(left(WHOLE, { target: { value: 'deploy/checkout' } })).toMatchObject({
      changes: { workload: { kind: 'Deployment', name: 'checkout' } },
    });
  });

  it.each([
    ['ports', { network: BASTION }, chosen()],
    ['sources', { network: BASTION }, chosen()],
    ['rights', { rights: ['logs', 'exec'] }, chosen()],
    ['target', WHOLE, { value: 'checkout' }],
    ['target', WHOLE, { value: 'svc/checkout' }],
    ['target', WHOLE, { value: '../payments/deploy/checkout' }],
    ['target', WHOLE, { value: 'nod/x' }],
    ['duration', {}, { value: 'half a day' }],
  ] as [string, Partial<Plan>, object][])('says beside %s what is wrong with it', (field, plan, entered) => {
    expect(left(plan, { [field]: entered })).toEqual({ errors: { [field]: expect.any(String) as string } });
  });

  it('is one that Slack takes, with as much as a profile may open, and carries what is left of it', () => {
    const many = (count: number) => ({
      ...BASTION,
      ports: Array.from({ length: count }, (_, i) => ({ port: 65_535 - i, protocol: 'SCTP' as const })),
      from: Array.from({ length: count }, (_, i) => ({
        namespace: 'n'.repeat(63),
        pods: { a: 'v'.repeat(60), i: `${i}` },
      })),
    });
    for (const count of [1, 2, 10, 11, 100, 101]) expect(viewErrors(dialog({ network: many(count) }))).toEqual([]);
    const network = many(100);
    const changes = { ports: network.ports.map(portKey), sources: network.from.map(sourceKey) };
    const { of: _of, ...of } = about;
    const carried = { ...of, note: '', changes, shown: 'b'.repeat(12) };
    expect(carriedChanges(carryChanges(carried))).toEqual(carried);
    expect(viewErrors(changedModal(viewWith({ network }), viewWith({ network: many(2) }), carried))).toEqual([]);
  });

  it('takes no changes of another form', () => {
    const { of: _of, ...of } = about;
    const good = { ...of, note: '', changes: {}, shown: 'b'.repeat(12) };
    for (const changes of [
      { network: 'none' },
      { ports: [22] },
      { workload: { kind: 'Node', name: 'x' } },
      { role: 'x' },
    ])
      expect(() => carriedChanges(JSON.stringify({ ...good, changes }))).toThrow('not one that Drawbridge knows');
  });
});
