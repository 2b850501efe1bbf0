import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import type { Bot } from '../../src/sandbox/bot.ts';
import { PEOPLE } from '../../src/sandbox/scenery.ts';
import { describeWithCluster } from '../support/cluster.ts';
import { type Stage, textOf, useStage } from '../support/e2e.ts';

/** Bots on machines whose clock is minutes off, on the same Redis and cluster as one that is right. */
const SHIFTED = fileURLToPath(new URL('../support/shifted-bot.ts', import.meta.url));
const MINUTES = 60_000;

const startShifted = (s: Stage, name: string, shift: number, when = 'start'): Promise<Bot> =>
  s.startBot({
    name,
    main: SHIFTED,
    env: { CLOCK_SHIFT: String(shift), CLOCK_SHIFT_WHEN: when },
    waitReady: when !== 'start',
  });

async function active(s: Stage, line: string): Promise<string> {
  const id = await s.request(line);
  await s.press('ben', id, 'approve');
  await s.until(id, 'Active until', 40_000);
  return id;
}

const readiness = async (bot: Bot): Promise<unknown> =>
  (await fetch(`${bot.opsUrl}/readyz`)).json().then((answer) => (answer as { failing: unknown }).failing);

/** It has looked around, is connected to Slack, and has found that its clock is off. */
async function doubts(s: Stage, bot: Bot, connections: number): Promise<void> {
  await s.slack.control.connected(connections);
  await s.slack.control.waitFor(
    async () => Object.keys((await readiness(bot).catch(() => ({}))) as object).join() === 'clock',
    { timeout: 60_000, what: `${bot.name} is ready but for its clock` },
  );
}

/** When the rights are due to end, and until when the API server allowed them; asked by the true clock, which is this process's. */
async function watchEnd(s: Stage, id: string): Promise<{ due: number; seen: number }> {
  const { staging } = s.namespaces;
  const [pod = ''] = await s.podsOf(staging, 'checkout');
  const path = '-o=jsonpath={.metadata.annotations.drawbridge\\.internal/expires-at}';
  const due = Date.parse(await s.adminKubectl(['-n', staging, 'get', 'rolebinding', `drawbridge-${id}`, path]));
  expect(await s.can('ada', 'get', `pods/${pod}`, '-n', staging)).toBe('yes');
  await s.slack.control.waitFor(async () => (await s.can('ada', 'get', `pods/${pod}`, '-n', staging)) === 'no', {
    timeout: due - Date.now() + 30_000,
    what: `${id} has ended`,
  });
  return { due, seen: Date.now() };
}

/** The lateness of its end as the audit has it, whichever bot wrote it. */
async function lateness(s: Stage, id: string): Promise<number | undefined> {
  const lines = (await Promise.all([...s.bots.values()].map((bot) => bot.audit()))).flat();
  return lines.find((line) => line.id === id && line.event === 'expired')?.lateness;
}

const REFUSED = 'Nothing is granted now';
const refusals = async (s: Stage, person: keyof typeof PEOPLE): Promise<number> =>
  (await s.slack.control.ephemerals(PEOPLE[person].id)).map(textOf).filter((text) => text.includes(REFUSED)).length;

/** Does it until a bot whose clock is right is the one that gets it, as a person does who is told to try again. */
async function insist(
  s: Stage,
  person: keyof typeof PEOPLE,
  act: () => Promise<unknown>,
  done: () => Promise<boolean>,
) {
  for (;;) {
    const before = await refusals(s, person);
    await act();
    const outcome = await s.slack.control.waitFor(
      async () => ((await done()) ? 'done' : (await refusals(s, person)) > before && 'refused'),
      { timeout: 20_000, what: 'it is done, or refused' },
    );
    if (outcome === 'done') return;
  }
}

