import { auditKeys, KEEP_ENTRIES, readLines } from '../../adapters/redis/audit-stream.ts';
import { connectRedis } from '../../adapters/redis/connection.ts';
import { describeProblems, loadAuditSettings } from '../../config/settings.ts';
import {
  type ChainProblem,
  createAuditChain,
  createVerifier,
  formatHead,
  type Head,
  type Link,
  type Verification,
} from '../../domain/audit/chain.ts';
import { type Output, UsageError } from '../command.ts';

/** What both subcommands need, for their help. */
export const SETTINGS_HELP = `Reads the settings REDIS_URL, INSTANCE and SEAL_KEY from the environment or from .env; neither the bot nor a cluster is
needed. SEAL_KEY must hold every key that signed what is still kept: give retired ones behind the others.
Exit code: 0 good, 1 something is wrong with the audit, 2 wrong arguments or settings, 3 Redis can't be reached.`;

/**
 * Reads the whole chain, oldest first, and gives each sound entry to `each`.
 * @returns what is wrong with it, or the exit code when it can't be read (said through `out`)
 */
export async function readChain(
  env: NodeJS.ProcessEnv,
  out: Output,
  heads: readonly Head[],
  each: (link: Link, line: string) => void,
): Promise<Verification | { readonly exitCode: number }> {
  const loaded = loadAuditSettings(env);
  if (!loaded.ok) throw new UsageError(describeProblems(loaded.problems));
  const { redis, instance, sealKeys } = loaded.settings;
  const chain = createAuditChain({ keys: sealKeys.reveal(), instance });
  const verifier = createVerifier(chain, KEEP_ENTRIES);
  const quiet = () => {};
  try {
    const client = await connectRedis(redis.reveal(), {
      role: 'requests',
      startTimeout: 5000,
      log: { info: quiet, warn: quiet, error: quiet },
    });
    try {
      for await (const { line } of readLines(client, auditKeys(instance).stream)) {
        const link = verifier.take(line);
        if (link !== null) each(link, line);
      }
    } finally {
      client.disconnect();
    }
  } catch (error) {
    out.complain(`the audit can't be read: ${error instanceof Error ? error.message : String(error)}`);
    return { exitCode: 3 };
  }
  return verifier.finish(heads);
}

/** What was read and what is wrong with it, a line each, and the exit code for it. */
export function report({ count, first, last, problems }: Verification): {
  readonly exitCode: 0 | 1;
  readonly lines: readonly string[];
} {
  const wrong = problems.map(describe);
  if (first === null || last === null) {
    const why = 'another INSTANCE, another SEAL_KEY, a bot that never started, or a Redis that was emptied';
    return { exitCode: 1, lines: [`there is no sound entry: ${why}`, ...wrong] };
  }
  const good = problems.length === 0;
  return {
    exitCode: good ? 0 : 1,
    lines: [
      `${count} entries, seq ${first.seq} (${first.at}) to seq ${last.seq} (${last.at})`,
      ...(first.event === 'chain-began' ? [`the chain began then: ${String(first.fields['note'])}`] : []),
      `head ${formatHead(last)}`,
      ...wrong,
      good ? 'good: nothing is missing, changed or out of order' : `bad: ${problems.length} found`,
    ],
  };
}

function describe({ seq, what }: ChainProblem): string {
  return seq === null ? `an entry without a number ${what}` : `seq ${seq} ${what}`;
}
