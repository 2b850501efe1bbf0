import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createPeopleChanges, type PeopleChanges } from '../../../../src/app/upkeep/people-changes.ts';
import { Unavailable } from '../../../../src/domain/errors.ts';
import type { PolicyInput } from '../../../../src/domain/policy/schema.ts';
import { account, appWorld, PEOPLE, POLICY } from '../../../support/app-world.ts';

/** What Slack hints at of people ends what leavers have open, and nothing else. */

const { ada, ben } = PEOPLE;
type ProfileInput = PolicyInput['profiles'][string];
const DEBUG = POLICY.profiles.debug as ProfileInput;

let app: ReturnType<typeof appWorld>;
let changes: PeopleChanges;
let faults: unknown[];
/** Accounts that were read, and how often a list was. */
let accounts: string[];
let reads: number;
/** Ends the pause after a look. */
let goOn: (() => void) | null;
let pauses: number[];

beforeEach(() => {
  app = appWorld();
  const other: ProfileInput = { ...DEBUG, deny: { channels: ['C0BAD'] } };
  app.setPolicy({ ...POLICY, profiles: { debug: { ...DEBUG, deny: { groups: ['S0BAD'] } }, other } });
  app.members.set('S0BAD', []);
  app.members.set('C0BAD', []);
  [faults, accounts, pauses, reads, goOn] = [[], [], [], 0, null];
  const { directory } = app.world;
  const { account: accountOf, members } = directory;
  directory.account = (id) => {
    accounts.push(id);
    return accountOf(id);
  };
  directory.members = (list, freshness) => {
    reads++;
    return members(list, freshness);
  };
  changes = createPeopleChanges(
    app.world,
    (error) => faults.push(error),
    (milliseconds, signal) =>
      new Promise((resolve) => {
        pauses.push(milliseconds);
        goOn = () => resolve(null);
        signal.addEventListener('abort', () => resolve(null));
      }),
  );
});
afterEach(() => changes.stop());

const looked = (times: number) => vi.waitFor(() => expect(pauses).toHaveLength(times));
async function active(by: string = ada, profile = 'debug'): Promise<string> {
  const id = await app.active(by, { profile });
  accounts.length = 0;
  reads = 0;
  return id;
}
const states = async (...ids: string[]) => {
  await app.run();
  return Promise.all(ids.map(async (id) => (await app.grant(id)).state));
};
const leave = (id: string, name: string) => app.accounts.set(id, { ...account(id, name), deactivated: true });

describe('who leaves loses what is open as soon as Slack says so', () => {
  test('an account that is deactivated: theirs alone, and administrators are told', async () => {
    const [mine, others] = [await active(), await active(ben)];
    leave(ada, 'ada');
    changes.heard({ lists: [], deactivated: [ada] });
    await looked(1);
    expect(await states(mine, others)).toEqual(['revoked', 'active']);
    expect(app.alarms).toContain(`${mine} is ended: The Slack account of ada@example.test is deactivated.`);
    expect([accounts, faults]).toEqual([[ada], []]);
  });

  test('a list that denies: of whoever is in it now, and no account is read for it', async () => {
    const [mine, others] = [await active(), await active(ben)];
    const elsewhere = await active(ada, 'other');
    app.members.set('S0BAD', [ada]);
    app.members.set('C0BAD', [ada]);
    changes.heard({ lists: ['S0BAD'], deactivated: [] });
    await looked(1);
    expect(await states(mine, others, elsewhere)).toEqual(['revoked', 'active', 'active']);
    expect([accounts, reads]).toEqual([[], 1]);
    goOn?.();
    changes.heard({ lists: ['C0BAD'], deactivated: [] });
    await looked(2);
    expect(await states(elsewhere)).toEqual(['revoked']);
  });

  test('the hint is never the truth: who is neither deactivated nor denied keeps all', async () => {
    const id = await active();
    changes.heard({ lists: ['S0BAD', 'S0SRE'], deactivated: [ada, 'U0NOBODY'] });
    await looked(1);
    expect(await states(id)).toEqual(['active']);
  });

  test('what can not be read ends nothing, and the next hint is heard', async () => {
    const id = await active();
    leave(ada, 'ada');
    const { account: accountOf } = app.world.directory;
    app.world.directory.account = async () => {
      throw new Unavailable('Slack', 'users.info is rate limited for 20 s');
    };
    app.members.set('S0BAD', null);
    changes.heard({ lists: ['S0BAD'], deactivated: [ada] });
    await looked(1);
    expect(await states(id)).toEqual(['active']);
    app.world.directory.account = accountOf;
    changes.heard({ lists: [], deactivated: [ada] });
    goOn?.();
    await looked(2);
    expect(await states(id)).toEqual(['revoked']);
  });

  test('a store that fails is told of, and the next hint is heard', async () => {
    const id = await active();
    leave(ada, 'ada');
    const { summaries } = app.world.store;
    app.world.store.summaries = () => {
      throw new Unavailable('Redis', 'no answer');
    };
    changes.heard({ lists: [], deactivated: [ada] });
    await looked(1);
    expect(faults).toHaveLength(1);
    app.world.store.summaries = summaries;
    changes.heard({ lists: [], deactivated: [ada] });
    goOn?.();
    await looked(2);
    expect(await states(id)).toEqual(['revoked']);
  });

  test('a flood is one look at once and one later, of lists that deny alone', async () => {
    let looks = 0;
    const { summaries } = app.world.store;
    app.world.store.summaries = () => {
      looks++;
      return summaries();
    };
    for (let i = 0; i < 5000; i++) changes.heard({ lists: [`S0L${i}`], deactivated: [] });
    expect(looks).toBe(0);
    for (let i = 0; i < 5000; i++) changes.heard({ lists: ['S0BAD'], deactivated: [`U0X${i}`] });
    await looked(1);
    expect(looks).toBe(1);
    goOn?.();
    await looked(2);
    expect(looks).toBe(2);
    goOn?.();
    await vi.waitFor(() => expect(pauses).toEqual([10_000, 10_000]));
    expect([accounts, faults]).toEqual([[], []]);
  });

  test('after a stop there is no look', async () => {
    const id = await active();
    leave(ada, 'ada');
    changes.stop();
    changes.heard({ lists: [], deactivated: [ada] });
    expect(await states(id)).toEqual(['active']);
    expect(pauses).toEqual([]);
  });
});
