import type { Link } from '../../domain/audit/chain.ts';

/** The columns, in their order; `actor` is in two of its own. Members of later versions are in the JSON lines only. */
const COLUMNS = [
  'seq',
  'at',
  'event',
  'id',
  'user',
  'slackId',
  'requester',
  'profile',
  'target',
  'from',
  'to',
  'rule',
  'note',
  'expiresAt',
  'lateness',
  'objects',
  'digest',
  'entry',
  'key',
  'prev',
  'mac',
] as const;

export const CSV_HEADER = `${COLUMNS.join(',')}\r`;

/** One entry as a row of CSV; its line ends with CR LF, of which printing adds the LF. */
export function csvRow(link: Link): string {
  const actor = (link.fields['actor'] ?? {}) as Record<string, unknown>;
  const values: Record<string, unknown> = { ...link.fields, ...actor, mac: link.mac };
  return `${COLUMNS.map((column) => csvCell(values[column])).join(',')}\r`;
}

/**
 * A cell that stays text: what a spreadsheet would run as a formula begins with an apostrophe, also after blanks and in the wide forms of
 * East Asian keyboards. Sources: RFC 4180; https://owasp.org/www-community/attacks/CSV_Injection
 */
export function csvCell(value: unknown): string {
  const text = textOf(value);
  const plain = /^\s*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/.test(text) ? `'${text}` : text;
  return /[",;\r\n\t]/.test(plain) || plain !== plain.trim() ? `"${plain.replaceAll('"', '""')}"` : plain;
}

function textOf(value: unknown): string {
  if (value === undefined || value === null) return '';
  if (Array.isArray(value)) return value.map(textOf).join('; ');
  return typeof value === 'string' ? value : JSON.stringify(value);
}
