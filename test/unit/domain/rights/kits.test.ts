import { describe, expect, it } from 'vitest';
import {
  describeKit,
  isKit,
  KIT_NAMES,
  type Kit,
  kitsFor,
  notAKit,
  rulesOfKits,
} from '../../../../src/domain/rights/kits.ts';
import { narrowedRules } from '../../../../src/domain/rights/narrowed-rules.ts';
import {
  persistenceRisks,
  reachesOf,
  WORKLOAD_KINDS,
  type WorkloadKind,
} from '../../../../src/domain/rights/rights.ts';

const target = (kind: WorkloadKind) => ({ namespace: 'staging', workload: { kind, name: 'checkout' } });
/** The single rights on `staging/KIND/checkout`, whose pod is checkout-1: `get pods checkout-1`. */
const rightsOn = (kind: WorkloadKind, ...kits: Kit[]): string[] =>
  narrowedRules(rulesOfKits(kits, kind), target(kind), ['checkout-1'])
    .map(({ resources, verbs, resourceNames }) => `${verbs.join()} ${resources.join()} ${resourceNames?.join()}`)
    .toSorted();

describe('a kit', () => {
  it.each<[Kit, WorkloadKind, string[]]>([
    ['read', 'Deployment', ['get,list,watch deployments checkout', 'get,list,watch pods checkout-1']],
    ['read', 'StatefulSet', ['get,list,watch pods checkout-1', 'get,list,watch statefulsets checkout']],
    ['read', 'DaemonSet', ['get,list,watch daemonsets checkout', 'get,list,watch pods checkout-1']],
    ['read', 'Job', ['get,list,watch jobs checkout', 'get,list,watch pods checkout-1']],
    ['read', 'Pod', ['get,list,watch pods checkout-1']],
    ['logs', 'Job', ['get pods checkout-1', 'get pods/log checkout-1']],
    ['exec', 'Pod', ['get pods checkout-1', 'get,create pods/attach checkout-1', 'get,create pods/exec checkout-1']],
    ['port-forward', 'Pod', ['get pods checkout-1', 'get,create pods/portforward checkout-1']],
    ['restart', 'Deployment', ['get,list,watch,delete pods checkout-1']],
    ['restart', 'StatefulSet', ['get,list,watch,delete pods checkout-1']],
    ['restart', 'DaemonSet', ['get,list,watch,delete pods checkout-1']],
    ['restart', 'Job', []],
    ['restart', 'Pod', []],
    ['scale', 'Deployment', ['get deployments checkout', 'get,update,patch deployments/scale checkout']],
    ['scale', 'StatefulSet', ['get statefulsets checkout', 'get,update,patch statefulsets/scale checkout']],
    ['scale', 'DaemonSet', []],
    ['scale', 'Job', []],
    ['scale', 'Pod', []],
  ])('%s on a %s gives just what its commands take', (kit, kind, rights) => {
    expect(rightsOn(kind, kit)).toEqual(rights);
    expect(kitsFor([kit], kind)).toEqual(rights.length > 0 ? [kit] : []);
  });

  it('of a whole namespace is for all kinds', () => {
    expect(kitsFor(['scale', 'restart'], null)).toEqual(['restart', 'scale']);
    expect(rulesOfKits(['restart', 'scale'], null)).toEqual([
      { apiGroups: [''], resources: ['pods'], verbs: ['get', 'list', 'watch', 'delete'] },
      { apiGroups: ['apps'], resources: ['deployments', 'statefulsets'], verbs: ['get'] },
      {
        apiGroups: ['apps'],
        resources: ['deployments/scale', 'statefulsets/scale'],
        verbs: ['get', 'update', 'patch'],
      },
    ]);
  });

  it.each(KIT_NAMES)('%s never gives what outlives the grant', (kit) => {
    expect(persistenceRisks(rulesOfKits([kit], null))).toEqual([]);
    expect(describeKit(kit)).not.toBe('');
  });

  it.each<[Kit, RegExp]>([
    ['exec', /enters containers/],
    ['port-forward', /past every network policy/],
    ['scale', /stay as they are left/],
  ])('%s says what an approver may not see in it', (kit, words) => {
    expect(reachesOf(rulesOfKits([kit], null)).join()).toMatch(words);
  });
});

describe('several kits', () => {
  it('stand in one order, each once', () => {
    expect(kitsFor(['exec', 'logs', 'exec', 'read'], 'Pod')).toEqual(['read', 'logs', 'exec']);
  });

  it('say a rule once, and none that another of them covers', () => {
    const pods = (kits: Kit[], kind: WorkloadKind | null) =>
      rulesOfKits(kits, kind).filter(({ resources }) => resources.includes('pods'));
    expect(pods(['logs', 'exec', 'port-forward'], 'Pod')).toHaveLength(1);
    expect(pods(['logs', 'read', 'exec'], 'Pod')).toEqual([
      { apiGroups: [''], resources: ['pods'], verbs: ['get', 'list', 'watch'] },
    ]);
    expect(rulesOfKits(['read', 'scale'], 'Deployment')).toHaveLength(4);
  });

  it.each(WORKLOAD_KINDS.map(({ kind }) => kind))(
    'give a %s each rule as one kit has it, which is what the chart knows',
    (kind) => {
      const known = KIT_NAMES.flatMap((kit) => rulesOfKits([kit], null));
      for (const rule of rulesOfKits(KIT_NAMES, kind)) expect(known).toContainEqual(rule);
    },
  );
});

it.each([
  [
    'log',
    "'log' is none of these rights, did you mean 'logs'? There are read, logs, exec, port-forward, restart, scale",
  ],
  ['constructor', "'constructor' is none of these rights: read, logs, exec, port-forward, restart, scale"],
])('%s is no kit', (word, words) => {
  expect(isKit(word)).toBe(false);
  expect(notAKit(word)).toBe(words);
});
