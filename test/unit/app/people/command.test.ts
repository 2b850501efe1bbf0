import { describe, expect, test } from 'vitest';
import { runCommand } from '../../../../src/app/people/command.ts';
import type { World } from '../../../../src/app/ports/world.ts';
import { Refusal, Unavailable } from '../../../../src/domain/errors.ts';
import { appWorld, PEOPLE } from '../../../support/app-world.ts';
import { sampleGrant } from '../../../support/grants.ts';

const grant = sampleGrant();
const command = { by: PEOPLE.ada, doing: 'revoke', id: grant.id };
const away = async (): Promise<never> => {
  throw new Unavailable('Slack', 'away');
};
const refuse = async (): Promise<never> => {
  throw new Refusal('id', 'no');
};

describe('a refusal of which it can not be told now what this person may read', () => {
  const { world } = appWorld();
  const worldWith = (change: Partial<World>): World => ({ ...world, ...change });
  const withoutSlack = worldWith({ directory: { ...world.directory, account: away } });
  const withoutAudit = worldWith({ audit: { record: away } });

  test.each([
    ['Slack', withoutSlack],
    ['the audit', withoutAudit],
  ])('is told as a fault of %s that changed nothing', async (_what, without) => {
    await expect(runCommand(without, command, refuse)).rejects.toMatchObject({ name: 'Unavailable', untouched: true });
  });

  test('is no word that nothing was changed when something was before', async () => {
    const changed = runCommand(withoutSlack, command, async ({ store }) => {
      await store.create(grant);
      return refuse();
    });
    await expect(changed).rejects.toMatchObject({ name: 'Unavailable', untouched: false });
  });
});
