import { Refusal } from '../errors.ts';
import type { Profile } from '../policy/policy.ts';

/** The longest note on a decision: a button's value (2000 characters) holds it, and a message shows it whole. */
export const LONGEST_NOTE = 300;

export type Verdict = 'approve' | 'deny';
/** Whether a decision takes a note. `in the line`: it may have one, and nobody is asked for it. */
export type NoteRule = 'optional' | 'required' | 'none' | 'in the line';

export function noteRule({ approval }: Profile, verdict: Verdict): NoteRule {
  return approval.note[verdict] ?? 'in the line';
}

/**
 * Why a decision does not count with this note, or without one; null: it does.
 * @param name of the profile
 */
export function whyNotNote(name: string, profile: Profile, verdict: Verdict, note: string): Refusal | null {
  const rule = noteRule(profile, verdict);
  const path = `profiles.${name}.approval.note.${verdict}`;
  const decision = verdict === 'approve' ? 'an approval' : 'a denial';
  const isThere = note.trim() !== '';
  if (rule === 'none' && isThere)
    return new Refusal(path, `Profile '${name}' takes no note with ${decision}.`, 'Decide without a note.');
  if (rule === 'required' && !isThere)
    return new Refusal(
      path,
      `Profile '${name}' needs a note with ${decision}.`,
      `Say why in a few words: in the field of the button, or as in \`/jit ${verdict} ID because\`.`,
    );
  if (note.length > LONGEST_NOTE)
    return new Refusal(
      'note',
      `The note has ${note.length} characters, ${LONGEST_NOTE} are taken.`,
      'Shorten it; put details into a ticket.',
    );
  return null;
}
