import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { readKubeconfig, writeKubeconfig } from './cluster/kubeconfig.ts';
import type { Node } from './cluster/node.ts';
import { ACCESS, PEOPLE, type PersonName } from './scenery.ts';
import { blocksText, type SlackMessage } from './slack/index.ts';
import { type OtherCluster, placeIn, type Ran, type World } from './world.ts';

/** How late the end of access may be seen by the API server, in milliseconds; most of it is what kubectl itself takes. */
const LATE = 5000;
const ADA = PEOPLE.ada.id;

/** What a step has to show for itself: a line or two for people. */
type Shown = string | readonly string[];
type From = 'Slack' | 'API' | 'node';

/**
 * Plays the whole journey of one grant with a workspace, acting as people in Slack and asking the API server as they do; prints every step.
 * @param options.seconds the window; the warning is expected in its middle
 * @returns whether all held; after the first step that did not, the rest is not tried
 */
export async function playJourney(
  world: World,
  { print, seconds }: { readonly print: (line: string) => void; readonly seconds: number },
): Promise<boolean> {
  const { control } = world.slack;
  const { staging } = world.namespaces;
  const workspaces = world.installation.workspacesNamespace;
  const [pod = 'none'] = await world.podsOf(staging, 'checkout');
  const [neighbour = 'none'] = await world.podsOf(staging, 'catalog');
  const getPod = (name: string) => ['-n', staging, 'get', 'pod', name];

  async function step(from: From, title: string, work: () => Promise<Shown>): Promise<void> {
    const shown = await work().catch((error: unknown) => {
      print(`${from.padEnd(5)} ✗ ${title}`);
      throw error;
    });
    print(`${from.padEnd(5)} ✓ ${title}`);
    for (const line of typeof shown === 'string' ? [shown] : shown) print(`        ${line}`);
  }

  const refused = async (who: PersonName, args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await world.kubectlAs(who, args);
    if (code === 0 || !/forbidden/i.test(stderr)) throw new Error(`not refused: ${stdout}${stderr}`);
    return said(stderr);
  };
  const works = async (who: PersonName, args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await world.kubectlAs(who, args);
    if (code !== 0) throw new Error(`does not work: ${stderr}`);
    return stdout.trim().split('\n').at(-1) ?? '';
  };
  const mayExec = async (who: PersonName, name: string): Promise<boolean> => {
    const { stdout } = await world.kubectlAs(who, [
      '-n',
      workspaces,
      'auth',
      'can-i',
      'create',
      `pods/${name}`,
      '--subresource=exec',
    ]);
    return stdout.trim() === 'yes';
  };

  /** The message in #access, once it says what is expected. */
  const posted = (what: string, expected: RegExp) =>
    control.waitFor(
      async () => (await control.messages(ACCESS)).find((m) => m.thread_ts === undefined && expected.test(wordsOf(m))),
      { timeout: 15_000, what },
    );
  /** A direct message to Ada. */
  const told = (what: string, expected: RegExp, timeout = 15_000) =>
    control.waitFor(async () => (await control.dms(ADA)).find((m) => expected.test(wordsOf(m))), { timeout, what });
  const answerTo = (who: PersonName, after: number) =>
    control.waitFor(async () => (await control.ephemerals(PEOPLE[who].id)).slice(after).at(0), {
      timeout: 15_000,
      what: `an answer to ${who}`,
    });
  const heard = async (who: PersonName) => (await control.ephemerals(PEOPLE[who].id)).length;

  const ask = `request troubleshoot ${placeIn(world)}${staging}/deploy/checkout ${seconds}s checkout returns 502`;
  let message: SlackMessage;
  let id = '';
  let endsAt = 0;
  let workspace = '';
  /** A command that was left running in the workspace. */
  let leftOpen: Promise<Ran> | undefined;

  const press = async (who: PersonName): Promise<void> => {
    await control.click(PEOPLE[who].id, ACCESS, message.ts, 'drawbridge.approve');
  };
  const refusedToApprove = async (who: PersonName): Promise<Shown> => {
    const before = await heard(who);
    await press(who);
    const answer = wordsOf(await answerTo(who, before));
    if (!/Rule:/.test(answer)) throw new Error(`not a refusal: ${answer}`);
    await posted('the request as it was', /1 approval needed/);
    if ((await world.grantObjects()).length > 0) throw new Error('something was made in the cluster');
    return `only ${nameOf(who)} sees: ${firstLine(answer)}`;
  };

  const inWorkspace = (...command: string[]) => [
    '-n',
    workspaces,
    'exec',
    workspace,
    '-c',
    'workspace',
    '--',
    ...command,
  ];
  /** What answers a pod that dials it, of what is named so; by the exec of a person, or of the administrator. */
  const answering = async (
    exec: (command: readonly string[]) => Promise<string>,
    named: Readonly<Record<string, string>>,
  ): Promise<string[]> => {
    const verdicts = JSON.parse(await exec(['/probe', 'dial', '-timeout=700ms', ...Object.values(named)])) as {
      target: string;
      open: boolean;
    }[];
    return Object.keys(named).filter((name) => verdicts.some(({ target, open }) => open && target === named[name]));
  };
  /** By address, since a workspace asks no DNS. */
  const clusterIp = (namespace: string, name: string) =>
    world.adminKubectl(['get', 'service', name, '-n', namespace, '-o', 'jsonpath={.spec.clusterIP}']);

  /** What only a node can show. */
  const onNode = (node: Node): (() => Promise<void>)[] => [
    () =>
      step('node', "Ada's kubectl exec opens a shell in the workspace, Ben's is refused", async () => {
        const shown = await works('ada', inWorkspace('sh', '-c', 'echo "$(id -un) in $(hostname)"'));
        await refused('ben', inWorkspace('true'));
        leftOpen = world.kubectlAs('ada', inWorkspace('sleep', '1000'));
        return shown;
      }),
    () =>
      step('node', 'the usual tools work in it', async () => {
        const answered = await works('ada', inWorkspace('curl', '-sS', '-m', '2', 'http://checkout/'));
        const again = await works('ada', inWorkspace('wget', '-qO-', '-T', '2', 'http://checkout/'));
        if (![answered, again].every((name) => name.startsWith('checkout-'))) throw new Error(`${answered}, ${again}`);
        const versions = ['dig -V', 'psql --version'].map((line) => works('ada', inWorkspace(...line.split(' '))));
        return [`curl http://checkout/ answers ${answered}`, ...(await Promise.all(versions))];
      }),
    () =>
      step('node', 'from it checkout answers, and nothing else does', async () => {
        const { payments } = world.namespaces;
        const beyond = {
          'its neighbour catalog': `tcp:${await clusterIp(staging, 'catalog')}:80`,
          'ledger in payments': `tcp:${await clusterIp(payments, 'ledger')}:80`,
          'the API server': 'tcp:10.0.0.1:443',
          'the outside': `tcp:${node.outsideAddress}:80`,
        };
        const reached = await answering((command) => works('ada', inWorkspace(...command)), {
          checkout: 'tcp:checkout:80',
          ...beyond,
        });
        // The control: the neighbour is there, for those whom the policies let through.
        const [frontend = 'none'] = await world.podsOf(staging, 'frontend');
        const exec = (command: readonly string[]) =>
          world.adminKubectl(['-n', staging, 'exec', frontend, '--', ...command]);
        const forOthers = await answering(exec, { catalog: beyond['its neighbour catalog'] });
        if (reached.join() !== 'checkout' || forOthers.length === 0)
          throw new Error(`reached: ${reached.join(', ')}; frontend reached: ${forOthers.join()}`);
        return [`reached: ${reached.join()}`, `not reached: ${Object.keys(beyond).join(', ')}`];
      }),
  ];

  const steps: (() => Promise<void>)[] = [
    () => step('API', `before: Ada is refused: kubectl get pod ${pod}`, () => refused('ada', getPod(pod))),
    () =>
      step('Slack', `Ada types: /jit ${ask}`, async () => {
        const before = await heard('ada');
        await control.command(ADA, ACCESS, '/jit', ask);
        const answer = wordsOf(await answerTo('ada', before));
        id = /g-[a-z0-9]{6}/.exec(answer)?.[0] ?? '';
        if (id === '') throw new Error(`no request was made: ${answer}`);
        return `only Ada sees: ${firstLine(answer)}`;
      }),
    () =>
      step('Slack', '#access: the request, with its plan and the buttons Approve and Deny', async () => {
        message = await posted('the request', new RegExp(`${id}[\\s\\S]*`));
        const text = wordsOf(message);
        for (const expected of [/checkout returns 502/, /Opens 1, closes 0/, /Approve/, /Deny/])
          if (!expected.test(text)) throw new Error(`the message lacks ${expected}: ${text}`);
        return [firstLine(text), ...linesWith(text, /Opens|→|checkout 8080/)].slice(0, 4);
      }),
    () =>
      step('API', 'nothing of it is in the cluster yet', async () => {
        const objects = await world.grantObjects();
        if (objects.length > 0) throw new Error(objects.join(' '));
        return [];
      }),
    () => step('Slack', 'Cy, who only looks on, presses Approve: refused', () => refusedToApprove('cy')),
    () => step('Slack', 'Ada presses Approve on her own request: refused', () => refusedToApprove('ada')),
    () =>
      step('Slack', 'Ben presses Approve: the message says active', async () => {
        await press('ben');
        const text = wordsOf(await posted('the active grant', new RegExp(`Active until[\\s\\S]*${id}`)));
        return linesWith(text, /Active until/);
      }),
    () =>
      step('Slack', 'Ada gets a direct message with what to run', async () => {
        const text = wordsOf(await told('the news of access', /You have access[\s\S]*kubectl/));
        return linesWith(text, /kubectl/);
      }),
    () => step('API', `during: Ada's kubectl get pod ${pod} works`, () => works('ada', getPod(pod))),
    () =>
      step('API', `its neighbour is refused: kubectl get pod ${neighbour}`, () => refused('ada', getPod(neighbour))),
    () => step('API', 'Cy is refused', () => refused('cy', getPod(pod))),
    () =>
      step('API', 'the workspace runs, and Ada alone may exec into it', async () => {
        const args = [
          '-n',
          workspaces,
          'get',
          'pod',
          '-l',
          `drawbridge.internal/grant=${id}`,
          '-o',
          'jsonpath={.items[0].metadata.name}',
        ];
        workspace = await world.adminKubectl(args);
        if (!(await mayExec('ada', workspace))) throw new Error(`Ada may not exec into ${workspace}`);
        if (await mayExec('ben', workspace)) throw new Error(`Ben may exec into ${workspace}`);
        return workspace;
      }),
    () =>
      step('API', 'its guard lets it reach checkout on 8080/TCP and nothing else', async () => {
        const guard = ['-n', workspaces, 'get', 'networkpolicy', `drawbridge-${id}`, '-o', 'json'];
        const { spec } = JSON.parse(await world.adminKubectl(guard)) as { spec: Guard };
        const [egress, ...more] = spec.egress ?? [];
        const [peer, ...others] = egress?.to ?? [];
        const isNarrow = more.length === 0 && others.length === 0 && (spec.ingress ?? []).length === 0;
        const reaches = `${peer?.namespaceSelector?.matchLabels?.['kubernetes.io/metadata.name']}/${peer?.podSelector?.matchLabels?.['app']}`;
        const ports = (egress?.ports ?? []).map(({ port, protocol }) => `${port}/${protocol}`).join();
        if (!isNarrow || reaches !== `${staging}/checkout` || ports !== '8080/TCP')
          throw new Error(JSON.stringify(spec));
        const job = ['-n', staging, 'get', 'job', `drawbridge-${id}`, '-o', 'json'];
        const { metadata } = JSON.parse(await world.adminKubectl(job)) as {
          metadata: { annotations: Record<string, string> };
        };
        endsAt = Date.parse(metadata.annotations['drawbridge.internal/expires-at'] ?? '');
        return `workspace -> ${reaches} ${ports}`;
      }),
    ...(world.node === undefined ? [] : onNode(world.node)),
    () =>
      step('Slack', 'Ada is warned before the end, with a button to extend', async () => {
        const text = wordsOf(await told('the warning', /Your access ends[\s\S]*Extend/, seconds * 1000));
        return linesWith(text, /ends/).slice(0, 1);
      }),
    () =>
      step('API', 'at the end of the window Ada is refused again', async () => {
        for (;;) {
          const at = Date.now();
          const { code, stderr } = await world.kubectlAs('ada', getPod(pod));
          if (code !== 0) {
            if (Date.now() < endsAt) throw new Error(`it ended ${endsAt - Date.now()} ms early: ${stderr}`);
            const seen = Math.max(0, (Date.now() - endsAt) / 1000).toFixed(1);
            return [said(stderr), `seen ${seen} s after the end that was stated`];
          }
          if (at > endsAt + LATE) throw new Error(`Ada still has access ${at - endsAt} ms after the end`);
          await delay(100);
        }
      }),
    ...(world.node === undefined
      ? []
      : [
          () =>
            step('node', 'the command that Ada left running in the workspace is cut', async () => {
              const { code } = (await leftOpen) ?? {};
              if (code === 0) throw new Error('it ended by itself');
              return `kubectl exec ended with code ${code}`;
            }),
        ]),
    () =>
      step('API', 'everything of the grant is gone', async () => {
        await control.waitFor(async () => (await world.grantObjects()).length === 0, {
          timeout: 20_000,
          what: 'the objects of the grant to go',
        });
        return `kubectl get jobs,roles,rolebindings,networkpolicies,pods -A -l drawbridge.internal/grant=${id}: nothing`;
      }),
    () =>
      step('Slack', '#access says that it is over, without buttons', async () => {
        const text = wordsOf(await posted('the end', new RegExp(`Expired[\\s\\S]*${id}`)));
        if (/Approve\b(?!d)|Revoke\b(?!d)/.test(text)) throw new Error(`it still has buttons: ${text}`);
        return linesWith(text, /confirmed/);
      }),
    () =>
      step('Slack', 'Ada is told, and the message with the commands offers none any more', async () => {
        const text = wordsOf(await told('the end', /Expired:/));
        await control.waitFor(async () => !(await control.dms(ADA)).some((m) => /kubectl/.test(wordsOf(m))), {
          timeout: 15_000,
          what: 'the commands to be taken away',
        });
        return firstLine(text);
      }),
    ...(world.other === undefined ? [] : [() => inTheOther(world.other as OtherCluster)]),
    ...(world.node === undefined ? [] : [() => onTheNode(world.node as Node)]),
  ];

  /** Root on the node, for one person. */
  async function onTheNode({ name }: Node): Promise<void> {
    const there = `request machine ${placeIn(world)}node/${name} 5m its disk is full`;
    const { nodesNamespace } = world.installation;
    const inShell = (...command: string[]) => ['-n', nodesNamespace, 'exec', workspace, '--', ...command];
    await step('Slack', `Ada types: /jit ${there}; Ben reads what is at stake, and approves`, async () => {
      await control.command(ADA, ACCESS, '/jit', there);
      message = await posted('the request', new RegExp(`machine on (?:\\w+:)?node/${name}`));
      id = /g-[a-z0-9]{6}/.exec(wordsOf(message))?.[0] ?? '';
      const stakes = linesWith(wordsOf(message), /is root on|Pods on/);
      await press('ben');
      const text = wordsOf(await told('the news of the shell', new RegExp(`${nodesNamespace} exec[\\s\\S]*${id}`)));
      workspace = /exec -it (\S+)/.exec(text)?.[1] ?? '';
      return [...stakes, ...linesWith(text, /kubectl.* exec/)];
    });
    await step(
      'node',
      'Ada sees the processes of the node and its files, and changes none; Cy is refused',
      async () => {
        const kubelet = await works('ada', inShell('sh', '-c', 'ps | grep -c [k]ubelet'));
        const { code, stderr } = await world.kubectlAs('ada', inShell('touch', '/host/tmp/written'));
        if (code === 0 || !stderr.includes('Read-only file system')) throw new Error(`not read-only: ${stderr}`);
        return [`${kubelet} processes of kubelet`, said(stderr), await refused('cy', inShell('true'))];
      },
    );
    await step('Slack', 'Ada ends it: nothing is left on the node', async () => {
      await control.command(ADA, ACCESS, '/jit', `revoke ${id}`);
      await control.waitFor(async () => (await world.grantObjects()).length === 0, {
        timeout: 20_000,
        what: 'the shell to go',
      });
      return firstLine(wordsOf(await posted('the end', new RegExp(`Revoked[\\s\\S]*${id}`))));
    });
  }

  /** The same names in the other cluster are another place. */
  async function inTheOther(other: OtherCluster): Promise<void> {
    const there = `request debug ${other.name}:${staging}/deploy/checkout 2m the same name elsewhere`;
    await step('Slack', `Ada types: /jit ${there}; Ben approves`, async () => {
      await control.command(ADA, ACCESS, '/jit', there);
      message = await posted('the request', new RegExp(`debug on ${other.name}:`));
      id = /g-[a-z0-9]{6}/.exec(wordsOf(message))?.[0] ?? '';
      await press('ben');
      const text = wordsOf(await posted('that it is active', new RegExp(`Active[\\s\\S]*${id}`)));
      return firstLine(text);
    });
    await step('API', `its objects are in ${other.name}, and none is in the first cluster`, async () => {
      const [here, beside] = [await world.grantObjects(), await other.grantObjects()];
      if (here.length > 0 || beside.length === 0)
        throw new Error(`here: ${here.join(' ')}; there: ${beside.join(' ')}`);
      return beside;
    });
    await step('Slack', 'Ada ends it: nothing is left there either', async () => {
      await control.command(ADA, ACCESS, '/jit', `revoke ${id}`);
      await control.waitFor(async () => (await other.grantObjects()).length === 0, {
        timeout: 20_000,
        what: 'the objects of the grant to go',
      });
      return firstLine(wordsOf(await posted('the end', new RegExp(`Revoked[\\s\\S]*${id}`))));
    });
    await byToken(other);
  }

  /** Somebody whom that cluster does not know, in the whole of it. */
  async function byToken(other: OtherCluster): Promise<void> {
    const { name, cluster } = other;
    const there = `request look-around ${name}: 2m where is it slow`;
    let token = '';
    const reads = () => cluster.kubectl(['get', 'pods', '-A', '--token', token], { kubeconfig: nobody });
    const nobody = await withoutUser(world, cluster.adminKubeconfig);
    await step('Slack', `Ada types: /jit ${there}; Ben approves; Get kubeconfig shows Ada a token`, async () => {
      await control.command(ADA, ACCESS, '/jit', there);
      message = await posted('the request', /look-around on the whole cluster/);
      id = /g-[a-z0-9]{6}/.exec(wordsOf(message))?.[0] ?? '';
      await press('ben');
      const news = await told('the news of access', new RegExp(`${id}[\\s\\S]*Get kubeconfig`));
      await control.click(ADA, news.channel, news.ts, 'drawbridge.token');
      const modal = () => /eyJ[\w.-]{100,}/.exec(JSON.stringify(control.modal(ADA) ?? ''))?.[0];
      token = await control.waitFor(modal, { timeout: 15_000, what: 'the token' });
      return `a token of ${token.length} characters, in a modal of hers`;
    });
    await step('API', 'with it she reads the whole cluster', async () => {
      const { code, stdout, stderr } = await reads();
      if (code !== 0) throw new Error(stderr);
      return `kubectl get pods -A: ${stdout.trim().split('\n').length - 1} pods`;
    });
    await step('API', 'Ada ends it: the token gives nothing any more, and its account is gone', async () => {
      await control.command(ADA, ACCESS, '/jit', `revoke ${id}`);
      await control.waitFor(async () => (await reads()).code !== 0, {
        timeout: 30_000,
        what: 'the token to be refused',
      });
      const accounts = ['get', 'serviceaccounts', '-n', world.installation.accountsNamespace, '-o', 'name'];
      if ((await other.adminKubectl(accounts)).includes(id)) throw new Error(`the account of ${id} is still there`);
      return said((await reads()).stderr);
    });
  }

  try {
    for (const next of steps) await next();
    return true;
  } catch (error) {
    print(`        ${error instanceof Error ? error.message : String(error)}`);
    return false;
  }
}

