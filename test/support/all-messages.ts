import { writeFile } from 'node:fs/promises';
import type { types } from '@slack/bolt';
import { changedModal, changeModal } from '../../src/adapters/slack/surfaces/approval-message/change-modal.ts';
import {
  approvalMessage,
  networkMessage,
  reviewMessage,
} from '../../src/adapters/slack/surfaces/approval-message/message.ts';
import { noteModal } from '../../src/adapters/slack/surfaces/approval-message/note-modal.ts';
import {
  accessMessage,
  everythingMessage,
  helpMessage,
  listMessage,
  readingsMessage,
  requestedMessage,
  statusMessage,
  whoMessage,
} from '../../src/adapters/slack/surfaces/command/messages.ts';
import { COMMANDS, type CommandName, parseCommand } from '../../src/adapters/slack/surfaces/command/parse.ts';
import { ended, extended } from '../../src/adapters/slack/surfaces/decisions.ts';
import {
  alarmMessage,
  askMessage,
  type DirectNews,
  directMessage,
  type ThreadNews,
  threadMessage,
} from '../../src/adapters/slack/surfaces/direct-messages/news.ts';
import { previewModal, refusedModal, requestModal } from '../../src/adapters/slack/surfaces/form/modal.ts';
import { endedAll, filterModal } from '../../src/adapters/slack/surfaces/home/filter.ts';
import { homeView } from '../../src/adapters/slack/surfaces/home/view.ts';
import type { Message } from '../../src/adapters/slack/surfaces/text/blocks.ts';
import { sayError } from '../../src/adapters/slack/surfaces/text/say.ts';
import { wideConfinement } from '../../src/app/plan/wide.ts';
import type { Everything, Offer, Which } from '../../src/app/ports/use-cases.ts';
import type { View } from '../../src/app/ports/view.ts';
import { Refusal, Unavailable, UnreadableMembers } from '../../src/domain/errors.ts';
import {
  type Decision,
  type Extension,
  type GlassReview,
  GRANT_STATES,
  type Grant,
  IllegalTransition,
} from '../../src/domain/grant/grant.ts';
import type { Plan } from '../../src/domain/plan/plan.ts';
import type { NodeShell } from '../../src/domain/policy/policy.ts';
import { SHELL_RISKS } from '../../src/domain/rights/rights.ts';
import { type Block, blocksText, controls } from '../../src/sandbox/slack/blockkit.ts';
import { BEN, samplePlan, samplePreview } from './grants.ts';
import { silentLog } from './silent-log.ts';
import { sampleView, WORKSPACE_PLAN } from './views.ts';

/**
 * Every kind of message and modal with the same inputs each time, as a page that a review reads: a change of words is a change of this page.
 * `npm run messages` writes it.
 */

export const MESSAGES_FILE = new URL('../../docs/messages.md', import.meta.url);

const NOW = Date.UTC(2026, 0, 5, 9);
const HALF_AN_HOUR = 1_800_000;

const preview = samplePreview({ ...WORKSPACE_PLAN.preview, asOf: NOW });
const arrives = { dialled: 80, port: 8080, protocol: 'TCP' } as const;
const NAMED = [{ ip: '10.96.0.7', hostnames: ['checkout', 'checkout.staging'], ports: [arrives] }];
const PLAN = { ...WORKSPACE_PLAN, preview, network: { ...WORKSPACE_PLAN.network, hostAliases: NAMED } } as Plan;

function viewOf(change: Partial<Grant> = {}, rest: Partial<View> = {}): View {
  const at = { createdAt: NOW, pendingUntil: NOW + 2 * HALF_AN_HOUR, duration: 1800 };
  return sampleView({ plan: PLAN, ...at, ...change }, rest);
}

const WHICH: Which = { person: 'U0ADA', namespace: 'staging' };
const EMPTY_HOME = { mine: [], waiting: [], more: false, offers: [], ended: [], unreviewed: [], asOf: NOW };

const open = { startsAt: NOW, expiresAt: NOW + HALF_AN_HOUR };
const over = { ...open, endedAt: NOW + HALF_AN_HOUR + 1000 };

function decision({ digest }: Grant, verdict: Decision['verdict'], note = ''): Decision {
  return { by: BEN, verdict, at: NOW, rule: 'profiles.debug.approvers', note, digest };
}

const EXTENSION: Extension = { duration: 1200, askedAt: NOW, asks: 1, replaces: null, approvals: [] };

