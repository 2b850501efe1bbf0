import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { runCommand, terminal, usage } from '../cli/command.ts';
import { environmentSchema } from './settings.ts';

const HELP = `Usage: npm run env-example [-- --check]

Writes .env.example from the schema of the settings; with --check it only compares.
Exit code: 0 good, 1 it differs, 2 wrong arguments.`;

interface Variable {
  description?: string;
  default?: string;
  example?: string;
}

const FILE = fileURLToPath(new URL('../../.env.example', import.meta.url));
const WIDTH = 100;

/** The text of `.env.example`: each setting with its description; what has a default, or may be missing, is commented out. */
export function envExample(): string {
  const schema = z.toJSONSchema(environmentSchema, { io: 'input' });
  const required = new Set(schema.required);
  const blocks = Object.entries((schema.properties ?? {}) as Record<string, Variable>).map(([name, variable]) => {
    const note = required.has(name)
      ? 'Required.'
      : variable.default === undefined
        ? 'Optional.'
        : `Default: ${variable.default}.`;
    const value = variable.default ?? variable.example ?? '';
    return [
      ...comment(`${variable.description ?? ''} ${note}`),
      `${required.has(name) ? '' : '#'}${name}=${value}`,
    ].join('\n');
  });
  return `# Settings of Drawbridge. Generated from src/config/settings.ts by: npm run env-example\n\n${blocks.join('\n\n')}\n`;
}

function comment(words: string): string[] {
  const lines: string[] = [];
  let line = '#';
  for (const word of words.split(' ')) {
    if (line.length + word.length + 1 > WIDTH && line !== '#') {
      lines.push(line);
      line = '#';
    }
    line += ` ${word}`;
  }
  return [...lines, line];
}

if (import.meta.main) {
  const argv = process.argv.slice(2);
  process.exitCode = await runCommand({ command: 'env-example --', help: HELP, argv, out: terminal }, async () => {
    const { values } = usage(() => parseArgs({ options: { check: { type: 'boolean' } } }));
    const text = envExample();
    if (values.check !== true) await writeFile(FILE, text);
    else if ((await readFile(FILE, 'utf8').catch(() => '')) !== text) {
      terminal.complain('.env.example differs from the schema of the settings: run npm run env-example');
      return 1;
    }
    return 0;
  });
}
