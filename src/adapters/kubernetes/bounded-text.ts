/** An answer that is longer than may be held. */
export class TooLong extends Error {}

/**
 * The text of a stream of UTF-8. What is too long is not read to its end.
 * @param longest bytes
 * @throws TooLong
 */
export async function boundedText(stream: AsyncIterable<Uint8Array>, longest: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of stream) {
    length += chunk.length;
    if (length > longest) throw new TooLong(`longer than ${longest} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}
