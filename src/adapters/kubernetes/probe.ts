import type { PortRef } from '../../domain/plan/confinement.ts';
import { type ProbeVerdict, parseVerdict } from '../../domain/plan/probe.ts';
import type { Api } from './api.ts';
import type { KubeObject } from './object.ts';

/** The probe of a workspace: its init container, the canary that it must not reach, and what it saw. */

export const PROBE = 'probe';
/** The label of the chart's canary; in the workspaces namespace nothing else has it. */
const CANARY = 'app.kubernetes.io/component=canary';
/** How many addresses of the target are asked: one that answers is enough. */
const TARGETS = 6;

/** An init container of a workspace. It outlives settings: a Job's pod template can't be changed. */
export interface Probe {
  readonly image: string;
  readonly args: readonly string[];
}

export interface ProbedPod {
  readonly metadata: { readonly name: string; readonly deletionTimestamp?: string };
  readonly status?: {
    readonly phase?: string;
    readonly initContainerStatuses?: readonly {
      readonly name: string;
      readonly state?: { readonly terminated?: { readonly message?: string; readonly startedAt?: string } };
    }[];
  };
}

export interface CanaryPod {
  readonly metadata: { readonly name: string; readonly deletionTimestamp?: string };
  readonly spec: {
    readonly containers: readonly {
      readonly name: string;
      readonly ports?: readonly { readonly containerPort: number }[];
    }[];
  };
  readonly status?: {
    readonly podIP?: string;
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly lastTransitionTime?: string;
    }[];
  };
}

export interface Prober {
  canaryPods(): Promise<CanaryPod[]>;
  /** Why none could be run now, one phrase; null: one can. */
  missing(): Promise<string | null>;
  /** The probe of a new workspace; null: without PROBE_IMAGE there is none. */
  probeFor(target: readonly { readonly ip: string }[], ports: readonly PortRef[]): Promise<Probe | null>;
  /** What it saw. The canary's silence counts only if the canary was Ready all the while. */
  verdictOf(probe: Probe, pod: ProbedPod): Promise<ProbeVerdict>;
}

/** The probe that a workspace was made with. */
export function probeIn(job: KubeObject): Probe | null {
  const { template } = job.spec as {
    template: { spec: { initContainers?: { name: string; image?: string; args?: string[] }[] } };
  };
  const found = template.spec.initContainers?.find(({ name }) => name === PROBE);
  return found === undefined ? null : { image: found.image ?? '', args: found.args ?? [] };
}

export function createProber(options: {
  readonly api: Api;
  readonly image: string | null;
  readonly workspacesNamespace: string;
}): Prober {
  const { api, image, workspacesNamespace } = options;

  const canaryPods = () => api.list<CanaryPod>('Pod', workspacesNamespace, { selector: CANARY });

  /** The canaries that are Ready, by address, and since when: milliseconds. */
  async function canaries(): Promise<{ flag: string; since: number }[]> {
    const pods = await canaryPods();
    return pods.flatMap(({ metadata, spec, status }) => {
      const ready = status?.conditions?.find(({ type }) => type === 'Ready');
      const port = spec.containers[0]?.ports?.[0]?.containerPort;
      if (metadata.deletionTimestamp !== undefined || ready?.status !== 'True') return [];
      if (!status?.podIP || port === undefined) return [];
      return [{ flag: `--canary=${addressOf(status.podIP, port)}`, since: Date.parse(ready.lastTransitionTime ?? '') }];
    });
  }

  return {
    canaryPods,
    async missing() {
      if (image === null) return 'PROBE_IMAGE is not set';
      return (await canaries()).length === 0 ? `no canary is Ready in ${workspacesNamespace}` : null;
    },
    async probeFor(target, ports) {
      if (image === null) return null;
      const [canary] = await canaries();
      const targets = target
        .flatMap(({ ip }) =>
          ip === '' ? [] : ports.filter(({ protocol }) => protocol === 'TCP').map(({ port }) => addressOf(ip, port)),
        )
        .slice(0, TARGETS);
      return {
        image,
        args: [...targets.map((address) => `--target=${address}`), ...(canary === undefined ? [] : [canary.flag])],
      };
    },
    async verdictOf({ args }, pod) {
      const ended = pod.status?.initContainerStatuses?.find(({ name }) => name === PROBE)?.state?.terminated;
      const verdict = parseVerdict(ended?.message ?? '');
      if (verdict.canary !== 'silent') return verdict;
      const began = Date.parse(ended?.startedAt ?? '');
      const stood = (await canaries()).some(({ flag, since }) => args.includes(flag) && since <= began);
      return stood ? verdict : { ...verdict, canary: 'unknown' };
    },
  };
}

const addressOf = (ip: string, port: number): string => `tcp:${ip.includes(':') ? `[${ip}]` : ip}:${port}`;
