import {
  ACTIONS,
  carried,
  carriedChanges,
  carriedNoted,
  carriedPage,
  carryPage,
  MODALS,
  StrangeControl,
  shownOfAll,
} from '../actions.ts';
import { type Click, onButton } from '../buttons.ts';
import { everythingMessage, listMessage, outcomeMessage } from '../command/messages.ts';
import type { SurfaceContext } from '../context.ts';
import { decide, decided, ended, extended, inspected, reviewed } from '../decisions.ts';
import { onSubmit, openWhenKnown, valuesOf } from '../modals.ts';
import { type Message, note } from '../text/blocks.ts';
import { messageModal, noticeModal } from '../text/modals.ts';
import { unescape } from '../text/text.ts';
import { changedModal, changeModal, changesIn } from './change-modal.ts';
import { detailsModal, networkMessage, reviewMessage } from './message.ts';
import { noteModal, noteOf, outcomeModal } from './note-modal.ts';

/** The buttons of a request's message, which stand under other messages about it, too; and the modal for a note. */
export function registerApprovalMessage(context: SurfaceContext): void {
  registerDecisions(context);
  registerLooks(context);
  registerChanges(context);
  registerGlassReviews(context);
  const { useCases } = context;
  onButton(context, ACTIONS.revoke, async (click) => {
    const { id } = carried(click.value);
    return inItsList(context, click, ended(await useCases.revoke(click.user, id, '')));
  });
  onButton(context, ACTIONS.nudge, async (click) => {
    const view = await useCases.nudge(click.user, carried(click.value).id);
    return inItsList(context, click, outcomeMessage(view, 'The approvers have been reminded.'));
  });
  for (const actionId of [ACTIONS.extend, ACTIONS.extendMore, ACTIONS.extendMost])
    onButton(context, actionId, async (click) => {
      const { id, seconds = null } = carried(click.value);
      return inItsList(context, click, extended(await useCases.extend(click.user, id, seconds)));
    });
}

/** What came of a button that stands in a list: the list as it is now, under it. */
async function inItsList({ useCases }: SurfaceContext, { user, value, on }: Click, told: Message): Promise<Message> {
  if (on !== 'message' || carried(value).list === undefined) return told;
  return listMessage(await useCases.list(user), unescape(told.text));
}

function registerDecisions(context: SurfaceContext): void {
  const { useCases } = context;
  for (const [actionId, verdict, of] of [
    [ACTIONS.approve, 'approve', 'request'],
    [ACTIONS.approveExtension, 'approve', 'extension'],
    [ACTIONS.deny, 'deny', 'request'],
    [ACTIONS.denyExtension, 'deny', 'extension'],
  ] as const)
    onButton(context, actionId, async ({ user, value, seen, on, body }) => {
      const { id, note: words } = carried(value);
      const { digest, message } = seen();
      const rule = words === '' ? await useCases.noteOn(id, verdict) : 'none';
      if (rule === 'none' || rule === 'in the line')
        return decide(context, user, of, verdict, id, words, { digest, message });
      const form = noteModal(verdict, { id, digest, message, of }, rule === 'required');
      // Nobody writes a note in vain.
      const may = useCases.mustBeReviewable(user, id, verdict, of, { digest, message }).then(() => form);
      await openWhenKnown(context, body.trigger_id, may, on);
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

/** Approval with changes: a dialog, what it would make, and the approval of that. */
function registerChanges(context: SurfaceContext): void {
  const { useCases } = context;
  onButton(context, ACTIONS.change, async ({ user, value, seen, body, on }) => {
    const { id } = carried(value);
    const about = { id, ...seen(), of: 'request' } as const;
    const form = async () => {
      await useCases.mustBeReviewable(user, id, 'approve', 'request', about);
      const [view, rule] = await Promise.all([useCases.status(user, id), useCases.noteOn(id, 'approve')]);
      return changeModal(view, about, rule === 'required');
    };
    await openWhenKnown(context, body.trigger_id, form(), on);
    return null;
  });
  onSubmit(context, MODALS.change, async (user, view) => {
    const { id, digest, message } = carriedNoted(view.private_metadata);
    const values = valuesOf(view);
    const asked = await useCases.status(user, id);
    const read = changesIn(values, asked.grant);
    if ('errors' in read) {
      const text = Object.values(read.errors).join(' ');
      return { errors: read.errors, view: noticeModal(text), told: note(text), idle: true };
    }
    const words = noteOf(values);
    const changed = await useCases.considerChanges(user, id, read.changes, words);
    const about = { id, digest, message, note: words, changes: read.changes, shown: changed.digest };
    const unshown = note(`The changes to ${id} could not be shown; nothing has been decided.`);
    return { view: changedModal(asked, changed, about), told: unshown, idle: true };
  });
  onSubmit(context, MODALS.changed, async (user, view) => {
    const { id, digest, message, note: words, changes, shown } = carriedChanges(view.private_metadata);
    const made = await useCases.approveWithChanges(user, id, changes, words, { digest, message }, shown);
    const told = decided(made, 'approve', { digest: shown, message });
    return { view: outcomeModal(told.blocks), told };
  });
}

/** What reviewers say of break-glass access. */
function registerGlassReviews(context: SurfaceContext): void {
  const { useCases } = context;
  onButton(context, ACTIONS.accept, ({ user, value }) => reviewed(context, user, carried(value).id, 'accepted', ''));
  onButton(context, ACTIONS.flag, async ({ user, value, seen, body, on }) => {
    const { id } = carried(value);
    const form = noteModal('flag', { id, ...seen(), of: 'review' }, true);
    const may = useCases.mustBeGlassReviewer(user, id).then(() => form);
    await openWhenKnown(context, body.trigger_id, may, on);
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
  onLook(context, ACTIONS.status, 'Details', ({ user, value }) => inspected(context, user, carried(value).id));
  onLook(context, ACTIONS.look, 'Your decision', async ({ user, value }) =>
    reviewMessage(await useCases.status(user, carried(value).id), ''),
  );
  onButton(context, ACTIONS.details, async ({ user, value, on, body }) => {
    const shown = useCases.status(user, carried(value).id).then(detailsModal);
    await openWhenKnown(context, body.trigger_id, shown, on);
    return null;
  });
  onButton(context, ACTIONS.listPage, async ({ user, value }) =>
    everythingMessage(await useCases.everything(user, carriedPage(value).page)),
  );
  for (const [actionId, stays] of [
    [ACTIONS.showAll, true],
    [ACTIONS.page, false],
  ] as const)
    onButton(
      context,
      actionId,
      async ({ user, value, on, body }) => {
        const { id, page } = carried(value);
        const told = networkMessage(await useCases.status(user, id), page ?? 0);
        if (on === 'message' || !stays) return told;
        await openWhenKnown(context, body.trigger_id, Promise.resolve(messageModal('Network', told)), on);
        return null;
      },
      () => stays,
    );
}

/** A button that shows something: in a modal from Home, which has no place for it; where it is in a list, beside the list. */
function onLook(
  context: SurfaceContext,
  actionId: string,
  title: string,
  look: (click: Click) => Promise<Message>,
): void {
  onButton(
    context,
    actionId,
    async (click) => {
      if (click.on === 'message') return look(click);
      // What is done there draws Home anew, as it is now.
      const { page, which } = shownOfAll(click.body.view?.private_metadata);
      const shown = look(click).then((told) => messageModal(title, told, carryPage(page, which)));
      await openWhenKnown(context, click.body.trigger_id, shown, click.on);
      return null;
    },
    (value) => carried(value).list === true,
  );
}
