import type { Architecture, DebianPackage } from './debian.ts';

/** A CycloneDX document, as far as it is changed here. Source: CycloneDX 1.5, JSON. */
export interface Sbom {
  readonly serialNumber?: string;
  readonly metadata: { readonly timestamp?: string; readonly component: object };
  readonly components: readonly object[];
}

interface Component {
  readonly type: 'application' | 'library';
  readonly name: string;
  readonly version: string;
  readonly purl: string;
}

/** npm's own list of packages, and what is there beside them. Without the time and the number of npm's, so that it is the same for the same image. */
export function sbomOf(npm: Sbom, components: readonly Component[]): Sbom {
  const { serialNumber: _number, ...rest } = npm;
  const { timestamp: _time, ...metadata } = npm.metadata;
  return { ...rest, metadata, components: [...npm.components, ...components.map(referred)] };
}

/** The list of an image without packages of npm's. */
export const plainSbom = (name: string, version: string, components: readonly Component[]) => ({
  bomFormat: 'CycloneDX',
  specVersion: '1.5',
  version: 1,
  metadata: { component: { type: 'container', name, version } },
  components: components.map(referred),
});

export const nodeComponent = (version: string): Component => ({
  type: 'application',
  name: 'node',
  version,
  purl: `pkg:generic/node@${version}`,
});

export const debianComponent =
  (architecture: Architecture) =>
  ({ name, version }: DebianPackage): Component => ({
    type: 'library',
    name,
    version,
    purl: `pkg:deb/debian/${name}@${encodeURIComponent(version)}?arch=${architecture}&distro=debian-12`,
  });

const referred = (component: Component) => ({ 'bom-ref': component.purl, ...component });
