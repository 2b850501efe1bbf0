import { Refusal } from '../../domain/errors.ts';
import type { Grant } from '../../domain/grant/grant.ts';
import { mayRead, type OpenAccess, openAccess } from '../../domain/grant/reading.ts';
import type { GrantId } from '../../domain/ids.ts';
import type { World } from '../ports/world.ts';
import { answering, personBehind } from './who.ts';

/**
 * What this person may see of a grant. Whoever may know nothing of it is told the same as where there is none: ids are short, and can be guessed.
 * @throws Refusal also when the account may not act
 */
export async function seenBy(
  world: World,
  slackId: string,
  id: GrantId,
): Promise<{ readonly grant: Grant } | { readonly access: OpenAccess }> {
  const person = await personBehind(world, slackId);
  const grant = await world.store.get(id);
  if (grant !== null && (await answering(world, mayRead(world.policies.current(), grant, person), 'recently')))
    return { grant };
  const access = grant === null ? null : openAccess(grant);
  if (access === null)
    throw new Refusal('id', `There is no request or grant ${id} that you may see.`, '`/jit list` shows yours.');
  return { access };
}
