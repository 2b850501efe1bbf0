import type { GrantId } from '../../domain/ids.ts';

/** `tampering`: somebody else has changed or imitated what Drawbridge makes. */
export const ALARM_SUBJECTS = ['tampering', 'other'] as const;

export type AlarmSubject = (typeof ALARM_SUBJECTS)[number];

/** What administrators are told: that something is wrong on which a person must act. */
export interface Alarms {
  /**
   * Once an hour for each `key`, among all replicas. Never throws: what the queue does not take now it is given by `settle`.
   * @param about default: `other`
   */
  raise(key: string, id: GrantId | null, text: string, about?: AlarmSubject): Promise<void>;
  /** What was raised under this key is over: when it comes again, it is told again. */
  over(key: string): Promise<void>;
  /** Tries again what the queue has not taken. Never throws. */
  settle(): Promise<void>;
}
