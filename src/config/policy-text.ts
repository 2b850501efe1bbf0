import { open } from 'node:fs/promises';
import { type Document, isAlias, isMap, isSeq, LineCounter, type Node, parseDocument } from 'yaml';
import { z } from 'zod';
import { nearest } from '../domain/nearest.ts';
import { type Policy } from '../domain/policy/policy.ts';
import { policySchema } from '../domain/policy/schema.ts';

/** The largest policy file that is read. */
const LARGEST_BYTES = 1024 * 1024;
/** A policy has little to repeat; more aliases than this are an attempt to blow up the memory. */
const MOST_ALIASES = 50;
/** No more problems are told at once: each is looked for in the whole text, and a file of another kind has a hundred thousand. */
const MOST_PROBLEMS = 100;

export type PolicyResult =
  | { readonly ok: true; readonly policy: Policy }
  | { readonly ok: false; readonly problems: readonly string[] };

/** A policy as a program reads it from a file that was named to it. */
export type LoadedPolicy =
  | {
      readonly ok: true;
      readonly policy: Policy;
      /** Where a key stands, as problems are told: `policy.yaml:12:5 profiles.debug.duration`. */
      readonly at: (path: readonly (string | number)[]) => string;
    }
  /** `isUnread`: there is no text to judge. */
  | { readonly ok: false; readonly problems: readonly string[]; readonly isUnread: boolean };

type Path = readonly (string | number)[];

/**
 * Reads a policy from its YAML text. Each problem is one line: `policy.yaml:12:5 profiles.debug.duration.maximum: …`, with file, line,
 * column, path and what is allowed. All problems are given at once; those of the YAML itself hide those of the content. Of very
 * many the first are given.
 */
export function parsePolicy(text: string, fileName: string): PolicyResult {
  const lines = new LineCounter();
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return `${fileName}:${line}:${col}`;
  };
  const document = parseDocument(text, {
    lineCounter: lines,
    strict: true,
    uniqueKeys: true,
    stringKeys: true,
    prettyErrors: false,
  });
  // A warning is, for instance, a tag that nobody knows: the value behind it would be taken for something else.
  const faults = [...document.errors, ...document.warnings];
  if (faults.length > 0)
    return { ok: false, problems: firstOf(faults.map((f) => `${at(f.pos[0])} not valid YAML: ${f.message}`)) };

  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: MOST_ALIASES });
  } catch (error) {
    return { ok: false, problems: [`${fileName}:1:1 ${error instanceof Error ? error.message : String(error)}`] };
  }
  const parsed = policySchema.safeParse(value);
  if (parsed.success) return { ok: true, policy: parsed.data };
  const found: Explained[] = [];
  for (const issue of parsed.error.issues)
    if (found.length <= MOST_PROBLEMS) for (const one of explain(issue, document)) found.push(one);
  const problems = found
    .map(({ path, offset, message }) => ({ offset, line: `${at(offset)} ${describePath(path)}: ${message}` }))
    .toSorted((a, b) => a.offset - b.offset)
    .map(({ line }) => line);
  return { ok: false, problems: firstOf([...new Set(problems)]) };
}

function firstOf(problems: readonly string[]): readonly string[] {
  return problems.length <= MOST_PROBLEMS
    ? problems
    : [...problems.slice(0, MOST_PROBLEMS), 'and more: put these right first'];
}

/** Reads and parses the file, which is named as it is given. Problems of reading (missing, a directory, too large) are problems like the others. */
export async function loadPolicy(file: string): Promise<LoadedPolicy> {
  const text = await readText(file);
  if (typeof text !== 'string') return { ok: false, problems: [text.problem], isUnread: true };
  const result = parsePolicy(text, file);
  return result.ok ? { ...result, at: placesIn(text, file) } : { ...result, isUnread: false };
}

function placesIn(text: string, file: string): (path: Path) => string {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, stringKeys: true });
  return (path) => {
    const { line, col } = lines.linePos(locate(document.contents, path, document).offset);
    return `${file}:${line}:${col} ${describePath(path)}`;
  };
}

/** The text of the file, or why there is none, as one line. */
export async function readText(file: string): Promise<string | { problem: string }> {
  try {
    await using handle = await open(file, 'r');
    const { size } = await handle.stat();
    if (size > LARGEST_BYTES) return { problem: `${file}: has ${size} bytes, a policy has ${LARGEST_BYTES} at most` };
    return await handle.readFile('utf8');
  } catch (error) {
    return { problem: `${file}: can't be read: ${error instanceof Error ? error.message : String(error)}` };
  }
}

interface Explained {
  path: Path;
  offset: number;
  message: string;
}

