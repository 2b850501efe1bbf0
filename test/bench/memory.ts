import { readFile } from 'node:fs/promises';

/**
 * Bytes of resident memory of a process, now or at its peak.
 * Source: https://man7.org/linux/man-pages/man5/proc_pid_status.5.html
 */
export async function memoryOf(pid: number, field: 'VmRSS' | 'VmHWM'): Promise<number> {
  const kib = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kib) * 1024;
}

export const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
