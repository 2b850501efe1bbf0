import { describe, expect, it } from 'vitest';
import type { View } from '../../../../src/app/ports/view.ts';
import type { Verdict } from '../../../../src/domain/decide/notes.ts';
import type { PolicyInput } from '../../../../src/domain/policy/schema.ts';
import { appWorld, PEOPLE, POLICY } from '../../../support/app-world.ts';

type NoteInput = NonNullable<NonNullable<PolicyInput['profiles'][string]['approval']>['note']>;
const { ada, ben, cy } = PEOPLE;
const policyWith = (note: NoteInput | undefined): PolicyInput => ({
  ...POLICY,
  profiles: { debug: { ...POLICY.profiles['debug']!, ...(note && { approval: { note } }) } },
});
const refusal = (deed: Promise<unknown>) =>
  deed.then(
    () => null,
    ({ rule }: { rule: string }) => rule,
  );
const path = (verdict: Verdict) => `profiles.debug.approval.note.${verdict}`;

describe('a note on a decision', () => {
  it.each<[NoteInput | undefined, Verdict, string, string | null]>([
    [undefined, 'approve', '', null],
    [undefined, 'approve', 'go on', null],
    [undefined, 'deny', '', null],
    [undefined, 'deny', 'not now', null],
    [{ approve: 'optional' }, 'approve', '', null],
    [{ approve: 'optional' }, 'approve', 'go on', null],
    [{ approve: 'required' }, 'approve', 'go on', null],
    [{ approve: 'required' }, 'approve', '', path('approve')],
    [{ approve: 'required' }, 'approve', ' \n\t ', path('approve')],
    [{ approve: 'required' }, 'deny', '', null],
    [{ approve: 'none' }, 'approve', '', null],
    [{ approve: 'none' }, 'approve', 'go on', path('approve')],
    [{ deny: 'required' }, 'deny', '', path('deny')],
    [{ deny: 'required' }, 'deny', 'not now', null],
    [{ deny: 'required' }, 'approve', '', null],
    [{ deny: 'none' }, 'deny', 'not now', path('deny')],
    [{ deny: 'none' }, 'deny', '', null],
    [undefined, 'approve', 'x'.repeat(300), null],
    [undefined, 'approve', 'x'.repeat(301), 'note'],
    [undefined, 'deny', 'x'.repeat(2000), 'note'],
  ])('with %j: %s %j', async (rules, verdict, words, rule) => {
    const app = appWorld(policyWith(rules));
    const id = await app.pending();
    expect(await refusal(app.useCases.review(ben, id, verdict, words, await app.seen(id)))).toBe(rule);
    const { state, decisions } = await app.grant(id);
    expect(decisions.map(({ note }) => note)).toEqual(rule === null ? [words] : []);
    if (rule !== null) expect(state).toBe('pending');
    const told = app.audit.find(({ event }) => event === (verdict === 'approve' ? 'approval' : 'denied'));
    expect(told?.note).toBe(rule === null ? words : undefined);
  });

  it('is asked of nobody who may not decide, on what is not there, or by an old message', async () => {
    const app = appWorld(policyWith({ approve: 'required', deny: 'required' }));
    const id = await app.pending();
    const seen = await app.seen(id);
    for (const verdict of ['approve', 'deny'] as const) {
      const may = (who: string, what = seen, of: 'request' | 'extension' = 'request') =>
        refusal(app.useCases.mustBeReviewable(who, id, verdict, of, what));
      expect(await may(ben)).toBeNull();
      expect(await may(PEOPLE.dot)).toContain('approvers');
      expect(await may(ben, { ...seen, digest: 'f'.repeat(12) })).toBe('digest');
      expect(await may(ben, { ...seen, message: { channel: 'C0OTHER', ts: '1.1' } })).toBe('message');
      expect(await may(ben, seen, 'extension')).not.toBeNull();
    }
    expect((await app.grant(id)).decisions).toEqual([]);
    await app.useCases.review(cy, id, 'deny', 'no', seen);
    expect(await refusal(app.useCases.mustBeReviewable(ben, id, 'deny', 'request', seen))).toBe('state');
  });

  it('is needed as well for a longer window', async () => {
    const app = appWorld(policyWith({ approve: 'required', deny: 'required' }));
    const id = await app.pending();
    await app.useCases.review(ben, id, 'approve', 'go on', await app.seen(id));
    await app.run();
    const { digest } = await app.useCases.extend(ada, id, 600);
    for (const verdict of ['approve', 'deny'] as const) {
      const decide = (words: string): Promise<View> =>
        app.useCases.reviewExtension(ben, id, verdict, words, { digest, message: null });
      expect(await refusal(decide(''))).toBe(path(verdict));
    }
    await app.useCases.reviewExtension(ben, id, 'approve', 'it takes longer', { digest, message: null });
    expect((await app.grant(id)).decisions.at(-1)?.note).toBe('it takes longer');
  });

  it('is not asked of whoever may not decide: that is said first', async () => {
    const app = appWorld(policyWith({ approve: 'required' }));
    const id = await app.pending();
    expect(await refusal(app.useCases.review(ada, id, 'approve', '', await app.seen(id)))).toBe(
      'profiles.debug.selfApproval',
    );
  });

  it('that is not taken is refused before the plan is looked at', async () => {
    const app = appWorld(policyWith({ approve: 'none' }));
    const id = await app.pending();
    expect(await refusal(app.useCases.consider(ben, id, 'go on'))).toBe(path('approve'));
    expect(await refusal(app.useCases.consider(ben, id, ''))).toBeNull();
    app.setPolicy(policyWith({ approve: 'required' }));
    expect(await refusal(app.useCases.consider(ben, id, ''))).toBeNull();
    expect(await refusal(app.useCases.consider(ben, id, 'x'.repeat(301)))).toBe('note');
    expect(await refusal(app.useCases.consider(cy, 'g-222222', 'go on'))).toBe('id');
  });

  it.each<[NoteInput | undefined, string, string]>([
    [undefined, 'in the line', 'optional'],
    [{ approve: 'optional', deny: 'none' }, 'optional', 'none'],
    [{ approve: 'required', deny: 'required' }, 'required', 'required'],
  ])('is asked for by the policy as it is now: %j', async (rules, approve, deny) => {
    const app = appWorld();
    const id = await app.pending();
    app.setPolicy(policyWith(rules));
    expect([await app.useCases.noteOn(id, 'approve'), await app.useCases.noteOn(id, 'deny')]).toEqual([approve, deny]);
    expect(await app.useCases.noteOn('g-222222', 'deny')).toBe('none');
  });

  it('is nothing that an approval binds: another rule asks nobody again', async () => {
    const app = appWorld();
    const id = await app.pending();
    app.setPolicy(policyWith({ approve: 'required', deny: 'required' }));
    await app.useCases.review(ben, id, 'approve', 'go on', await app.seen(id));
    expect((await app.grant(id)).state).toBe('approved');
  });
});
