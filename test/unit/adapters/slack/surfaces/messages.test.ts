import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ACTIONS, carried } from '../../../../../src/adapters/slack/surfaces/actions.ts';
import {
  approvalMessage,
  detailsModal,
  networkMessage,
  reviewMessage,
} from '../../../../../src/adapters/slack/surfaces/approval-message/message.ts';
import {
  accessMessage,
  helpMessage,
  listMessage,
  outcomeMessage,
  requestedMessage,
  statusMessage,
  whoMessage,
} from '../../../../../src/adapters/slack/surfaces/command/messages.ts';
import {
  alarmMessage,
  askMessage,
  directMessage,
  grantedMessage,
  stillTrue,
  threadMessage,
} from '../../../../../src/adapters/slack/surfaces/direct-messages/news.ts';
import type { Message } from '../../../../../src/adapters/slack/surfaces/text/blocks.ts';
import type { StepView, View } from '../../../../../src/app/ports/view.ts';
import { Refusal } from '../../../../../src/domain/errors.ts';
import { type Decision, GRANT_STATES, type Grant, type GrantState } from '../../../../../src/domain/grant/grant.ts';

import type { BastionPlan, Connection, ContainPlan, WorkspacePlan } from '../../../../../src/domain/plan/plan.ts';
import { ONLY_STEP } from '../../../../../src/domain/policy/policy.ts';
import { rulesOfKits } from '../../../../../src/domain/rights/kits.ts';
import {
  type Block,
  blockErrors,
  blocksText,
  controls,
  isTooLarge,
  LONGEST_BLOCKS,
  viewErrors,
} from '../../../../../src/sandbox/slack/blockkit.ts';
import { BEN, samplePlan, samplePreview } from '../../../../support/grants.ts';

import { sampleView, WORKSPACE_PLAN } from '../../../../support/views.ts';

const NOW = Date.UTC(2026, 0, 5, 9);
const ended = { startsAt: NOW, expiresAt: NOW + 1_800_000, endedAt: NOW + 1_801_000 };

const blocksOf = (message: Message): Block[] => message.blocks as unknown as Block[];
const textOf = (message: Message): string => blocksText(blocksOf(message));
const buttonsOf = (message: Message): string[] =>
  controls(blocksOf(message)).map(({ element }) => element.action_id ?? '');

/** Connections of other workloads to the target. */
const clients = (count: number, namespace: (i: number) => string = () => 'payments'): Connection[] =>
  Array.from({ length: count }, (_, i) => ({
    from: { namespace: namespace(i), kind: 'Deployment', name: `client-${i}` },
    to: { namespace: 'staging', kind: 'Deployment', name: 'checkout' },
    ports: [{ protocol: 'TCP', from: 8080, to: 8080 }],
    reasons: ['ingress: isolated by staging/drawbridge-x, and no policy allows it'],
    pluginDependent: false,
  }));

/** Everything that is ever said of a grant, whatever its state. */
function everything(view: View, words = ''): Message[] {
  return [
    approvalMessage(view),
    reviewMessage(view, words),
    statusMessage(view),
    statusMessage(view, { kind: 'changed', view }),
    statusMessage(view, { kind: 'refused', refusal: new Refusal(words, words, words) }),
    networkMessage(view, 0),
    networkMessage(view, 1000),
    requestedMessage({ ...view, missed: words, isAgain: false }),
    requestedMessage({ ...view, missed: null, isAgain: true }, words),
    outcomeMessage(view, 'Done.'),
    listMessage({ mine: [view], waiting: [view], more: false }),
    whoMessage({ namespace: words || 'staging' }, [view.grant]),
    accessMessage(view.grant),
    grantedMessage(view),
    ...(['reminder', 'asked-again', 'extension', 'extension-answer'] as const).map((news) => threadMessage(view, news)),
    ...(
      [
        'denied',
        'cancelled',
        'timed-out',
        'warning',
        'extended',
        'not-extended',
        'extension-denied',
        'pods',
        'ended',
      ] as const
    ).map((news) => directMessage(view, news)),
    askMessage(view, { path: '', word: 'users', id: words }, null),
    askMessage(view, { path: '', word: 'groups', id: 'S0SRE' }, 'https://slack.example.test/archives/C0ACCESS/p1'),
    alarmMessage(view.grant.id, words || 'x'),
    helpMessage(null, words),
  ];
}

/** The text objects that Slack reads as markup, and the notification. */
function markupOf(message: Message): string[] {
  const found: string[] = [message.text];
  const walk = (value: unknown): void => {
    if (Array.isArray(value)) for (const item of value) walk(item);
    else if (value !== null && typeof value === 'object') {
      if ('type' in value && value.type === 'mrkdwn' && 'text' in value) found.push(String(value.text));
      for (const member of Object.values(value)) walk(member);
    }
  };
  walk(message.blocks);
  return found;
}

