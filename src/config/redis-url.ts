/** Where Redis is, read from `REDIS_URL`. */
export interface RedisTarget {
  readonly kind: 'standalone' | 'sentinel' | 'cluster';
  readonly tls: boolean;
  /** One for standalone; the sentinels; or nodes of the cluster from which the others are found. */
  readonly hosts: readonly { readonly host: string; readonly port: number }[];
  readonly username: string | undefined;
  readonly password: string | undefined;
  /** 0 for a cluster, which has no other. */
  readonly db: number;
  /** The name that the sentinels give the master; empty otherwise. */
  readonly master: string;
  /** For sentinels that want one of their own. */
  readonly sentinelPassword: string | undefined;
}

/** The forms that are taken, for error messages. */
export const REDIS_URL_FORM =
  'redis://[user:password@]host[:6379][/db], redis+sentinel://host1[:26379],host2/master[/db][?sentinelPassword=...] or redis+cluster://host1[:6379],host2 (rediss for TLS; characters such as @ and / in a password percent-encoded)';

const URL_FORM = /^(rediss?)(\+sentinel|\+cluster)?:\/\/(?:([^@/]*)@)?([^@/?#]+)(\/[^?#]*)?(?:\?([^#]*))?$/;
const HOST = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?$/;

/** Reads a Redis URL; null when it is none of {@link REDIS_URL_FORM}. */
export function parseRedisUrl(text: string): RedisTarget | null {
  const match = URL_FORM.exec(text);
  if (match === null) return null;
  const [, scheme, suffix, credentials = '', hostList = '', path = '', query = ''] = match;
  const kind = suffix === '+sentinel' ? 'sentinel' : suffix === '+cluster' ? 'cluster' : 'standalone';
  const hosts = readHosts(hostList, kind === 'sentinel' ? 26_379 : 6379);
  if (hosts === null || (kind === 'standalone' && hosts.length > 1)) return null;

  const segments = path.split('/').filter((segment) => segment !== '');
  const master = kind === 'sentinel' ? (segments.shift() ?? '') : '';
  if (kind === 'sentinel' && master === '') return null;
  const [database = '0', ...rest] = segments;
  if (!/^\d{1,5}$/.test(database) || rest.length > 0 || (kind === 'cluster' && segments.length > 0)) return null;

  const parameters = new URLSearchParams(query);
  const sentinelPassword = parameters.get('sentinelPassword') ?? undefined;
  if ([...parameters.keys()].some((key) => key !== 'sentinelPassword' || kind !== 'sentinel')) return null;

  try {
    const colon = credentials.indexOf(':');
    const username = decodeURIComponent(colon < 0 ? credentials : credentials.slice(0, colon));
    const password = colon < 0 ? '' : decodeURIComponent(credentials.slice(colon + 1));
    return {
      kind,
      tls: scheme === 'rediss',
      hosts,
      username: username === '' ? undefined : username,
      password: password === '' ? undefined : password,
      db: Number(database),
      master: decodeURIComponent(master),
      sentinelPassword,
    };
  } catch {
    return null; // a % that is no percent-encoding
  }
}

function readHosts(list: string, defaultPort: number): { host: string; port: number }[] | null {
  const hosts: { host: string; port: number }[] = [];
  for (const part of list.split(',')) {
    const [, host, port] = HOST.exec(part) ?? [];
    const number = port === undefined ? defaultPort : Number(port);
    if (host === undefined || number < 1 || number > 65_535) return null;
    hosts.push({ host: host.replace(/^\[|\]$/g, ''), port: number });
  }
  return hosts;
}
