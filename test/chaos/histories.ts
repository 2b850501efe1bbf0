import type { Channel, Person, UserGroup } from '../../src/sandbox/slack/index.ts';
import { CRASH_POINTS, type CrashPoint, type Plant } from './crash-points.ts';

/** What will happen, drawn from a seed before anything runs: the same seed gives the same steps. Pure. */

interface Someone {
  readonly id: string;
  readonly user: string;
}
const someone = (name: string): Someone => ({ id: `U0${name.toUpperCase()}`, user: `${name}@example.test` });

/** Those who ask, those who may decide, and those who may not though they try. */
export const PEOPLE = {
  ada: someone('ada'),
  eve: someone('eve'),
  fay: someone('fay'),
  gus: someone('gus'),
  ivy: someone('ivy'),
  jon: someone('jon'),
  liz: someone('liz'),
  max: someone('max'),
  ben: someone('ben'),
  hal: someone('hal'),
  /** In the approvers' group, and denied by the policy. */
  kim: someone('kim'),
  /** Nobody. */
  cy: someone('cy'),
  dee: someone('dee'),
} as const;
export type Who = keyof typeof PEOPLE;
const EVERYBODY = Object.values(PEOPLE);
const ids = (...names: Who[]) => names.map((name) => PEOPLE[name].id);

/**
 * Where something that an approval binds, or somebody's right to ask, changes under a request or a grant. Each slot has a target, a profile
 * with a role, and a requester of its own, so that no history is asked again for the change of another one.
 */
export const SLOTS = ['ivy', 'jon', 'liz', 'max'] as const satisfies readonly Who[];
/** The user group of those who may ask for the profile of a slot. */
export const groupOf = (slot: number) => `S0LOOK000${slot}`;
/** The profile of the last slot says that its role may grow. */
export const mayGrow = (slot: number) => slot === SLOTS.length - 1;
/** Whoever is in it is denied by the policy. */
export const DENIED_GROUP = 'S0CONTRACT';

/** The ids of groups and channels are those of policy.example.yaml. */
export function chaosWorkspace(): { users: Person[]; channels: Channel[]; userGroups: UserGroup[] } {
  return {
    users: (Object.keys(PEOPLE) as Who[]).map((name) => ({ id: PEOPLE[name].id, name, email: PEOPLE[name].user })),
    channels: [
      { id: 'C0ACCESS001', name: 'access', members: EVERYBODY.map(({ id }) => id) },
      { id: 'C0ENGINEER1', name: 'engineering', members: ids('ada', 'eve', 'fay', 'gus', 'ben') },
    ],
    userGroups: [
      { id: 'S0SRE00001', handle: 'sre', users: ids('ben', 'hal', 'kim') },
      { id: 'S0ADMIN001', handle: 'drawbridge-admins', users: ids('dee') },
      { id: 'S0ONCALL01', handle: 'oncall', users: ids('ben') },
      { id: 'S0PAYMENTS', handle: 'payments', users: ids('ada', 'dee') },
      { id: DENIED_GROUP, handle: 'contractors', users: ids('kim') },
      ...SLOTS.map((who, slot) => ({ id: groupOf(slot), handle: `look-${slot}`, users: ids(who) })),
    ],
  };
}

