import { TOOLS_IMAGE } from './cluster/node-image.ts';
import type { Channel, Person, UserGroup } from './slack/index.ts';

/** Who and what is there in the sandbox: people in Slack, workloads in the cluster. The ids are those of policy.example.yaml. */

/** Somebody of the sandbox: an account in Slack, a user in Kubernetes. */
export interface Somebody {
  readonly id: string;
  /** Handle in Slack. */
  readonly name: string;
  /** Kubernetes user, which is the e-mail address. */
  readonly user: string;
  readonly does: string;
}

export const PEOPLE = {
  ada: { id: 'U0ADA', name: 'ada', user: 'ada@example.test', does: 'asks for access' },
  ben: { id: 'U0BEN', name: 'ben', user: 'ben@example.test', does: 'approves (user group @sre)' },
  cy: { id: 'U0CY', name: 'cy', user: 'cy@example.test', does: 'only looks on' },
  dee: { id: 'U0DEE', name: 'dee', user: 'dee@example.test', does: 'is the administrator' },
} as const satisfies Record<string, Somebody>;
export type PersonName = keyof typeof PEOPLE;

/** The Kubernetes groups of everybody, as `identity.groups` of the policy says. */
export const GROUPS = ['developers'];

/** #access, where requests are posted. */
export const ACCESS = 'C0ACCESS001';

const { ada, ben, cy, dee } = PEOPLE;

/** The workspace in Slack; a new copy at each call, as whoever uses it may change it. */
export function workspace(): { users: Person[]; channels: Channel[]; userGroups: UserGroup[] } {
  const names = { ada: 'Ada', ben: 'Ben', cy: 'Cy', dee: 'Dee' };
  return {
    users: [ada, ben, cy, dee].map(({ id, name, user }) => ({ id, name, real_name: names[name], email: user })),
    channels: [
      { id: ACCESS, name: 'access', members: [ada.id, ben.id, cy.id, dee.id] },
      { id: 'C0ENGINEER1', name: 'engineering', members: [ada.id, ben.id] },
    ],
    userGroups: [
      { id: 'S0SRE00001', handle: 'sre', name: 'Site reliability', users: [ben.id] },
      { id: 'S0ADMIN001', handle: 'drawbridge-admins', name: 'Administrators', users: [dee.id] },
      // Ben need not wait for what he asks for in staging: automatic approval.
      { id: 'S0ONCALL01', handle: 'oncall', name: 'On call', users: [ben.id] },
      { id: 'S0PAYMENTS', handle: 'payments', name: 'Payments', users: [ada.id, dee.id] },
      { id: 'S0CONTRACT', handle: 'contractors', name: 'Contractors', users: [] },
    ],
  };
}

/** The namespaces of the example policy, by the names that they have in this world. */
export interface Namespaces {
  readonly staging: string;
  readonly payments: string;
}

/** What the workloads run. */
interface Server {
  readonly image: string;
  /** Its arguments, to answer on a TCP port. */
  readonly serve: (port: number) => readonly string[];
}

/** Answers HTTP; a cluster's nodes pull it, and where there is no node nobody does. */
export const AGNHOST: Server = {
  image: 'registry.k8s.io/e2e-test-images/agnhost:2.53',
  serve: (port) => ['netexec', `--http-port=${port}`, '--udp-port=-1'],
};

/** For a node of our own. It serves one port more than it declares, and no grant opens that one. */
export const TOOLS: Server = {
  image: TOOLS_IMAGE,
  serve: (port) => ['serve', `http:${port}`, `http:${port + 1}`],
};

function workload(server: Server, namespace: string, name: string, replicas: number, port: number): object[] {
  const labels = { app: name };
  const security = { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } };
  return [
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { namespace, name, labels },
      spec: {
        replicas,
        selector: { matchLabels: labels },
        template: {
          metadata: { labels },
          spec: {
            terminationGracePeriodSeconds: 1,
            securityContext: { runAsNonRoot: true, runAsUser: 65_532, seccompProfile: { type: 'RuntimeDefault' } },
            containers: [
              {
                name,
                image: server.image,
                args: server.serve(port),
                ports: [{ name: 'http', containerPort: port }],
                securityContext: security,
              },
            ],
          },
        },
      },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { namespace, name, labels },
      spec: { selector: labels, ports: [{ name: 'http', port: 80, targetPort: port }] },
    },
  ];
}

function networkPolicy(namespace: string, name: string, spec: object): object {
  return { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { namespace, name }, spec };
}

const podsOf = (app: string) => ({ podSelector: { matchLabels: { app } } });
const inNamespace = (name: string) => ({
  namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': name } },
});
const onPort = (port: number, protocol = 'TCP') => [{ port, protocol }];

/** Nothing passes in a namespace but what another policy allows, and questions to the cluster's DNS. */
function closed(namespace: string): object[] {
  const dns = { ...inNamespace('kube-system'), podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } } };
  return [
    networkPolicy(namespace, 'default-deny', { podSelector: {}, policyTypes: ['Ingress', 'Egress'] }),
    networkPolicy(namespace, 'allow-dns', {
      podSelector: {},
      policyTypes: ['Egress'],
      egress: [{ to: [dns], ports: [...onPort(53, 'UDP'), ...onPort(53)] }],
    }),
  ];
}

/** Lets one workload call another one; both sides have to allow it. */
function calls(
  from: { namespace: string; app: string },
  to: { namespace: string; app: string; port: number },
): object[] {
  const caller = { ...inNamespace(from.namespace), ...podsOf(from.app) };
  const called = { ...inNamespace(to.namespace), ...podsOf(to.app) };
  return [
    networkPolicy(from.namespace, `${from.app}-calls-${to.app}`, {
      ...podsOf(from.app),
      policyTypes: ['Egress'],
      egress: [{ to: [called], ports: onPort(to.port) }],
    }),
    networkPolicy(to.namespace, `${to.app}-admits-${from.app}`, {
      ...podsOf(to.app),
      policyTypes: ['Ingress'],
      ingress: [{ from: [caller], ports: onPort(to.port) }],
    }),
  ];
}

/** A small shop: frontend calls checkout and catalog, checkout calls ledger, ledger calls payouts; nothing else may pass. */
export function shop({ staging, payments }: Namespaces, server: Server): object[] {
  const inStaging = (app: string, port: number) => ({ namespace: staging, app, port });
  const inPayments = (app: string, port: number) => ({ namespace: payments, app, port });
  const frontend = inStaging('frontend', 8080);
  const checkout = inStaging('checkout', 8080);
  const catalog = inStaging('catalog', 8080);
  const ledger = inPayments('ledger', 8443);
  const payouts = inPayments('payouts', 8080);
  return [
    ...[frontend, checkout, catalog].flatMap(({ namespace, app, port }) => workload(server, namespace, app, 2, port)),
    ...[ledger, payouts].flatMap(({ namespace, app, port }) => workload(server, namespace, app, 1, port)),
    ...closed(staging),
    ...closed(payments),
    ...calls(frontend, checkout),
    ...calls(frontend, catalog),
    ...calls(checkout, ledger),
    ...calls(ledger, payouts),
    networkPolicy(staging, 'frontend-admits-everybody', {
      ...podsOf('frontend'),
      policyTypes: ['Ingress'],
      ingress: [{ ports: onPort(8080) }],
    }),
  ];
}
