/**
 * The go.mod of a module of ours that builds a version of Kubernetes: its own go.mod, with each staging module taken from the Go proxy, where it
 * has a version of its own, in the place of a folder that only the repository of Kubernetes has.
 * @param version such as `v1.34.4`
 * @param theirs the go.mod of k8s.io/kubernetes of that version
 * @throws Error when another replacement by a folder is left
 */
export function goModOf(version: string, theirs: string): string {
  const staged = version.replace(/^v1\./, 'v0.');
  const text = theirs
    .replace(/^module .*$/m, 'module drawbridge.internal/kubernetes')
    .replaceAll(/=> \.\/staging\/src\/(\S+)/g, `=> $1 ${staged}`);
  const left = /^.*=> \.{0,2}\/.*$/m.exec(text);
  if (left !== null)
    throw new Error(`the go.mod of Kubernetes ${version} replaces a module by a folder: ${left[0].trim()}`);
  return `${text.trimEnd()}\n\nrequire k8s.io/kubernetes ${version}\n`;
}