/** What the harness knows of the policy by heart, to judge by: written from policy.example.yaml, not read by the code under test. */
interface ProfileFacts {
  readonly targets: readonly string[];
  readonly requesters: readonly Who[];
  readonly approvers: readonly Who[];
  readonly approvals: number;
  /** Asked for by these, in staging, it is granted by the policy itself. */
  readonly automatic: readonly Who[];
  /** A NetworkPolicy that must be there as long as a RoleBinding is: in which namespace. */
  readonly guard: 'workspaces' | 'target' | null;
  /** The subject of its bindings is an account of the grant's own, which its lease ends. */
  readonly token?: true;
  /** Given by a ClusterRoleBinding. */
  readonly wide?: true;
}
const engineers: readonly Who[] = ['ada', 'eve', 'fay', 'gus', 'ben'];
const sre: readonly Who[] = ['ben', 'hal'];
/** Stands for the node of the installation, in each of its clusters. */
const NODE = 'node';
export const PROFILES = {
  view: {
    targets: ['staging', 'payments'],
    requesters: engineers,
    // No deny list here: kim is of the group.
    approvers: [...sre, 'kim'],
    approvals: 1,
    automatic: ['ben'],
    guard: null,
  },
  debug: {
    targets: ['staging/deploy/checkout', 'staging/deploy/frontend', 'payments/deploy/ledger'],
    requesters: engineers,
    approvers: sre,
    approvals: 1,
    automatic: ['ben'],
    guard: null,
  },
  troubleshoot: {
    targets: ['staging/deploy/checkout', 'staging/deploy/catalog', 'payments/deploy/ledger'],
    requesters: engineers,
    approvers: sre,
    approvals: 1,
    automatic: [],
    guard: 'workspaces',
  },
  shell: {
    // Not isolated by anything else, so that the containment is what confines its pods.
    targets: ['open/deploy/probe'],
    requesters: engineers,
    approvers: [...sre, 'kim'],
    approvals: 1,
    automatic: [],
    guard: 'target',
  },
  'own-tools': {
    targets: ['staging/deploy/catalog', 'staging/deploy/checkout', 'staging/deploy/frontend'],
    requesters: engineers,
    approvers: [...sre, 'kim'],
    approvals: 1,
    automatic: [],
    guard: null,
  },
  'payments-edit': {
    targets: ['payments'],
    requesters: ['hal', 'ben'],
    approvers: ['ben', 'dee', 'ada'],
    approvals: 2,
    automatic: [],
    guard: null,
  },
  everywhere: {
    targets: [''],
    requesters: engineers,
    approvers: sre,
    approvals: 1,
    automatic: [],
    guard: null,
    wide: true,
  },
  'everywhere-token': {
    targets: [''],
    requesters: engineers,
    approvers: sre,
    approvals: 1,
    automatic: [],
    guard: null,
    wide: true,
    token: true,
  },
  node: {
    targets: [NODE],
    requesters: engineers,
    approvers: sre,
    approvals: 1,
    automatic: [],
    guard: null,
    wide: true,
  },
  'node-token': {
    targets: [NODE],
    requesters: engineers,
    approvers: sre,
    approvals: 1,
    automatic: [],
    guard: null,
    wide: true,
    token: true,
  },
  /** In one namespace, for somebody whom the cluster does not know. */
  config: {
    targets: ['staging', 'payments'],
    requesters: engineers,
    approvers: sre,
    approvals: 1,
    automatic: [],
    guard: null,
    token: true,
  },
  /** One for each slot, which see. */
  look: {
    targets: ['slots'],
    requesters: SLOTS,
    approvers: sre,
    approvals: 1,
    automatic: [],
    guard: null,
  },
} as const satisfies Record<string, ProfileFacts>;
export type ProfileName = keyof typeof PROFILES;
export const factsOf = (profile: ProfileName): ProfileFacts => PROFILES[profile];
const targetsOf = (profile: ProfileName) => factsOf(profile).targets;

/** Somebody decides, `after` milliseconds since the message was seen. */
export interface DecisionStep {
  readonly after: number;
  readonly by: Who;
  readonly verdict: 'approve' | 'deny';
  /** Pressed twice in the same moment. */
  readonly twice: boolean;
  /** Slack sends the click again so many milliseconds later; null: it does not. */
  readonly again: number | null;
}

export const EDITS = [
  'delete-binding',
  'delete-guard',
  'delete-lease',
  'orphan-lease',
  'keep-binding',
  'keep-guard',
  'keep-lease',
  'change-subjects',
  'change-expiry',
] as const;
/** What a cluster administrator does to the objects of a grant. `keep`: a finalizer, taken away at the end of the batch. */
export type Edit = (typeof EDITS)[number];

/**
 * What is changed, and when: while the request waits and before anybody decides, while the grant is active, or while an extension of it waits.
 * Policies and roles are bound by an approval; the others take from the requester what makes them one.
 */
export const CHANGES = [
  { what: 'add-policy', when: 'waiting' },
  { what: 'change-policy', when: 'waiting' },
  { what: 'grow-role', when: 'waiting' },
  { what: 'grow-role', when: 'active' },
  { what: 'deactivate', when: 'waiting' },
  { what: 'deny', when: 'waiting' },
  { what: 'leave', when: 'waiting' },
  { what: 'deactivate', when: 'extending' },
  { what: 'deny', when: 'extending' },
  { what: 'leave', when: 'extending' },
] as const;
export type Change = (typeof CHANGES)[number];
/** Whether an approval binds it; else it is about the requester. */
export const isBound = ({ what }: Pick<Change, 'what'>): boolean => what.endsWith('-policy') || what === 'grow-role';

