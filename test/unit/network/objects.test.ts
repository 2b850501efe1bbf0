import { describe, expect, test } from 'vitest';
import { namespaceFromObject, ownerLookup, podFromObject, serviceFromObject } from '../../../src/network/objects.ts';
import { resolveService } from '../../../src/network/services.ts';
import { pod } from './build.ts';

const owner = (kind: string, name: string): { kind: string; name: string; controller: boolean } => ({
  kind,
  name,
  controller: true,
});

describe('pods from Kubernetes objects', () => {
  test('everything that reachability depends on', () => {
    const object = {
      metadata: { namespace: 'shop', name: 'web-5d4f-x', labels: { app: 'web' } },
      spec: {
        containers: [{ ports: [{ name: 'http', containerPort: 8080 }] }, {}],
        initContainers: [
          { restartPolicy: 'Always', ports: [{ name: 'proxy', containerPort: 15001, protocol: 'TCP' }] },
          { ports: [{ name: 'setup', containerPort: 1, protocol: 'TCP' }] },
        ],
      },
      status: {
        phase: 'Running',
        podIP: '10.0.0.1',
        podIPs: [{ ip: '10.0.0.1' }, { ip: 'fd00::1' }],
        hostIP: '192.168.0.1',
      },
    };
    expect(podFromObject(object)).toEqual({
      namespace: 'shop',
      name: 'web-5d4f-x',
      labels: { app: 'web' },
      ips: ['10.0.0.1', 'fd00::1'],
      hostNetwork: false,
      nodeIPs: ['192.168.0.1'],
      ports: [
        { name: 'http', containerPort: 8080, protocol: 'TCP' },
        { name: 'proxy', containerPort: 15001, protocol: 'TCP' },
      ],
      owner: { kind: 'Pod', name: 'web-5d4f-x' },
      phase: 'Running',
    });
  });

  const lookup = ownerLookup({
    replicaSets: [{ metadata: { namespace: 'shop', name: 'roll-1', ownerReferences: [owner('Rollout', 'roll')] } }],
    jobs: [
      { metadata: { namespace: 'shop', name: 'nightly-28', ownerReferences: [owner('CronJob', 'nightly')] } },
      { metadata: { namespace: 'shop', name: 'once' } },
    ],
  });
  test.each([
    ['a supplied ReplicaSet’s owner', owner('ReplicaSet', 'roll-1'), {}, { kind: 'Rollout', name: 'roll' }],
    [
      'a Deployment by the hash in its ReplicaSet’s name',
      owner('ReplicaSet', 'web-5d4f'),
      { 'pod-template-hash': '5d4f' },
      { kind: 'Deployment', name: 'web' },
    ],
    ['a ReplicaSet of its own', owner('ReplicaSet', 'web-5d4f'), {}, { kind: 'ReplicaSet', name: 'web-5d4f' }],
    ['a CronJob by its supplied Job', owner('Job', 'nightly-28'), {}, { kind: 'CronJob', name: 'nightly' }],
    ['a Job of its own', owner('Job', 'once'), {}, { kind: 'Job', name: 'once' }],
    ['a StatefulSet', owner('StatefulSet', 'db'), {}, { kind: 'StatefulSet', name: 'db' }],
    ['a static pod is its own', owner('Node', 'node-1'), {}, { kind: 'Pod', name: 'p' }],
  ])('the owner on top: %s', (_, reference, labels, expected) => {
    const metadata = {
      namespace: 'shop',
      name: 'p',
      labels,
      ownerReferences: [{ kind: 'Other', name: 'x' }, reference],
    };
    expect(podFromObject({ metadata }, lookup).owner).toEqual(expected);
  });

  test('an owner of the same name in another namespace is another one', () => {
    const metadata = { namespace: 'pay', name: 'p', ownerReferences: [owner('Job', 'nightly-28')] };
    expect(podFromObject({ metadata }, lookup).owner).toEqual({ kind: 'Job', name: 'nightly-28' });
  });

  test('a namespace keeps its labels', () => {
    expect(namespaceFromObject({ metadata: { name: 'shop', labels: { team: 'a' } } })).toEqual({
      name: 'shop',
      labels: { team: 'a' },
    });
  });
});

