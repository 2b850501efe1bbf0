import { nearest } from '../nearest.ts';
import type { Rule, WorkloadKind } from './rights.ts';

/** Rights in words: what a policy says in the place of rules of RBAC. */

export const KIT_NAMES = ['read', 'logs', 'exec', 'port-forward', 'restart', 'scale'] as const;
export type Kit = (typeof KIT_NAMES)[number];

/** A rule, and the kinds of targets that it is for; undefined: all. */
interface KitRule extends Rule {
  readonly kinds?: readonly WorkloadKind[];
}

/** kubectl gets a pod before it does anything with it. */
const POD: KitRule = { apiGroups: [''], resources: ['pods'], verbs: ['get'] };
const SCALED = ['deployments', 'statefulsets'];
const MADE_AGAIN: readonly WorkloadKind[] = ['Deployment', 'StatefulSet', 'DaemonSet'];
const SCALABLE: readonly WorkloadKind[] = ['Deployment', 'StatefulSet'];

/** What each kit lets a person do, and the rules that its kubectl commands take, each kit by itself. */
const KITS: Readonly<Record<Kit, { readonly does: string; readonly rules: readonly KitRule[] }>> = {
  read: {
    does: 'looks at the workload and its pods, and waits for them',
    rules: [
      { apiGroups: [''], resources: ['pods'], verbs: ['get', 'list', 'watch'] },
      {
        apiGroups: ['apps'],
        resources: ['deployments', 'statefulsets', 'daemonsets'],
        verbs: ['get', 'list', 'watch'],
      },
      { apiGroups: ['batch'], resources: ['jobs'], verbs: ['get', 'list', 'watch'] },
    ],
  },
  logs: {
    does: 'reads the logs of its pods',
    rules: [POD, { apiGroups: [''], resources: ['pods/log'], verbs: ['get'] }],
  },
  exec: {
    does: 'runs commands in its containers, and attaches to them',
    // A connection is made by get (WebSocket) or create (SPDY); since Kubernetes 1.35 the former asks for create too.
    rules: [POD, { apiGroups: [''], resources: ['pods/exec', 'pods/attach'], verbs: ['get', 'create'] }],
  },
  'port-forward': {
    does: 'reaches every port of its pods, also those on their localhost, past every NetworkPolicy',
    rules: [POD, { apiGroups: [''], resources: ['pods/portforward'], verbs: ['get', 'create'] }],
  },
  restart: {
    does: 'deletes its pods, which are made again as they were',
    // `kubectl delete pod` waits for the end of the pod by list and watch. Never a patch of the template, which could run any image.
    rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get', 'list', 'watch', 'delete'], kinds: MADE_AGAIN }],
  },
  scale: {
    does: 'changes how many pods it has',
    rules: [
      { apiGroups: ['apps'], resources: SCALED, verbs: ['get'], kinds: SCALABLE },
      {
        apiGroups: ['apps'],
        resources: SCALED.map((resource) => `${resource}/scale`),
        verbs: ['get', 'update', 'patch'],
        kinds: SCALABLE,
      },
    ],
  },
};

export function isKit(word: string): word is Kit {
  return (KIT_NAMES as readonly string[]).includes(word);
}

/** `runs commands in its containers, and attaches to them` */
export function describeKit(kit: Kit): string {
  return KITS[kit].does;
}

/** What is wrong with a word that is no kit: the one that was probably meant, and which there are. */
export function notAKit(word: string): string {
  const near = nearest(word, KIT_NAMES);
  const hint = near === null ? ':' : `, did you mean '${near}'? There are`;
  return `'${word.slice(0, 40)}' is none of these rights${hint} ${KIT_NAMES.join(', ')}`;
}

/** Of these kits, in one order, those that give something on a target of this kind; null: a whole namespace. */
export function kitsFor(kits: readonly Kit[], kind: WorkloadKind | null): Kit[] {
  return KIT_NAMES.filter((kit) => kits.includes(kit) && KITS[kit].rules.some((rule) => isFor(rule, kind)));
}

const isFor = ({ kinds }: KitRule, kind: WorkloadKind | null): boolean =>
  kind === null || kinds === undefined || kinds.includes(kind);

/**
 * The rules of these kits on a target of this kind; null: a whole namespace. Each is a rule of one kit, because the chart's leash compares them one by
 * one; a rule that another covers is left out.
 */
export function rulesOfKits(kits: readonly Kit[], kind: WorkloadKind | null): Rule[] {
  const rules = kitsFor(kits, kind)
    .flatMap((kit) => KITS[kit].rules.filter((rule) => isFor(rule, kind)))
    .map(({ apiGroups, resources, verbs }): Rule => ({ apiGroups, resources, verbs }));
  return rules.filter(
    (rule, index) =>
      !rules.some((other, at) => at !== index && isWithin(rule, other) && (at < index || !isWithin(other, rule))),
  );
}

const isWithin = (rule: Rule, other: Rule): boolean =>
  (['apiGroups', 'resources', 'verbs'] as const).every((list) =>
    rule[list].every((word) => other[list].includes(word)),
  );
