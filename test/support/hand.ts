import { openApi } from '../../src/sandbox/cluster/api.ts';

/** What an object is called, to those who read and write it. */
export interface ObjectName {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
}

/** Somebody's hand on the API server. Every answer is `accepted` or `STATUS message`. */
export interface Hand {
  /** The object as it is. @throws when it can't be read */
  read<T>(object: ObjectName): Promise<T>;
  /** Server-side apply as the bot does it. */
  apply(object: ObjectName, dryRun?: boolean): Promise<string>;
  create(object: ObjectName, dryRun?: boolean): Promise<string>;
  replace(object: ObjectName, dryRun?: boolean): Promise<string>;
  /** JSON merge patch, of the object or of one of its subresources. */
  patch(object: ObjectName, change: object, subresource?: string): Promise<string>;
  /** The options are those of DeleteOptions, as its query has them. */
  remove(object: ObjectName, options?: Readonly<Record<string, string>>): Promise<string>;
  /** Any call; the path may have a query. */
  call(method: string, path: string, body?: unknown, contentType?: string): Promise<string>;
}

const CLUSTER_SCOPED = [
  'Namespace',
  'Node',
  'ClusterRole',
  'ClusterRoleBinding',
  'ValidatingAdmissionPolicy',
  'ValidatingAdmissionPolicyBinding',
];

/** The path of an object, or of its list. */
export function pathOf({ apiVersion, kind, metadata }: ObjectName, list = false): string {
  const root = apiVersion === 'v1' ? '/api/v1' : `/apis/${apiVersion}`;
  const plural = `${kind.toLowerCase().replace(/y$/, 'ie')}s`;
  const where = CLUSTER_SCOPED.includes(kind) ? '' : `/namespaces/${metadata.namespace}`;
  return `${root}${where}/${plural}${list ? '' : `/${metadata.name}`}`;
}

/** The hand of whom a kubeconfig of the test cluster names. */
export async function handOf(kubeconfig: string): Promise<Hand> {
  const api = await openApi(kubeconfig);
  const dry = (dryRun: boolean, more = '') => `?fieldManager=drawbridge${more}${dryRun ? '&dryRun=All' : ''}`;
  async function call(method: string, path: string, body?: unknown, contentType?: string): Promise<string> {
    const answer = await api.call(method, path, body, contentType);
    if (answer.status < 300) return 'accepted';
    const message = (answer.body as { message?: string } | null)?.message ?? String(answer.body);
    return `${answer.status} ${message}`;
  }
  return {
    call,
    async read<T>(object: ObjectName) {
      const { status, body } = await api.call('GET', pathOf(object));
      if (status !== 200) throw new Error(`${pathOf(object)}: ${JSON.stringify(body)}`);
      return body as T;
    },
    apply: (object, dryRun = false) =>
      call('PATCH', pathOf(object) + dry(dryRun, '&force=true'), object, 'application/apply-patch+yaml'),
    create: (object, dryRun = false) => call('POST', pathOf(object, true) + dry(dryRun), object),
    replace: (object, dryRun = false) => call('PUT', pathOf(object) + dry(dryRun), object),
    patch: (object, change, subresource = '') =>
      call(
        'PATCH',
        `${pathOf(object)}${subresource && `/${subresource}`}${dry(false)}`,
        change,
        'application/merge-patch+json',
      ),
    remove: (object, options = { propagationPolicy: 'Background' }) =>
      call('DELETE', `${pathOf(object)}?${new URLSearchParams(options).toString()}`),
  };
}
