import { execFileSync } from 'node:child_process';
import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A run of a node, by what it is known on this machine. */
export interface NodeRun {
  /** Of its link and its control groups. */
  readonly name: string;
  /** Folders that are its own. */
  readonly dirs: readonly string[];
  readonly podCidr: string;
}

/** What is there that is of a run: folders, link, route, mounts, control groups, named network namespaces, processes of its pods. */
export function remains({ name, dirs, podCidr }: NodeRun): string[] {
  const output = (command: string, ...args: string[]) => execFileSync(command, args, { encoding: 'utf8' });
  const found = (what: string, text: string) => (text.includes(name) ? [what] : []);
  return [
    ...dirs.filter((dir) => existsSync(dir)),
    ...found('link', output('ip', 'link')),
    ...(output('ip', 'route').includes(podCidr) ? ['route'] : []),
    ...found('mount', readFileSync('/proc/mounts', 'utf8')),
    ...found('control group', output('find', '/sys/fs/cgroup', '-name', `${name}*`)),
    ...found('network namespace', output('ip', 'netns')),
    ...found('process', processesInGroups()),
  ];
}

/** The control groups of all processes. */
function processesInGroups(): string {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cgroup`, 'utf8');
      } catch {
        return '';
      }
    })
    .join('');
}

/** The node that runs with this folder for temporary files, by what it has written there. */
export function nodeRunIn(dir: string): NodeRun {
  const [home = ''] = globSync(join(dir, 'drawbridge-node-*'));
  const [name = ''] = /dbn[0-9a-f]{8}/.exec(readFileSync(join(home, 'init'), 'utf8')) ?? [];
  const [podCidr = ''] = /198\.19\.\d+\.0\/24/.exec(readFileSync(join(home, 'cni/pods.conflist'), 'utf8')) ?? [];
  return { name, podCidr, dirs: [home] };
}
