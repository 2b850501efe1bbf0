import { setTimeout as sleep } from 'node:timers/promises';
import type { Api } from '../../src/sandbox/cluster/api.ts';

interface WatchEvent {
  readonly type: string;
  readonly object: {
    readonly metadata: { readonly name: string };
    readonly subjects?: readonly unknown[];
  };
}

/** When RoleBindings came and went, as a watch of the API server tells: milliseconds since the epoch, by name. */
export interface BindingWatch {
  readonly added: ReadonlyMap<string, number>;
  /** Deleted, or without any subject. */
  readonly gone: ReadonlyMap<string, number>;
  /** Waits until all of them are gone. @throws Error after `limit` milliseconds */
  untilGone(names: readonly string[], limit: number): Promise<void>;
  stop(): void;
}

const BINDINGS = '/apis/rbac.authorization.k8s.io/v1/rolebindings';

export async function watchBindings(
  api: Api,
  selector = 'app.kubernetes.io/managed-by=drawbridge',
): Promise<BindingWatch> {
  const query = `labelSelector=${encodeURIComponent(selector)}`;
  const { body } = await api.call('GET', `${BINDINGS}?${query}&limit=1`);
  const { resourceVersion } = (body as { metadata: { resourceVersion: string } }).metadata;
  const added = new Map<string, number>();
  const gone = new Map<string, number>();
  const stopping = new AbortController();
  let failure: unknown = null;

  async function follow(): Promise<void> {
    const lines = api.lines(`${BINDINGS}?${query}&watch=1&resourceVersion=${resourceVersion}`, stopping.signal);
    for await (const event of lines as AsyncGenerator<WatchEvent>) {
      const { name } = event.object.metadata;
      const at = Date.now();
      if (event.type === 'ADDED') added.set(name, at);
      const isGone = event.type === 'DELETED' || (event.object.subjects ?? []).length === 0;
      if (isGone && !gone.has(name)) gone.set(name, at);
    }
    failure = new Error('the watch has ended');
  }
  void follow().catch((error: unknown) => {
    failure = error;
  });
  const check = () => {
    if (failure !== null && !stopping.signal.aborted) throw failure;
  };

  return {
    added,
    gone,
    async untilGone(names, limit) {
      const end = Date.now() + limit;
      while (!names.every((name) => gone.has(name))) {
        check();
        if (Date.now() > end) {
          const left = names.filter((name) => !gone.has(name)).length;
          throw new Error(`${left} of ${names.length} RoleBindings are still there after ${limit / 1000} s`);
        }
        await sleep(20);
      }
    },
    stop: () => stopping.abort(),
  };
}

/** What somebody may do, as the API server is asked. */
export interface Access {
  readonly user: string;
  readonly namespace: string;
  readonly verb: string;
  readonly resource: string;
  readonly name?: string;
}

/** Asks the API server again and again whether it is allowed; answers when it first said so: milliseconds since the epoch. */
export async function untilAllowed(
  api: Api,
  access: Access,
  wanted: boolean,
  pause: number,
  limit = 60_000,
): Promise<number> {
  const { user, ...resourceAttributes } = access;
  const end = Date.now() + limit;
  for (;;) {
    const { body } = await api.call('POST', '/apis/authorization.k8s.io/v1/subjectaccessreviews', {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      spec: { user, groups: ['developers'], resourceAttributes },
    });
    if ((body as { status: { allowed: boolean } }).status.allowed === wanted) return Date.now();
    if (Date.now() > end) throw new Error(`${access.user} is ${wanted ? 'not ' : ''}allowed after ${limit / 1000} s`);
    if (pause > 0) await sleep(pause);
  }
}
