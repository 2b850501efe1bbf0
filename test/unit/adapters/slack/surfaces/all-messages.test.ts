import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { allMessages, MESSAGES_FILE } from '../../../../support/all-messages.ts';

it('every message reads as docs/messages.md says: npm run messages writes it', async () => {
  expect(allMessages()).toBe(await readFile(MESSAGES_FILE, 'utf8'));
});
