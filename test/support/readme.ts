/**
 * What a section of a Markdown text tells people to run: the commands of its blocks of `sh`, in their order. A command that goes on in the next
 * line (a backslash at the end) is one.
 * @throws Error when there is no such section
 */
export function commandsOf(markdown: string, heading: string): string[] {
  const start = markdown.indexOf(`\n${heading}\n`);
  if (start === -1) throw new Error(`there is no section '${heading}'`);
  const [section = ''] = markdown.slice(start + heading.length + 2).split(/^## /m);
  return [...section.matchAll(/^ *```sh\n([^]*?)^ *```$/gm)].flatMap(([, block = '']) =>
    block
      .replaceAll(/\\\n */g, '')
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '' && !line.startsWith('#')),
  );
}
