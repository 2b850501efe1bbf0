import { setTimeout as delay } from 'node:timers/promises';
import { handOf, type ObjectName } from './hand.ts';

/** What a busy cluster does all the time, in namespaces that are nobody's target. */
export interface Churn {
  /** How often everything has happened. */
  readonly rounds: number;
  /** Waits until everything has happened so many times more. */
  pass(rounds: number): Promise<void>;
  /** Ends it; what it made stays. @throws what went wrong in it */
  stop(): Promise<void>;
}

const BATCH = 'batch/v1';
const APPS = 'apps/v1';
const IMAGE = 'example.test/app:1';
const named = (apiVersion: string, kind: string, namespace: string, name: string): ObjectName => ({
  apiVersion,
  kind,
  metadata: { namespace, name },
});
const withSpec = (object: ObjectName, spec: object): ObjectName & { spec: object } => ({ ...object, spec });
const template = (app: string, restartPolicy: string) => ({
  metadata: { labels: { app } },
  spec: { restartPolicy, terminationGracePeriodSeconds: 0, containers: [{ name: 'app', image: IMAGE }] },
});

/**
 * Keeps Jobs, Jobs of a CronJob, rollouts, scaling, relabelling and policies coming and going in these namespaces, one after the other,
 * through the API. Pods of a cluster without nodes wait to be placed: to policies they are pods like others.
 * @param kubeconfig of somebody who may do all that
 * @param options.pause between two rounds: milliseconds
 */
export async function startChurn(
  kubeconfig: string,
  namespaces: readonly string[],
  { pause = 0 }: { readonly pause?: number } = {},
): Promise<Churn> {
  const hand = await handOf(kubeconfig);
  async function must(deed: Promise<string>): Promise<void> {
    const answer = await deed;
    if (answer !== 'accepted' && !/^(404|409) /.test(answer)) throw new Error(`churn: ${answer}`);
  }
  for (const namespace of namespaces) {
    const deployment = named(APPS, 'Deployment', namespace, 'rolling');
    const spec = {
      replicas: 1,
      selector: { matchLabels: { app: 'rolling' } },
      template: template('rolling', 'Always'),
    };
    await must(hand.create(withSpec(deployment, spec)));
    const jobTemplate = { spec: { template: template('nightly', 'Never') } };
    const cronJob = named(BATCH, 'CronJob', namespace, 'nightly');
    // Its Jobs are made here, more often than a minute.
    await must(hand.create(withSpec(cronJob, { schedule: '0 0 1 1 *', jobTemplate })));
    const bare = named('v1', 'Pod', namespace, 'relabelled');
    await must(hand.create(withSpec(bare, template('', 'Always').spec)));
  }

  async function round(namespace: string, turn: number): Promise<void> {
    const { uid } = (await hand.read<{ metadata: { uid: string } }>(named(BATCH, 'CronJob', namespace, 'nightly')))
      .metadata;
    const owner = { apiVersion: BATCH, kind: 'CronJob', name: 'nightly', uid, controller: true };
    const job = (name: string, ownerReferences: object[]) => ({
      ...named(BATCH, 'Job', namespace, name),
      metadata: { namespace, name, ownerReferences },
      spec: { template: template(name, 'Never') },
    });
    await must(hand.create(job(`single-${turn}`, [])));
    await must(hand.create(job(`nightly-${turn}`, [owner])));
    // Left out, the pods of a Job stay.
    for (const old of [`single-${turn - 2}`, `nightly-${turn - 2}`])
      await must(hand.remove(named(BATCH, 'Job', namespace, old), { propagationPolicy: 'Background' }));
    const rolling = named(APPS, 'Deployment', namespace, 'rolling');
    const rolledAt = { metadata: { annotations: { 'example.test/turn': String(turn) } } };
    await must(hand.patch(rolling, { spec: { replicas: 1 + (turn % 3), template: rolledAt } }));
    const labels = turn % 2 === 0 ? { app: 'checkout', tier: null } : { app: null, tier: 'back' };
    await must(hand.patch(named('v1', 'Pod', namespace, 'relabelled'), { metadata: { labels } }));
    const policy = named('networking.k8s.io/v1', 'NetworkPolicy', namespace, 'coming-and-going');
    if (turn % 2 === 0) await must(hand.create(withSpec(policy, { podSelector: {}, policyTypes: ['Ingress'] })));
    else await must(hand.remove(policy));
  }

  let turns = 0;
  const halt = new AbortController();
  let waiting: { readonly until: number; readonly done: () => void }[] = [];
  const work = (async () => {
    while (!halt.signal.aborted) {
      for (const namespace of namespaces) await round(namespace, turns);
      turns++;
      for (const { until, done } of waiting) if (turns >= until) done();
      waiting = waiting.filter(({ until }) => turns < until);
      await delay(pause, undefined, { signal: halt.signal }).catch(() => {});
    }
  })();
  // Told where somebody waits for it.
  work.catch(() => {});
  return {
    get rounds() {
      return turns;
    },
    async pass(rounds) {
      // The round that runs has begun before.
      const passed = new Promise<void>((done) => waiting.push({ until: turns + rounds + 1, done }));
      await Promise.race([passed, work]);
    },
    async stop() {
      halt.abort();
      await work;
    },
  };
}