/** The clusters where there are two: of one bot, with the same names in both. */
export const SIDES = ['eu', 'us'] as const satisfies readonly [string, string];
export type Side = (typeof SIDES)[number];

export interface History {
  readonly name: string;
  /** Milliseconds since the batch began. */
  readonly at: number;
  readonly requester: Who;
  readonly profile: ProfileName;
  readonly target: string;
  /** In which cluster; null: there is one. */
  readonly cluster: Side | null;
  readonly seconds: number;
  /** The command is delivered again so many milliseconds later; null: it is not. */
  readonly again: number | null;
  readonly decisions: readonly DecisionStep[];
  /** Milliseconds since the grant was said to be active. */
  readonly extension: {
    readonly after: number;
    readonly seconds: number;
    readonly by: Who;
    readonly verdict: 'approve' | 'deny';
  } | null;
  /** Milliseconds since the message was seen (`early`), or since the grant was said to be active. */
  readonly revoke: { readonly after: number; readonly early: boolean; readonly by: Who } | null;
  /** Milliseconds since the RoleBinding appeared. */
  readonly edit: { readonly after: number; readonly what: Edit } | null;
  /** Milliseconds since the message was seen, since the grant was said to be active, or since the extension was asked for. */
  readonly change: (Change & { readonly slot: number; readonly after: number }) | null;
}

/** As people type it, and as the policy has it. */
export const profileNamed = ({ profile, change }: Pick<History, 'profile' | 'change'>): string =>
  profile === 'look' ? `look-${change?.slot}` : profile;

/** Between the bots and the API servers: of one cluster, or (left out) of all. */
interface OfApi {
  readonly side?: Side;
}
export type Fault =
  | { readonly kind: 'kill'; readonly bots: readonly number[]; readonly down: number }
  | { readonly kind: 'crash'; readonly bot: number; readonly point: CrashPoint; readonly down: number }
  | { readonly kind: 'redis-restart'; readonly down: number }
  | { readonly kind: 'flush'; readonly thenKill: boolean }
  | (OfApi & { readonly kind: 'api-away'; readonly for: number })
  | (OfApi & { readonly kind: 'api-slow'; readonly for: number; readonly by: number })
  | (OfApi & { readonly kind: 'api-status'; readonly status: number; readonly calls: number; readonly writes: boolean })
  /** The write is carried out, its answer is lost. */
  | (OfApi & { readonly kind: 'api-lost'; readonly calls: number })
  /** The write is held for so long before it reaches the API server. */
  | (OfApi & { readonly kind: 'api-held'; readonly calls: number; readonly by: number })
  | { readonly kind: 'slack-away'; readonly for: number }
  | { readonly kind: 'slack-drop'; readonly refresh: boolean }
  | {
      readonly kind: 'slack-fault';
      readonly how: 'ratelimited' | 'status' | 'hang' | 'reset' | 'lost-answer';
      readonly calls: number;
    };

/**
 * In what a batch lives. `unforgiving`: a Redis whose user may not do all, limits of Slack that are met, somebody's webhook that adds to whatever is written, a crowd of other
 * workloads that come and go.
 */
export type Climate = 'mild' | 'unforgiving';

export interface Batch {
  readonly name: string;
  readonly climate: Climate;
  readonly clusters: 1 | 2;
  readonly histories: readonly History[];
  /** In the order of `at`, milliseconds since the batch began. */
  readonly faults: readonly { readonly at: number; readonly fault: Fault }[];
  /** Faults are ended at this time, if there were any: milliseconds since the batch began. */
  readonly storm: number;
  /** What is left is cleared by the bots that live, in their own time: none is started anew to help. */
  readonly patient: boolean;
}

/** Numbers from a seed (mulberry32). */
interface Random {
  /** A whole number from `low` to `high`, both included. */
  between(low: number, high: number): number;
  chance(probability: number): boolean;
  pick<T>(items: readonly T[]): T;
}

function createRandom(seed: number): Random {
  let state = seed | 0;
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  const between = (low: number, high: number) => low + Math.floor(next() * (high - low + 1));
  return {
    between,
    chance: (probability) => next() < probability,
    pick: (items) => items[between(0, items.length - 1)] as (typeof items)[number],
  };
}

