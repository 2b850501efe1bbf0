import { type OpsServer, startOps } from '../../adapters/http/ops.ts';
import type { Service } from '../service.ts';

/** Answers the platform. It begins before all else and ends after it, so that a long start and a long end can be watched. */
export function opsService(options: Parameters<typeof startOps>[0]): Service & { port(): number } {
  let server: OpsServer | null = null;
  return {
    /** Known once it has started. */
    port: () => server?.port ?? options.port,
    async start() {
      server = await startOps(options);
    },
    async stop() {
      await server?.close();
    },
  };
}
