import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import type { z } from 'zod';
import { chartFiles } from './chart-values.ts';
import { withMadePart } from './made-part.ts';

/**
 * The keys of the policy file as a reference, made of the JSON Schema that editors read: nothing here knows a key by name. Run as a program this
 * writes the one in docs/policy.md.
 */

export const POLICY_REFERENCE = fileURLToPath(new URL('../../docs/policy.md', import.meta.url));

type Schema = z.core.JSONSchema.BaseSchema;

/** A mapping whose keys are told: where it stands in the file, or under its title, which several places share. */
interface Section {
  readonly heading: string;
  /** What stands before a key in its path: `profiles.NAME.`. */
  readonly prefix: string;
  readonly schema: Schema;
}

/** The document with the reference as it should be, from the policy's JSON Schema. */
export const withPolicyReference = (document: string, schema: Schema = policyJsonSchema()): string =>
  withMadePart(document, 'the schema of the policy', referenceOf(schema));

export const policyJsonSchema = (): Schema => chartFiles()['policy.schema.json'] as Schema;

/** The paths of keys that have no description, each with what to do. */
export function keysWithoutDescription(schema: Schema): string[] {
  return sectionsOf(schema).flatMap(({ prefix, schema: { properties } }) =>
    Object.entries(properties ?? {}).flatMap(([key, value]) =>
      isSchema(value) && (value.description ?? '').trim() !== ''
        ? []
        : [
            `${prefix}${key} has no description: add .describe('...') to it in src/domain/policy (best with .meta({ examples: [...] })), then run npm run chart-files`,
          ],
    ),
  );
}

/** @throws Error for keys without a description */
function referenceOf(schema: Schema): string {
  const problems = keysWithoutDescription(schema);
  if (problems.length > 0) throw new Error(problems.join('\n'));
  return sectionsOf(schema)
    .map(({ heading, prefix, schema: mapping }) =>
      [
        `### ${heading}`,
        ...Object.entries(mapping.properties ?? {}).map(([key, value]) =>
          describeKey(prefix, key, value as Schema, mapping.required?.includes(key) === true),
        ),
      ].join('\n\n'),
    )
    .join('\n\n');
}

function sectionsOf(schema: Schema): Section[] {
  const titled = new Map<string, Schema>();
  const placed = sectionsIn(schema, '', titled);
  // Mappings with a title may hold others, which come to the end of the same list.
  const shared: Section[] = [];
  for (const [title] of titled) shared.push(...sectionsIn(titled.get(title) ?? {}, '', titled, title));
  return [...placed, ...shared];
}

/** This mapping and those in it. Those with a title are put among `titled` instead. */
function sectionsIn(schema: Schema, path: string, titled: Map<string, Schema>, title?: string): Section[] {
  const heading = title ?? (path === '' ? 'The file' : `\`${path}\``);
  const prefix = path === '' ? '' : `${path}.`;
  const inside = Object.entries(schema.properties ?? {}).flatMap(([key, value]) =>
    mappingsIn(value, `${prefix}${key}`).flatMap(({ at, mapping }) => {
      if (mapping.title === undefined) return sectionsIn(mapping, at, titled);
      const known = titled.get(mapping.title);
      const required = (known ?? mapping).required?.filter((name) => mapping.required?.includes(name)) ?? [];
      titled.set(mapping.title, { ...(known ?? mapping), required });
      return [];
    }),
  );
  return [{ heading, prefix, schema }, ...inside];
}

/** The mappings with known keys that a value may hold, and where they stand in it. */
function mappingsIn(schema: unknown, at: string): { readonly at: string; readonly mapping: Schema }[] {
  if (!isSchema(schema)) return [];
  if (schema.anyOf !== undefined) return schema.anyOf.flatMap((form) => mappingsIn(form, at));
  if (schema.type === 'array') return mappingsIn(schema.items, `${at}[]`);
  if (schema.properties !== undefined) return [{ at, mapping: schema }];
  return mappingsIn(schema.additionalProperties, `${at}.NAME`);
}

