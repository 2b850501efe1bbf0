import { registerHooks } from 'node:module';

/**
 * The bot of the chaos run: src/main.ts as it is, but three of its adapters come from wrapped-*.ts, which can kill this process between any two
 * writes; and so does, for some planted faults, the module in which they are. Nothing in src knows of it.
 */
const HERE = new URL('./', import.meta.url).href;
const PLANTED: Partial<Record<string, Readonly<Record<string, string>>>> = {
  'anyone-approves': { '/src/domain/decide/decide.ts': './wrapped-decide.ts' },
  'unjudged-extension': { '/src/domain/decide/decide.ts': './wrapped-decide.ts' },
  'deaf-digest': { '/src/domain/plan/plan.ts': './wrapped-plan.ts' },
  'nervous-digest': { '/src/domain/plan/plan.ts': './wrapped-plan.ts' },
  'wrong-cluster': {
    '/src/adapters/kubernetes/own-cluster.ts': './wrapped-own-cluster.ts',
    '/src/composition/clusters.ts': './wrapped-clusters.ts',
  },
  'role-grows': { '/src/app/plan/since-approval.ts': './wrapped-since-approval.ts' },
};
const WRAPPED: Record<string, string> = {
  '/src/adapters/kubernetes/api.ts': './wrapped-api.ts',
  '/src/adapters/redis/grant-store.ts': './wrapped-store.ts',
  '/src/adapters/queue/scheduler.ts': './wrapped-scheduler.ts',
  ...PLANTED[process.env['CHAOS_PLANT'] ?? ''],
};

registerHooks({
  resolve(specifier, context, next) {
    const resolved = next(specifier, context);
    if (context.parentURL?.startsWith(HERE)) return resolved;
    const wrapper = Object.entries(WRAPPED).find(([path]) => resolved.url.endsWith(path))?.[1];
    return wrapper === undefined ? resolved : { ...resolved, url: new URL(wrapper, HERE).href };
  },
});

await import('../../src/main.ts');
