import { ACTIONS, carried, carriedNoted, MODALS, StrangeControl } from '../actions.ts';
import { onButton } from '../buttons.ts';
import type { SurfaceContext } from '../context.ts';
import { decide, ended, extended, inspected, reviewed } from '../decisions.ts';
import { onSubmit, openWhenKnown, valuesOf } from '../modals.ts';
import { networkMessage, reviewMessage } from './message.ts';
import { noteModal, noteOf, outcomeModal } from './note-modal.ts';

/** The buttons of a request's message, which stand under other messages about it, too; and the modal for a note. */
export function registerApprovalMessage(context: SurfaceContext): void {
  registerDecisions(context);
  registerLooks(context);
  registerGlassReviews(context);
  const { useCases } = context;
  onButton(context, ACTIONS.revoke, async ({ user, value }) =>
    ended(await useCases.revoke(user, carried(value).id, '')),
  );
  onButton(context, ACTIONS.extend, async ({ user, value }) =>
    extended(await useCases.extend(user, carried(value).id, null)),
  );
}

function registerDecisions(context: SurfaceContext): void {
  const { useCases } = context;
  for (const [actionId, verdict, of] of [
    [ACTIONS.approve, 'approve', 'request'],
    [ACTIONS.approveExtension, 'approve', 'extension'],
    [ACTIONS.deny, 'deny', 'request'],
    [ACTIONS.denyExtension, 'deny', 'extension'],
  ] as const)
    onButton(context, actionId, async ({ user, value, seen, body }) => {
      const { id, note: words } = carried(value);
      const { digest, message } = seen();
      const rule = words === '' ? await useCases.noteOn(id, verdict) : 'none';
      if (rule === 'none' || rule === 'in the line')
        return decide(context, user, of, verdict, id, words, { digest, message });
      const form = noteModal(verdict, { id, digest, message, of }, rule === 'required');
      // Nobody writes a note in vain.
      const may = useCases.mustBeReviewable(user, id, verdict, of, { digest, message }).then(() => form);
      await openWhenKnown(context, body.trigger_id, may);
      return null;
    });

  for (const verdict of ['approve', 'deny'] as const)
    onSubmit(context, MODALS[verdict], async (user, view) => {
      const { id, digest, message, of } = carriedNoted(view.private_metadata);
      if (of === 'review') throw new StrangeControl();
      const told = await decide(context, user, of, verdict, id, noteOf(valuesOf(view)), { digest, message });
      return { view: outcomeModal(told.blocks), told };
    });
}

/** What reviewers say of break-glass access. */
function registerGlassReviews(context: SurfaceContext): void {
  onButton(context, ACTIONS.accept, ({ user, value }) => reviewed(context, user, carried(value).id, 'accepted', ''));
  onButton(context, ACTIONS.flag, async ({ value, seen, body }) => {
    const { id } = carried(value);
    const form = noteModal('flag', { id, ...seen(), of: 'review' }, true);
    const { quick } = context.connection;
    await quick.call('views.open', (web) => web.views.open({ trigger_id: body.trigger_id, view: form }));
    return null;
  });
  onSubmit(context, MODALS.flag, async (user, view) => {
    const { id, of } = carriedNoted(view.private_metadata);
    if (of !== 'review') throw new StrangeControl();
    const told = await reviewed(context, user, id, 'flagged', noteOf(valuesOf(view)));
    return { view: outcomeModal(told.blocks), told };
  });
}

/** Buttons that only show something. */
function registerLooks(context: SurfaceContext): void {
  const { useCases } = context;
  onButton(context, ACTIONS.status, ({ user, value }) => inspected(context, user, carried(value).id));
  onButton(context, ACTIONS.look, async ({ user, value }) =>
    reviewMessage(await useCases.status(user, carried(value).id), ''),
  );
  for (const [actionId, stays] of [
    [ACTIONS.showAll, true],
    [ACTIONS.page, false],
  ] as const)
    onButton(
      context,
      actionId,
      async ({ user, value }) => {
        const { id, page } = carried(value);
        return networkMessage(await useCases.status(user, id), page ?? 0);
      },
      stays,
    );
}
