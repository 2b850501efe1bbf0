import { describe, expect, it } from 'vitest';
import {
  ACTIONS,
  carriedAsked,
  carriedForm,
  carriedNoted,
  MODALS,
} from '../../../../../../src/adapters/slack/surfaces/actions.ts';
import { noteModal, noteOf } from '../../../../../../src/adapters/slack/surfaces/approval-message/note-modal.ts';
import { requestedMessage } from '../../../../../../src/adapters/slack/surfaces/command/messages.ts';
import {
  askOf,
  choiceOf,
  choiceToAsk,
  errorsOf,
  inOneLine,
  previewModal,
  refusedModal,
  requestedModal,
  requestModal,
  type StateValues,
  settle,
} from '../../../../../../src/adapters/slack/surfaces/form/modal.ts';
import { optionFor } from '../../../../../../src/adapters/slack/surfaces/form/suggestions.ts';
import type { Offer, Proposal } from '../../../../../../src/app/ports/use-cases.ts';
import type { Ask } from '../../../../../../src/domain/decide/act.ts';
import { Refusal } from '../../../../../../src/domain/errors.ts';
import type { Grant } from '../../../../../../src/domain/grant/grant.ts';
import type { Kit } from '../../../../../../src/domain/rights/kits.ts';
import {
  type Block,
  blocksText,
  controls,
  enteredValue,
  initialValue,
  isTooLarge,
  viewErrors,
} from '../../../../../../src/sandbox/slack/blockkit.ts';
import { samplePreview } from '../../../../../support/grants.ts';
import { sampleView, WORKSPACE_PLAN } from '../../../../../support/views.ts';

const DEBUG: Offer = {
  profile: 'debug',
  description: 'Logs and a shell',
  scope: 'workload',
  rights: null,
  cluster: null,
  namespaces: ['payments', 'staging'],
  defaultDuration: 1800,
  maximumDuration: 7200,
};
const LOGS: Offer = { ...DEBUG, profile: 'logs', description: '', scope: 'namespace', namespaces: ['staging'] };

const blocksOf = (modal: ReturnType<typeof requestModal>): Block[] => modal.blocks as unknown as Block[];
const labels = (modal: ReturnType<typeof requestModal>): (string | undefined)[] =>
  blocksOf(modal).map((block) => block.label?.text);
const control = (modal: ReturnType<typeof requestModal>, label: string) => {
  const found = controls(blocksOf(modal)).find(({ block }) => block.label?.text === label);
  if (found === undefined) throw new Error(`no field ${label}`);
  return found;
};

/** What Slack hands back when these values have been entered. */
function filledIn(
  modal: ReturnType<typeof requestModal>,
  values: Record<string, string | readonly string[]>,
): StateValues {
  const state: Record<string, Record<string, object>> = {};
  for (const { block, element } of controls(blocksOf(modal))) {
    const entered = values[block.label?.text ?? ''];
    const suggested =
      element.type === 'external_select' ? { options: [optionFor([entered ?? ''].flat()[0] ?? '')] } : {};
    const held = entered === undefined ? initialValue(element) : enteredValue({ ...element, ...suggested }, entered);
    state[block.block_id ?? ''] = { [element.action_id ?? '']: held ?? {} };
  }
  return state;
}

