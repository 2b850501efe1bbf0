import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { PolicyInput } from '../../src/domain/policy/schema.ts';
import { ACCESS, PEOPLE, type PersonName } from '../../src/sandbox/scenery.ts';
import { openSlackPage, type SlackPage } from '../support/browser.ts';
import { describeWithCluster } from '../support/cluster.ts';
import { textOf, useStage } from '../support/e2e.ts';
import { json, sourceServer } from '../support/source-server.ts';

const MINUTE = 60_000;

/** Every day until the minute that has begun, by UTC: over for no longer than that. */
function hoursUntilNow(): string {
  const end = new Date(Math.floor(Date.now() / MINUTE) * MINUTE).toISOString().slice(11, 16);
  return `Mon-Sun ${end === '00:00' ? '23:00-24:00' : `00:00-${end}`} UTC`;
}

describeWithCluster('what decides is asked at the click', (kube) => {
  let source: Awaited<ReturnType<typeof sourceServer>>;
  let onCall: PersonName = 'cy';
  let isTicketOpen = true;
  beforeAll(async () => {
    source = await sourceServer();
    source.replies((request, response, body) =>
      (request.url === '/on-call'
        ? json({ users: [PEOPLE[onCall].user] })
        : json({ allowed: isTicketOpen, title: isTicketOpen ? 'checkout is slow' : 'Done' }))(request, response, body),
    );
  });
  afterAll(() => source.close());

  function policy(input: PolicyInput): void {
    const { debug, view } = input.profiles;
    if (debug === undefined || view === undefined) throw new Error('the example policy has other profiles now');
    input.oncall = { shift: { url: `${source.url}/on-call` } };
    input.tickets = { pattern: 'OPS-[0-9]+', url: `${source.url}/ticket` };
    Object.assign(debug, { approvers: { oncall: ['shift'] }, ticket: 'required' });
    const { automatic: _none, clusterRole: _role, ...asked } = view;
    const approvers = { users: [PEOPLE.ben.user, PEOPLE.dee.user] };
    input.profiles['pair'] = { ...asked, approvers, approvals: 2, clusterRole: 'edit', acknowledgePersistence: true };
    input.profiles['look'] = { ...asked, approvers, rights: ['read', 'logs', 'exec'] };
    const from = [{ cidr: '10.0.0.0/8' }, { namespace: 'vpn', pods: { app: 'gateway' } }];
    const ports = [{ port: 8080 }, { port: 9090 }];
    const network = { mode: 'bastion' as const, from, ports };
    input.profiles['vpn'] = { ...asked, scope: 'workload', approvers, rights: ['read'], network };
  }
  const stage = useStage(kube, { policy });

  test('who is on call now, not who was as it was asked for, and a ticket that is open still', async () => {
    const s = stage();
    const id = await s.request(`debug ${s.namespaces.staging}/deploy/checkout 5m checkout is slow, OPS-7`);
    await s.until(id, 'OPS-7');
    onCall = 'ben';
    // An answer counts as now for ten seconds.
    const asked = Date.now();
    await s.slack.control.waitFor(async () => Date.now() > asked + 10_000, { timeout: 15_000 });
    await s.press('cy', id, 'approve');
    await s.toldTo('cy', 'not an approver');

    isTicketOpen = false;
    await s.press('ben', id, 'approve');
    await s.toldTo('ben', 'OPS-7 does not allow this: Done');
    expect(await s.can('ada', 'get', 'pods', '-n', s.namespaces.staging)).toBe('no');
    isTicketOpen = true;
    await s.press('ben', id, 'approve');
    await s.until(id, 'Active until');
    expect(JSON.parse(source.got.findLast(({ url }) => url === '/ticket')?.body ?? '')).toMatchObject({
      ticket: 'OPS-7',
      profile: 'debug',
    });
    expect((await s.audited(id)).slice(0, 4)).toEqual(['requested', 'refused', 'refused', 'approval']);
    await s.type('ada', `revoke ${id}`);
    await s.until(id, 'Revoked');
  });

  test('hours that were over a moment ago: nothing is approved at once', async () => {
    const s = stage();
    const { staging } = s.namespaces;
    const view = `view ${staging} 5m`;
    /** Asks until the bot has read the policy again. */
    async function askUntil(hours: string, wanted: string): Promise<string> {
      await s.changePolicy(({ profiles }) => {
        if (profiles['view'] !== undefined) profiles['view'].automatic = [{ when: { hours } }];
      });
      return s.slack.control.waitFor(
        async () => {
          const id = await s.request(`${view} now`);
          const words = await s.until(id, /Active until|1 approval needed/);
          if (words.includes(wanted)) return id;
          await s.type('ada', `revoke ${id}`);
          return false;
        },
        { timeout: MINUTE, what: wanted },
      );
    }
    const inTime = await askUntil('Mon-Sun 00:00-24:00 UTC', 'Active until');
    // What is tried next is to be refused.
    await s.type('ada', `revoke ${inTime}`);
    await s.until(inTime, 'Revoked');
    const id = await askUntil(hoursUntilNow(), '1 approval needed');
    await s.toldTo('ada', 'It would have been approved at once during');
    expect(await s.objectsOf(id)).toEqual([]);
  });

  /** What people see and do: the page of the local Slack, each of them in a browser of their own. */
  describe('in a browser', () => {
    const pages = new Map<PersonName, SlackPage>();
    /** Access that begins while the others are tried. */
    let later: { id: string; at: number };

    beforeAll(async () => {
      for (const name of ['ada', 'ben', 'dee'] as const)
        pages.set(name, await openSlackPage({ slack: stage().slack, user: name }));
      onCall = 'ben';
      const asked = Date.now();
      await stage().slack.control.waitFor(async () => Date.now() > asked + 10_000, { timeout: 15_000 });
    }, 60_000);
    afterAll(async () => {
      for (const page of pages.values()) await page.close();
    });

    const pageOf = (name: PersonName): SlackPage => {
      const page = pages.get(name);
      if (page === undefined) throw new Error(`${name} has no browser`);
      return page;
    };
    const modalOf = (name: PersonName) => pageOf(name).page.getByRole('dialog');
    const reasonOf = (name: PersonName) => modalOf(name).locator('[data-block^="reason"]');
    const takeAway = (name: PersonName, what: string) => modalOf(name).getByRole('checkbox', { name: what }).uncheck();
    const said = (name: PersonName, words: string) => modalOf(name).getByText(words).first().waitFor();
    const pressIn = (name: PersonName, label: string) =>
      modalOf(name).getByRole('button', { name: label, exact: true }).click();
    async function closed(name: PersonName): Promise<void> {
      await pageOf(name).page.keyboard.press('Escape');
      await modalOf(name).waitFor({ state: 'detached' });
    }
    const messageOf = (name: PersonName, id: string) =>
      pageOf(name).page.locator('#messages article', { hasText: id }).first();
    /** Presses a button of the message of a request. */
    const press = (name: PersonName, id: string, label: string) =>
      messageOf(name, id).getByRole('button', { name: label, exact: true }).click();
    /** Asks, and answers the id of what is in #access then. */
    async function idAfter(act: () => Promise<unknown>): Promise<string> {
      const { control } = stage().slack;
      const before = (await control.messages(ACCESS)).length;
      await act();
      const posted = await control.waitFor(async () => (await control.messages(ACCESS))[before], { timeout: 20_000 });
      return /g-[a-z2-9]{6}/.exec(textOf(posted))?.[0] ?? '';
    }

    test('a start is picked in the form', async () => {
      const s = stage();
      const page = pageOf('ada');
      await page.open('access');
      await page.type(`/jit request debug ${s.namespaces.staging}/deploy/checkout 5m`);
      await said('ada', 'Reason');
      // As long as it takes to be asked for and approved, at least.
      const at = Math.ceil((Date.now() + 15_000) / MINUTE) * MINUTE;
      const clock = new Date(at - new Date(at).getTimezoneOffset() * MINUTE).toISOString().slice(0, 16);
      const picker = modalOf('ada').getByLabel('Start');
      await picker.fill('2020-01-01T10:00');
      await reasonOf('ada').fill('a planned look, OPS-7');
      await pressIn('ada', 'Preview');
      await said('ada', 'That start has passed already');
      await picker.fill(clock);
      await pressIn('ada', 'Preview');
      await said('ada', 'Nothing has been requested yet');
      const id = await idAfter(() => pressIn('ada', 'Request'));
      await said('ada', id);
      await closed('ada');
      await press('ben', id, 'Approve');
      await s.until(id, 'nothing has been opened yet');
      expect(await s.objectsOf(id)).toEqual([]);
      later = { id, at };
    });

    test('two approvers press in the same moment, with the question of one still open: both count', async () => {
      const s = stage();
      const id = await s.request(`pair ${s.namespaces.staging} 5m both of you, please`);
      const question = (name: PersonName) => pageOf(name).page.getByRole('alertdialog');
      for (const name of ['ben', 'dee'] as const) {
        await press(name, id, 'Approve');
        await question(name).waitFor();
      }
      await question('ben').getByRole('button', { name: 'Approve' }).click();
      // The message is another one by now.
      await messageOf('dee', id).getByText('1 approval needed').waitFor();
      await question('dee').getByRole('button', { name: 'Approve' }).click();
      await s.until(id, 'Active until');
      await s.type('ada', `revoke ${id}`);
      await s.until(id, 'Revoked');
    });

    test('approval with changes: what was taken away is refused by the API server', async () => {
      const s = stage();
      const { staging } = s.namespaces;
      const id = await s.request(`look ${staging} 10m checkout is slow`);
      await press('ben', id, 'Approve with changes');
      await modalOf('ben').getByLabel('How long').fill('1h');
      await pressIn('ben', 'Show');
      await said('ben', 'it lasts longer than 10m');
      await modalOf('ben').getByLabel('How long').fill('5m');
      await modalOf('ben').getByLabel('One workload').fill('deploy/checkout');
      await takeAway('ben', 'exec');
      await pressIn('ben', 'Show');
      await said('ben', `5m instead of 10m; deployment/checkout instead of all of ${staging}; without exec`);
      await pressIn('ben', 'Approve');
      await s.until(id, 'Active until');
      await closed('ben');
      await s.dm('ada', 'An approver gives less than you asked for');
      const [pod = ''] = await s.podsOf(staging, 'checkout');
      const [neighbour = ''] = await s.podsOf(staging, 'catalog');
      expect((await s.kubectlAs('ada', ['-n', staging, 'get', 'pod', pod])).code).toBe(0);
      expect((await s.kubectlAs('ada', ['-n', staging, 'get', 'pod', neighbour])).stderr).toContain('forbidden');
      const may = (verb: string, of: string, sub: string) =>
        s.can('ada', verb, `pods/${of}`, `--subresource=${sub}`, '-n', staging);
      expect(await may('get', pod, 'log')).toBe('yes');
      expect(await may('get', neighbour, 'log')).toBe('no');
      expect(await may('create', pod, 'exec')).toBe('no');
      expect((await s.audited(id)).slice(0, 3)).toEqual(['requested', 'refused', 'narrowed']);
      await s.type('ada', `revoke ${id}`);
      await s.until(id, 'Revoked');
      expect(await s.objectsOf(id)).toEqual([]);
    });

    test('and of what a profile opens, fewer ports and sources', async () => {
      const s = stage();
      const { staging } = s.namespaces;
      const id = await s.request(`vpn ${staging}/deploy/checkout 5m from my desk`);
      await press('ben', id, 'Approve with changes');
      await takeAway('ben', '9090/TCP');
      await takeAway('ben', 'vpn app=gateway');
      await pressIn('ben', 'Show');
      await said('ben', 'without 9090/TCP, source vpn app=gateway');
      await pressIn('ben', 'Approve');
      await s.until(id, 'Active until');
      await closed('ben');
      const policy = await s.adminKubectl(['-n', staging, 'get', 'netpol', `drawbridge-${id}`, '-o', 'json']);
      expect((JSON.parse(policy) as { spec: object }).spec).toMatchObject({
        ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.0/8' } }], ports: [{ port: 8080, protocol: 'TCP' }] }],
      });
      await s.type('ada', `revoke ${id}`);
      await s.until(id, 'Revoked');
    });

    test('break-glass: at once, told to administrators, and reviewed by somebody else', async () => {
      const s = stage();
      const { staging } = s.namespaces;
      await s.type('ada', `break-glass debug ${staging}/deploy/checkout 2m checkout is down, nobody answers`);
      await s.toldTo('ada', 'You may not break the glass');
      const page = pageOf('ben');
      await page.type(`/jit request debug ${staging}/deploy/checkout`);
      await reasonOf('ben').fill('checkout is down, nobody answers');
      await pressIn('ben', '🚨 Break the glass');
      const question = page.page.getByRole('alertdialog');
      await question.getByText('administrators (@drawbridge-admins)').waitFor();
      const id = await idAfter(() => question.getByRole('button', { name: 'Break the glass' }).click());
      await said('ben', id);
      await closed('ben');
      expect(await s.until(id, 'Active until')).toContain('has broken the glass');
      // The form says half an hour, and glass that is broken lasts a quarter.
      expect(await s.words(id)).toContain('15m');
      await s.dm('dee', 'has broken the glass: debug');
      await s.type('ben', `extend ${id} 1m`);
      await s.toldTo('ben', 'never extended');
      await press('ben', id, 'Revoke');
      await question.getByRole('button', { name: 'Revoke' }).click();
      await s.until(id, 'Waits for its review');
      await press('ben', id, 'Accept');
      await s.toldTo('ben', "can't review your own");
      await press('dee', id, 'Flag');
      await modalOf('dee').getByLabel('Note').fill('cy was there');
      await pressIn('dee', 'Flag');
      await s.until(id, 'Flagged in its review');
      await s.dm('ben', 'cy was there');
      expect(await s.audited(id)).toEqual(expect.arrayContaining(['break-glass', 'break-glass-reviewed']));
    });

    test('and what was picked has begun, not before its time', async () => {
      const s = stage();
      const { id, at } = later;
      await s.until(id, 'Active until', 2 * MINUTE);
      expect(Date.now()).toBeGreaterThanOrEqual(at);
      await s.type('ada', `revoke ${id}`);
      await s.until(id, 'Revoked');
    });
  });
});
