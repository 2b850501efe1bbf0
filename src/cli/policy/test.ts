import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { parse } from 'yaml';
import { z } from 'zod';
import { parseCommand } from '../../adapters/slack/surfaces/command/parse.ts';
import { loadPolicy } from '../../config/policy-text.ts';
import { decide } from '../../domain/decide/decide.ts';
import { concluded } from '../../domain/people/people.ts';
import { LONGEST_REASON } from '../../domain/policy/fields/decisions.ts';
import { type Policy, profileNamed } from '../../domain/policy/policy.ts';
import { type Subcommand, UsageError, usage } from '../command.ts';
import { bounded, isJson, OUTPUT, printJson, unanswered } from './output.ts';
import { MEMBERSHIP, membersAmong, personNamed, ticketThatCounts } from './person.ts';

/** What a request comes to: refused, asked of people, or approved by the policy itself. */
const OUTCOMES = ['refused', 'people', 'automatic'] as const;

const casesSchema = z.strictObject({
  cases: z
    .array(
      z.strictObject({
        name: z.string().min(1),
        person: z.string().min(1),
        memberOf: z
          .array(z.string().regex(MEMBERSHIP, 'expected an id that begins with S, C or G, or oncall:NAME'))
          .default([]),
        tickets: z.array(z.string().min(1)).default([]),
        // Without a target the first word of the reason would be taken for one.
        ask: z.string().regex(/^\s*\S+\s+\S/, 'expected <profile>[:<rights>] <target> [duration]'),
        at: z.iso.datetime({ offset: true }).default('1970-01-01T00:00:00Z'),
        expect: z.enum(OUTCOMES),
        approvals: z.int().min(1).optional(),
        rule: z.string().min(1).optional(),
      }),
    )
    .min(1),
});
type Case = z.infer<typeof casesSchema>['cases'][number];

/** What came of a case, in the words in which it may be expected. */
interface Outcome {
  readonly outcome: (typeof OUTCOMES)[number];
  readonly approvals: number;
  readonly rule: string;
  readonly why: string;
}

/** A reason that no profile finds too short. */
const longEnough = (reason: string): string => `${reason} `.padEnd(LONGEST_REASON, 'x');

export const test: Subcommand = {
  summary: 'holds a policy against requests and the decisions that are expected of them',
  help: `Usage: npm run policy -- test POLICY CASES [-o json]

CASES is a YAML file:

  cases:
    - name: on call, a short look needs nobody
      person: ada@example.test          # or a Slack member id
      memberOf: [S0ONCALL01]            # of the user groups and channels that the policy names, and who is on call (oncall:NAME); of no other
      tickets: [OPS-7]                  # tickets that count, which the reason names; may be left out
      ask: view staging 30m             # as after /jit request, without the reason
      at: 2026-11-30T09:00:00+01:00     # when, for conditions of hours; left out: 1970-01-01T00:00:00Z, a Thursday
      expect: automatic                 # or people, or refused
      approvals: 1                      # with people: how many; may be left out
      rule: profiles.view.automatic     # the beginning of the rule that decides; may be left out

Neither Slack nor the cluster is asked: whether a workload exists is not known here, and nobody has had anything today.

  -o json           {"version": 1, "passed": N, "failed": [{"name", "problems": [...]}]}

Exit code: 0 all as expected, 1 another decision, 2 wrong arguments, or a file that can't be read or is bad.

Example: npm run policy -- test policy.example.yaml policy.example.cases.yaml`,

  async run(args, out) {
    const { positionals, values } = usage(() =>
      parseArgs({
        args: [...args],
        allowPositionals: true,
        options: OUTPUT,
      }),
    );
    const [policyFile, casesFile, ...rest] = positionals;
    if (policyFile === undefined || casesFile === undefined || rest.length > 0)
      throw new UsageError('expected a policy file and a file of cases');
    const asJson = isJson(values.output);
    const loaded = await loadPolicy(policyFile);
    const cases = await readCases(casesFile);
    const problems = [...(loaded.ok ? [] : loaded.problems), ...('problems' in cases ? cases.problems : [])];
    if (!loaded.ok || 'problems' in cases) return unanswered(out, asJson, problems);

    const judged = cases.cases.map((one) => ({
      name: one.name,
      problems: differences(one, outcomeOf(loaded.policy, one)),
    }));
    const failed = judged.filter((one) => one.problems.length > 0);
    const passed = judged.length - failed.length;
    if (asJson) printJson(out, { passed, failed });
    else {
      for (const line of bounded(failed.map((one) => `${one.name}: ${one.problems.join('; ')}`))) out.complain(line);
      out.print(`${casesFile}: ${passed} as expected, ${failed.length} not`);
    }
    return failed.length === 0 ? 0 : 1;
  },
};

async function readCases(file: string): Promise<{ cases: readonly Case[] } | { problems: readonly string[] }> {
  try {
    const parsed = casesSchema.safeParse(parse(await readFile(file, 'utf8'), { maxAliasCount: 50 }));
    if (parsed.success) return parsed.data;
    return {
      problems: parsed.error.issues.map(({ path, message }) => `${file}: ${path.join('.') || 'the file'}: ${message}`),
    };
  } catch (error) {
    return { problems: [`${file}: ${error instanceof Error ? error.message : String(error)}`] };
  }
}

function outcomeOf(policy: Policy, { person: who, memberOf, tickets, ask, at }: Case): Outcome {
  const refused = (rule: string, why: string): Outcome => ({ outcome: 'refused', approvals: 0, rule, why });
  const person = personNamed(policy, who);
  if (person === null) return refused('identity', `${who} leads to no single Kubernetes user.`);
  const scopeOf = (name: string) => profileNamed(policy, name)?.scope ?? null;
  const command = parseCommand(`request ${ask} ${tickets.join(' ')} tried by npm run policy`, scopeOf);
  if (command.kind !== 'request')
    return refused('line', 'problem' in command ? command.problem : 'That is no request.');
  const rules = { policy, closedNamespaces: [], now: Date.parse(at) };
  const parties = { requester: person, actor: person };
  const asked = { ...command.ask, reason: longEnough(command.ask.reason) };
  const deciding = decide(rules, { kind: 'request', ask: asked }, parties);
  const decided = concluded(deciding, membersAmong(new Set([...memberOf, ...tickets.map(ticketThatCounts)]), person));
  if (!decided.allowed) return refused(decided.refusal.rule, decided.refusal.message);
  const { approvals, rule } = decided;
  const outcome = approvals === 0 ? 'automatic' : 'people';
  return { outcome, approvals, rule, why: outcome === 'automatic' ? '' : `${approvals} needed` };
}

/** How what came of a case is not what is expected. */
function differences({ expect, approvals, rule }: Case, found: Outcome): string[] {
  const by = `(Rule: ${found.rule})`;
  return [
    ...(found.outcome === expect
      ? []
      : [`expected ${expect}, is ${[found.outcome, found.why, by].filter(Boolean).join(' ')}`]),
    ...(approvals === undefined || approvals === found.approvals
      ? []
      : [`expected ${approvals} approvals, is ${found.approvals}`]),
    ...(rule === undefined || found.rule.startsWith(rule) ? [] : [`expected the rule ${rule}, is ${found.rule}`]),
  ];
}
