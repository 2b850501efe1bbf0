import type { types } from '@slack/bolt';
import type { UseCases } from '../../../../app/ports/use-cases.ts';
import { ACTIONS, carried } from '../actions.ts';
import { onButton } from '../buttons.ts';
import type { SurfaceContext } from '../context.ts';
import { showView } from '../modals.ts';
import { section } from '../text/blocks.ts';
import { frame, loadingModal, noticeModal } from '../text/modals.ts';
import { sayError } from '../text/say.ts';
import { code, LIMITS, moment, wholeBlock } from '../text/text.ts';

/** The token of a grant by token: in a modal, which only the person who pressed the button sees, and nowhere else. */

/** A trigger id lives for three seconds and a token may take longer: first an empty modal, then the token. */
export function registerToken(context: SurfaceContext): void {
  const { useCases, connection, log } = context;
  onButton(context, ACTIONS.token, async ({ user, value, body }) => {
    const { id } = carried(value);
    const { quick } = connection;
    const opened = await quick.call('views.open', (web) =>
      web.views.open({ trigger_id: body.trigger_id, view: loadingModal() }),
    );
    const viewId = opened.view?.id;
    if (viewId === undefined) return null;
    const shown = await useCases
      .takeToken(user, id)
      .then(tokenModal)
      .catch((error: unknown) => noticeModal(sayError(error, 'take a token', log).text));
    await showView(context, viewId, shown);
    return null;
  });
}

export function tokenModal({
  view: { grant },
  token,
  expiresAt,
}: Awaited<ReturnType<UseCases['takeToken']>>): types.ModalView {
  const text = token.reveal();
  if (text.length > LIMITS.section - 100)
    return noticeModal('The token of this cluster is too long for Slack: it can not be shown. Tell an administrator.');
  return frame('Your token', [
    section(
      `For ${code(grant.id)}, until ${moment(expiresAt)} or until the access ends. Only you see this; it is stored nowhere. Close this when you have it: the button gives another one.`,
    ),
    section(wholeBlock(text)),
    section('Put it into your kubeconfig where it says so. Whoever has it has the access.'),
  ]);
}
