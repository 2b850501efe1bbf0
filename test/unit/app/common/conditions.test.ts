import { describe, expect, it } from 'vitest';
import { createConditions } from '../../../../src/app/common/conditions.ts';
import { type Condition, type Lack, type Need } from '../../../../src/app/ports/conditions.ts';

const NO_EVAL: Lack = { lacks: 'no EVAL', todo: 'Allow it.' };
const NO_BOT: Lack = { lacks: 'the bot is not in the channel', todo: 'Invite it.' };

function world() {
  let now = 1000;
  let elapsed = 0;
  const told: string[] = [];
  const unknown: string[] = [];
  const conditions = createConditions({
    now: () => now,
    elapsed: () => elapsed,
    tell: {
      began: ({ lacks }, before) => told.push(`${before === null ? '' : `${before.lacks}, now `}${lacks}`),
      ended: ({ lacks, since }) => told.push(`again: ${lacks} since ${since}`),
    },
    unknown: (name) => unknown.push(name),
  });
  /** A need whose answer the test gives; an Error: it can't be found out. */
  function need(more: Partial<Need> = {}) {
    const given = { answer: null as Lack | null | Error, looks: 0 };
    conditions.add({
      name: 'redis',
      severity: 'not ready',
      every: 600,
      again: 10,
      async look() {
        given.looks += 1;
        if (given.answer instanceof Error) throw given.answer;
        return given.answer;
      },
      ...more,
    });
    return given;
  }
  return {
    conditions,
    told,
    unknown,
    need,
    pass: (milliseconds: number) => {
      now += milliseconds;
      elapsed += milliseconds;
      return conditions.tend();
    },
    setClock: (at: number) => {
      now = at;
    },
  };
}

