export interface LogLine {
  level: 'info' | 'warn' | 'error';
  fields: Record<string, unknown>;
  text: string;
}

/** A log that only remembers. */
export function silentLog() {
  const lines: LogLine[] = [];
  const at = (level: LogLine['level']) => (fields: object, text: string) => {
    lines.push({ level, fields: fields as Record<string, unknown>, text });
  };
  return { lines, info: at('info'), warn: at('warn'), error: at('error') };
}
