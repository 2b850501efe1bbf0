import { HOME_OPENED } from '../../manifest.ts';
import { ACTIONS, carried, carriedPage, carriedProfile, SHORTCUT } from '../actions.ts';
import { answer, answeringErrors, isRepeated } from '../answers.ts';
import { onButton } from '../buttons.ts';
import type { SurfaceContext } from '../context.ts';
import { NOTHING_CHOSEN } from '../form/choice.ts';
import { openForm } from '../form/handlers.ts';
import { choiceToAsk } from '../form/modal.ts';
import type { Message } from '../text/blocks.ts';
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
    await publishHome(context, user, { page: carriedPage(value) });
    return null;
  });
}
