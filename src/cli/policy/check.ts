import { parseArgs } from 'node:util';
import { loadPolicy } from '../../config/policy-file.ts';
import { type Subcommand, UsageError, usage } from '../command.ts';
import { isJson, OUTPUT, printJson } from './output.ts';

export const check: Subcommand = {
  summary: 'says whether a policy file is good, and what is wrong with it',
  help: `Usage: npm run policy -- check FILE [-o json]

Prints every problem with file, line, column and what is allowed there.
  -o json           {"version": 1, "good": true | false, "profiles": [...], "problems": [...]}

Exit code: 0 good, 1 bad, 2 wrong arguments.

Example: npm run policy -- check policy.example.yaml`,

  async run(args, out) {
    const { positionals, values } = usage(() =>
      parseArgs({
        args: [...args],
        allowPositionals: true,
        options: OUTPUT,
      }),
    );
    const [file, ...rest] = positionals;
    if (file === undefined || rest.length > 0) throw new UsageError('expected one policy file');
    const asJson = isJson(values.output);
    const result = await loadPolicy(file);
    if (asJson) {
      const profiles = result.ok ? Object.keys(result.policy.profiles) : [];
      printJson(out, { good: result.ok, profiles, problems: result.ok ? [] : result.problems });
      return result.ok ? 0 : 1;
    }
    if (!result.ok) {
      for (const problem of result.problems) out.complain(problem);
      out.complain(`${file}: ${result.problems.length} ${result.problems.length === 1 ? 'problem' : 'problems'}`);
      return 1;
    }
    out.print(`${file}: good, profiles: ${Object.keys(result.policy.profiles).join(', ')}`);
    return 0;
  },
};