describeWithCluster('a bot whose clock is minutes off', (kube) => {
  const stage = useStage(kube);

  test.each([
    ['ahead', 4 * MINUTES],
    ['behind', -4 * MINUTES],
  ])('%s, and alone: it grants nothing, says why, and ends grants on time', async (way, shift) => {
    const s = stage();
    const { staging } = s.namespaces;
    const bot = s.bots.get('bot');
    const waiting = await s.request(`debug ${staging}/deploy/checkout 5m ${way}, not approved yet`);
    const id = await active(s, `debug ${staging}/deploy/checkout 20s ${way}`);
    await bot?.stop();
    const off = await startShifted(s, way, shift);
    await doubts(s, off, 1);

    await s.type('ada', `request debug ${staging}/deploy/checkout 5m by the wrong clock`);
    await s.toldTo(
      'ada',
      new RegExp(`${REFUSED}.*the clock of this replica is 4m ${way}.*Nothing was requested.*Try again`),
    );
    await s.press('ben', waiting, 'approve');
    await s.toldTo('ben', new RegExp(`${REFUSED}.*4m ${way}`));
    expect(await s.audited(waiting)).toEqual(['requested', 'refused']);

    const { due, seen } = await watchEnd(s, id);
    expect(seen - due).toBeGreaterThan(-500);
    expect(seen - due).toBeLessThan(3000);
    await s.until(id, 'access was confirmed gone');
    expect(await lateness(s, id)).toBeLessThan(2000);
    expect(await s.objectsOf(id)).toEqual([]);
    const ahead = /^drawbridge_clock_ahead_seconds\{of="(?:redis|kubernetes)"\} (.+)$/gm;
    const gauges = [...(await (await fetch(`${off.opsUrl}/metrics`)).text()).matchAll(ahead)].map(([, n]) => Number(n));
    expect(gauges).toHaveLength(2);
    for (const gauge of gauges) expect(Math.abs(gauge - shift / 1000)).toBeLessThan(2);
    await s.dm('dee', /On .* the clock of this replica is 4m ahead/);

    await off.stop();
    await bot?.restart();
    await s.press('ben', waiting, 'approve');
    await s.until(waiting, 'Active until');
    await s.type('ada', `revoke ${waiting}`);
    await s.until(waiting, 'Revoked');
  });

  test('beside one whose clock is right: what the one refuses the other grants, and all of it ends on time', async () => {
    const s = stage();
    const { staging } = s.namespaces;
    const off = await startShifted(s, 'beside', 4 * MINUTES);
    await doubts(s, off, 2);
    const ids: string[] = [];
    for (const name of ['one', 'two', 'three']) {
      const reason = `beside ${name}`;
      const line = `request debug ${staging}/deploy/checkout 12s ${reason}`;
      const find = async () =>
        (await s.slack.control.messages('C0ACCESS001')).map(textOf).find((text) => text.includes(reason));
      await insist(
        s,
        'ada',
        () => s.type('ada', line),
        async () => (await find()) !== undefined,
      );
      const id = /g-[a-z2-9]{6}/.exec((await find()) ?? '')?.[0] ?? '';
      await insist(
        s,
        'ben',
        () => s.press('ben', id, 'approve'),
        async () => (await s.audited(id)).includes('approval'),
      );
      ids.push(id);
    }
    const ends = await Promise.all(
      ids.map(async (id) => {
        await s.until(id, 'Active until', 30_000);
        return watchEnd(s, id);
      }),
    );
    for (const { due, seen } of ends) {
      expect(seen - due).toBeGreaterThan(-500);
      expect(seen - due).toBeLessThan(3000);
    }
    for (const id of ids) await s.until(id, 'access was confirmed gone');
    const granted = (await off.audit()).filter(({ event }) =>
      ['requested', 'approval', 'applying', 'active'].includes(event),
    );
    expect(granted).toEqual([]);
    await off.stop();
  });

  test('only since a moment ago: it is noticed at once, and a grant that it gave before ends on time', async () => {
    const s = stage();
    const { staging } = s.namespaces;
    await s.bots.get('bot')?.stop();
    const off = await startShifted(s, 'stepping', 60 * MINUTES, 'signal');
    const id = await active(s, `debug ${staging}/deploy/checkout 12s before the step`);
    process.kill(off.pid, 'SIGUSR2');
    await s.type('ada', `request debug ${staging}/deploy/checkout 5m after the step`);
    expect(await s.toldTo('ada', 'is 1h ahead')).toContain(REFUSED);
    const { due, seen } = await watchEnd(s, id);
    expect(seen - due).toBeGreaterThan(-500);
    expect(seen - due).toBeLessThan(3000);
    await s.until(id, 'access was confirmed gone');
  });
});
