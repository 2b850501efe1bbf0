/** A computation that may be long: whoever drives it can do something else wherever it yields. */
export type Steps<T> = Generator<void, T, void>;

/** Takes all the steps in one go. */
export function atOnce<T>(steps: Steps<T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}
