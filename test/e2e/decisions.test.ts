import { afterAll, beforeAll, expect, test } from 'vitest';
import type { PolicyInput } from '../../src/domain/policy/schema.ts';
import { PEOPLE, type PersonName } from '../../src/sandbox/scenery.ts';
import { describeWithCluster } from '../support/cluster.ts';
import { useStage } from '../support/e2e.ts';
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
});
