import type { Conditions, Lack } from '../../app/ports/conditions.ts';
import type { PolicyFile } from '../../config/policy-file.ts';
import type { Service, ServiceLog } from '../service.ts';

const POLICY_FILE = { name: 'policy file', severity: 'degraded' } as const;
/** How many problems of a policy file administrators are told. */
const MOST_PROBLEMS = 5;

/** Follows the policy file: what is needed depends on it, and a bad one is told. */
export function policyFileService({
  policies,
  conditions,
  log,
}: {
  readonly policies: Pick<PolicyFile, 'current' | 'follow' | 'close'>;
  readonly conditions: Pick<Conditions, 'report' | 'tend'>;
  readonly log: ServiceLog;
}): Service {
  return {
    start() {
      if (policies.current().identity.confirmedBy === 'workspace')
        log.info(
          {},
          "e-mail addresses of members count as confirmed by the workspace's single sign-on (identity.confirmedBy)",
        );
      policies.follow({
        onChange: () => void conditions.tend(true),
        onProblems: (problems) => conditions.report(POLICY_FILE, lackOfPolicy(problems)),
      });
    },
    stop: () => policies.close(),
  };
}

function lackOfPolicy(problems: readonly string[]): Lack | null {
  if (problems.length === 0) return null;
  const more = problems.length > MOST_PROBLEMS ? [`and ${problems.length - MOST_PROBLEMS} more`] : [];
  return {
    lacks: 'the policy file is bad, so the last good one stays in force',
    todo: 'Mend it: the log has all that is wrong, and so has `npm run policy -- check`.',
    detail: [...problems.slice(0, MOST_PROBLEMS), ...more].join('\n'),
  };
}
