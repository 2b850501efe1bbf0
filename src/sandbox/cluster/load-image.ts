import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Contents, makingFor } from '../../image/contents.ts';
import { HERE } from '../../image/debian.ts';
import { ociImage } from '../../image/oci.ts';
import type { Making } from '../../image/parts.ts';
import type { Node } from './node.ts';

/** An image as the chart's values name it: no registry has it. */
interface ImageValues {
  readonly repository: string;
  readonly tag: string;
  readonly digest: string;
  readonly pullPolicy: 'Never';
}

/**
 * Makes an image as `npm run image` does and loads it into a node. Answers what it is called there.
 * @throws Error when something of it is not to be had
 */
export async function loadImage(node: Node, contentsFor: (making: Making) => Promise<Contents>): Promise<ImageValues> {
  const dir = await mkdtemp(join(tmpdir(), 'drawbridge-image-'));
  try {
    const { name, layers, config } = await contentsFor(await makingFor(HERE, dir));
    const archive = join(dir, 'image.tar');
    await writeFile(archive, ociImage({ names: [name], architecture: HERE, layers, config }, false).archive);
    await node.load(archive);
    const [repository = '', tag = ''] = name.split(':');
    return { repository, tag, digest: '', pullPolicy: 'Never' };
  } finally {
    await rm(dir, { recursive: true });
  }
}