describe('an approval message', () => {
  it('folds nothing that is decided on under "see more"', () => {
    const { blocks } = approvalMessage(sampleView());
    const texts = blocks.filter((block) => block.type === 'section' && block.text !== undefined);
    expect(texts.length).toBeGreaterThan(3);
    for (const block of texts) expect(block).toMatchObject({ expand: true });
  });

  it('says who, what, where, how long, why, and what it opens', () => {
    const text = textOf(approvalMessage(sampleView()));
    for (const part of [
      '<@U0ADA> (`ada@example.test`)',
      '30m',
      '`staging/deployment/checkout`',
      '`get, create: pods/exec`',
      '“checkout returns 502”',
      'Opens 1, closes 0',
      '*Opens*, from `drawbridge-workspaces/workspace/new` to:\n```\n+ staging/deployment/checkout 8080/TCP',
      'Traffic from the node',
      '`Logs and a shell`',
      '*1 approval needed*, from <!subteam^S0SRE>, members of <#C0ACCESS>, `cy@example.test`',
    ])
      expect(text).toContain(part);
  });

  describe('of a mode that finds nothing to do', () => {
    const selector = { matchLabels: { app: 'checkout' } };
    const contain: ContainPlan = {
      mode: 'contain',
      selector,
      to: [],
      dns: 'none',
      applies: false,
      strict: false,
      foreign: [],
    };
    const bastion: BastionPlan = { mode: 'bastion', selector, ports: [], from: [], admits: false };
    const nothing = samplePreview({});

    it.each([
      [contain, 'No policy is added: the pods are isolated for egress already'],
      [bastion, 'The target is reachable already: nothing isolates it, and nothing is opened'],
    ])('says so, and counts nothing: %#', (network, words) => {
      const plan = samplePlan({ network, preview: nothing });
      const asked = textOf(approvalMessage(sampleView({ plan })));
      expect(asked).toContain(words);
      expect(asked).not.toContain('Opens 0');
      const over = textOf(approvalMessage(sampleView({ plan, state: 'expired', ...ended })));
      expect(over).toContain('Network: nothing was changed.');
      expect(over).not.toMatch(/lifted|closed/);
    });

    it('says what has been lifted where something was', () => {
      const plan = samplePlan({ network: { ...contain, applies: true }, preview: nothing });
      const ending = {
        cause: 'expired',
        since: NOW,
        by: null,
        note: '',
        rightsGoneAt: NOW,
        policyGoneAt: NOW,
        workspaceGoneAt: null,
      } as const;
      expect(textOf(approvalMessage(sampleView({ plan, state: 'expired', ...ended, ending })))).toContain(
        'containment lifted',
      );
    });
  });

  it('has buttons that carry the id and the digest of what is shown', () => {
    const view = sampleView();
    expect(buttonsOf(approvalMessage(view))).toEqual([
      ACTIONS.showAll,
      ACTIONS.approve,
      ACTIONS.change,
      ACTIONS.deny,
      ACTIONS.details,
    ]);
    for (const { element } of controls(blocksOf(approvalMessage(view))))
      expect(carried(element.value)).toEqual({ id: 'g-7k3fq2', digest: view.digest, note: '' });
  });

  it('names what closes before what opens, in few lines, and the rest behind a button', () => {
    const closes = clients(30, (i) => `team-${i}`);
    const preview = { ...WORKSPACE_PLAN.preview, closes };
    const message = approvalMessage(sampleView({ plan: { ...WORKSPACE_PLAN, preview } }));
    const text = textOf(message);
    expect(text).toContain('Opens 1, closes 30');
    expect(text.indexOf('*Closes*')).toBeLessThan(text.indexOf('*Opens*'));
    expect(text.split('\n').filter((line) => /^[-+] /.test(line))).toHaveLength(4);
    expect(text).toContain('… and 27 more');
    expect(buttonsOf(message)).toContain(ACTIONS.showAll);
  });

  it('has nothing to show all of when the network stays as it is', () => {
    const plan = samplePlan({ preview: { ...WORKSPACE_PLAN.preview, opens: [] } });
    expect(buttonsOf(approvalMessage(sampleView({ plan })))).toEqual([
      ACTIONS.approve,
      ACTIONS.change,
      ACTIONS.deny,
      ACTIONS.details,
    ]);
  });

  it('asks for a word more where approving acknowledges closed connections or rights that outlive the grant', () => {
    const plan = { ...WORKSPACE_PLAN, persistence: ['reads secrets'] };
    const message = approvalMessage(sampleView({ plan }));
    expect(textOf(message)).toContain(
      'acknowledges that it gives rights by which access can outlive the grant: reads secrets',
    );
    const approve = (of: Message) =>
      controls(blocksOf(of)).find(({ element }) => element.action_id === ACTIONS.approve);
    expect(approve(message)?.element.confirm?.text.text).toContain('reads secrets');
    expect(approve(approvalMessage(sampleView()))?.element.confirm).toBeUndefined();
  });

  it('leaves out nothing that the modal behind Details does not have', () => {
    const details = detailsModal(sampleView());
    expect(viewErrors(details)).toEqual([]);
    const text = blocksText(details.blocks as unknown as Block[]);
    for (const part of [
      'get, create: pods/exec',
      'Job, RoleBinding in `staging`',
      'Job staging/drawbridge-g-7k3fq2',
      'At the end the workspace is stopped.',
      '+ staging/deployment/checkout 8080/TCP',
    ])
      expect(text).toContain(part);
  });

  it('names what is worst first, and never cuts it, be it much: the question of the button counts it', () => {
    const persistence = Array.from({ length: 12 }, (_, i) => `gives rights number ${i} that are long to say`);
    const preview = { ...WORKSPACE_PLAN.preview, closes: clients(3), isolates: ['staging/deployment/checkout'] };
    const message = approvalMessage(sampleView({ plan: { ...WORKSPACE_PLAN, persistence, preview } }));
    const text = textOf(message);
    for (const one of persistence) expect(text).toContain(one);
    expect(text.indexOf('outlive the grant')).toBeLessThan(text.indexOf('isolates live pods'));
    expect(text.indexOf('isolates live pods')).toBeLessThan(text.indexOf('closes 3 connections'));
    const approve = controls(blocksOf(message)).find(({ element }) => element.action_id === ACTIONS.approve);
    expect(approve?.element.confirm?.text.text).toBe(
      'You acknowledge that it gives 12 rights by which access can outlive the grant; it isolates 1 workload for the first time; it closes 3 connections: all of it stands in the message.',
    );
  });

  it('says that it is asked again when what was approved was another plan', () => {
    const decision = { by: BEN, verdict: 'approve', at: NOW, rule: 'r', note: '', digest: 'f'.repeat(64) } as const;
    const text = textOf(approvalMessage(sampleView({ decisions: [decision] })));
    expect(text).toContain('Asked again: the plan has changed');
    expect(text).toContain('1 approval needed');
    expect(textOf(approvalMessage(sampleView()))).not.toContain('Asked again');
  });

  it.each<[GrantState, string[]]>([
    ['pending', [ACTIONS.showAll, ACTIONS.approve, ACTIONS.change, ACTIONS.deny]],
    ['approved', [ACTIONS.revoke]],
    ['applying', [ACTIONS.revoke]],
    ['active', [ACTIONS.revoke]],
    ['ending', []],
    ['denied', []],
    ['cancelled', []],
    ['timed-out', []],
    ['expired', []],
    ['revoked', []],
    ['failed', []],
  ])('offers in state %s only what can be done: %j', (state, buttons) => {
    expect(buttonsOf(approvalMessage(sampleView({ state, ...ended })))).toEqual([...buttons, ACTIONS.details]);
  });

  it('offers the decision on a longer window, with a digest of its own', () => {
    const extension = { duration: 600, askedAt: NOW, asks: 1, replaces: null, approvals: [] };
    const view = sampleView({ state: 'active', ...ended, endedAt: null, extension });
    const message = approvalMessage(view);
    expect(buttonsOf(message)).toEqual([
      ACTIONS.showAll,
      ACTIONS.approveExtension,
      ACTIONS.denyExtension,
      ACTIONS.revoke,
      ACTIONS.details,
    ]);
    const approving = controls(blocksOf(message)).find(({ element }) => element.action_id === ACTIONS.approveExtension);
    expect(carried(approving?.element.value).digest).toBe(view.digest);
    expect(view.digest).not.toBe(view.grant.digest.slice(0, 12));
    expect(textOf(message)).toContain('10m more');
    // What it prolongs.
    expect(textOf(message)).toContain('Opens 1, closes 0');
    expect(textOf(message)).not.toContain('instead of');
  });

  it('says that a longer window is asked for in the place of another', () => {
    const extension = { duration: 600, askedAt: NOW, asks: 2, replaces: 1800, approvals: [] };
    const view = sampleView({ state: 'active', ...ended, endedAt: null, extension });
    expect(textOf(approvalMessage(view))).toContain('instead of the 30m asked for before');
    expect(textOf(threadMessage(view, 'extension'))).toContain('10m more, instead of the 30m asked for before.');
  });

  it('tells everybody who knows of a longer window why it was denied', () => {
    const by = { slackId: 'U0BEN', name: 'Ben', user: 'ben@example.test', groups: [] };
    const denial = { by, verdict: 'deny', at: NOW, rule: 'x', digest: 'x' } as const;
    const noted = sampleView({
      state: 'active',
      ...ended,
      endedAt: null,
      extensionDenied: { ...denial, note: 'the incident is over' },
    });
    for (const message of [directMessage(noted, 'extension-denied'), threadMessage(noted, 'extension-answer')]) {
      expect(textOf(message)).toContain('The longer window was denied by <@U0BEN>');
      expect(textOf(message)).toContain('“the incident is over”');
      expect(textOf(message)).not.toContain('<!subteam^');
    }
    expect(textOf(approvalMessage(noted))).toContain(
      'ben@example.test, who denied a longer window: “the incident is over”',
    );
    const silent = sampleView({ state: 'active', ...ended, endedAt: null, extensionDenied: { ...denial, note: '' } });
    for (const message of [directMessage(silent, 'extension-denied'), threadMessage(silent, 'extension-answer')])
      expect(textOf(message)).not.toContain('“');
    expect(textOf(approvalMessage(silent))).not.toContain('who denied');
  });

  it('mentions the approvers only while they are needed', () => {
    for (const state of GRANT_STATES)
      expect(textOf(approvalMessage(sampleView({ state, ...ended }))).includes('<!subteam^')).toBe(state === 'pending');
  });
});