/** A shell on a node, beside which two teams have pods. */
const ON_A_NODE: Partial<Grant> = (() => {
  const target = { scope: 'node', node: 'worker-1' } as const;
  const shell: NodeShell = {
    image: 'registry.example.test/toolbox:1',
    host: ['pid', 'network'],
    filesystem: 'read-only',
  };
  const workloads = [
    { namespace: 'payments', workload: 'deployment/ledger', count: 2 },
    { namespace: 'staging', workload: 'deployment/checkout', count: 1 },
  ];
  const confined = wideConfinement(target, { credential: 'user', shell }, [], {
    asOf: NOW,
    node: { uid: 'x', workloads },
  });
  const rights = { role: null, rules: [], rights: null, shell, persistence: SHELL_RISKS };
  return { plan: samplePlan({ target, workload: null, pods: [], ...rights, ...confined }), target, profile: 'machine' };
})();

/** A grant in this state, as it would have come there. */
function inState(state: Grant['state']): View {
  const { grant } = viewOf();
  const decided = { decisions: [decision(grant, state === 'denied' ? 'deny' : 'approve', 'please be quick')] };
  const ending = {
    cause: state === 'expired' || state === 'failed' ? state : 'revoked',
    since: NOW,
    by: state === 'expired' || state === 'failed' ? null : BEN,
    note: '',
    rightsGoneAt: NOW,
    policyGoneAt: NOW,
    workspaceGoneAt: NOW,
  } as const;
  switch (state) {
    case 'pending':
      return viewOf();
    case 'approved':
    case 'applying':
      return viewOf({ state, ...decided });
    case 'active':
      return viewOf({ state, ...decided, ...open });
    case 'ending':
      return viewOf({ state, ...decided, ...open, ending });
    case 'timed-out':
      return viewOf({ state, endedAt: NOW });
    case 'denied':
      return viewOf({ state, ...decided, endedAt: NOW });
    case 'cancelled':
      return viewOf({ state, ending, endedAt: NOW });
    default:
      return viewOf({ state, ...decided, ...over, ending });
  }
}

/** The same by breaking the glass. */
function glass({ grant }: View, review: GlassReview | null = null, awaitsReview = false): View {
  const reviewers = { users: [], groups: ['S0SECURITY'], channels: [] };
  return viewOf({ ...grant, decisions: [], breakGlass: { review } }, { glass: { reviewers, awaitsReview } });
}

const OFFERS: Offer[] = [
  {
    profile: 'debug',
    cluster: null,
    description: 'Logs and a shell',
    scope: 'workload',
    rights: ['read', 'logs', 'exec'],
    ticket: { need: 'required', pattern: '[A-Z]+-[0-9]+' },
    reason: { min: 10, template: 'What is broken, what will you do?' },
    namespaces: ['payments', 'staging'],
    defaultDuration: 1800,
    maximumDuration: 7200,
    breakGlass: {
      maximum: 900,
      told: 'the channel of its requests, administrators (@admins), approvers (@sre)',
      reviewers: '@security',
    },
  },
];

const ASK = {
  profile: 'debug',
  target: { namespace: 'staging', workload: { kind: 'Deployment', name: 'checkout' } },
  duration: 1800,
  reason: 'checkout returns 502',
} as const;

const listed = (view: View) => view.grant;

type Shown = Message | types.ModalView | types.HomeView | string;

