/** Something that lives as long as the bot does. */
export interface Service {
  /** Resolves when others may count on it. One that throws has left nothing running. */
  start(): Promise<void> | void;
  /** @param within milliseconds that are left for work that runs */
  stop(within: number): Promise<void> | void;
}

/** What services say to the log. */
export interface ServiceLog {
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
  error(fields: object, text: string): void;
}

/**
 * Starts services one after the other, and answers what stops them in reverse. When one can't be started, or `ending` says that none is wanted
 * any more, those before it are stopped. What a stop throws is logged, and keeps no other service running.
 *
 * @param within milliseconds that all of them together may take to stop
 * @throws what `ending` was aborted with
 */
export async function startInOrder(
  services: readonly Service[],
  within: number,
  log: Pick<ServiceLog, 'error'>,
  ending?: AbortSignal,
): Promise<() => Promise<void>> {
  const started: Service[] = [];
  async function stop(): Promise<void> {
    const end = performance.now() + within;
    for (const service of started.toReversed())
      try {
        await service.stop(Math.max(0, end - performance.now()));
      } catch (error) {
        log.error({ err: error }, 'a service did not stop in order');
      }
  }
  try {
    for (const service of services) {
      await service.start();
      started.push(service);
      ending?.throwIfAborted();
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return stop;
}

/**
 * Does the work every so many milliseconds, the first time after that long. A turn that is due while the work of another still runs is left
 * out. Work that runs when it is stopped is not waited for.
 */
export function every(
  milliseconds: number,
  work: () => Promise<unknown>,
  onError: (error: unknown) => void,
): { start(): void; stop(): void } {
  let timer: NodeJS.Timeout | undefined;
  let isWorking = false;
  async function turn(): Promise<void> {
    if (isWorking) return;
    isWorking = true;
    await work().catch(onError);
    isWorking = false;
  }
  return {
    start() {
      timer = setInterval(() => void turn(), milliseconds);
    },
    stop: () => clearInterval(timer),
  };
}
