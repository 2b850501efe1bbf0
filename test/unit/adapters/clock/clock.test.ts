import { expect, test } from 'vitest';
import { createClock } from '../../../../src/adapters/clock/clock.ts';

/** A machine and two servers, whose clocks the test sets; to ask Redis takes `takes` milliseconds. */
function machine() {
  const at = { own: 1_000_000, redis: 1_000_000, kubernetes: 1_000_000, monotonic: 5000, takes: 0, away: false };
  const asked = { redis: 0, kubernetes: 0 };
  const pass = (ms: number) => {
    for (const clock of ['own', 'redis', 'kubernetes', 'monotonic'] as const) at[clock] += ms;
  };
  const ask = async (server: 'redis' | 'kubernetes') => {
    asked[server]++;
    if (at.away) throw new Error('away');
    if (server === 'kubernetes') return Math.floor(at.kubernetes / 1000) * 1000;
    pass(at.takes / 2);
    const said = at.redis;
    pass(at.takes / 2);
    return said;
  };
  const servers = { redis: () => ask('redis'), kubernetes: () => ask('kubernetes') };
  return { at, pass, asked, clock: createClock(servers, { own: () => at.own, monotonic: () => at.monotonic }) };
}

test('a clock that is right is left alone', async () => {
  const { at, pass, clock } = machine();
  at.takes = 300;
  await clock.measure();
  pass(12_345);
  expect(clock.now()).toBe(at.own);
  expect(clock.doubt()).toBeNull();
});

test('a clock that is off when the process starts is corrected by what Redis says, to the millisecond', async () => {
  const { at, pass, clock } = machine();
  at.own += 240_000;
  at.takes = 200;
  await clock.measure();
  pass(60_000);
  expect(clock.now()).toBe(at.redis);
  expect(clock.doubt()).toContain('4m ahead');
  expect(clock.clocks().own - clock.now()).toBe(240_000);
});

test('a clock that steps later is seen at once, before anybody is asked again', async () => {
  const { at, clock } = machine();
  await clock.measure();
  at.own -= 3_600_000;
  expect(clock.now()).toBe(at.redis);
  expect(clock.doubt()).toContain('1h behind');
  at.own += 3_600_000;
  expect(clock.doubt()).toBeNull();
});

test('a server that does not answer keeps the time that it had, and so does one that answers too slowly', async () => {
  const { at, clock } = machine();
  at.own += 300_000;
  await clock.measure();
  at.away = true;
  await clock.measure();
  expect(clock.now()).toBe(at.redis);
  at.away = false;
  at.takes = 20_000;
  const { redis } = at;
  at.redis += 777;
  await clock.measure();
  expect(clock.now()).toBe(redis + 20_000);
});

test('what the API server writes by a clock that is off is read as the time that we go by', async () => {
  const { at, pass, clock } = machine();
  at.kubernetes += 20_000;
  await clock.measure();
  // It tells whole seconds: half a second this way or that.
  expect(Math.abs(clock.fromKubernetes(at.kubernetes) - at.own)).toBeLessThanOrEqual(500);
  expect(clock.doubt()).toBeNull();
  at.kubernetes -= 20_000;
  pass(300_000);
  await clock.measure();
  expect(clock.fromKubernetes(at.kubernetes)).toBe(at.kubernetes);
});

test('installed, it is the clock of the process until it is given back', async () => {
  const { at, clock } = machine();
  const { now } = Date;
  const giveBack = clock.install();
  try {
    expect(Date.now()).toBe(at.own);
  } finally {
    giveBack();
  }
  expect(Date.now).toBe(now);
});

test('the API server is asked seldom, since all its answers tell the time', async () => {
  const { at, pass, asked, clock } = machine();
  await clock.measure();
  pass(299_999);
  await clock.measure();
  expect(asked).toEqual({ redis: 2, kubernetes: 1 });
  at.kubernetes += 60_000;
  clock.heard(at.kubernetes, 200);
  expect(clock.doubt()).toMatch(/^the clocks of Redis and of the API server differ by (59|1m)/);

  // Until the doubt is gone it is asked each time.
  await clock.measure();
  expect(asked.kubernetes).toBe(2);
  at.kubernetes -= 60_000;
  await clock.measure();
  expect(asked.kubernetes).toBe(3);
  expect(clock.doubt()).toBeNull();

  pass(300_000);
  await clock.measure();
  expect(asked.kubernetes).toBe(4);
});

test('an answer that comes after a fresh one, or too late, says nothing of the time', async () => {
  const { at, pass, clock } = machine();
  await clock.measure();
  const { kubernetes } = clock.clocks();
  pass(9999);
  clock.heard(at.kubernetes + 60_000, 0);
  expect(clock.clocks().kubernetes).toBe((kubernetes ?? 0) + 9999);
  pass(1);
  clock.heard(at.kubernetes + 60_000, 1001);
  expect(clock.clocks().kubernetes).toBe((kubernetes ?? 0) + 10_000);
  clock.heard(at.kubernetes + 60_000, 1000);
  expect(clock.clocks().kubernetes).toBe(at.kubernetes + 60_000 + 500 + 500);
});
