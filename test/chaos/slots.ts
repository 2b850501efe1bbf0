import { setTimeout as sleep } from 'node:timers/promises';
import type { PolicyInput } from '../../src/domain/policy/schema.ts';
import type { Api } from '../../src/sandbox/cluster/api.ts';
import type { SlackControl } from '../../src/sandbox/slack/index.ts';
import { type Change, DENIED_GROUP, groupOf, mayGrow, PEOPLE, SLOTS } from './histories.ts';

/** What is changed under requests and grants (see `SLOTS`): the objects, the profiles, and the changes themselves. */

type Profile = PolicyInput['profiles'][string];

/** The Deployment of a slot, and the policy that isolates it. */
const named = (slot: number) => `slot-${slot}`;
const PORT = 8080;

/** A workload that nothing isolates. */
export function workload(namespace: string, name: string, replicas: number): object {
  const labels = { app: name };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { namespace, name, labels },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          containers: [{ name, image: 'registry.k8s.io/pause:3.10', ports: [{ containerPort: PORT }] }],
        },
      },
    },
  };
}

const admitting = (slot: number, port: number) => ({
  podSelector: { matchLabels: { app: named(slot) } },
  policyTypes: ['Ingress'],
  ingress: [{ from: [{ podSelector: { matchLabels: { app: 'front' } } }], ports: [{ protocol: 'TCP', port }] }],
});

function policy(namespace: string, name: string, spec: object): object {
  return { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { namespace, name }, spec };
}

