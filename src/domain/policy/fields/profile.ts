import { z } from 'zod';
import { risksOf } from '../../rights/rights.ts';
import { type RightClass, WIDE_ROLES } from '../../rights/table.ts';
import { approval, breakGlass, limits, reason, shortAutomatic, when } from './decisions.ts';
import {
  clusterPattern,
  duration,
  NOBODY,
  namespacePattern,
  nodePattern,
  objectName,
  principals,
  somebody,
} from './forms.ts';
import { network } from './network.ts';
import { kitList, notOfANode, notOfAWorkload, rule } from './rights.ts';

/** What a node shell shares with its node, and how it has the node's files. */
const shell = z
  .strictObject({
    image: z
      .string()
      .min(1)
      .describe('the image of its pod, which runs as root and needs a shell in it')
      .meta({ examples: ['registry.example.test/drawbridge/toolbox:1'] }),
    host: z
      .array(z.enum(['pid', 'network']))
      .meta({ uniqueItems: true, examples: [['pid', 'network']] })
      .superRefine((names, context) => {
        for (const [index, name] of names.entries())
          if (names.indexOf(name) < index)
            context.addIssue({ code: 'custom', path: [index], message: `'${name}' stands here twice`, input: names });
      })
      .default([])
      .describe('what it shares with the node: pid is its processes, network its network'),
    filesystem: z
      .enum(['read-only', 'read-write', 'none'])
      .default('read-only')
      .describe(
        "how it has the node's files, at /host; read-only keeps from slips, and not somebody who means it: the pod is privileged",
      ),
  })
  .meta({ title: 'node shell' });

