import { z } from 'zod';
import { HTTPS_URL, isHttpsUrl } from '../domain/https-url.ts';
import { formOf, parseQuantity, type ResourceName, type Resources } from '../domain/quantity.ts';
import { parseRedisUrl, REDIS_URL_FORM, type RedisTarget } from './redis-url.ts';
import { type Secret, secret } from './secret.ts';

/** What the bot is told by its environment. Secrets are wrapped: logging this object shows none. */
export interface Settings {
  readonly slack: {
    readonly botToken: Secret<string>;
    readonly transport:
      | { readonly mode: 'socket'; readonly appToken: Secret<string> }
      | { readonly mode: 'http'; readonly signingSecret: Secret<string>; readonly port: number };
    /** Ends with a slash; undefined: Slack's own. */
    readonly apiUrl: string | undefined;
  };
  readonly redis: Secret<RedisTarget>;
  /** Both undefined: in-cluster, or the default kubeconfig. */
  readonly kubernetes: { readonly kubeconfig: string | undefined; readonly context: string | undefined };
  readonly policyFile: string;
  readonly instance: string;
  /** SEAL_KEY itself: what seals, encrypts and signs is derived from it. The first writes, all read. */
  readonly sealKeys: Secret<readonly Buffer[]>;
  /** Who is sent the audit; null: nobody. */
  readonly auditWebhook: { readonly url: Secret<string>; readonly secret: Secret<string> | null } | null;
  /** By what PagerDuty is asked who is on call; null: it is not. */
  readonly pagerDuty: { readonly url: string; readonly token: Secret<string> } | null;
  /** By what Jira is asked for tickets; null: it is not. */
  readonly jira: { readonly url: string; readonly user: string; readonly token: Secret<string> } | null;
  readonly opsPort: number;
  readonly logLevel: LogLevel;
  readonly workspacesNamespace: string;
  readonly accountsNamespace: string;
  readonly nodesNamespace: string;
  readonly accountsServer: string | undefined;
  /** Undefined: workspaces are not probed. */
  readonly probeImage: string | undefined;
  /** Names of Secrets in the workspaces namespace with which their images are pulled. */
  readonly workspacesPullSecrets: readonly string[];
  /** The most that a profile may give to a workspace. */
  readonly workspacesMaximum: Resources;
  /** Drawbridge's own namespace: no request can name it. */
  readonly ownNamespace: string;
}

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Shortest key that seals, in bytes: the length of a SHA-256. */
const SEAL_KEY_BYTES = 32;

const text = (form: RegExp, error: string) => z.string({ error }).regex(form, error);
const port = (error: string) =>
  z
    .string({ error })
    .refine((value) => /^\d{1,5}$/.test(value) && Number(value) >= 1 && Number(value) <= 65_535, error)
    .transform(Number);
const dnsLabel = (error: string) => text(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, error);
const LABEL = 'expected a DNS label: lower-case letters, digits and dashes, 63 at most';
const PORT = 'expected a port number from 1 to 65535';

function readSealKeys(value: string): Buffer[] | null {
  const keys: Buffer[] = [];
  for (const part of value.split(',')) {
    const encoded = part.trim();
    if (!/^[A-Za-z0-9+/]+={0,2}$/.test(encoded)) return null;
    const key = Buffer.from(encoded, 'base64');
    if (key.length < SEAL_KEY_BYTES) return null;
    keys.push(key);
  }
  return keys;
}

const amount = (name: ResourceName) =>
  z.string().refine((value) => parseQuantity(name, value) !== null, `expected ${formOf(name)}`);

const SEAL_KEY_ERROR = `expected one or more base64 keys of at least ${SEAL_KEY_BYTES} bytes, separated by commas (make one with: openssl rand -base64 ${SEAL_KEY_BYTES})`;

/**
 * One entry a variable, in the order of `.env.example`, which is generated from this. Meta: `example` fills the line there, `secret`
 * keeps the value out of every message.
 */
