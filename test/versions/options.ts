import { parseArgs } from 'node:util';
import { UsageError, usage } from '../../src/cli/command.ts';

/** The suites that depend on what the API server and its controllers do. */
export const SUITES = [
  'chart',
  'cluster-access',
  'drift',
  'guarded',
  'leash',
  'leash-tried',
  'named-roles',
  'own-objects',
  'reaper',
  'reflector',
  'revocation',
  'rights',
  'shapes',
  'targets',
] as const;

/** ValidatingAdmissionPolicy v1 is not served before. */
const FIRST_MINOR = 30;

interface Options {
  readonly versions: readonly string[];
  readonly suites: readonly string[];
}

/** @throws UsageError that says what is allowed */
export function optionsOf(args: readonly string[]): Options {
  const { positionals, values } = usage(() =>
    parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { suite: { type: 'string', multiple: true, default: [] } },
    }),
  );
  if (positionals.length === 0) throw new UsageError('expected versions of Kubernetes, such as v1.34.4');
  for (const version of positionals) {
    const [, minor] = /^v1\.(\d+)\.\d+$/.exec(version) ?? [];
    if (minor === undefined || Number(minor) < FIRST_MINOR)
      throw new UsageError(`${version}: expected a version such as v1.34.4, from v1.${FIRST_MINOR} on`);
  }
  for (const suite of values.suite)
    if (!SUITES.some((known) => known === suite))
      throw new UsageError(`--suite ${suite}: expected one of ${SUITES.join(', ')}`);
  return {
    versions: [...new Set(positionals)],
    suites: values.suite.length === 0 ? SUITES : [...new Set(values.suite)],
  };
}
