import { parentPort, workerData } from 'node:worker_threads';
import { parsePolicy } from './policy-text.ts';

/** What the thread is given. */
export interface PolicyText {
  readonly text: string;
  readonly fileName: string;
}

/** The program of the thread that parses a long policy. */
const { text, fileName }: PolicyText = workerData;
parentPort?.postMessage(parsePolicy(text, fileName));
