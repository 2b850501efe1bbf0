import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { stringify } from 'yaml';
import { z } from 'zod';
import { runPolicyCli } from '../../src/cli/policy.ts';

/** Runs `npm run policy -- …` in this process. */
export async function runPolicy(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  const out: string[] = [];
  const err: string[] = [];
  const code = await runPolicyCli(argv, { print: (text) => out.push(text), complain: (text) => err.push(text) });
  return { code, out: out.join('\n'), err: err.join('\n') };
}

/** A directory of manifests, gone when it is disposed of. Objects become the documents of a YAML file, texts stay as they are. */
export async function manifestDir(
  files: Readonly<Record<string, string | readonly object[]>>,
): Promise<{ dir: string } & AsyncDisposable> {
  const dir = await mkdtemp(join(tmpdir(), 'drawbridge-manifests-'));
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(dir, name)), { recursive: true });
    const text = typeof content === 'string' ? content : content.map((object) => stringify(object)).join('---\n');
    await writeFile(join(dir, name), text);
  }
  return { dir, [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }) };
}

const end = z.union([
  z.strictObject({ namespace: z.string().min(1), kind: z.string().min(1), name: z.string().min(1) }),
  z.strictObject({ cidr: z.union([z.cidrv4(), z.cidrv6()]) }),
]);
const port = z.int().min(1).max(65535);
const range = z.strictObject({ protocol: z.enum(['TCP', 'UDP', 'SCTP']), from: port, to: port });

/** What `connections -o json` promises to programs, to the letter. */
export const connectionsJson = z.strictObject({
  version: z.literal(1),
  connections: z.array(
    z.strictObject({
      from: end,
      to: end,
      ports: z.array(range).min(1),
      reasons: z.array(z.string().min(1)).min(1),
      pluginDependent: z.boolean(),
      pods: z.string().optional(),
    }),
  ),
});
