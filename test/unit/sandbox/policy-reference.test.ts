import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { policySchema } from '../../../src/domain/policy/schema.ts';
import {
  keysWithoutDescription,
  POLICY_REFERENCE,
  policyJsonSchema,
  withPolicyReference,
} from '../../../src/sandbox/policy-reference.ts';

const PLACE = '<!-- Made of the schema of the policy by npm run chart-files: begin -->\n<!-- end -->';
/** The reference of a schema, without what stands around it. */
const reference = (schema: z.ZodType): string =>
  withPolicyReference(PLACE, z.toJSONSchema(schema, { io: 'input', target: 'draft-7' }))
    .split('\n')
    .slice(2, -2)
    .join('\n');

describe('the reference of the policy file', () => {
  it('tells what each key means, so that editors and docs/policy.md can', () => {
    expect(keysWithoutDescription(policyJsonSchema())).toEqual([]);
  });

  it('is in docs/policy.md as the schema has it (npm run chart-files)', async () => {
    const document = await readFile(POLICY_REFERENCE, 'utf8');
    expect(withPolicyReference(document)).toBe(document);
  });

  it('has examples that the schema takes', () => {
    const wrong: unknown[] = [];
    let tried = 0;
    z.toJSONSchema(policySchema, {
      io: 'input',
      override: ({ zodSchema, jsonSchema }) => {
        for (const example of jsonSchema.examples ?? []) {
          tried += 1;
          if (!z.safeParse(zodSchema, example).success) wrong.push(example);
        }
      },
    });
    expect(wrong).toEqual([]);
    expect(tried).toBeGreaterThan(20);
  });

  it('says of a key without a description where it stands and what to do', () => {
    const schema = z.strictObject({
      told: z.string().describe('is told'),
      outer: z
        .strictObject({ inner: z.array(z.strictObject({ silent: z.string() })).describe('a list') })
        .describe('x'),
      blank: z.string().describe(' '),
    });
    const problems = keysWithoutDescription(z.toJSONSchema(schema));
    expect(problems).toEqual([
      expect.stringMatching(/^blank has no description: add \.describe\(.*npm run chart-files$/),
      expect.stringMatching(/^outer\.inner\[\]\.silent has no description/),
    ]);
    expect(() => reference(schema)).toThrow('blank has no description');
  });

  it('has path, type, whether it is needed, default, meaning and example of each key', () => {
    const people = z
      .strictObject({ users: z.array(z.string()).default([]).describe('names') })
      .meta({ title: 'people' });
    const schema = z.strictObject({
      who: people.describe('who may *ask*'),
      level: z
        .int()
        .min(1)
        .max(3)
        .default(2)
        .describe('how high')
        .meta({ examples: [3] }),
      mode: z.enum(['a', 'b']).default('a').describe('one of them'),
      on: z.boolean().optional().describe('Whether, in `*` words.'),
      all: z
        .record(z.string(), z.strictObject({ to: z.union([z.int(), people]).describe('either') }))
        .describe('each by name'),
    });
    expect(reference(schema)).toBe(
      [
        '### The file',
        '- **`who`**: [people](#people), needed.\n  Who may \\*ask\\*.',
        '- **`level`**: whole number from 1 to 3, default `2`.\n  How high.\n  Example: `level: 3`',
        '- **`mode`**: `a` or `b`, default `a`.\n  One of them.\n  Example: `mode: b`',
        '- **`on`**: `true` or `false`.\n  Whether, in `*` words.\n  Example: `on: true`',
        '- **`all`**: mapping of names to mapping, needed.\n  Each by name.',
        '### `all.NAME`',
        '- **`all.NAME.to`**: whole number or [people](#people), needed.\n  Either.',
        '### people',
        '- **`users`**: list of texts, default `[]`.\n  Names.',
      ].join('\n\n'),
    );
  });
});
