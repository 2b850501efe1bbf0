import { once } from 'node:events';
import { type FSWatcher, watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { type Policy } from '../domain/policy/policy.ts';
import type { ClusterName } from '../domain/target.ts';
import { type PolicyResult, parsePolicy, readText } from './policy-text.ts';
import type { PolicyText } from './policy-thread.ts';

/** What the watcher says to the log. */
export interface PolicyLog {
  info(fields: object, text: string): void;
  error(fields: object, text: string): void;
}

/** The policy in force: the last good file. `current` and `disabled` make it a `PolicySource`. */
export interface PolicyFile {
  current(): Policy;
  disabled(profile: string, cluster: ClusterName): string | null;
  /** Names the profiles that are not offered now in this cluster, each with the reason; replaces what was said before. */
  setDisabled(cluster: ClusterName, reasons: ReadonlyMap<string, string>): void;
  /** Why the file as it is now is not in force; null: it is. One line a problem. */
  problem(): string | null;
  /** Looks at the file now. */
  reload(): Promise<void>;
  /** Follows the file from now on. Call it once. */
  follow(options?: FollowOptions): void;
  close(): void;
}

export interface FollowOptions {
  /** Called with each policy that comes into force. */
  readonly onChange?: (policy: Policy) => void;
  /** Called when the file has become bad, or bad in another way, with one line a problem; with none when it is good again. */
  readonly onProblems?: (problems: readonly string[]) => void;
  /** Milliseconds between looks at the file, for file systems that tell of no change. */
  readonly pollEvery?: number;
}

const SETTLE_MS = 50;

/** From so many characters on a policy is parsed in a thread of its own: it takes over 50 ms. */
const LONG = 16 * 1024;
/** The thread's program: a file of its own beside the sources, and in the bundle. */
const THREAD = import.meta.url.endsWith('.ts') ? './policy-thread.ts' : './config/policy-thread.js';
/** MiB, of which the largest good policy takes a third. */
const MOST_MEMORY = 256;
/** Milliseconds, of which the largest good policy takes a tenth: no other policy is looked at meanwhile. */
const MOST_TIME = 60_000;

const unread = (problem: string): PolicyResult => ({ ok: false, problems: [problem] });

/** Parses a policy while everything else goes on. What no parser bears (a text nested ten thousand deep) is a problem like others. */
async function judge(text: string, fileName: string, within: number): Promise<PolicyResult> {
  try {
    return text.length < LONG ? parsePolicy(text, fileName) : await parseInThread({ text, fileName }, within);
  } catch (error) {
    return unread(`${fileName}: can't be judged: ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function parseInThread(workerData: PolicyText, within: number): Promise<PolicyResult> {
  const thread = new Worker(new URL(THREAD, import.meta.url), {
    workerData,
    resourceLimits: { maxOldGenerationSizeMb: MOST_MEMORY },
    // It has no use for the secrets of this process.
    env: {},
  });
  try {
    const [result] = await once(thread, 'message', { signal: AbortSignal.timeout(within) });
    return result;
  } catch (error) {
    throw error instanceof Error && error.name === 'AbortError' ? new Error(`it takes over ${within / 1000} s`) : error;
  } finally {
    await thread.terminate();
  }
}

/**
 * Loads the policy. Its file is followed by its directory: editors and ConfigMap mounts put another file (or a symlink to another directory) in
 * its place.
 * Source: https://kubernetes.io/docs/concepts/configuration/configmap/#mounted-configmaps-are-updated-automatically
 *
 * @param within milliseconds that a long text may take to be judged
 * @throws Error with all problems when the file is bad at the start
 */
export async function openPolicyFile(file: string, log: PolicyLog, within = MOST_TIME): Promise<PolicyFile> {
  let text = await readText(file);
  // Nothing else runs yet.
  const first = typeof text === 'string' ? parsePolicy(text, basename(file)) : unread(text.problem);
  if (!first.ok) throw new Error(['The policy file is not usable:', ...first.problems.map((p) => `  ${p}`)].join('\n'));
  let policy = first.policy;
  let inForce = JSON.stringify(policy);
  let problem: string | null = null;
  const reasons = new Map<ClusterName, ReadonlyMap<string, string>>();
  let heard: FollowOptions = {};

  const look = async () => {
    const now = await readText(file);
    if (now === text) return;
    text = now;
    const result = typeof now === 'string' ? await judge(now, basename(file), within) : unread(now.problem);
    if (!result.ok) {
      const why = result.problems.join('\n');
      if (why !== problem) {
        log.error({ file, problems: result.problems }, 'bad policy file: the last good one stays in force');
        heard.onProblems?.(result.problems);
      }
      problem = why;
      return;
    }
    const next = JSON.stringify(result.policy);
    if (problem !== null) {
      log.info({ file }, 'the policy file is good again');
      heard.onProblems?.([]);
    }
    problem = null;
    if (next === inForce) return;
    policy = result.policy;
    inForce = next;
    log.info({ file, profiles: Object.keys(policy.profiles) }, 'new policy in force');
    heard.onChange?.(policy);
  };

  // One look at a time, so that an older text never replaces a newer one.
  let turn = Promise.resolve();
  const reload = () => {
    turn = turn
      .then(look)
      .catch((error: unknown) => log.error({ err: error, file }, 'looking at the policy file failed'));
    return turn;
  };

  let settle: NodeJS.Timeout | undefined;
  const soon = () => {
    clearTimeout(settle);
    settle = setTimeout(() => void reload(), SETTLE_MS);
  };
  let watcher: FSWatcher | undefined;
  let poll: NodeJS.Timeout | undefined;
  function follow(options: FollowOptions = {}): void {
    heard = options;
    try {
      watcher = watch(dirname(file), { persistent: false }, soon);
      watcher.on('error', (error) =>
        log.error({ err: error, file }, 'watching the policy file failed: it is polled only'),
      );
    } catch (error) {
      log.error({ err: error, file }, 'watching the policy file failed: it is polled only');
    }
    poll = setInterval(() => void reload(), options.pollEvery ?? 5000).unref();
    // It may have changed since it was read.
    void reload();
  }

  return {
    current: () => policy,
    disabled: (profile, cluster) => reasons.get(cluster)?.get(profile) ?? null,
    setDisabled: (cluster, next) => void reasons.set(cluster, next),
    problem: () => problem,
    reload,
    follow,
    close: () => {
      clearTimeout(settle);
      clearInterval(poll);
      watcher?.close();
    },
  };
}
