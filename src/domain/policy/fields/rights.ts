import { z } from 'zod';
import { KIT_NAMES, notAKit } from '../../rights/kits.ts';
import { type Rule, WORKLOAD_KINDS } from '../../rights/rights.ts';

const word = z
  .string()
  .min(1)
  .regex(/^[A-Za-z0-9./-]+$/, 'no wildcards here: name each one');
export const rule = z.strictObject({
  apiGroups: z
    .array(z.string().regex(/^[a-z0-9.-]*$/, 'no wildcards here: name each API group ("" is the core group)'))
    .min(1)
    .describe('API groups, each by name; "" is the core group')
    .meta({ examples: [['', 'apps']] }),
  resources: z
    .array(word)
    .min(1)
    .describe('resources and subresources, each by name')
    .meta({ examples: [['pods', 'pods/log']] }),
  verbs: z
    .array(z.string().regex(/^[a-z]+$/, 'no wildcards here: name each verb'))
    .min(1)
    .describe('verbs of RBAC, each by name')
    .meta({ examples: [['get', 'list']] }),
});

const kit = z.enum(KIT_NAMES, {
  error: ({ input }) => (typeof input === 'string' ? notAKit(input) : `expected ${KIT_NAMES.join(', ')}`),
});
/** Rights in words, each once. */
export const kitList = () =>
  z
    .array(kit)
    .min(1)
    .meta({ uniqueItems: true })
    .superRefine((kits, context) => {
      for (const [index, name] of kits.entries())
        if (kits.indexOf(name) < index)
          context.addIssue({ code: 'custom', path: [index], message: `'${name}' stands here twice`, input: kits });
    });

/** Groups that have nodes by their names. */
const NODE_GROUPS = ['', 'metrics.k8s.io'];

/** Rules of scope `node` are narrowed by resourceNames; what can't be narrowed so is refused. Null: it can. */
export function notOfANode({ apiGroups, resources, verbs }: Rule): string | null {
  const stranger = resources.find((resource) => resource.split('/')[0] !== 'nodes');
  if (stranger !== undefined || apiGroups.some((group) => !NODE_GROUPS.includes(group)))
    return `can not be narrowed to one node${stranger === undefined ? '' : ` ('${stranger}')`}: allowed are nodes and its subresources (apiGroups ["", "metrics.k8s.io"])`;
  if (resources.includes('nodes/proxy'))
    return 'nodes/proxy reaches every pod of the node past admission, and is never given';
  return verbs.some((verb) => verb === 'create' || verb === 'deletecollection')
    ? 'verbs create and deletecollection on nodes can not be narrowed to one node'
    : null;
}

/** Rules of scope `workload` are narrowed by resourceNames; what can't be narrowed so is refused. Null: it can. */
export function notOfAWorkload(inline: Rule, resource: string): string | null {
  const [base] = resource.split('/');
  if (base === 'pods' && inline.apiGroups.length === 1 && inline.apiGroups[0] === '') {
    const creates =
      resource === 'pods' && inline.verbs.some((verb) => verb === 'create' || verb === 'deletecollection');
    return creates ? 'verbs create and deletecollection on pods can not be narrowed to the pods of a workload' : null;
  }
  const kind = WORKLOAD_KINDS.find(
    (k) => k.resource === base && inline.apiGroups.length === 1 && inline.apiGroups[0] === k.apiGroup,
  );
  if (kind !== undefined) return null;
  return `'${resource}' can not be narrowed to one workload: allowed are pods and its subresources (apiGroups [""]), and ${WORKLOAD_KINDS.filter(
    (k) => k.resource !== 'pods',
  )
    .map((k) => `${k.resource} (${k.apiGroup})`)
    .join(', ')}`;
}
