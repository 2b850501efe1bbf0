import type { Steps } from '../../network/steps.ts';

/** Milliseconds after which whatever waits has its turn: an end that is due meanwhile. */
const PORTION = 20;

/** Takes the steps of a long computation in portions. */
export async function inPortions<T>(steps: Steps<T>): Promise<T> {
  for (;;) {
    const end = performance.now() + PORTION;
    do {
      const step = steps.next();
      if (step.done) return step.value;
    } while (performance.now() < end);
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}
