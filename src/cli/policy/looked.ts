import type { Finding } from '../../domain/policy/findings.ts';

/** How many people may, as Slack and the policy have it now, without whom `deny` names and without who is on call. */
export interface People {
  readonly mayAsk: number;
  readonly mayApprove: number;
}

/** What a look at something outside of the file found. */
export type Looked =
  | { readonly ok: true; readonly findings: readonly Finding[]; readonly people?: Readonly<Record<string, People>> }
  | { readonly ok: false; readonly problems: readonly string[] };