describe('the request modal', () => {
  it('asks for the profile first, then for what the profile needs', () => {
    expect(labels(requestModal([DEBUG, LOGS], { profile: null, namespace: null }))).toEqual(['Profile']);
    expect(labels(requestModal([DEBUG, LOGS], { profile: 'debug', namespace: null }))).toEqual([
      'Profile',
      'Namespace',
      'Target',
      'Duration',
      'Start',
      'Reason',
    ]);
    expect(labels(requestModal([DEBUG, LOGS], { profile: 'logs', namespace: null }))).not.toContain('Target');
  });

  it('chooses what leaves no choice, and drops what is not offered', () => {
    expect(settle([LOGS], { profile: null, namespace: null })).toMatchObject({ offer: LOGS, namespace: 'staging' });
    expect(settle([DEBUG, LOGS], { profile: 'admin', namespace: 'kube-system' })).toMatchObject({
      offer: null,
      namespace: null,
    });
    expect(settle([DEBUG, LOGS], { profile: 'debug', namespace: 'kube-system' })).toMatchObject({
      offer: DEBUG,
      namespace: null,
    });
  });

  it('says so when nothing may be asked for', () => {
    const modal = requestModal([], { profile: null, namespace: null });
    expect(blocksText(blocksOf(modal))).toContain('no profile that you may ask for');
    expect(modal.submit).toBeUndefined();
  });

  it('states the maximum and fills in the default duration', () => {
    const duration = control(requestModal([DEBUG], { profile: 'debug', namespace: null }), 'Duration');
    expect(duration.element).toMatchObject({ type: 'external_select', initial_option: { value: '30m' } });
    expect(duration.block.hint?.text).toContain('At most 2h');
  });

  it.each([
    ['two', 2, 'static_select'],
    ['a hundred', 100, 'static_select'],
    ['a hundred and one', 101, 'external_select'],
  ])('with %s namespaces is one that Slack takes', (_name, count, type) => {
    const namespaces = Array.from({ length: count }, (_, i) => `ns-${i}`);
    const modal = requestModal([{ ...DEBUG, namespaces }], { profile: 'debug', namespace: 'ns-1' });
    expect(viewErrors(modal)).toEqual([]);
    expect(control(modal, 'Namespace').element.type).toBe(type);
    expect(control(modal, 'Target').element.type).toBe('external_select');
    expect(carriedForm(modal.private_metadata)).toEqual({ profile: 'debug', namespace: 'ns-1' });
  });

  it('lets a target be typed whose name is longer than an option of Slack', () => {
    const target = `deployment/${'x'.repeat(200)}`;
    const modal = requestModal([DEBUG], { profile: 'debug', namespace: 'staging', target });
    expect(viewErrors(modal)).toEqual([]);
    expect(control(modal, 'Target').element).toMatchObject({ type: 'plain_text_input', initial_value: target });
  });

  it('lets a target be typed while no namespace is chosen', () => {
    const modal = requestModal([DEBUG], { profile: 'debug', namespace: null });
    expect(control(modal, 'Target').element.type).toBe('plain_text_input');
    expect(carriedForm(modal.private_metadata)).toEqual({ profile: 'debug', namespace: null });
  });

  it('is not larger than Slack takes, however much is offered', () => {
    const hundred = Array.from({ length: 100 }, (_, index) => String(index));
    const offers = hundred.map((index) => ({
      ...DEBUG,
      profile: index.padStart(63, 'p'),
      description: '語'.repeat(500),
      namespaces: hundred.map((namespace) => namespace.padStart(63, 'n')),
    }));
    const [first] = offers;
    const choice = {
      target: `statefulset/${'w'.repeat(130)}`,
      profile: first?.profile ?? '',
      namespace: first?.namespaces[0] ?? '',
      reason: '語'.repeat(500),
    };
    const modal = requestModal(offers, choice);
    expect(viewErrors(modal)).toEqual([]);
    expect(isTooLarge(modal)).toBe(false);
  });

  it('asks for a reason as its profile does', () => {
    const template = 'What *is* broken, <!channel>?';
    const modal = requestModal([{ ...DEBUG, reason: { min: 10, template } }], {
      profile: 'debug',
      namespace: null,
      reason: 'typed before',
    });
    expect(viewErrors(modal)).toEqual([]);
    const { block, element } = control(modal, 'Reason');
    expect(block.block_id).toBe('reason|debug');
    expect(block.hint).toMatchObject({ type: 'plain_text', text: 'Approvers decide by it. At least 10 characters.' });
    expect(element).toMatchObject({
      placeholder: { type: 'plain_text', text: template },
      initial_value: 'typed before',
    });
    const plain = control(requestModal([DEBUG], { profile: 'debug', namespace: null }), 'Reason');
    expect(plain.block.block_id).toBe('reason');
    expect(plain.element).not.toHaveProperty('placeholder');
    const refusal = new Refusal('profiles.debug.reason.min', 'The reason has 5 characters.');
    expect(errorsOf({ 'reason|debug': { input: { value: 'short' } } }, 'short', refusal)).toEqual({
      'reason|debug': 'short',
    });
  });

  it('takes long and odd names and descriptions', () => {
    const odd = {
      ...DEBUG,
      profile: 'x'.repeat(63),
      description: '<!channel> '.repeat(30),
      cluster: null,
      namespaces: ['y'.repeat(63)],
    };
    expect(viewErrors(requestModal([odd, DEBUG], { profile: odd.profile, namespace: null }))).toEqual([]);
  });
});

