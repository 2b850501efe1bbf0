import { beforeEach, expect, test } from 'vitest';
import type { PeopleChange } from '../../../../src/app/ports/directory.ts';
import { type SlackService, slackService } from '../../../../src/composition/services/slack.ts';
import { appWorld } from '../../../support/app-world.ts';

type Options = Parameters<Parameters<typeof slackService>[0]['createApp']>[0];

let app: ReturnType<typeof appWorld>;
let service: SlackService;
let options: Options;
let answer: (error?: Error) => void;
let heard: PeopleChange[];
let directory: unknown[];
let isStopped: boolean;
let isStarted: boolean;
let tried: PromiseWithResolvers<void>;
beforeEach(() => {
  app = appWorld();
  [heard, directory, isStopped, isStarted] = [[], [], false, false];
  tried = Promise.withResolvers();
  const answered = Promise.withResolvers<{ port: null }>();
  answer = (error) => (error === undefined ? answered.resolve({ port: null }) : answered.reject(error));
  service = slackService({
    world: app.world,
    directory: { doubt: (lists) => void directory.push(lists), forget: () => void directory.push('forgotten') },
    leavers: { heard: (change) => void heard.push(change) },
    tried: () => tried.promise,
    createApp: (given) => {
      options = given;
      return {
        start() {
          isStarted = true;
          return answered.promise;
        },
        async stop() {
          isStopped = true;
        },
        trouble: () => 'not connected',
        lack: () => ({ lacks: 'Slack refuses it', todo: 'Mend it.' }),
      };
    },
  });
});

test('the start does not wait for Slack, whose answer is told apart', async () => {
  await service.start();
  expect(service.trouble()).toBe('not connected');
  expect(service.lack()).toMatchObject({ lacks: 'Slack refuses it' });
  tried.resolve();
  answer();
  await service.reachable();
  await service.stop(0);
  expect(isStopped).toBe(true);
});

test('that it can not be reached at all is told', async () => {
  await service.start();
  tried.resolve();
  answer(new Error('the port is taken'));
  await expect(service.reachable()).rejects.toThrow('the port is taken');
});

test('nobody can reach it before it is known what is lacking: what is not tried yet refuses', async () => {
  await service.start();
  await Promise.resolve();
  expect(isStarted).toBe(false);
  tried.resolve();
  answer();
  await service.reachable();
  expect(isStarted).toBe(true);
});

test('one that was stopped meanwhile connects no more', async () => {
  await service.start();
  await service.stop(0);
  tried.resolve();
  await service.reachable();
  expect(isStarted).toBe(false);
});

test('an event is taken once, whichever replica it reaches', async () => {
  expect(await options.seenBefore('Ev1')).toBe(false);
  expect(await options.seenBefore('Ev1')).toBe(true);
  expect(await options.seenBefore('Ev2')).toBe(false);
});

test('turns of a modal are counted for each apart', async () => {
  expect(await options.turns.take('V1')).toBe(1);
  expect(await options.turns.take('V1')).toBe(2);
  expect(await options.turns.take('V2')).toBe(1);
  expect([await options.turns.last('V1'), await options.turns.last('V2')]).toEqual([2, 1]);
});

test('what Slack hints at puts lists in doubt and is heard by who looks for leavers', () => {
  options.hinted({ lists: ['S0SRE'], deactivated: ['U0ADA'] });
  options.hinted({ lists: 'all', deactivated: [] });
  options.connected();
  expect(directory).toEqual([['S0SRE'], 'all', 'forgotten']);
  expect(heard).toEqual([
    { lists: ['S0SRE'], deactivated: ['U0ADA'] },
    { lists: [], deactivated: [] },
  ]);
});

test('what only a person can mend is told to administrators', async () => {
  options.tell('Socket Mode is off');
  await expect
    .poll(async () => {
      await app.run();
      return app.alarms;
    })
    .toEqual(["Slack can't reach Drawbridge: Socket Mode is off"]);
});