function everyKind(): [title: string, shown: Shown][] {
  const active = inState('active');
  const pending = inState('pending');
  const asked = viewOf({ ...active.grant, extension: EXTENSION }, { missing: 1 });
  const closes = {
    ...PLAN,
    persistence: ['impersonates others', 'reads secrets'],
    preview: { ...preview, closes: preview.opens, isolates: ['staging/deployment/checkout'] },
  };
  const proposal = { view: pending, rule: 'profiles.debug.requesters (S0SRE)', missed: null, digest: 'a'.repeat(12) };
  const proposedAlone = {
    ...proposal,
    view: viewOf({ approvalsNeeded: 0 }),
    rule: 'profiles.debug.automatic (up to 15m)',
  };
  const requested = { ...pending, missed: null, isAgain: false };
  const glassEnded = glass(inState('expired'), null, true);
  const flagged = { verdict: 'flagged', by: BEN, at: NOW, rule: 'review', note: 'nothing was down' } as const;
  const glassFlagged = glass(inState('expired'), flagged);
  const words = viewOf({ plan: { ...PLAN, rights: ['read', 'logs', 'exec'] } });
  const fewer = viewOf({ duration: 600, plan: { ...PLAN, rights: ['logs'], duration: 600 } });
  const opened = [80, 443].map((port) => ({ port, protocol: 'TCP' as const }));
  const from = [{ cidr: '10.0.0.0/8' }, { namespace: 'vpn', pods: { app: 'gateway' } }];
  const bastion = { mode: 'bastion', selector: {}, ports: opened, from, admits: true } as const;
  const whole = { target: { namespace: 'staging' }, workload: null, network: { mode: 'none' } } as const;
  const noted = { id: pending.grant.id, digest: pending.digest, message: null };
  return [
    ...GRANT_STATES.map((state): [string, Shown] => [
      `The message of a request: ${state}`,
      approvalMessage(inState(state)),
    ]),
    [
      'The message of a request that closes connections and gives lasting rights',
      approvalMessage(viewOf({ plan: closes })),
    ],
    ['The message of a request for a shell on a node', approvalMessage(viewOf(ON_A_NODE))],
    [
      'The message of a shell on a node that has ended',
      approvalMessage(viewOf({ ...inState('expired').grant, ...ON_A_NODE })),
    ],
    [
      'The message of a request whose plan has changed',
      approvalMessage(
        viewOf({
          decisions: [{ ...decision(pending.grant, 'approve'), digest: 'f'.repeat(64) }],
          remarks: ['has changed: the image of the workspace'],
        }),
      ),
    ],
    ['The message of a grant that a longer window is asked for', approvalMessage(asked)],
    ['The message of break-glass access', approvalMessage(glass(active))],
    ['The message of break-glass access that waits for its review', approvalMessage(glassEnded)],
    ['The message of break-glass access that was flagged', approvalMessage(glassFlagged)],
    ['The message of a request that the policy is about to approve', approvalMessage(viewOf({ approvalsNeeded: 0 }))],
    ['The message of a request that begins later', approvalMessage(viewOf({ startAt: NOW + HALF_AN_HOUR }))],
    [
      'The message of a request by somebody whose break-glass access nobody has reviewed',
      approvalMessage(viewOf({ unreviewed: ['g-8m4gr3'] })),
    ],
    ['Approve with changes', changeModal(words, { ...noted, of: 'request' }, false)],
    [
      'Approve with changes, where ports are opened',
      changeModal(viewOf({ plan: { ...PLAN, network: bastion } }), { ...noted, of: 'request' }, false),
    ],
    [
      'Approve with changes, of a whole namespace',
      changeModal(viewOf({ plan: { ...PLAN, ...whole } }), { ...noted, of: 'request' }, true),
    ],
    [
      'With your changes',
      changedModal(words, fewer, {
        ...noted,
        note: '',
        changes: { duration: 600, rights: ['logs'] },
        shown: fewer.digest,
      }),
    ],
    ['Look and decide', reviewMessage(pending, 'for the incident')],
    ['Show all', networkMessage(pending, 0)],
    ...(['reminder', 'step', 'escalated', 'asked-again'] as ThreadNews[]).map((news): [string, Shown] => [
      `In the thread: ${news}`,
      threadMessage(pending, news),
    ]),
    ['In the thread: extension', threadMessage(asked, 'extension')],
    [
      'In the thread: extension-answer',
      threadMessage(
        viewOf({ ...active.grant, extensionDenied: decision(active.grant, 'deny', 'not now') }),
        'extension-answer',
      ),
    ],
    ...(['granted', 'warning', 'extended', 'not-extended', 'pods'] as DirectNews[]).map((news): [string, Shown] => [
      `To the requester: ${news}`,
      directMessage(active, news),
    ]),
    ['In the thread: review', threadMessage(glassEnded, 'review')],
    ['To the requester: reviewed', directMessage(glassFlagged, 'reviewed')],
    [
      'To the requester: narrowed',
      directMessage(viewOf({ remarks: ['ben@example.test gives less: 10m instead of 1h.'] }), 'narrowed'),
    ],
    [
      'To the requester: scheduled',
      directMessage(viewOf({ ...inState('approved').grant, startAt: NOW + HALF_AN_HOUR }), 'scheduled'),
    ],
    ['To the requester: unposted', directMessage(pending, 'unposted')],
    ['To the requester: denied', directMessage(inState('denied'), 'denied')],
    ['To the requester: timed-out', directMessage(inState('timed-out'), 'timed-out')],
    ['To the requester: cancelled', directMessage(inState('cancelled'), 'cancelled')],
    [
      'To the requester: extension-denied',
      directMessage(
        viewOf({ ...active.grant, extensionDenied: decision(active.grant, 'deny', 'not now') }),
        'extension-denied',
      ),
    ],
    ['To the requester: ended', directMessage(inState('revoked'), 'ended')],
    [
      'To an approver',
      askMessage(
        pending,
        { word: 'groups', id: 'S0SRE', path: 'profiles.debug.approvers' },
        'https://example.test/archives/C0/p1',
      ),
    ],
    ['To administrators', alarmMessage(pending.grant.id, 'its rights could not be taken.')],
    ['/jit request', requestedMessage(requested)],
    [
      '/jit request: the same again',
      requestedMessage({ ...active, missed: null, isAgain: true }, 'https://example.test/archives/C0/p1'),
    ],
    ['/jit status', statusMessage(pending, { kind: 'same' })],
    ['/jit status: changed', statusMessage(pending, { kind: 'changed', view: viewOf({ plan: closes }) })],
    [
      '/jit status: refused now',
      statusMessage(pending, { kind: 'refused', refusal: new Refusal('target', 'There is no such Deployment.') }),
    ],
    ['/jit status: not known', statusMessage(pending, { kind: 'unknown' })],
    ['/jit status: who may not read it', accessMessage(listed(active))],
    ['/jit list', listMessage({ mine: [active], waiting: [pending], more: false })],
    ['/jit list: nothing', listMessage({ mine: [], waiting: [], more: false })],
    ['/jit list all', everythingMessage(everythingOf([active, pending], { pages: 2, listed: 17, count: 17 }))],
    ['/jit who', whoMessage({ namespace: 'staging' }, [listed(active)])],
    ['/jit who: nobody', whoMessage({ namespace: 'staging' }, [])],
    ['/jit extend', extended(asked)],
    ['/jit revoke', ended(inState('ending'))],
    ['/jit revoke: a request', ended(inState('cancelled'))],
    ['/jit help', helpMessage(null)],
    ...(Object.keys(COMMANDS) as CommandName[]).map((name): [string, Shown] => [
      `/jit help ${name}`,
      helpMessage(name),
    ]),
    ...wrongLines(),
    ['The form', requestModal(OFFERS, { profile: 'debug', namespace: 'staging' })],
    ['The form: nothing to ask for', requestModal([], { profile: null, namespace: null })],
    ['The preview', previewModal(proposal, ASK, false)],
    ['The preview: by the policy itself', previewModal(proposedAlone, ASK, false)],
    [
      'The preview: changed',
      previewModal({ ...proposal, missed: '30m would have been approved at once: you asked for 31m.' }, ASK, true),
    ],
    ['A refusal of the last step', refusedModal('No.', ASK)],
    ...(['approve', 'deny', 'flag'] as const).map((verdict): [string, Shown] => [
      `The note: ${verdict}`,
      noteModal(verdict, { id: pending.grant.id, digest: 'a'.repeat(12), message: null, of: 'request' }, true),
    ]),
    [
      'Home',
      homeView(
        {
          mine: [active, pending],
          waiting: [pending],
          more: false,
          offers: OFFERS,
          ended: [listed(inState('denied'))],
          unreviewed: [],
          everything: everythingOf([active], { pages: 2, listed: 16, count: 16 }),
          asOf: NOW,
        },
        'Withdrawn.',
      ),
    ],
    ['Home: nothing', homeView({ ...EMPTY_HOME, everything: null })],
    [
      'Home: everything of a person in a namespace',
      homeView({
        ...EMPTY_HOME,
        everything: everythingOf([active, pending], { which: { ...WHICH, cluster: 'prod-eu' } }),
      }),
    ],
    ['Home: nothing matches', homeView({ ...EMPTY_HOME, everything: everythingOf([], { which: WHICH }) })],
    ['Home: the filter', filterModal(WHICH, ['prod-eu', 'prod-us'])],
    ['Home: all has ended', endedAll({ ended: 12, withdrawn: 1, failures: 0, failed: [] }, String)],
    [
      'Home: all has ended but some',
      endedAll({ ended: 1, withdrawn: 2, failures: 2, failed: [{ id: 'g-7k3fq2', error: 'No.' }] }, String),
    ],
    ['Home: nothing was left to end', endedAll({ ended: 0, withdrawn: 0, failures: 0, failed: [] }, String)],
    ...errors(),
  ];
}

