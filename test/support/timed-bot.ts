import { writeFileSync } from 'node:fs';

/**
 * The bot, and in the file STALL_FILE the longest time, in milliseconds, that its thread computed in one go: since the start, or since SIGUSR2.
 * Processor time, so that a machine with other work to do does not count.
 */
const file = process.env['STALL_FILE'] ?? '';
const used = () => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
};
let longest = 0;
let last = used();
const note = (milliseconds: number) => {
  longest = milliseconds;
  writeFileSync(file, String(longest));
};
setInterval(() => {
  const now = used();
  if (now - last > longest) note(now - last);
  last = used();
}, 5).unref();
process.on('SIGUSR2', () => note(0));

await import('../../src/main.ts');
