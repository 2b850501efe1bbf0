import { describe, expect, it } from 'vitest';
import { wideConfinement } from '../../../../src/app/plan/wide.ts';

const EXEC = [{ apiGroups: [''], resources: ['pods/exec'], verbs: ['create'] }];
const notes = (...given: Parameters<typeof wideConfinement>) => wideConfinement(...given).preview.notes;

describe('what is at stake on what is in no namespace', () => {
  it('is every namespace, with what the rights amount to there', () => {
    const said = notes({ scope: 'cluster' }, { credential: 'user' }, EXEC, { asOf: 0 }).join(' ');
    expect(said).toMatch(/every namespace, kube-system .*In the whole cluster the access enters containers/);
    expect(said).toMatch(/leads into pods of every namespace.*reaper ends the access, within 70 s/);
  });

  it('is whose pods are on the node, by namespace with counts, and no endless list', () => {
    const workloads = Array.from({ length: 40 }, (_, index) => ({
      namespace: `team-${String(Math.floor(index / 2)).padStart(2, '0')}`,
      workload: `deployment/app-${index}`,
      count: index + 1,
    }));
    const said = notes({ scope: 'node', node: 'worker-1' }, { credential: 'user' }, [], {
      asOf: 0,
      node: { uid: 'x', workloads },
    });
    expect(said[0]).toBe('Pods on worker-1, of team-00: deployment/app-0 (1), deployment/app-1 (2).');
    expect(said.join(' ')).toContain('of 8 more namespaces');
    expect(said.length).toBeLessThan(20);
    const empty = notes({ scope: 'node', node: 'worker-1' }, { credential: 'user' }, [], {
      asOf: 0,
      node: { uid: 'x', workloads: [] },
    });
    expect(empty[0]).toBe('No pod runs on worker-1 now.');
  });
});