describe('words', () => {
  it('say "revoked" of nothing but state revoked, and of an ending that it is not confirmed', () => {
    for (const state of GRANT_STATES) {
      const ending = {
        cause: 'revoked',
        since: NOW,
        by: BEN,
        note: '',
        rightsGoneAt: null,
        policyGoneAt: null,
        workspaceGoneAt: null,
      } as const;
      const view = sampleView({ state, ...ended, ending });
      const text = everything(view)
        .filter((m) => !/Help|needs a person/.test(m.text))
        .map((m) => `${m.text}\n${textOf(m)}`)
        .join('\n');
      expect(/\brevoked\b/i.test(text)).toBe(state === 'revoked');
    }
    const text = textOf(approvalMessage(sampleView({ state: 'ending', ...ended, endedAt: null })));
    expect(text).toContain('not confirmed yet');
  });

  it('show remarks, and notes with who wrote them', () => {
    const text = textOf(
      approvalMessage(
        sampleView({
          state: 'revoked',
          ...ended,
          remarks: ['Ended 12 s late.'],
          ending: {
            cause: 'revoked',
            since: NOW,
            by: BEN,
            note: 'all done',
            rightsGoneAt: null,
            policyGoneAt: null,
            workspaceGoneAt: null,
          },
        }),
      ),
    );
    expect(text).toContain('Ended 12 s late.');
    expect(text).toContain('ben@example.test: “all done”');
    expect(text).toContain('Revoked by <@U0BEN>');
  });

  it('of a policy that approved by itself name its rule', () => {
    const view = sampleView({ state: 'active', ...ended, approvalsNeeded: 0 });
    const decision = {
      by: null,
      verdict: 'approve',
      at: NOW,
      rule: 'profiles.debug.automatic',
      note: '',
      digest: view.grant.digest,
    } as const;
    const text = textOf(approvalMessage(sampleView({ ...view.grant, decisions: [decision] })));
    expect(text).toContain('Approved automatically: `profiles.debug.automatic`.');
  });

  it('that the policy is about to approve by itself ask nobody', () => {
    const text = textOf(approvalMessage(sampleView({ state: 'pending', decisions: [], approvalsNeeded: 0 })));
    expect(text).toContain('*Nobody has to approve this.* Nothing has been opened yet.');
    expect(text).not.toMatch(/approvals? needed|Approve|Deny/);
  });
});

