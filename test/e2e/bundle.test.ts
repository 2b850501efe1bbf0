import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Bundle, makeBundle } from '../support/bundle.ts';
import { describeWithCluster } from '../support/cluster.ts';
import { type Stage, useStage } from '../support/e2e.ts';

describeWithCluster('the programs of the image, where there is nothing else', (kube) => {
  const stage = useStage(kube, { bot: false });
  let bundle: Bundle;
  beforeAll(async () => {
    bundle = await makeBundle();
  });
  afterAll(() => bundle.remove());

  const run = (s: Stage, program: string, ...args: string[]) =>
    new Promise<{ code: number; said: string }>((done) => {
      const options = { cwd: bundle.dir, env: { PATH: process.env['PATH'], ...s.settings } };
      const command = [`dist/${program}.js`, ...args];
      execFile(process.execPath, command, options, (error, stdout, stderr) =>
        done({ code: error === null ? 0 : Number(error.code), said: stdout + stderr }),
      );
    });

  test('the bot gives access and takes it, and the other programs see what it did', async () => {
    const s = stage();
    const { staging } = s.namespaces;
    const bot = await s.startBot({ main: bundle.main });
    const id = await s.request(`debug ${staging}/deploy/checkout 10m checkout returns 502`);
    await s.press('ben', id, 'approve');
    await s.until(id, 'Active until');
    const [pod = ''] = await s.podsOf(staging, 'checkout');
    expect(await s.can('ada', 'get', `pods/${pod}`, '-n', staging)).toBe('yes');

    expect(await run(s, 'cli/audit', 'verify')).toMatchObject({ code: 0 });
    expect(await run(s, 'cli/policy', 'check', s.policyFile)).toMatchObject({ code: 0 });
    expect(await run(s, 'cli/reap')).toMatchObject({ code: 0, said: expect.stringContaining('0 removed') });
    expect(await run(s, 'cli/check-installation')).toMatchObject({
      code: 0,
      said: expect.not.stringContaining('FAILED'),
    });
    // It lists only, and would remove nothing even if it were the reaper too.
    const listed = await run(s, 'cli/revoke-all');
    expect(listed).toMatchObject({ code: 1, said: expect.stringContaining('say --yes to end them') });
    expect(listed.said).not.toContain('removed');

    await s.press('ben', id, 'revoke');
    await s.until(id, 'Revoked');
    expect(await s.can('ada', 'get', `pods/${pod}`, '-n', staging)).toBe('no');
    expect(await s.objectsOf(id)).toEqual([]);
    await bot.stop();
  });

  test('a stack names the files of the source', async () => {
    const s = stage();
    const bot = await s.startBot({
      main: bundle.main,
      name: 'lost',
      env: { POLICY_FILE: '/nowhere' },
      waitReady: false,
    });
    await bot.exited;
    expect(await readFile(bot.logFile, 'utf8')).toMatch(/at \w+ \([^)]*src\/config\/policy-file\.ts:\d+/);
  });

  test('the bot hears that it is to end before it has loaded anything else', async () => {
    const hearing = `process.on('newListener', (name) => {
      if (name === 'SIGTERM') console.log('hears', Symbol.for('undici.globalDispatcher.1') in globalThis);
    });`;
    const options = { cwd: bundle.dir, env: {} };
    const command = ['--import', `data:text/javascript,${encodeURIComponent(hearing)}`, bundle.main];
    const said = await promisify(execFile)(process.execPath, command, options).catch((error: unknown) => error);
    // It does not come further than to its settings.
    expect(said).toMatchObject({ code: 2, stdout: 'hears false\n' });
  });

  test('the licences of what has gone into it are beside it', async () => {
    const text = await readFile(join(bundle.dir, 'dist/run.js.LICENSE.txt'), 'utf8');
    for (const name of ['@kubernetes/client-node', '@slack/bolt', 'bullmq', 'ioredis', 'pino', 'prom-client', 'zod'])
      expect(text).toMatch(new RegExp(`^${name} \\d.*\\(.+\\)\\n\\n`, 'm'));
  });

  test('the image runs them as `npm start` does, and the chart what is there', async () => {
    const [dockerfile, packageJson, reaper] = await Promise.all(
      ['Dockerfile', 'package.json', 'helm/drawbridge/templates/reaper.yaml'].map((file) => readFile(file, 'utf8')),
    );
    const { scripts } = JSON.parse(packageJson ?? '') as { scripts: Record<string, string> };
    const [, command] = /^CMD (.*)$/m.exec(dockerfile ?? '') ?? [];
    expect(JSON.parse(command ?? '')).toEqual(scripts['start']?.replace(' --env-file-if-exists=.env', '').split(' '));
    const [, program = ''] = /command: \[node, (.*)\]/.exec(reaper ?? '') ?? [];
    await expect(readFile(join(bundle.dir, program), 'utf8')).resolves.toContain('runReaper');
  });
});
