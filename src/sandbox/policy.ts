import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { type Document, isMap, isScalar, isSeq, parseDocument } from 'yaml';
import { formatDuration } from '../domain/duration.ts';
import type { PolicyInput } from '../domain/policy/schema.ts';
import type { Namespaces } from './scenery.ts';

const EXAMPLE = fileURLToPath(new URL('../../policy.example.yaml', import.meta.url));
/** What a workspace runs, where a cluster's nodes pull images: it has a shell, wget and nc. */
const TOOLBOX = 'docker.io/library/busybox:1.37';

/**
 * The example policy for a world of its own: its namespaces by the names that they have there, and with `seconds` windows of that length.
 * The comments stay, since people change this file to see what happens.
 */
export async function sandboxPolicy(options: {
  readonly namespaces: Namespaces;
  /** Image of a workspace; default: one that nodes pull. */
  readonly toolbox?: string;
  /** Image of shells on nodes; left out: none are offered. */
  readonly machine?: string;
  /** How long a grant lasts by default; left out: as in the example. */
  readonly seconds?: number;
  /** With a profile for the whole cluster by a token, which only an installation with `accounts.enabled` may give. */
  readonly byToken?: boolean;
  /** False: where no probe can tell whether the cluster enforces NetworkPolicies, strict profiles would give nothing. */
  readonly strict: boolean;
}): Promise<string> {
  const document = parseDocument(await readFile(EXAMPLE, 'utf8'));
  rename(document, options.namespaces);
  document.setIn(['profiles', 'troubleshoot', 'network', 'image'], options.toolbox ?? TOOLBOX);
  if (!options.strict) document.setIn(['profiles', 'troubleshoot', 'network', 'strict'], false);
  if (options.byToken) addByToken(document);
  if (options.machine !== undefined)
    document.setIn(['profiles', 'machine'], document.createNode(machineProfile(options.machine)));
  if (options.seconds !== undefined) shorten(document, options.seconds);
  return document.toString({ lineWidth: 0 });
}

/** For the people of the profile debug. */
function addByToken(document: Document): void {
  const of = (key: string) => (document.getIn(['profiles', 'debug', key]) as { toJSON(): unknown }).toJSON();
  const profile = document.createNode({
    description: 'Everything but Secrets in the whole cluster, by a token of your own',
    scope: 'cluster',
    clusterRole: 'view',
    credential: 'token',
    requesters: of('requesters'),
    approvers: of('approvers'),
    deny: of('deny'),
    duration: { default: '30m', maximum: '1h' },
  });
  profile.commentBefore =
    ' For people whom the cluster does not know: an account is made for the grant, and the button Get kubeconfig shows\n its token to whoever asked, alone. Its lease ends it by itself.';
  document.setIn(['profiles', 'look-around'], profile);
}

/** Root on a node, and the right to look at it: what the example has as a comment, since it needs more of the chart than the rest. */
const machineProfile = (image: string): PolicyInput['profiles'][string] => ({
  description: 'Root on one node, to mend it',
  scope: 'node',
  nodes: ['*'],
  shell: { image, host: ['pid', 'network'], filesystem: 'read-only' },
  rules: [{ apiGroups: [''], resources: ['nodes'], verbs: ['get'] }],
  acknowledgePersistence: true,
  requesters: { channels: ['C0ENGINEER1'] },
  approvers: { groups: ['S0SRE00001'] },
  duration: { default: '10m', maximum: '1h' },
});

function profilesOf(document: Document): string[] {
  return Object.keys((document.toJS() as PolicyInput).profiles);
}

/** Where the entries of `automatic` name namespaces, if it is a list. */
function entriesOf(document: Document, profile: string): (string | number)[][] {
  const entries = document.getIn(['profiles', profile, 'automatic']);
  return isSeq(entries) ? entries.items.map((_, index) => ['automatic', index, 'when', 'namespaces']) : [];
}

/** Every list under a key `namespaces`, and the namespaces that a containment names. */
function rename(document: Document, names: Namespaces): void {
  const known: Readonly<Record<string, string>> = { ...names };
  for (const profile of profilesOf(document))
    for (const path of [['namespaces'], ['automatic', 'namespaces'], ...entriesOf(document, profile)]) {
      const list = document.getIn(['profiles', profile, ...path]);
      if (!isSeq(list)) continue;
      for (const item of list.items)
        if (isScalar(item) && typeof item.value === 'string') item.value = known[item.value] ?? item.value;
    }
  for (const profile of profilesOf(document)) {
    const to = document.getIn(['profiles', profile, 'network', 'to']);
    if (!isSeq(to)) continue;
    for (const peer of to.items) {
      const name = isMap(peer) ? peer.get('namespace') : undefined;
      if (isMap(peer) && typeof name === 'string') peer.set('namespace', known[name] ?? name);
    }
  }
}

function shorten(document: Document, seconds: number): void {
  const window = formatDuration(seconds);
  for (const profile of profilesOf(document)) {
    const duration = document.getIn(['profiles', profile, 'duration']);
    if (isMap(duration)) duration.set('default', window);
  }
  // Half a minute is time enough to press Extend, and a shorter window is warned of in its middle.
  document.setIn(['notifications', 'warning'], formatDuration(Math.max(1, Math.min(30, Math.floor(seconds / 2)))));
}