export const profile = z
  .strictObject({
    description: z
      .string()
      .max(200)
      .default('')
      .describe('what it is for, in words that requesters and approvers see')
      .meta({ examples: ['Logs and a shell in the pods of one workload'] }),
    scope: z
      .enum(['namespace', 'workload', 'cluster', 'node'])
      .describe(
        'what a request names: a whole namespace; one workload, to whose pods the rights are narrowed; nothing, since the rights are for the whole cluster; or one node, to which they are narrowed. The last two need accounts.enabled of the chart',
      ),
    clusters: z
      .array(clusterPattern)
      .min(1)
      .optional()
      .describe('the clusters in which it may be asked for; must be said as soon as there is more than one')
      .meta({ examples: [['staging', 'prod-*']] }),
    namespaces: z
      .array(namespacePattern)
      .min(1)
      .optional()
      .describe(
        'scopes namespace and workload: where it may be asked for; * stands for any characters; kube-* is closed always',
      )
      .meta({ examples: [['staging', 'team-*']] }),
    nodes: z
      .array(nodePattern)
      .min(1)
      .optional()
      .describe('scope node: for which nodes it may be asked; * stands for any characters')
      .meta({ examples: [['worker-*']] }),
    clusterRole: objectName
      .optional()
      .describe(
        'what it gives: the rights of this ClusterRole, in the namespace of the target, or with scope cluster everywhere; scopes namespace and cluster',
      )
      .meta({ examples: ['view'] }),
    role: objectName
      .optional()
      .describe('what it gives: the rights of the Role of this name in the namespace of the target; scope namespace')
      .meta({ examples: ['deployer'] }),
    rules: z
      .array(rule)
      .min(1)
      .optional()
      .describe(
        'what it gives: rules of RBAC; scope workload narrows them to the target and its pods by name, scope node to the node by name',
      ),
    credential: z
      .enum(['user', 'token'])
      .default('user')
      .describe(
        'by what a person acts: their own Kubernetes user; or a token of an account that is made for the grant, for people whom the cluster does not know. The latter needs accounts.enabled of the chart, and no workspace',
      ),
    shell: shell
      .optional()
      .describe(
        'scope node: a privileged pod on the node for the person alone, which is root there; rules beside it are optional. It needs acknowledgePersistence, and nodes.enabled of the chart',
      ),
    rights: kitList()
      .optional()
      .describe('what it gives, in words; `npm run policy -- explain FILE` prints their rules')
      .meta({ examples: [['read', 'logs']] }),
    ticket: z
      .enum(['required', 'optional', 'none'])
      .default('none')
      .describe(
        'whether a request names a ticket, in its reason or beside it; it is judged by `tickets` at each decision',
      ),
    requesters: somebody.describe('who may ask'),
    approvers: somebody.optional().describe('who may approve and deny; short for approval with one step'),
    deny: principals.default(NOBODY).describe('who may neither ask nor decide, whatever else names them'),
    approvals: z
      .int()
      .min(1)
      .max(10)
      .default(1)
      .describe('how many of the approvers must approve')
      .meta({ examples: [2] }),
    selfApproval: z.boolean().default(false).describe('approvers may approve their own requests'),
    approval: approval.prefault({}),
    automatic: z
      .union(
        [
          shortAutomatic,
          z
            .array(z.strictObject({ when: when.describe('its conditions') }))
            .min(1)
            .max(20),
        ],
        {
          error: 'expected one entry (members, maximum), or a list of entries (- when: ...)',
        },
      )
      .optional()
      .describe(
        'granted without a person when all conditions of an entry hold; of several entries the first that holds counts. An entry that stands here without a list needs members and maximum',
      ),
    breakGlass: breakGlass.optional(),
    duration: z
      .strictObject({
        default: duration.describe('what a request gets that names none'),
        maximum: duration.describe('the longest window, extensions included; 7d at most'),
      })
      .refine((d) => d.default <= d.maximum, { path: ['default'], message: 'is longer than maximum' })
      .refine((d) => d.maximum <= 7 * 86_400, { path: ['maximum'], message: 'no window is longer than 7d' })
      .describe('how long access lasts'),
    timeout: duration.optional().describe('how long a request waits for its decision; left out: approvals.timeout'),
    limits: limits.optional(),
    reason: reason.optional(),
    network: network
      .prefault({ mode: 'none' })
      .describe('how traffic is confined or opened; other modes than none need scope workload'),
    acknowledgePersistence: z
      .boolean()
      .default(false)
      .describe(
        'it is meant that what these rights let a person take or leave (secrets, tokens, workloads) can outlive the grant; approvers see it',
      ),
    roleMayGrow: z
      .boolean()
      .default(false)
      .describe('a grant goes on when its named role comes to allow more than was approved'),
  })
  .superRefine((p, context) => {
    const problem = (path: (string | number)[], message: string) =>
      context.addIssue({ code: 'custom', path, message, input: p });
    if (p.approvers === undefined && p.approval?.steps === undefined)
      problem(['approvers'], 'is missing: give approvers, or approval with steps');
    if (p.approvers !== undefined && p.approval?.steps !== undefined)
      problem(['approval', 'steps'], 'stands beside approvers: give one of the two');
    if (p.approvers === undefined && p.approvals !== 1)
      problem(['approvals'], 'belongs to approvers: each of the steps has its own count');
    if (p.breakGlass !== undefined && p.breakGlass.maximum > p.duration?.maximum)
      problem(['breakGlass', 'maximum'], "is longer than the profile's duration.maximum");
    const given = [p.clusterRole, p.role, p.rules, p.rights].filter((x) => x !== undefined).length;
    if (given > 1 || (given === 0 && p.shell === undefined))
      problem([], 'gives exactly one of clusterRole, role, rights and rules');
    if (p.shell !== undefined && !p.acknowledgePersistence)
      problem(
        ['shell'],
        'is root on the node, and what is left there outlives the grant: say acknowledgePersistence: true if that is meant',
      );
    if (p.shell !== undefined && p.credential === 'token')
      problem(['credential'], 'is of the person in a shell: credential token takes no shell');
    const isNamed = p.clusterRole !== undefined || p.role !== undefined;
    if (p.roleMayGrow && !isNamed)
      problem(['roleMayGrow'], 'is about a clusterRole or role: inline rules and rights in words do not grow');
    for (const [path, message] of wrongForScope(p)) problem([path], message);
    if (p.credential === 'token' && p.network.mode === 'workspace')
      problem(['credential'], 'is of the person in a workspace: credential token takes no network mode workspace');
    if (p.scope === 'workload' && isNamed)
      problem(['scope'], 'scope workload takes rights or inline rules: they are narrowed to the pods of the target');
    if (p.scope !== 'workload' && p.network.mode !== 'none')
      problem(['network', 'mode'], `mode ${p.network.mode} has one target: it needs scope workload`);
    for (const [index, inline] of (p.rules ?? []).entries()) {
      const risks = (kind: RightClass) =>
        risksOf([inline]).flatMap((risk) => (risk.class === kind ? [risk.words] : []));
      const [never, acknowledged] = [risks('never inline'), risks('acknowledged')];
      if (never.length > 0)
        problem(['rules', index], `${never.join('; ')}: may only be given by a named role, never by inline rules`);
      if (acknowledged.length > 0 && !p.acknowledgePersistence)
        problem(['rules', index], `${acknowledged.join('; ')}: say acknowledgePersistence: true if that is meant`);
      if (p.scope === 'workload')
        for (const resource of inline.resources) {
          const why = notOfAWorkload(inline, resource);
          if (why !== null) problem(['rules', index, 'resources'], why);
        }
      if (p.scope === 'node') {
        const why = notOfANode(inline);
        if (why !== null) problem(['rules', index], why);
      }
    }
    if (p.clusterRole !== undefined && WIDE_ROLES.includes(p.clusterRole) && !p.acknowledgePersistence)
      problem(
        ['clusterRole'],
        `'${p.clusterRole}' has rights by which access outlives the grant (secrets, service account tokens, new workloads): say acknowledgePersistence: true if that is meant`,
      );
  });

