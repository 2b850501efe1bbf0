import { setTimeout as sleep } from 'node:timers/promises';
import type { Fault } from './histories.ts';
import type { Installation } from './installation.ts';

/** Does one fault to an installation, and returns when it is over. Bots that were killed come back by themselves. */
export async function strike(on: Installation, fault: Fault): Promise<void> {
  const { world, redis, victims, counts, faulty } = on;
  const { faults } = world.slack;
  const side = 'side' in fault && fault.side !== undefined ? { side: fault.side } : {};
  const proxies = on.proxies.filter((one) => side.side === undefined || one.side === side.side);
  const during = { from: Date.now(), to: Number.POSITIVE_INFINITY, what: JSON.stringify(fault), ...side };
  if (fault.kind !== 'crash') faulty.push(during);
  switch (fault.kind) {
    case 'kill':
      await Promise.all(fault.bots.map(async (bot) => victims[bot]?.kill(fault.down)));
      break;
    case 'crash':
      victims[fault.bot]?.arm(fault.point, fault.down);
      break;
    case 'redis-restart':
      counts.redisRestarts += 1;
      await world.redis.kill9();
      await sleep(fault.down);
      await world.redis.restart();
      break;
    case 'flush':
      on.flushes.push(Date.now());
      await redis.flushall().then(
        () => {
          counts.flushes += 1;
        },
        // It is away just now: then it loses nothing.
        () => on.flushes.pop(),
      );
      if (fault.thenKill) await victims[0]?.kill(0);
      break;
    case 'api-away':
      for (const { proxy } of proxies) proxy.away(true);
      await sleep(fault.for);
      for (const { proxy } of proxies) proxy.away(false);
      break;
    case 'api-slow':
      for (const { proxy } of proxies) proxy.slow(fault.by);
      await sleep(fault.for);
      for (const { proxy } of proxies) proxy.slow(0);
      break;
    case 'api-status':
      for (const { proxy } of proxies) proxy.answer(fault.status, fault.calls, fault.writes);
      await sleep(1500);
      break;
    case 'api-lost':
      for (const { proxy } of proxies) proxy.loseAnswers(fault.calls);
      await sleep(1500);
      break;
    case 'api-held':
      for (const { proxy } of proxies) proxy.hold(fault.calls, fault.by);
      await sleep(1500 + fault.by);
      break;
    case 'slack-away':
      faults.away();
      await sleep(fault.for);
      faults.back();
      break;
    case 'slack-drop':
      if (fault.refresh) faults.refreshSockets();
      else faults.dropSockets();
      break;
    case 'slack-fault':
      faults.next(
        fault.how === 'ratelimited'
          ? { kind: 'ratelimited', retryAfter: 1 }
          : fault.how === 'status'
            ? { kind: 'status', status: 503 }
            : { kind: fault.how },
        { times: fault.calls },
      );
      break;
    default:
      fault satisfies never;
  }
  during.to = Date.now();
}

/** Ends every fault, and waits until both bots and all that they need are back. */
export async function calmDown(on: Installation): Promise<void> {
  for (const { proxy } of on.proxies) proxy.clear();
  on.world.slack.faults.clear();
  for (const victim of on.victims) victim.disarm();
  await Promise.all(on.victims.map((victim) => victim.running()));
}
