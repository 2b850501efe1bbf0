import type { Which } from '../../../../app/ports/use-cases.ts';
import { carryPage } from '../actions.ts';
import type { SurfaceContext } from '../context.ts';
import { noticeHome } from '../text/modals.ts';
import { sayError } from '../text/say.ts';
import { homeView } from './view.ts';

/**
 * Draws the Home of one person anew, as that person may see it now. Never throws: what was done counts, drawn or not.
 * @param said what came of the button that was pressed last
 * @param page of what matches `which` of everything, for administrators
 */
export async function publishHome(
  { useCases, connection, log }: SurfaceContext,
  user: string,
  { said = '', page = 0, which = {} }: { readonly said?: string; readonly page?: number; readonly which?: Which } = {},
): Promise<void> {
  const view = await useCases
    .home(user, page, which)
    .then((home) => homeView(home, said))
    .catch((error: unknown) => ({
      ...noticeHome([said, sayError(error, 'home', log).text].filter(Boolean).join(' ')),
      private_metadata: carryPage(page, which),
    }));
  await connection.quick
    .call('views.publish', (web) => web.views.publish({ user_id: user, view }))
    .catch((error: unknown) => log.warn({ err: error }, 'a Home could not be drawn'));
}
