import { Refusal } from '../../domain/errors.ts';
import { isAdministrator } from '../../domain/grant/reading.ts';
import type { GrantId } from '../../domain/ids.ts';
import { inParallel } from '../common/in-parallel.ts';
import { runCommand } from '../people/command.ts';
import { matching } from '../people/which.ts';
import { answering, personBehind } from '../people/who.ts';
import type { EndedAll, Which } from '../ports/use-cases.ts';
import type { World } from '../ports/world.ts';
import { endAccess } from './end.ts';

/** So many are ended at once: each is a few steps of Redis. */
const WIDTH = 8;
/** Of so many that could not be ended it is said why. */
const SAID = 5;

/**
 * Ends and withdraws all that matches now: looked up anew, decided and audited each as by hand. What fails keeps nothing else; pressed again, it
 * ends what is left.
 * @throws Refusal for who is no administrator, and where neither a person nor a namespace is said
 */
export async function endAll(world: World, slackId: string, which: Which): Promise<EndedAll> {
  const actor = await personBehind(world, slackId);
  if (!(await answering(world, isAdministrator(world.policies.current(), actor))))
    throw new Refusal('administrators', 'Only administrators end all of a person or a namespace.');
  if (which.person === undefined && which.namespace === undefined)
    throw new Refusal('which', 'All is ended of a person or a namespace only.', 'Filter by one first.');
  const isMeant = await matching(world, which);
  const note = noteOn(which);
  const came = { ended: 0, withdrawn: 0, failures: 0, failed: [] as { id: GrantId; error: unknown }[] };
  const endOne = async ({ id }: { readonly id: GrantId }) => {
    try {
      const doing = { by: slackId, doing: 'revoke', id };
      const { state } = await runCommand(world, doing, (w) => endAccess(w, slackId, id, note));
      if (state === 'cancelled') came.withdrawn++;
      else came.ended++;
    } catch (error) {
      // It has ended meanwhile, by whomever.
      if (error instanceof Refusal && (error.rule === 'state' || error.rule === 'id')) return;
      came.failures++;
      if (came.failed.length < SAID) came.failed.push({ id, error });
    }
  };
  // One may come twice.
  const tried = new Set<GrantId>();
  const isNew = (id: GrantId) => !tried.has(id) && tried.add(id);
  for await (const portion of world.store.summaries())
    await inParallel(
      portion.filter((summary) => summary.state !== 'ending' && isMeant(summary) && isNew(summary.id)),
      WIDTH,
      endOne,
    );
  return came;
}

/** What the record of each says, and its requester reads. */
function noteOn({ person, namespace, cluster }: Which): string {
  const where = [
    ...(namespace === undefined ? [] : [`in namespace ${namespace}`]),
    ...(cluster === undefined ? [] : [`in cluster ${cluster}`]),
  ].join(' ');
  return `Everything ${[person === undefined ? '' : 'of this person', where].filter(Boolean).join(' ')} was ended at once.`;
}