describe('services', () => {
  const http = (containerPort: number): { name: string; containerPort: number; protocol: 'TCP' } => ({
    name: 'http',
    containerPort,
    protocol: 'TCP',
  });
  const service = (spec: NonNullable<Parameters<typeof serviceFromObject>[0]['spec']>) =>
    serviceFromObject({
      metadata: { namespace: 'shop', name: 's' },
      spec: { selector: { app: 'web' }, clusterIP: '10.96.0.1', ...spec },
    });
  const web = (name: string, port: number): ReturnType<typeof pod> =>
    pod('shop', name, { labels: { app: 'web' }, ports: [http(port)] });

  test('numeric and named target ports become container ports, and say where they differ', () => {
    const pods = [
      web('b', 8080),
      web('a', 8080),
      pod('shop', 'other'),
      { ...web('ended', 1), phase: 'Failed' },
      { ...web('x', 1), namespace: 'pay' },
    ];
    const ports = [
      { name: 'http', port: 80, targetPort: 'http' },
      { name: 'same', port: 9090 },
      { name: 'admin', port: 81, targetPort: 8081, protocol: 'TCP' },
    ];
    const result = resolveService(service({ ports }), pods);
    expect(result).toMatchObject({
      kind: 'pods',
      headless: false,
      pods: [{ name: 'a' }, { name: 'b' }],
      ports: [
        { name: 'http', protocol: 'TCP', servicePort: 80, containerPort: 8080, differs: true },
        { name: 'same', servicePort: 9090, containerPort: 9090, differs: false },
        { name: 'admin', servicePort: 81, containerPort: 8081, differs: true },
      ],
    });
  });

  test('a name with different numbers is an error value, not a guess', () => {
    const result = resolveService(service({ ports: [{ port: 80, targetPort: 'http' }] }), [
      web('a', 8080),
      web('b', 9090),
    ]);
    expect(result).toMatchObject({
      kind: 'unresolved-ports',
      ports: [{ servicePort: 80, targetPort: 'http', problem: 'differs', pods: { a: [8080], b: [9090] } }],
    });
  });

  test('a name that a pod lacks, or has for another protocol, is missing', () => {
    const lacking = resolveService(service({ ports: [{ port: 80, targetPort: 'http' }] }), [
      web('a', 8080),
      pod('shop', 'b', { labels: { app: 'web' } }),
    ]);
    expect(lacking).toMatchObject({
      kind: 'unresolved-ports',
      ports: [{ problem: 'missing', pods: { a: [8080], b: [] } }],
    });
    const udp = resolveService(service({ ports: [{ port: 80, targetPort: 'http', protocol: 'UDP' }] }), [
      web('a', 8080),
    ]);
    expect(udp).toMatchObject({ kind: 'unresolved-ports', ports: [{ problem: 'missing' }] });
  });

  test('headless, without selector, without pods and external are answers of their own', () => {
    expect(
      resolveService(service({ clusterIP: 'None', ports: [{ port: 80, targetPort: 8080 }] }), [web('a', 8080)]),
    ).toMatchObject({
      kind: 'pods',
      headless: true,
      ports: [{ servicePort: 80, containerPort: 8080, differs: true }],
    });
    expect(resolveService(service({ selector: {}, ports: [] }), [web('a', 8080)])).toEqual({ kind: 'no-selector' });
    expect(resolveService(service({ ports: [{ port: 80 }] }), [])).toEqual({ kind: 'no-pods' });
    expect(resolveService(service({ type: 'ExternalName', externalName: 'db.example.test' }), [])).toEqual({
      kind: 'external',
      host: 'db.example.test',
    });
  });
});