describe('a request through steps', () => {
  const CY = { ...BEN, slackId: 'U0CY', name: 'Cy', user: 'cy@example.test' };
  const people = (group: string) => ({ users: [], groups: [group], channels: [] });
  const digest = sampleView().grant.digest;
  const approval: Decision = { by: BEN, verdict: 'approve', at: NOW, rule: 'r', note: '', digest, steps: ['owner'] };
  const step = (name: string, state: StepView['state'], change: Partial<StepView> = {}): StepView => ({
    name,
    state,
    people: people(`S0${name.toUpperCase()}`),
    count: 1,
    approvals: [],
    because: '',
    ...change,
  });
  const steps = [
    step('owner', 'complete', { approvals: [approval] }),
    step('security', 'asked', { count: 2 }),
    step('cost', 'waits'),
    step('data', 'waived', { because: 'up to 15m, in <staging>' }),
  ];
  const grant: Partial<Grant> = {
    approvalsNeeded: 4,
    decisions: [approval],
    waived: [{ name: 'data', because: 'up to 15m, in <staging>' }],
  };
  const view = sampleView(grant, { steps, missing: 3, approvers: people('S0SECURITY') });

  it('says of each who decides it, how many, who has, and why one is not needed', () => {
    for (const message of [approvalMessage(view), statusMessage(view)]) {
      expect(blockErrors(blocksOf(message), 50)).toEqual([]);
      const text = textOf(message);
      for (const line of [
        '*3 approvals needed*, not from whoever asks. Times out',
        '✅ `owner` 1 of 1: <@U0BEN> (`ben@example.test`)\n',
        '`security` 0 of 2, from <!subteam^S0SECURITY>\n',
        '`cost` 0 of 1, from <!subteam^S0COST>, when the step before it is complete\n',
        '`data` is not needed: `up to 15m, in &lt;staging&gt;`',
      ])
        expect(text).toContain(line);
    }
  });

  it('keeps to what Slack takes, however many people decide', () => {
    const many = { users: [], channels: [], groups: Array.from({ length: 200 }, (_, i) => `S0GROUP${i}`) };
    const long = Array.from({ length: 10 }, (_, i) => step(`s${i}`.padEnd(63, 'x'), 'asked', { people: many }));
    const message = approvalMessage(sampleView({ approvalsNeeded: 10 }, { steps: long, approvers: many }));
    expect(blockErrors(blocksOf(message), 50)).toEqual([]);
    expect(JSON.stringify(message.blocks).length).toBeLessThanOrEqual(LONGEST_BLOCKS);
  });

  it('names in the thread the step that is asked, and after a while whoever may decide it, too', () => {
    const next = textOf(threadMessage(view, 'step'));
    expect(next).toContain('Now asked: `security`');
    expect(next).toContain('<!subteam^S0SECURITY>');
    const escalations = [{ key: 'security.0.1', step: 'security', people: people('S0CALL'), at: NOW }];
    const more = textOf(threadMessage({ ...view, escalations }, 'escalated'));
    expect(more).toContain('more people may now: `security`');
    expect(more).toContain('<!subteam^S0CALL>');
    expect(more).not.toContain('S0SECURITY');
  });

  it('says afterwards who approved which, and which was not needed', () => {
    const security: Decision = { ...approval, by: CY, steps: ['security'] };
    const done = [
      step('owner', 'complete', { approvals: [approval] }),
      step('security', 'complete', { approvals: [security] }),
      steps[3]!,
    ];
    const active = sampleView(
      { ...grant, ...ended, state: 'active', decisions: [approval, security] },
      { steps: done },
    );
    expect(textOf(approvalMessage(active))).toContain(
      'Approved by <@U0BEN> (`ben@example.test`) for `owner`, <@U0CY> (`cy@example.test`) for `security`. `data` is not needed',
    );
    expect(textOf(approvalMessage(active))).not.toContain('▶');
  });

  it('of one step of the approvers says it in one line, as ever', () => {
    const one = sampleView({}, { steps: [step(ONLY_STEP, 'asked')] });
    expect(textOf(approvalMessage(one))).toContain('*1 approval needed*, from <!subteam^S0SRE>');
    expect(textOf(approvalMessage(one))).not.toContain('0 of 1');
  });
});

describe('a plan of which something bound has changed', () => {
  const remarks = ['The plan has changed since it was shown: asked again.', 'policy staging/allow-web was changed'];
  const view = sampleView({ remarks });

  it('is asked again in the message and its thread, with what differs since it was shown', () => {
    for (const message of [approvalMessage(view), threadMessage(view, 'asked-again')]) {
      expect(textOf(message)).toContain('since it was shown');
      expect(textOf(message)).toContain('policy staging/allow-web was changed');
    }
    expect(textOf(threadMessage(view, 'asked-again'))).not.toContain('since it was approved');
    expect(textOf(threadMessage(view, 'reminder'))).not.toContain('allow-web');
  });

  it('is looked at with what differs', () => {
    const other = sampleView({ plan: { ...WORKSPACE_PLAN, duration: 60 } });
    expect(textOf(statusMessage(view, { kind: 'changed', view: other }))).toContain('how long: was 30m, is 1m');
  });

  it('is shown with the connections as of the time when the cluster was read', () => {
    expect(textOf(approvalMessage(view))).toMatch(/Network, as of\* <!date\^\d+\^/);
  });
});