function describeKey(prefix: string, key: string, schema: Schema, isNeeded: boolean): string {
  const description = schema.description ?? '';
  const example = exampleOf(schema);
  return [
    `- **\`${prefix}${key}\`**: ${typeOf(schema)}${isNeeded ? ', needed' : ''}${defaultOf(schema)}.`,
    `  ${asProse(`${description.charAt(0).toUpperCase()}${description.slice(1)}`)}${description.endsWith('.') ? '' : '.'}`,
    ...(example === undefined ? [] : [`  Example: ${code(inFlow({ [key]: example }).slice(1, -1))}`]),
  ].join('\n');
}

function typeOf(schema: unknown): string {
  if (!isSchema(schema)) return 'anything';
  const { title, anyOf, const: constant, enum: values, type, properties, minimum, maximum, maxItems } = schema;
  if (title !== undefined) return properties === undefined ? title : `[${title}](#${title.replaceAll(' ', '-')})`;
  if (anyOf !== undefined) return [...new Set(anyOf.map(typeOf))].join(' or ');
  if (constant !== undefined) return code(inFlow(constant));
  if (values !== undefined) return oneOf(values.map((value) => code(inFlow(value))));
  if (type === 'array')
    return `list of ${typeOf(schema.items).replace(/^(text|mapping|whole number)\b/, '$1s')}${maxItems === undefined ? '' : ` (${maxItems} at most)`}`;
  if (type === 'object')
    return isSchema(schema.additionalProperties)
      ? `mapping of names to ${typeOf(schema.additionalProperties)}`
      : 'mapping';
  if (type === 'boolean') return oneOf([code('true'), code('false')]);
  if (type === 'string') return 'text';
  // A whole number that has no bound of its own has that of the language.
  const isBound = (value: number | undefined): value is number => Math.abs(value ?? Infinity) < Number.MAX_SAFE_INTEGER;
  const range = `${isBound(minimum) ? ` from ${minimum}` : ''}${isBound(maximum) ? ` to ${maximum}` : ''}`;
  return type === 'integer' ? `whole number${range}` : `${String(type ?? 'anything')}${range}`;
}

const oneOf = (words: readonly string[]): string =>
  words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;

function defaultOf(schema: Schema): string {
  if (schema.default === undefined) return '';
  return `, default ${code(inFlow(schema.default))}`;
}

/** The first example of the schema, or one that its type gives: another value than the default. */
function exampleOf(schema: Schema): unknown {
  const { examples, enum: values, type, items, default: usual } = schema;
  if (examples !== undefined) return examples[0];
  if (values !== undefined) return values.find((value) => value !== usual) ?? values[0];
  if (type === 'boolean') return usual !== true;
  if (schema.const !== undefined) return schema.const;
  if (type === 'array' && isSchema(items) && items.properties === undefined) {
    const entry = exampleOf(items);
    return entry === undefined ? undefined : [entry];
  }
  return undefined;
}

/** As YAML in one line. */
const inFlow = (value: unknown): string =>
  stringify(value, { collectionStyle: 'flow', flowCollectionPadding: false, lineWidth: 0 }).trim();

const code = (text: string): string => (text.includes('`') ? `\`\` ${text} \`\`` : `\`${text}\``);

/** What a sentence may hold that Markdown would take for its own; what stands between backquotes stays. */
const asProse = (text: string): string =>
  text
    .split(/(`[^`]*`)/)
    .map((part, index) => (index % 2 === 1 ? part : part.replaceAll(/[*_|[\]]/g, '\\$&').replaceAll('<', '&lt;')))
    .join('');

const isSchema = (value: unknown): value is Schema => typeof value === 'object' && value !== null;

if (import.meta.main) await writeFile(POLICY_REFERENCE, withPolicyReference(await readFile(POLICY_REFERENCE, 'utf8')));
