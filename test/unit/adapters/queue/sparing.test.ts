import { expect, test } from 'vitest';
import { sparingly } from '../../../../src/adapters/queue/sparing.ts';

test('the same error is told once a minute, with how often it came; another one at once', () => {
  const told: string[] = [];
  let now = 0;
  const tell = sparingly(
    (error, times) => told.push(`${error.message} x${times}`),
    () => now,
  );
  const oom = (line: number) => new Error(`OOM not allowed. script: ${'a1'.repeat(20)}, on @user_script:${line}.`);
  for (let i = 0; i < 50; i++) tell(oom(i));
  tell(new Error('READONLY'));
  expect(told).toEqual([`${oom(0).message} x1`, 'READONLY x1']);
  now = 60_000;
  tell(oom(7));
  tell(oom(8));
  expect(told.slice(2)).toEqual([`${oom(7).message} x50`]);
});
