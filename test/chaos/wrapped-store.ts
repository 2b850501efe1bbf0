import { createGrantStore as create } from '../../src/adapters/redis/grant-store.ts';
import { crashing } from './crash.ts';
import { became } from './plants.ts';

export * from '../../src/adapters/redis/grant-store.ts';

export const createGrantStore: typeof create = (options) => {
  const store = create(options);
  return {
    ...store,
    create: (grant, noting) => crashing('create Grant', () => store.create(grant, noting)),
    async change(id, mutate, noting) {
      const result = await crashing('change Grant', () => store.change(id, mutate, noting));
      if (result !== null) await became(id, result.grant.state);
      return result;
    },
  };
};