describe('direct messages', () => {
  const workspaceWith = (hostAliases: WorkspacePlan['hostAliases']) => {
    const { network } = WORKSPACE_PLAN;
    if (network.mode !== 'workspace') throw new Error('another mode');
    return directMessage(
      sampleView({
        state: 'active',
        ...ended,
        endedAt: null,
        plan: { ...WORKSPACE_PLAN, network: { ...network, hostAliases } },
      }),
      'granted',
    );
  };

  it('say how to reach the target from the workspace: by the port of its Service, else by that of its pods', () => {
    const hostnames = ['checkout', 'checkout.staging'];
    const arrives = { dialled: 80, port: 8080, protocol: 'TCP' } as const;
    const dialled = textOf(workspaceWith([{ ip: '10.1.0.9', hostnames, ports: [arrives] }]));
    expect(dialled).toContain('*From the workspace* dial `checkout:80` (arrives on 8080)');
    expect(dialled).not.toContain('checkout:8080');
    expect(textOf(workspaceWith([{ ip: '10.0.0.1', hostnames }]))).toContain('dial `checkout:8080`');
    const dns = { dialled: 53, port: 53, protocol: 'UDP' } as const;
    expect(textOf(workspaceWith([{ ip: '10.1.0.9', hostnames, ports: [dns] }]))).toContain('dial `checkout:53/UDP`');
  });

  it('tell what to run and offer to end it, while it is there', () => {
    const message = directMessage(sampleView({ state: 'active', ...ended, endedAt: null }), 'granted');
    expect(textOf(message)).toContain('kubectl -n staging get pod checkout-1');
    expect(buttonsOf(message)).toEqual([ACTIONS.extend, ACTIONS.extendMore, ACTIONS.revoke]);
    expect(textOf(message)).toContain('*From the workspace* dial port 8080/TCP of the target');
    expect(buttonsOf(grantedMessage(sampleView({ state: 'expired', ...ended })))).toEqual([]);
  });

  it('offer Extend only when it can be extended', () => {
    const active = { state: 'active', ...ended, endedAt: null } as const;
    expect(buttonsOf(directMessage(sampleView(active), 'warning'))).toEqual([
      ACTIONS.extend,
      ACTIONS.extendMore,
      ACTIONS.revoke,
    ]);
    const lengths = (extendable: number) =>
      controls(blocksOf(directMessage(sampleView(active, { extendable }), 'warning'))).flatMap(
        ({ element }) => carried(element.value).seconds ?? [],
      );
    expect(lengths(600)).toEqual([600]);
    expect(lengths(1800)).toEqual([900, 1800]);
    expect(lengths(7200)).toEqual([900, 1800, 7200]);
    expect(buttonsOf(directMessage(sampleView(active, { extendable: 0 }), 'warning'))).toEqual([ACTIONS.revoke]);
  });

  it.each([
    ['granted', 'expired', false],
    ['granted', 'active', true],
    ['warning', 'ending', false],
    ['ended', 'ending', false],
    ['ended', 'revoked', true],
    ['reminder', 'denied', false],
    ['asked-again', 'approved', false],
    ['message', 'failed', true],
  ] as const)('%s of a grant that is %s: told %s', (news, state, told) => {
    expect(stillTrue(sampleView({ state }).grant, news)).toBe(told);
  });
});

describe('lists', () => {
  it('let people look before they decide', () => {
    expect(buttonsOf(listMessage({ mine: [], waiting: [sampleView()], more: false }))).toEqual([ACTIONS.look]);
  });

  it('say when more may wait than were looked at', () => {
    const title = (more: boolean) => listMessage({ mine: [], waiting: [sampleView()], more }).text;
    expect([title(false), title(true)]).toEqual([
      '0 of yours, 1 waiting for you',
      '0 of yours, 1 or more waiting for you',
    ]);
  });

  it('say how many they leave out', () => {
    const many = Array.from({ length: 60 }, () => sampleView({ state: 'active', ...ended }));
    expect(textOf(listMessage({ mine: many, waiting: many, more: false }))).toContain('… and 50 more');
    expect(
      textOf(
        whoMessage(
          { namespace: 'staging' },
          many.map(({ grant }) => grant),
        ),
      ),
    ).toContain('… and 20 more');
  });
});

describe('what everybody may know', () => {
  it('is who has access where, and until when: nothing that was typed, planned or decided', () => {
    const { grant } = sampleView({ state: 'active', ...ended, reason: 'TYPED reason', remarks: ['TYPED remark'] });
    for (const message of [accessMessage(grant), whoMessage({ namespace: 'staging' }, [grant])]) {
      const text = textOf(message);
      expect(text).toContain(grant.id);
      expect(text).toContain(grant.requester.user);
      expect(text).toContain('staging/deployment/checkout');
      expect(text).toMatch(/active until/);
      expect(text).not.toMatch(/TYPED|kubectl|Opens|ben@example/);
      expect(buttonsOf(message)).toEqual([]);
    }
  });
});

describe('a review', () => {
  it('shows the plan to one person, with buttons that carry the note', () => {
    const message = reviewMessage(sampleView(), 'for the incident');
    expect(textOf(message)).toContain('Opens 1, closes 0');
    expect(textOf(message)).toContain('Your note: “for the incident”');
    const approve = controls(blocksOf(message)).find(({ element }) => element.action_id === ACTIONS.approve);
    expect(carried(approve?.element.value).note).toBe('for the incident');
  });

  it('of what needs no decision has no decision buttons', () => {
    expect(buttonsOf(reviewMessage(sampleView({ state: 'expired', ...ended }), ''))).toEqual([ACTIONS.showAll]);
  });
});

