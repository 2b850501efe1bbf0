import { existsSync } from 'node:fs';
import { chromium, type Page } from 'playwright-core';
import { aptInstall, mayInstall } from '../../src/sandbox/apt.ts';
import type { LocalSlack } from '../../src/sandbox/slack/index.ts';

const PROGRAMS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** CHROMIUM_PATH, or where Debian, Ubuntu and Google put it; null when there is none. */
export function findChromium(): string | null {
  const named = process.env.CHROMIUM_PATH;
  return named ?? PROGRAMS.find((file) => existsSync(file)) ?? null;
}

/**
 * Path of a Chromium. Root on Debian or Ubuntu may install one with apt-get, and says so.
 * @throws Error that says what to install, when there is none
 */
export async function ensureChromium(): Promise<string> {
  const found = findChromium();
  if (found !== null) return found;
  if (mayInstall()) await aptInstall(['chromium'], (line) => process.stderr.write(`${line}\n`));
  const installed = findChromium();
  if (installed === null) throw new Error('no Chromium: apt-get install chromium, or set CHROMIUM_PATH');
  return installed;
}

/** The page of the local Slack in a browser, as one person. */
export interface SlackPage {
  readonly page: Page;
  /** Goes to a channel or to the app by its name in the sidebar. */
  open(place: string): Promise<void>;
  /** Types into the message box and presses Enter. */
  type(text: string): Promise<void>;
  /** Writes a PNG of the window; animations and the caret are still. */
  screenshot(file: string): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens the page of the local Slack as a person (id or handle) in a browser of its own.
 *
 * @throws Error when there is no Chromium, saying what to install.
 */
export async function openSlackPage(options: {
  slack: Pick<LocalSlack, 'pageUrl'>;
  user: string;
  /** Default light. */
  theme?: 'light' | 'dark';
  width?: number;
  height?: number;
}): Promise<SlackPage> {
  const executablePath = await ensureChromium();
  const browser = await chromium.launch({
    executablePath,
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
  });
  const page = await browser.newPage({
    viewport: { width: options.width ?? 1100, height: options.height ?? 720 },
    deviceScaleFactor: 2,
    colorScheme: options.theme ?? 'light',
  });
  await page.goto(options.slack.pageUrl(options.user));
  await page.locator('#side .place').first().waitFor();
  return {
    page,
    async open(place) {
      await page.locator('#side .place', { hasText: place }).click();
    },
    async type(text) {
      await page.locator('#text').fill(text);
      await page.locator('#text').press('Enter');
    },
    async screenshot(file) {
      await page.screenshot({ path: file, animations: 'disabled', caret: 'hide' });
    },
    close: () => browser.close(),
  };
}
