import type { ChainedAudit } from '../../adapters/redis/audit.ts';
import type { AuditFeed } from '../../adapters/redis/audit-feed.ts';
import type { Alarms } from '../../app/ports/alarms.ts';
import { every, type Service, type ServiceLog } from '../service.ts';

/** Milliseconds between two looks at the audit chain; its head is printed with each. */
const LOOK_EVERY = 60_000;
/** Seconds that the audit webhook may lag before administrators are told. */
const WEBHOOK_LATE = 900;

/** Keeps the audit chain whole, and sees that the webhook takes it. */
export function auditService({
  alarms,
  audit,
  feed,
  log,
}: {
  readonly alarms: Pick<Alarms, 'raise'>;
  readonly audit: Pick<ChainedAudit, 'start' | 'collect' | 'look' | 'close'>;
  readonly feed: Pick<AuditFeed, 'lag'> | null;
  readonly log: ServiceLog;
}): Service {
  async function look(): Promise<void> {
    await audit.collect();
    await audit.look();
    const lag = (await feed?.lag()) ?? 0;
    if (lag <= WEBHOOK_LATE) return;
    const text = `The audit webhook has not taken an entry that is ${Math.round(lag / 60)} minutes old. The log says why; nothing is lost while Redis keeps it.`;
    await alarms.raise('audit webhook', null, text);
  }
  const couldNotLook = (error: unknown) => log.warn({ err: error }, 'the audit could not be looked at');
  const looks = every(LOOK_EVERY, look, couldNotLook);
  return {
    async start() {
      await audit.start().catch((error: unknown) => log.warn({ err: error }, 'the audit chain could not be begun yet'));
      await look().catch(couldNotLook);
      looks.start();
    },
    async stop() {
      looks.stop();
      await audit.close();
    },
  };
}
