import type { createConditions } from '../app/common/conditions.ts';
import type { Alarms } from '../app/ports/alarms.ts';
import type { Clock } from '../app/ports/clock.ts';
import type { Condition } from '../app/ports/conditions.ts';
import type { ServiceLog } from './service.ts';

type Tell = Parameters<typeof createConditions>[0]['tell'];

/** Tells the log and administrators what is missing, and that it is there again: an alarm each, until the other. */
export function tellConditions({
  alarms,
  clock,
  log,
}: {
  readonly alarms: Pick<Alarms, 'raise' | 'over'>;
  readonly clock: Pick<Clock, 'now'>;
  readonly log: ServiceLog;
}): Tell {
  return {
    began(condition, before) {
      const { name: lacking, lacks, todo, detail, severity, cluster } = condition;
      const of = cluster === undefined ? {} : { cluster };
      log[severity === 'degraded' ? 'warn' : 'error']({ lacking, ...of, todo, detail, severity }, lacks);
      void alarms.over(againKey(condition));
      if (before !== null) void alarms.over(lackKey(before));
      void alarms.raise(lackKey(condition), null, `${[lacks, detail].filter(Boolean).join(':\n')}. ${todo}`);
    },
    ended(condition) {
      const { name: lacking, lacks, since } = condition;
      log.info({ lacking, seconds: Math.round((clock.now() - since) / 1000) }, 'nothing is missing any more');
      void alarms.over(lackKey(condition));
      void alarms.raise(againKey(condition), null, `Mended: it is no longer so that ${lacks}.`);
    },
  };
}

const keyOf = ({ name, cluster }: Condition) => (cluster === undefined ? name : `${name} of ${cluster}`);
const lackKey = (condition: Condition) => `lack ${keyOf(condition)} ${condition.lacks} ${condition.detail ?? ''}`;
const againKey = (condition: Condition) => `no lack ${keyOf(condition)}`;
