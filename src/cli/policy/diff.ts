import { parseArgs } from 'node:util';
import { loadPolicy } from '../../config/policy-text.ts';
import { changesOfPolicy, type Effect, type PolicyChange } from '../../domain/policy/changes.ts';
import { type Subcommand, UsageError, usage } from '../command.ts';
import { bounded, isJson, OUTPUT, printJson, unanswered } from './output.ts';

const TITLES: Readonly<Record<Effect, string>> = {
  weaker: 'Weaker: somebody gains, or a decision takes less',
  unclear: 'Another, to be looked at',
  stricter: 'Stricter: somebody loses, or a decision takes more',
};

export const diff: Subcommand = {
  summary: 'says who gains and who loses by another policy, and which decision becomes weaker',
  help: `Usage: npm run policy -- diff OLD NEW [--markdown | -o json]

Compares what two policies mean. Who is in a Slack group or channel, and what a named role holds, is not looked up.

  --markdown        for the text of a pull request
  -o json           {"version": 1, "changes": [{"where", "effect": "weaker" | "unclear" | "stricter", "words"}]}

Exit code: 0 nothing is weaker or unclear, 1 something is, 2 wrong arguments, or a policy that can't be read or is bad.

Example: npm run policy -- diff policy.yaml policy.new.yaml`,

  async run(args, out) {
    const { positionals, values } = usage(() =>
      parseArgs({
        args: [...args],
        allowPositionals: true,
        options: {
          ...OUTPUT,
          markdown: { type: 'boolean', default: false },
        },
      }),
    );
    const [oldFile, newFile, ...rest] = positionals;
    if (oldFile === undefined || newFile === undefined || rest.length > 0)
      throw new UsageError('expected two policy files');
    const asJson = isJson(values.output);
    const [old, now] = await Promise.all([loadPolicy(oldFile), loadPolicy(newFile)]);
    if (!old.ok || !now.ok)
      return unanswered(
        out,
        asJson,
        [old, now].flatMap((result) => (result.ok ? [] : result.problems)),
      );
    const changes = changesOfPolicy(old.policy, now.policy);
    if (asJson) printJson(out, { changes });
    else out.print(described(changes, values.markdown));
    return changes.some(({ effect }) => effect !== 'stricter') ? 1 : 0;
  },
};

function described(changes: readonly PolicyChange[], markdown: boolean): string {
  if (changes.length === 0) return 'Nothing changes in who gets what, or by whose decision.';
  const [title, line] = markdown
    ? [(text: string) => `### ${text}\n`, ({ where, words }: PolicyChange) => `- ${quoted(where)}: ${quoted(words)}`]
    : [(text: string) => text, ({ where, words }: PolicyChange) => `  ${where}: ${words}`];
  return (Object.keys(TITLES) as Effect[])
    .map((effect) => ({ effect, found: changes.filter((change) => change.effect === effect) }))
    .filter(({ found }) => found.length > 0)
    .map(({ effect, found }) => [title(TITLES[effect]), ...bounded(found.map(line))].join('\n'))
    .join('\n\n');
}

/** As code, so that nothing in a policy is taken for Markdown. */
const quoted = (text: string): string => `\`${text.replaceAll('`', "'").replaceAll(/\s+/g, ' ')}\``;
