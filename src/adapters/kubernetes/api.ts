import { setImmediate as turn } from 'node:timers/promises';
import { HttpMethod, type KubeConfig, RequestContext } from '@kubernetes/client-node';
import { type Dispatcher, getGlobalDispatcher } from 'undici';
import type { Instant } from '../../domain/clocks.ts';
import { Declined, Unavailable } from '../../domain/errors.ts';
import { boundedText, TooLong } from './bounded-text.ts';
import { linesOf } from './lines.ts';
import { type KubeObject, nameOf } from './object.ts';

/**
 * The API server, by plain JSON. Authentication and TLS are client-node's, and so is the dispatcher of undici that calls go by. Its typed models are
 * not used: they drop what they do not know and rename fields (`from` of a NetworkPolicy), and a seal must cover exactly what the API server holds.
 * Nor is its `fetch`, which takes 2.5 times as long for a call (0.55 ms against 0.2), and follows redirects with the credential.
 */

/** The kinds that are read or written, with their places in the API. */
const PLACES = {
  Namespace: 'api/v1 namespaces',
  Node: 'api/v1 nodes',
  Pod: 'api/v1 pods',
  Service: 'api/v1 services',
  ServiceAccount: 'api/v1 serviceaccounts',
  Job: 'apis/batch/v1 jobs',
  Deployment: 'apis/apps/v1 deployments',
  StatefulSet: 'apis/apps/v1 statefulsets',
  DaemonSet: 'apis/apps/v1 daemonsets',
  ReplicaSet: 'apis/apps/v1 replicasets',
  Role: 'apis/rbac.authorization.k8s.io/v1 roles',
  ClusterRole: 'apis/rbac.authorization.k8s.io/v1 clusterroles',
  RoleBinding: 'apis/rbac.authorization.k8s.io/v1 rolebindings',
  ClusterRoleBinding: 'apis/rbac.authorization.k8s.io/v1 clusterrolebindings',
  NetworkPolicy: 'apis/networking.k8s.io/v1 networkpolicies',
  MutatingWebhookConfiguration: 'apis/admissionregistration.k8s.io/v1 mutatingwebhookconfigurations',
  MutatingAdmissionPolicy: 'apis/admissionregistration.k8s.io/v1 mutatingadmissionpolicies',
  SubjectAccessReview: 'apis/authorization.k8s.io/v1 subjectaccessreviews',
  SelfSubjectAccessReview: 'apis/authorization.k8s.io/v1 selfsubjectaccessreviews',
  SelfSubjectRulesReview: 'apis/authorization.k8s.io/v1 selfsubjectrulesreviews',
} as const;
export type Kind = keyof typeof PLACES;

/** How long one call may take: milliseconds. */
const TIMEOUT = 10_000;
const PAGE = 500;
/**
 * The longest page, unless it is of one object: bytes. In memory a page takes several times as much, and several are read at once. A longer one
 * is asked for again in smaller pages: people may write 1.5 MB into each object of theirs (etcd takes no more).
 */
const LONGEST_PAGE = 4 * 2 ** 20;
/** So many objects of a page are kept in one go; of large ones each by itself. */
const PORTION = 50;
/** How much smaller. */
const SMALLER = 8;
/** The longest answer: bytes. JSON may be several times as long as what etcd holds (`<` is `\u003c`). */
const LONGEST_ANSWER = 16 * 2 ** 20;
/** What is kept of an object has at most so many characters; of all that are larger no more than `MOST_KEPT` is kept together. */
export const LARGE = 4 * 2 ** 10;
export const MOST_KEPT = 16 * 2 ** 20;
/** So often a list begins anew because its pages were no longer kept by the API server (410). */
const TRIES = 3;
const metadataOnly = (as: string) => `application/json;as=${as};g=meta.k8s.io;v=v1,application/json`;
const METADATA_LIST = metadataOnly('PartialObjectMetadataList');
const METADATA_EVENT = metadataOnly('PartialObjectMetadata');
const MANAGER = 'drawbridge';
const WEBHOOK_FAILED = /failed calling webhook .*/s;

/** The API server answered, and the answer is no. `status` is the HTTP status. */
export class ApiError extends Declined {
  readonly status: number;

