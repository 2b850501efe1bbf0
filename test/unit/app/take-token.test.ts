import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { tokenSeconds } from '../../../src/adapters/kubernetes/cluster-access.ts';
import { tokenModal } from '../../../src/adapters/slack/surfaces/direct-messages/token.ts';
import { kubeconfigOf, TOKEN_PLACE } from '../../../src/app/inquire/kubeconfig.ts';
import { samplePlan } from '../../support/grants.ts';
import { sampleView } from '../../support/views.ts';

test('a token is for the window, but never for less than Kubernetes gives nor for more than the leash lets', () => {
  expect([1, 600_001, 1_800_500, 3_600_000, 86_400_000].map(tokenSeconds)).toEqual([600, 601, 1801, 3600, 3600]);
});

test('the kubeconfig is whole but for the token, and names the namespace where there is one', () => {
  const entrance = { server: 'https://kubernetes.example.test:6443', authority: 'Q0E=' };
  const plan = samplePlan({ credential: 'token' });
  const whole = parse(kubeconfigOf({ id: 'g-7k3fq2', plan, target: plan.target }, entrance) ?? '') as object;
  expect(whole).toMatchObject({
    'current-context': 'drawbridge-g-7k3fq2',
    clusters: [{ cluster: { server: entrance.server, 'certificate-authority-data': 'Q0E=' } }],
    users: [{ name: 'drawbridge-g-7k3fq2', user: { token: TOKEN_PLACE } }],
    contexts: [{ context: { cluster: 'drawbridge-g-7k3fq2', user: 'drawbridge-g-7k3fq2', namespace: 'staging' } }],
  });
  const wide = kubeconfigOf({ id: 'g-7k3fq2', plan, target: { scope: 'cluster' } }, { ...entrance, authority: null });
  expect(wide).not.toMatch(/namespace|certificate/);
  expect(kubeconfigOf({ id: 'g-7k3fq2', plan: samplePlan(), target: plan.target }, entrance)).toBeNull();
});

test('the token is in the modal whole, and nothing that stores or logs it finds it', () => {
  const jwt = `eyJ${'a'.repeat(1200)}.b-_c`;
  const taken = {
    view: sampleView(),
    token: { reveal: () => jwt, toJSON: () => '[secret]' },
    expiresAt: Date.UTC(2026, 0, 5, 10),
  };
  expect(JSON.stringify(tokenModal(taken))).toContain(jwt);
  expect(JSON.stringify(taken)).not.toContain(jwt);
});
