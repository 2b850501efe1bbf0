import { describe, expect, it } from 'vitest';
import { wideConfinement } from '../../../../src/app/plan/wide.ts';
import type { NodeShell } from '../../../../src/domain/policy/policy.ts';

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

  it('of a shell is all of the node, whatever it shares of it, and ends without the bot by its Job', () => {
    const target = { scope: 'node', node: 'worker-1' } as const;
    const there = {
      asOf: 0,
      node: { uid: 'x', workloads: [{ namespace: 'team', workload: 'deployment/app', count: 2 }] },
    };
    const of = (shell: Partial<NodeShell>, rules: Parameters<typeof wideConfinement>[2] = []) =>
      notes(
        target,
        { credential: 'user', shell: { image: 'x', host: [], filesystem: 'none', ...shell } },
        rules,
        there,
      ).join(' ');
    for (const said of [of({}), of({ host: ['pid', 'network'], filesystem: 'read-write' })]) {
      expect(said).toMatch(/^The shell is root on worker-1: .*every pod on worker-1 can do and read/);
      expect(said).toContain('Pods on worker-1, of team: deployment/app (2).');
      expect(said).toContain('ends by the deadline of its Job');
      expect(said).not.toContain('no lease can own');
    }
    expect(of({})).toMatch(/given no files of the node.*root can mount its disks/);
    expect(of({ filesystem: 'read-only' })).toMatch(/at \/host, read-only, which keeps from slips/);
    expect(of({ filesystem: 'read-write' })).toMatch(/at \/host and can be changed/);
    expect(of({ host: ['pid'] })).toMatch(/processes of the node, and may end them/);
    expect(of({ host: ['network'] })).toMatch(/network of the node.*metadata service/);
    expect(of({})).not.toMatch(/processes of the node, and may|network of the node/);
    expect(of({}, [{ apiGroups: [''], resources: ['nodes'], verbs: ['get'] }])).toContain(
      'reaper ends the access, within 70 s',
    );
  });
});
