import { isSystemNamespace, matchesNamespace, matchesNode, type Profile } from '../policy/policy.ts';
import { describeTarget, isWide, type NamespacedWanted } from '../target.ts';
import type { Ask, Rules } from './act.ts';
import { firstRefusal, refuse, type Why } from './decided.ts';

/** Whether a profile may be asked for there. */

/** The names of namespaces and Services. https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-label-names */
const LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
/** The names of workloads and nodes. */
const OBJECT_NAME = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;

/** Why a profile can't be asked for on this target; null: it can. */
export function whyNotThere({ closedNamespaces }: Pick<Rules, 'closedNamespaces'>, profile: Profile, ask: Ask): Why {
  const { target } = ask;
  const path = `profiles.${ask.profile}`;
  return firstRefusal(
    () => whyNotScope(profile, ask, path),
    () => (isWide(target) ? whyNotNode(profile, ask, path) : whyNotPlace(closedNamespaces, profile, target, ask, path)),
  );
}

/** What is asked for is of the kind that the profile is for. */
function whyNotScope({ scope }: Profile, { profile: name, target }: Ask, path: string): Why {
  const asked = isWide(target)
    ? target.scope
    : target.workload === undefined && target.service === undefined
      ? 'namespace'
      : 'workload';
  if (asked === scope) return null;
  const wrong = (reason: string, remedy: string) => refuse(`${path}.scope`, `Profile '${name}' is ${reason}`, remedy);
  const namespace = target.namespace ?? 'NAMESPACE';
  switch (scope) {
    case 'workload':
      return wrong(
        'for one workload.',
        `Name it, or a Service in front of it: \`/jit request ${name} ${namespace}/deploy/NAME\`, or \`${namespace}/svc/NAME\`.`,
      );
    case 'namespace':
      return wrong(
        `for a whole namespace, not for ${asked === 'workload' ? 'one workload' : describeTarget(target)}.`,
        `Ask for \`${namespace}\` alone, or for a profile with scope ${asked}.`,
      );
    case 'cluster':
      return wrong('for the whole cluster.', `It takes no target: \`/jit request ${name} 30m reason\`.`);
    case 'node':
      return wrong('for one node.', `Name it: \`/jit request ${name} node/NAME\`.`);
    default:
      return scope satisfies never;
  }
}

/** A node that the profile covers. That it is there is found out when the plan is made. */
function whyNotNode({ nodes = [] }: Profile, { profile: name, target }: Ask, path: string): Why {
  if (target.node === undefined) return null;
  if (!OBJECT_NAME.test(target.node))
    return refuse(
      'target',
      'That is not the name of a node.',
      'Names have lower-case letters, digits, dashes and dots; patterns are not taken.',
    );
  return matchesNode(nodes, target.node)
    ? null
    : refuse(
        `${path}.nodes`,
        `Profile '${name}' does not cover node '${target.node}'.`,
        `It covers: ${nodes.join(', ')}.`,
      );
}

/** A namespace that the profile covers, and names that can be names. */
function whyNotPlace(
  closedNamespaces: Rules['closedNamespaces'],
  { namespaces = [] }: Profile,
  target: NamespacedWanted,
  { profile: name }: Ask,
  path: string,
): Why {
  return firstRefusal(
    () =>
      LABEL.test(target.namespace)
        ? null
        : refuse(
            'target',
            `'${target.namespace.slice(0, 63)}' is not the name of a namespace.`,
            'Name one namespace; patterns are not taken.',
          ),
    () =>
      isSystemNamespace(target.namespace) || closedNamespaces.includes(target.namespace)
        ? refuse(
            'namespaces',
            `Namespace '${target.namespace}' is closed to every profile: it belongs to Kubernetes or to Drawbridge.`,
          )
        : null,
    () =>
      matchesNamespace(namespaces, target.namespace)
        ? null
        : refuse(
            `${path}.namespaces`,
            `Profile '${name}' does not cover namespace '${target.namespace}'.`,
            `It covers: ${namespaces.join(', ')}.`,
          ),
    () =>
      target.workload === undefined || OBJECT_NAME.test(target.workload.name)
        ? null
        : refuse(
            'target',
            'That is not the name of a workload.',
            'Names have lower-case letters, digits, dashes and dots.',
          ),
    () =>
      target.service === undefined || LABEL.test(target.service)
        ? null
        : refuse('target', 'That is not the name of a Service.', 'Names have lower-case letters, digits and dashes.'),
  );
}
