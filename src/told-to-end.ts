const ending = new AbortController();

/**
 * Aborted when this process is told to end; the reason is the signal. The first process of a container is not sent what it does not handle
 * yet, and to load the bot takes a quarter of a second or more: hence this is loaded before it.
 */
export const toldToEnd = ending.signal;

for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => ending.abort(signal));
