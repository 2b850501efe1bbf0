import { expect, test } from 'vitest';
import { goModOf } from '../../versions/go-mod.ts';
import { optionsOf, SUITES } from '../../versions/options.ts';

const THEIRS = `// This is a generated file.

module k8s.io/kubernetes

go 1.24.0

godebug default=go1.24

require (
	github.com/blang/semver/v4 v4.0.0
	k8s.io/api v0.0.0
	k8s.io/klog/v2 v2.130.1
)

replace (
	k8s.io/api => ./staging/src/k8s.io/api
	k8s.io/kube-proxy => ./staging/src/k8s.io/kube-proxy
)
`;

test('the go.mod of a version is its own, with the staging modules as the Go proxy has them', () => {
  expect(goModOf('v1.34.4', THEIRS)).toBe(`// This is a generated file.

module drawbridge.internal/kubernetes

go 1.24.0

godebug default=go1.24

require (
	github.com/blang/semver/v4 v4.0.0
	k8s.io/api v0.0.0
	k8s.io/klog/v2 v2.130.1
)

replace (
	k8s.io/api => k8s.io/api v0.34.4
	k8s.io/kube-proxy => k8s.io/kube-proxy v0.34.4
)

require k8s.io/kubernetes v1.34.4
`);
});

test.each(['./third_party/forked', '../elsewhere', '/nowhere'])(
  'a replacement by the folder %s is refused',
  (folder) => {
    const text = `${THEIRS}\nreplace example.test/x => ${folder}\n`;
    expect(() => goModOf('v1.34.4', text)).toThrow(
      `v1.34.4 replaces a module by a folder: replace example.test/x => ${folder}`,
    );
  },
);

test('a replacement by another module stays', () => {
  const line = 'replace example.test/x => example.test/y v1.2.3';
  expect(goModOf('v1.34.4', `${THEIRS}\n${line}\n`)).toContain(`\n${line}\n`);
});

test('versions and suites are taken, each once', () => {
  expect(optionsOf(['v1.34.4', 'v1.30.0', 'v1.34.4'])).toEqual({ versions: ['v1.34.4', 'v1.30.0'], suites: SUITES });
  expect(optionsOf(['v1.36.3', '--suite', 'leash', '--suite', 'drift', '--suite', 'leash'])).toEqual({
    versions: ['v1.36.3'],
    suites: ['leash', 'drift'],
  });
});

test.each([
  [[], 'expected versions of Kubernetes, such as v1.34.4'],
  [['1.34.4'], '1.34.4: expected a version such as v1.34.4, from v1.30 on'],
  [['v1.34'], 'v1.34: expected a version'],
  [['v1.34.4-rc.1'], 'v1.34.4-rc.1: expected a version'],
  [['v2.34.4'], 'v2.34.4: expected a version'],
  [['v1.36.3', 'v1.29.6'], 'v1.29.6: expected a version'],
  [['v1.36.3', '--suite', 'leesh'], '--suite leesh: expected one of chart, '],
  [['v1.36.3', '--all'], "Unknown option '--all'"],
])('%j is refused', (args, words) => {
  expect(() => optionsOf(args)).toThrow(words);
});