/** Faults are begun up to here: milliseconds since the batch began. Requests come in the first half of it, and live through the rest. */
const STORM_MS = 22_000;
/** Of the histories so many have something changed under them, while there are slots. */
const CHANGING = 0.3;
const REQUESTS_MS = 10_000;
const FIRST_FAULT_MS = 3000;

/** One batch: histories that share an installation, and so its faults. */
export function drawBatch(seed: number, index: number, size: number): Batch {
  const random = createRandom(Math.imul(seed, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b));
  const name = `s${seed}b${index}`;
  let slot = 0;
  const histories = Array.from({ length: size }, (_, i) =>
    slot < SLOTS.length && random.chance(CHANGING)
      ? drawChanging(random, `${name}h${i}`, slot++, random.pick(CHANGES))
      : drawHistory(random, `${name}h${i}`),
  );
  // Every fourth is left in peace: lateness without faults is measured there.
  const calm = index % 4 === 2;
  const faults = calm ? [] : drawFaults(random);
  const patient = random.chance(0.15);
  // Drawn by numbers of its own: what was drawn of a seed before there were these stays as it is.
  const wider = createRandom(Math.imul(seed, 0x85ebca6b) ^ Math.imul(index + 1, 0xc2b2ae35));
  const clusters = clustersOf(index);
  return {
    name,
    climate: climateOf(seed, index),
    clusters,
    histories: histories.map((history) => placed(wider, clusters, widened(wider, history))),
    faults: clusters === 1 ? faults : onSides(wider, faults),
    storm: STORM_MS,
    patient,
  };
}

/** A third of the batches have two clusters. */
export const clustersOf = (index: number): 1 | 2 => (index % 3 === 1 ? 2 : 1);

/** Of the histories so many are about the whole cluster, a node, or for somebody whom the cluster does not know. */
const WIDE = 0.2;

function widened(random: Random, history: History): History {
  if (!random.chance(WIDE) || history.change !== null) return history;
  const profile = random.pick(['everywhere', 'everywhere-token', 'node', 'node-token', 'config'] as const);
  const requester = random.pick(factsOf(profile).requesters);
  const decisions = drawDecisions(random, profile, requester);
  const target = random.pick(targetsOf(profile));
  // Who could extend or end the other one may not be allowed to here: what is done is judged, whoever does it.
  return { ...history, profile, requester, decisions, target, edit: null };
}

/** What is changed under requests (see `SLOTS`) is in the first cluster. */
function placed(random: Random, clusters: 1 | 2, history: History): History {
  if (clusters === 1) return history;
  const side = random.pick(SIDES);
  return { ...history, cluster: history.change === null ? side : SIDES[0] };
}

/** Most faults between the bots and an API server are one cluster's alone, and once one of them is away for longer: the other goes on. */
function onSides(random: Random, faults: Batch['faults']): Batch['faults'] {
  if (faults.length === 0) return faults;
  const sided = faults.map(({ at, fault }) =>
    fault.kind.startsWith('api-') && random.chance(0.8)
      ? { at, fault: { ...fault, side: random.pick(SIDES) } as Fault }
      : { at, fault },
  );
  const away: Fault = { kind: 'api-away', for: random.between(4000, 10_000), side: random.pick(SIDES) };
  return [...sided, { at: random.between(FIRST_FAULT_MS, STORM_MS - away.for), fault: away }].toSorted(
    (a, b) => a.at - b.at,
  );
}

/** Of four batches two are of each climate, in all orders alike: one of the four has no faults, and it is not always in the same. */
export function climateOf(seed: number, index: number): Climate {
  const random = createRandom(Math.imul(seed, 0x27d4eb2f) ^ Math.imul(Math.floor(index / 4) + 1, 0x165667b1));
  const order = random.pick(['UUMM', 'UMUM', 'UMMU', 'MUUM', 'MUMU', 'MMUU']);
  return order[index % 4] === 'U' ? 'unforgiving' : 'mild';
}

/** Those whose word counts, by the policy. */
const rightOnes = (profile: ProfileName, requester: Who): Who[] =>
  factsOf(profile).approvers.filter((who) => who !== requester);

export const mayDecide = ({ profile, requester }: History, who: Who): boolean =>
  rightOnes(profile, requester).includes(who);