  constructor(status: number, message: string, words = message) {
    super(message, words);
    this.name = 'ApiError';
    this.status = status;
  }
}

/** The answer is more than may be held: somebody has made objects that are far larger than they need be. */
class TooLarge extends ApiError {
  constructor(message: string) {
    super(413, message);
  }
}

export interface Selection {
  /** Of labels. */
  readonly selector?: string | undefined;
  /** `metadata.name=NAME`: the one of this name, in each namespace. */
  readonly fieldSelector?: string | undefined;
  /** Only `metadata` is asked for. */
  readonly metadataOnly?: boolean | undefined;
}

export interface ListOptions<T, R> extends Selection {
  /**
   * What is kept of a page. All pages of one list are asked for with the same function, which may remember; a list that begins anew asks
   * again for what it had.
   */
  readonly keep?: (page: readonly T[]) => readonly R[] | Promise<readonly R[]>;
  /** Is told of which version of the cluster the list is. */
  readonly versioned?: (version: string) => void;
}

export interface WatchOptions extends Selection {
  /** Default: all. */
  readonly namespace?: string | undefined;
  /** Goes on after this version; null: begins with what is there (a streamed list, which a bookmark annotated as such ends). */
  readonly since: string | null;
  /** After so many seconds the API server ends it. */
  readonly seconds: number;
  readonly signal: AbortSignal;
}

export interface WatchEvent<T> {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
  readonly object: T;
}

/** A call that may be made: the answer is parsed JSON. */
export interface Api {
  read<T = KubeObject>(kind: Kind, namespace: string | null, name: string): Promise<T | null>;
  /** In pages, of which no more is kept than `keep` says. Without a namespace: of all of them. */
  list<T = KubeObject, R = T>(kind: Kind, namespace: string | null, options?: ListOptions<T, R>): Promise<R[]>;
  /** The version that the whole cluster has now. */
  version(kind: Kind, selection: Selection): Promise<string>;
  /**
   * What happens in a namespace or all, as it happens, with bookmarks. Resolves once the API server has begun to answer.
   * @throws ApiError 410 when the API server no longer knows what came after `since`; Unavailable when it breaks off
   */
  watch<T = KubeObject>(kind: Kind, options: WatchOptions): Promise<AsyncGenerator<WatchEvent<T>, void>>;
  /** Server-side apply as field manager `drawbridge`, taking over fields that others changed. `dryRun`: nothing is kept of it. */
  apply(object: KubeObject, dryRun?: boolean): Promise<KubeObject>;
  mergePatch(kind: Kind, namespace: string | null, name: string, patch: unknown): Promise<KubeObject | null>;
  /**
   * Deletes it, with a uid only that very object. `absent`: there was none (any more); `kept`: it is there until what keeps it lets go (a
   * finalizer, a pod that ends).
   */
  remove(kind: Kind, namespace: string | null, name: string, uid?: string): Promise<'absent' | 'removed' | 'kept'>;
  create<T>(kind: Kind, object: unknown): Promise<T>;
  /** A token of this account for so many seconds. Source: https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-request-v1/ */
  token(
    namespace: string,
    account: string,
    seconds: number,
  ): Promise<{ readonly token: string; readonly expiresAt: Instant }>;
  /** Makes an object in its namespace without keeping it. Null: the API server would take it; else why not. */
  dryRun(object: KubeObject): Promise<ApiError | null>;
  /** Discovery: the API groups that are served, each with its versions as `group/version`. */
  groups(): Promise<{ name: string; versions: string[] }[]>;
  /** Discovery: the kinds of one `group/version`; none when it is not served (any more). */
  kinds(groupVersion: string): Promise<string[]>;
  ready(): Promise<void>;
  /** The API server's own clock, in milliseconds since the epoch, cut to seconds: by it leases end. */
  time(): Promise<number>;
}

function path(kind: Kind, namespace: string | null, name?: string): string {
  const [root = '', plural = ''] = PLACES[kind].split(' ');
  return `/${root}${namespace === null ? '' : `/namespaces/${encodeURIComponent(namespace)}`}/${plural}${name === undefined ? '' : `/${encodeURIComponent(name)}`}`;
}

