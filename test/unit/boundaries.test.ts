import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';

/** The lint that keeps dependencies pointing one way is itself held by violations, since a check that checks nothing looks like a clean house. */

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'drawbridge-boundaries-'));
  await copyFile('.oxlintrc.json', join(dir, '.oxlintrc.json'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

test.each([
  ['src/domain/a.ts', '../app/ports/world.ts'],
  ['src/domain/plan/a.ts', '../../app/ports/world.ts'],
  ['src/domain/plan/b.ts', '../../network/types.ts'],
  ['src/domain/plan/c.ts', 'pino'],
  ['src/domain/b.ts', 'pino'],
  ['src/domain/c.ts', 'node:fs'],
  ['src/network/a.ts', '../domain/grant.ts'],
  ['src/app/a.ts', '../adapters/redis/locks.ts'],
  ['src/app/decide/a.ts', '../../adapters/redis/locks.ts'],
  ['src/app/decide/b.ts', 'ioredis'],
  ['src/app/decide/c.ts', '../upkeep/reconcile.ts'],
  ['src/app/ports/a.ts', '../common/telling.ts'],
  ['src/app/plan/a.ts', '../grant/end.ts'],
  ['src/adapters/clock/a.ts', '../redis/checks.ts'],
  ['src/app/b.ts', '@kubernetes/client-node'],
  ['src/config/a.ts', '../app/ports/world.ts'],
  ['src/adapters/slack/a.ts', '../redis/locks.ts'],
  ['src/adapters/kubernetes/a.ts', '../queue/jobs.ts'],
  ['src/composition/index.ts', '../sandbox/world.ts'],
  ['src/composition/services/a.ts', '../../probe/check.ts'],
  ['src/adapters/http/a.ts', '../../composition/service.ts'],
  ['src/adapters/kubernetes/b.ts', '../../probe/check.ts'],
  ['src/probe/a.ts', '../domain/probe.ts'],
  ['src/probe/b.ts', 'zod'],
  ['src/probe/c.ts', 'node:child_process'],
])('%s must not import %s', async (file, from) => {
  const path = join(dir, file);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, `import { x } from '${from}';\n\nexport const y = x;\n`);
  const output = await new Promise<string>((done) => {
    execFile(resolve('node_modules/.bin/oxlint'), [file], { cwd: dir }, (_error, stdout) => done(stdout));
  });
  expect(output).toContain('no-restricted-imports');
});