describe('a form with clusters', () => {
  const [EU, US]: Offer[] = [
    { ...DEBUG, cluster: 'eu' },
    { ...DEBUG, cluster: 'us', namespaces: ['staging'] },
  ];
  const both = [EU, US, { ...LOGS, cluster: 'us' }] as Offer[];
  const filledWith = { Target: 'deployment/checkout', Duration: '45m', Reason: 'it returns 502' };

  it('asks for the cluster first, and only where there is a choice', () => {
    expect(labels(requestModal(both, { profile: null, namespace: null }))).toEqual(['Cluster']);
    expect(labels(requestModal(both, { cluster: 'us', profile: null, namespace: null }))).toEqual([
      'Cluster',
      'Profile',
    ]);
    expect(labels(requestModal([EU as Offer], { profile: null, namespace: null }))[0]).toBe('Profile');
    // Of a cluster that is not offered nothing is shown.
    expect(labels(requestModal(both, { cluster: 'constructor', profile: 'debug', namespace: null }))).toEqual([
      'Cluster',
    ]);
  });

  it('asks in the cluster that it shows, also where that is the only one', () => {
    const chosen = { cluster: 'us', profile: 'debug', namespace: 'staging' };
    const modal = requestModal(both, chosen);
    expect(viewErrors(modal)).toEqual([]);
    const values = filledIn(modal, filledWith);
    expect(askOf(values)).toMatchObject({ ask: { cluster: 'us', profile: 'debug', target: { namespace: 'staging' } } });
    expect(choiceOf(values)).toMatchObject({ ...chosen, target: 'deployment/checkout', duration: '45m' });
    const alone = requestModal([US as Offer], { profile: null, namespace: null });
    expect(askOf(filledIn(alone, filledWith))).toMatchObject({ ask: { cluster: 'us' } });
  });

  it('names the clusters in which nothing can be asked for now, with the reason', () => {
    const asia = { name: 'asia', why: 'cluster asia is not connected', remedy: 'Start it again.' };
    const sentence = 'Nothing can be asked for in asia now, since cluster asia is not connected. Start it again.';
    const nothing = { profile: null, namespace: null };
    const modal = requestModal(both, nothing, '', [asia, { ...asia, name: 'us' }]);
    expect(viewErrors(modal)).toEqual([]);
    expect(JSON.stringify(modal)).toContain(sentence);
    expect(JSON.stringify(modal)).not.toContain('asked for in us');
    expect(labels(modal)).toContain('Cluster');
    expect(JSON.stringify(requestModal([], nothing, '', [asia]))).toContain(sentence);
  });

  it('does not take for one cluster what was filled in for the other', () => {
    const modal = requestModal(both, { cluster: 'us', profile: 'debug', namespace: 'staging' });
    const values = filledIn(modal, { ...filledWith, Cluster: 'eu' });
    expect(askOf(values)).toEqual({ errors: { cluster: expect.stringContaining('still changing to this cluster') } });
    expect(choiceOf(values)).not.toHaveProperty('target');
  });

  it('names the cluster in the line to type again', () => {
    const ask = { profile: 'debug', cluster: 'us', target: { namespace: 'staging' }, duration: null, reason: 'why' };
    expect(inOneLine(ask)).toBe('/jit request debug us:staging why');
  });
});

