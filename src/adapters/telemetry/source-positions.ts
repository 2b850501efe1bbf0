import { readFileSync } from 'node:fs';
import { SourceMap } from 'node:module';
import { dirname, join } from 'node:path';

/** For how long a map is kept after an error was told of: milliseconds. To read it takes some 80. */
const KEEP = 3_600_000;

/** With bounds: an error's words may be long, and anything. */
const POSITION = /(?:file:\/\/)?(\/[^\s():]{1,300}\.js):(\d{1,7}):(\d{1,7})/g;

/**
 * Puts the places of the sources into stacks, where the file that runs has a source map beside it. `node --enable-source-maps` does the same, but reads
 * all maps at the start and keeps them: 15 MiB, and a tenth of a second.
 */
export function createSourcePositions(): (stack: string) => string {
  const maps = new Map<string, SourceMap | null>();
  let forgetting: NodeJS.Timeout | undefined;
  function mapOf(file: string): SourceMap | null {
    const known = maps.get(file);
    const map = known === undefined ? readMap(file) : known;
    maps.set(file, map);
    return map;
  }
  return (stack) => {
    clearTimeout(forgetting);
    forgetting = setTimeout(() => maps.clear(), KEEP).unref();
    return stack.replace(POSITION, (position: string, file: string, line: string, column: string) => {
      const entry = mapOf(file)?.findEntry(Number(line) - 1, Number(column) - 1);
      // What lies before it on another line, or has no source, is no part of it.
      if (entry === undefined || !('originalSource' in entry) || entry.generatedLine !== Number(line) - 1)
        return position;
      return `${join(dirname(file), entry.originalSource)}:${entry.originalLine + 1}:${entry.originalColumn + 1}`;
    });
  };
}

/** Null: there is none. */
function readMap(file: string): SourceMap | null {
  try {
    return new SourceMap(JSON.parse(readFileSync(`${file}.map`, 'utf8')));
  } catch {
    return null;
  }
}
