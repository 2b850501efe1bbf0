import {
  createApi as create,
  type Kind,
  type ListOptions,
  type WatchEvent,
} from '../../src/adapters/kubernetes/api.ts';
import { crashing } from './crash.ts';
import { altered, believed, denied, lies, reordered, unaltered } from './plants.ts';

export * from '../../src/adapters/kubernetes/api.ts';

export const createApi: typeof create = (...args) => {
  const api = create(...args);
  const apply: typeof api.apply = (object) =>
    crashing(`apply ${object.kind}`, async () => unaltered(await api.apply(altered(object))));
  return {
    ...api,
    async read<T>(...args: Parameters<typeof api.read>) {
      const found = await api.read<T>(...args);
      const [seen] = found === null ? [] : believed([found]);
      return seen === undefined ? null : unaltered(seen);
    },
    list<T, R = T>(kind: Kind, namespace: string | null, options: ListOptions<T, R> = {}) {
      const { keep = (page) => page as readonly unknown[] as R[] } = options;
      return api.list<T, R>(kind, namespace, { ...options, keep: (page) => keep(believed([...page]).map(unaltered)) });
    },
    async watch<T>(...args: Parameters<typeof api.watch>): Promise<AsyncGenerator<WatchEvent<T>, void>> {
      const events = await api.watch<T>(...args);
      return (async function* () {
        for await (const event of events) yield { ...event, object: unaltered(event.object) };
      })();
    },
    create: async <T>(kind: Parameters<typeof api.create>[0], object: unknown) =>
      denied(kind, await api.create<T>(kind, object)),
    // What is only tried is no write.
    apply: (object, dryRun) => (dryRun === true ? api.apply(object, true) : reordered(object, apply)),
    mergePatch: (kind, namespace, name, patch) =>
      crashing(`remove ${kind}`, () => api.mergePatch(kind, namespace, name, patch)),
    remove: (kind, namespace, name, uid) =>
      lies(kind, name, () => crashing(`remove ${kind}`, () => api.remove(kind, namespace, name, uid))),
  };
};
