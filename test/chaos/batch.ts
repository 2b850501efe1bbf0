import { setTimeout as sleep } from 'node:timers/promises';
import { ACTIONS } from '../../src/adapters/slack/surfaces/actions.ts';
import type { Answer } from '../../src/sandbox/slack/index.ts';
import {
  type Batch,
  type Change,
  type DecisionStep,
  type Edit,
  factsOf,
  type History,
  isMeantToBeGranted,
  mayDecide,
  PEOPLE,
  profileNamed,
  type Who,
} from './histories.ts';
import type { Installation } from './installation.ts';
import type { Places } from './sides.ts';
import { isEnd } from './slack-view.ts';
import { type Changed, createChanges } from './slots.ts';
import { calmDown, strike } from './storm.ts';

/** Runs one batch: people act in Slack, faults strike, and everything is waited for. Writes down what was done; judges nothing. */

const ACCESS = 'C0ACCESS001';

/** Something that a person did, at the moment in which it was sent. */
export interface Deed {
  readonly at: number;
  readonly by: Who;
  readonly what: 'approve' | 'deny' | 'revoke' | 'extend' | 'approve-extension';
  /** Of `extend`. */
  readonly seconds: number;
}

/** One request that was typed. A history that came to nothing by a fault types it again, under another reason. */
export interface Request {
  readonly history: History;
  /** What was given as the reason: by it the grant is known in Slack and in the cluster. */
  readonly reason: string;
  readonly typedAt: number;
  readonly deeds: Deed[];
  /** What the administrator did to its objects. */
  readonly edits: { readonly at: number; readonly what: Edit }[];
  /** What an approval binds, or the requester is by, was changed under it. */
  readonly changes: Changed[];
}

export interface Ran {
  readonly batch: Batch;
  readonly requests: readonly Request[];
  /** Steps that people and administrators took. */
  readonly steps: number;
  /** What was not finished when patience ended, in words; empty when all was. */
  readonly unfinished: readonly string[];
  /** A bot had to be started anew to look after what was left. */
  readonly nudged: boolean;
}

/** People are patient: how long they look for their request, for its approval and access, and when they press again: milliseconds. */
const SEEN_MS = 10_000;
const UNHEARD_MS = 2000;
const ACTIVE_MS = 20_000;
const PRESS_AGAIN_MS = 2500;
const DECIDE_MS = 12_000;
/** A request that came to nothing by a fault is typed again, as people do; not later than this after the batch began. */
const ATTEMPTS = 7;
const LAST_ATTEMPT_MS = 36_000;
/** How long everything may take to end once nothing is broken any more; the bots look around every 30 s. */
const SETTLE_MS = 60_000;
const NUDGE_MS = 17_000;

const PATHS = {
  binding: 'apis/rbac.authorization.k8s.io/v1 rolebindings',
  guard: 'apis/networking.k8s.io/v1 networkpolicies',
  lease: 'apis/batch/v1 jobs',
} as const;

function pathOf(kind: keyof typeof PATHS, namespace: string, id: string): string {
  const [root, plural] = PATHS[kind].split(' ');
  return `/${root}/namespaces/${namespace}/${plural}/drawbridge-${id}`;
}

