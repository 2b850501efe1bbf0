import { expect, test } from 'vitest';
import { Refusal } from '../../../../src/domain/errors.ts';
import { appWorld, PEOPLE } from '../../../support/app-world.ts';

const { ada, ben } = PEOPLE;
const ruleOf = (work: Promise<unknown>) =>
  work.then(
    () => null,
    (error: unknown) => (error instanceof Refusal ? error.rule : String(error)),
  );

test('whoever asked reminds the approvers of what waits, and not again for ten minutes', async () => {
  const app = appWorld();
  const id = await app.pending(ada);
  const told = () => app.told.filter(({ news }) => news === 'reminder').length;
  expect(await ruleOf(app.useCases.nudge(ben, id))).toBe('requester');
  expect(await ruleOf(app.useCases.nudge(ada, 'g-zzzzzz'))).toBe('id');
  await app.useCases.nudge(ada, id);
  expect(await ruleOf(app.useCases.nudge(ada, id))).toBe('nudge');
  await app.run();
  expect(told()).toBe(1);
  app.clock.pass(600);
  await app.useCases.nudge(ada, id);
  await app.run();
  expect(told()).toBe(2);
  await app.useCases.review(ben, id, 'approve', '', await app.seen(id));
  expect(await ruleOf(app.useCases.nudge(ada, id))).toBe('state');
  expect(app.audit.filter(({ event }) => event === 'refused')).toHaveLength(4);
});
