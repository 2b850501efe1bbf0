import { expect, test } from 'vitest';
import { ACTIONS } from '../../src/adapters/slack/surfaces/actions.ts';
import { ACCESS, PEOPLE } from '../../src/sandbox/scenery.ts';
import { describeWithCluster } from '../support/cluster.ts';
import { textOf, useStage } from '../support/e2e.ts';

const ENGINEERING = 'C0ENGINEER1';

describeWithCluster('a profile with a channel of its own', (kube) => {
  const stage = useStage(kube, {
    policy({ profiles: { debug } }) {
      if (debug === undefined) throw new Error('the example policy has no profile debug');
      debug.approvers = { groups: ['S0SRE00001'], users: [PEOPLE.ada.user, PEOPLE.cy.user, PEOPLE.dee.user] };
      debug.approval = {
        note: { approve: 'required' },
        notify: { channel: ENGINEERING, direct: true, quiet: { users: [PEOPLE.dee.user] } },
      };
    },
  });

  test('is asked for there: who may decide is called, told why and leaves a note; who is quiet or asks is not called', async () => {
    const s = stage();
    const { control } = s.slack;
    const asked = async () =>
      (await control.messages(ENGINEERING)).findLast((message) => textOf(message).includes('in our own channel'));
    const words = async () => {
      const message = await asked();
      return message === undefined ? '' : textOf(message);
    };
    await s.type('ada', `request debug ${s.namespaces.staging}/deploy/checkout 5m in our own channel`);
    const { ts } = await control.waitFor(asked, {
      timeout: 40_000,
      what: 'the message in the channel of the profile',
    });
    const posted = await words();
    expect(posted).toMatch(
      /needed\*, from <!subteam\^S0SRE00001>, <@U0CY>, `dee@example\.test`, not from whoever asks/,
    );

    expect(await s.dm('ben', 'Your decision is asked for')).toContain(
      'Why you: you are in <!subteam^S0SRE00001>, approvers of `debug`',
    );
    expect(await s.dm('cy', 'Your decision is asked for')).toMatch(
      /Open the request[^]*Why you: the policy names you among the approvers of `debug`/,
    );
    for (const person of ['ada', 'dee'] as const)
      expect((await control.dms(PEOPLE[person].id)).map(textOf).join()).not.toContain('Your decision is asked for');

    const id = /g-[a-z2-9]{6}/.exec(posted)?.[0] ?? '';
    await control.click(PEOPLE.ben.id, ENGINEERING, ts, ACTIONS.approve);
    await control.waitFor(() => control.modal(PEOPLE.ben.id));
    await control.fillAndSubmit(PEOPLE.ben.id, { input: '<!channel> the incident\nof today' });
    const note = 'ben@example.test: “<!channel> the incident of today”';
    await control.waitFor(async () => /Active until/.test(await words()), {
      timeout: 30_000,
      what: 'active, in the channel of the profile',
    });
    expect(await s.dm('ada', 'What to run')).toContain(note);
    expect((await control.messages(ACCESS)).map(textOf).join()).not.toContain(id);
    await s.type('ada', `revoke ${id}`);
    await control.waitFor(async () => (await words()).includes('Revoked'), {
      timeout: 30_000,
    });
    expect(await s.objectsOf(id)).toEqual([]);
  }, 180_000);
});