function everythingOf(views: readonly View[], change: Partial<Everything> = {}): Everything {
  const count = views.length;
  const entries = views.map(listed);
  return { which: {}, entries, page: 0, pages: 1, listed: count, count, endable: count, clusters: [], ...change };
}

/** Lines that can't be understood, each for another reason. */
function wrongLines(): [string, Shown][] {
  return [
    'halp',
    'request',
    'request debug',
    'request debug staging',
    'request debug staging/x 5m why',
    'request debug staging/cm/x 5m why',
    'request debug:admin staging 5m why',
    'request debug staging 30 why',
    'request debug staging/deploy/checkout slow for 30m because',
    'request debug staging/deploy/checkout 30m the nightly run from 22:00',
    'request debug staging/deploy/checkout 30m at 22:00 the nightly run',
    'status',
    'status 7k3fq2',
    'extend g-7k3fq2',
    'extend g-7k3fq2 soon',
    'list everything',
    'who',
  ].map((line): [string, Shown] => {
    const parsed = parseCommand(line);
    if (parsed.kind === 'help')
      return [`/jit ${line}`, `There is no command '${parsed.unknown}'. Nearest: ${parsed.nearest}`];
    if (parsed.kind !== 'wrong') throw new Error(`${line} is understood`);
    const { problem, readings } = parsed;
    return [`/jit ${line}`, readings === undefined ? problem : readingsMessage(problem, readings, 'U0ADA')];
  });
}

