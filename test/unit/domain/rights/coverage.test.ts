import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type AnyRule,
  allowing,
  areTooMany,
  describeRule,
  growth,
  MOST_COMPARISONS,
  MOST_RIGHTS,
  normalRules,
} from '../../../../src/domain/rights/coverage.ts';

const GROUPS = ['', 'apps'];
const RESOURCES = ['pods', 'secrets', 'deployments'];
const SUBRESOURCES = ['scale', 'log'];
const VERBS = ['get', 'list'];
const NAMES = ['a', 'b'];
/** What no rule names: what a wildcard reaches and a list does not. */
const OTHER = 'other';

/** One thing that somebody asks for, as the authorizer of the API server gets it. */
interface Request {
  readonly verb: string;
  readonly group?: string;
  readonly resource?: string;
  readonly subresource?: string;
  readonly name?: string;
  readonly path?: string;
}

/**
 * The authorizer, rule by rule, from its documentation and not from the code under test.
 * https://kubernetes.io/docs/reference/access-authn-authz/rbac/
 */
function allows(rules: readonly AnyRule[], request: Request): boolean {
  return rules.some(({ verbs, apiGroups = [], resources = [], resourceNames = [], nonResourceURLs = [] }) => {
    if (!verbs.includes('*') && !verbs.includes(request.verb)) return false;
    const { path } = request;
    if (path !== undefined)
      return nonResourceURLs.some((url) =>
        url.endsWith('*') ? path.startsWith(url.replace(/\*+$/, '')) : url === path,
      );
    const full = request.subresource === undefined ? request.resource : `${request.resource}/${request.subresource}`;
    return (
      (apiGroups.includes('*') || apiGroups.includes(request.group ?? '')) &&
      resources.some(
        (r) => r === '*' || r === full || (request.subresource !== undefined && r === `*/${request.subresource}`),
      ) &&
      (resourceNames.length === 0 || resourceNames.includes(request.name ?? ''))
    );
  });
}

const REQUESTS: Request[] = [...VERBS, OTHER].flatMap((verb) => [
  ...['/healthz', '/healthz/etcd', '/metrics', '/', `/${OTHER}`].map((path) => ({ verb, path })),
  ...[...GROUPS, OTHER].flatMap((group) =>
    [...RESOURCES, OTHER].flatMap((resource) =>
      // `*` is asked for by nobody but a test: `pods/*` is a word like others.
      [undefined, ...SUBRESOURCES, '*', OTHER].flatMap((subresource) =>
        ['', ...NAMES, OTHER].map((name) => ({
          verb,
          group,
          resource,
          name,
          ...(subresource === undefined ? {} : { subresource }),
        })),
      ),
    ),
  ),
]);

const some = <T>(values: readonly T[], options: { minLength?: number } = { minLength: 1 }) =>
  fc.subarray([...values], options);
const resourceRule = fc.record<AnyRule>(
  {
    apiGroups: some([...GROUPS, '*']),
    resources: some([...RESOURCES, 'pods/log', 'deployments/scale', 'pods/*', '*/scale', '*']),
    verbs: some([...VERBS, '*']),
    resourceNames: some(NAMES, { minLength: 0 }),
  },
  { requiredKeys: ['apiGroups', 'resources', 'verbs'] },
);
const urlRule = fc.record<AnyRule>({
  nonResourceURLs: some(['/healthz', '/healthz/*', '/metrics', '*', '**']),
  verbs: some([...VERBS, '*']),
});
const rules = fc.array(fc.oneof({ weight: 4, arbitrary: resourceRule }, urlRule), { maxLength: 4 });

