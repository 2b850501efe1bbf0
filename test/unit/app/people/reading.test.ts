import { beforeEach, describe, expect, test } from 'vitest';
import { account, appWorld, PEOPLE } from '../../../support/app-world.ts';

/** Somebody of the workspace with no part in it: neither asks, decides nor administers, and is not in the channel. */
const STRANGER = 'U0SAM';
/** Of the approvals channel alone. */
const MEMBER = 'U0MEMBER';
const { ada, ben, dot } = PEOPLE;

let app: ReturnType<typeof appWorld>;
let id: string;
beforeEach(async () => {
  app = appWorld();
  app.accounts.set(STRANGER, account(STRANGER, 'sam'));
  app.accounts.set(MEMBER, account(MEMBER, 'mo'));
  app.members.set('C0ACCESS', [ben, MEMBER]);
  ({ id } = (await app.request(ada, { reason: 'TYPED reason' })).grant);
  await app.run();
});
async function approve(): Promise<void> {
  await app.useCases.review(ben, id, 'approve', 'TYPED note', await app.seen(id));
  await app.run();
}
const refusalOf = (work: Promise<unknown>) =>
  work.then(
    () => 'not refused',
    (error: unknown) => (error as Error).message,
  );

describe('somebody who has no part in a grant', () => {
  test('sees of one that is active who has access where, until when, and no more', async () => {
    await approve();
    const { expiresAt } = await app.grant(id);
    const seen = await app.useCases.inspect(STRANGER, id);
    expect(seen).toMatchObject({ access: { id, requester: { user: 'ada@example.test' }, expiresAt } });
    const who = await app.useCases.who(STRANGER, 'staging');
    expect(who).toEqual(['access' in seen ? seen.access : null]);
    expect(JSON.stringify([seen, who])).not.toMatch(/TYPED|kubectl|plan|decisions/);
    expect(await refusalOf(app.useCases.status(STRANGER, id))).toMatch(/is shown to its requester/);
  });

  test('can not tell a request, nor a grant that is over, from an id that there never was', async () => {
    const none = 'g-aaaaaa';
    const tries = (which: string) => [
      app.useCases.inspect(STRANGER, which),
      app.useCases.status(STRANGER, which),
      app.useCases.revoke(STRANGER, which, ''),
      app.useCases.extend(STRANGER, which, 60),
      app.useCases.review(STRANGER, which, 'approve', '', { digest: '', message: null }),
      app.useCases.review(STRANGER, which, 'deny', '', { digest: '', message: null }),
      app.useCases.reviewExtension(STRANGER, which, 'approve', '', { digest: '', message: null }),
      app.useCases.reviewExtension(STRANGER, which, 'deny', '', { digest: '', message: null }),
    ];
    const told = async (which: string) =>
      Promise.all(tries(which).map(async (work) => (await refusalOf(work)).replace(which, 'ID')));
    const unknown = await told(none);
    expect(new Set(unknown).size).toBe(1);
    expect(unknown[0]).toContain('that you may see');
    expect(await told(id)).toEqual(unknown);
    await app.useCases.revoke(ada, id, '');
    expect(await told(id)).toEqual(unknown);
  });

  test('is refused without a word of what was typed or planned, whatever they try', async () => {
    const all = () => [
      app.useCases.status(STRANGER, id),
      app.useCases.revoke(STRANGER, id, ''),
      app.useCases.extend(STRANGER, id, 60),
      app.useCases.review(STRANGER, id, 'approve', '', { digest: '', message: null }),
      app.useCases.review(STRANGER, id, 'deny', '', { digest: '', message: null }),
      app.useCases.reviewExtension(STRANGER, id, 'approve', '', { digest: '', message: null }),
    ];
    for (const step of [async () => {}, approve]) {
      await step();
      for (const told of await Promise.all(all().map(refusalOf)))
        expect(told).not.toMatch(/TYPED|checkout|staging|not refused/);
    }
  });
});

test('requester, approver, administrator and members of the channel read all of it', async () => {
  for (const reader of [ada, ben, dot, MEMBER])
    expect((await app.useCases.status(reader, id)).grant.reason).toBe('TYPED reason');
});