/** What is wrong, where in the file, and what is allowed there. */
function explain(issue: z.core.$ZodIssue, document: Document): Explained[] {
  const path = issue.path.filter((part) => typeof part !== 'symbol');
  const found = locate(document.contents, path, document);
  if (issue.code === 'unrecognized_keys')
    return issue.keys.slice(0, MOST_PROBLEMS + 1).map((key) => {
      const known = knownKeys(path);
      const near = nearest(key, known);
      const hint = near === null ? `known are ${known.join(', ')}` : `did you mean '${near}'?`;
      return {
        path: [...path, key],
        offset: locate(document.contents, [...path, key], document).keyOffset,
        message: `unknown key, ${hint}`,
      };
    });
  if (issue.code === 'invalid_union') {
    // Of the forms that a value may have, the one that it has: what is wrong inside it is told, not that it is no other form.
    const inside = issue.errors.find((issues) =>
      issues.every(({ path: at, code }) => at.length > 0 || code === 'unrecognized_keys'),
    );
    if (inside !== undefined)
      return inside.flatMap((inner) => explain({ ...inner, path: [...issue.path, ...inner.path] }, document));
  }
  if (issue.code === 'invalid_key')
    return [{ path, offset: found.keyOffset, message: issue.issues.map((inner) => inner.message).join('; ') }];
  return [{ path, offset: found.offset, message: found.exists ? reword(issue) : `is missing: ${reword(issue)}` }];
}

/** zod's own words, where the schema has none, in ours. */
function reword(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_value' && issue.message.startsWith('Invalid'))
    return `expected ${issue.values.map((v) => JSON.stringify(v)).join(' or ')}`;
  if (issue.code === 'invalid_type' && issue.message.startsWith('Invalid input'))
    return `expected ${EXPECTED[issue.expected] ?? issue.expected}`;
  if (issue.code === 'too_small' && issue.origin === 'array') return 'is empty: expected at least one entry';
  return issue.message.replace(/^Invalid input: /, '');
}

const EXPECTED: Record<string, string> = {
  object: 'a mapping (key: value)',
  record: 'a mapping (key: value)',
  array: 'a list (- entry)',
  string: 'a text',
  boolean: 'true or false',
  int: 'a whole number',
  number: 'a number',
};

const POLICY_JSON_SCHEMA = z.toJSONSchema(policySchema, { io: 'input', unrepresentable: 'any' });

/** The keys that the schema knows at a path. */
function knownKeys(path: Path): string[] {
  let schema: z.core.JSONSchema.BaseSchema | undefined = POLICY_JSON_SCHEMA;
  for (const [index, part] of path.entries()) {
    const next: unknown =
      typeof part === 'number' ? schema?.items : (schema?.properties?.[part] ?? schema?.additionalProperties);
    schema =
      typeof next === 'object' && next !== null
        ? formOf(next as z.core.JSONSchema.BaseSchema, path[index + 1])
        : undefined;
  }
  return Object.keys(schema?.properties ?? {});
}

/** Of the forms that a value may have, the list where an index follows, else the mapping. */
function formOf(schema: z.core.JSONSchema.BaseSchema, next: Path[number] | undefined): z.core.JSONSchema.BaseSchema {
  const type = typeof next === 'number' ? 'array' : 'object';
  const forms = (schema.anyOf ?? []).filter((form) => typeof form === 'object');
  return forms.find((form) => form.type === type) ?? schema;
}

interface Located {
  /** Of the value, or of the nearest thing around it that exists. */
  offset: number;
  keyOffset: number;
  exists: boolean;
}

function locate(root: unknown, path: Path, document: Document): Located {
  let node: unknown = root;
  let offset = offsetOf(root) ?? 0;
  let keyOffset = offset;
  for (const part of path) {
    if (isAlias(node)) node = node.resolve(document);
    if (isMap(node)) {
      const pair = node.items.find((item) => String((item.key as { value?: unknown })?.value) === String(part));
      if (pair === undefined) return { offset: keyOffset, keyOffset, exists: false };
      keyOffset = offsetOf(pair.key) ?? offset;
      node = pair.value;
      // An empty value has no place of its own.
      offset = offsetOf(node) ?? keyOffset;
    } else if (isSeq(node)) {
      node = node.items[Number(part)];
      offset = offsetOf(node) ?? offset;
      keyOffset = offset;
    } else return { offset, keyOffset, exists: false };
  }
  return { offset, keyOffset, exists: true };
}

function offsetOf(node: unknown): number | null {
  return (node as Node | null | undefined)?.range?.[0] ?? null;
}

function describePath(path: Path): string {
  if (path.length === 0) return 'the policy';
  return path.map((part, i) => (typeof part === 'number' ? `[${part}]` : i === 0 ? part : `.${part}`)).join('');
}
