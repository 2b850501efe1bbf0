/**
 * The bot on a machine whose clock is off by CLOCK_SHIFT milliseconds: from the start, or (CLOCK_SHIFT_WHEN=signal) from SIGUSR2 on. Nothing
 * in src knows of it.
 */
const { now } = Date;
const wrong = Number(process.env['CLOCK_SHIFT']);
let shift = process.env['CLOCK_SHIFT_WHEN'] === 'signal' ? 0 : wrong;
process.on('SIGUSR2', () => {
  shift = wrong;
});
Date.now = () => now() + shift;

await import('../../src/main.ts');
