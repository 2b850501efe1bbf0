import { createGrantStore as create } from '../../src/adapters/redis/grant-store.ts';
import { crashing } from './crash.ts';
import { became } from './plants.ts';

export * from '../../src/adapters/redis/grant-store.ts';

export const createGrantStore: typeof create = (options) => {
  const store = create(options);
  return {
    ...store,
    create: (grant, noting) => crashing('create Grant', () => store.create(grant, noting)),
    request: (...args) => crashing('create Grant', () => store.request(...args)),
    async change(...args) {
      const result = await crashing('change Grant', () => store.change(...args));
      if (result !== null) await became(args[0], result.grant.state);
      return result;
    },
  };
};
