import { expect, test } from 'vitest';
import type { Bot } from '../../src/sandbox/bot.ts';
import { ACCESS, PEOPLE } from '../../src/sandbox/scenery.ts';
import { describeWithCluster } from '../support/cluster.ts';
import { type Stage, textOf, useStage } from '../support/e2e.ts';
import { persistentPeople } from '../support/persistent-people.ts';
import { terminate } from '../support/terminate.ts';

/** Bots that are told to end while people click, and while work runs. */

/** The audit of all bots, each entry once, in the order of the chain. */
async function chained(s: Stage) {
  const lines = (await Promise.all([...s.bots.values()].map((bot) => bot.lines()))).flat();
  const entries = lines.filter(({ audit, seq }) => audit === 1 && seq !== undefined) as {
    id: string;
    event: string;
    seq: number;
  }[];
  return [...new Map(entries.map((line) => [line.seq, line])).values()].toSorted((a, b) => a.seq - b.seq);
}

describeWithCluster('a rolling restart', (kube) => {
  // Asked, approved and ended as fast as a machine can: what is limited is told later, and is not looked at here.
  const stage = useStage(kube, { bot: false, slack: { ackMs: 3000, minuteMs: 1000 } });

  test('under people who ask, approve, deny, extend and revoke all the while: each click has its effect, once', async () => {
    const s = stage();
    const { control } = s.slack;
    const start = (name: string) => s.startBot({ name });
    let running: readonly Bot[] = await Promise.all([start('one-0'), start('two-0')]);
    await control.connected(2);
    const now = { rolling: true };
    const { type, ask, click, until, missed } = persistentPeople(s);
    const wanted = new Map<string, readonly string[]>();
    const opening = ['requested', 'approval', 'applying', 'active'];
    const flows: ((reason: string) => Promise<void>)[] = [
      async (reason) => {
        const id = await ask(reason);
        wanted.set(id, ['requested', 'denied']);
        await type('ben', `deny ${id} not now`);
        await until(id, 'Denied');
      },
      async (reason) => {
        const id = await ask(reason);
        wanted.set(id, [...opening, 'ending', 'revoked']);
        await click(id, 'approve');
        await until(id, 'Active until');
        await type('ada', `revoke ${id}`);
        await until(id, 'Revoked');
      },
      async (reason) => {
        const id = await ask(reason);
        wanted.set(id, [...opening, 'extension-requested', 'extended', 'ending', 'revoked']);
        await click(id, 'approve');
        await until(id, 'Active until');
        await type('ada', `extend ${id} 5m`);
        await until(id, 'Approve extension');
        await click(id, 'approveExtension');
        await control.waitFor(async () => (await s.audited(id)).includes('extended'), { timeout: 80_000 });
        await type('ada', `revoke ${id}`);
        await until(id, 'Revoked');
      },
    ];
    const lanes = flows.map(async (flow, lane) => {
      let count = 0;
      while (now.rolling) {
        const reason = `lane ${lane} no ${count++}.`;
        const before = (await control.ephemerals(PEOPLE.ada.id)).length;
        try {
          await flow(reason);
        } catch (error) {
          // What somebody was refused stands among what others were told meanwhile.
          const told = (await control.ephemerals(PEOPLE.ada.id))
            .slice(before, before + 12)
            .map(textOf)
            .join('\n');
          throw new Error(`${reason} ${told}`, { cause: error });
        }
      }
      return count;
    });
    // Looked at below, after the last restart.
    for (const lane of lanes) lane.catch(() => {});
    const took: number[] = [];
    try {
      for (const generation of [1, 2])
        for (const [index, name] of ['one', 'two'].entries()) {
          const old = running[index];
          if (old === undefined) throw new Error('no bot');
          const [time, next] = await Promise.all([terminate(old), start(`${name}-${generation}`)]);
          took.push(time);
          running = running.with(index, next);
          await control.connected(2);
        }
    } finally {
      now.rolling = false;
    }
    const counts = await Promise.all(lanes);
    for (const count of counts) expect(count).toBeGreaterThan(1);
    for (const time of took) expect(time).toBeLessThan(25_000);

    const chain = await chained(s);
    for (const [id, events] of wanted)
      expect([id, ...chain.filter((line) => line.id === id).map(({ event }) => event)]).toEqual([id, ...events]);
    const posted = (await control.messages(ACCESS)).filter((message) => message.thread_ts === undefined).map(textOf);
    expect(posted.filter((text) => text.includes('lane '))).toHaveLength(wanted.size);
    expect(wanted.size).toBe(counts.reduce((sum, count) => sum + count, 0));
    expect(await s.grantObjects()).toEqual([]);
    // Slack itself tells of what reached a connection that was being closed; it is the exception.
    expect(missed()).toBeLessThanOrEqual(took.length);
    for (const bot of running) await bot.stop();
  });
});
