import { expect, test } from 'vitest';
import { connectionsInSteps } from '../../../src/network/connections.ts';
import { affordable, TooLarge } from '../../../src/network/cost.ts';
import { diffInSteps, previewInSteps } from '../../../src/network/diff.ts';
import { isolatedByAll } from '../../../src/network/isolation.ts';
import { leftoversInSteps } from '../../../src/network/leftovers.ts';
import type { Steps } from '../../../src/network/steps.ts';
import type { Cluster, NetworkPolicy, Pod } from '../../../src/network/types.ts';
import { cluster, pod, policy, type Spec } from './build.ts';

/*
 * What people of one namespace can write there, in amounts that an API server takes. None of it may hold up what waits
 * for its turn: the end of somebody else's access.
 */

/** Milliseconds that nothing else may run. */
const LONGEST = 200;

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index);
const egress = (...rules: NonNullable<Spec['egress']>): Spec => ({
  podSelector: {},
  policyTypes: ['Egress'],
  egress: rules,
});
const block = (index: number) => `${(index % 200) + 1}.${(index * 7) % 256}.${index % 251}.0/24`;
const holed = (index: number, holes: number) => ({
  ipBlock: { cidr: '0.0.0.0/0', except: numbers(holes).map((hole) => block(index * holes + hole)) },
});
const inStaging = (specs: readonly Spec[]): NetworkPolicy[] =>
  specs.map((spec, index) => policy('staging', `policy-${index}`, spec));
const deployed = (name: string, replicas: number, rest: Partial<Pod> = {}): Pod[] =>
  numbers(replicas).map((index) =>
    pod('staging', `${name}-${index}`, {
      labels: { app: name },
      ips: [`10.1.${index >> 8}.${index & 255}`],
      owner: { kind: 'Deployment', name },
      ...rest,
    }),
  );
const elsewhere = numbers(200).map((index) =>
  pod('elsewhere', `other-${index}`, { ips: [`${(index % 200) + 1}.${(index * 7) % 256}.${index}.9`] }),
);
const world = (policies: readonly NetworkPolicy[], pods = deployed('checkout', 3)): Cluster =>
  cluster([...pods, ...elsewhere], policies);

const told = { labels: { app: 'checkout' }, owner: { kind: 'StatefulSet', name: 'checkout' } };

const HOSTILE: Record<string, { make: () => Cluster; refused?: string }> = {
  '300 policies of 20 exceptions each': {
    make: () => world(inStaging(numbers(300).map((i) => egress({ to: [holed(i, 20)], ports: [{ port: 443 }] })))),
  },
  '300 such policies, each with ports of its own,': {
    make: () =>
      world(
        inStaging(
          numbers(300).map((i) =>
            egress({ to: [holed(i, 20)], ports: [{ port: 1000 + i * 10, endPort: 1015 + i * 10 }] }),
          ),
        ),
      ),
    refused:
      'the NetworkPolicies of namespace staging (300 with 300 rules, 6,300 address blocks, 300 port ranges, 0 selector terms)',
  },
  '6,000 blocks, none beside another,': {
    make: () =>
      world(
        inStaging(
          numbers(60).map((i) =>
            egress({
              to: numbers(100).map((n) => ({ ipBlock: { cidr: block(i * 100 + n) } })),
              ports: [{ port: 443 }],
            }),
          ),
        ),
      ),
  },
  'the rules of one policy, 3,000,': {
    make: () =>
      world(
        inStaging([
          egress(...numbers(3000).map((i) => ({ to: [{ ipBlock: { cidr: block(i) } }], ports: [{ port: 1 + i }] }))),
        ]),
      ),
    refused: '(1 with 3,000 rules',
  },
  '10 policies of 5,000 ports each': {
    make: () =>
      world(
        inStaging(
          numbers(10).map((i) =>
            egress({ to: [holed(i, 20)], ports: numbers(5000).map((n) => ({ port: 1 + i + n * 11 })) }),
          ),
        ),
      ),
    refused: '50,000 port ranges',
  },
  'selectors of 2,000 keys, and of 5,000 values,': {
    make: () =>
      world(
        inStaging(
          numbers(10).map((i) =>
            egress({
              to: [
                {
                  podSelector: {
                    matchExpressions: numbers(2000).map((n) => ({ key: `k${i}-${n}`, operator: 'DoesNotExist' })),
                  },
                },
                {
                  namespaceSelector: {},
                  podSelector: {
                    matchExpressions: [{ key: 'app', operator: 'NotIn', values: numbers(5000).map((n) => `v${n}`) }],
                  },
                },
              ],
            }),
          ),
        ),
        deployed('checkout', 300),
      ),
  },
  '500 pods of 2,000 labels': {
    make: () =>
      world(
        inStaging(numbers(50).map((i) => egress({ to: [{ podSelector: { matchLabels: { [`k${i}`]: 'v' } } }] }))),
        deployed('checkout', 500, { labels: Object.fromEntries(numbers(2000).map((i) => [`k${i}`, 'v'])) }),
      ),
  },
  'port names, 100 in each of 100 rules and on each of 200 pods,': {
    make: () =>
      world(
        inStaging(
          numbers(100).map((i) =>
            egress({ to: [{ podSelector: {} }, holed(i, 20)], ports: numbers(100).map((n) => ({ port: `p${n}` })) }),
          ),
        ),
        numbers(200).flatMap((i) =>
          deployed(`app-${i}`, 1, {
            ports: numbers(100).map((n) => ({ name: `p${n}`, containerPort: 1 + n + i * 100, protocol: 'TCP' })),
          }),
        ),
      ),
  },
  '50 replicas that policies tell apart': {
    make: () =>
      world(
        inStaging(
          numbers(50).map((i) => ({
            ...egress({ to: [holed(i, 5)] }),
            podSelector: { matchLabels: { index: `${i}` } },
          })),
        ),
        numbers(50).map((i) => pod('staging', `checkout-${i}`, { ...told, labels: { ...told.labels, index: `${i}` } })),
      ),
  },
  '1,000 replicas that policies tell apart': {
    make: () =>
      world(
        inStaging([egress({ to: numbers(1000).map((i) => ({ podSelector: { matchLabels: { index: `${i}` } } })) })]),
        numbers(1000).map((i) =>
          pod('staging', `checkout-${i}`, { ...told, labels: { ...told.labels, index: `${i}` } }),
        ),
      ),
    refused: '1,000 kinds of pods here',
  },
  '20,000 pods of 5,000 workloads': {
    make: () =>
      world(inStaging([egress({ to: [{ podSelector: {} }] })]), [
        ...deployed('checkout', 3),
        ...numbers(5000).flatMap((i) => deployed(`app-${i}`, 4)),
      ]),
  },
  '5,000 policies': {
    make: () =>
      world(inStaging(numbers(5000).map((i) => egress({ to: [{ podSelector: { matchLabels: { app: `a${i}` } } }] })))),
  },
};