/** A kubeconfig that leads to the cluster of another one, by which nobody is anybody. */
async function withoutUser({ dir }: World, kubeconfig: string): Promise<string> {
  const file = join(dir, 'nobody.kubeconfig');
  const { server } = await readKubeconfig(kubeconfig);
  await writeKubeconfig(file, server, { token: '' });
  return file;
}

interface Selector {
  readonly matchLabels?: Readonly<Record<string, string>>;
}
interface Guard {
  readonly ingress?: readonly unknown[];
  readonly egress?: readonly {
    readonly to?: readonly { readonly namespaceSelector?: Selector; readonly podSelector?: Selector }[];
    readonly ports?: readonly { readonly port: number; readonly protocol: string }[];
  }[];
}

const nameOf = (who: PersonName): string => who.charAt(0).toUpperCase() + who.slice(1);

/** All that a message shows, buttons too, as people read it. */
function wordsOf(message: SlackMessage): string {
  const text = message.blocks === undefined ? message.text : blocksText(message.blocks);
  return text
    .replace(/<!date\^\d+\^[^|>]*\|([^>]*)>/g, '$1')
    .replace(/<!subteam\^[^>]*>/g, 'its approvers')
    .replace(/<@U0([A-Z]+)>/g, (_whole, name: string) => nameOf(name.toLowerCase() as PersonName))
    .replace(/[*`]/g, '');
}

const firstLine = (text: string): string => text.split('\n').find((line) => line.trim() !== '') ?? '';
const linesWith = (text: string, wanted: RegExp): string[] => text.split('\n').filter((line) => wanted.test(line));
/** kubectl's refusal in one line, without its preamble. */
const said = (stderr: string): string =>
  stderr
    .trim()
    .replace(/^Error from server \((\w+)\): /, '$1: ')
    .split('\n')[0] ?? '';
