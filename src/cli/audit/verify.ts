import { parseArgs } from 'node:util';
import { parseHead } from '../../domain/audit/chain.ts';
import { type Subcommand, UsageError, usage } from '../command.ts';
import { readChain, report, SETTINGS_HELP } from './chain.ts';

export const verify = (env: NodeJS.ProcessEnv): Subcommand => ({
  summary: 'says whether the audit is whole, in order and unchanged',
  help: `Usage: npm run audit -- verify [--head SEQ:MAC]...

Recomputes the chain of the audit in Redis and names every entry that is changed, forged, missing, out of order or there twice.
A cut end, or a Redis that was emptied and filled anew, shows only against a head that was kept elsewhere: the bot prints
one each minute on stdout ("auditHead":"SEQ:MAC"), and each line of the audit is one ("seq", "mac"). Give the newest.

  --head SEQ:MAC   must be in the chain; may be given more than once

${SETTINGS_HELP}

Example: npm run audit -- verify --head 812:Xk3v...`,

  async run(args, out) {
    const { values } = usage(() =>
      parseArgs({ args: [...args], options: { head: { type: 'string', multiple: true, default: [] } } }),
    );
    const heads = values.head.map((text) => {
      const head = parseHead(text);
      if (head === null) throw new UsageError(`--head ${text}: expected SEQ:MAC as it was printed`);
      return head;
    });
    const found = await readChain(env, out, heads, () => {});
    if ('exitCode' in found) return found.exitCode;
    const { exitCode, lines } = report(found);
    if (exitCode === 0) out.print(lines.join('\n'));
    else out.complain(lines.join('\n'));
    return exitCode;
  },
});