const selectionQuery = ({ selector, fieldSelector }: Selection): Record<string, string> => ({
  ...(selector === undefined ? {} : { labelSelector: selector }),
  ...(fieldSelector === undefined ? {} : { fieldSelector }),
});

/**
 * @param onCall is told of the status of each answer; 0: there was none
 * @param onTime is told of the Date of each answer, and after how many milliseconds it came
 * @param config a function where it may be another from one call to the next
 * @param isSparing what has not answered is asked by one call at a time until it does, and the others fail at once
 * @throws Unavailable when the API server does not answer, is overloaded or fails; ApiError for every other "no"
 */
export function createApi(
  config: KubeConfig | (() => KubeConfig),
  onCall: (status: number) => void = () => {},
  onTime: (said: Instant, took: number) => void = () => {},
  isSparing = false,
): Api {
  const configNow = typeof config === 'function' ? config : () => config;
  const connections = createConnections();
  const patience = isSparing ? createPatience() : null;

  async function send(
    method: HttpMethod,
    where: string,
    signal: AbortSignal,
    body?: unknown,
    contentType = 'application/json',
    accept = 'application/json',
  ) {
    const done = patience?.ask();
    if (done === null)
      throw new Unavailable(
        'Kubernetes',
        `${method} ${where.split('?')[0]}: it does not answer, and is tried now and then`,
      );
    const current = configNow();
    try {
      const { origin, pathname, search } = new URL(`${current.getCurrentCluster()?.server ?? ''}${where}`);
      const context = new RequestContext(origin, method);
      context.setHeaderParam('Accept', accept);
      context.setHeaderParam('User-Agent', MANAGER);
      if (body !== undefined) context.setHeaderParam('Content-Type', contentType);
      await current.applySecurityAuthentication(context);
      const dispatcher = connections.of(context, current);
      const sent = performance.now();
      const answer = await dispatcher.request({
        origin,
        path: `${pathname}${search}`,
        method,
        headers: context.getHeaders(),
        body: body === undefined ? null : JSON.stringify(body),
        signal,
      });
      done?.(true);
      // It may know us by a certificate that has been replaced since.
      if (answer.statusCode === 401) connections.drop();
      const date = dateOf(answer);
      if (Number.isFinite(date)) onTime(date, performance.now() - sent);
      return answer;
    } catch (error) {
      onCall(0);
      done?.(false);
      connections.drop();
      throw new Unavailable('Kubernetes', `${method} ${where.split('?')[0]}: no answer`, { cause: error });
    }
  }

  async function call<T>(
    method: HttpMethod,
    where: string,
    body?: unknown,
    contentType?: string,
    isNamed = false,
  ): Promise<T | null> {
    const text = await textOf(method, where, LONGEST_ANSWER, body, contentType, undefined, isNamed);
    return text === null ? null : (parsed(text, `${method} ${where}`) as T);
  }

  /** The same about one object by its name, whose absence only the API server itself can tell. */
  const callNamed = <T>(method: HttpMethod, where: string, body?: unknown, contentType?: string): Promise<T | null> =>
    call(method, where, body, contentType, true);

  /**
   * The answer as it came; null: there is nothing.
   * @param isNamed a 404 counts where the API server says it, and not what stands between (a load balancer that has nobody behind it)
   */
  async function textOf(
    method: HttpMethod,
    where: string,
    longest: number,
    body?: unknown,
    contentType?: string,
    accept?: string,
    isNamed = false,
  ): Promise<string | null> {
    const answer = await send(method, where, AbortSignal.timeout(TIMEOUT), body, contentType, accept);
    const status = answer.statusCode;
    onCall(status);
    const text = await boundedText(answer.body, longest).catch((error: unknown) => {
      if (error instanceof TooLong)
        throw new TooLarge(`${method} ${where.split('?')[0]}: the answer is ${error.message}`);
      throw new Unavailable('Kubernetes', `${method} ${where.split('?')[0]}: the answer broke off`, { cause: error });
    });
    if (status === 404 && isNamed && !isStatus(text))
      throw new Unavailable('Kubernetes', `${method} ${where.split('?')[0]}: a 404 that is not the API server's`);
    if (status === 404) return null;
    if (status >= 200 && status < 300) return text;
    throw refusal(method, where, status, messageOf(text));
  }

  /** What is known by the head of an answer, which is short. */
  async function sendShort(where: string) {
    const answer = await send(HttpMethod.GET, where, AbortSignal.timeout(3000));
    await boundedText(answer.body, LONGEST_PAGE).catch((error: unknown) => {
      throw new Unavailable('Kubernetes', `GET ${where}: the answer broke off`, { cause: error });
    });
    return answer;
  }

  async function must<T>(answer: Promise<T | null>, what: string): Promise<T> {
    const value = await answer;
    if (value === null) throw new ApiError(404, `${what}: not found`);
    return value;
  }

  /** The text of a page. */
  function readPage(
    kind: Kind,
    namespace: string | null,
    selection: Selection,
    limit: number,
    next?: string,
  ): Promise<string> {
    const query = new URLSearchParams({ limit: String(limit), ...selectionQuery(selection) });
    if (next) query.set('continue', next);
    const where = `${path(kind, namespace)}?${query.toString()}`;
    const accept = selection.metadataOnly ? METADATA_LIST : undefined;
    const longest = limit === 1 ? LONGEST_ANSWER : LONGEST_PAGE;
    return must(textOf(HttpMethod.GET, where, longest, undefined, undefined, accept), kind);
  }

  async function watch<T>(kind: Kind, options: WatchOptions): Promise<AsyncGenerator<WatchEvent<T>, void>> {
    const query = new URLSearchParams({ watch: 'true', allowWatchBookmarks: 'true', ...selectionQuery(options) });
    query.set('timeoutSeconds', String(options.seconds));
    if (options.since !== null) query.set('resourceVersion', options.since);
    else {
      query.set('sendInitialEvents', 'true');
      query.set('resourceVersionMatch', 'NotOlderThan');
    }
    const where = `${path(kind, options.namespace ?? null)}?${query.toString()}`;
    const accept = options.metadataOnly ? METADATA_EVENT : undefined;
    const answer = await send(HttpMethod.GET, where, options.signal, undefined, undefined, accept);
    const { statusCode: status, body } = answer;
    onCall(status);
    if (status === 200) return eventsOf(body, where);
    throw refusal('watch', where, status, messageOf(await boundedText(body, LONGEST_ANSWER).catch(() => '')));
  }

  async function listOnce<T, R>(
    kind: Kind,
    namespace: string | null,
    { keep = (page) => page as readonly unknown[] as R[], versioned, ...selection }: ListOptions<T, R>,
  ): Promise<R[]> {
    const kept: R[] = [];
    let large = 0;
    let limit = PAGE;
    let next: string | undefined;
    for (;;) {
      const text = await readPage(kind, namespace, selection, limit, next).catch((error: unknown) => {
        if (error instanceof TooLarge && limit > 1) return null;
        throw error;
      });
      if (text === null) {
        limit = Math.max(1, Math.floor(limit / SMALLER));
        continue;
      }
      const page = parsed(text, `GET ${path(kind, namespace)}`) as Page<T>;
      // Of nothing the API server makes null where only metadata is asked for.
      const items = page.items ?? [];
      const isLarge = limit < PAGE;
      const portion = isLarge ? 1 : PORTION;
      for (let i = 0; i < items.length; i += portion) {
        // Others have their turn: an end that is due meanwhile.
        await turn();
        const some = items.slice(i, i + portion);
        const found = await keep(some);
        if (isLarge) large += largeIn(found);
        if (large > MOST_KEPT) throw new TooLarge(`${kind}: what matters of them is too large${whereOf(some)}`);
        for (const item of found) kept.push(item);
      }
      next = page.metadata.continue;
      if (!next) versioned?.(page.metadata.resourceVersion ?? '');
      if (!next) break;
      if (text.length * 2 <= LONGEST_PAGE) limit = Math.min(PAGE, limit * 2);
    }
    return kept;
  }

  return {
    read: (kind, namespace, name) => callNamed(HttpMethod.GET, path(kind, namespace, name)),
    async list<T, R>(kind: Kind, namespace: string | null, options: ListOptions<T, R> = {}) {
      for (let left = TRIES - 1; ; left--)
        try {
          return await listOnce(kind, namespace, options);
        } catch (error) {
          // The pages are of one moment, which the API server remembers for some minutes only.
          if (!(error instanceof ApiError && error.status === 410) || left === 0) throw error;
        }
    },
    version: async (kind, selection) => {
      const text = await readPage(kind, null, { ...selection, metadataOnly: true }, 1);
      return (parsed(text, `GET ${path(kind, null)}`) as Page<unknown>).metadata.resourceVersion ?? '';
    },
    watch,
    apply(object, dryRun = false) {
      const { kind, metadata } = object;
      const where = `${path(kind as Kind, metadata.namespace ?? null, metadata.name)}?fieldManager=${MANAGER}&force=true${dryRun ? '&dryRun=All' : ''}`;
      return must(call<KubeObject>(HttpMethod.PATCH, where, object, 'application/apply-patch+yaml'), nameOf(object));
    },
    mergePatch: (kind, namespace, name, patch) =>
      callNamed(
        HttpMethod.PATCH,
        `${path(kind, namespace, name)}?fieldManager=${MANAGER}`,
        patch,
        'application/merge-patch+json',
      ),
    async remove(kind, namespace, name, uid) {
      const options = {
        apiVersion: 'v1',
        kind: 'DeleteOptions',
        propagationPolicy: 'Background',
        ...(uid === undefined ? {} : { preconditions: { uid } }),
      };
      const answer = await callNamed<{ kind: string }>(HttpMethod.DELETE, path(kind, namespace, name), options);
      if (answer === null) return 'absent';
      // The object itself is the answer when it is not gone with it.
      return answer.kind === 'Status' ? 'removed' : 'kept';
    },
    async token(namespace, account, seconds) {
      const where = `${path('ServiceAccount', namespace, account)}/token`;
      const request = {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenRequest',
        spec: { expirationSeconds: seconds },
      };
      type Answer = { readonly status: { readonly token: string; readonly expirationTimestamp: string } };
      const { status } = await must(call<Answer>(HttpMethod.POST, where, request), `ServiceAccount ${account}`);
      return { token: status.token, expiresAt: Date.parse(status.expirationTimestamp) };
    },
    create: (kind, object) => must(call(HttpMethod.POST, path(kind, null), object), kind),
    async dryRun(object) {
      const where = `${path(object.kind as Kind, object.metadata.namespace ?? null)}?dryRun=All`;
      try {
        await must(call(HttpMethod.POST, where, object), where);
        return null;
      } catch (error) {
        if (error instanceof ApiError) return error;
        throw error;
      }
    },
    async groups() {
      const { groups } = await must(
        call<{ groups: { name: string; versions: { groupVersion: string }[] }[] }>(HttpMethod.GET, '/apis'),
        '/apis',
      );
      return groups.map(({ name, versions }) => ({ name, versions: versions.map((v) => v.groupVersion) }));
    },
    async kinds(groupVersion) {
      const found = await call<{ resources: { kind: string }[] }>(HttpMethod.GET, `/apis/${groupVersion}`);
      return (found?.resources ?? []).map(({ kind }) => kind);
    },
    async ready() {
      const answer = await sendShort('/readyz');
      if (answer.statusCode !== 200) throw new Unavailable('Kubernetes', `/readyz says ${answer.statusCode}`);
    },
    async time() {
      const answer = await sendShort('/version');
      const date = dateOf(answer);
      if (!Number.isFinite(date)) throw new Unavailable('Kubernetes', 'its answer has no Date');
      return date;
    },
  };
}

