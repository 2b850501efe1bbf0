import type { Alarms } from './alarms.ts';
import type { Audit } from './audit.ts';
import type { Clock } from './clock.ts';
import type { Clusters } from './clusters.ts';
import type { Conditions } from './conditions.ts';
import type { Directory } from './directory.ts';
import type { GrantStore } from './grant-store.ts';
import type { Locks } from './locks.ts';
import type { Notifier } from './notifier.ts';
import type { OnCall } from './on-call.ts';
import type { PolicySource } from './policy-source.ts';
import type { Scheduler } from './scheduler.ts';
import type { Tickets } from './tickets.ts';

/** The world as the app sees it, in domain words: adapters implement these ports, and every method may throw `Unavailable`. */
export interface World {
  readonly clock: Clock;
  readonly policies: PolicySource;
  readonly store: GrantStore;
  readonly locks: Locks;
  readonly scheduler: Scheduler;
  readonly notifier: Notifier;
  readonly directory: Directory;
  readonly onCall: OnCall;
  readonly tickets: Tickets;
  readonly audit: Audit;
  readonly clusters: Clusters;
  readonly alarms: Alarms;
  readonly conditions: Pick<Conditions, 'hindrance' | 'doubt'>;
}
