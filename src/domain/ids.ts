import { randomInt } from 'node:crypto';

/** Letters and digits that can't be mistaken for one another when read aloud: no i, l, o, u, 0, 1. */
const ALPHABET = 'abcdefghjkmnpqrstvwxyz23456789';
const LENGTH = 6;
const ID = new RegExp(`^g-[${ALPHABET}]{${LENGTH}}$`);

/** The id of a grant, such as `g-7k3fq2`: the same in Slack, in labels, in logs and in the audit. */
export type GrantId = string;

/** A new random id (about 29 bits: whoever stores it must refuse one that is taken). */
export function newGrantId(): GrantId {
  let id = 'g-';
  for (let i = 0; i < LENGTH; i++) id += ALPHABET[randomInt(ALPHABET.length)];
  return id;
}

export function isGrantId(text: string): text is GrantId {
  return ID.test(text);
}
