import { existsSync } from 'node:fs';
import { copyFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { stdin, stdout } from 'node:process';
import { createInterface } from 'node:readline/promises';
import { parseArgs } from 'node:util';
import { runCommand, terminal, UsageError, usage } from '../cli/command.ts';
import { formatDuration } from '../domain/duration.ts';
import {
  buildSeconds,
  ClusterUnavailableError,
  CONTROL_PLANE,
  ensureBinaries,
  ensureHelm,
  NODE,
} from './cluster/binaries.ts';
import { ensureNodePackages, reasonAgainstNode } from './cluster/node-packages.ts';
import { contextNames, looksLocal, openContext } from './context.ts';
import { ensureRedis } from './redis.ts';
import { PEOPLE, type PersonName } from './scenery.ts';
import { playJourney } from './script.ts';
import { findLocalSlack } from './slack/upstream.ts';
import { NodeFailedError, placeIn, startWorld, type World, type WorldCluster, type WorldOptions } from './world.ts';

const HELP = `npm run sandbox [-- OPTIONS]

Everything on this machine, nothing to configure: a Slack with a web page, Redis, a real Kubernetes,
Drawbridge installed by its chart. On Linux as root Kubernetes has a node: pods run, kubectl exec opens a
shell, and NetworkPolicies are enforced. Elsewhere it has none, and it says what does not work then.
Ctrl-C ends everything and leaves nothing behind.

  --minutes N     a grant lasts N minutes unless asked otherwise, and its warning comes before the end
  --script        plays the whole journey of a grant by itself, prints each step, and ends;
                  exit code 0 only when all held (with --minutes N: in a window of that length)
  --in-cluster    runs Drawbridge as two pods of that node, of the image that npm run image makes,
                  with the chart's Valkey: as an installation is (Debian or Ubuntu, as root)
  --clusters 2    a second cluster beside the first, without a node, with the same workloads: eu and us
  --no-node       does without the node: quicker to start, but nothing runs in the pods
  --context NAME  uses your own cluster (kind, k3d, minikube) by this context of your kubeconfig;
                  nothing is built then, and all that is made there has names of its own and is removed
  --yes           does not ask before it uses a context that does not look like one on this machine
  --help          this text

The first run builds Kubernetes from pinned sources (Go 1.26 or newer), once: about seven minutes, and
two more for the node. Nothing is built with --context, nor when KUBEBUILDER_ASSETS names a folder that
holds the programs. It says before it builds what it will build and how long that takes.
Exit code: 0 ended as it should, 1 something failed, 2 wrong options.`;

/** The window of --script: time enough for each step, and for the warning in its middle. On a user's cluster images are pulled first. */
const SCRIPT_SECONDS = { here: 24, elsewhere: 60 };

const OPERATOR_LINES = ['npm run audit -- verify', 'npm run reap', 'npm run revoke-all', 'npm run revoke-all -- --yes'];

interface Options {
  readonly minutes: number | undefined;
  readonly context: string | undefined;
  readonly script: boolean;
  readonly yes: boolean;
  readonly node: boolean;
  readonly inCluster: boolean;
  readonly clusters: 1 | 2;
}

const print = (line: string): void => void stdout.write(`${line}\n`);

/** @throws UsageError that says what is wrong with the options */
function readOptions(args: string[]): Options {
  const { values } = usage(() =>
    parseArgs({
      args,
      options: {
        minutes: { type: 'string' },
        context: { type: 'string' },
        script: { type: 'boolean', default: false },
        yes: { type: 'boolean', default: false },
        'no-node': { type: 'boolean', default: false },
        'in-cluster': { type: 'boolean', default: false },
        clusters: { type: 'string', default: '1' },
      },
    }),
  );
  const minutes = values.minutes === undefined ? undefined : Number(values.minutes);
  // No window is longer than the shortest maximum of the example policy.
  if (minutes !== undefined && !(minutes >= 0.25 && minutes <= 60))
    throw new UsageError(`--minutes ${values.minutes}: expected a number from 0.25 to 60`);
  if (values.context === '') throw new UsageError('--context: expected the name of a context of your kubeconfig');
  const { context, script, yes, 'in-cluster': inCluster, 'no-node': noNode } = values;
  if (inCluster && (noNode || context !== undefined))
    throw new UsageError(
      `--in-cluster and ${noNode ? '--no-node' : '--context'}: its pods run on a node of the sandbox's own`,
    );
  const clusters = values.clusters === '2' ? 2 : 1;
  if (values.clusters !== String(clusters)) throw new UsageError(`--clusters ${values.clusters}: expected 1 or 2`);
  if (clusters === 2 && (inCluster || context !== undefined))
    throw new UsageError(
      `--clusters 2 and ${inCluster ? '--in-cluster' : '--context'}: the second is one of the sandbox's own, beside a bot on this machine`,
    );
  return { minutes, context, script, yes, node: !noNode, inCluster, clusters };
}

/** What this machine lacks, each with what to do about it; all of it at once, and before anything is started. */
async function lacking(): Promise<string[]> {
  const checks = [
    async () => void findLocalSlack(),
    async () => void (await ensureRedis({ log: print })),
    async () => void (await ensureHelm()),
  ];
  const results = await Promise.allSettled(checks.map((check) => check()));
  return results.flatMap((result) => (result.status === 'rejected' ? [wordsOf(result.reason)] : []));
}

/** @throws UsageError when the kubeconfig has no such context; it names those that there are */
async function mustKnow(context: string): Promise<void> {
  const names = await contextNames();
  if (names.includes(context)) return;
  const there = names.length === 0 ? 'your kubeconfig has none' : `there are: ${names.join(', ')}`;
  throw new UsageError(`--context ${context}: no such context; ${there}`);
}

/** Says what will be built and how long that takes, and how to do without; nothing when all is there. */
async function announceBuild({ node }: Options): Promise<void> {
  const needsNode = node && (await reasonAgainstNode()) === null;
  const [forCluster, forNode] = await Promise.all([buildSeconds(CONTROL_PLANE), needsNode ? buildSeconds(NODE) : 0]);
  const minutes = Math.ceil((forCluster + forNode) / 60);
  if (minutes === 0) return;
  print(`The cluster's programs are built from pinned sources first: once, about ${minutes} min on two cores.`);
  print('Nothing is built');
  print('  - with a cluster of your own (kind, k3d, minikube): npm run sandbox -- --context NAME');
  print(
    `  - with KUBEBUILDER_ASSETS set to a folder that holds ${[...CONTROL_PLANE, ...(needsNode ? NODE : [])].join(', ')}`,
  );
  if (forNode > 0)
    print(`  - ${Math.ceil(forNode / 60)} of the minutes are for the node: npm run sandbox -- --no-node`);
  const local = (await contextNames().catch(() => [])).filter(looksLocal);
  if (local.length > 0)
    print(`Contexts of your kubeconfig that look like clusters on this machine: ${local.join(', ')}`);
}

/** Asks before anything is made in a cluster that may be somebody's. */
async function mayUse(context: string, yes: boolean): Promise<boolean> {
  print(`In the cluster of context '${context}' this makes, under names that begin with sandbox- and a random part:`);
  print('  four namespaces with five small Deployments, their Services and NetworkPolicies; the Drawbridge chart');
  print('  (service account, roles, admission policies that concern nothing but its own objects). All of it is');
  print('  removed at the end. People act by impersonation (--as ada@example.test).');
  if (yes || looksLocal(context)) return true;
  if (!stdin.isTTY) {
    print(`'${context}' does not look like a cluster on this machine: say --yes if it is meant.`);
    return false;
  }
  const asked = createInterface({ input: stdin, output: stdout });
  const answer = await asked.question(`'${context}' does not look like a cluster on this machine. Use it? [y/N] `);
  asked.close();
  return /^y(es)?$/i.test(answer.trim());
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What a person can do now. `withoutNode`: why the cluster has no node of its own. */
async function introduce(world: World, options: Options, withoutNode: string | null): Promise<void> {
  const { staging } = world.namespaces;
  const [pod] = await world.podsOf(staging, 'checkout');
  const [neighbour] = await world.podsOf(staging, 'catalog');
  const { become, kubectl } = await asAda(world, options.context);
  const window = options.minutes === undefined ? '10m' : formatDuration(options.minutes * 60);
  print('');
  print('Slack, as each of the people (open them side by side):');
  for (const name of Object.keys(PEOPLE) as PersonName[]) {
    const { does } = PEOPLE[name];
    print(
      `  ${(name.charAt(0).toUpperCase() + name.slice(1)).padEnd(4)} ${does.padEnd(28)} ${world.slack.pageUrl(name)}`,
    );
  }
  print('');
  print('1. As Ada, in #access, type (or only /jit, which opens a form; /jit help lists the rest):');
  print(`     /jit request troubleshoot ${placeIn(world)}${staging}/deploy/checkout ${window} checkout returns 502`);
  print('2. As Ben press Approve.');
  print('3. In a terminal, as Ada: refused before, works during, refused after:');
  if (become !== null) print(`     ${become}`);
  print(`     ${kubectl} -n ${staging} get pod ${pod}`);
  print('   and its neighbour, which nobody approved, always refused:');
  print(`     ${kubectl} -n ${staging} get pod ${neighbour}`);
  if (world.node !== undefined) {
    const address = ['get', 'service', 'catalog', '-n', staging, '-o', 'jsonpath={.spec.clusterIP}'];
    print('4. There too, paste the exec line of the message that Ada got: a shell in a workspace of her own.');
    print(
      '   In it checkout answers with the name of a pod; its neighbour catalog does not answer, nor does anything else:',
    );
    print('     curl -m 2 http://checkout');
    print(`     curl -m 2 http://${await world.adminKubectl(address)}`);
  }
  print(
    `${world.node === undefined ? 4 : 5}. As Ada or Ben press Revoke, or wait for the end of the window, and run the first`,
  );
  print(`   line again.${world.node === undefined ? '' : ' The shell is cut.'}`);
  print('Also: the whole cluster, by a token that the button Get kubeconfig of the message to Ada shows her alone:');
  print(
    `     /jit request look-around ${placeIn(world)}${world.other === undefined ? '' : ' '}${window} where is it slow`,
  );
  if (world.node !== undefined) {
    print(
      `6. Root on the node: /jit request machine ${placeIn(world)}node/${world.node.name} ${window} its disk is full`,
    );
    print("   The node's files are this machine's, read-only.");
  }
  print('');
  await (options.inCluster ? introducePods : introduceProcess)(world);
  print(`Kubernetes, as administrator:                 ${world.cluster.adminKubeconfig}`);
  if (world.other !== undefined)
    print(`  of the other cluster, ${world.other.name}:                    ${world.other.cluster.adminKubeconfig}`);
  if (withoutNode !== null) {
    print(`There is no node: ${withoutNode}. Pods are marked as running, but nothing runs in them: exec and logs end`);
    print('in an error even when allowed, and no packet shows what the network policies do.');
  }
  print('');
  print('Ctrl-C ends everything and leaves nothing behind.');
}

async function introduceProcess(world: World): Promise<void> {
  print('What operators have, in any terminal and without the bot: is the audit whole; delete what is past its end;');
  print('list what is open; end all of it:');
  const operator = await world.operatorFile();
  for (const line of OPERATOR_LINES) print(`     (. ${operator}; ${line})`);
  print('');
  print(`Policy (change it, it is read again at once): ${world.policyFile}`);
  print(`Log and audit of the bot:                     ${world.bots.get('bot')?.logFile}`);
}

/** Drawbridge as pods: what operators look at, and what they may do to it while grants are open. */
async function introducePods({ cluster, installation: { namespace, release } }: World): Promise<void> {
  const { kubectl } = await ensureBinaries(['kubectl'], print);
  const program = isOnPath('kubectl') ? 'kubectl' : kubectl;
  const line = `${program} --kubeconfig ${cluster.adminKubeconfig} -n ${namespace}`;
  const deployment = `deployment/${release}`;
  print(
    'Drawbridge runs as two pods. What operators have: is all as it should be; is the audit whole; the logs, with the',
  );
  print('audit; a rolling restart, under whatever is open; another policy (it is read within half a minute):');
  for (const command of [
    `exec ${deployment} -- node dist/cli/check-installation.js`,
    `exec ${deployment} -- node dist/cli/audit.js verify`,
    `logs -l app.kubernetes.io/name=drawbridge --prefix`,
    `rollout restart ${deployment}`,
    `edit configmap ${release}`,
  ])
    print(`     ${line} ${command}`);
  print('');
}

/** How one acts as Ada in another terminal: what to run first, if anything, and how kubectl is called then. */
async function asAda(world: World, context: string | undefined): Promise<{ become: string | null; kubectl: string }> {
  if (context !== undefined) return { become: null, kubectl: `kubectl --context ${context} --as ${PEOPLE.ada.user}` };
  const { kubectl } = await ensureBinaries(['kubectl'], print);
  const path = isOnPath('kubectl') ? '' : ` PATH="$PATH:${dirname(kubectl)}"`;
  return { become: `export KUBECONFIG=${world.kubeconfigOf('ada')}${path}`, kubectl: 'kubectl' };
}

function isOnPath(program: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((dir) => dir !== '' && existsSync(join(dir, program)));
}

async function run(options: Options): Promise<number> {
  const { context } = options;
  if (context !== undefined) await mustKnow(context);
  const lacks = await lacking();
  if (lacks.length > 0) {
    print('The sandbox can not start on this machine:');
    for (const line of lacks) print(`  - ${line}`);
    return 1;
  }
  if (context === undefined) {
    await announceBuild(options);
    await ensureBinaries(CONTROL_PLANE, print);
    const noNode = await reasonForNoNode(options);
    if (noNode === null || !options.inCluster) return inWorld(options, undefined, noNode);
    print(`--in-cluster needs a node, and there can be none: ${noNode}.`);
    return 1;
  }
  if (!(await mayUse(context, options.yes))) return 1;
  const cluster = await openContext(context);
  try {
    return await inWorld(options, cluster, null);
  } finally {
    await cluster.close();
  }
}

/** Why there is to be no node, or null: there can be one, and all that it needs is here now. */
async function reasonForNoNode({ node }: Options): Promise<string | null> {
  if (!node) return 'you said --no-node';
  try {
    await ensureNodePackages({ log: print });
    await ensureBinaries(NODE, print);
    return null;
  } catch (error) {
    if (error instanceof ClusterUnavailableError) return wordsOf(error).replace(/^No node: (.*)\.$/s, '$1');
    throw error;
  }
}

async function inWorld(options: Options, cluster: WorldCluster | undefined, noNode: string | null): Promise<number> {
  const begin = performance.now();
  const elapsed = (since = begin) => `${((performance.now() - since) / 1000).toFixed(1)} s`;
  const seconds = cluster === undefined ? SCRIPT_SECONDS.here : SCRIPT_SECONDS.elsewhere;
  const minutes = options.minutes ?? (options.script ? seconds / 60 : undefined);
  const common: WorldOptions = {
    log: (line) => print(`  ${line}`),
    clusters: options.clusters,
    byToken: true,
    ...(minutes === undefined ? {} : { minutes }),
  };

  print('Starting Slack, Redis and Kubernetes …');
  let withoutNode = noNode;
  let world: World;
  if (cluster !== undefined) world = await startWorld({ ...common, cluster, hasNodes: true });
  else if (options.inCluster) world = await startWorld({ ...common, node: 'enforcing', installed: 'pods' });
  else if (withoutNode !== null) world = await startWorld(common);
  else
    try {
      world = await startWorld({ ...common, node: 'enforcing' });
    } catch (error) {
      if (!(error instanceof NodeFailedError)) throw error;
      // Not every kernel and container lets a root do what a kubelet does.
      print(`  ${wordsOf(error)}`);
      withoutNode = 'it did not start here, see above';
      print('Starting once more, without a node …');
      world = await startWorld(common);
    }
  const ended = endedBySignal();
  let code = 1;
  try {
    const started = performance.now();
    const bot = options.inCluster ? null : await world.startBot();
    if (bot !== null) print(`  Drawbridge: up after ${elapsed(started)}`);
    print(`All is up after ${elapsed()}.`);
    if (options.script) {
      print('');
      const journey = playJourney(world, { print, seconds: Math.round((minutes ?? 0) * 60) });
      const held = await Promise.race([journey, ended.then(() => false)]);
      print('');
      print(
        held ? `Everything held. ${elapsed()} in all.` : `It did not hold. The bot's log is kept: ${await kept(world)}`,
      );
      code = held ? 0 : 1;
    } else {
      await introduce(world, options, withoutNode);
      const how = await Promise.race([ended, ...(bot === null ? [] : [bot.exited.then(() => 'by itself' as const)])]);
      if (how === 'by itself') throw new Error(`Drawbridge has ended by itself; its log is kept: ${await kept(world)}`);
      code = 0;
    }
  } finally {
    print('Stopping …');
    await world.stop();
  }
  print('Nothing is left.');
  return code;
}

/** Keeps the log of the bot, or of its pods, which are about to be removed. */
async function kept(world: World): Promise<string> {
  const copy = join(tmpdir(), `drawbridge-sandbox-${process.pid}.log`);
  const bot = world.bots.get('bot');
  if (bot !== undefined) await copyFile(bot.logFile, copy);
  else {
    const ofPods = ['logs', '-n', world.installation.namespace, '-l', 'app.kubernetes.io/name=drawbridge', '--tail=-1'];
    await writeFile(copy, await world.adminKubectl(ofPods));
  }
  return copy;
}

/** Settles at Ctrl-C and the like. Asked again it ends this process at once, and all others end with it. */
function endedBySignal(): Promise<void> {
  return new Promise((resolve) => {
    let askedAt: number | undefined;
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      process.on(signal, () => {
        askedAt ??= Date.now();
        // One Ctrl-C comes twice under npm: from the terminal, and from npm.
        if (Date.now() - askedAt > 1000) process.exit(1);
        resolve();
      });
  });
}

const argv = process.argv.slice(2);
process.exitCode = await runCommand({ command: 'sandbox --', help: HELP, argv, out: terminal }, async () => {
  try {
    return await run(readOptions(argv));
  } catch (error) {
    if (error instanceof UsageError) throw error;
    process.stderr.write(`The sandbox could not go on: ${wordsOf(error)}\n`);
    return 1;
  }
});