/** What a profile says and its scope does not have, or the reverse: a key, and what is wrong with it. */
function wrongForScope(p: {
  readonly scope: 'namespace' | 'workload' | 'cluster' | 'node';
  readonly namespaces?: unknown;
  readonly nodes?: unknown;
  readonly role?: unknown;
  readonly clusterRole?: unknown;
  readonly rights?: unknown;
  readonly shell?: unknown;
}): [string, string][] {
  const { scope } = p;
  const isNamespaced = scope === 'namespace' || scope === 'workload';
  const has = (key: 'namespaces' | 'nodes' | 'role' | 'clusterRole' | 'rights' | 'shell') => p[key] !== undefined;
  return [
    ...(isNamespaced && !has('namespaces')
      ? ([['namespaces', `is missing: scope ${scope} says where it may be asked for`]] as [string, string][])
      : []),
    ...(!isNamespaced && has('namespaces')
      ? ([['namespaces', `belongs to scopes namespace and workload, and this is scope ${scope}`]] as [string, string][])
      : []),
    ...(scope === 'node' && !has('nodes')
      ? ([['nodes', 'is missing: scope node says for which nodes it may be asked']] as [string, string][])
      : []),
    ...(scope !== 'node' && has('nodes')
      ? ([['nodes', `belongs to scope node, and this is scope ${scope}`]] as [string, string][])
      : []),
    ...(scope !== 'node' && has('shell')
      ? ([['shell', `belongs to scope node, and this is scope ${scope}`]] as [string, string][])
      : []),
    ...(!isNamespaced && has('role')
      ? ([['role', `is a Role, which is in a namespace: scope ${scope} has none`]] as [string, string][])
      : []),
    ...(!isNamespaced && has('rights')
      ? ([['rights', `are for pods of a namespace or workload, and this is scope ${scope}`]] as [string, string][])
      : []),
    ...(scope === 'node' && has('clusterRole')
      ? ([['clusterRole', 'can not be narrowed to one node: scope node takes inline rules']] as [string, string][])
      : []),
  ];
}