export const environmentSchema = z.object({
  SLACK_BOT_TOKEN: text(/^xoxb-\S+$/, 'expected a bot token, which begins with xoxb-').meta({
    description: 'Bot token of the Slack app (OAuth & Permissions).',
    example: 'xoxb-',
    secret: true,
  }),
  SLACK_APP_TOKEN: text(/^xapp-\S+$/, 'expected an app-level token, which begins with xapp-')
    .optional()
    .meta({
      description:
        'App-level token with connections:write, for Socket Mode (the default). Give this or SLACK_SIGNING_SECRET.',
      example: 'xapp-',
      secret: true,
    }),
  SLACK_SIGNING_SECRET: text(/^\S{16,}$/, 'expected the signing secret of the Slack app, 16 characters or more')
    .optional()
    .meta({
      description: 'Signing secret of the Slack app (Basic Information), for HTTP mode: Slack sends requests to PORT.',
      secret: true,
    }),
  SLACK_MODE: z.enum(['socket', 'http'], { error: 'expected socket or http' }).optional().meta({
    description:
      'socket or http: which of the two above must be there; the chart sets it. Default: the mode of the one that is given.',
  }),
  PORT: port(PORT).prefault('3000').meta({ description: 'Port for requests from Slack; only in HTTP mode.' }),
  SLACK_API_URL: z
    .url({ protocol: /^https?$/, error: 'expected an http or https URL' })
    .transform((url) => (url.endsWith('/') ? url : `${url}/`))
    .optional()
    .meta({ description: 'Another Slack Web API endpoint, for the sandbox and tests.' }),
  REDIS_URL: z
    .string({ error: `expected ${REDIS_URL_FORM}` })
    .transform((value, context): RedisTarget => {
      const target = parseRedisUrl(value);
      if (target !== null) return target;
      context.addIssue({ code: 'custom', message: `expected ${REDIS_URL_FORM}` });
      return z.NEVER;
    })
    .meta({
      description: `Redis 6.2 or Valkey, or later, with noeviction and an append-only file: ${REDIS_URL_FORM}. docs/operations.md says what its user must be allowed.`,
      example: 'redis://localhost:6379',
      secret: true,
    }),
  KUBECONFIG: z.string().optional().meta({
    description:
      'kubeconfig file, read again when it changes; it has the contexts that clusters of the policy name. Without it: the service account of the pod, else ~/.kube/config.',
  }),
  KUBE_CONTEXT: z.string().optional().meta({ description: 'Context of the kubeconfig; default: its current one.' }),
  POLICY_FILE: z.string({ error: 'expected the path of the policy file' }).meta({
    description: 'The policy file (YAML); see policy.example.yaml. It is read again when it changes.',
    example: 'policy.yaml',
  }),
  INSTANCE: dnsLabel(LABEL).prefault('default').meta({
    description: 'Name of this installation: two with different names never touch the objects of each other.',
  }),
  SEAL_KEY: z
    .string({ error: SEAL_KEY_ERROR })
    .transform((value, context): Buffer[] => {
      const keys = readSealKeys(value);
      if (keys !== null) return keys;
      context.addIssue({ code: 'custom', message: SEAL_KEY_ERROR });
      return z.NEVER;
    })
    .meta({
      description: `Keys from which those of seals, of encrypted records and of the audit are derived: base64, ${SEAL_KEY_BYTES} bytes or more each, separated by commas. The first writes, all read. Make one with: openssl rand -base64 ${SEAL_KEY_BYTES}.`,
      secret: true,
    }),
  AUDIT_WEBHOOK_URL: z.string().refine(isHttpsUrl, HTTPS_URL).optional().meta({
    description:
      'Where each entry of the audit is posted, as JSON lines, at least once and in order: an https URL (http only on this machine), which may hold a token.',
    secret: true,
  }),
  AUDIT_WEBHOOK_SECRET: text(/^\S{16,}$/, 'expected 16 characters or more without blanks')
    .optional()
    .meta({
      description: 'Signs what is posted there (headers X-Drawbridge-Timestamp and X-Drawbridge-Signature).',
      secret: true,
    }),
  PAGERDUTY_TOKEN: text(/^\S{10,}$/, 'expected a REST API key of PagerDuty, without blanks')
    .optional()
    .meta({
      description:
        'REST API key (read-only) of PagerDuty, for sources of oncall in the policy that ask it who is on call.',
      secret: true,
    }),
  PAGERDUTY_URL: z.string().refine(isHttpsUrl, HTTPS_URL).prefault('https://api.pagerduty.com').meta({
    description: 'Where the REST API of PagerDuty is; of accounts in the EU https://api.eu.pagerduty.com.',
  }),
  JIRA_URL: z.string().refine(isHttpsUrl, HTTPS_URL).optional().meta({
    description: 'Where Jira Cloud is, if the policy looks tickets up there, with the two below.',
    example: 'https://example.atlassian.net',
  }),
  JIRA_USER: text(/^[^\s:]+$/, 'expected the e-mail address of the Jira account that asks')
    .optional()
    .meta({
      description:
        'The e-mail address of the Jira account that asks; it needs to see the projects of the policy, no more.',
    }),
  JIRA_TOKEN: text(/^\S{10,}$/, 'expected an API token of that account, without blanks')
    .optional()
    .meta({
      description: 'An API token of that account.',
      secret: true,
    }),
  OPS_PORT: port(PORT).prefault('9090').meta({ description: 'Port for /healthz, /readyz and /metrics.' }),
  LOG_LEVEL: z
    .enum(LOG_LEVELS, { error: `expected one of ${LOG_LEVELS.join(', ')}` })
    .prefault('info')
    .meta({ description: `One of ${LOG_LEVELS.join(', ')}.` }),
  WORKSPACES_NAMESPACE: dnsLabel(LABEL).prefault('drawbridge-workspaces').meta({
    description: 'Namespace in which workspaces run; the chart makes it.',
  }),
  NODES_NAMESPACE: dnsLabel(LABEL).prefault('drawbridge-nodes').meta({
    description: 'Namespace of the pods of node shells; the chart makes it with nodes.enabled.',
  }),
  ACCOUNTS_NAMESPACE: dnsLabel(LABEL).prefault('drawbridge-accounts').meta({
    description:
      'Namespace of the leases of grants for the whole cluster or for a node; the chart makes it with accounts.enabled.',
  }),
  ACCOUNTS_SERVER: text(
    /^https:\/\/[^\s/?#@]+(\/[^\s?#]*)?$/,
    'expected an address like https://kubernetes.example.test:6443',
  )
    .optional()
    .meta({
      description:
        'Address of the API server as people reach it, for the kubeconfig of grants by token. Default: the one that the bot uses, which in a pod nobody else reaches.',
    }),
  PROBE_IMAGE: text(
    /^[a-z0-9][\w.:/@-]*$/,
    'expected the name of an image, like registry.example.test/drawbridge:0.1.0',
  )
    .optional()
    .meta({
      description:
        "Drawbridge's own image, which probes from each new workspace whether the cluster enforces NetworkPolicies; the chart sets it. Without it profiles with network.strict give nothing.",
    }),
  WORKSPACES_PULL_SECRETS: text(
    /^[a-z0-9][-.a-z0-9]*(,[a-z0-9][-.a-z0-9]*)*$/,
    'expected names of Secrets, separated by commas',
  )
    .transform((names) => names.split(','))
    .optional()
    .meta({
      description:
        'Secrets in the workspaces namespace with which the images of workspaces and of their probe are pulled, separated by commas; the chart sets it, and its leash lets no other be named.',
    }),
  WORKSPACES_MAXIMUM_CPU: amount('cpu')
    .prefault('2')
    .meta({
      description: `The most CPU that network.resources of a profile may give to a workspace: ${formOf('cpu')}; the chart sets it.`,
    }),
  WORKSPACES_MAXIMUM_MEMORY: amount('memory')
    .prefault('4Gi')
    .meta({
      description: `The most memory that network.resources of a profile may give to a workspace: ${formOf('memory')}; the chart sets it.`,
    }),
  POD_NAMESPACE: dnsLabel(LABEL).prefault('drawbridge').meta({
    description: "Drawbridge's own namespace, which no request can name; the chart sets it.",
  }),
  SECRET_NAME: z.string().optional().meta({
    description:
      'The Secret (NAMESPACE/NAME) from which tokens and keys come, to be named when it lacks one; the chart sets it.',
  }),
});

export type SettingsResult =
  | { readonly ok: true; readonly settings: Settings }
  | { readonly ok: false; readonly problems: readonly string[] };

/**
 * Reads the settings; an empty variable counts as unset. `problems` has one line for each wrong or missing setting: its name and what
 * is expected, never its value when it is a secret.
 */
export function loadSettings(env: Readonly<Record<string, string | undefined>>): SettingsResult {
  const { given, parsed, problems } = readEnvironment(environmentSchema, env);
  const socket = given.SLACK_APP_TOKEN !== undefined;
  const http = given.SLACK_SIGNING_SECRET !== undefined;
  if (given.SLACK_MODE === 'socket' && !socket)
    problems.push(`${notSet('SLACK_APP_TOKEN', given)}: expected it, since SLACK_MODE is socket`);
  else if (given.SLACK_MODE === 'http' && !http)
    problems.push(`${notSet('SLACK_SIGNING_SECRET', given)}: expected it, since SLACK_MODE is http`);
  else if (!socket && !http)
    problems.push(
      `${notSet('SLACK_APP_TOKEN', given)}: expected it (Socket Mode), or SLACK_SIGNING_SECRET and PORT instead (HTTP mode)`,
    );
  if (socket && http)
    problems.push(
      'SLACK_APP_TOKEN and SLACK_SIGNING_SECRET are both set: expected one of them, which chooses the mode',
    );
  if (given.AUDIT_WEBHOOK_SECRET !== undefined && given.AUDIT_WEBHOOK_URL === undefined)
    problems.push('AUDIT_WEBHOOK_SECRET is set without AUDIT_WEBHOOK_URL: expected both, or none');
  const ofJira = ['JIRA_URL', 'JIRA_USER', 'JIRA_TOKEN'];
  const missing = ofJira.filter((name) => given[name] === undefined);
  if (missing.length > 0 && missing.length < ofJira.length)
    problems.push(
      `${missing.join(' and ')} ${missing.length === 1 ? 'is' : 'are'} not set: expected ${ofJira.join(', ')} together, or none of them`,
    );
  if (!parsed.success) return { ok: false, problems };

  const e = parsed.data;
  if (http && e.PORT === e.OPS_PORT) problems.push('OPS_PORT is the same as PORT: expected another port');
  if (problems.length > 0) return { ok: false, problems };
  return {
    ok: true,
    settings: {
      slack: {
        botToken: secret(e.SLACK_BOT_TOKEN),
        transport:
          e.SLACK_SIGNING_SECRET === undefined
            ? { mode: 'socket', appToken: secret(e.SLACK_APP_TOKEN ?? '') }
            : { mode: 'http', signingSecret: secret(e.SLACK_SIGNING_SECRET), port: e.PORT },
        apiUrl: e.SLACK_API_URL,
      },
      redis: secret(e.REDIS_URL),
      kubernetes: { kubeconfig: e.KUBECONFIG, context: e.KUBE_CONTEXT },
      policyFile: e.POLICY_FILE,
      instance: e.INSTANCE,
      sealKeys: secret(e.SEAL_KEY),
      auditWebhook:
        e.AUDIT_WEBHOOK_URL === undefined
          ? null
          : {
              url: secret(e.AUDIT_WEBHOOK_URL),
              secret: e.AUDIT_WEBHOOK_SECRET === undefined ? null : secret(e.AUDIT_WEBHOOK_SECRET),
            },
      pagerDuty: e.PAGERDUTY_TOKEN === undefined ? null : { url: e.PAGERDUTY_URL, token: secret(e.PAGERDUTY_TOKEN) },
      jira:
        e.JIRA_URL === undefined || e.JIRA_USER === undefined || e.JIRA_TOKEN === undefined
          ? null
          : { url: e.JIRA_URL, user: e.JIRA_USER, token: secret(e.JIRA_TOKEN) },
      opsPort: e.OPS_PORT,
      logLevel: e.LOG_LEVEL,
      workspacesNamespace: e.WORKSPACES_NAMESPACE,
      accountsNamespace: e.ACCOUNTS_NAMESPACE,
      nodesNamespace: e.NODES_NAMESPACE,
      accountsServer: e.ACCOUNTS_SERVER,
      probeImage: e.PROBE_IMAGE,
      workspacesPullSecrets: e.WORKSPACES_PULL_SECRETS ?? [],
      workspacesMaximum: { cpu: e.WORKSPACES_MAXIMUM_CPU, memory: e.WORKSPACES_MAXIMUM_MEMORY },
      ownNamespace: e.POD_NAMESPACE,
    },
  };
}

/** What reading the audit takes: neither Slack, nor a cluster, nor a policy. */
export interface AuditSettings {
  readonly redis: Secret<RedisTarget>;
  readonly instance: string;
  readonly sealKeys: Secret<readonly Buffer[]>;
}

/** Like {@link loadSettings}, for programs that read the audit. */
export function loadAuditSettings(
  env: Readonly<Record<string, string | undefined>>,
):
  | { readonly ok: true; readonly settings: AuditSettings }
  | { readonly ok: false; readonly problems: readonly string[] } {
  const schema = environmentSchema.pick({ REDIS_URL: true, INSTANCE: true, SEAL_KEY: true });
  const { parsed, problems } = readEnvironment(schema, env);
  if (!parsed.success) return { ok: false, problems };
  const { REDIS_URL, INSTANCE, SEAL_KEY } = parsed.data;
  return { ok: true, settings: { redis: secret(REDIS_URL), instance: INSTANCE, sealKeys: secret(SEAL_KEY) } };
}

/** What taking grants down takes: a cluster and the keys, neither Slack, Redis nor a policy. */
export interface ReaperSettings extends Pick<Settings, 'kubernetes' | 'instance' | 'workspacesNamespace'> {
  /** Null: not given. */
  readonly sealKeys: Secret<readonly Buffer[]> | null;
  /** The keys of the seals of this cluster alone, as `npm run keys` prints them; null: not given. */
  readonly clusterSealKeys: Secret<readonly Buffer[]> | null;
}

const CLUSTER_SEAL_KEY_ERROR = `expected what npm run keys prints: base64 keys of ${SEAL_KEY_BYTES} bytes, separated by commas`;
/** Of the reaper of a satellite alone. */
const clusterSealKey = z
  .string()
  .transform((value, context): Buffer[] => {
    const keys = readSealKeys(value);
    if (keys?.every((key) => key.length === SEAL_KEY_BYTES)) return keys;
    context.addIssue({ code: 'custom', message: CLUSTER_SEAL_KEY_ERROR });
    return z.NEVER;
  })
  .optional();

/** Like {@link loadSettings}, for programs that take grants down. */
export function loadReaperSettings(
  env: Readonly<Record<string, string | undefined>>,
):
  | { readonly ok: true; readonly settings: ReaperSettings }
  | { readonly ok: false; readonly problems: readonly string[] } {
  const schema = environmentSchema
    .pick({ KUBECONFIG: true, KUBE_CONTEXT: true, INSTANCE: true, SEAL_KEY: true, WORKSPACES_NAMESPACE: true })
    .partial({ SEAL_KEY: true })
    .extend({ CLUSTER_SEAL_KEY: clusterSealKey });
  const { parsed, problems } = readEnvironment(schema, env);
  if (!parsed.success) return { ok: false, problems };
  const e = parsed.data;
  return {
    ok: true,
    settings: {
      kubernetes: { kubeconfig: e.KUBECONFIG, context: e.KUBE_CONTEXT },
      instance: e.INSTANCE,
      workspacesNamespace: e.WORKSPACES_NAMESPACE,
      sealKeys: e.SEAL_KEY === undefined ? null : secret(e.SEAL_KEY),
      clusterSealKeys: e.CLUSTER_SEAL_KEY === undefined ? null : secret(e.CLUSTER_SEAL_KEY),
    },
  };
}

function readEnvironment<S extends z.ZodRawShape>(
  schema: z.ZodObject<S>,
  env: Readonly<Record<string, string | undefined>>,
) {
  const given: Record<string, string | undefined> = Object.fromEntries(
    Object.keys(schema.shape)
      .map((name) => [name, env[name]?.trim()] as const)
      .filter(([, value]) => value !== undefined && value !== ''),
  );
  const parsed = schema.safeParse(given);
  const problems = [...(parsed.error?.issues ?? [])].map((issue) =>
    describeProblem(String(issue.path[0]), given, issue.message),
  );
  return { given, parsed, problems };
}

function describeProblem(name: string, given: Record<string, string | undefined>, expected: string): string {
  const value = given[name];
  if (value === undefined) return `${notSet(name, given)}: ${expected}`;
  const shown = isSecret(name) ? 'is wrong (its value is not shown)' : `is '${value.slice(0, 80)}'`;
  return `${name} ${shown}: ${expected}`;
}

function notSet(name: string, { SECRET_NAME }: Record<string, string | undefined>): string {
  return `${name} is not set${isSecret(name) && SECRET_NAME !== undefined ? ` in the Secret ${SECRET_NAME}` : ''}`;
}

function isSecret(name: string): boolean {
  if (name === 'CLUSTER_SEAL_KEY') return true;
  const field = environmentSchema.shape[name as keyof typeof environmentSchema.shape];
  return field.meta()?.secret === true;
}

/** All problems as the one message that stops the start. */
export function describeProblems(problems: readonly string[]): string {
  return ['The settings are wrong; .env.example describes each:', ...problems.map((line) => `  ${line}`)].join('\n');
}

/** The values of all secrets, in each form in which they could show up: what the log must hide. */
export function secretTexts(settings: Settings): string[] {
  const { botToken, transport } = settings.slack;
  const { password, sentinelPassword } = settings.redis.reveal();
  const { auditWebhook: webhook, jira } = settings;
  const pagerDuty = settings.pagerDuty?.token.reveal();
  const plain = [
    ...(pagerDuty === undefined ? [] : [pagerDuty]),
    ...(jira === null
      ? []
      : [jira.token.reveal(), Buffer.from(`${jira.user}:${jira.token.reveal()}`).toString('base64')]),
    botToken.reveal(),
    transport.mode === 'socket' ? transport.appToken.reveal() : transport.signingSecret.reveal(),
    ...[password, sentinelPassword].filter((value) => value !== undefined),
    ...(webhook === null ? [] : webhookTexts(webhook.url.reveal(), webhook.secret?.reveal())),
  ];
  const keys = settings.sealKeys
    .reveal()
    .flatMap((key) => (['base64', 'base64url', 'hex'] as const).map((encoding) => key.toString(encoding)));
  return [...plain, ...plain.map((value) => encodeURIComponent(value)), ...keys];
}

/** The URL in the forms in which it could show up, and the parts of it that may be a token. */
function webhookTexts(url: string, signing: string | undefined): string[] {
  const { href, pathname, search, hash } = new URL(url);
  const parts = [pathname, search, hash].filter((part) => part.length >= 16);
  return [url, href, ...parts, ...(signing === undefined ? [] : [signing])];
}
