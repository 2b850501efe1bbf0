import { ACTIONS } from '../../src/adapters/slack/surfaces/actions.ts';
import { ACCESS, PEOPLE, type PersonName } from '../../src/sandbox/scenery.ts';
import { type Stage, textOf } from './e2e.ts';

/** Milliseconds. A word whose process ended with it is taken up by another when the queue calls its job stalled, which takes half a minute. */
const PATIENCE = 80_000;

/** Several people at once, while bots come and go: where Slack tells one of them that it did not work, that one does it once more. */
export interface PersistentPeople {
  type(person: PersonName, text: string): Promise<void>;
  /** Asks for `debug` on the checkout of staging; answers the id, found by the reason, which no other may begin with. */
  ask(reason: string): Promise<string>;
  /** Ben presses. */
  click(id: string, action: keyof typeof ACTIONS): Promise<void>;
  until(id: string, words: string): Promise<void>;
  /** How often Slack told somebody that it did not work. */
  missed(): number;
}

export function persistentPeople(s: Stage): PersistentPeople {
  const { control } = s.slack;
  let missed = 0;
  async function act(how: () => Promise<{ acked: boolean }>): Promise<void> {
    while (!(await how()).acked) missed += 1;
  }
  const type = (person: PersonName, text: string) =>
    act(() => control.command(PEOPLE[person].id, ACCESS, '/jit', text));
  // By its first line: messages of other grants name what else the same person has.
  const find = async (id: string) =>
    (await control.messages(ACCESS)).find((m) => m.thread_ts === undefined && m.text.includes(`(${id})`));
  return {
    type,
    async ask(reason) {
      await type('ada', `request debug ${s.namespaces.staging}/deploy/checkout 5m ${reason}`);
      const text = await control.waitFor(
        async () => (await control.messages(ACCESS)).map(textOf).find((words) => words.includes(`“${reason}”`)),
        { timeout: PATIENCE, what: `the message of ${reason}` },
      );
      return /g-[a-z2-9]{6}/.exec(text)?.[0] ?? '';
    },
    async click(id, action) {
      const { channel = '', ts = '' } = (await find(id)) ?? {};
      await act(() => control.click(PEOPLE.ben.id, channel, ts, ACTIONS[action]));
    },
    async until(id, words) {
      await control.waitFor(
        async () => {
          const message = await find(id);
          return message !== undefined && textOf(message).includes(words);
        },
        { timeout: PATIENCE, what: `${id} says ${words}` },
      );
    },
    missed: () => missed,
  };
}
