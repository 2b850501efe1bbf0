/**
 * The lines of a stream of UTF-8, one at a time; no more than one line and one chunk is held.
 * @throws Error for a line of more than `longest` bytes, and when the stream ends within a line
 */
export async function* linesOf(
  stream: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  longest: number,
): AsyncGenerator<string, void> {
  const decoder = new TextDecoder();
  let begun: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of stream) {
    let from = 0;
    for (let end = chunk.indexOf(LF); end !== -1; end = chunk.indexOf(LF, from)) {
      const line = chunk.subarray(from, end);
      from = end + 1;
      mustNotExceed(length + line.length, longest);
      yield decoder.decode(begun.length === 0 ? line : Buffer.concat([...begun, line]));
      begun = [];
      length = 0;
    }
    if (from === chunk.length) continue;
    begun.push(chunk.subarray(from));
    length += chunk.length - from;
    mustNotExceed(length, longest);
  }
  if (length > 0) throw new Error('the stream ended within a line');
}

const LF = 0x0a;

function mustNotExceed(length: number, longest: number): void {
  if (length > longest) throw new Error(`a line is longer than ${longest} bytes`);
}
