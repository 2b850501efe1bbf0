import { createPost, startAuditWebhook } from '../../adapters/http/audit-webhook.ts';
import type { AuditFeed } from '../../adapters/redis/audit-feed.ts';
import type { Settings } from '../../config/settings.ts';
import type { Service, ServiceLog } from '../service.ts';

/** Delivers the audit to the webhook of the settings, where there is one. */
export function webhookService({
  settings: { auditWebhook },
  feed,
  log,
}: {
  readonly settings: Pick<Settings, 'auditWebhook'>;
  readonly feed: Pick<AuditFeed, 'next'> | null;
  readonly log: ServiceLog;
}): Service {
  let webhook: { stop(): Promise<void> } | null = null;
  return {
    start() {
      if (auditWebhook === null || feed === null) return;
      const { url, secret } = auditWebhook;
      webhook = startAuditWebhook({
        next: (send) => feed.next(send),
        post: createPost({ url: url.reveal(), secret: secret?.reveal() }),
        log,
      });
    },
    async stop() {
      await webhook?.stop();
    },
  };
}
