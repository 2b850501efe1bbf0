/** A file, folder (its name ends in /) or symbolic link of root's in an archive. */
export interface Entry {
  /** Relative, at most 100 bytes. */
  readonly name: string;
  readonly content?: Buffer | readonly Buffer[];
  readonly link?: string;
  readonly mode: number;
}

/** A tar archive (POSIX.1-1988 ustar) in pieces, since it may be large. Nothing in it depends on when and by whom it is made. */
export function tar(entries: readonly Entry[]): Buffer[] {
  const blocks = entries.flatMap(({ name, content = [], link = '', mode }) => {
    const pieces = [content].flat();
    const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
    return [headerOf(name, link, mode, length), ...pieces, Buffer.alloc((512 - (length % 512)) % 512)];
  });
  return [...blocks, Buffer.alloc(1024)];
}

function headerOf(name: string, link: string, mode: number, length: number): Buffer {
  if (Buffer.byteLength(name) > 100 || Buffer.byteLength(link) > 100)
    throw new Error(`too long for an archive: ${name}`);
  const header = Buffer.alloc(512);
  const octal = (value: number, digits: number) => `${value.toString(8).padStart(digits - 1, '0')}\0`;
  header.write(name, 0);
  header.write(octal(mode, 8), 100);
  header.write(octal(0, 8), 108);
  header.write(octal(0, 8), 116);
  header.write(octal(length, 12), 124);
  header.write(octal(0, 12), 136);
  header.write(' '.repeat(8), 148);
  header.write(link ? '2' : name.endsWith('/') ? '5' : '0', 156);
  header.write(link, 157);
  header.write('ustar\x0000', 257);
  const sum = header.reduce((all, byte) => all + byte, 0);
  header.write(`${octal(sum, 7)} `, 148);
  return header;
}

/** Folders that everybody may write to. */
const OPEN = ['tmp/', 'data/'];

/** These entries, after the folders that they are in and those named. */
export function withFolders(entries: readonly Entry[], folders: readonly string[] = ['tmp/']): Entry[] {
  const all = new Set([...folders, ...entries.map(({ name }) => name)].flatMap(parentsOf));
  return [...[...all].toSorted().map((name) => ({ name, mode: OPEN.includes(name) ? 0o1777 : 0o755 })), ...entries];
}

/** `usr/local/bin/node` -> `usr/`, `usr/local/`, `usr/local/bin/` */
function parentsOf(name: string): string[] {
  const folders = name.split('/').slice(0, -1);
  return folders.map((_, index) => `${folders.slice(0, index + 1).join('/')}/`);
}
