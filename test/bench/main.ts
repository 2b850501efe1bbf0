/* `npm run bench [-- NAME]`: which figures are measured. */

const BENCHES = ['network', 'node'];
const [name = 'network'] = process.argv.slice(2);
if (BENCHES.includes(name)) await import(`./${name}.ts`);
else {
  console.error(`There is no bench '${name}', but: ${BENCHES.join(', ')}.`);
  process.exitCode = 2;
}
