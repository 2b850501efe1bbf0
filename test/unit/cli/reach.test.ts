import { describe, expect, it } from 'vitest';
import { manifestDir, runPolicy } from '../../support/policy-cli.ts';

const container = (port: number) => ({
  name: 'app',
  image: 'example.test/app:1',
  ports: [{ name: 'http', containerPort: port }],
});
const pod = (name: string, rest: { labels?: object; status?: object; spec?: object; port?: number } = {}) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'shop', labels: { app: name, ...rest.labels } },
  spec: { containers: [container(rest.port ?? 8080)], ...rest.spec },
  status: rest.status,
});
const service = (name: string, spec: object) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'shop' },
  spec,
});
const policy = (name: string, spec: object) => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { name, namespace: 'shop' },
  spec,
});
const app = (name: string) => ({ matchLabels: { app: name } });

const SHOP = [
  pod('web', { status: { phase: 'Running', podIP: '10.1.0.1', hostIP: '192.0.2.1' } }),
  pod('db', { status: { phase: 'Running', podIP: '10.1.0.2', hostIP: '192.0.2.2' } }),
  pod('agent', { spec: { hostNetwork: true }, status: { phase: 'Running', podIP: '192.0.2.9', hostIP: '192.0.2.9' } }),
  pod('done', { status: { phase: 'Succeeded' } }),
  {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'api', namespace: 'shop' },
    spec: { replicas: 2, template: { metadata: { labels: { app: 'api' } }, spec: { containers: [container(8080)] } } },
  },
  pod('v1', { labels: { tier: 'mixed' }, port: 8081 }),
  pod('v2', { labels: { tier: 'mixed' }, port: 8082 }),
  service('db', {
    selector: { app: 'db' },
    clusterIP: '10.96.0.7',
    ports: [
      { port: 80, targetPort: 'http' },
      { port: 53, protocol: 'UDP' },
    ],
  }),
  service('mixed', { selector: { tier: 'mixed' }, ports: [{ port: 80, targetPort: 'http' }] }),
  service('headless', { selector: { app: 'db' }, clusterIP: 'None', ports: [{ port: 80 }] }),
  service('nobody', { selector: { app: 'nobody' }, ports: [{ port: 80 }] }),
  service('manual', { ports: [{ port: 80 }] }),
  service('elsewhere', { type: 'ExternalName', externalName: 'db.example.test' }),
  policy('deny', { podSelector: app('db'), policyTypes: ['Ingress'] }),
  policy('db-from-web', {
    podSelector: app('db'),
    ingress: [
      { from: [{ podSelector: app('web') }], ports: [{ port: 8080 }] },
      {
        from: [{ ipBlock: { cidr: '203.0.113.0/24' } }, { ipBlock: { cidr: '10.1.0.0/24' } }],
        ports: [{ port: 9000 }],
      },
    ],
  }),
  policy('v2-closed', { podSelector: app('v2'), policyTypes: ['Ingress'] }),
];

async function reach(from: string, to: string, port: string, ...options: string[]) {
  await using made = await manifestDir({ 'shop.yaml': SHOP });
  return await runPolicy('reach', '--from', from, '--to', to, '--port', port, '-f', made.dir, ...options);
}

