import type { App } from '@slack/bolt';
import type { Logger } from 'pino';
import type { UseCases } from '../../../app/ports/use-cases.ts';
import type { SlackConnection } from '../connection.ts';

/** The order of what was done in a modal, among all replicas: the last thing that was done decides what it shows. */
export interface Turns {
  /** Takes the next turn in this modal. */
  take(viewId: string): Promise<number>;
  /** The turn that was taken last. */
  last(viewId: string): Promise<number>;
}

/** What every surface works with: what Slack sends comes in by `app`, and goes to the use cases. */
export interface SurfaceContext {
  readonly app: App;
  readonly useCases: UseCases;
  readonly connection: SlackConnection;
  /** True when this was handled before, by this replica or another. */
  readonly seenBefore: (key: string) => Promise<boolean>;
  readonly turns: Turns;
  readonly log: Logger;
  /** Keeps a handler in mind until it is done, so that a stop can wait for it. */
  readonly track: (work: Promise<void>) => Promise<void>;
}
