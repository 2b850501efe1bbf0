import { createGrantStore as create } from '../../src/adapters/redis/grant-store.ts';
import { crashing } from './crash.ts';
import { became } from './plants.ts';

export * from '../../src/adapters/redis/grant-store.ts';

export const createGrantStore: typeof create = (options) => {
  const store = create(options);
  return {
    ...store,
    create: (grant) => crashing('create Grant', () => store.create(grant)),
    async change(id, mutate) {
      const result = await crashing('change Grant', () => store.change(id, mutate));
      if (result !== null) await became(id, result.grant.state);
      return result;
    },
  };
};