/** Connections are made anew so seldom at most while calls fail: milliseconds. */
const ANEW = 5000;

/**
 * The connections to one API server, kept from call to call: of its own accord client-node makes a new dispatcher, and with it a new TLS connection,
 * for every call. They were made with the certificates of that moment, which rotate: where a call fails, the next one makes them anew.
 */
function createConnections() {
  let dispatcher: Dispatcher | undefined;
  let madeFor: KubeConfig | undefined;
  let madeAt = Number.NEGATIVE_INFINITY;
  function drop(): void {
    // What is open on them goes on.
    void dispatcher?.close().catch(() => {});
    dispatcher = undefined;
  }
  return {
    /** Those that are kept, or that client-node has made for this call; of what needs neither certificates nor a proxy it makes none. */
    of(context: RequestContext, config: KubeConfig): Dispatcher {
      if (config !== madeFor) drop();
      if (dispatcher === undefined)
        [dispatcher, madeFor, madeAt] = [context.getDispatcher(), config, performance.now()];
      return dispatcher ?? getGlobalDispatcher();
    },
    drop(): void {
      if (performance.now() - madeAt >= ANEW) drop();
    },
  };
}

/** A call without an answer took so long that others should not wait likewise: milliseconds. */
const LONG = 2000;
/** So long after it the next one is tried: milliseconds. */
const PAUSE = 3000;

