import { expect, test } from 'vitest';
import { ACTIONS } from '../../src/adapters/slack/actions.ts';
import type { Bot } from '../../src/sandbox/bot.ts';
import { ACCESS, PEOPLE, type PersonName } from '../../src/sandbox/scenery.ts';
import { describeWithCluster } from '../support/cluster.ts';
import { type Stage, textOf, useStage } from '../support/e2e.ts';
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
    const { staging } = s.namespaces;
    const start = (name: string) => s.startBot({ name });
    let running: readonly Bot[] = await Promise.all([start('one-0'), start('two-0')]);
    await control.connected(2);
    const now = { rolling: true };
    let missed = 0;
    /** Where Slack tells a person that it did not work, the person does it once more. */
    async function act(how: () => Promise<{ acked: boolean }>): Promise<void> {
      while (!(await how()).acked) missed += 1;
    }
    const type = (person: PersonName, text: string) =>
      act(() => control.command(PEOPLE[person].id, ACCESS, '/jit', text));
    // By its first line: messages of other grants name what else the same person has.
    const find = async (id: string) =>
      (await control.messages(ACCESS)).find((m) => m.thread_ts === undefined && m.text.includes(`(${id})`));
    const until = (id: string, words: string) =>
      control.waitFor(
        async () => {
          const message = await find(id);
          return message !== undefined && textOf(message).includes(words);
        },
        { timeout: 40_000, what: `${id} says ${words}` },
      );
    const click = async (id: string, action: keyof typeof ACTIONS) => {
      const { channel = '', ts = '' } = (await find(id)) ?? {};
      await act(() => control.click(PEOPLE.ben.id, channel, ts, ACTIONS[action]));
    };
    const wanted = new Map<string, readonly string[]>();
    async function ask(reason: string): Promise<string> {
      await type('ada', `request debug ${staging}/deploy/checkout 5m ${reason}`);
      const text = await control.waitFor(
        async () => (await control.messages(ACCESS)).map(textOf).find((words) => words.includes(`“${reason}”`)),
        { timeout: 40_000, what: `the message of ${reason}` },
      );
      return /g-[a-z2-9]{6}/.exec(text)?.[0] ?? '';
    }
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
        await control.waitFor(async () => (await s.audited(id)).includes('extended'), { timeout: 40_000 });
        await type('ada', `revoke ${id}`);
        await until(id, 'Revoked');
      },
    ];
    const lanes = flows.map(async (flow, lane) => {
      let count = 0;
      while (now.rolling) {
        const reason = `lane ${lane} no ${count++}.`;
        try {
          await flow(reason);
        } catch (error) {
          const told = (await control.ephemerals(PEOPLE.ada.id)).slice(-4).map(textOf).join('\n');
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
    expect(missed).toBeLessThanOrEqual(took.length);
    for (const bot of running) await bot.stop();
  });
});
