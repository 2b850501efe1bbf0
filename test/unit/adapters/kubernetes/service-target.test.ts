import { describe, expect, it } from 'vitest';
import type { Controller } from '../../../../src/adapters/kubernetes/projection.ts';
import { behindService, mustBeSame, portsOfService } from '../../../../src/adapters/kubernetes/service-target.ts';
import { podFromObject, type ServiceObject } from '../../../../src/network/objects.ts';
import type { Pod } from '../../../../src/network/types.ts';

type Ports = { name?: string; containerPort: number }[];
interface TestPod extends Pod {
  readonly owner: Controller;
}
const owner = (kind: string, name: string): Controller => ({ kind, name, uid: `uid-of-${name}` });
const CHECKOUT = owner('Deployment', 'checkout');
const pod = (
  name: string,
  change: { owner?: Controller; labels?: Record<string, string>; ports?: Ports; phase?: string } = {},
): TestPod => ({
  ...podFromObject({
    metadata: { namespace: 'staging', name, labels: change.labels ?? { app: 'checkout' } },
    spec: { containers: [{ ports: change.ports ?? [{ name: 'http', containerPort: 8080 }] }] },
    status: { phase: change.phase ?? 'Running' },
  }),
  owner: change.owner ?? CHECKOUT,
});
const service = (spec: ServiceObject['spec'] = {}): ServiceObject => ({
  metadata: { namespace: 'staging', name: 'shop' },
  spec: { selector: { app: 'checkout' }, clusterIP: '10.1.0.9', ports: [{ port: 80, targetPort: 'http' }], ...spec },
});
const behind = (object: ServiceObject, pods: TestPod[]) => behindService(object, pods, (one) => one.owner);
const refusal = (words: RegExp, remedy: RegExp) =>
  expect.objectContaining({
    name: 'Refusal',
    rule: 'target',
    message: expect.stringMatching(words) as string,
    remedy: expect.stringMatching(remedy) as string,
  });
const thrown = (work: () => unknown): unknown => {
  try {
    return work();
  } catch (error) {
    return error;
  }
};

describe('a Service as a target', () => {
  it('stands for the one workload of all pods behind it; ended pods and those of others do not count', () => {
    const pods = [
      pod('a'),
      pod('b'),
      pod('other', { labels: { app: 'x' } }),
      pod('old', { phase: 'Failed', owner: owner('Job', 'j') }),
    ];
    const found = behind(service(), pods);
    expect(found.workload).toEqual({ kind: 'Deployment', name: 'checkout' });
    expect(found.pods.map((one) => one.name)).toEqual(['a', 'b']);
  });

  it.each<[string, ServiceObject, TestPod[], RegExp, RegExp]>([
    [
      'is another name for a host',
      service({ type: 'ExternalName', externalName: 'db.example.test' }),
      [pod('a')],
      /db\.example\.test/,
      /workload by name/,
    ],
    ['has no selector', service({ selector: undefined }), [pod('a')], /no selector/, /workload by name/],
    ['has an empty selector', service({ selector: {} }), [pod('a')], /no selector/, /workload by name/],
    ['has no pods', service(), [pod('a', { labels: { app: 'x' } })], /No running pod/, /staging\/deploy\/NAME/],
    [
      'is in front of several workloads',
      service(),
      [pod('a'), pod('b', { owner: owner('Deployment', 'checkout-canary') })],
      /2 workloads: deployment\/checkout, deployment\/checkout-canary/,
      /staging\/deployment\/checkout/,
    ],
    [
      'is in front of several, of which one can be a target',
      service(),
      [pod('a', { owner: owner('Rollout', 'shop') }), pod('b')],
      /2 workloads: rollout\/shop, deployment\/checkout/,
      /such as `staging\/deployment\/checkout`/,
    ],
    [
      'is in front of several, of which none can be a target',
      service(),
      [pod('a', { owner: owner('Rollout', 'shop') }), pod('b', { owner: owner('Rollout', 'shop-canary') })],
      /2 workloads/,
      /such as `staging\/pod\/a`/,
    ],
    [
      'is in front of two workloads of one name, as one was made anew',
      service(),
      [pod('a'), pod('b', { owner: { ...CHECKOUT, uid: 'uid-of-another' } })],
      /2 workloads/,
      /by name/,
    ],
    [
      'is in front of pods that something unknown keeps',
      service(),
      [pod('a', { owner: owner('Rollout', 'checkout') })],
      /Rollout checkout, which can not be a target/,
      /staging\/pod\/a/,
    ],
  ])('is refused when it %s, with what to do', (_what, object, pods, words, remedy) => {
    expect(thrown(() => behind(object, pods))).toEqual(refusal(words, remedy));
  });

  it('is refused when it is in front of a part of its workload, or of pods that only say that they are of it', () => {
    const [a, b, c] = [pod('a'), pod('b'), pod('c')];
    const found = behind(service(), [a, b]);
    expect(() => mustBeSame(service(), found, [b, a])).not.toThrow();
    expect(thrown(() => mustBeSame(service(), found, [a, b, c]))).toEqual(
      refusal(/some pods of deployment\/checkout only, not of c/, /staging\/deployment\/checkout/),
    );
    expect(thrown(() => mustBeSame(service(), found, [a]))).toEqual(refusal(/not of it: b/, /administrator/));
  });
});

describe('the ports of a Service', () => {
  const two = (first: Ports, second: Ports) => [pod('a', { ports: first }), pod('b', { ports: second })];
  const http = (containerPort: number): Ports => [{ name: 'http', containerPort }];

  it('are where it is dialled, and the container port at which that arrives', () => {
    const ports = [{ port: 80, targetPort: 'http' }, { port: 53, protocol: 'UDP', targetPort: 5353 }, { port: 9090 }];
    expect(portsOfService(service({ ports }), [pod('a'), pod('b')])).toEqual([
      { dialled: 80, port: 8080, protocol: 'TCP' },
      { dialled: 53, port: 5353, protocol: 'UDP' },
      { dialled: 9090, port: 9090, protocol: 'TCP' },
    ]);
  });

  it.each<[string, ServiceObject, TestPod[], RegExp]>([
    ['differs between pods', service(), two(http(8080), http(9090)), /'http'.* 8080 on a, 9090 on b/],
    ['is on some pods only', service(), two(http(8080), []), /'http', which b does not have/],
    ['is on no pod', service(), two([], []), /'http', which a, b do not have/],
    [
      'is of another protocol',
      service({ ports: [{ port: 80, targetPort: 'http', protocol: 'UDP' }] }),
      [pod('a')],
      /80\/UDP/,
    ],
    ['is twice in a pod', service(), [pod('a', { ports: [...http(8080), ...http(9090)] })], /8080 and 9090 on a/],
  ])('are refused when a named one %s: the pods and their numbers are said', (_what, object, pods, words) => {
    expect(thrown(() => portsOfService(object, pods))).toEqual(refusal(words, /one number/));
  });

  it('are refused when there are none', () => {
    expect(thrown(() => portsOfService(service({ clusterIP: 'None', ports: [] }), [pod('a')]))).toEqual(
      refusal(/names no port/, /by name/),
    );
  });
});
