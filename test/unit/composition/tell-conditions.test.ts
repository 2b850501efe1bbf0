import { beforeEach, expect, test } from 'vitest';
import { createConditions } from '../../../src/app/common/conditions.ts';
import { type Lack } from '../../../src/app/ports/conditions.ts';
import { tellConditions } from '../../../src/composition/tell-conditions.ts';
import { manualClock } from '../../support/memory.ts';
import { silentLog } from '../../support/silent-log.ts';

let log: ReturnType<typeof silentLog>;
let clock: ReturnType<typeof manualClock>;
let report: (lack: Lack | null, severity?: 'degraded' | 'not ready') => void;
let raised: string[];
/** Of the alarms that stand: a key that is raised, and not over yet. */
let standing: Set<string>;
beforeEach(() => {
  log = silentLog();
  clock = manualClock();
  raised = [];
  standing = new Set();
  const alarms = {
    async raise(key: string, _id: null, text: string) {
      if (!standing.has(key)) raised.push(text);
      standing.add(key);
    },
    async over(key: string) {
      standing.delete(key);
    },
  };
  const conditions = createConditions({
    now: clock.now,
    tell: tellConditions({ alarms, clock, log }),
    unknown: () => {},
  });
  report = (lack, severity = 'degraded') => conditions.report({ name: 'leash', severity }, lack);
});

const OPEN = { lacks: 'the leash is open', todo: 'Close it.', detail: 'two bindings' };

test('administrators are told what is missing, what to do, and that it is mended; and all of it again the next time', () => {
  for (let time = 1; time <= 2; time++) {
    report(OPEN);
    expect(raised.splice(0)).toEqual(['the leash is open:\ntwo bindings. Close it.']);
    report(null);
    expect(raised.splice(0)).toEqual(['Mended: it is no longer so that the leash is open.']);
  }
});

test('what is missing may come back to what it was before, and is told again', () => {
  const torn = { lacks: 'the leash is torn', todo: 'Mend it.' };
  for (const lack of [OPEN, torn, OPEN]) report(lack);
  expect(raised.map((text) => text.split('.')[0])).toEqual([
    'the leash is open:\ntwo bindings',
    'the leash is torn',
    'the leash is open:\ntwo bindings',
  ]);
});

test('the log says it as loud as it is, and how long it was so', () => {
  report(OPEN);
  clock.pass(90);
  report(null);
  report(OPEN, 'not ready');
  expect(log.lines.map(({ level, text, fields }) => [level, text, fields['seconds'] ?? fields['todo']])).toEqual([
    ['warn', 'the leash is open', 'Close it.'],
    ['info', 'nothing is missing any more', 90],
    ['error', 'the leash is open', 'Close it.'],
  ]);
});
