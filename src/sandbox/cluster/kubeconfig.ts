import { readFile, rename, writeFile } from 'node:fs/promises';
import type { KeyPair } from './pki.ts';

/** Where an API server is and by what to know it. */
export type Server = { url: string; ca: string };

/** Who asks: a client certificate or a bearer token. */
export type Credentials = KeyPair | { token: string };

const encode = (text: string) => Buffer.from(text).toString('base64');
const decode = (text: string) => Buffer.from(text, 'base64').toString();

/** Writes a kubeconfig that needs no other file (JSON, which is YAML too), readable by its owner only. */
export async function writeKubeconfig(path: string, server: Server, credentials: Credentials): Promise<void> {
  const user =
    'token' in credentials
      ? { token: credentials.token }
      : {
          'client-certificate-data': encode(credentials.certificate),
          'client-key-data': encode(credentials.key),
        };
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'drawbridge',
    clusters: [
      { name: 'drawbridge', cluster: { server: server.url, 'certificate-authority-data': encode(server.ca) } },
    ],
    users: [{ name: 'user', user }],
    contexts: [{ name: 'drawbridge', context: { cluster: 'drawbridge', user: 'user' } }],
  };
  await writeFile(path, `${JSON.stringify(config, null, 2)}\n`, { mode: 0o600 });
}

/** Writes one kubeconfig (as `writeKubeconfig` writes them) with a context for each of these files; the first is the current one. */
export async function joinKubeconfigs(path: string, files: ReadonlyMap<string, string>): Promise<void> {
  const all = await Promise.all(
    [...files].map(async ([name, file]) => ({ name, ...JSON.parse(await readFile(file, 'utf8')) })),
  );
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': all[0]?.name,
    clusters: all.map(({ name, clusters: [{ cluster }] }) => ({ name, cluster })),
    users: all.map(({ name, users: [{ user }] }) => ({ name, user })),
    contexts: all.map(({ name }) => ({ name, context: { cluster: name, user: name } })),
  };
  const temporary = `${path}.new`;
  await writeFile(temporary, `${JSON.stringify(config, null, 2)}\n`, { mode: 0o600 });
  await rename(temporary, path);
}

/** Reads back what `writeKubeconfig` wrote (only that: one cluster, one user, no files, no plugins). */
export async function readKubeconfig(path: string): Promise<{ server: Server; credentials: Credentials }> {
  const { clusters, users } = JSON.parse(await readFile(path, 'utf8'));
  const [{ cluster }] = clusters;
  const [{ user }] = users;
  return {
    server: { url: cluster.server, ca: decode(cluster['certificate-authority-data']) },
    credentials: user.token
      ? { token: user.token }
      : { certificate: decode(user['client-certificate-data']), key: decode(user['client-key-data']) },
  };
}