/** Enough people approve, and nobody who may denies: without faults it is granted. */
export function isMeantToBeGranted(history: History): boolean {
  const { profile, decisions, change } = history;
  if (change?.when === 'waiting' && !isBound(change)) return false;
  const counting = decisions.filter((step) => mayDecide(history, step.by));
  const approving = new Set(counting.flatMap((step) => (step.verdict === 'approve' ? [step.by] : [])));
  return approving.size >= factsOf(profile).approvals && counting.every((step) => step.verdict === 'approve');
}

/** Faults of the code that show only where something changes under a request, a grant or an extension. */
const PROVOKED_BY: Partial<Record<Plant, (change: Change) => boolean>> = {
  'deaf-digest': (change) => change.when === 'waiting' && isBound(change),
  'unjudged-extension': ({ when }) => when === 'extending',
  'role-grows': ({ when }) => when === 'active',
};
const PROFILES_OF: Partial<Record<Plant, readonly ProfileName[]>> = {
  'guard-last': ['troubleshoot', 'shell'],
  // What it opens and closes is about every pod of the cluster.
  'nervous-digest': ['shell'],
};

/** How long grants last. */
const SECONDS_OF: Partial<Record<Plant, number>> = {
  // Over before the second bot takes the dead one's job, 5 s after that began at the soonest: it would make the grant active and schedule its end.
  'late-schedule': 4,
  // Ended long before its lease, which would make the early word true.
  'early-word': 40,
  'wrong-cluster': 40,
};
const PLANTED_CLUSTERS: Partial<Record<Plant, 1 | 2>> = { 'wrong-cluster': 2 };

/** A batch in which this fault of the code must show, whatever the seed. */
export function drawPlanted(plant: Plant, seed: number): Batch {
  const random = createRandom(seed);
  const name = `s${seed}b0`;
  const provokes = PROVOKED_BY[plant];
  if (provokes !== undefined) {
    const changes = CHANGES.filter(provokes);
    const histories = SLOTS.map((_, slot) =>
      drawChanging(random, `${name}h${slot}`, slot, changes[slot % changes.length] ?? CHANGES[0]),
    );
    return { name, climate: 'mild', clusters: 1, histories, faults: [], storm: 0, patient: true };
  }
  const profiles = PROFILES_OF[plant] ?? (['view', 'debug', 'own-tools'] as const);
  // Time for the cluster to change in.
  const [soonest, latest] = plant === 'nervous-digest' ? ([3000, 5000] as const) : ([0, 500] as const);
  const isLate = plant === 'late-schedule';
  const [from, to] = isLate ? ([10_000, 15_000] as const) : ([0, 2500] as const);
  const histories = Array.from({ length: 12 }, (_, i): History => {
    const profile = random.pick(profiles);
    const requester = random.pick(engineers.filter((who) => who !== 'ben'));
    const by = plant === 'anyone-approves' ? 'cy' : random.pick(rightOnes(profile, requester));
    return {
      name: `${name}h${i}`,
      at: random.between(from, to),
      requester,
      profile,
      target: random.pick(targetsOf(profile)),
      cluster: PLANTED_CLUSTERS[plant] === 2 ? (SIDES[i % 2] ?? null) : null,
      seconds: SECONDS_OF[plant] ?? 6,
      again: null,
      extension: null,
      revoke: plant === 'early-word' || plant === 'wrong-cluster' ? { after: 300, early: false, by: requester } : null,
      edit: null,
      change: null,
      decisions: [{ after: random.between(soonest, latest), by, verdict: 'approve', twice: false, again: null }],
    };
  });
  const clusters = PLANTED_CLUSTERS[plant] ?? 1;
  return { name, climate: 'mild', clusters, histories, faults: isLate ? FORGOTTEN : [], storm: 20_000, patient: true };
}

/**
 * The first bot dies when it has bound a grant, and stays away until long after the bound of the judge. The second lives, and would end the grant
 * if its end were scheduled. It has been started anew before anybody asked, so that its next look around, 30 s later, comes too late to help.
 */
const FORGOTTEN: Batch['faults'] = [
  { at: 0, fault: { kind: 'kill', bots: [1], down: 0 } },
  { at: 0, fault: { kind: 'crash', bot: 0, point: { write: 'apply RoleBinding', when: 'after' }, down: 18_000 } },
];