describe('a filled-in form', () => {
  const modal = requestModal([DEBUG, LOGS], { profile: 'debug', namespace: 'staging' });
  const good = {
    Profile: 'debug',
    Namespace: 'staging',
    Target: 'deployment/checkout',
    Duration: '45m',
    Reason: 'it returns 502',
  };

  it('takes a Service beside workloads', () => {
    expect(askOf(filledIn(modal, { ...good, Target: 'service/checkout' }))).toMatchObject({
      ask: { target: { namespace: 'staging', service: 'checkout' } },
    });
  });

  it('is what is asked for', () => {
    expect(viewErrors(modal)).toEqual([]);
    expect(askOf(filledIn(modal, good))).toEqual({
      ask: {
        profile: 'debug',
        target: { namespace: 'staging', workload: { kind: 'Deployment', name: 'checkout' } },
        duration: 2700,
        reason: 'it returns 502',
      },
    });
    expect(choiceOf(filledIn(modal, good))).toEqual({
      profile: 'debug',
      namespace: 'staging',
      target: 'deployment/checkout',
      duration: '45m',
      reason: 'it returns 502',
    });
  });

  describe('with a start', () => {
    const AT = 1_790_000_040;

    it('asks for that moment, and is filled in again as it was', () => {
      const values = filledIn(modal, { ...good, Start: String(AT) });
      expect(askOf(values)).toMatchObject({ ask: { start: { at: AT * 1000 } } });
      expect(choiceOf(values)).toMatchObject({ start: AT * 1000 });
      const again = requestModal([DEBUG, LOGS], { ...choiceOf(values) });
      expect(viewErrors(again)).toEqual([]);
      expect(control(again, 'Start').element).toMatchObject({ initial_date_time: AT });
      const asked = askOf(values);
      if ('errors' in asked) throw new Error('nothing is asked for');
      const preview = { view: sampleView(), rule: '', missed: null, digest: 'a'.repeat(12) };
      expect(carriedAsked(previewModal(preview, asked.ask, false).private_metadata).ask).toEqual(asked.ask);
      expect(choiceToAsk(asked.ask)).toMatchObject({ start: AT * 1000 });
      expect(inOneLine(asked.ask)).toContain('2026-09-21 14:14:00 UTC');
    });

    it('is not needed', () => {
      expect(control(modal, 'Start').block.optional).toBe(true);
      expect(askOf(filledIn(modal, good))).not.toHaveProperty('ask.start');
    });

    it.each([['tomorrow'], [-1], [1.5], [Number.NaN], [1e21], [{ at: AT }], [true]])(
      'of %j is no moment, and says so beside it',
      (selected_date_time) => {
        const forged = { ...filledIn(modal, good), start: { input: { selected_date_time } } } as unknown as StateValues;
        expect(askOf(forged)).toEqual({ errors: { start: expect.stringContaining('Pick a day and a time') } });
        expect(choiceOf(forged)).not.toHaveProperty('start');
      },
    );

    it('that is refused shows it beside it', () => {
      expect(errorsOf(filledIn(modal, good), 'no', new Refusal('start', 'no'))).toEqual({ start: 'no' });
    });
  });

  describe('for which the glass may be broken', () => {
    const breakGlass = { maximum: 900, told: 'the channel, administrators (dee@example.test)', reviewers: '@security' };
    const button = (offer: Offer) =>
      controls(blocksOf(requestModal([offer, LOGS], { profile: 'debug', namespace: 'staging' }))).find(
        ({ element }) => element.action_id === ACTIONS.breakGlass,
      )?.element;

    it('has a red button that says who hears of it before anything is done', () => {
      expect(button(DEBUG)).toBeUndefined();
      const { style, confirm } = button({ ...DEBUG, breakGlass }) ?? {};
      expect(style).toBe('danger');
      for (const part of ['at once', '15m at most', 'dee@example.test', 'Reviewed afterwards by @security'])
        expect(confirm?.text.text).toContain(part);
    });

    it('is one that Slack takes, however many hear of it', () => {
      const many = { maximum: 900, told: 'x'.repeat(5000), reviewers: '<!channel> '.repeat(500) };
      expect(viewErrors(requestModal([{ ...DEBUG, breakGlass: many }], { profile: null, namespace: null }))).toEqual(
        [],
      );
    });

    it('says above the form what is wrong with it, as words', () => {
      const said = '<!channel> '.repeat(500);
      const shown = requestModal([DEBUG], { profile: null, namespace: null }, said);
      expect(viewErrors(shown)).toEqual([]);
      expect(blocksOf(shown)[0]?.text?.type).toBe('plain_text');
    });
  });

  describe('of a profile with rights in words', () => {
    const offer: Offer = { ...DEBUG, rights: ['read', 'logs', 'exec'] };
    const form = (rights?: Kit[]) =>
      requestModal([offer, LOGS], { profile: 'debug', namespace: 'staging', ...(rights && { rights }) });
    const asked = (rights: readonly string[]) => askOf(filledIn(form(), { ...good, Rights: rights }));

    it('asks for all of them, unless some are taken away', () => {
      expect(viewErrors(form())).toEqual([]);
      expect(askOf(filledIn(form(), good))).toMatchObject({ ask: { rights: ['read', 'logs', 'exec'] } });
      expect(asked(['logs'])).toMatchObject({ ask: { rights: ['logs'] } });
      expect(asked([])).toEqual({ errors: { 'rights|debug': 'Choose at least one right.' } });
    });

    it('is filled in again as it was, also from the line', () => {
      const again = (rights: Kit[]) => askOf(filledIn(form(rights), good));
      expect(again(['exec'])).toMatchObject({ ask: { rights: ['exec'] } });
      const ask = { profile: 'debug', target: { namespace: 'staging' }, duration: null, reason: 'why' };
      expect(choiceToAsk({ ...ask, rights: ['logs', 'exec'] }).rights).toEqual(['logs', 'exec']);
      expect(inOneLine({ ...ask, rights: ['logs', 'exec'] })).toBe('/jit request debug:logs,exec staging why');
      expect(choiceOf(filledIn(form(), { ...good, Rights: ['logs'] })).rights).toEqual(['logs']);
      const other = { ...filledIn(form(), good), profile: { x: { selected_option: { value: 'logs' } } } };
      expect(choiceOf(other)).not.toHaveProperty('rights');
    });

    it('has nothing to choose where there is one right, or none in words', () => {
      const one = requestModal([{ ...offer, rights: ['logs'] }], { profile: 'debug', namespace: 'staging' });
      expect(labels(one)).not.toContain('Rights');
      expect(askOf(filledIn(one, good))).not.toHaveProperty('ask.rights');
      expect(labels(modal)).not.toContain('Rights');
    });

    it('shows a refusal of rights beside them', () => {
      const values = filledIn(form(), good);
      expect(errorsOf(values, 'no', new Refusal('profiles.debug.rights', 'no'))).toEqual({ 'rights|debug': 'no' });
    });
  });

  it('keeps what was typed when another profile is chosen, but for what belonged to the first', () => {
    const values = { ...filledIn(modal, good), profile: { x: { selected_option: { value: 'logs' } } } };
    expect(choiceOf(values)).toEqual({ profile: 'logs', namespace: 'staging', reason: 'it returns 502' });
  });

  it('comes back as it was', () => {
    const ask: Ask = {
      profile: 'debug',
      target: { namespace: 'staging', workload: { kind: 'Deployment', name: 'checkout' } },
      duration: 2700,
      reason: 'it returns 502',
    };
    const again = requestModal([DEBUG, LOGS], choiceToAsk(ask));
    expect(viewErrors(again)).toEqual([]);
    expect(askOf(filledIn(again, {}))).toEqual({ ask });
  });

  it('comes back with the Service that was its target', () => {
    const ask: Ask = {
      profile: 'debug',
      target: { namespace: 'staging', service: 'checkout' },
      duration: 2700,
      reason: 'x',
    };
    expect(askOf(filledIn(requestModal([DEBUG], choiceToAsk(ask)), {}))).toEqual({ ask });
    expect(inOneLine(ask)).toBe('/jit request debug staging/svc/checkout 45m x');
  });

  it('may name a target by typing it', () => {
    const typed = requestModal([DEBUG], { profile: 'debug', namespace: null });
    expect(askOf(filledIn(typed, { ...good, Target: 'sts/ledger' }))).toMatchObject({
      ask: { target: { workload: { kind: 'StatefulSet', name: 'ledger' } } },
    });
  });

  it.each([
    ['Duration', '30', 'is not a duration'],
    ['Duration', '0h', 'is not a duration'],
    ['Reason', '  ', 'reason is needed'],
  ])('with %s %j says so beside that field', (field, value, problem) => {
    const result = askOf(filledIn(modal, { ...good, [field]: value }));
    const id = control(modal, field).block.block_id ?? '';
    expect(result).toEqual({ errors: { [id]: expect.stringContaining(problem) } });
  });

  it('with a typed target that is none says so beside it', () => {
    const typed = requestModal([DEBUG], { profile: 'debug', namespace: null });
    const id = control(typed, 'Target').block.block_id ?? '';
    expect(askOf(filledIn(typed, { ...good, Target: 'checkout' }))).toEqual({
      errors: { [id]: expect.stringContaining('such as deploy/checkout') },
    });
    expect(askOf(filledIn(typed, { ...good, Target: 'cm/checkout' }))).toEqual({
      errors: { [id]: expect.stringContaining('not a kind') },
    });
  });

  it('that still shows the fields of another profile or namespace is not taken', () => {
    const values = filledIn(modal, good);
    const other = { ...values, profile: { x: { selected_option: { value: 'logs' } } } };
    expect(askOf(other)).toEqual({ errors: { profile: expect.stringContaining('still changing') } });
    const elsewhere = { ...values, 'namespace|debug': { x: { selected_option: { value: 'payments' } } } };
    expect(askOf(elsewhere)).toEqual({ errors: { 'target|debug|staging': expect.stringContaining('still changing') } });
  });

  it.each([
    ['reason', 'Reason'],
    ['profiles.debug.duration.maximum', 'Duration'],
    ['profiles.debug.namespaces', 'Namespace'],
    ['target', 'Target'],
    ['profiles.debug.deny (users: ada@example.test)', 'Profile'],
    ['start', 'Start'],
    ['identity.user', 'Profile'],
  ])('refused by %s shows it beside %s', (rule, field) => {
    const errors = errorsOf(filledIn(modal, good), 'no', new Refusal(rule, 'no'));
    expect(errors).toEqual({ [control(modal, field).block.block_id ?? '']: 'no' });
  });
});

