/** Milliseconds in which one and the same error is told once. */
const QUIET = 60_000;

/**
 * Tells of errors, but of the same one only once a minute, with how often it came meanwhile: a worker meets the same refusal several times a
 * second while Redis refuses. Errors are the same when they begin with the same words; digests of scripts and lines in them are no words.
 */
export function sparingly(tell: (error: Error, times: number) => void, now: () => number = () => performance.now()) {
  const told = new Map<string, { at: number; since: number }>();
  return (fault: unknown): void => {
    const error = fault instanceof Error ? fault : new Error(String(fault));
    const kind = error.message.replaceAll(/\b[0-9a-f]{40}\b|\d+/g, '').slice(0, 60);
    const before = told.get(kind);
    if (before !== undefined && now() - before.at < QUIET) {
      before.since += 1;
      return;
    }
    // There are few kinds; whatever makes many must not fill the memory.
    if (told.size > 100) told.clear();
    told.set(kind, { at: now(), since: 0 });
    tell(error, (before?.since ?? 0) + 1);
  };
}
