import { parseArgs } from 'node:util';
import { connections as allowedConnections, notGoverned } from '../../network/connections.ts';
import { type Subcommand, UsageError, usage } from '../command.ts';
import { loadWorld, WORLD_HELP, WORLD_OPTIONS, WORLD_REMARKS } from '../world/world.ts';
import { asDot, asJson, asText, endText } from './connection-views.ts';

export const connections: Subcommand = {
  summary: 'lists the connections that NetworkPolicies allow, in manifests or in a cluster',
  help: `Usage: npm run policy -- connections (-f PATH... | --kubeconfig FILE [--context NAME]) [-n NAMESPACE]... [-o FORMAT]

${WORLD_HELP}
  -o, --output FORMAT   text (the default), json, or dot for Graphviz

Lists by workload who may open a connection to whom, on which ports, and by which policies; addresses outside the
cluster as CIDRs (in JSON without exceptions, split instead).
${WORLD_REMARKS}
Exit code: 0 done, 2 wrong arguments, bad manifests or a cluster that can't be read.

Examples:
  npm run policy -- connections -f deploy/
  helm template shop | npm run policy -- connections -f -
  npm run --silent policy -- connections -f shop.yaml -f policies/ -n shop -o json
  npm run --silent policy -- connections --kubeconfig ~/.kube/config --context staging -o dot | dot -Tsvg > staging.svg`,

  async run(args, out) {
    const { values } = usage(() =>
      parseArgs({
        args: [...args],
        options: { ...WORLD_OPTIONS, output: { type: 'string', short: 'o', default: 'text' } },
      }),
    );
    const { output } = values;
    if (output !== 'text' && output !== 'json' && output !== 'dot')
      throw new UsageError(`-o ${output}: expected text, json or dot`);
    const loaded = await loadWorld(values);
    if (!loaded.ok) {
      for (const problem of loaded.problems) out.complain(problem);
      return 2;
    }
    for (const note of loaded.notes) out.complain(note);

    const found = allowedConnections(loaded.world);
    const ungoverned = notGoverned(loaded.world);
    if (output === 'json') {
      for (const workload of ungoverned)
        out.complain(`${endText(workload)}: not governed by NetworkPolicy (hostNetwork)`);
      out.print(asJson(found));
    } else {
      out.print((output === 'dot' ? asDot : asText)(found, ungoverned));
    }
    return 0;
  },
};
