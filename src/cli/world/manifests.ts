import { type Document, isNode, LineCounter, parseAllDocuments } from 'yaml';
import type { z } from 'zod';
import { type KnownType, type ManifestOf, SCHEMAS } from './schema.ts';

/** Manifests that count for reachability, out of the text of a file. */

type Typed = { readonly [K in KnownType]: { readonly type: K; readonly object: ManifestOf<K> } }[KnownType];

export type Manifest = Typed & {
  /** `default` where the manifest has none, empty for a Namespace. */
  readonly namespace: string;
  readonly name: string;
  /** A made-up name (generateName) that may stand for several objects. */
  readonly generated: boolean;
  /** `shop.yaml:12:1 document 2`, with `items[3]` in a list. */
  readonly place: string;
};

interface ManifestsRead {
  readonly manifests: readonly Manifest[];
  /** How many Kubernetes objects there are, of whatever kind. */
  readonly objects: number;
  readonly problems: readonly string[];
  /** What was left out, where somebody may have counted on it. */
  readonly notes: readonly string[];
}

type Path = readonly (string | number)[];
type Mapping = Readonly<Record<string, unknown>>;

/** `extensions` is where these kinds lived once; they meant the same there. */
const FORMER: Readonly<Record<string, KnownType>> = {
  'extensions/Deployment': 'apps/Deployment',
  'extensions/DaemonSet': 'apps/DaemonSet',
  'extensions/ReplicaSet': 'apps/ReplicaSet',
  'extensions/NetworkPolicy': 'networking.k8s.io/NetworkPolicy',
};

function isMapping(value: unknown): value is Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Reads YAML (any number of documents) or JSON. Lists are opened, kinds that do not count for reachability are left
 * out. All problems are given at once: `shop.yaml:12:5 document 2 NetworkPolicy shop/web: spec.ingress[0]…: …`.
 */