function errors(): [string, Shown][] {
  const log = silentLog();
  const said = (error: unknown) =>
    sayError(error, 'tried', log as never).text.replace(/Reference: [0-9a-f]+/, 'Reference: …');
  return [
    [
      'Refused',
      said(
        new Refusal(
          'profiles.debug.requesters',
          "You can't request 'debug' (it needs group S0SRE).",
          '`/jit` shows what you may ask for.',
        ),
      ),
    ],
    ['Refused by where it stands', said(new Refusal('state', 'g-7k3fq2 is denied already.'))],
    [
      'A list that can’t be read',
      said(
        new UnreadableMembers(
          'profiles.debug.approvers',
          'S0SRE',
          20,
          'Whether you may decide is not known.',
          'members',
        ),
      ),
    ],
    ['Too late', said(new IllegalTransition('g-7k3fq2', 'denied', 'approved'))],
    ['Away, and nothing was done', said(new Unavailable('Redis', 'x', { untouched: true }))],
    ['Away', said(new Unavailable('Redis', 'x', {}))],
    ['A fault', said(new Error('x'))],
  ];
}

/** Times as Slack shows them, in UTC; without digests, which change with all that a plan binds. */
const settled = (text: string): string =>
  text.replace(/<!date\^[^|]*\|([^>]*)>/g, '$1').replace(/plan `[0-9a-f]{12}`/g, 'plan `…`');

function textOf(shown: Shown): string {
  if (typeof shown === 'string') return shown;
  const blocks = shown.blocks as unknown as Block[];
  const isModal = 'type' in shown && shown.type === 'modal';
  const questions = controls(blocks).flatMap(({ element }) =>
    element.confirm === undefined ? [] : [`(${element.confirm.title.text} ${element.confirm.text.text})`],
  );
  return [
    ...('text' in shown ? [`> ${shown.text}`] : []),
    ...(isModal ? [`# ${shown.title.text}`] : []),
    blocksText(blocks),
    ...questions,
    ...(isModal && shown.submit ? [`[${shown.submit.text}]`] : []),
  ].join('\n');
}

/** The page. */
export function allMessages(): string {
  const kinds = everyKind().map(([title, shown]) => {
    const text = settled(textOf(shown));
    const fence = text.includes('```') ? '````' : '```';
    return `## ${title}\n\n${fence}text\n${text}\n${fence}\n`;
  });
  return `# Messages\n\nEvery kind of message with fixed inputs, written by \`npm run messages\`. A line that begins with \`>\` is what a notification says, one with \`#\` the title of a modal; buttons and questions stand where Slack shows them.\n\n${kinds.join('\n')}`;
}

if (import.meta.main) await writeFile(MESSAGES_FILE, allMessages());
