import { expect, test } from 'vitest';
import type { Lack } from '../../../../src/app/ports/conditions.ts';
import { policyFileService } from '../../../../src/composition/services/policy-file.ts';
import type { FollowOptions } from '../../../../src/config/policy-file.ts';
import { type PolicyInput, policySchema } from '../../../../src/domain/policy/schema.ts';
import { POLICY } from '../../../support/app-world.ts';
import { silentLog } from '../../../support/silent-log.ts';

async function started(identity: PolicyInput['identity'] = {}) {
  const log = silentLog();
  const reported: (Lack | null)[] = [];
  const tended: (boolean | undefined)[] = [];
  let heard: FollowOptions = {};
  let isClosed = false;
  const policy = policySchema.parse({ ...POLICY, identity });
  const service = policyFileService({
    policies: {
      current: () => policy,
      follow: (options = {}) => {
        heard = options;
      },
      close: () => {
        isClosed = true;
      },
    },
    conditions: {
      report: (_kind, lack) => void reported.push(lack),
      tend: async (all) => void tended.push(all),
    },
    log,
  });
  await service.start();
  return { log, reported, tended, policy, heard: () => heard, service, isClosed: () => isClosed };
}

test('a bad file is told, five problems at most, until it is good again', async () => {
  const { reported, heard } = await started();
  heard().onProblems?.(['1', '2', '3', '4', '5']);
  heard().onProblems?.(['1', '2', '3', '4', '5', '6', '7']);
  heard().onProblems?.([]);
  expect(reported.map((lack) => lack?.detail)).toEqual(['1\n2\n3\n4\n5', '1\n2\n3\n4\n5\nand 2 more', undefined]);
});

test('a new policy is held at once against all that it needs', async () => {
  const { tended, heard, policy } = await started();
  heard().onChange?.(policy);
  expect(tended).toEqual([true]);
});

test('the start says where addresses are not confirmed by Slack, and the end closes the file', async () => {
  expect((await started()).log.lines).toEqual([]);
  const { log, service, isClosed } = await started({ confirmedBy: 'workspace' });
  expect(log.lines).toMatchObject([{ level: 'info', text: expect.stringContaining('single sign-on') }]);
  await service.stop(0);
  expect(isClosed()).toBe(true);
});