describe('the status of a request that waits', () => {
  const view = sampleView();
  const other = sampleView({
    plan: { ...WORKSPACE_PLAN, preview: { ...WORKSPACE_PLAN.preview, closes: clients(12) } },
  });

  it('says that the plan was read anew and is the one that approvers see', () => {
    const text = textOf(statusMessage(view, { kind: 'same' }));
    expect(text).toContain('the plan is the one that the approvers see');
    expect(text).toContain('Opens 1, closes 0');
  });

  it('shows the plan as it is now when it is another, whole, and what approving will do', () => {
    const message = statusMessage(view, { kind: 'changed', view: other });
    expect(textOf(message)).toContain('Approving will ask again');
    expect(textOf(message)).toContain('Opens 1, closes 12');
    expect(textOf(message)).toContain('- payments/deployment/client-11 8080/TCP');
    // The button shows what is on record: here that would be another plan.
    expect(buttonsOf(message)).not.toContain(ACTIONS.showAll);
  });

  it('says why it would be refused now, and when it is not known', () => {
    const refusal = new Refusal('target', 'There is no checkout.', 'Use `/jit list`.');
    const text = textOf(statusMessage(view, { kind: 'refused', refusal }));
    expect(text).toContain('Approving would be refused now: There is no checkout. Use /jit list.');
    expect(text).toContain('Opens 1, closes 0');
    expect(textOf(statusMessage(view, { kind: 'unknown' }))).toContain('could not be made anew');
  });

  it('of a grant that was decided on says what was approved, and nothing of now', () => {
    const text = textOf(statusMessage(sampleView({ state: 'active', ...ended, endedAt: null }), null));
    expect(text).toContain('Opens 1, closes 0');
    expect(text).not.toMatch(/anew|Approving/);
  });
});

describe('all connections of a plan', () => {
  it('are shown with the policies that are the reason', () => {
    const [opened] = WORKSPACE_PLAN.preview.opens;
    if (opened === undefined) throw new Error('nothing is opened');
    const opens = [{ ...opened, reasons: ['egress: allowed by staging/drawbridge-x', 'ingress: not isolated'] }];
    const view = sampleView({ plan: { ...WORKSPACE_PLAN, preview: { ...WORKSPACE_PLAN.preview, opens } } });
    const text = textOf(networkMessage(view, 0));
    expect(text).toContain('+ drawbridge-workspaces/workspace/new → staging/deployment/checkout 8080/TCP');
    expect(text).toContain('↳ egress: allowed by staging/drawbridge-x\n↳ ingress: not isolated');
    expect(buttonsOf(networkMessage(view, 0))).toEqual([]);
  });

  it('are turned page by page, each once, and begin again after the last', () => {
    const closes = clients(400);
    const view = sampleView({ plan: { ...WORKSPACE_PLAN, preview: { ...WORKSPACE_PLAN.preview, closes } } });
    const seen: string[] = [];
    let page = 0;
    do {
      const message = networkMessage(view, page);
      expect(blockErrors(message.blocks, 50)).toEqual([]);
      expect(JSON.stringify(message.blocks).length).toBeLessThan(LONGEST_BLOCKS);
      for (const [, from = ''] of textOf(message).matchAll(/^- (\S+) →/gm)) seen.push(from);
      page = carried(controls(blocksOf(message))[0]?.element.value).page ?? -1;
    } while (page > 0);
    expect(page).toBe(0);
    expect(seen).toEqual(closes.map(({ from }) => ('name' in from ? `payments/deployment/${from.name}` : '')));
    // A button of a plan that was longer leads to the last page.
    expect(textOf(networkMessage(view, 5000))).toContain('client-399 →');
  });
});

describe('help', () => {
  it('names the problem first, and shows an example', () => {
    const text = textOf(helpMessage('extend', "'30' is not a duration"));
    expect(text.startsWith("'30' is not a duration")).toBe(true);
    expect(text).toContain('/jit extend g-7k3fq2 30m');
  });
});

const hostile = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 60 }),
  fc.constantFrom(
    '<!channel>',
    '<@U0BEN> approved',
    '<https://evil.test|Approve>',
    '*bold* _it_ ~no~',
    '`code` ```block```',
    ':ok:',
    '&lt;!here&gt;',
    '> quote',
    '\u202e\u200b',
    'a\n*Approved by* <@U0BEN>',
    'x'.repeat(10_000),
  ),
);

/** A grant in which everything that anybody can word is hostile. */
const hostileView = fc
  .record({
    word: hostile,
    other: hostile,
    state: fc.constantFrom(...GRANT_STATES),
    many: fc.integer({ min: 0, max: 60 }),
  })
  .map(({ word, other, state, many }) => {
    const somebody = { slackId: word, name: other, user: word, groups: [other] };
    const decision = (verdict: 'approve' | 'deny') =>
      ({ by: somebody, verdict, at: NOW, rule: word, note: other, digest: 'a'.repeat(64) }) as const;
    const place = { namespace: word, kind: other, name: word };
    const connection = {
      from: place,
      to: { cidr: other },
      ports: [{ protocol: word, from: 1, to: 65_535 }],
      reasons: [word],
      pluginDependent: true,
    };
    const grant: Partial<Grant> = {
      state,
      requester: somebody,
      profile: word,
      target: { namespace: word, workload: { kind: 'Deployment', name: other } },
      reason: other,
      digest: 'a'.repeat(64),
      decisions: [decision('approve'), decision('deny')],
      extension: { duration: 600, askedAt: NOW, asks: 1, replaces: 300, approvals: [decision('approve')] },
      extensionDenied: decision('deny'),
      ending: {
        cause: 'revoked',
        since: NOW,
        by: somebody,
        note: word,
        rightsGoneAt: null,
        policyGoneAt: null,
        workspaceGoneAt: null,
      },
      remarks: Array.from({ length: many }, () => word),
      pods: Array.from({ length: many }, () => other),
      ...ended,
      plan: {
        ...WORKSPACE_PLAN,
        user: word,
        groups: [other],
        rules: Array.from({ length: many }, () => ({
          apiGroups: [word],
          resources: [other],
          verbs: [word],
          resourceNames: [other],
        })),
        role: { kind: 'ClusterRole', name: word },
        persistence: [word, other],
        preview: samplePreview({
          opens: Array.from({ length: many }, () => connection),
          closes: Array.from({ length: many }, () => connection),
          notes: Array.from({ length: many }, () => other),
        }),
      },
    };
    const list = Array.from({ length: many }, () => word);
    return {
      word,
      view: sampleView(grant, {
        approvers: { users: [word, `${word}2`], groups: [], channels: [] },
        naming: new Map([[`${word}2`, { words: other, call: [word] }]]),
        objects: list,
        commands: list,
        closing: word,
        description: other,
      }),
    };
  });

