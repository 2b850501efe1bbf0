import { expect, test } from 'vitest';
import { commandsOf } from '../../support/readme.ts';

const TEXT = `# Title

## Before

\`\`\`sh
not this
\`\`\`

## Install it

Text with \`code\`.

\`\`\`sh
# first
one --flag

two \\
  --more "a b"
\`\`\`

1. In a list:

   \`\`\`sh
   three | four
   \`\`\`

   \`\`\`yaml
   not: this
   \`\`\`

### Below

\`\`\`sh
five
\`\`\`

## After

\`\`\`sh
nor this
\`\`\`
`;

test('the commands of a section, in their order, each in one line', () => {
  expect(commandsOf(TEXT, '## Install it')).toEqual(['one --flag', 'two --more "a b"', 'three | four', 'five']);
  expect(commandsOf(TEXT, '## After')).toEqual(['nor this']);
  expect(() => commandsOf(TEXT, '## Nowhere')).toThrow("there is no section '## Nowhere'");
});
