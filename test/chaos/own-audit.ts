import { auditKeys } from '../../src/adapters/redis/audit-stream.ts';
import { readChain, report } from '../../src/cli/audit/chain.ts';
import { loadAuditSettings } from '../../src/config/settings.ts';
import { createAuditChain } from '../../src/domain/audit/chain.ts';
import type { Installation } from './installation.ts';

/** Drawbridge's own audit, read as its `npm run audit -- verify` reads it. Judged, not believed. */

export interface OwnEntry {
  readonly event: string;
  /** Milliseconds since the epoch, as the others. */
  readonly at: number;
  readonly expiresAt: number | null;
  readonly lateness: number | null;
}

export interface OwnAudit {
  entriesOf(id: string): readonly OwnEntry[];
  /** What is wrong with the chain, in words. */
  readonly problems: readonly string[];
}

export async function readOwnAudit({ world, redis }: Installation): Promise<OwnAudit> {
  const loaded = loadAuditSettings(world.settings);
  if (!loaded.ok) throw new Error('the settings of the bots are not good for the audit');
  const { instance, sealKeys } = loaded.settings;
  const chain = createAuditChain({ keys: sealKeys.reveal(), instance });
  const entries = new Map<string, OwnEntry[]>();
  const seen = new Set<unknown>();
  const take = (fields: Readonly<Record<string, unknown>>) => {
    const { id, event, at, expiresAt, lateness, entry } = fields;
    seen.add(entry);
    if (typeof id !== 'string') return;
    const one: OwnEntry = {
      event: String(event),
      at: Date.parse(String(at)),
      expiresAt: typeof expiresAt === 'string' ? Date.parse(expiresAt) : null,
      lateness: typeof lateness === 'number' ? lateness : null,
    };
    entries.set(id, [...(entries.get(id) ?? []), one]);
  };
  // Stored with the change by a bot that died before it was chained: one that lives does that within a minute.
  const waiting = await redis.hgetall(auditKeys(instance).outbox);
  const complaints: string[] = [];
  const out = { print: () => {}, complain: (text: string) => complaints.push(text) };
  const found = await readChain(world.settings, out, [], (link) => take(link.fields));
  if ('exitCode' in found) throw new Error(complaints.join('; '));
  const problems = report(found).exitCode === 0 ? [] : [...report(found).lines];
  for (const [name, wrapped] of Object.entries(waiting)) {
    const text = chain.unwrap(name, wrapped);
    if (text === null) problems.push(`${name} of the outbox is not ours`);
    else {
      const fields = JSON.parse(text) as Record<string, unknown>;
      if (!seen.has(fields['entry'])) take(fields);
    }
  }
  return { entriesOf: (id) => entries.get(id) ?? [], problems };
}
