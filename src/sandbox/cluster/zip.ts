import { readFile } from 'node:fs/promises';
import { crc32, inflateRawSync } from 'node:zlib';

const END_OF_DIRECTORY = 0x06054b50;

/**
 * The content of one file in a zip archive (stored or deflated; not zip64, not encrypted), checked against its CRC.
 * Source of the layout: PKWARE's APPNOTE.TXT, sections 4.3.7, 4.3.12 and 4.3.16.
 */
export async function readZipEntry(archive: string, name: string): Promise<Buffer> {
  const zip = await readFile(archive);
  let end = zip.length - 22;
  while (end >= 0 && zip.readUInt32LE(end) !== END_OF_DIRECTORY) end -= 1;
  if (end < 0) throw new Error(`${archive} is not a zip archive`);

  let at = zip.readUInt32LE(end + 16);
  for (let left = zip.readUInt16LE(end + 10); left > 0; left -= 1) {
    const nameLength = zip.readUInt16LE(at + 28);
    if (zip.toString('utf8', at + 46, at + 46 + nameLength) === name) return content(zip, at, `${name} in ${archive}`);
    at += 46 + nameLength + zip.readUInt16LE(at + 30) + zip.readUInt16LE(at + 32);
  }
  throw new Error(`${archive} holds no ${name}`);
}

function content(zip: Buffer, header: number, what: string): Buffer {
  const method = zip.readUInt16LE(header + 10);
  const local = zip.readUInt32LE(header + 42);
  const start = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
  const raw = zip.subarray(start, start + zip.readUInt32LE(header + 20));
  if (method !== 0 && method !== 8) throw new Error(`${what}: compression method ${method} is not supported`);
  const data = method === 8 ? inflateRawSync(raw) : raw;
  if (crc32(data) !== zip.readUInt32LE(header + 16)) throw new Error(`${what} is damaged (CRC)`);
  return data;
}