function drawHistory(random: Random, name: string): History {
  const profile = random.pick([
    'view',
    'debug',
    'debug',
    'troubleshoot',
    'troubleshoot',
    'troubleshoot',
    'shell',
    'own-tools',
    'payments-edit',
  ] as const);
  const facts = factsOf(profile);
  const requester = random.pick(facts.requesters);
  const decisions = drawDecisions(random, profile, requester);
  const right = rightOnes(profile, requester);
  const mayEnd: Who[] = [requester, ...right, 'dee'];
  return {
    name,
    at: random.between(0, REQUESTS_MS),
    requester,
    profile,
    target: random.pick(targetsOf(profile)),
    cluster: null,
    seconds: random.between(6, 14),
    again: random.chance(0.12) ? random.between(0, 6000) : null,
    decisions,
    extension: random.chance(0.2)
      ? {
          after: random.between(0, 2000),
          seconds: random.between(2, 4),
          by: random.pick([...right, ...right, requester, 'cy']),
          verdict: random.chance(0.85) ? 'approve' : 'deny',
        }
      : null,
    revoke: random.chance(0.35)
      ? {
          after: random.between(0, 3500),
          early: random.chance(0.15),
          by: random.chance(0.2) ? 'cy' : random.pick(mayEnd),
        }
      : null,
    edit: random.chance(0.15) ? { after: random.between(0, 2500), what: random.pick(EDITS) } : null,
    change: null,
  };
}

/** How long such a grant lasts, in seconds: a role that has grown is noticed in it, and an extension is decided on when lists have been read anew. */
const CHANGING_SECONDS = { waiting: [6, 14], active: [55, 55], extending: [28, 32] } as const;

/** One who would be granted what they ask for, if nothing changed. */
function drawChanging(random: Random, name: string, slot: number, change: Change): History {
  const isPolicy = change.what.endsWith('-policy');
  const profile = isPolicy ? random.pick(['debug', 'troubleshoot', 'shell', 'own-tools'] as const) : 'look';
  const requester = isPolicy ? random.pick(engineers) : (SLOTS[slot] ?? SLOTS[0]);
  const by = random.pick(rightOnes(profile, requester));
  const [shortest, longest] = CHANGING_SECONDS[change.when];
  return {
    name,
    at: random.between(0, change.when === 'waiting' ? REQUESTS_MS : REQUESTS_MS / 3),
    requester,
    profile,
    target: isPolicy ? `slots/deploy/slot-${slot}` : 'slots',
    cluster: null,
    seconds: random.between(shortest, longest),
    again: random.chance(0.12) ? random.between(0, 6000) : null,
    decisions: [{ after: random.between(0, 1000), by, verdict: 'approve', twice: random.chance(0.25), again: null }],
    extension:
      change.when === 'extending'
        ? { after: random.between(0, 1000), seconds: random.between(8, 15), by, verdict: 'approve' }
        : null,
    revoke: null,
    edit: null,
    change: { ...change, slot, after: random.between(0, 1500) },
  };
}

function drawDecisions(random: Random, profile: ProfileName, requester: Who): DecisionStep[] {
  const { approvals } = factsOf(profile);
  const right = rightOnes(profile, requester);
  const wrong = (Object.keys(PEOPLE) as Who[]).filter((who) => !right.includes(who));
  const step = (by: Who, verdict: 'approve' | 'deny', after: number): DecisionStep => ({
    by,
    verdict,
    after,
    twice: random.chance(0.25),
    again: random.chance(0.15) ? random.between(0, 7000) : null,
  });
  const fate = random.between(1, 100);
  const soon = () => random.between(0, 2500);
  const enough = () => {
    const first = random.pick(right);
    const others = right.filter((who) => who !== first);
    return approvals > 1
      ? [step(first, 'approve', soon()), step(random.pick(others), 'approve', soon())]
      : [step(first, 'approve', soon())];
  };
  // Nobody decides; the wrong person does, alone or before the right one; denied; one of two; and mostly approved, by one or by two at once.
  if (fate <= 2) return [];
  if (fate <= 6) return [step(random.pick(wrong), random.chance(0.8) ? 'approve' : 'deny', soon())];
  if (fate <= 18) return [step(random.pick(wrong), 'approve', 0), ...enough()];
  if (fate <= 21) return [step(random.pick(right), 'deny', soon())];
  if (fate <= 25) return [...enough(), step(random.pick(right), 'deny', soon())];
  if (fate <= 33 && approvals > 1) return enough().slice(0, 1);
  if (fate <= 45) return [...enough(), step(random.pick(right), 'approve', soon())];
  return enough();
}