/** Keeps calls to what does not answer from waiting side by side: whoever asks would wait for what is somewhere else too. */
function createPatience() {
  let silentSince: number | null = null;
  let isTried = false;
  return {
    /** Answers what to tell what became of the call; null: it is not to be made now. */
    ask(): ((isAnswered: boolean) => void) | null {
      const asked = performance.now();
      if (silentSince !== null && (isTried || asked - silentSince < PAUSE)) return null;
      const isTry = silentSince !== null;
      isTried ||= isTry;
      return (isAnswered) => {
        if (isTry) isTried = false;
        const now = performance.now();
        if (isAnswered) silentSince = null;
        else if (isTry || now - asked >= LONG) silentSince = now;
      };
    },
  };
}

/** NaN: it has none. */
const dateOf = ({ headers }: Pick<Dispatcher.ResponseData, 'headers'>): Instant => Date.parse(String(headers['date']));

interface Page<T> {
  readonly items: readonly T[] | null;
  readonly metadata: { readonly continue?: string; readonly resourceVersion?: string };
}

/** Characters that these have beyond what is usual. */
function largeIn(kept: readonly unknown[]): number {
  return kept.reduce<number>((sum, item) => sum + Math.max(0, JSON.stringify(item).length - LARGE), 0);
}

/** A namespace in which it was too much, as a phrase. */
function whereOf(items: readonly unknown[]): string {
  const { metadata } = (items.at(-1) ?? {}) as { metadata?: { namespace?: string } };
  return metadata?.namespace === undefined ? '' : `, last in namespace ${metadata.namespace}`;
}

