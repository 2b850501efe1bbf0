import type { Ran } from './batch.ts';
import { CHANGES, type Change } from './histories.ts';
import type { Installation } from './installation.ts';
import type { Verdict } from './judge.ts';

/** Sums up a run, as a table for people (and for docs/reliability.md). */
export function createReport() {
  const sums = new Map<string, number>();
  const add = (name: string, number: number) => sums.set(name, (sums.get(name) ?? 0) + number);
  const ends = new Map<string, number>();
  const worst = { calm: { worst: 0, of: 0 }, faults: { worst: 0, of: 0 }, noBot: { worst: 0, of: 0 } };
  let slowest = 0;
  const crashes = new Set<string>();
  const get = (name: string) => String(sums.get(name) ?? 0);
  return {
    add(ran: Ran, verdict: Verdict): void {
      add('histories', ran.batch.histories.length);
      add(ran.batch.climate, ran.batch.histories.length);
      add('requests', ran.requests.length);
      add('steps', ran.steps);
      add('grants', verdict.grants);
      add('granted', verdict.granted);
      add('audited', verdict.audited);
      add('forCause', verdict.askedAgain.forCause);
      add('forNothing', verdict.askedAgain.forNothing);
      for (const { what, when } of ran.requests.flatMap(({ changes }) => changes)) add(changeOf({ what, when }), 1);
      add('faults', ran.batch.faults.length);
      add('violations', verdict.violations.length);
      for (const [kind, number] of Object.entries(verdict.kinds)) add(kind, number);
      if (ran.batch.clusters === 2) {
        add('twoClusters', ran.batch.histories.length);
        add('oneSided', ran.batch.faults.filter(({ fault }) => 'side' in fault).length);
      }
      add('nudged', ran.nudged ? 1 : 0);
      for (const [end, number] of verdict.ends) ends.set(end, (ends.get(end) ?? 0) + number);
      for (const kind of ['calm', 'faults', 'noBot'] as const) {
        worst[kind].worst = Math.max(worst[kind].worst, verdict.lateness[kind].worst);
        worst[kind].of += verdict.lateness[kind].of;
      }
    },
    churned(rounds: number): void {
      add('churn', rounds);
    },
    /** What an installation has been through, once it is done. */
    close(on: Installation): void {
      for (const [name, number] of Object.entries(on.counts)) add(name, number);
      add('slow', on.faulty.filter(({ cluster }) => cluster).length);
      slowest = Math.max(slowest, on.pulse.longest);
      for (const { proxy } of on.proxies) add('api', proxy.faults);
      add('slack', on.slack.faults);
      for (const point of on.crashedAt.keys()) crashes.add(point);
    },
    table(seconds: number): string {
      const percent = (name: string) =>
        ` (${Math.round((100 * (sums.get(name) ?? 0)) / (sums.get('histories') ?? 1))} %)`;
      const late = (kind: keyof typeof worst) => `${(worst[kind].worst / 1000).toFixed(1)} s (of ${worst[kind].of})`;
      const rows: [string, string][] = [
        ['histories / requests / steps', `${get('histories')} / ${get('requests')} / ${get('steps')}`],
        [
          'histories with a Redis of a hoster, a mutating webhook and a crowd of workloads / without',
          `${get('unforgiving')} / ${get('mild')}`,
        ],
        ['histories with two clusters / grants in the second', `${get('twoClusters')} / ${get('second')}`],
        ['grants for the whole cluster or a node / by a token', `${get('wide')} / ${get('token')}`],
        ['faults begun / between the bots and one of two clusters alone', `${get('faults')} / ${get('oneSided')}`],
        ['bots killed with -9 from outside', get('kills')],
        ['bots that killed themselves between two writes', `${get('crashes')}, at ${crashes.size} different points`],
        ['Redis killed and restarted / emptied', `${get('redisRestarts')} / ${get('flushes')}`],
        ['calls to the API server that met a fault', get('api')],
        [
          'writes of the harness that took the API server over a second / the longest',
          `${get('slow')} / ${(slowest / 1000).toFixed(1)} s`,
        ],
        ['calls to Slack that met a fault', get('slack')],
        ["edits of the grants' objects by an administrator", get('edits')],
        ['rounds of Jobs, rollouts, scaling and relabelling elsewhere', get('churn')],
        [
          'what was changed under requests and grants',
          CHANGES.map((change) => `${changeOf(change)} ${get(changeOf(change))}`).join(', '),
        ],
        ['asked again because something bound had changed', get('forCause')],
        ['asked again though nothing bound had changed', get('forNothing')],
        ['grants made / histories that got one', `${get('grants')} / ${get('granted')}${percent('granted')}`],
        ["grants whose entries in Drawbridge's audit were held against it", get('audited')],
        [
          'ends',
          [...ends]
            .toSorted(([, a], [, b]) => b - a)
            .map(([end, number]) => `${end} ${number}`)
            .join(', '),
        ],
        ['batches that needed a bot started anew to finish soon', get('nudged')],
        ['worst lateness, nothing broken', late('calm')],
        ['worst lateness, with faults', late('faults')],
        ['worst lateness, no bot alive (leases alone)', late('noBot')],
        ['violations', get('violations')],
        ['wall time', `${Math.round(seconds)} s`],
      ];
      return ['| what | figure |', '|---|---|', ...rows.map(([what, figure]) => `| ${what} | ${figure} |`)].join('\n');
    },
  };
}

const changeOf = ({ what, when }: Pick<Change, 'what' | 'when'>) => `${what} (${when})`;