describe('the preview', () => {
  const ask: Ask = {
    profile: 'debug',
    target: { namespace: 'staging', workload: { kind: 'Deployment', name: 'checkout' } },
    duration: 2700,
    reason: 'it "returns" 502',
  };
  const proposal = (change: Partial<Grant> = {}): Proposal => ({
    view: sampleView(change),
    rule: 'profiles.debug.automatic (ada@example.test)',
    missed: null,
    digest: 'a'.repeat(12),
  });
  const textOf = (change: Partial<Grant> = {}) => blocksText(blocksOf(previewModal(proposal(change), ask, false)));

  it('says what alone kept the policy from approving it', () => {
    const missed = '30m would have been approved at once: you asked for 31m.';
    expect(blocksText(blocksOf(previewModal({ ...proposal(), missed }, ask, false)))).toContain(missed);
  });

  it('says what would be granted and who must approve it, and that nothing is asked for yet', () => {
    const modal = previewModal(proposal(), ask, false);
    expect(viewErrors(modal)).toEqual([]);
    expect(modal.submit?.text).toBe('Request');
    for (const part of [
      '`staging/deployment/checkout`',
      'Opens 1, closes 0',
      '+ staging/deployment/checkout 8080/TCP',
      'Traffic from the node',
      '*1 approval needed*, from <!subteam^S0SRE>',
      'Nothing has been requested yet',
    ])
      expect(textOf()).toContain(part);
    expect(textOf()).not.toContain('changed');
    expect(textOf({ plan: { ...WORKSPACE_PLAN, persistence: ['reads secrets'] } })).toContain(
      'acknowledges that it gives rights by which access can outlive the grant: reads secrets',
    );
  });

  it('says the steps by which people approve', () => {
    const people = { users: [], groups: ['S0OWN'], channels: [] };
    const asked = { name: 'owner', state: 'asked', people, count: 2, approvals: [], because: '' } as const;
    const waived = { ...asked, name: 'security', state: 'waived', count: 0, because: 'up to 15m' } as const;
    const view = sampleView({ approvalsNeeded: 2 }, { steps: [asked, waived] });
    const modal = previewModal({ ...proposal(), view }, ask, false);
    expect(viewErrors(modal)).toEqual([]);
    const text = blocksText(blocksOf(modal));
    for (const part of [
      '*2 approvals needed*, not from whoever asks.',
      '`owner` 0 of 2, from <!subteam^S0OWN>',
      '`security` is not needed: `up to 15m`',
    ])
      expect(text).toContain(part);
  });

  it('says when no person has to approve, and by which rule', () => {
    const text = textOf({ approvalsNeeded: 0 });
    expect(text).toContain('*Approved automatically:* `profiles.debug.automatic (ada@example.test)`.');
    expect(text).not.toContain('needed');
  });

  it('says that it is not what was shown before', () => {
    expect(blocksText(blocksOf(previewModal(proposal(), ask, true)))).toContain('has changed since you saw it');
  });

  it('carries what is asked for and what was shown, and has no button on a grant that is not there', () => {
    const modal = previewModal(proposal(), ask, false);
    expect(carriedAsked(modal.private_metadata)).toEqual({ ask, digest: 'a'.repeat(12) });
    expect(controls(blocksOf(modal)).map(({ element }) => element.action_id)).toEqual([ACTIONS.back]);
  });

  it('is one that Slack takes, with much to show and the longest of names', () => {
    const connection = (i: number) => ({
      from: { namespace: 'n'.repeat(63), kind: 'Deployment', name: `${'d'.repeat(240)}-${i}` },
      to: { cidr: `10.0.${i}.0/24` },
      ports: [{ protocol: 'TCP', from: i + 1, to: i + 1 }],
      reasons: [],
      pluginDependent: true,
    });
    const many = Array.from({ length: 200 }, (_, i) => connection(i));
    const notes = Array.from({ length: 50 }, () => 'n'.repeat(500));
    const plan = { ...WORKSPACE_PLAN, preview: samplePreview({ opens: many, closes: many, reaches: many, notes }) };
    expect(viewErrors(previewModal(proposal({ plan }), ask, true))).toEqual([]);
  });

  it('of a refusal leads back to what was typed', () => {
    const modal = refusedModal('No.', ask);
    expect(viewErrors(modal)).toEqual([]);
    expect(modal.submit).toBeUndefined();
    expect(carriedAsked(modal.private_metadata)).toEqual({ ask, digest: null });
    const name = '"'.repeat(300);
    const long = {
      ...ask,
      profile: name,
      target: { namespace: name, workload: { kind: 'Pod', name } },
      reason: name,
    } as const;
    expect(viewErrors(refusedModal('No.', long))).toEqual([]);
  });
});

