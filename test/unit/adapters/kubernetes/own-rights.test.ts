import type { IncomingMessage } from 'node:http';
import { json } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { lackOfEnding, missingRights } from '../../../../src/adapters/kubernetes/reviews.ts';
import type { Profile } from '../../../../src/domain/policy/policy.ts';
import type { AnyRule } from '../../../../src/domain/rights/coverage.ts';
import { apiOn } from '../../../support/wire-api.ts';

interface Spec {
  readonly namespace?: string;
  readonly resourceAttributes?: { readonly verb: string; readonly resource: string; readonly namespace: string };
}

/**
 * An API server whose authorizer lists these rules: those of all namespaces, and what is more of some. It allows what `allowed` says when it is asked
 * for one thing, and the listed rules too.
 */
async function authorizer(
  rules: { readonly everywhere: readonly AnyRule[]; readonly [namespace: string]: readonly AnyRule[] },
  allowed: readonly string[] = [],
) {
  const asked: string[] = [];
  const answer = async (request: IncomingMessage) => {
    const { spec } = (await json(request)) as { spec: Spec };
    if (request.url?.endsWith('/selfsubjectrulesreviews')) {
      asked.push(`rules of ${spec.namespace}`);
      return { resourceRules: [...rules.everywhere, ...(rules[spec.namespace ?? ''] ?? [])] };
    }
    const { verb, resource, namespace } = spec.resourceAttributes ?? { verb: '', resource: '', namespace: '' };
    const one = `${verb} ${resource}${namespace === '' ? '' : ` in ${namespace}`}`;
    asked.push(one);
    return { allowed: allowed.includes(one) };
  };
  const api = await apiOn((request, response) => {
    void answer(request).then((status) =>
      response.writeHead(201, { 'content-type': 'application/json' }).end(JSON.stringify({ status })),
    );
  });
  return { api, asked };
}

const rule = (apiGroups: string[], resources: string[], verbs: string[], resourceNames?: string[]): AnyRule => ({
  apiGroups,
  resources,
  verbs,
  ...(resourceNames !== undefined && { resourceNames }),
});

const giving = (clusterRole: string, namespaces: string[]) =>
  ({ scope: 'namespace', clusterRole, namespaces, credential: 'user' }) as unknown as Profile;

const BIND_VIEW = rule(['rbac.authorization.k8s.io'], ['clusterroles'], ['bind'], ['view']);

test('the rights to give many profiles are listed once for each namespace, and only what is not listed is asked for', async () => {
  const { api, asked } = await authorizer({ everywhere: [], shop: [BIND_VIEW], bank: [BIND_VIEW] });
  const profiles = [giving('view', ['shop', 'bank']), giving('view', ['bank']), giving('edit', ['shop'])];
  expect(await missingRights(api, profiles, 'drawbridge-accounts', 'drawbridge-nodes')).toEqual([
    [],
    [],
    ['bind on clusterroles edit in shop'],
  ]);
  expect(asked).toEqual(['rules of shop', 'rules of bank', 'bind clusterroles in shop']);
});

test('what is given in one namespace is not taken for given in all', async () => {
  const profiles = [giving('view', ['*'])];
  const one = await authorizer({ everywhere: [], shop: [BIND_VIEW] });
  expect(await missingRights(one.api, profiles, 'drawbridge-accounts', 'drawbridge-nodes')).toEqual([
    ['bind on clusterroles view'],
  ]);
  const all = await authorizer({ everywhere: [BIND_VIEW] });
  expect(await missingRights(all.api, profiles, 'drawbridge-accounts', 'drawbridge-nodes')).toEqual([[]]);
});

test('an authorizer without a list is asked for each', async () => {
  const { api } = await authorizer({ everywhere: [] }, ['bind clusterroles in shop']);
  expect(await missingRights(api, [giving('view', ['shop'])], 'drawbridge-accounts', 'drawbridge-nodes')).toEqual([[]]);
});

test('so are rules that are too many to be compared', async () => {
  const names = Array.from({ length: 20_001 }, (_, index) => `role-${index}`);
  const { api, asked } = await authorizer({ everywhere: [{ ...BIND_VIEW, resourceNames: ['view', ...names] }] }, [
    'bind clusterroles in shop',
  ]);
  expect(await missingRights(api, [giving('view', ['shop'])], 'drawbridge-accounts', 'drawbridge-nodes')).toEqual([[]]);
  expect(asked).toContain('bind clusterroles in shop');
});

test('the rights to end are one question while nothing is missing, and what is missing is named', async () => {
  const whole = await authorizer({ everywhere: [rule(['*'], ['*'], ['*'])] });
  expect(await lackOfEnding(whole.api)).toBeNull();
  expect(whole.asked).toHaveLength(1);
  const part = await authorizer({ everywhere: [rule(['*'], ['*'], ['list', 'watch', 'create'])] });
  expect((await lackOfEnding(part.api))?.lacks).toMatch(
    /may not delete on jobs, delete on networkpolicies, delete on roles/,
  );
});

test('what a shell on a node needs says what of the chart gives it, and rights on the node are needed where it gives some', async () => {
  const shell = {
    scope: 'node',
    nodes: ['*'],
    shell: { image: 'x', host: [], filesystem: 'none' },
    credential: 'user',
  };
  const alone = shell as unknown as Profile;
  const beside = { ...shell, rules: [{ apiGroups: [''], resources: ['nodes'], verbs: ['get'] }] } as unknown as Profile;
  const { api } = await authorizer({ everywhere: [] });
  const [first = [], second = []] = await missingRights(api, [alone, beside], 'accounts', 'nodes');
  expect(first).toEqual([
    'create on jobs in accounts',
    'get on nodes',
    'list on nodes',
    'use on workspaces in nodes (which the chart gives with nodes.enabled)',
    'create on jobs in nodes',
    'create on roles in nodes',
    'create on rolebindings in nodes',
    'create on pods/exec in nodes',
  ]);
  expect(second.filter((right) => !first.includes(right))).toEqual([
    'create on clusterrolebindings',
    'create on clusterroles',
  ]);
});
