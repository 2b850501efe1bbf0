import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { ACCESS, PEOPLE } from '../../src/sandbox/scenery.ts';
import { startWorld, type World } from '../../src/sandbox/world.ts';
import { openSlackPage } from './browser.ts';
import { smallPng } from './small-png.ts';

/** The pictures of the README: one grant from the form to its end, in a real sandbox. Run: `node test/support/screenshots.ts [FOLDER]`. */

const FOLDER = process.argv[2] ?? join(import.meta.dirname, '../../docs/images');
/** What a reader of the README is to load at most for one picture: bytes. */
const LARGEST = 150 * 1024;
const { ada, ben, cy } = PEOPLE;

async function take(world: World): Promise<void> {
  const { slack, namespaces } = world;
  const { control } = slack;
  /** What a person sees at a place, as a picture of one element. */
  const shoot = async (
    name: string,
    user: string,
    place: string | null,
    what: string,
    act: (page: Page) => Promise<void> = async () => {},
  ) => {
    const shown = await openSlackPage({ slack, user, width: 960, height: 760 });
    try {
      // An open modal covers the list of places.
      if (place !== null) await shown.open(place);
      await act(shown.page);
      const subject = shown.page.locator(what).last();
      await subject.waitFor();
      // The page draws anew at each news, and a moment later there is no more.
      await shown.page.waitForTimeout(500);
      const file = join(FOLDER, `${name}.png`);
      const picture = smallPng(await subject.screenshot({ animations: 'disabled', caret: 'hide' }));
      await writeFile(file, picture);
      process.stdout.write(`${file}: ${Math.ceil(picture.length / 1024)} KB\n`);
      if (picture.length > LARGEST) throw new Error(`${file} is larger than ${LARGEST} bytes`);
    } finally {
      await shown.close();
    }
  };
  const saying = (user: string | null, words: string) =>
    control.waitFor(
      async () => {
        const messages = user === null ? await control.messages(ACCESS) : await control.dms(user);
        return messages.find((message) => JSON.stringify(message.blocks ?? []).includes(words));
      },
      { timeout: 40_000, what: `a message with '${words}'` },
    );
  const form = (offered: string) =>
    control.waitFor(() => JSON.stringify(control.modal(ada.id)?.blocks ?? []).includes(offered), { timeout: 15_000 });

  await shoot('request', ada.name, 'access', 'body', async () => {
    await control.command(ada.id, ACCESS, '/jit');
    await form('drawbridge.modal.profile');
    await control.enter(ada.id, 'drawbridge.modal.profile', 'troubleshoot');
    await form('drawbridge.modal.namespace');
    await control.enter(ada.id, 'drawbridge.modal.namespace', namespaces.staging);
    await form('drawbridge.modal.target');
    const block = (field: string) =>
      control.modal(ada.id)?.blocks.find((one) => one.block_id?.split('|')[0] === field)?.block_id ?? field;
    const fill = (field: string, value: string) => control.enter(ada.id, { block_id: block(field) }, value);
    await fill('target', 'deployment/checkout');
    await fill('reason', 'checkout returns 502 since the last rollout');
  });
  await shoot('preview', ada.name, null, '[role=dialog]', async () => {
    await control.submit(ada.id);
    await form('Nothing has been requested yet');
  });
  await control.submit(ada.id);
  if (control.modal(ada.id) !== undefined) await control.close(ada.id);
  const request = await saying(null, 'Access requested');
  await shoot('approval', ben.name, 'access', '#messages article');
  await control.click(ben.id, ACCESS, request.ts, 'drawbridge.change');
  await control.waitFor(() => control.modal(ben.id), { timeout: 15_000 });
  await shoot('changes', ben.name, null, '[role=dialog]');
  await control.close(ben.id);
  await control.click(ben.id, ACCESS, request.ts, 'drawbridge.approve');
  await saying(ada.id, 'You have access');
  await shoot('access', ada.name, 'drawbridge', '#messages article');
  await shoot('home', ada.name, 'access', 'body', async (page) => {
    await page.locator('#side .tool', { hasText: 'Home' }).click();
    await page.getByText('Your access and requests').waitFor();
  });
  const id = /g-[a-z0-9]{6}/.exec(JSON.stringify(request.blocks))?.[0];
  await control.command(ada.id, ACCESS, '/jit', `revoke ${id} found it: a bad upstream in the last rollout`);
  await saying(null, 'Revoked');
  await saying(ada.id, 'Revoked');
  await shoot('end', cy.name, 'access', '#messages article');
  await shoot('break-glass', ben.name, 'access', '[role=alertdialog]', async (page) => {
    await control.command(ben.id, ACCESS, '/jit', `request debug ${namespaces.staging}/deploy/checkout`);
    await page.getByRole('button', { name: 'Break the glass' }).click();
  });
}

const world = await startWorld({ log: (line) => process.stdout.write(`${line}\n`) });
try {
  await world.startBot();
  await mkdir(FOLDER, { recursive: true });
  await take(world);
} finally {
  await world.stop();
}