export async function runBatch(on: Installation, places: Places, batch: Batch): Promise<Ran> {
  const { world, slack } = on;
  const { control } = world.slack;
  const began = Date.now();
  const requests: Request[] = [];
  const kept: { readonly path: string; readonly side: History['cluster'] }[] = [];
  const { admin } = places.at(null);
  const changes = createChanges({ admin, directory: control.directory, namespace: on.namespaces.slots });
  let steps = 0;

  async function waitFor<T>(look: () => T | undefined | false, ms: number): Promise<T | null> {
    const end = Date.now() + ms;
    for (;;) {
      slack.read();
      const found = look();
      if (found !== undefined && found !== false) return found;
      if (Date.now() > end) return null;
      await sleep(50);
    }
  }

  const namespaceOf = (history: History) =>
    on.namespaces[(history.target.split('/')[0] ?? '') as keyof typeof on.namespaces];

  /** Slack sends the newest delivery of this person that holds this text once more. */
  async function deliverAgain(by: Who, holding: string, after: number): Promise<void> {
    const one = control.deliveries().findLast(({ payload }) => {
      const text = JSON.stringify(payload);
      return text.includes(holding) && text.includes(PEOPLE[by].id);
    });
    await sleep(after);
    if (one !== undefined) await control.redeliver(one);
  }

  async function type(by: Who, text: string): Promise<Answer> {
    steps += 1;
    return control
      .command(PEOPLE[by].id, ACCESS, '/jit', text)
      .catch((): Answer => ({ acked: false, error: 'dispatch_failed' }));
  }

  /** Does something until Slack says that it arrived, three times at most, as people do. */
  async function insist(act: () => Promise<boolean>): Promise<boolean> {
    for (let attempt = 0; attempt < 3; attempt++) {
      if (await act()) return true;
      await sleep(700);
    }
    return false;
  }

  async function press(
    request: Request,
    id: string,
    by: Who,
    action: 'approve' | 'approveExtension',
  ): Promise<boolean> {
    const ts = slack.messages.get(id)?.at(-1);
    if (ts === undefined) return false;
    const at = Date.now();
    try {
      steps += 1;
      // Written down before it is sent: what it causes can't come first.
      const deed: Deed = { at, by, what: action === 'approve' ? 'approve' : 'approve-extension', seconds: 0 };
      request.deeds.push(deed);
      return (await control.click(PEOPLE[by].id, ACCESS, ts, ACTIONS[action])).acked;
    } catch {
      // There is no such button (any more).
      request.deeds.splice(
        request.deeds.findIndex((deed) => deed.at === at && deed.by === by),
        1,
      );
      return action === 'approve';
    }
  }

  async function command(request: Request, by: Who, what: 'deny' | 'revoke' | 'extend', text: string, seconds = 0) {
    request.deeds.push({ at: Date.now(), by, what, seconds });
    return (await type(by, text)).acked;
  }

  /** The plan has changed since it was approved: it waits for a decision again, for ten minutes at least. */
  const isAskedAgain = (id: string): boolean => slack.standing(id)?.standing === 'pending' && slack.askedAgain.has(id);

  const isPending = (id: string): boolean => slack.standing(id)?.standing === 'pending';

  async function decide(request: Request, id: string, step: DecisionStep): Promise<void> {
    await sleep(step.after);
    const act = () =>
      step.verdict === 'approve'
        ? press(request, id, step.by, 'approve')
        : command(request, step.by, 'deny', `deny ${id}`);
    await Promise.all([insist(act), ...(step.twice ? [act()] : [])]);
    const again = step.again === null ? null : deliverAgain(step.by, id, step.again);
    // Who may decide and sees that it still waits was told to try again, or is asked again: the button is pressed until it counts.
    const end = Date.now() + DECIDE_MS;
    while (mayDecide(request.history, step.by) && Date.now() < end) {
      if (isPending(id) && (await waitFor(() => !isPending(id), PRESS_AGAIN_MS)) === null) await act();
      else if ((await waitFor(() => isPending(id) || isSettled(id), PRESS_AGAIN_MS)) !== null && !isPending(id)) break;
    }
    await again;
  }

  /** It is active, or over. */
  function isSettled(id: string): boolean {
    const now = slack.standing(id)?.standing;
    return now !== undefined && (now === 'active' || now === 'ending' || isEnd(now));
  }

  /** Changes what this history is to have changed at this time. */
  async function change(request: Request, when: Change['when']): Promise<void> {
    const planned = request.history.change;
    if (planned?.when !== when) return;
    await sleep(planned.after);
    steps += 1;
    request.changes.push(await changes.make(planned, request.reason));
  }

  async function extend(request: Request, id: string): Promise<void> {
    const { extension, requester } = request.history;
    if (extension === null) return;
    await sleep(extension.after);
    await command(request, requester, 'extend', `extend ${id} ${extension.seconds}s`, extension.seconds);
    await change(request, 'extending');
    if (extension.verdict === 'deny') await command(request, extension.by, 'deny', `deny ${id}`);
    else await insist(() => press(request, id, extension.by, 'approveExtension'));
  }

  async function revoke(request: Request, id: string): Promise<void> {
    const step = request.history.revoke;
    if (step === null) return;
    await sleep(step.after);
    await insist(() => command(request, step.by, 'revoke', `revoke ${id}`));
  }

  async function edit(request: Request, id: string): Promise<void> {
    const { history } = request;
    if (history.edit === null) return;
    const namespace = namespaceOf(history);
    const { audit, admin } = places.at(history.cluster);
    const bound = await waitFor(
      () => audit.tracks.get(`rolebindings ${namespace}/drawbridge-${id}`)?.changes.length,
      ACTIVE_MS,
    );
    if (bound === null) return;
    await sleep(history.edit.after);
    const { guard } = factsOf(history.profile);
    // A profile without a guard loses its binding.
    const what: Edit =
      guard === null
        ? (({ 'delete-guard': 'delete-binding', 'keep-guard': 'keep-binding' } as const)[
            history.edit.what as 'keep-guard'
          ] ?? history.edit.what)
        : history.edit.what;
    const kind = what.endsWith('guard') ? 'guard' : what.endsWith('lease') ? 'lease' : 'binding';
    const path = pathOf(kind, kind === 'guard' && guard === 'workspaces' ? on.workspaces : namespace, id);
    request.edits.push({ at: Date.now(), what });
    on.counts.edits += 1;
    steps += 1;
    const options = (propagationPolicy: string) => ({ apiVersion: 'v1', kind: 'DeleteOptions', propagationPolicy });
    const patch = (body: unknown) => admin.call('PATCH', path, body, 'application/merge-patch+json');
    switch (what) {
      case 'delete-binding':
      case 'delete-guard':
      case 'delete-lease':
        await admin.call('DELETE', path, options('Background'));
        break;
      case 'orphan-lease':
        await admin.call('DELETE', path, options('Orphan'));
        break;
      case 'keep-binding':
      case 'keep-guard':
      case 'keep-lease':
        kept.push({ path, side: history.cluster });
        await patch({ metadata: { finalizers: ['example.test/keep'] } });
        break;
      case 'change-subjects':
        await patch({
          subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'mallory@example.test' }],
        });
        break;
      case 'change-expiry':
        await patch({
          metadata: {
            annotations: { 'drawbridge.internal/expires-at': new Date(Date.now() + 3_600_000).toISOString() },
          },
        });
        break;
      default:
        what satisfies never;
    }
  }

  /** As people type it; empty: the whole of the only cluster. */
  function targetOf(history: History): string {
    const { wide } = factsOf(history.profile);
    const rest = history.target.split('/').slice(1);
    const place = wide ? history.target && `node/${on.node}` : [namespaceOf(history), ...rest].join('/');
    return `${history.cluster === null ? '' : `${history.cluster}:`}${place}`;
  }

  async function live(history: History): Promise<void> {
    await sleep(history.at);
    const target = targetOf(history);
    for (let attempt = 0; attempt < ATTEMPTS && Date.now() < began + LAST_ATTEMPT_MS; attempt++) {
      const reason = `${history.name}t${attempt}`;
      const request: Request = { history, reason, typedAt: Date.now(), deeds: [], edits: [], changes: [] };
      requests.push(request);
      const later: Promise<void>[] = [];
      const { acked } = await type(
        history.requester,
        `request ${profileNamed(history)} ${target} ${history.seconds}s ${reason}`,
      );
      if (history.again !== null) later.push(deliverAgain(history.requester, reason, history.again));
      const id = await waitFor(() => slack.idsOf(reason)[0], acked ? SEEN_MS : UNHEARD_MS);
      const isOver = id !== null && (await accompany(request, id));
      await Promise.all(later);
      if (isOver) return;
    }
  }

  /** All that people do about one request. False: it should have become access, and a fault kept it from that. */
  async function accompany(request: Request, id: string): Promise<boolean> {
    const { history } = request;
    const isEarly = history.revoke?.early === true;
    await change(request, 'waiting');
    const active = waitFor(() => isSettled(id) && (slack.standing(id)?.standing ?? ''), ACTIVE_MS);
    await Promise.all([
      ...history.decisions.map((step) => decide(request, id, step)),
      ...(isEarly ? [revoke(request, id)] : []),
      active.then(async (standing) => {
        if (standing !== 'active') return;
        await Promise.all([extend(request, id), change(request, 'active'), ...(isEarly ? [] : [revoke(request, id)])]);
      }),
      edit(request, id),
    ]);
    // Nobody else will: it would wait until it times out.
    if (!isMeantToBeGranted(history) && history.change !== null && isPending(id)) await callBack(request, id);
    const wasActive = slack.said.some((said) => said.id === id && said.inMessage && said.standing === 'active');
    return wasActive || isEarly || !isMeantToBeGranted(history);
  }

  /** The administrator takes the finalizer away; a bot that deletes the same object at that moment makes it a conflict. */
  async function letGo({ path, side }: (typeof kept)[number]): Promise<void> {
    const { admin } = places.at(side);
    for (let attempt = 0; ; attempt++) {
      const remedy = { metadata: { finalizers: null } };
      const { status, body } = await admin.call('PATCH', path, remedy, 'application/merge-patch+json');
      if (status === 200 || status === 404) return;
      if (attempt === 5) throw new Error(`the finalizer of ${path} stays: ${JSON.stringify(body)}`);
      await sleep(200);
    }
  }

  /** What is still to be waited for, in words. */
  async function open(): Promise<string[]> {
    await places.read();
    slack.read();
    const untold = requests.flatMap((request) =>
      // Seen by nobody, or lost with Redis: nothing can be expected to be said.
      on.flushes.some((flush) => flush >= request.typedAt - 1000)
        ? []
        : slack.idsOf(request.reason).flatMap((id) => {
            const now = slack.standing(id);
            return now !== undefined && isEnd(now.standing)
              ? []
              : [`${id} (${request.reason}) is said to be ${now?.standing ?? 'nothing'}`];
          }),
    );
    // Looked up only when all seems to be over: it costs a kubectl.
    if (untold.length > 0) return untold;
    const objects = [...(await world.grantObjects()), ...((await world.other?.grantObjects()) ?? [])];
    return objects.map((object) => `${object} is left`);
  }

  /** The requester does, or an administrator in the place of one who may not act any more. */
  async function callBack(request: Request, id: string): Promise<void> {
    const by = request.history.change === null ? request.history.requester : 'dee';
    await insist(() => command(request, by, 'revoke', `revoke ${id}`));
  }

  const calledBack = new Set<string>();
  /** What is asked again waits for longer than a batch does. */
  async function callBackAskedAgain(): Promise<void> {
    for (const request of requests)
      for (const id of slack.idsOf(request.reason)) {
        if (!isAskedAgain(id) || calledBack.has(id)) continue;
        calledBack.add(id);
        await callBack(request, id);
      }
  }

  const histories = batch.histories.map(live);
  const storm = batch.faults.map(async ({ at, fault }) => {
    await sleep(at);
    await strike(on, fault);
  });
  const reading = setInterval(() => {
    slack.read();
    // Who waits for a reading is told.
    places.read().catch(() => {});
  }, 100);
  try {
    await Promise.all(storm);
    if (batch.faults.length > 0) await sleep(Math.max(0, began + batch.storm - Date.now()));
    await calmDown(on);
    await Promise.all(histories);
    for (const path of kept) await letGo(path);
    slack.read();
    const settledFrom = Date.now();
    let nudged = false;
    let unfinished = await open();
    while (unfinished.length > 0 && Date.now() < settledFrom + SETTLE_MS) {
      await callBackAskedAgain();
      if (!nudged && !batch.patient && Date.now() > settledFrom + NUDGE_MS) {
        nudged = true;
        await on.victims[0]?.kill(0);
        await on.victims[0]?.running();
      }
      await sleep(300);
      unfinished = await open();
    }
    await changes.undo();
    return { batch, requests, steps: steps + batch.faults.length, unfinished, nudged };
  } finally {
    clearInterval(reading);
  }
}
