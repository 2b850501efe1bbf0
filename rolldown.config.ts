import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { defineConfig, type Plugin, type RolldownOptions } from 'rolldown';

/** The programs of the image: one file each, with all that it needs of node_modules. */
const PROGRAMS = [
  'main',
  'cli/audit',
  'cli/check-installation',
  'cli/keys',
  'cli/policy',
  'cli/reap',
  'cli/revoke-all',
  'config/policy-thread',
];

const PACKAGE = /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/;

/** Puts the licences of all packages that have gone into a program beside it. */
const licences: Plugin = {
  name: 'licences',
  async generateBundle(_options, bundle) {
    for (const file of Object.values(bundle)) {
      if (file.type !== 'chunk') continue;
      const folders = new Set(file.moduleIds.flatMap((id) => PACKAGE.exec(id)?.[0] ?? []));
      if (folders.size === 0) continue;
      const texts = await Promise.all([...folders].toSorted().map(licenceOf));
      this.emitFile({ type: 'asset', fileName: `${file.fileName}.LICENSE.txt`, source: texts.join('\n\n') });
    }
  },
};

async function licenceOf(folder: string): Promise<string> {
  const { name, version, license } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
  const files = (await readdir(folder)).filter((file) => /^(licen[cs]e|notice|copying)/i.test(file)).toSorted();
  const texts = await Promise.all(files.map((file) => readFile(join(folder, file), 'utf8')));
  if (license === undefined && texts.length === 0) throw new Error(`${name} has no licence`);
  return [`${name} ${version} (${license})`, ...texts.map((text) => text.trim())].join('\n\n');
}

/** A source map of what others wrote would be 9 MB, which Node keeps in memory; the stack has their names without it. */
const ownSourceMapOnly: Plugin = {
  name: 'own-source-map-only',
  transform: { filter: { id: /\/node_modules\// }, handler: (code) => ({ code, map: { mappings: '' } }) },
};

/** Bolt has a receiver over express, which nothing here uses: express and all that it brings would be loaded for it. */
const withoutExpress: Plugin = {
  name: 'without-express',
  resolveId: { filter: { id: /^express$/ }, handler: () => '\0express' },
  load: { filter: { id: /^\0express$/ }, handler: () => 'export default null;' },
};

/** Of a text with any other character V8 keeps two bytes for each. Between quotes, where they are, both say the same. */
const inAscii: Plugin = {
  name: 'in-ascii',
  generateBundle(_options, bundle) {
    const escaped = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
    for (const file of Object.values(bundle))
      if (file.type === 'chunk') file.code = file.code.replace(/[\u0080-\uffff]/g, escaped);
  },
};

export default defineConfig(
  PROGRAMS.map(
    (program): RolldownOptions => ({
      input: { [program]: `src/${program}.ts` },
      platform: 'node',
      // ES modules, of which what is not used can be left out.
      resolve: { mainFields: ['module', 'main'] },
      // They do nothing by being imported, and do not say so: of client-node that leaves a fiftieth.
      treeshake: { moduleSideEffects: (id) => !/\/node_modules\/(@kubernetes\/client-node|bullmq)\//.test(id) },
      plugins: [licences, ownSourceMapOnly, withoutExpress, inAscii],
      output: {
        dir: 'dist',
        sourcemap: true,
        // The same wherever it is built into.
        sourcemapPathTransform: (source, map) =>
          relative(resolve('dist', dirname(program)), resolve(dirname(map), source)),
        sourcemapExcludeSources: true,
        // But for what an entry loads later.
        codeSplitting: program === 'main',
        chunkFileNames: '[name].js',
        // The text is kept in memory, and the length of each line for the source map. Names stay: they are in stacks.
        minify: { compress: false, mangle: false, codegen: true },
      },
    }),
  ),
);
