import { z } from 'zod';
import { isGrantId } from '../ids.ts';
import { KIT_NAMES } from '../rights/kits.ts';
import { WORKLOAD_KINDS } from '../rights/rights.ts';
import { GRANT_STATES, GRANT_VERSION, type Grant } from './grant.ts';

/**
 * The stored form of a grant. It demands what this version needs, and keeps members that a newer version has added, so that two versions
 * can run side by side while one replaces the other.
 */

const text = z.string();
const texts = z.array(text);
const instant = z.number();
const kits = z.array(z.enum(KIT_NAMES));
const port = z.looseObject({ port: z.int(), protocol: z.enum(['TCP', 'UDP', 'SCTP']) });
const person = z.looseObject({
  slackId: text,
  name: text,
  user: text,
  groups: texts,
  elsewhere: z.record(text, z.looseObject({ user: text, groups: texts }).nullable()).exactOptional(),
});
const messageRef = z.looseObject({ channel: text, ts: text });
const selector = z.looseObject({
  matchLabels: z.record(text, text).exactOptional(),
  matchExpressions: z
    .array(z.looseObject({ key: text, operator: text, values: texts.exactOptional() }))
    .exactOptional(),
});
const peer = z.union([z.looseObject({ namespace: text, pods: z.record(text, text) }), z.looseObject({ cidr: text })]);
const NO_NAMESPACE = {
  namespace: z.never().exactOptional(),
  workload: z.never().exactOptional(),
  service: z.never().exactOptional(),
};
const NOT_WIDE = { scope: z.never().exactOptional(), node: z.never().exactOptional() };
const target = z.union([
  z.looseObject({
    namespace: text,
    workload: z.looseObject({ kind: z.enum(WORKLOAD_KINDS.map((k) => k.kind)), name: text }),
    service: text.exactOptional(),
    ...NOT_WIDE,
  }),
  // Never a Service without its workload: what names no workload is a whole namespace.
  z.looseObject({
    namespace: text,
    workload: z.never().exactOptional(),
    service: z.never().exactOptional(),
    ...NOT_WIDE,
  }),
  z.looseObject({ scope: z.literal('cluster'), ...NO_NAMESPACE }),
  z.looseObject({ scope: z.literal('node'), node: text, ...NO_NAMESPACE }),
]);
const decision = z.looseObject({
  by: person.nullable(),
  verdict: z.enum(['approve', 'deny']),
  at: instant,
  rule: text,
  note: text,
  digest: text,
  steps: texts.exactOptional(),
});
const waived = z.array(z.looseObject({ name: text, because: text }));
const endpoint = z.union([
  z.looseObject({ namespace: text, kind: text, name: text }),
  z.looseObject({ cidr: text, except: texts.exactOptional() }),
]);
const connection = z.looseObject({
  from: endpoint,
  to: endpoint,
  ports: z.array(z.looseObject({ protocol: text, from: z.int(), to: z.int() })),
  reasons: texts,
  pluginDependent: z.boolean(),
  pods: text.exactOptional(),
});
const direction = z.enum(['Ingress', 'Egress']);
const plan = z.looseObject({
  user: text,
  groups: texts,
  profileName: text,
  profileDigest: text,
  cluster: text,
  target,
  namespaceUid: text.nullable(),
  nodeUid: text.exactOptional(),
  duration: z.number(),
  credential: z.literal('token').exactOptional(),
  shell: z
    .looseObject({
      image: text,
      host: z.array(z.enum(['pid', 'network'])),
      filesystem: z.enum(['read-only', 'read-write', 'none']),
    })
    .exactOptional(),
  role: z.looseObject({ kind: z.enum(['ClusterRole', 'Role']), name: text }).nullable(),
  roleMayGrow: z.boolean(),
  rights: kits.nullable().default(null),
  rules: z.array(
    z.looseObject({
      apiGroups: texts,
      resources: texts,
      verbs: texts,
      resourceNames: texts.exactOptional(),
      nonResourceURLs: texts.exactOptional(),
    }),
  ),
  workload: z.looseObject({ uid: text, selector, labels: z.record(text, text) }).nullable(),
  pods: texts,
  network: z.discriminatedUnion('mode', [
    z.looseObject({
      mode: z.literal('workspace'),
      image: text,
      command: texts,
      resources: z.looseObject({ cpu: text, memory: text }).exactOptional(),
      ports: z.array(port),
      dns: z.enum(['none', 'cluster']),
      selector,
      admits: z.boolean(),
      hostAliases: z.array(
        z.looseObject({
          ip: text,
          hostnames: texts,
          ports: z.array(z.looseObject({ ...port.shape, dialled: z.int() })).exactOptional(),
        }),
      ),
      strict: z.boolean(),
      foreign: texts,
    }),
    z.looseObject({
      mode: z.literal('contain'),
      selector,
      to: z.array(z.looseObject({ peer, ports: z.array(port) })),
      dns: z.enum(['none', 'cluster']),
      applies: z.boolean(),
      strict: z.boolean(),
      foreign: texts,
    }),
    z.looseObject({
      mode: z.literal('bastion'),
      selector,
      ports: z.array(port),
      from: z.array(peer),
      admits: z.boolean(),
    }),
    z.looseObject({ mode: z.literal('none') }),
  ]),
  surroundings: z.looseObject({
    policies: z.array(z.looseObject({ name: text, spec: text })),
    isolation: z.array(
      z.looseObject({ pods: z.enum(['target', 'workspace']), before: z.array(direction), with: z.array(direction) }),
    ),
  }),
  preview: z.looseObject({
    asOf: instant,
    opens: z.array(connection),
    closes: z.array(connection),
    reaches: z.array(connection),
    isolates: texts,
    unlisted: z.looseObject({ opens: z.int(), closes: z.int(), reaches: z.int() }),
    notes: texts,
  }),
  persistence: texts,
});