function role(name: string, labels: object, resource: string): object {
  const rules = [{ apiGroups: [''], resources: [resource], verbs: ['get', 'list'] }];
  return { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', metadata: { name, labels }, rules };
}

/** Resources that no list of dangerous rights names: by them a role grows, one after the other. */
const GROWTH = ['services', 'endpoints', 'persistentvolumeclaims', 'resourcequotas', 'limitranges', 'podtemplates'];
const AGGREGATED = 'chaos.example.test/aggregated-to';

/** The ClusterRole that the profile of a slot gives: it is made of all that carry its label. */
const roleOf = (namespace: string, slot: number) => `${namespace}-look-${slot}`;

/** @param namespace the one that all slots share */
export function slotObjects(namespace: string): object[] {
  return SLOTS.flatMap((_, slot) => {
    const name = roleOf(namespace, slot);
    return [
      workload(namespace, named(slot), 1),
      policy(namespace, named(slot), admitting(slot, PORT)),
      {
        ...role(name, {}, 'pods'),
        aggregationRule: { clusterRoleSelectors: [{ matchLabels: { [AGGREGATED]: name } }] },
      },
      role(`${name}-pods`, { [AGGREGATED]: name }, 'pods'),
    ];
  });
}

/** @param approvers those of the profile `view` */
export function slotProfiles(namespace: string, approvers: Profile['approvers']): Record<string, Profile> {
  return Object.fromEntries(
    SLOTS.map((_, slot) => [
      `look-${slot}`,
      {
        scope: 'namespace',
        namespaces: [namespace],
        clusterRole: roleOf(namespace, slot),
        roleMayGrow: mayGrow(slot),
        requesters: { groups: [groupOf(slot)] },
        approvers,
        deny: { groups: [DENIED_GROUP] },
        duration: { default: '5s', maximum: '1h' },
        // Lists of members may be as old as that when they are decided by.
        timeout: '30s',
      },
    ]),
  );
}

/** Profiles for the whole cluster, for a node, and by a token: for the people of another one. */
export function wideProfiles(
  { namespaces, requesters, approvers, deny }: Profile,
  node: string,
): Record<string, Profile> {
  const people = { requesters, approvers, deny, duration: { default: '5s', maximum: '1h' } };
  const events = [{ apiGroups: ['events.k8s.io'], resources: ['events'], verbs: ['list'] }];
  const ofNode = {
    ...people,
    scope: 'node' as const,
    nodes: [node],
    rules: [{ apiGroups: [''], resources: ['nodes'], verbs: ['get'] }],
  };
  const token = { credential: 'token' as const };
  return {
    everywhere: { ...people, scope: 'cluster', rules: events },
    'everywhere-token': { ...people, ...token, scope: 'cluster', clusterRole: 'view' },
    node: ofNode,
    'node-token': { ...ofNode, ...token },
    config: {
      ...people,
      ...token,
      scope: 'namespace',
      namespaces,
      rules: [{ apiGroups: [''], resources: ['configmaps'], verbs: ['get'] }],
    },
  };
}

/** What was changed under a request. It took effect between `from` and `to`: milliseconds since the epoch. */
export interface Changed {
  readonly what: Change['what'];
  readonly when: Change['when'];
  readonly from: number;
  readonly to: number;
  /** The object or the person. */
  readonly name: string;
}

/** For how long the members of a list may be believed, and a moment: milliseconds. */
const BELIEVED_MS = 10_500;
/** How long controllers may take on a busy machine. */
const SOON_MS = 30_000;

/** Carries changes out, as administrators of the cluster and of Slack, and takes them all back. */
export interface Changes {
  /** Returns once everybody who decides must know of it. @param reason of the request: names what is made */
  make(change: Change & { readonly slot: number }, reason: string): Promise<Changed>;
  undo(): Promise<void>;
}

export function createChanges(options: {
  readonly admin: Api;
  readonly directory: SlackControl['directory'];
  readonly namespace: string;
}): Changes {
  const { admin, directory, namespace } = options;
  const undoing: (() => Promise<void> | void)[] = [];
  const policies = `/apis/networking.k8s.io/v1/namespaces/${namespace}/networkpolicies`;
  const roles = '/apis/rbac.authorization.k8s.io/v1/clusterroles';
  let made = 0;

  async function call(method: string, path: string, body?: unknown): Promise<unknown> {
    const type = method === 'PATCH' ? 'application/merge-patch+json' : undefined;
    const answer = await admin.call(method, path, body, type);
    if (answer.status >= 300 && answer.status !== 404)
      throw new Error(`${method} ${path}: ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  /** Waits until the controller has brought the role to what it is made of. */
  async function aggregated(name: string, resource: string, isThere: boolean): Promise<void> {
    const end = Date.now() + SOON_MS;
    for (;;) {
      const { rules } = (await call('GET', `${roles}/${name}`)) as { rules?: { resources?: string[] }[] | null };
      if ((rules ?? []).some(({ resources }) => resources?.includes(resource)) === isThere) return;
      if (Date.now() > end) throw new Error(`the rules of ${name} are not aggregated`);
      await sleep(50);
    }
  }

  /** Changes a user group of Slack. */
  function regroup(id: string, change: (users: readonly string[]) => string[]): () => void {
    const users = directory.groups().find((group) => group.id === id)?.users ?? [];
    directory.setGroup({ id, users: change(users) });
    return () => directory.setGroup({ id, users });
  }

  async function carryOut(what: Change['what'], slot: number, reason: string): Promise<string> {
    const { id, user } = PEOPLE[SLOTS[slot] ?? SLOTS[0]];
    made += 1;
    switch (what) {
      case 'add-policy': {
        const name = `added-${reason}`;
        await call('POST', policies, policy(namespace, name, admitting(slot, PORT)));
        undoing.push(async () => void (await call('DELETE', `${policies}/${name}`)));
        return `${namespace}/${name}`;
      }
      case 'change-policy': {
        const path = `${policies}/${named(slot)}`;
        await call('PATCH', path, { spec: admitting(slot, PORT + made) });
        undoing.push(async () => void (await call('PATCH', path, { spec: admitting(slot, PORT) })));
        return `${namespace}/${named(slot)}`;
      }
      case 'grow-role': {
        const name = roleOf(namespace, slot);
        const resource = GROWTH[made % GROWTH.length] ?? '';
        const added = `${name}-${reason}`;
        await call('POST', roles, role(added, { [AGGREGATED]: name }, resource));
        undoing.push(async () => {
          await call('DELETE', `${roles}/${added}`);
          await aggregated(name, resource, false);
        });
        await aggregated(name, resource, true);
        return name;
      }
      case 'deactivate':
        directory.setPerson({ id, deleted: true });
        undoing.push(() => directory.setPerson({ id, deleted: false }));
        return user;
      case 'deny':
        undoing.push(regroup(DENIED_GROUP, (users) => [...users, id]));
        return user;
      case 'leave':
        undoing.push(regroup(groupOf(slot), () => []));
        return user;
      default:
        return what satisfies never;
    }
  }

  return {
    async make({ what, when, slot }, reason) {
      const from = Date.now();
      const name = await carryOut(what, slot, reason);
      const to = Date.now();
      if (name === PEOPLE[SLOTS[slot] ?? SLOTS[0]].user) await sleep(BELIEVED_MS);
      return { what, when, name, from, to };
    },
    async undo() {
      for (let undo = undoing.pop(); undo !== undefined; undo = undoing.pop()) await undo();
    },
  };
}
