import { setTimeout as sleep } from 'node:timers/promises';
import type { BlockSuggestion } from '@slack/bolt';
import type { Offer } from '../../../../app/ports/use-cases.ts';
import { Refusal } from '../../../../domain/errors.ts';
import { ACTIONS, carriedForm, type FormShown, StrangeControl } from '../actions.ts';
import type { SurfaceContext } from '../context.ts';
import {
  NOTHING,
  type Suggestions,
  suggestedDurations,
  suggestedNamespaces,
  suggestedTargets,
  toSlack,
  typedTarget,
} from './suggestions.ts';

/** Slack waits three seconds for suggestions: what comes later is of no use. */
const SUGGESTION_PATIENCE = 2500;

type Suggest = (
  context: SurfaceContext,
  user: string,
  offer: Offer,
  shown: FormShown,
  typed: string,
) => Suggestions | Promise<Suggestions>;

/**
 * Answers fields of the form while somebody types. What was chosen in the form comes from the form itself, and is judged anew by what is offered to
 * this person now: for a profile or namespace that is not among it nothing is suggested.
 */
export function registerSuggestions(context: SurfaceContext): void {
  onSuggest(context, ACTIONS.namespace, (_context, _user, offer, _shown, typed) => suggestedNamespaces(offer, typed));
  onSuggest(context, ACTIONS.duration, (_context, _user, offer, _shown, typed) => suggestedDurations(offer, typed));
  onSuggest(context, ACTIONS.target, targets);
}

function onSuggest(context: SurfaceContext, actionId: string, suggest: Suggest): void {
  const { app, track, log } = context;
  app.options<'block_suggestion'>({ type: 'block_suggestion', action_id: actionId }, ({ ack, body }) =>
    track(
      (async () => {
        const found = suggestions(context, body, suggest).catch(async (error: unknown) => {
          if (error instanceof StrangeControl) await context.useCases.turnAway(body.user.id, actionId, error);
          else if (!(error instanceof Refusal)) log.warn({ err: error, actionId }, 'nothing can be suggested');
          return NOTHING;
        });
        await ack(toSlack(await Promise.race([found, sleep(SUGGESTION_PATIENCE, NOTHING)])));
      })(),
    ),
  );
}

async function suggestions(context: SurfaceContext, body: BlockSuggestion, suggest: Suggest): Promise<Suggestions> {
  const shown = carriedForm(body.view?.private_metadata);
  const offer = (await context.useCases.offers(body.user.id, 'recently')).find(
    ({ profile, cluster }) => profile === shown.profile && cluster === (shown.cluster ?? null),
  );
  return offer === undefined ? NOTHING : suggest(context, body.user.id, offer, shown, body.value);
}

async function targets(
  { useCases, log }: SurfaceContext,
  user: string,
  { profile, cluster, scope, namespaces }: Offer,
  { namespace }: FormShown,
  typed: string,
): Promise<Suggestions> {
  if (scope !== 'workload' || namespace === null || !namespaces.includes(namespace)) return NOTHING;
  try {
    return suggestedTargets(await useCases.workloads(user, profile, cluster, namespace), typed);
  } catch (error) {
    if (error instanceof Refusal) throw error;
    log.warn({ err: error, namespace }, 'workloads can not be listed');
    return typedTarget(typed);
  }
}
