import { parseArgs } from 'node:util';
import { loadPolicy } from '../../config/policy-text.ts';
import { type Finding, findingsOf } from '../../domain/policy/findings.ts';
import type { Policy } from '../../domain/policy/policy.ts';
import { environment, type Output, type Subcommand, UsageError, usage } from '../command.ts';
import { type BotAccount, checkCluster } from './check-cluster.ts';
import { checkSlack } from './check-slack.ts';
import type { Looked, People } from './looked.ts';
import { bounded, isJson, OUTPUT, printJson, unanswered } from './output.ts';

const MOST_NAMES = 20;

export const check: Subcommand = {
  summary: 'says whether a policy file is good, and what is wrong with it',
  help: `Usage: npm run policy -- check FILE [--kubeconfig FILE [--context NAME] [--bot NAMESPACE/NAME]] [--slack] [-o json]

Prints every problem with file, line, column and what is allowed there; notes say what may not be meant.

  --kubeconfig FILE     also: the namespaces and roles that profiles name are in this cluster, and the bot may give
                        what they give. Only read, and the API server is asked what the bot may do. Each cluster that
                        the policy names is looked at by its own context, with the profiles that are for it
  --context NAME        another context of the kubeconfig than its current one, for the cluster that the policy
                        gives none
  --bot NAMESPACE/NAME  the service account of the bot there; default: drawbridge/drawbridge
  --slack               also: the people, user groups and channels are in Slack, the bot is in the channels, and how
                        many may ask and approve now (sources of who is on call are not asked). Takes
                        SLACK_BOT_TOKEN from the environment or .env; posts nothing
  -o json               {"version": 1, "good": true | false, "profiles": [...], "problems": [...], "notes": [...]}, and
                        with --slack "people": {PROFILE: {"mayAsk": N, "mayApprove": N}}

Exit code: 0 good, 1 something is wrong, 2 wrong arguments, or the file, the cluster or Slack can't be read.

Examples:
  npm run policy -- check policy.example.yaml
  npm run policy -- check policy.yaml --kubeconfig ~/.kube/config --context prod --slack`,

  async run(args, out) {
    const { positionals, values } = usage(() =>
      parseArgs({
        args: [...args],
        allowPositionals: true,
        options: {
          ...OUTPUT,
          kubeconfig: { type: 'string' },
          context: { type: 'string' },
          bot: { type: 'string' },
          slack: { type: 'boolean', default: false },
        },
      }),
    );
    const [file, ...rest] = positionals;
    if (file === undefined || rest.length > 0) throw new UsageError('expected one policy file');
    const { kubeconfig, context } = values;
    for (const option of ['context', 'bot'] as const)
      if (values[option] !== undefined && kubeconfig === undefined)
        throw new UsageError(`--${option} goes with --kubeconfig`);
    const bot = botNamed(values.bot ?? 'drawbridge/drawbridge');
    const asJson = isJson(values.output);

    const loaded = await loadPolicy(file);
    if (!loaded.ok) {
      if (loaded.isUnread) return unanswered(out, asJson, loaded.problems);
      return tell(out, asJson, { file, profiles: [], problems: loaded.problems, notes: [] });
    }
    const { policy, at } = loaded;
    const looks: ((policy: Policy) => Promise<Looked>)[] = [
      ...(kubeconfig === undefined ? [] : [(one: Policy) => checkCluster(one, { kubeconfig, context, bot })]),
      ...(values.slack ? [(one: Policy) => checkSlack(one, environment())] : []),
    ];
    const looked = await Promise.all(looks.map((look) => look(policy)));
    const unread = looked.flatMap((one) => (one.ok ? [] : one.problems));
    if (unread.length > 0) return unanswered(out, asJson, unread);
    const findings = [...findingsOf(policy), ...looked.flatMap((one) => (one.ok ? one.findings : []))];
    const told = (severity: Finding['severity']) =>
      findings.filter((one) => one.severity === severity).map(({ path, message }) => `${at(path)}: ${message}`);
    const people = looked.find((one) => one.ok && one.people !== undefined);
    return tell(out, asJson, {
      file,
      profiles: Object.keys(policy.profiles),
      problems: told('error'),
      notes: told('note'),
      ...(people?.ok && people.people && { people: people.people }),
    });
  },
};

/** @throws UsageError */
function botNamed(text: string): BotAccount {
  const [namespace = '', name = '', ...rest] = text.split('/');
  if (namespace === '' || name === '' || rest.length > 0)
    throw new UsageError(`--bot ${text}: expected NAMESPACE/NAME of a service account`);
  return { namespace, name };
}

interface Told {
  readonly file: string;
  readonly profiles: readonly string[];
  readonly problems: readonly string[];
  readonly notes: readonly string[];
  readonly people?: Readonly<Record<string, People>>;
}

/** @returns the exit code */
function tell(out: Output, asJson: boolean, { file, ...told }: Told): number {
  const { profiles, problems, notes, people } = told;
  const good = problems.length === 0;
  if (asJson) printJson(out, { good, ...told });
  else {
    for (const line of bounded(problems)) out.complain(line);
    for (const line of bounded(notes)) out.print(`note: ${line}`);
    for (const line of bounded(Object.entries(people ?? {}).map(([name, one]) => describePeople(name, one))))
      out.print(line);
    if (good) out.print(`${file}: good, profiles: ${listed(profiles)}`);
    else out.complain(`${file}: ${problems.length} ${problems.length === 1 ? 'problem' : 'problems'}`);
  }
  return good ? 0 : 1;
}

const describePeople = (profile: string, { mayAsk, mayApprove }: People): string =>
  `${profile}: ${mayAsk} may ask and ${mayApprove} may approve, as Slack has it now`;

/** As many names as are read, and how many more there are. */
function listed(names: readonly string[]): string {
  const more = names.length - MOST_NAMES;
  return more > 0 ? `${names.slice(0, MOST_NAMES).join(', ')} and ${more} more` : names.join(', ');
}
