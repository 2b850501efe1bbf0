import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { type PolicyInput, policySchema } from '../domain/policy/schema.ts';
import { patternOf } from '../domain/quantity.ts';
import { KIT_NAMES, rulesOfKits } from '../domain/rights/kits.ts';
import { DANGEROUS_RIGHTS, HARMLESS_RIGHTS, READS, VERBS, WIDE_ROLES } from '../domain/rights/table.ts';

/**
 * The values of the chart, whose meaning its values.yaml tells. Run as a program this writes the chart's generated files: values.schema.json,
 * which helm holds every install against; policy.schema.json, against which its templates hold a policy that is given as a file; and
 * rights.json, by which they judge inline rules. So chart and bot have one schema of the policy and one table of rights. With `--check` it
 * only compares. Exit code 1: one differs.
 */

/** Where the chart is. */
export const CHART = fileURLToPath(new URL('../../helm/drawbridge', import.meta.url));

const namespace = z.string().regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/);
const port = z.int().min(1).max(65_535);
const name = z.string().regex(/^\S+$/);
const labels = z.record(z.string(), z.string());
const pullPolicy = z.enum(['Always', 'IfNotPresent', 'Never']);
const pullSecrets = z.array(z.strictObject({ name: z.string().regex(/^[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?$/) }));
const given = z.string().min(1).optional();
const digest = z.string().regex(/^$|^sha256:[0-9a-f]{64}$/);
/** What Kubernetes itself holds against its own schema. */
const anything = z.record(z.string(), z.unknown());
const list = z.array(anything);

const valuesSchema = z
  .strictObject({
    policyFile: z.string(),
    policy: policySchema,
    mode: z.enum(['hub', 'satellite']),
    hub: z.strictObject({
      cluster: z.string().regex(/^$|^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/),
      user: z.string().regex(/^\S*$/),
    }),
    existingSecret: z.string().regex(/^$|^[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?$/),
    secret: z.strictObject({
      SLACK_BOT_TOKEN: given,
      SLACK_APP_TOKEN: given,
      SLACK_SIGNING_SECRET: given,
      REDIS_URL: given,
      SEAL_KEY: given,
      AUDIT_WEBHOOK_URL: given,
      AUDIT_WEBHOOK_SECRET: given,
      PAGERDUTY_TOKEN: given,
      JIRA_URL: given,
      JIRA_USER: given,
      JIRA_TOKEN: given,
    }),
    image: z.strictObject({
      repository: name,
      tag: z.string(),
      digest,
      pullPolicy,
    }),
    imagePullSecrets: pullSecrets,
    replicas: z.int().min(0).max(20),
    instance: z.string().regex(/^$|^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/),
    serviceAccount: z.strictObject({
      name: z.string().regex(/^$|^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/),
      annotations: labels,
    }),
    nodeSelector: labels,
    tolerations: list,
    affinity: anything,
    priorityClassName: z.string(),
    podAnnotations: labels,
    podLabels: labels,
    extraEnv: z.array(z.looseObject({ name })),
    extraEnvFrom: list,
    extraVolumes: z.array(z.looseObject({ name })),
    extraVolumeMounts: z.array(z.looseObject({ name, mountPath: z.string().startsWith('/') })),
    slack: z
      .strictObject({
        mode: z.enum(['socket', 'http']),
        port,
        ingress: z
          .strictObject({
            enabled: z.boolean(),
            className: z.string(),
            host: z.string(),
            tlsSecret: z.string(),
            annotations: labels,
          })
          .partial(),
        httpRoute: z.strictObject({ enabled: z.boolean(), parentRefs: list, hostnames: z.array(z.string()) }).partial(),
      })
      .partial(),
    opsPort: port,
    logLevel: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal']),
    resources: z.record(z.string(), z.unknown()),
    workspaces: z.strictObject({
      namespace,
      imagePullSecrets: pullSecrets,
      quota: z.record(z.string(), z.union([z.string(), z.number()])),
      maximum: z.strictObject({
        cpu: z.union([z.int().min(1).max(64), z.string().regex(patternOf('cpu'))]),
        memory: z.string().regex(patternOf('memory')),
      }),
    }),
    accounts: z.strictObject({
      enabled: z.boolean(),
      namespace,
      server: z.string().regex(/^$|^https:\/\/\S+$/),
      audiences: z.array(name).min(1),
    }),
    nodes: z.strictObject({ enabled: z.boolean(), namespace }),
    reaper: z.strictObject({
      enabled: z.boolean(),
      schedule: z.string().regex(/^\S+( \S+){4}$/),
      resources: z.record(z.string(), z.unknown()),
    }),
    probe: z.strictObject({ enabled: z.boolean(), resources: z.record(z.string(), z.unknown()) }),
    valkey: z.strictObject({
      enabled: z.boolean(),
      image: z.strictObject({ repository: name, tag: z.string().min(1), digest, pullPolicy }),
      password: z.string().regex(/^$|^[A-Za-z0-9]{16,}$/),
      persistence: z.strictObject({ enabled: z.boolean(), size: name, storageClass: z.string() }),
      resources: z.record(z.string(), z.unknown()),
    }),
    networkPolicy: z
      .strictObject({
        enabled: z.boolean(),
        apiServerPorts: z.array(port).min(1),
        redisPort: port,
        opsFrom: list,
        slackFrom: list,
        extraEgress: list,
      })
      .partial(),
    admission: z.strictObject({ emergencyGroup: name, controllers: z.array(name).min(1) }),
    monitoring: z
      .strictObject({
        podMonitor: z
          .strictObject({ enabled: z.boolean(), interval: z.string().regex(/^\d+(ms|s|m)$/), labels })
          .partial(),
        rules: z.strictObject({ enabled: z.boolean(), labels, selector: z.string() }).partial(),
        dashboard: z.strictObject({ enabled: z.boolean(), labels, annotations: labels }).partial(),
      })
      .partial(),
    global: z.record(z.string(), z.unknown()).describe('belongs to a chart above this one'),
  })
  .partial();

/** What is given beside the chart's own values.yaml. */
export type ChartValues = Pick<z.input<typeof valuesSchema>, 'policy'> & {
  readonly [Key in Exclude<keyof z.input<typeof valuesSchema>, 'policy'>]?: Partial<z.input<typeof valuesSchema>[Key]>;
};

/** Values with the policy as one of them. */
export type ValuesWithPolicy = ChartValues & { readonly policy: PolicyInput };

/** The JSON Schema of what is given, before defaults. */
const jsonSchema = (schema: z.ZodType): unknown => z.toJSONSchema(schema, { io: 'input', target: 'draft-7' });

/** The content of the chart's rights.json: what of the table of rights its templates ask for. */
function chartRights(): unknown {
  const known = new Map<string, Set<string>>();
  for (const { groups, resources } of [...DANGEROUS_RIGHTS, ...HARMLESS_RIGHTS])
    for (const group of groups) known.set(group, new Set([...(known.get(group) ?? []), ...resources]));
  return {
    dangerous: DANGEROUS_RIGHTS.map(({ class: kind, does, groups, resources, verbs }) => ({
      class: kind,
      does,
      groups,
      resources,
      verbs,
    })),
    known: Object.fromEntries([...known].map(([group, resources]) => [group, [...resources].toSorted()])),
    reads: READS,
    verbs: VERBS,
    wideRoles: WIDE_ROLES,
    kits: Object.fromEntries(KIT_NAMES.map((kit) => [kit, rulesOfKits([kit], null)])),
  };
}

/** The files of the chart that are generated, with what belongs in them. */
export function chartFiles(): Readonly<Record<string, unknown>> {
  const plain = (content: unknown): unknown => JSON.parse(JSON.stringify(content));
  return {
    'values.schema.json': plain(jsonSchema(valuesSchema)),
    'policy.schema.json': plain(jsonSchema(policySchema)),
    'rights.json': plain(chartRights()),
  };
}

if (import.meta.main)
  for (const [name, content] of Object.entries(chartFiles())) {
    const file = join(CHART, name);
    if (!process.argv.includes('--check')) await writeFile(file, `${JSON.stringify(content, null, 2)}\n`);
    else if (!isDeepStrictEqual(JSON.parse(await readFile(file, 'utf8').catch(() => 'null')), content)) {
      console.error(`${name} differs from the sources: run npm run chart-files`);
      process.exitCode = 1;
    }
  }
