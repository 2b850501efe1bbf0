import { HOME_OPENED } from '../../manifest.ts';
import { ACTIONS, carried, carriedAllToEnd, carriedPage, carriedProfile, MODALS, SHORTCUT } from '../actions.ts';
import { answer, answeringErrors, isRepeated } from '../answers.ts';
import { onButton } from '../buttons.ts';
import type { SurfaceContext } from '../context.ts';
import { NOTHING_CHOSEN } from '../form/choice.ts';
import { openForm } from '../form/handlers.ts';
import { choiceToAsk } from '../form/modal.ts';
import { onSubmit, openWhenKnown, valuesOf } from '../modals.ts';
import { type Message, note } from '../text/blocks.ts';
import { noticeModal } from '../text/modals.ts';
import { sayError } from '../text/say.ts';
import { endedAll, filterIn, filterModal } from './filter.ts';
import { publishHome } from './publish.ts';

/** The Home of the bot, its own buttons, and the shortcut that opens the form from anywhere. */
export function registerHome(context: SurfaceContext): void {
  const { app, track, useCases } = context;
  app.event(HOME_OPENED, ({ event }) =>
    track(event.tab === 'home' ? publishHome(context, event.user) : Promise.resolve()),
  );
  app.shortcut(SHORTCUT, ({ ack, body }) =>
    track(
      (async () => {
        await ack();
        const user = body.user.id;
        const tell = (words: Message) => answer(context, { user, channel: undefined, respond: undefined }, words);
        await answeringErrors(context, 'shortcut', user, tell, async () => {
          if (await isRepeated(context, 'shortcut', body.trigger_id)) return;
          await openForm(context, { trigger_id: body.trigger_id, user_id: body.user.id });
        });
      })(),
    ),
  );
  onButton(context, ACTIONS.ask, async ({ user, value, body }) => {
    const chosen = carriedProfile(value);
    await openForm(context, { trigger_id: body.trigger_id, user_id: user }, { ...NOTHING_CHOSEN, ...chosen });
    return null;
  });
  onButton(context, ACTIONS.again, async ({ user, value, body }) => {
    const { id } = carried(value);
    await openForm(context, { trigger_id: body.trigger_id, user_id: user }, async () =>
      choiceToAsk(await useCases.again(user, id)),
    );
    return null;
  });
  onButton(context, ACTIONS.homePage, async ({ user, value }) => {
    await publishHome(context, user, carriedPage(value));
    return null;
  });
  registerEverything(context);
}

/** Which of everything an administrator sees, and the end of all of it. */
function registerEverything(context: SurfaceContext): void {
  const { useCases, log } = context;
  onButton(context, ACTIONS.homeFilter, async ({ user, value, body, on }) => {
    const { which } = carriedPage(value);
    const form = useCases.everything(user, 0, which).then(({ clusters }) => filterModal(which, clusters));
    await openWhenKnown(context, body.trigger_id, form, on);
    return null;
  });
  onSubmit(context, MODALS.filter, async (user, view) => {
    const read = filterIn(valuesOf(view));
    const text = 'errors' in read ? Object.values(read.errors).join(' ') : 'Home shows what matches.';
    if (!('errors' in read)) await publishHome(context, user, read);
    const outcome = { view: noticeModal(text), told: note(text), idle: true };
    return 'errors' in read ? { ...outcome, errors: read.errors } : { ...outcome, closes: true };
  });
  onButton(context, ACTIONS.homeEndAll, async ({ user, value }) => {
    const came = await useCases.endAll(user, carriedAllToEnd(value));
    return note(endedAll(came, (error) => sayError(error, 'end all', log).text));
  });
}
