import { z } from 'zod';
import { Refusal } from '../errors.ts';

/** What a workspace's probe found out before its requester was let in. */

const answer = z.enum(['answers', 'silent', 'unknown']);
const verdict = z.object({ v: z.literal(1), target: answer, canary: answer });

export interface ProbeVerdict {
  /** Whether the target took a TCP connection from the workspace. */
  readonly target: 'answers' | 'silent' | 'unknown';
  /** Whether the canary did, which no policy lets the workspace reach: if so, the cluster enforces none. */
  readonly canary: 'answers' | 'silent' | 'unknown';
}

/** Reads a probe's last words; what is none of its verdicts says nothing. */
export function parseVerdict(text: string): ProbeVerdict {
  try {
    const { target, canary } = verdict.parse(JSON.parse(text));
    return { target, canary };
  } catch {
    return { target: 'unknown', canary: 'unknown' };
  }
}

/**
 * What must be said of a verdict. Null: no probe was run.
 * @throws Refusal under `strict`, unless the canary was silent: what is not known to be confined is not given
 */
export function judgeVerdict(found: ProbeVerdict | null, profile: string, strict: boolean): string[] {
  const canary = found?.canary ?? 'unknown';
  if (strict && canary !== 'silent')
    throw new Refusal(
      `profiles.${profile}.network.strict`,
      canary === 'answers'
        ? `${UNCONFINED} Profile '${profile}' is strict, so no access was given: install a network plugin that enforces them.`
        : `${UNCHECKED} Profile '${profile}' is strict, so no access was given: see that the canary in the workspaces namespace is Ready and that PROBE_IMAGE is set.`,
    );
  return [
    ...(canary === 'answers' ? [`${UNCONFINED} The workspace may reach more than the target.`] : []),
    ...(canary === 'unknown' ? [UNCHECKED] : []),
    ...(found?.target === 'silent'
      ? ['The target did not answer the workspace when it started (TCP); it may be just what is being looked into.']
      : []),
  ];
}

const UNCONFINED =
  'This cluster does not enforce NetworkPolicies: from the workspace a pod answered that no policy lets it reach.';
const UNCHECKED = 'Whether this cluster enforces NetworkPolicies could not be checked.';