/** The objects of a watch are bounded like answers: each is one line. */
async function* eventsOf<T>(stream: AsyncIterable<Uint8Array>, where: string): AsyncGenerator<WatchEvent<T>, void> {
  try {
    for await (const line of linesOf(stream, LONGEST_ANSWER)) {
      const event = JSON.parse(line) as WatchEvent<T> | { type: 'ERROR'; object: { code?: number; message?: string } };
      if (event.type === 'ERROR') {
        const { code = 500, message = '' } = event.object;
        throw refusal('watch', where, code, message.slice(0, 1000));
      }
      yield event;
    }
  } catch (error) {
    if (error instanceof ApiError || error instanceof Unavailable) throw error;
    throw new Unavailable('Kubernetes', `watch ${where.split('?')[0]}: it broke off`, { cause: error });
  }
}

function refusal(what: string, where: string, status: number, words: string): ApiError | Unavailable {
  const message = `${what} ${where.split('?')[0]}: ${status} ${words}`;
  // An admission webhook that is away or broken is named, with what became of the call.
  const ofWebhook = WEBHOOK_FAILED.exec(words)?.[0];
  if (status === 409 || status === 429 || status >= 500)
    return new Unavailable('Kubernetes', message, ofWebhook === undefined ? {} : { words: ofWebhook });
  return new ApiError(status, message, words);
}

/** @throws Unavailable where it is no JSON: something else than the API server has answered, such as a page to log in at */
function parsed(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Without the cause, which repeats some of the text.
    throw new Unavailable('Kubernetes', `${what.split('?')[0]}: the answer is not the API server's`);
  }
}

function isStatus(text: string): boolean {
  try {
    return (JSON.parse(text) as { kind?: unknown } | null)?.kind === 'Status';
  } catch {
    return false;
  }
}

function messageOf(text: string): string {
  try {
    const { message } = JSON.parse(text) as { message?: unknown };
    return typeof message === 'string' ? message.slice(0, 1000) : '';
  } catch {
    return text.slice(0, 200);
  }
}