describe('what a role allows more than another', () => {
  test('is something exactly when somebody may do what they could not', () => {
    fc.assert(
      fc.property(rules, rules, (before, now) => {
        const gained = REQUESTS.filter((request) => allows(now, request) && !allows(before, request));
        const grown = growth(before, now);
        expect(grown.length > 0).toBe(gained.length > 0);
        // And it names all of that.
        for (const request of gained) expect(allows(grown, request)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  test('and nothing when all of it was allowed before', () => {
    fc.assert(
      fc.property(rules, fc.constantFrom(...REQUESTS.filter(({ path }) => path === undefined)), (before, request) => {
        const { verb, group = '', resource = '', subresource, name = '' } = request;
        const one = r(group, subresource === undefined ? resource : `${resource}/${subresource}`, verb);
        const isAllowed = allowing(before)(name === '' ? one : { ...one, resourceNames: [name] });
        expect(isAllowed).toBe(allows(before, request));
      }),
      { numRuns: 1000 },
    );
  });

  test('is nothing when it only says the same otherwise, or allows less', () => {
    fc.assert(
      fc.property(rules, rules, (first, second) => {
        expect(growth([...first, ...second], [...second, ...first])).toEqual([]);
        expect(growth([...first, ...second], second)).toEqual([]);
      }),
    );
  });

  test.each<[string, AnyRule, AnyRule, string[]]>([
    ['a verb', r('', 'pods', 'get'), r('', 'pods', 'get', 'delete'), ['delete pods']],
    ['a resource', r('', 'pods', 'get'), { ...r('', 'pods', 'get'), resources: ['pods', 'secrets'] }, ['get secrets']],
    ['a group', r('', 'events', 'get'), r('events.k8s.io', 'events', 'get'), ['get events (events.k8s.io)']],
    ['a subresource', r('', 'pods', 'get'), r('', 'pods/log', 'get'), ['get pods/log']],
    ['all names', { ...r('', 'pods', 'get'), resourceNames: ['a'] }, r('', 'pods', 'get'), ['get pods']],
    [
      'another name',
      { ...r('', 'pods', 'get'), resourceNames: ['a'] },
      { ...r('', 'pods', 'get'), resourceNames: ['a', 'b'] },
      ['get pods named b'],
    ],
    ['a wildcard for a list', r('', 'pods', 'get', 'list'), r('', 'pods', '*'), ['* pods']],
    ['`pods/*` is no wildcard', r('', 'pods/*', 'get'), r('', 'pods/log', 'get'), ['get pods/log']],
    ['nothing below a wildcard', r('*', '*', '*'), r('apps', 'deployments/scale', 'update'), []],
    ['nothing below `*/scale`', r('apps', '*/scale', 'get'), r('apps', 'deployments/scale', 'get'), []],
    ['what `*/scale` is not', r('apps', '*/scale', 'get'), r('apps', 'deployments', 'get'), ['get deployments (apps)']],
    [
      'a URL',
      { nonResourceURLs: ['/healthz'], verbs: ['get'] },
      { nonResourceURLs: ['/healthz/*'], verbs: ['get'] },
      ['get /healthz/*'],
    ],
  ])('for instance: %s', (_what, before, now, words) => {
    expect(growth([before], [now]).map(describeRule)).toEqual(words);
  });
});

describe('rules in their one form', () => {
  test('are equal exactly where the same is allowed', () => {
    fc.assert(
      fc.property(rules, rules, (a, b) => {
        const isSame = REQUESTS.every((request) => allows(a, request) === allows(b, request));
        expect(JSON.stringify(normalRules(a)) === JSON.stringify(normalRules(b))).toBe(isSame);
      }),
      { numRuns: 200 },
    );
  });

  test('allow what they allowed, and do not change again', () => {
    fc.assert(
      fc.property(rules, (list) => {
        const normal = normalRules(list);
        for (const request of REQUESTS) expect(allows(normal, request)).toBe(allows(list, request));
        expect(normalRules(normal)).toEqual(normal);
        expect(normalRules([...list, ...normal].toReversed())).toEqual(normal);
      }),
      { numRuns: 100 },
    );
  });
});

function r(group: string, resource: string, ...verbs: string[]): AnyRule {
  return { apiGroups: [group], resources: [resource], verbs };
}

test('single rights are counted as the lists of a rule multiply, and over all rules', () => {
  const many = (count: number) => [...Array(count).keys()].map(String);
  const rule = { apiGroups: ['', 'apps'], resources: many(100), verbs: many(10), resourceNames: many(10) };
  expect(MOST_RIGHTS).toBe(20_000);
  expect(areTooMany([rule])).toBe(false);
  expect(areTooMany([rule, { ...rule, apiGroups: [''], resources: ['pods'], verbs: ['get'], resourceNames: [] }])).toBe(
    true,
  );
  expect(areTooMany([rule, { verbs: ['get'], nonResourceURLs: ['/healthz'] }])).toBe(true);
  expect(areTooMany([rule, { verbs: [], apiGroups: [''], resources: ['pods'] }])).toBe(false);
});

test('as many rights as are compared take no square of their number', () => {
  const rights = (from: number) => [
    { apiGroups: [''], resources: [...Array(MOST_RIGHTS).keys()].map((n) => `r${n + from}`), verbs: ['get'] },
  ];
  const before = process.threadCpuUsage().user;
  expect(growth(rights(0), rights(1))).toEqual([{ apiGroups: [''], resources: ['r20000'], verbs: ['get'] }]);
  expect(process.threadCpuUsage().user - before).toBeLessThan(1_000_000);
});

describe('rights with wildcards', () => {
  const many = (count: number) => [...Array(count).keys()].map((n) => `r${n}`);
  /** The rights of this rule, and so many that cover nothing else. */
  const mixed = (wide: AnyRule, narrow: number): AnyRule[] => [
    wide,
    { apiGroups: [''], resources: many(narrow), verbs: ['get'] },
  ];

  test.each<[string, AnyRule]>([
    ['all groups', { apiGroups: ['*'], resources: many(MOST_RIGHTS), verbs: ['get'] }],
    ['all verbs', { apiGroups: [''], resources: many(MOST_RIGHTS), verbs: ['*'] }],
    ['one subresource of all', { apiGroups: many(MOST_RIGHTS / 2), resources: ['*/scale', '*'], verbs: ['get'] }],
    ['URLs', { verbs: ['get'], nonResourceURLs: many(MOST_RIGHTS).map((path) => `/${path}/*`) }],
    ['names in all groups', { apiGroups: ['*'], resources: ['x'], verbs: ['get'], resourceNames: many(MOST_RIGHTS) }],
  ])('are too many where as many without would not be: %s', (_, rule) => {
    expect(areTooMany([rule])).toBe(true);
  });

  test('are counted times all rights', () => {
    const wide = (count: number) => ({ apiGroups: ['*', ''], resources: many(count), verbs: ['get'] });
    expect(MOST_COMPARISONS).toBe(2_000_000);
    expect(areTooMany(mixed(wide(100), MOST_RIGHTS - 200))).toBe(false);
    expect(areTooMany(mixed(wide(101), MOST_RIGHTS - 202))).toBe(true);
  });

  test('of an administrator are few', () => {
    const all = { apiGroups: ['*'], resources: ['*'], verbs: ['*'] };
    expect(areTooMany(mixed(all, MOST_RIGHTS - 1))).toBe(false);
    expect(areTooMany([all, { verbs: ['*'], nonResourceURLs: ['*'] }])).toBe(false);
  });

  test('that others have are counted times these', () => {
    const others = [{ apiGroups: ['*'], resources: many(1000), verbs: ['get'] }];
    const rules = (count: number) => [{ apiGroups: [''], resources: many(count), verbs: ['get'] }];
    expect(areTooMany(others)).toBe(false);
    expect(areTooMany(rules(2000), others)).toBe(false);
    expect(areTooMany(rules(2001), others)).toBe(true);
    expect(areTooMany(rules(2001))).toBe(false);
  });

  test('as many as are compared hold nobody up', () => {
    const wide = [{ apiGroups: ['*'], resources: many(100), verbs: ['list'] }];
    const rules = [{ apiGroups: [''], resources: many(MOST_RIGHTS), verbs: ['get'] }];
    expect(areTooMany(rules, wide)).toBe(false);
    const before = process.threadCpuUsage().user;
    expect(growth(wide, rules)).toHaveLength(MOST_RIGHTS);
    expect(process.threadCpuUsage().user - before).toBeLessThan(1_000_000);
  });
});