describe('hostile text', () => {
  it('never mentions, links or formats, and never breaks a limit of Slack', () => {
    fc.assert(
      fc.property(hostileView, ({ view, word }) => {
        const posted = JSON.stringify(approvalMessage(view).blocks).length;
        expect(posted).toBeLessThan(LONGEST_BLOCKS);
        const modal = detailsModal(view);
        expect(viewErrors(modal)).toEqual([]);
        expect(isTooLarge(modal)).toBe(false);
        for (const message of everything(view, word)) {
          for (const markup of markupOf(message)) {
            // What is left of Slack's own syntax is ours: dates, the group of the policy, the link to the message.
            const dates = /<!date\^\d+\^[^|<>]*\|[^<>]*>/g;
            const named =
              /<!subteam\^S0SRE>|<https:\/\/slack\.example\.test\/archives\/C0ACCESS\/p1\|Open the request>/g;
            expect(markup.replace(dates, '').replace(named, '')).not.toMatch(/[<>]/);
            // Outside of code there is nothing of theirs.
            const ours = markup.replace(/```[^`]*```|`[^`]*`/g, '');
            if (markup !== message.text) expect(ours).not.toMatch(/evil|_it_|~no~|:ok:/);
          }
          expect(blockErrors(message.blocks, 50)).toEqual([]);
          expect(message.text.length).toBeGreaterThan(0);
          expect(message.text.length).toBeLessThan(4000);
        }
      }),
      { numRuns: 60 },
    );
  }, 60_000);

  it('stands in the message as plain text, to the letter', () => {
    const message = approvalMessage(sampleView({ reason: '<!channel> *now* <https://evil.test|docs>' }));
    const plainTexts = blocksOf(message)
      .map((block) => block.text)
      .filter((text) => text?.type === 'plain_text');
    expect(plainTexts.map((text) => text?.text)).toContain('“<!channel> *now* <https://evil.test|docs>”');
  });
});

describe('who may decide', () => {
  const approvers = {
    users: ['ada@example.test', 'cy@example.test', 'dee@example.test'],
    groups: ['S0SRE'],
    channels: [],
  };
  const line = (naming: View['naming']) =>
    /approval.*? needed\*, from (.*?), not from whoever asks\. /.exec(
      textOf(approvalMessage(sampleView({}, { approvers, naming }))),
    )?.[1];

  it.each<[string, View['naming'], string]>([
    ['as the policy has it', new Map(), '<!subteam^S0SRE>, `cy@example.test`, `dee@example.test`'],
    [
      'by mentions where they are called',
      new Map([['cy@example.test', { words: null, call: ['U0CY'] }]]),
      '<!subteam^S0SRE>, <@U0CY>, `dee@example.test`',
    ],
    [
      'by words where they are quiet, and without who may not',
      new Map([
        ['S0SRE', { words: '@sre', call: ['U0BEN', 'U0EVE'] }],
        ['cy@example.test', { words: 'cy@example.test', call: [] }],
        ['dee@example.test', { words: null, call: [] }],
      ]),
      '`@sre` (<@U0BEN> <@U0EVE>), `cy@example.test`',
    ],
    [
      'as code where it is none of Slack',
      new Map([['S0SRE', { words: '<!here>', call: ['<!channel>'] }]]),
      '`&lt;!here&gt;` (`&lt;!channel&gt;`), `cy@example.test`, `dee@example.test`',
    ],
  ])('is said %s, never with who asks', (_how, naming, expected) => expect(line(naming)).toBe(expected));

  it('is not said of whoever asks where they may, or are in no list', () => {
    const text = (lists: Partial<typeof approvers>, selfApproval: boolean) =>
      textOf(approvalMessage(sampleView({}, { approvers: { ...approvers, ...lists }, selfApproval })));
    expect(text({}, true)).not.toContain('whoever asks');
    expect(text({ groups: [] }, false)).not.toContain('whoever asks');
    expect(text({ groups: [], channels: ['C0ENG'] } as never, false)).toContain(
      'members of <#C0ENG>, `cy@example.test`, `dee@example.test`, not from whoever asks',
    );
  });

  it('is said with the members of a channel who are called', () => {
    const naming = new Map([['C0ENG', { words: 'C0ENG', call: ['U0CY'] }]]);
    const view = sampleView({}, { approvers: { users: [], groups: [], channels: ['C0ENG'] }, naming });
    expect(textOf(approvalMessage(view))).toContain('from members of <#C0ENG> (<@U0CY>), not from whoever asks');
  });

  it('is as many as a message takes', () => {
    const users = Array.from({ length: 1000 }, (_, i) => `n${i}@example.test`);
    const all = { words: '@sre', call: Array.from({ length: 20 }, (_, i) => `U0N${i}ABCDEFGHIJKLM`) };
    const view = sampleView({}, { approvers: { ...approvers, users }, naming: new Map([['S0SRE', all]]) });
    expect(blockErrors(blocksOf(approvalMessage(view)), 50)).toEqual([]);
    expect(textOf(approvalMessage(view))).toMatch(/… and 9\d\d more/);
  });

  it('is called again in the thread, where a mention notifies: not in the small print', () => {
    const view = sampleView({}, { approvers, naming: new Map([['cy@example.test', { words: null, call: ['U0CY'] }]]) });
    for (const news of ['reminder', 'asked-again'] as const) {
      const block = threadMessage(view, news).blocks.find((one) => JSON.stringify(one).includes('<@U0CY>'));
      expect(block?.type).toBe('section');
    }
  });
});

