import { afterAll, beforeAll, expect, test } from 'vitest';
import type { PolicyInput } from '../../src/domain/policy/schema.ts';
import { ACCESS, PEOPLE, type PersonName } from '../../src/sandbox/scenery.ts';
import { describeWithCluster } from '../support/cluster.ts';
import { textOf, useStage } from '../support/e2e.ts';
import { json, sourceServer } from '../support/source-server.ts';

/** The earliest end of `hours` that leaves so many milliseconds. */
const TIME_TO_ASK = 20_000;
const MINUTE = 60_000;

/** Every day until a whole minute that is near, by UTC. */
function hoursUntilSoon(): { hours: string; end: number } {
  const end = Math.ceil((Date.now() + TIME_TO_ASK) / MINUTE) * MINUTE;
  const text = new Date(end).toISOString().slice(11, 16);
  // The day that ends at midnight began when the one before it did.
  return { hours: `Mon-Sun 00:00-${text === '00:00' ? '24:00' : text} UTC`, end };
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
    const { debug } = input.profiles;
    if (debug === undefined) throw new Error('the example policy has other profiles now');
    input.oncall = { shift: { url: `${source.url}/on-call` } };
    input.tickets = { pattern: 'OPS-[0-9]+', url: `${source.url}/ticket` };
    Object.assign(debug, { approvers: { oncall: ['shift'] }, ticket: 'required' });
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

  test('hours that are over as it is asked for: a second after them nothing is approved at once', async () => {
    const s = stage();
    const { staging } = s.namespaces;
    const { hours, end } = hoursUntilSoon();
    await s.changePolicy(({ profiles }) => {
      const { view } = profiles;
      if (view !== undefined) view.automatic = [{ when: { hours } }];
    });
    // Until the bot has read the policy again, it waits for an approval.
    await s.slack.control.waitFor(
      async () => {
        const id = await s.request(`view ${staging} 5m in time`);
        return (await s.until(id, /Active until|needed/)).includes('Active until');
      },
      { timeout: TIME_TO_ASK + MINUTE, what: 'it is approved at once' },
    );
    await s.slack.control.waitFor(async () => Date.now() > end, { timeout: TIME_TO_ASK + MINUTE });
    const id = await s.request(`view ${staging} 5m a moment too late`);
    await s.toldTo('ada', 'It would have been approved at once during');
    expect(await s.words(id)).toContain('needed');
    expect(await s.objectsOf(id)).toEqual([]);
  });

  test('approval with changes: what was taken away is refused by the API server', async () => {
    const s = stage();
    const { control } = s.slack;
    const { staging } = s.namespaces;
    const { ben } = PEOPLE;
    onCall = 'ben';
    const asked = Date.now();
    await control.waitFor(async () => Date.now() > asked + 10_000, { timeout: 15_000 });
    const id = await s.request(`debug ${staging}/deploy/checkout 10m checkout is slow, OPS-7`);
    const shown = (text: string) =>
      control.waitFor(() => JSON.stringify(control.modal(ben.id) ?? '').includes(text), {
        timeout: 20_000,
        what: text,
      });
    await s.press('ben', id, 'change');
    await shown('How long');
    await control.enter(ben.id, 'duration', '1h');
    const refused = { duration: expect.stringContaining('it lasts longer than 10m') };
    expect(await control.submit(ben.id)).toMatchObject({ errors: refused });
    await control.fillAndSubmit(ben.id, { duration: '5m', rights: ['read', 'logs'] });
    await shown('5m in the place of 10m; without exec');
    await control.submit(ben.id);
    await s.until(id, 'Active until');
    await s.dm('ada', 'An approver gives less than you asked for');
    const [pod = ''] = (await s.adminKubectl(['-n', staging, 'get', 'pods', '-l', 'app=checkout', '-o', 'name'])).split(
      '\n',
    );
    const may = (verb: string, sub: string) =>
      s.can('ada', verb, pod.replace('pod/', 'pods/'), `--subresource=${sub}`, '-n', staging);
    expect(await may('get', 'log')).toBe('yes');
    expect(await may('create', 'exec')).toBe('no');
    expect((await s.audited(id)).slice(0, 3)).toEqual(['requested', 'refused', 'narrowed']);
    await s.type('ada', `revoke ${id}`);
    await s.until(id, 'Revoked');
  });

  test('break-glass: at once, told to administrators, and reviewed by somebody else', async () => {
    const s = stage();
    const { control } = s.slack;
    const line = `debug ${s.namespaces.staging}/deploy/checkout 2m checkout is down, nobody answers`;
    await s.type('ada', `break-glass ${line}`);
    await s.toldTo('ada', 'You may not break the glass');
    const before = (await control.messages(ACCESS)).length;
    await s.type('ben', `break-glass ${line}`);
    const posted = await control.waitFor(async () => (await control.messages(ACCESS))[before], { timeout: 20_000 });
    const id = /g-[a-z2-9]{6}/.exec(textOf(posted))?.[0] ?? '';
    expect(await s.until(id, 'Active until')).toContain('has broken the glass');
    await s.dm('dee', 'has broken the glass: debug');
    await s.type('ben', `extend ${id} 1m`);
    await s.toldTo('ben', 'never extended');
    await s.type('ben', `revoke ${id}`);
    await s.until(id, 'Waits for its review');
    await s.press('ben', id, 'accept');
    await s.toldTo('ben', "can't review your own");
    await s.press('dee', id, 'flag');
    await control.waitFor(() => control.modal(PEOPLE.dee.id), { timeout: 20_000, what: 'the note of the flag' });
    await control.fillAndSubmit(PEOPLE.dee.id, { input: 'cy was there' });
    await s.until(id, 'Flagged in its review');
    await s.dm('ben', 'cy was there');
    expect(await s.audited(id)).toEqual(expect.arrayContaining(['break-glass', 'break-glass-reviewed']));
  });
});
