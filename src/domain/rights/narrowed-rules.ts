import { describeTarget, type NamespacedTarget } from '../target.ts';
import { type Rule, WORKLOAD_KINDS } from './rights.ts';

/** Rules narrowed to one workload: pods by name, the workload's own kind by its name. A rule that would name no pod is left out: no names means all. */
export function narrowedRules(rules: readonly Rule[], target: NamespacedTarget, pods: readonly string[]): Rule[] {
  const kind = WORKLOAD_KINDS.find((k) => k.kind === target.workload?.kind);
  return rules.flatMap((rule) =>
    rule.resources.flatMap((resource) => {
      const base = resource.split('/')[0];
      const names = base === 'pods' ? pods.toSorted() : base === kind?.resource ? [target.workload?.name ?? ''] : [];
      if (names.length === 0) return [];
      return [{ apiGroups: [...rule.apiGroups], resources: [resource], verbs: [...rule.verbs], resourceNames: names }];
    }),
  );
}

/** Rules on nodes narrowed to the one of this name. */
export function rulesOnNode(rules: readonly Rule[], node: string): Rule[] {
  return rules.map(({ apiGroups, resources, verbs }) => ({ apiGroups, resources, verbs, resourceNames: [node] }));
}

/** What can be done with a pod after it has ended. */
const AFTER_THE_END = ['pods', 'pods/log', 'pods/status'];

/** The pods of a target, by whether they run. */
export interface PodsThere {
  readonly running: readonly string[];
  readonly ended: readonly string[];
  /** How many are wanted, where the workload says so. */
  readonly replicas: number | null;
}

/** Why these rules give nothing on a workload as it is, and what to do; null: they give something. */
export function nothingGiven(
  rules: readonly Rule[],
  target: NamespacedTarget,
  { running, ended, replicas }: PodsThere,
): { readonly reason: string; readonly remedy: string } | null {
  if (running.length > 0)
    return narrowedRules(rules, target, running).length > 0
      ? null
      : {
          reason: `This profile gives nothing that is of ${describeTarget(target)} alone.`,
          remedy: 'Name no workload, or another profile.',
        };
  const given = narrowedRules(rules, target, ended);
  const isUseful = ({ resources: [resource = ''] }: Rule) =>
    !resource.startsWith('pods') || AFTER_THE_END.includes(resource);
  if (given.some(isUseful)) return null;
  const name = describeTarget(target);
  if (ended.length > 0)
    return {
      reason: `All pods of ${name} have ended, and this profile gives nothing but what needs a running pod.`,
      remedy: 'Ask for a profile that reads logs: they are still there.',
    };
  return replicas === 0
    ? {
        reason: `${name} is scaled to 0: it has no pod, and this profile gives nothing but what is done with pods.`,
        remedy: 'Ask again when it has been scaled up.',
      }
    : {
        reason: `${name} has no pod, and this profile gives nothing but what is done with pods.`,
        remedy: 'Ask again when it has one.',
      };
}
