import { Unavailable } from '../../domain/errors.ts';
import type { Api } from './api.ts';

/** The API server of a cluster to which nothing leads: every call is Unavailable. */
export function awayApi(why: string): Api {
  const away = async (): Promise<never> => {
    throw new Unavailable('Kubernetes', why);
  };
  return {
    read: away,
    list: away,
    version: away,
    watch: away,
    apply: away,
    mergePatch: away,
    remove: away,
    token: away,
    create: away,
    dryRun: away,
    groups: away,
    kinds: away,
    ready: away,
    time: away,
  };
}
