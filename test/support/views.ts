import type { View } from '../../src/app/ports/view.ts';
import { extensionDigest } from '../../src/domain/decide/extension.ts';
import { approvalsOf, type Grant } from '../../src/domain/grant/grant.ts';
import { shortDigest } from '../../src/domain/plan/plan.ts';
import { sampleGrant, samplePlan, samplePreview } from './grants.ts';

/** A plan with a workspace: it opens one connection. */
export const WORKSPACE_PLAN = samplePlan({
  network: {
    mode: 'workspace',
    image: 'registry.example.test/toolbox:1',
    command: ['sleep', '3600'],
    ports: [{ port: 8080, protocol: 'TCP' }],
    dns: 'none',
    selector: { matchLabels: { app: 'checkout' } },
    admits: true,
    hostAliases: [],
    strict: false,
    foreign: [],
  },
  preview: samplePreview({
    opens: [
      {
        from: { namespace: 'drawbridge-workspaces', kind: 'Workspace', name: 'new' },
        to: { namespace: 'staging', kind: 'Deployment', name: 'checkout' },
        ports: [{ protocol: 'TCP', from: 8080, to: 8080 }],
        reasons: [],
        pluginDependent: false,
      },
    ],
    closes: [],
    notes: ['Traffic from the node that a pod runs on is not governed.'],
  }),
});

/** What the Slack adapter renders: a pending request that nobody has decided on, unless the change says otherwise. */
export function sampleView(change: Partial<Grant> = {}, rest: Partial<View> = {}): View {
  const grant = sampleGrant({ id: 'g-7k3fq2', plan: WORKSPACE_PLAN, decisions: [], ...change });
  return {
    grant,
    description: 'Logs and a shell',
    approvers: { users: ['cy@example.test'], groups: ['S0SRE'], channels: ['C0ACCESS'] },
    naming: new Map(),
    selfApproval: false,
    steps: [],
    escalations: [],
    missing: Math.max(0, grant.approvalsNeeded - approvalsOf(grant).length),
    objects: ['Job staging/drawbridge-g-7k3fq2', 'RoleBinding staging/drawbridge-g-7k3fq2'],
    commands: grant.state === 'active' ? ['kubectl -n staging get pod checkout-1'] : [],
    closing: 'At the end the workspace is stopped.',
    digest: shortDigest(grant.extension === null ? grant.digest : extensionDigest(grant, grant.extension)),
    glass: null,
    kubeconfig: null,
    extendable: grant.state === 'active' ? 1800 : 0,
    ...rest,
  };
}
