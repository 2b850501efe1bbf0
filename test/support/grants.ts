import { GRANT_VERSION, type Grant } from '../../src/domain/grant/grant.ts';
import { newGrantId } from '../../src/domain/ids.ts';
import type { Person } from '../../src/domain/people/people.ts';
import { digestOfPlan, type Plan, type Preview } from '../../src/domain/plan/plan.ts';

export const ADA: Person = { slackId: 'U0ADA', name: 'Ada', user: 'ada@example.test', groups: ['engineers'] };
export const BEN: Person = { slackId: 'U0BEN', name: 'Ben', user: 'ben@example.test', groups: ['engineers'] };

/** A preview that changes nothing, but for what a test says. */
export function samplePreview(change: Partial<Preview> = {}): Preview {
  return {
    asOf: Date.UTC(2026, 0, 5, 9),
    opens: [],
    closes: [],
    reaches: [],
    isolates: [],
    unlisted: { opens: 0, closes: 0, reaches: 0 },
    notes: [],
    ...change,
  };
}

/** A plan that a test changes as it needs: logs and exec on the pods of staging/deployment/checkout. */
export function samplePlan(change: Partial<Plan> = {}): Plan {
  return {
    user: ADA.user,
    groups: ADA.groups,
    profileName: 'debug',
    profileDigest: 'p'.repeat(64),
    cluster: '22222222-2222-4222-8222-222222222222',
    target: { namespace: 'staging', workload: { kind: 'Deployment', name: 'checkout' } },
    namespaceUid: '33333333-3333-4333-8333-333333333333',
    duration: 1800,
    role: null,
    roleMayGrow: false,
    rights: null,
    rules: [
      { apiGroups: [''], resources: ['pods', 'pods/log'], verbs: ['get'] },
      { apiGroups: [''], resources: ['pods/exec'], verbs: ['get', 'create'] },
    ],
    workload: {
      uid: '11111111-1111-4111-8111-111111111111',
      selector: { matchLabels: { app: 'checkout' } },
      labels: { app: 'checkout' },
    },
    pods: ['checkout-1'],
    network: { mode: 'none' },
    surroundings: { policies: [], isolation: [] },
    preview: samplePreview(),
    persistence: [],
    ...change,
  };
}

/** A grant of Ada's that Ben approved; pending unless the change says otherwise. */
export function sampleGrant(change: Partial<Grant> = {}): Grant {
  const plan = change.plan ?? samplePlan();
  const digest = digestOfPlan(plan);
  const now = Date.now();
  return {
    version: GRANT_VERSION,
    id: newGrantId(),
    revision: 0,
    state: 'pending',
    requester: ADA,
    profile: plan.profileName,
    cluster: null,
    target: plan.target,
    duration: plan.duration,
    reason: 'checkout returns 502',
    plan,
    digest,
    approvalsNeeded: 1,
    decisions: [{ by: BEN, verdict: 'approve', at: now, rule: 'profiles.debug.approvers', note: '', digest }],
    createdAt: now,
    pendingUntil: now + 3_600_000,
    startsAt: null,
    expiresAt: null,
    extension: null,
    extensionDenied: null,
    ending: null,
    endedAt: null,
    message: null,
    thread: null,
    pods: plan.pods,
    workspacePod: null,
    remarks: [],
    endTold: false,
    ...change,
  };
}

/** A grant whose window began now and lasts so many seconds. */
export function applyingGrant(seconds: number, change: Partial<Grant> = {}): Grant {
  const now = Date.now();
  return sampleGrant({
    state: 'applying',
    startsAt: now,
    expiresAt: now + seconds * 1000,
    duration: seconds,
    ...change,
  });
}
