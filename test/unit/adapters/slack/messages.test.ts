import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ACTIONS, carried } from '../../../../src/adapters/slack/actions.ts';
import type { Message } from '../../../../src/adapters/slack/blocks.ts';
import {
  accessMessage,
  approvalMessage,
  helpMessage,
  listMessage,
  networkMessage,
  outcomeMessage,
  requestedMessage,
  reviewMessage,
  statusMessage,
  whoMessage,
} from '../../../../src/adapters/slack/messages.ts';
import {
  alarmMessage,
  directMessage,
  grantedMessage,
  stillTrue,
  threadMessage,
} from '../../../../src/adapters/slack/news.ts';
import type { View } from '../../../../src/app/ports/view.ts';
import { Refusal } from '../../../../src/domain/errors.ts';
import { GRANT_STATES, type Grant, type GrantState } from '../../../../src/domain/grant/grant.ts';

import type { Connection } from '../../../../src/domain/plan/plan.ts';
import { rulesOfKits } from '../../../../src/domain/rights/kits.ts';
import {
  type Block,
  blockErrors,
  blocksText,
  controls,
  LONGEST_BLOCKS,
} from '../../../../src/sandbox/slack/blockkit.ts';
import { BEN, samplePlan, samplePreview } from '../../../support/grants.ts';

import { sampleView, WORKSPACE_PLAN } from '../../../support/views.ts';

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
    requestedMessage(view),
    outcomeMessage(view, 'Done.'),
    listMessage({ mine: [view], waiting: [view], more: false }),
    whoMessage(words || 'staging', [view.grant]),
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
      'Job, RoleBinding in `staging`',
      '*1 approval needed*, from <!subteam^S0SRE>, members of <#C0ACCESS>, `cy@example.test`',
    ])
      expect(text).toContain(part);
  });

  it('has buttons that carry the id and the digest of what is shown', () => {
    const view = sampleView();
    expect(buttonsOf(approvalMessage(view))).toEqual([ACTIONS.showAll, ACTIONS.approve, ACTIONS.deny]);
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
    expect(text.split('\n').filter((line) => /^[-+] /.test(line))).toHaveLength(8);
    expect(text).toContain('… and 23 more');
    expect(buttonsOf(message)).toContain(ACTIONS.showAll);
  });

  it('has nothing to show all of when the network stays as it is', () => {
    const plan = samplePlan({ preview: { ...WORKSPACE_PLAN.preview, opens: [] } });
    expect(buttonsOf(approvalMessage(sampleView({ plan })))).toEqual([ACTIONS.approve, ACTIONS.deny]);
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

  it('says that it is asked again when what was approved was another plan', () => {
    const decision = { by: BEN, verdict: 'approve', at: NOW, rule: 'r', note: '', digest: 'f'.repeat(64) } as const;
    const text = textOf(approvalMessage(sampleView({ decisions: [decision] })));
    expect(text).toContain('Asked again: the plan has changed');
    expect(text).toContain('1 approval needed');
    expect(textOf(approvalMessage(sampleView()))).not.toContain('Asked again');
  });

  it.each<[GrantState, string[]]>([
    ['pending', [ACTIONS.showAll, ACTIONS.approve, ACTIONS.deny]],
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
    expect(buttonsOf(approvalMessage(sampleView({ state, ...ended })))).toEqual(buttons);
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
    expect(text).toContain('Approved by the policy itself (`profiles.debug.automatic`)');
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
  it('tell what to run and offer to end it, while it is there', () => {
    const message = directMessage(sampleView({ state: 'active', ...ended, endedAt: null }), 'granted');
    expect(textOf(message)).toContain('kubectl -n staging get pod checkout-1');
    expect(buttonsOf(message)).toEqual([ACTIONS.revoke]);
    expect(buttonsOf(grantedMessage(sampleView({ state: 'expired', ...ended })))).toEqual([]);
  });

  it('offer Extend only when it can be extended', () => {
    const active = { state: 'active', ...ended, endedAt: null } as const;
    expect(buttonsOf(directMessage(sampleView(active), 'warning'))).toEqual([ACTIONS.extend, ACTIONS.revoke]);
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
          'staging',
          many.map(({ grant }) => grant),
        ),
      ),
    ).toContain('… and 20 more');
  });
});

describe('what everybody may know', () => {
  it('is who has access where, and until when: nothing that was typed, planned or decided', () => {
    const { grant } = sampleView({ state: 'active', ...ended, reason: 'TYPED reason', remarks: ['TYPED remark'] });
    for (const message of [accessMessage(grant), whoMessage('staging', [grant])]) {
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
        approvers: { users: [word], groups: [], channels: [] },
        objects: list,
        commands: list,
        closing: word,
      }),
    };
  });

describe('hostile text', () => {
  it('never mentions, links or formats, and never breaks a limit of Slack', () => {
    fc.assert(
      fc.property(hostileView, ({ view, word }) => {
        const posted = JSON.stringify(approvalMessage(view).blocks).length;
        expect(posted).toBeLessThan(LONGEST_BLOCKS);
        for (const message of everything(view, word)) {
          for (const markup of markupOf(message)) {
            // What is left of Slack's own syntax is ours: dates.
            expect(markup.replace(/<!date\^\d+\^[^|<>]*\|[^<>]*>/g, '')).not.toMatch(/[<>]/);
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