export function parseManifests(text: string, file: string): ManifestsRead {
  const manifests: Manifest[] = [];
  const problems: string[] = [];
  const notes: string[] = [];
  let objects = 0;
  const lines = new LineCounter();
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  const documents = parseAllDocuments(text, {
    lineCounter: lines,
    merge: true,
    prettyErrors: false,
    stringKeys: true,
  });

  for (const [index, document] of (documents as Document[]).entries()) {
    const number = `document ${index + 1}`;
    const faults = [...document.errors, ...document.warnings];
    if (faults.length > 0) {
      const hint = text.includes('{{') ? ' (a template? render it first, as with `helm template`)' : '';
      for (const fault of faults)
        problems.push(`${at(fault.pos[0])} ${number}: not valid YAML or JSON: ${fault.message}${hint}`);
      continue;
    }
    const visit = (value: unknown, path: Path, listKind?: string, listVersion?: string): void => {
      if (value === null || value === undefined) return;
      const where = (inner: Path = []): string => at(offsetOf(document, [...path, ...inner]));
      const inList = path.length === 0 ? '' : ` ${describePath(path)}`;
      const kind = isMapping(value) ? (value['kind'] ?? listKind) : undefined;
      const apiVersion = isMapping(value) ? (value['apiVersion'] ?? listVersion) : undefined;
      if (!isMapping(value) || (kind === undefined && apiVersion === undefined)) {
        notes.push(`${where()} ${number}${inList}: no Kubernetes object (apiVersion, kind), ignored`);
        return;
      }
      if (typeof kind !== 'string' || typeof apiVersion !== 'string') {
        const missing = typeof kind === 'string' ? 'apiVersion' : 'kind';
        problems.push(`${where()} ${number}${inList}: ${missing}: expected a text`);
        return;
      }
      if (kind.endsWith('List') && Array.isArray(value['items'])) {
        const itemKind = kind === 'List' ? undefined : kind.slice(0, -'List'.length);
        for (const [item, object] of value['items'].entries())
          visit(object, [...path, 'items', item], itemKind, itemKind && apiVersion);
        return;
      }
      objects++;
      const group = apiVersion.includes('/') ? (apiVersion.split('/')[0] ?? '') : '';
      const type = FORMER[`${group}/${kind}`] ?? `${group}/${kind}`;
      const place = `${where()} ${number}${inList}`;
      if (!Object.hasOwn(SCHEMAS, type)) {
        if (kind.endsWith('NetworkPolicy'))
          notes.push(`${place}: ${kind} (${apiVersion}) is not taken into account: NetworkPolicy layer only`);
        return;
      }
      const read = readManifest(type as KnownType, value, place);
      if (read.ok) manifests.push(read.manifest);
      else
        for (const { path: inner, message } of read.problems)
          problems.push(
            `${where(inner)} ${number}${inList} ${kind} ${nameIn(value)}: ${describePath(inner) || 'manifest'}: ${message}`,
          );
    };
    try {
      visit(document.toJS(), []);
    } catch (error) {
      problems.push(`${at(0)} ${number}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return { manifests, objects, problems, notes };
}

interface Problem {
  readonly path: Path;
  readonly message: string;
}

function readManifest(
  type: KnownType,
  value: Mapping,
  place: string,
): { ok: true; manifest: Manifest } | { ok: false; problems: Problem[] } {
  const parsed = SCHEMAS[type].safeParse(value);
  if (!parsed.success) return { ok: false, problems: parsed.error.issues.map((issue) => reword(issue, value)) };
  const { metadata } = parsed.data;
  const name = metadata.name ?? metadata.generateName;
  if (name === undefined) return { ok: false, problems: [{ path: ['metadata', 'name'], message: 'is missing' }] };
  const namespace = type === '/Namespace' ? '' : (metadata.namespace ?? 'default');
  const object = { ...parsed.data, metadata: { ...metadata, namespace, name } };
  const manifest = { type, object, namespace, name, generated: metadata.name === undefined, place } as Manifest;
  return { ok: true, manifest };
}

/** zod's own words in ours; a key that does not exist is pointed at itself. */
function reword(issue: z.core.$ZodIssue, value: Mapping): Problem {
  const path = issue.path.filter((part) => typeof part !== 'symbol');
  if (issue.code === 'unrecognized_keys')
    return { path: [...path, issue.keys[0] ?? ''], message: 'unknown field, the API server would refuse it' };
  if (issue.code === 'invalid_key') return { path, message: issue.issues.map(({ message }) => message).join('; ') };
  const found = path.reduce<unknown>((part, key) => (part as Mapping | null | undefined)?.[key], value);
  if ((found === undefined || found === null) && issue.code !== 'custom') return { path, message: 'is missing' };
  if (issue.code === 'invalid_type' && issue.message.startsWith('Invalid input'))
    return { path, message: `expected ${EXPECTED[issue.expected] ?? issue.expected}` };
  return { path, message: issue.message };
}

const EXPECTED: Readonly<Record<string, string>> = {
  object: 'a mapping',
  record: 'a mapping',
  array: 'a list',
  string: 'a text',
  boolean: 'true or false',
};

/** The name in a manifest that may be wrong in every way. */
function nameIn({ kind, metadata }: Mapping): string {
  const { namespace, name, generateName } = isMapping(metadata) ? metadata : {};
  const text = [name, generateName].find((value) => typeof value === 'string') ?? '(no name)';
  if (kind === 'Namespace') return text;
  return `${typeof namespace === 'string' ? namespace : 'default'}/${text}`;
}

function describePath(path: Path): string {
  return path
    .map((part) => (typeof part === 'number' ? `[${part}]` : /^[\w-]+$/.test(part) ? `.${part}` : `[${part}]`))
    .join('')
    .replace(/^\./, '');
}

/** Where in the text the value lies, or the innermost part of its path that is there. */
function offsetOf(document: Document, path: Path): number {
  for (let length = path.length; length >= 0; length--) {
    const node = length === 0 ? document.contents : document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return node.range[0];
  }
  return 0;
}