describe('other modals', () => {
  it('are ones that Slack takes', () => {
    const about = {
      id: 'g-7k3fq2',
      digest: 'a'.repeat(12),
      message: { channel: 'C0ACCESS', ts: '1.2' },
      of: 'request',
    } as const;
    for (const verdict of ['approve', 'deny'] as const)
      for (const required of [true, false]) {
        const form = noteModal(verdict, about, required);
        expect(viewErrors(form)).toEqual([]);
        expect(carriedNoted(form.private_metadata)).toEqual(about);
        expect(form.callback_id).toBe(MODALS[verdict]);
        expect(form.blocks).toMatchObject([{ block_id: 'note', optional: !required, element: { max_length: 300 } }]);
      }
    expect(viewErrors(requestedModal(requestedMessage({ ...sampleView(), missed: null, isAgain: true })))).toEqual([]);
    expect(noteOf({ note: { input: { value: 'not\n now' } } })).toBe('not now');
  });
});

describe('the field for a ticket', () => {
  const TICKETED: Offer = { ...DEBUG, ticket: { need: 'required', pattern: '[A-Z]+-[0-9]+' } };
  const chosen = { profile: 'debug', namespace: 'staging', target: 'deployment/checkout', reason: 'why' };
  const modal = requestModal([TICKETED], chosen);
  const askFor = (ticket: string) => {
    const asked = askOf(filledIn(modal, { Ticket: ticket }));
    return 'ask' in asked ? asked.ask : asked.errors;
  };

  it('is there where the profile takes one', () => {
    expect(labels(modal)).toContain('Ticket');
    expect(labels(requestModal([DEBUG], chosen))).not.toContain('Ticket');
  });

  it('is asked for as it was typed, and left out when it is empty', () => {
    expect(askFor('OPS-7')).toMatchObject({ ticketKey: 'OPS-7' });
    expect(askFor('')).not.toHaveProperty('ticketKey');
  });

  it('goes with what was asked for through the last step, and back into the form and the line', () => {
    const ask = askFor('OPS-7') as Ask;
    expect(carriedAsked(refusedModal('no', ask).private_metadata)).toEqual({ ask, digest: null });
    expect(choiceToAsk(ask)).toMatchObject({ ticket: 'OPS-7' });
    expect(choiceOf(filledIn(modal, { Ticket: 'OPS-7' }))).toMatchObject({ ticket: 'OPS-7' });
    expect(inOneLine(ask)).toBe('/jit request debug staging/deployment/checkout 30m OPS-7 why');
  });

  it('has the refusals that are about it', () => {
    const values = filledIn(modal, { Ticket: 'OPS-7' });
    const refusal = new Refusal('profiles.debug.ticket', 'OPS-7 is closed.');
    expect(Object.keys(errorsOf(values, 'OPS-7 is closed.', refusal))[0]).toMatch(/^ticket/);
  });
});