/** Milliseconds of this thread: the machine may be busy with something else. */
const ownTime = (): number => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
};

/** The longest step, and the result. */
function drive<T>(steps: Steps<T>): { longest: number; value: T } {
  let longest = 0;
  for (;;) {
    const begun = ownTime();
    const step = steps.next();
    longest = Math.max(longest, ownTime() - begun);
    if (step.done) return { longest, value: step.value };
  }
}

const isCheckout = ({ owner }: Pod): boolean => owner.name === 'checkout';
const CONTAINED: Spec = {
  podSelector: { matchLabels: { app: 'checkout' } },
  policyTypes: ['Egress'],
  egress: [{ to: [{ ipBlock: { cidr: '192.0.2.1/32' } }], ports: [{ port: 443 }] }],
};
const MEANT = { cidr: '192.0.2.1/32', ports: [{ protocol: 'TCP' as const, from: 443, to: 443 }] };

/** All that a plan asks of a cluster, or that it is too large for that. */
function* plan(given: Cluster): Steps<string | null> {
  const { cluster: before, tooLarge } = yield* affordable(given, ['staging']);
  if (tooLarge.size > 0) return tooLarge.get('staging') ?? null;
  const contained = [...before.policies, policy('staging', 'drawbridge-g', CONTAINED)];
  try {
    yield* connectionsInSteps(before, isCheckout);
    yield* previewInSteps(before, { ...before, policies: contained });
    yield* diffInSteps(before, { ...before, pods: [...before.pods, pod('workspaces', 'w')] });
    yield* leftoversInSteps(before, before.pods[0] as Pod, [MEANT]);
    isolatedByAll(
      before,
      before.pods.filter(({ owner }) => owner.name === 'checkout'),
      'Egress',
    );
  } catch (error) {
    if (error instanceof TooLarge) return error.message;
    throw error;
  }
  return null;
}

test.each(Object.entries(HOSTILE))(
  '%s hold nothing up: they are judged, or refused by what they are',
  (_, given) => {
    const { make, refused } = given;
    let driven = drive(plan(make()));
    // A collection of garbage may have fallen into a step.
    for (let again = 0; again < 2 && driven.longest >= LONGEST; again++) driven = drive(plan(make()));
    expect(driven.longest).toBeLessThan(LONGEST);
    if (refused === undefined) expect(driven.value).toBeNull();
    else expect(driven.value).toContain(refused);
  },
  60_000,
);