describe('reach', () => {
  it('has help with examples', async () => {
    expect(await runPolicy('reach', '--help')).toMatchObject({
      code: 0,
      out: expect.stringMatching(/Usage.*Exit code.*Examples/s),
    });
  });

  it('says yes, and which policy allows and which misses', async () => {
    expect(await reach('shop/web', 'shop/db', '8080/TCP')).toEqual({
      code: 0,
      err: '',
      out: [
        'allowed: shop/web -> shop/db 8080/TCP',
        '  egress: not isolated: no policy selects the pod',
        '  ingress: allowed by shop/db-from-web; isolated by shop/deny too, which would not allow it',
      ].join('\n'),
    });
  });

  it('says no, and which policies isolate', async () => {
    expect(await reach('shop/v1', 'shop/db', '8080')).toMatchObject({
      code: 1,
      out: expect.stringMatching(
        /^not allowed: [^]*ingress: isolated by shop\/db-from-web, shop\/deny, and none of them allows it$/,
      ),
    });
  });

  it.each<[string, string, string, number, RegExp]>([
    ['shop/web', 'shop/db', '8080/udp', 1, /8080\/UDP/],
    ['shop/web', 'shop/db', '8080/SCTP', 1, /8080\/SCTP/],
    [
      '203.0.113.7',
      'shop/db',
      '9000',
      0,
      /egress: outside the cluster, no policy applies\n {2}ingress: allowed by shop\/db-from-web/,
    ],
    ['203.0.113.0/25', 'shop/pod/db', '9000', 0, /^allowed/],
    ['203.0.112.0/23', 'shop/db', '9000', 1, /no rule admits the whole block/],
    ['198.51.100.1', 'shop/db', '9000', 1, /^not allowed(?![^]*whole block)/],
    ['shop/db', '2001:db8::7', '443', 0, /ingress: outside the cluster/],
    // Decided by an ipBlock against a pod's address.
    ['shop/web', 'shop/db', '9000', 0, /plugin-dependent: an ipBlock/],
    ['10.1.0.1', 'shop/db', '8080', 0, /10\.1\.0\.1 is pod shop\/web/],
    ['192.0.2.2', 'shop/db', '1', 0, /not governed by NetworkPolicy: own node/],
    [
      'shop/agent',
      'shop/db',
      '8080',
      1,
      /hostNetwork, no policy applies[^]*not governed by NetworkPolicy: hostNetwork\n {2}plugin-dependent: network plugins differ/,
    ],
    ['shop/db', 'shop/db', '1', 0, /a pod always reaches itself/],
    ['shop/web', 'shop/done', '1', 1, /shop\/done has ended \(Succeeded\)/],
    // Services: policies see the port of the container.
    ['shop/web', 'shop/svc/db', '80', 0, /port 80\/TCP is container port 8080\/TCP/],
    ['shop/web', '10.96.0.7', '80', 0, /10\.96\.0\.7 is Service shop\/svc\/db\n[^]*container port 8080\/TCP/],
    ['shop/web', 'shop/service/headless', '8080', 0, /^allowed(?![^]*container port)/],
    [
      'shop/web',
      'shop/svc/mixed',
      '80',
      1,
      /for 1 of 2 pairs[^]*container port 8081 on shop\/v1, 8082 on shop\/v2[^]*\nallowed: shop\/web -> shop\/v1 8081\n[^]*\nnot allowed: shop\/web -> shop\/v2 8082\n/,
    ],
    // All pods of a workload, with one another as well.
    ['shop/deploy/api', 'shop/db', '8080', 1, /the same for all 2 pairs/],
    ['shop/Deployment/api', 'shop/deployments/api', '8080', 0, /the same for all 2 pairs(?![^]*itself)/],
  ])('%s -> %s %s', async (from, to, port, code, words) => {
    const answer = await reach(from, to, port);
    expect(answer.out).toMatch(words);
    expect(answer).toMatchObject({ code, err: '' });
  });

  it.each<[string, string, string, RegExp]>([
    ['shop/wob', 'shop/db', '1', /--from shop\/wob: no such pod, did you mean .*web/],
    ['shop/api', 'shop/db', '1', /did you mean shop\/deployment\/api\?/],
    ['shop/deploy/apii', 'shop/db', '1', /no pods of such a workload, did you mean shop\/deploy\/api\?/],
    ['shpo/web', 'shop/db', '1', /no namespace shpo, did you mean shop\?/],
    ['shop/sts/api', 'shop/db', '1', /no pods of such a workload, did you mean shop\/deployment\/api\?/],
    ['web', 'shop/db', '1', /expected namespace\/pod, namespace\/kind\/name or an address/],
    ['shop/', 'shop/db', '1', /expected namespace\/pod/],
    ['shop/svc/db', 'shop/db', '1', /a Service takes connections, it opens none/],
    ['shop/web', 'shop/svc/bd', '80', /no such Service, did you mean shop\/svc\/db\?/],
    ['shop/web', 'shop/svc/db', '8080', /no port 8080\/TCP, its ports are: 80\/TCP, 53\/UDP/],
    ['shop/web', 'shop/svc/nobody', '80', /no pods behind/],
    ['shop/web', 'shop/svc/manual', '80', /has no selector/],
    ['shop/web', 'shop/svc/elsewhere', '80', /db\.example\.test/],
    ['198.51.100.1', '203.0.113.7', '80', /one end has to be in the cluster/],
    ['shop/web', 'shop/db', '0', /expected a number from 1 to 65535/],
    ['shop/web', 'shop/db', '65536', /expected a number from 1 to 65535/],
    ['shop/web', 'shop/db', '80/ICMP', /expected a number from 1 to 65535 and a protocol/],
    ['shop/web', 'shop/db', 'http', /expected a number from 1 to 65535/],
    ['shop/constructor/db', 'shop/db', '1', /no pods of such a workload/],
  ])('refuses %s -> %s %s', async (from, to, port, words) => {
    const answer = await reach(from, to, port);
    expect(answer.err).toMatch(words);
    expect(answer).toMatchObject({ code: 2, out: '' });
  });

  it('refuses missing arguments and bad manifests', async () => {
    expect(await runPolicy('reach', '--from', 'a/b')).toMatchObject({
      code: 2,
      err: expect.stringContaining('expected --from, --to and --port'),
    });
    await using made = await manifestDir({ 'x.yaml': 'kind: [' });
    expect(await runPolicy('reach', '--from', 'a/b', '--to', 'a/c', '--port', '1', '-f', made.dir)).toMatchObject({
      code: 2,
      err: expect.stringContaining('x.yaml:'),
    });
  });
});