describe('what is needed', () => {
  it('refuses, untold, until somebody has found out, where that is said', async () => {
    const { conditions, need, pass, told } = world();
    const leash = need({ name: 'leash', refuses: 'giving', untilKnown: NO_BOT });
    need({ name: 'lists', refuses: 'giving' });
    expect(conditions.hindrance('giving')).toMatchObject({ name: 'leash', ...NO_BOT });
    expect(conditions.list()).toEqual([]);
    leash.answer = new Error('no answer');
    await pass(0);
    expect(conditions.hindrance('asking')).toMatchObject({ name: 'leash', ...NO_BOT });
    leash.answer = null;
    await pass(10);
    expect(conditions.hindrance('giving')).toBeNull();
    leash.answer = new Error('no answer');
    await pass(600);
    expect([conditions.hindrance('giving'), told]).toEqual([null, []]);
  });

  it('refuses nothing that it does not say, also until it is known', () => {
    const { conditions, need } = world();
    need({ name: 'channel', refuses: 'asking', untilKnown: NO_BOT });
    need({ name: 'lists', untilKnown: NO_BOT });
    expect(conditions.hindrance('giving')).toBeNull();
    expect(conditions.hindrance('asking')).toMatchObject({ name: 'channel' });
  });

  it('is looked at at once, then seldom while it is there, and often while it is missing', async () => {
    const { conditions, need, pass } = world();
    const redis = need();
    expect(redis.looks).toBe(0);
    await conditions.tend();
    await pass(599);
    expect(redis.looks).toBe(1);
    redis.answer = NO_EVAL;
    await pass(1);
    expect(redis.looks).toBe(2);
    await pass(9);
    expect(redis.looks).toBe(2);
    redis.answer = null;
    await pass(1);
    expect(redis.looks).toBe(3);
    await pass(10);
    expect(redis.looks).toBe(3);
  });

  it('is looked at in time also after the clock was set back', async () => {
    const { conditions, need, pass, setClock, told } = world();
    const redis = need();
    await conditions.tend();
    setClock(-3_600_000);
    redis.answer = NO_EVAL;
    await pass(599);
    expect(told).toEqual([]);
    await pass(1);
    expect(told).toEqual(['no EVAL']);
  });

  it('is told once when it is missing, when something else is, and when it is there again', async () => {
    const { conditions, need, pass, told } = world();
    const redis = need();
    redis.answer = NO_EVAL;
    await conditions.tend();
    await pass(10);
    expect(told).toEqual(['no EVAL']);
    redis.answer = { ...NO_EVAL, lacks: 'no EVAL, no SET' };
    await pass(10);
    redis.answer = { ...redis.answer, detail: 'of ada' };
    await pass(10);
    await pass(10);
    expect(told.slice(1)).toEqual(['no EVAL, now no EVAL, no SET', 'no EVAL, no SET, now no EVAL, no SET']);
    redis.answer = null;
    await pass(10);
    await pass(600);
    expect(told.slice(3)).toEqual(['again: no EVAL, no SET since 1000']);
  });

  it('is as it was found the last time while it can not be looked at, and is looked at again soon', async () => {
    const { conditions, need, pass, unknown } = world();
    const redis = need();
    redis.answer = new Error('away');
    await conditions.tend();
    expect(conditions.list()).toEqual([]);
    redis.answer = NO_EVAL;
    await pass(10);
    redis.answer = new Error('away');
    await pass(10);
    expect(conditions.list()).toEqual([
      { name: 'redis', severity: 'not ready', refuses: undefined, ...NO_EVAL, since: 1010 },
    ]);
    expect(unknown).toEqual(['redis', 'redis']);
  });

  it('is looked at anew by who asks for all, also while a look is under way', async () => {
    const { conditions } = world();
    const looks: (() => void)[] = [];
    conditions.add({
      name: 'slow',
      severity: 'degraded',
      every: 1,
      look: () => new Promise((resolve) => looks.push(() => resolve(null))),
    });
    const [first, second] = [conditions.tend(), conditions.tend()];
    const all = conditions.tend(true);
    expect(looks).toHaveLength(1);
    looks[0]?.();
    await Promise.all([first, second]);
    await expect.poll(() => looks.length).toBe(2);
    looks[1]?.();
    await all;
    expect(looks).toHaveLength(2);
  });

  it('is looked at soon when it is in doubt, unless it is known to be missing', async () => {
    const { conditions, need, pass } = world();
    const redis = need();
    const other = need({ name: 'other' });
    await conditions.tend();
    conditions.doubt('redis');
    expect(redis.looks).toBe(1);
    redis.answer = NO_EVAL;
    await pass(1);
    expect([redis.looks, other.looks]).toEqual([2, 1]);
    conditions.doubt('redis');
    await pass(1);
    expect(redis.looks).toBe(2);
  });

  it('refuses what it is needed for, and nothing else', () => {
    const { conditions } = world();
    const refused = (to: 'asking' | 'giving') => conditions.hindrance(to)?.name ?? null;
    conditions.report({ name: 'redis', severity: 'not ready' }, NO_EVAL);
    expect([refused('asking'), refused('giving')]).toEqual([null, null]);
    conditions.report({ name: 'channel', severity: 'degraded', refuses: 'asking' }, NO_BOT);
    expect([refused('asking'), refused('giving')]).toEqual(['channel', null]);
    conditions.report({ name: 'leash', severity: 'degraded', refuses: 'giving' }, NO_BOT);
    conditions.report({ name: 'channel', severity: 'degraded', refuses: 'asking' }, null);
    expect([refused('asking'), refused('giving')]).toEqual(['leash', 'leash']);
  });

  it('can be reported on the way: what is there was never missing', () => {
    const { conditions, told } = world();
    conditions.report({ name: 'channel', severity: 'degraded' }, null);
    expect(told).toEqual([]);
    conditions.report({ name: 'channel', severity: 'degraded' }, NO_BOT);
    const [condition] = conditions.list() as [Condition];
    expect(condition).toMatchObject({ name: 'channel', ...NO_BOT });
  });
});