describe('a profile that is for no namespace', () => {
  const EVERYWHERE: Offer = { ...DEBUG, profile: 'everywhere', scope: 'cluster', namespaces: [] };
  const NODE: Offer = { ...DEBUG, profile: 'disk', scope: 'node', namespaces: [], nodes: ['worker-1', 'worker-2'] };
  const chosen = (profile: string) => ({ profile, namespace: null });

  it('asks for no namespace, and for a node where it is for one', () => {
    const offers = [DEBUG, EVERYWHERE, NODE];
    expect(labels(requestModal(offers, chosen('everywhere')))).toEqual(['Profile', 'Duration', 'Start', 'Reason']);
    expect(labels(requestModal(offers, chosen('disk')))).toEqual(['Profile', 'Node', 'Duration', 'Start', 'Reason']);
  });

  it('is asked for as it was filled in, and back', () => {
    for (const [offer, values, target] of [
      [EVERYWHERE, { Reason: 'why' }, { scope: 'cluster' }],
      [NODE, { Node: 'worker-2', Reason: 'why' }, { scope: 'node', node: 'worker-2' }],
    ] as const) {
      const asked = askOf(filledIn(requestModal([DEBUG, offer], chosen(offer.profile)), values));
      if (!('ask' in asked)) throw new Error(JSON.stringify(asked));
      expect(asked.ask).toMatchObject({ profile: offer.profile, target, reason: 'why' });
      const again = requestModal([DEBUG, offer], choiceToAsk(asked.ask));
      expect(askOf(filledIn(again, {}))).toEqual(asked);
    }
    expect(inOneLine({ profile: 'everywhere', target: { scope: 'cluster' }, duration: 1800, reason: 'why' })).toBe(
      '/jit request everywhere 30m why',
    );
  });

  it('is not taken for the whole cluster while the form still changes to it', () => {
    const modal = requestModal([DEBUG, EVERYWHERE], { profile: 'debug', namespace: 'staging' });
    const values = filledIn(modal, { Profile: 'everywhere', Target: 'deployment/checkout', Reason: 'why' });
    expect(askOf(values)).toHaveProperty('errors');
    const nothing = filledIn(requestModal([DEBUG, EVERYWHERE], chosen('')), { Profile: 'everywhere' });
    expect(askOf(nothing)).toHaveProperty('errors');
  });

  it('says beside the node what is wrong with it', () => {
    const values = filledIn(requestModal([NODE, DEBUG], chosen('disk')), { Node: 'worker-1', Reason: 'why' });
    const refusal = new Refusal('profiles.disk.nodes', 'no');
    expect(Object.keys(errorsOf(values, 'no', refusal))).toEqual(['node|disk']);
  });
});
