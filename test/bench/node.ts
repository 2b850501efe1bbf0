/*
 * How fast access comes and goes on a real node with real packets: from Approve to a shell, from expiry to the API server's refusal and to
 * the last packet. Needs what the node needs (Linux, root).
 * Run: npm run bench -- node [RUNS]
 */
import { setTimeout as delay } from 'node:timers/promises';
import { openApi } from '../../src/sandbox/cluster/api.ts';
import { enforceNetworkPolicies } from '../../src/sandbox/cluster/network-policies.ts';
import { startWorld, type World } from '../../src/sandbox/world.ts';
import { askingAgain, type Stage, stageOf } from '../support/e2e.ts';
import { type Place, runningPods, startIn, watchAll } from '../support/packets.ts';
import { machine, median } from './figures.ts';

const RUNS = Number(process.argv[3] ?? 11);
const WINDOW_S = 10;

/** Milliseconds. */
interface Figures {
  /** Approve pressed -> Ada has the message with the kubectl line. */
  readonly told: number;
  /** Approve pressed -> the first kubectl exec into the workspace has succeeded. */
  readonly shell: number;
  /** Expiry -> the API server refuses her, for the target and for the workspace. */
  readonly refused: number;
  /** Expiry -> the last answer that came over a connection left open. */
  readonly lastPacket: number;
  /** Expiry -> Slack says that all is gone, which the API server has confirmed. */
  readonly said: number;
}

const ROWS: Record<keyof Figures, string> = {
  told: 'Approve -> the message with what to run',
  shell: 'Approve -> first kubectl exec done',
  refused: 'expiry -> the API server refuses',
  lastPacket: 'expiry -> last packet of an open connection',
  said: 'expiry -> Slack says that all is gone',
};

async function measure(world: World, s: Stage): Promise<Figures> {
  const { staging } = s.namespaces;
  const workspaces = s.installation.workspacesNamespace;
  const checkout = (await runningPods(world.cluster)).find(({ labels }) => labels['app'] === 'checkout');
  if (checkout === undefined) throw new Error('no checkout');
  const id = await s.request(`troubleshoot ${staging}/deploy/checkout ${WINDOW_S}s 502 from inside`);

  const pressed = Date.now();
  await s.press('ben', id, 'approve');
  const words = await s.dm('ada', new RegExp(`kubectl -n ${workspaces} exec[\\s\\S]*${id}`), 60_000);
  const told = Date.now() - pressed;
  const pod = /exec -it (\S+)/.exec(words)?.[1] ?? '';
  const kubeconfig = s.kubeconfigOf('ada');
  const place: Place = { kubeconfig, namespace: workspaces, pod, container: 'workspace' };
  while ((await s.kubectlAs('ada', ['exec', '-n', workspaces, pod, '--', 'true'])).code !== 0) await delay(20);
  const shell = Date.now() - pressed;

  const connection = await startIn(place, '/probe', 'hold', '-every=5ms', `${checkout.address}:8080`);
  const annotation = 'jsonpath={.metadata.annotations.drawbridge\\.internal/expires-at}';
  const expiresAt = Date.parse(
    await s.adminKubectl(['get', 'job', `drawbridge-${id}`, '-n', staging, '-o', annotation]),
  );
  const api = await openApi(kubeconfig);
  const isRefused = async (namespace: string, name: string) =>
    (await api.call('GET', `/api/v1/namespaces/${namespace}/pods/${name}`)).status === 403;
  while (!((await isRefused(staging, checkout.name)) && (await isRefused(workspaces, pod)))) await delay(5);
  const refused = Date.now() - expiresAt;
  api.close();
  await s.until(id, 'access was confirmed gone', 60_000);
  const said = Date.now() - expiresAt;
  await connection.ended;
  return { told, shell, refused, lastPacket: connection.output.at - expiresAt, said };
}

/** Milliseconds, of the median, by whether the plugin keeps established connections. */
const AIMS: Partial<Record<keyof Figures, (keepsEstablished: boolean) => number>> = {
  shell: () => 2500,
  lastPacket: (keepsEstablished) => (keepsEstablished ? 1300 : 150),
};

function row(name: string, values: readonly number[], aim: number | null): string {
  const seconds = (value: number) => `${(value / 1000).toFixed(2)} s`;
  const verdict = aim === null ? '' : `<= ${seconds(aim)} ${median(values) <= aim ? 'met' : 'MISSED'}`;
  const cells = [median(values), Math.max(...values)].map((value) => seconds(value).padStart(8));
  return `| ${[name.padEnd(43), ...cells, verdict.padEnd(16)].join(' | ')} |`;
}

const world = await startWorld({ log: console.error, node: 'open', policy: askingAgain() });
try {
  const { node, cluster } = world;
  if (node === undefined) throw new Error('no node');
  const s = stageOf(world);
  await world.startBot();
  const pods = await runningPods(cluster);
  const shop = pods.filter(({ namespace }) => Object.values(s.namespaces).includes(namespace));
  const { gitVersion } = JSON.parse(await s.adminKubectl(['version', '-o', 'json'])).serverVersion;
  console.log(
    `input: ${RUNS} runs a table, one after the other, windows of ${WINDOW_S} s; Kubernetes ${gitVersion}, one node, ${pods.length} pods, which call one another each second; ` +
      `${machine()}, all of it on this machine, Slack and Redis too`,
  );
  for (const keepEstablished of [true, false]) {
    const policies = await enforceNetworkPolicies({ cluster, node, keepEstablished, log: console.error });
    await policies.inForce();
    const stopWatching = await watchAll(shop, cluster.adminKubeconfig, '1s');
    const figures: Figures[] = [];
    for (let run = 0; run < RUNS; run += 1) {
      figures.push(await measure(world, s));
      console.error(JSON.stringify(figures.at(-1)));
    }
    console.log(`\nnetwork plugin that ${keepEstablished ? 'keeps established connections' : 'judges each packet'}:`);
    console.log(
      `| ${['', 'median', ' worst', 'aim'].map((head, i) => head.padEnd([43, 8, 8, 16][i] ?? 0)).join(' | ')} |`,
    );
    for (const name of Object.keys(ROWS) as (keyof Figures)[]) {
      const values = figures.map((each) => each[name]);
      console.log(row(ROWS[name], values, AIMS[name]?.(keepEstablished) ?? null));
    }
    const seen = (await stopWatching()).filter(({ target }) => !target.startsWith('shut:'));
    const lost = seen.filter(({ broken }) => broken !== undefined).length;
    const calls = seen.reduce((sum, { held }) => sum + held, 0);
    const longest = Math.max(...seen.map((each) => each.longest));
    console.log(
      `meanwhile, between the other pods: ${seen.length} connections kept or made anew, ${calls} calls, ${lost} lost, longest answer ${longest} ms`,
    );
    await policies.stop();
  }
} finally {
  await world.stop();
}
