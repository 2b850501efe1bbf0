/** Label selector of the API. An empty one selects everything. */
type Selector = {
  matchLabels?: Record<string, string>;
  matchExpressions?: { key: string; operator: string; values?: string[] }[];
};
type Labels = Record<string, string>;
type Protocol = 'TCP' | 'UDP' | 'SCTP';
type PolicyPort = { protocol?: Protocol; port?: number | string; endPort?: number };
type Peer = {
  podSelector?: Selector;
  namespaceSelector?: Selector;
  ipBlock?: { cidr: string; except?: string[] };
};
type Container = {
  restartPolicy?: string;
  ports?: { name?: string; containerPort: number; protocol?: Protocol }[];
};

/** What is read of a Namespace. */
export type NamespaceObject = { metadata: { name: string; labels?: Labels } };

/** What is read of a Pod. */
export type PodObject = {
  metadata: { name: string; namespace: string; uid: string; labels?: Labels };
  spec: { hostNetwork?: boolean; containers: Container[]; initContainers?: Container[] };
  status?: { phase?: string; podIP?: string };
};

/** What is read of a NetworkPolicy. */
export type PolicyObject = {
  metadata: { name: string; namespace: string };
  spec: {
    podSelector?: Selector;
    /** The API server fills it in where it was left out. */
    policyTypes: string[];
    ingress?: { from?: Peer[]; ports?: PolicyPort[] }[];
    egress?: { to?: Peer[]; ports?: PolicyPort[] }[];
  };
};

/** A pod with its address. */
export type AddressedPod = PodObject & { address: string };

type World = {
  pods: readonly AddressedPod[];
  namespaces: readonly NamespaceObject[];
  policies: readonly PolicyObject[];
};
type Direction = 'Ingress' | 'Egress';

/** How the rules deal with connections. */
export type Enforcement = {
  /** Whether a connection that was allowed once is let through ever after (as Calico does) or judged packet by packet (as Cilium does). */
  readonly keepEstablished: boolean;
  /** What becomes of a denied packet: `drop` (the default) is silence, as plugins do; `reject` tells its sender, who need not wait. */
  readonly denied?: 'drop' | 'reject';
};

/** A condition in nftables' words; an empty one is always met. */
type Match = string;

const TABLE = 'network-policies';

// A connection is judged by who began it, to whom and to which port: the same for each of its packets, both ways, and after a
// Service's address was translated. Its answers come from where it really leads.
const CLIENT = 'ct original ip saddr';
const SERVER = 'ct reply ip saddr';
const SERVER_PORT = 'ct reply proto-src';

/**
 * NetworkPolicies as rules for `nft -f`, which replaces those of before in one transaction. To be loaded into the network namespace of
 * the node, whose forward hook all traffic between pods passes; the node's own does not pass it, and so is let through.
 *
 * Written from the Kubernetes documentation (concepts/services-networking/network-policies, and the API reference of NetworkPolicy v1),
 * without a look at the product's own reading of it, for which it is the second witness. Pods of the host's network are taken for the
 * node: no rule selects them, none names them as a peer.
 */
export function networkPolicyRules(world: World, { keepEstablished, denied = 'drop' }: Enforcement): string {
  // TCP is told by a reset: an ICMP error that comes while its connect() is at work is lost to it, until it tries again.
  const deny =
    denied === 'drop' ? ['drop'] : ['meta l4proto tcp reject with tcp reset', 'reject with icmpx admin-prohibited'];
  const chains: string[] = [];
  const jumps: Record<Direction, string[]> = { Ingress: [], Egress: [] };
  for (const pod of world.pods) {
    for (const direction of ['Ingress', 'Egress'] as const) {
      const policies = world.policies.filter((policy) => isolates(policy, pod, direction));
      if (policies.length === 0) continue;
      const chain = `${direction.toLowerCase()}-${pod.address}`;
      // A pod can't be kept from itself.
      const itself = `${direction === 'Ingress' ? CLIENT : SERVER} ${pod.address}`;
      const allowed = policies.flatMap((policy) =>
        direction === 'Ingress' ? ingressMatches(world, policy, pod) : egressMatches(world, policy),
      );
      const lines = [...new Set([itself, ...allowed])].map((match) => `${match} return`.trim());
      chains.push(block(`chain ${chain}`, [...lines, ...deny]));
      jumps[direction].push(`${pod.address} : jump ${chain}`);
    }
  }
  const judge = (who: string, list: string[]) => (list.length > 0 ? [`${who} vmap { ${list.join(', ')} }`] : []);
  const forward = block('chain forward', [
    'type filter hook forward priority filter; policy accept;',
    `ct state ${keepEstablished ? 'established,related' : 'related'} accept`,
    // Not of any connection, so that nobody could judge it.
    'ct state invalid drop',
    ...judge(CLIENT, jumps.Egress),
    ...judge(SERVER, jumps.Ingress),
  ]);
  return [
    `add table inet ${TABLE}`,
    `delete table inet ${TABLE}`,
    block(`table inet ${TABLE}`, [...chains, forward]),
    '',
  ].join('\n');
}