function drawFaults(random: Random): { at: number; fault: Fault }[] {
  const count = random.between(3, 8);
  // Spread over the storm: some meet requests and decisions, most meet what is being applied, is live, or ends.
  const each = (STORM_MS - FIRST_FAULT_MS) / count;
  let nobody = 0;
  return Array.from({ length: count }, (_, i) => {
    const at = Math.round(FIRST_FAULT_MS + i * each) + random.between(0, Math.floor(each));
    const fault = drawFault(random);
    // Once in a batch no bot is there at all: more would only keep requests from being heard.
    if (fault.kind === 'kill' && fault.bots.length > 1) nobody += 1;
    return { at, fault: fault.kind === 'kill' && nobody > 1 ? { ...fault, bots: [0] } : fault };
  });
}

function drawFault(random: Random): Fault {
  const kind = random.pick([
    'kill',
    'kill',
    'kill-both',
    'crash',
    'crash',
    'crash',
    'crash',
    'crash',
    'crash',
    'redis-restart',
    'redis-restart',
    'flush',
    'api',
    'api',
    'api',
    'api',
    'slack',
    'slack',
    'slack',
  ] as const);
  switch (kind) {
    case 'kill':
      return { kind: 'kill', bots: [random.between(0, 1)], down: random.between(0, 4000) };
    case 'kill-both':
      return { kind: 'kill', bots: [0, 1], down: random.between(2000, 9000) };
    case 'crash':
      return {
        kind: 'crash',
        bot: random.between(0, 1),
        point: random.pick(CRASH_POINTS),
        down: random.between(0, 3000),
      };
    case 'redis-restart':
      return { kind: 'redis-restart', down: random.between(50, 3000) };
    case 'flush':
      return { kind: 'flush', thenKill: random.chance(0.6) };
    case 'api':
      return random.pick<() => Fault>([
        () => ({ kind: 'api-away', for: random.between(500, 6000) }),
        () => ({ kind: 'api-slow', for: random.between(1000, 6000), by: random.between(100, 800) }),
        () => ({
          kind: 'api-status',
          status: random.pick([409, 429, 500, 503]),
          calls: random.between(1, 15),
          writes: random.chance(0.6),
        }),
        () => ({ kind: 'api-lost', calls: random.between(1, 8) }),
        () => ({ kind: 'api-held', calls: random.between(1, 4), by: random.between(1000, 9000) }),
      ])();
    case 'slack':
      return random.pick<() => Fault>([
        () => ({ kind: 'slack-away', for: random.between(500, 5000) }),
        () => ({ kind: 'slack-drop', refresh: random.chance(0.5) }),
        () => ({
          kind: 'slack-fault',
          how: random.pick(['ratelimited', 'status', 'hang', 'reset', 'lost-answer']),
          calls: random.between(1, 8),
        }),
      ])();
    default:
      return kind satisfies never;
  }
}

/** The steps of one history and the faults of its batch, a line each. */
export function tellSteps(history: History, batch: Batch): string[] {
  const { decisions, extension, revoke, edit, change } = history;
  return [
    `${history.name}: ${history.requester} asks for ${profileNamed(history)} ${history.cluster === null ? '' : `${history.cluster}:`}${history.target} ${history.seconds}s at ${history.at} ms${history.again === null ? '' : `, delivered again ${history.again} ms later`}`,
    ...decisions.map(
      (d) =>
        `  +${d.after} ms ${d.by} ${d.verdict}s${d.twice ? ' twice' : ''}${d.again === null ? '' : `, delivered again ${d.again} ms later`}`,
    ),
    ...(extension === null
      ? []
      : [`  active +${extension.after} ms: ${extension.seconds}s more, ${extension.by} ${extension.verdict}s`]),
    ...(revoke === null ? [] : [`  ${revoke.early ? 'asked' : 'active'} +${revoke.after} ms: ${revoke.by} revokes`]),
    ...(edit === null ? [] : [`  bound +${edit.after} ms: the administrator does ${edit.what}`]),
    ...(change === null ? [] : [`  ${change.when} +${change.after} ms: ${change.what} of slot ${change.slot}`]),
    `faults of ${batch.name}: ${batch.faults.map(({ at, fault }) => `${at} ms ${JSON.stringify(fault)}`).join('; ') || 'none'}`,
  ];
}