describe('a direct message to an approver', () => {
  const view = sampleView({ message: { channel: 'C0ACCESS', ts: '1.2' } });
  const text = (word: 'users' | 'groups' | 'channels' | 'oncall', id: string, link: string | null = null) =>
    textOf(askMessage(view, { path: 'profiles.debug.approvers', word, id }, link));

  it.each([
    ['users', 'cy@example.test', 'Why you: the policy names you among the approvers of `debug`.'],
    ['groups', 'S0SRE', 'Why you: you are in <!subteam^S0SRE>, approvers of `debug`.'],
    ['channels', 'C0ENG', 'Why you: you are in <#C0ENG>, approvers of `debug`.'],
    ['oncall', 'payments', 'Why you: you are on call for `payments`, approvers of `debug`.'],
  ] as const)('says why you: %s', (word, id, why) => expect(text(word, id)).toContain(why));

  it('leads to the request, and to a look at it', () => {
    const link = 'https://team.slack.com/archives/C0ACCESS/p12?a=1&b=|Approve>';
    expect(text('users', 'x', link)).toContain(
      '<https://team.slack.com/archives/C0ACCESS/p12?a=1&amp;b=%7CApprove&gt;|Open the request>',
    );
    expect(text('users', 'x')).not.toContain('Open the request');
    expect(buttonsOf(askMessage(view, { path: '', word: 'users', id: 'x' }, null))).toEqual([ACTIONS.look]);
  });
});

describe('rights in words', () => {
  const rights = ['logs', 'exec'] as const;
  const plan = samplePlan({ rights, rules: rulesOfKits(rights, 'Deployment') });
  const view = sampleView({ plan });

  it('are what an approver reads, with their rules behind the button', () => {
    const message = approvalMessage(view);
    expect(textOf(message)).toContain('`logs` reads the logs of its pods');
    expect(textOf(message)).toContain('`exec` runs commands in its containers');
    expect(textOf(message)).not.toContain('pods/log');
    expect(buttonsOf(message)).toContain(ACTIONS.showAll);
    expect(textOf(networkMessage(view, 0))).toMatch(/Rules.*get: pods\/log.*get, create: pods\/exec, pods\/attach/s);
  });

  it('have no such button nor list where the profile gives rules', () => {
    const rules = sampleView({ plan: samplePlan() });
    expect(textOf(approvalMessage(rules))).toContain('pods/log');
    expect(buttonsOf(approvalMessage(rules))).not.toContain(ACTIONS.showAll);
    expect(textOf(networkMessage(rules, 0))).not.toContain('Rules');
  });
});

describe('the ticket of a request', () => {
  const withTicket = (title: string, link: string | null = 'https://tickets.example.test/OPS-7') =>
    sampleView({ ticket: { key: 'OPS-7', title, link } });

  it('is shown to approvers and in the status, with its title and a link', () => {
    for (const message of [approvalMessage(withTicket('Checkout')), statusMessage(withTicket('Checkout'))])
      expect(JSON.stringify(message)).toContain('*Ticket* <https://tickets.example.test/OPS-7|OPS-7>: `Checkout`');
    expect(JSON.stringify(approvalMessage(withTicket('', null)))).toContain('*Ticket* `OPS-7`"');
    expect(JSON.stringify(approvalMessage(sampleView()))).not.toContain('*Ticket*');
  });

  it.each<[string, string]>([
    ['<!channel> <https://evil.example.test|OPS-7>', 'https://tickets.example.test/OPS-7'],
    ['` *Approved* `', 'https://tickets.example.test/OPS-7'],
    ['x', 'https://tickets.example.test/|evil>/<!channel>'],
    ['x', 'https://tickets.example.test/?a=1&b=<@U0BEN>|'],
  ])('with a title of %j and a link to %j mentions nobody and leads nowhere else', (title, link) => {
    const message = approvalMessage(withTicket(title, link));
    expect(blockErrors(blocksOf(message), 50)).toEqual([]);
    const text =
      blocksOf(message)
        .map((block) => block.text?.text ?? '')
        .find((one) => one.startsWith('*Ticket*')) ?? '';
    expect(text.match(/<[^>]*>/g)).toHaveLength(1);
    expect(text).toMatch(/^\*Ticket\* <https:\/\/tickets\.example\.test\/[^|<>]*\|OPS-7>: `[^`]*`$/);
  });
});

describe('what was asked for already', () => {
  const told = (state: Grant['state'], link: string | null = null, missed: string | null = null) => {
    const view = sampleView({ state, expiresAt: Date.now() + 60_000 });
    return requestedMessage({ ...view, missed, isAgain: true }, link);
  };
  const all = (message: Message) => JSON.stringify(message.blocks);

  it('is told with its id, where it stands, and what to do', () => {
    const waiting = told('pending');
    expect(waiting.text).toBe('You have asked for this already: g-7k3fq2. Nothing new was requested.');
    expect(all(waiting)).toContain(
      'Wait for the approvers, or remind them. To ask for something else, withdraw it first.',
    );
    expect(all(waiting)).toContain('Withdraw');
    expect(all(waiting)).toContain('Nudge');
    expect(all(waiting)).not.toContain('Extend');
    const open = told('active');
    expect(all(open)).toContain('Extend it for a longer window; to ask for something else, end it first.');
    expect(all(open)).toMatch(/"Extend".*"Revoke"/);
    expect(all(told('pending', null, 'Withdraw it, then ask.'))).toContain('Withdraw it, then ask.');
  });

  it('links to its message by an address of Slack only', () => {
    const address = 'https://example.slack.com/archives/C0ACCESS/p12?thread_ts=1.2&cid=C0';
    expect(all(told('pending', address))).toContain(
      '<https://example.slack.com/archives/C0ACCESS/p12?thread_ts=1.2&amp;cid=C0|The message of the request>',
    );
    for (const strange of ['javascript:alert(1)', 'https://a.test|<!channel>', 'https://a.test/ x', 'x'.repeat(9000)])
      expect(all(told('pending', strange))).not.toMatch(/<(https|javascript|!channel)/);
  });
});
