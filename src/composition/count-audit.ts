import type { Metrics } from '../adapters/telemetry/metrics.ts';
import { ALARM_SUBJECTS } from '../app/ports/alarms.ts';
import { type AuditEntry } from '../app/ports/audit.ts';

/** Counts what an entry of the audit tells. */
export function countAudit(
  metrics: Pick<Metrics, 'decided' | 'revoked' | 'alarmed'>,
  {
    event,
    actor,
    rule,
    profile = 'none',
    lateness = 0,
  }: Pick<AuditEntry, 'event' | 'actor' | 'rule' | 'profile' | 'lateness'>,
): void {
  const by = actor === null ? 'policy' : 'person';
  switch (event) {
    case 'approval':
      return metrics.decided(profile, 'approved', by);
    case 'denied':
    case 'refused':
    case 'timed-out':
    case 'cancelled':
      return metrics.decided(profile, event, by);
    case 'expired':
    case 'revoked':
    case 'failed':
      return metrics.revoked(profile, event, lateness / 1000);
    case 'alarm':
      return metrics.alarmed(ALARM_SUBJECTS.find((subject) => subject === rule) ?? 'other');
    default:
  }
}
