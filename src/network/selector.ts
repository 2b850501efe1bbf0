import type { LabelSelector, LabelSelectorRequirement, Labels } from './types.ts';

function meets(requirement: LabelSelectorRequirement, labels: Labels): boolean {
  const value = Object.hasOwn(labels, requirement.key) ? labels[requirement.key] : undefined;
  const listed = value !== undefined && (requirement.values?.includes(value) ?? false);
  switch (requirement.operator) {
    case 'In':
      return listed;
    case 'NotIn':
      return !listed;
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    default:
      throw new Error(`unknown operator in a label selector: ${requirement.operator}`);
  }
}

/**
 * Whether the selector matches: all of matchLabels and all of matchExpressions; an empty selector matches everything,
 * and `NotIn` also matches where the key is missing.
 * https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
 */
export function matches(selector: LabelSelector, labels: Labels): boolean {
  const wanted = selector.matchLabels;
  for (const key in wanted) if (!Object.hasOwn(labels, key) || labels[key] !== wanted[key]) return false;
  return selector.matchExpressions?.every((requirement) => meets(requirement, labels)) ?? true;
}

/** Each label key that the selector looks at, with the values that it can tell apart. */
export function mentions(selector: LabelSelector): [key: string, values: readonly string[]][] {
  return [
    ...Object.entries(selector.matchLabels ?? {}).map(([key, value]): [string, string[]] => [key, [value]]),
    ...(selector.matchExpressions ?? []).map(({ key, values }): [string, readonly string[]] => [key, values ?? []]),
  ];
}
