import { Refusal, Unavailable } from '../../domain/errors.ts';

/** Runs the work on one grant: its fault is no other's. What may pass is left to the next time. */
export type FaultIsolation = (work: () => Promise<void>) => Promise<void>;

export function isolatingFaults(onFault: (error: unknown) => void): FaultIsolation {
  return async (work) => {
    try {
      await work();
    } catch (error) {
      if (!mayPass(error)) onFault(error);
    }
  };
}

/** During a rollout a newer replica writes records that this one can't read: they are that one's to judge. */
export function isOfNewerVersion(error: unknown): boolean {
  return error instanceof Refusal && error.rule === 'version';
}

/** True for faults that may pass: a dependency was away or overloaded. */
export function mayPass(error: unknown): boolean {
  return error instanceof Unavailable;
}