/** Takes all rules away. */
export const NO_RULES = `add table inet ${TABLE}\ndelete table inet ${TABLE}\n`;

function block(head: string, lines: readonly string[]): string {
  return `${head} {\n${lines.join('\n')}\n}`;
}

function isolates(policy: PolicyObject, pod: PodObject, direction: Direction): boolean {
  return (
    policy.metadata.namespace === pod.metadata.namespace &&
    policy.spec.policyTypes.includes(direction) &&
    selects(policy.spec.podSelector ?? {}, pod.metadata.labels)
  );
}

function selects({ matchLabels = {}, matchExpressions = [] }: Selector, labels: Labels = {}): boolean {
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every(({ key, operator, values = [] }) => {
      const value = labels[key];
      switch (operator) {
        case 'In':
          return value !== undefined && values.includes(value);
        case 'NotIn':
          return value === undefined || !values.includes(value);
        case 'Exists':
          return value !== undefined;
        case 'DoesNotExist':
          return value === undefined;
        default:
          throw new Error(`unknown operator ${operator}`);
      }
    })
  );
}

function ingressMatches(world: World, policy: PolicyObject, pod: AddressedPod): Match[] {
  return (policy.spec.ingress ?? []).flatMap(({ from, ports }) =>
    combine(peerMatches(world, policy, CLIENT, from), ingressPorts(pod, ports)),
  );
}

function egressMatches(world: World, policy: PolicyObject): Match[] {
  return (policy.spec.egress ?? []).flatMap(({ to, ports }) => {
    const peers = peerMatches(world, policy, SERVER, to);
    if (!ports?.length) return peers;
    return ports.flatMap((port) =>
      // A name is looked up at each pod that is called.
      typeof port.port === 'string'
        ? world.pods.flatMap((pod) =>
            combine(
              combine(peers, [`${SERVER} ${pod.address}`]),
              portsNamed(pod, port).map((number) => portMatch(port, number)),
            ),
          )
        : combine(peers, [portMatch(port, port.port)]),
    );
  });
}

/** Who may be at the other end. None given is everyone. */
function peerMatches(world: World, policy: PolicyObject, end: string, peers: readonly Peer[] = []): Match[] {
  if (peers.length === 0) return [''];
  return peers.flatMap(({ ipBlock, podSelector, namespaceSelector }) => {
    if (ipBlock) {
      // Everything here has IPv4 addresses only.
      if (ipBlock.cidr.includes(':')) return [];
      const except = ipBlock.except?.length ? ` ${end} != { ${ipBlock.except.join(', ')} }` : '';
      return [`${end} ${ipBlock.cidr}${except}`];
    }
    const namespaces = namespaceSelector
      ? world.namespaces.filter(({ metadata }) => selects(namespaceSelector, metadata.labels))
      : [{ metadata: { name: policy.metadata.namespace } }];
    const names = new Set(namespaces.map(({ metadata }) => metadata.name));
    const addresses = world.pods
      .filter(({ metadata }) => names.has(metadata.namespace) && selects(podSelector ?? {}, metadata.labels))
      .map(({ address }) => address);
    return addresses.length > 0 ? [`${end} { ${addresses.join(', ')} }`] : [];
  });
}

/** To which ports of the pod. None given is all of them, of every protocol. */
function ingressPorts(pod: PodObject, ports: readonly PolicyPort[] = []): Match[] {
  if (ports.length === 0) return [''];
  return ports.flatMap((port) =>
    typeof port.port === 'string'
      ? portsNamed(pod, port).map((number) => portMatch(port, number))
      : [portMatch(port, port.port)],
  );
}

function portsNamed(pod: PodObject, { port, protocol = 'TCP' }: PolicyPort): number[] {
  const sidecars = (pod.spec.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always');
  return [...pod.spec.containers, ...sidecars]
    .flatMap(({ ports = [] }) => ports)
    .filter((each) => each.name === port && (each.protocol ?? 'TCP') === protocol)
    .map(({ containerPort }) => containerPort);
}

function portMatch({ protocol = 'TCP', endPort }: PolicyPort, number: number | undefined): Match {
  const match = `meta l4proto ${protocol.toLowerCase()}`;
  if (number === undefined) return match;
  return `${match} ${SERVER_PORT} ${number}${endPort === undefined ? '' : `-${endPort}`}`;
}

function combine(one: readonly Match[], other: readonly Match[]): Match[] {
  return one.flatMap((a) => other.map((b) => `${a} ${b}`.trim()));
}