export const grantRecord = z.looseObject({
  version: z.literal(GRANT_VERSION),
  id: z.string().refine(isGrantId),
  revision: z.int().min(0),
  state: z.enum(GRANT_STATES),
  requester: person,
  profile: text,
  cluster: text.nullable().default(null),
  target,
  rights: kits.exactOptional(),
  narrowed: z
    .looseObject({
      ports: texts.exactOptional(),
      sources: texts.exactOptional(),
      toWorkload: z.literal(true).exactOptional(),
    })
    .exactOptional(),
  duration: z.number(),
  reason: text,
  breakGlass: z
    .looseObject({
      review: z
        .looseObject({ verdict: z.enum(['accepted', 'flagged']), by: person, at: instant, rule: text, note: text })
        .nullable(),
    })
    .exactOptional(),
  unreviewed: texts.exactOptional(),
  startAt: instant.exactOptional(),
  ticket: z.looseObject({ key: text, title: text, link: text.nullable() }).exactOptional(),
  plan,
  digest: text,
  approvalsNeeded: z.int().min(0),
  waived: waived.exactOptional(),
  askedAt: instant.exactOptional(),
  escalated: texts.exactOptional(),
  decisions: z.array(decision),
  createdAt: instant,
  pendingUntil: instant,
  startsAt: instant.nullable(),
  expiresAt: instant.nullable(),
  extension: z
    .looseObject({
      duration: z.number(),
      askedAt: instant,
      asks: z.int(),
      replaces: z.number().nullable(),
      approvals: z.array(decision),
      waived: waived.exactOptional(),
    })
    .nullable(),
  extensionDenied: decision.nullable().default(null),
  ending: z
    .looseObject({
      cause: z.enum(['expired', 'revoked', 'failed']),
      since: instant,
      by: person.nullable(),
      note: text,
      rightsGoneAt: instant.nullable().default(null),
      policyGoneAt: instant.nullable().default(null),
      workspaceGoneAt: instant.nullable().default(null),
    })
    .nullable(),
  endedAt: instant.nullable(),
  message: messageRef.nullable(),
  thread: messageRef.nullable(),
  pods: texts,
  workspacePod: text.nullable(),
  remarks: texts,
  endTold: z.boolean().default(false),
}) satisfies z.ZodType<Grant>;

/** The version that every record says, whatever else it holds. */
const versioned = z.looseObject({ version: z.int() });

/** The grant in a stored text, or what is wrong with it; `newer`: a later version of Drawbridge wrote it, and can read it. */
export function parseGrantRecord(stored: string): { grant: Grant } | { problem: string; newer: boolean } {
  let value: unknown;
  try {
    value = JSON.parse(stored);
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error), newer: false };
  }
  const parsed = grantRecord.safeParse(value);
  if (parsed.success) return { grant: parsed.data };
  const { data } = versioned.safeParse(value);
  return { problem: z.prettifyError(parsed.error), newer: data !== undefined && data.version > GRANT_VERSION };
}
