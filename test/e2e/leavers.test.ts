import { expect, test } from 'vitest';
import { PEOPLE } from '../../src/sandbox/scenery.ts';
import { describeWithCluster } from '../support/cluster.ts';
import { type Stage, useStage } from '../support/e2e.ts';

/** Who leaves loses what is open as soon as Slack says so: the bot as it is started, from the event to the API server. */

/** A group that the profile `debug` of the example policy denies. */
const LEFT = 'S0CONTRACT';

describeWithCluster('who leaves', (kube) => {
  const stage = useStage(kube);

  async function active(s: Stage, why: string): Promise<{ id: string; can: () => Promise<string> }> {
    const { staging } = s.namespaces;
    const id = await s.request(`debug ${staging}/deploy/checkout 30m ${why}`);
    await s.press('ben', id, 'approve');
    await s.until(id, 'Active until');
    const [pod = ''] = await s.podsOf(staging, 'checkout');
    const can = () => s.can('ada', 'get', `pods/${pod}`, '-n', staging);
    expect(await can()).toBe('yes');
    return { id, can };
  }

  /** That it ended, and that administrators were told, long before the sweep would have found it. */
  async function ended(s: Stage, { id, can }: Awaited<ReturnType<typeof active>>, why: string): Promise<void> {
    await s.dm('dee', `${id} is ended: ${why}`);
    await s.until(id, 'Revoked');
    expect(await can()).toBe('no');
    expect(await s.objectsOf(id)).toEqual([]);
  }

  test('an account that is deactivated loses an open grant, and a request that waits', async () => {
    const s = stage();
    const { directory } = s.slack.control;
    const grant = await active(s, 'before the account is deactivated');
    const waiting = await s.request(`debug ${s.namespaces.staging}/deploy/checkout 5m waits`);
    directory.setPerson({ id: PEOPLE.ada.id, deleted: true });
    await ended(s, grant, `The Slack account of ${PEOPLE.ada.user} is deactivated.`);
    await s.until(waiting, 'Withdrawn');
    directory.setPerson({ id: PEOPLE.ada.id, deleted: false });
  });

  test('somebody who comes into a group that the policy denies loses an open grant', async () => {
    const s = stage();
    const { directory } = s.slack.control;
    const grant = await active(s, 'before the group has a new member');
    directory.setGroup({ id: LEFT, users: [PEOPLE.ada.id] });
    await ended(s, grant, `The policy denies profile 'debug' to ${PEOPLE.ada.user} now`);
    await s.dm('ada', `Revoked: ${grant.id}`);
    directory.setGroup({ id: LEFT, users: [] });
  });
});
