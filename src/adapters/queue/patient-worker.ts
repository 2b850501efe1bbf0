import { setTimeout as sleep } from 'node:timers/promises';
import { type Job, Worker } from 'bullmq';

/** Milliseconds before a Redis that said no is asked for the next job again. */
const PAUSE = 500;
/** The longest time that a worker waits for a sign of Redis before it looks for what is due: seconds. */
const LONGEST_WAIT = 2;

/**
 * A worker that bears a Redis which refuses (out of memory, read-only, no replicas). BullMQ's own asks for the next job without a pause then,
 * as fast as Redis says no. And it forgets when the next job is due, which it looks up when nothing has come for ten seconds: every one of
 * them would be a grant that ends late.
 */
export class PatientWorker extends Worker {
  override get maximumBlockTimeout(): number {
    return LONGEST_WAIT;
  }

  protected override async moveToActive(token: string, name?: string): Promise<Job> {
    try {
      return await super.moveToActive(token, name);
    } catch (error) {
      if (this.closing === undefined) await sleep(PAUSE);
      throw error;
    }
  }
}
