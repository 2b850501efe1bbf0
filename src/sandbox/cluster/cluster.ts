import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openApi } from './api.ts';
import { type Credentials, writeKubeconfig } from './kubeconfig.ts';
import { openAuthority } from './pki.ts';

/** How a program ended and what it wrote. */
type Finished = { code: number; stdout: string; stderr: string };

/** A running cluster as seen from any process that can read its folder. */
export type Cluster = {
  /** The folder of this run: certificates, logs, state. */
  readonly dir: string;
  /** `https://host:port` of the API server. */
  readonly url: string;
  /** The certificate of the cluster's authority, PEM. */
  readonly caPem: string;
  /** Path of a kubeconfig in the group `system:masters`. */
  readonly adminKubeconfig: string;
  /** Path of the audit log (JSON lines, level Metadata unless the control plane was told otherwise, no RequestReceived stage). */
  readonly auditLogPath: string;
  /** Path of a new kubeconfig with a client certificate that names this user and these groups. */
  readonly kubeconfigFor: (user: string, groups?: readonly string[]) => Promise<string>;
  /**
   * Path of a new kubeconfig with a token of an existing service account. Kubernetes gives none for less than 600 seconds.
   *
   * @throws Error with the API server's words when it refuses.
   */
  readonly serviceAccountKubeconfig: (
    namespace: string,
    name: string,
    options?: { expirationSeconds?: number },
  ) => Promise<string>;
  /** Runs kubectl, as the administrator unless told otherwise. A failure is an exit code, not an exception. */
  readonly kubectl: (args: readonly string[], options?: { kubeconfig?: string; input?: string }) => Promise<Finished>;
  /**
   * Applies manifests (YAML or JSON text, or objects) as the administrator.
   *
   * @throws Error with kubectl's words when one of them is refused.
   */
  readonly apply: (manifests: string | readonly object[]) => Promise<void>;
};

type Description = { url: string; kubectl: string };

const descriptionFile = (dir: string) => join(dir, 'cluster.json');

/** Notes in the folder what `openCluster` has to know, and writes the administrator's kubeconfig. */
export async function describeCluster(dir: string, description: Description): Promise<void> {
  await writeFile(descriptionFile(dir), JSON.stringify(description));
  const authority = openAuthority(join(dir, 'pki'));
  await writeKubeconfig(
    join(dir, 'admin.kubeconfig'),
    { url: description.url, ca: authority.certificate },
    await authority.issue({ name: 'drawbridge-admin', groups: ['system:masters'] }),
  );
}

/** Opens the cluster whose folder this is; it was started by `startControlPlane`, here or in another process. */
export function openCluster(dir: string): Cluster {
  const { url, kubectl }: Description = JSON.parse(readFileSync(descriptionFile(dir), 'utf8'));
  const authority = openAuthority(join(dir, 'pki'));
  const adminKubeconfig = join(dir, 'admin.kubeconfig');

  async function newKubeconfig(who: string, credentials: Credentials): Promise<string> {
    const name = `${who.replaceAll(/[^\w.@-]+/g, '-')}-${randomBytes(4).toString('hex')}.kubeconfig`;
    const path = join(dir, 'kubeconfigs', name);
    await writeKubeconfig(path, { url, ca: authority.certificate }, credentials);
    return path;
  }

  return {
    ...kubectlRunner({ kubectl, dir, adminKubeconfig }),
    dir,
    url,
    caPem: authority.certificate,
    adminKubeconfig,
    auditLogPath: join(dir, 'audit.log'),

    async kubeconfigFor(user, groups = []) {
      return newKubeconfig(user, await authority.issue({ name: user, groups }));
    },

    async serviceAccountKubeconfig(namespace, name, { expirationSeconds = 3600 } = {}) {
      const api = await openApi(adminKubeconfig);
      try {
        const { status, body } = await api.call(
          'POST',
          `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`,
          { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds } },
        );
        if (status !== 201) throw new Error(`no token for ${namespace}/${name}: ${JSON.stringify(body)}`);
        return await newKubeconfig(`${namespace}-${name}`, (body as { status: { token: string } }).status);
      } finally {
        api.close();
      }
    },
  };
}

/** How kubectl is run against a cluster; its cache is kept in `dir`. */
export function kubectlRunner(options: {
  readonly kubectl: string;
  readonly dir: string;
  readonly adminKubeconfig: string;
}): Pick<Cluster, 'kubectl' | 'apply'> {
  const { kubectl, dir, adminKubeconfig } = options;
  const runner: Pick<Cluster, 'kubectl' | 'apply'> = {
    async kubectl(args, { kubeconfig = adminKubeconfig, input = '' } = {}) {
      const flags = [`--kubeconfig=${kubeconfig}`, `--cache-dir=${join(dir, 'kubectl-cache')}`];
      const child = spawn(kubectl, [...flags, ...args], {
        // No preferences of the user's own.
        env: { ...process.env, KUBERC: 'off' },
        stdio: ['pipe', 'pipe', 'pipe'],
      });
      const output = { stdout: '', stderr: '' };
      child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text));
      child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text));
      child.stdin.on('error', () => {}).end(input);
      const code = await new Promise<number>((resolve, reject) => {
        child.once('error', reject);
        child.once('close', (code) => resolve(code ?? -1));
      });
      return { code, ...output };
    },

    async apply(manifests) {
      const input =
        typeof manifests === 'string'
          ? manifests
          : JSON.stringify({ apiVersion: 'v1', kind: 'List', items: manifests });
      const { code, stderr } = await runner.kubectl(['apply', '-f', '-'], { input });
      if (code !== 0) throw new Error(`kubectl apply: ${stderr.trim()}`);
    },
  };
  return runner;
}
