import { type KubeConfig, Watch } from '@kubernetes/client-node';

/** Milliseconds that a burst of changes is gathered for, and that a lost watch rests before it is opened again. */
const SETTLE = 300;
const REST = 2000;

export interface PodWatch {
  /** Watches the pods of exactly these namespaces from now on. */
  watch(namespaces: ReadonlySet<string>): void;
  stop(): void;
}

/**
 * Tells when pods of some namespaces come or go. A hint, not a record: each look around follows the same pods, so that what a broken watch
 * misses is only late.
 */
export function createPodWatch(config: KubeConfig, onChange: (namespace: string) => void): PodWatch {
  const open = new Map<string, AbortController>();

  function follow(namespace: string): void {
    const stopping = new AbortController();
    open.set(namespace, stopping);
    let settling: NodeJS.Timeout | undefined;
    const again = () => {
      if (!stopping.signal.aborted) setTimeout(() => void connect(), REST).unref();
    };
    async function connect(): Promise<void> {
      if (stopping.signal.aborted) return;
      try {
        const request = await new Watch(config).watch(
          `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods`,
          {},
          (phase) => {
            if (phase !== 'ADDED' && phase !== 'DELETED') return;
            clearTimeout(settling);
            settling = setTimeout(() => onChange(namespace), SETTLE);
          },
          again,
        );
        stopping.signal.addEventListener('abort', () => request.abort(), { once: true });
        if (stopping.signal.aborted) request.abort();
      } catch {
        again();
      }
    }
    void connect();
    stopping.signal.addEventListener('abort', () => clearTimeout(settling), { once: true });
  }

  const watch = (namespaces: ReadonlySet<string>) => {
    for (const [namespace, controller] of open)
      if (!namespaces.has(namespace)) {
        controller.abort();
        open.delete(namespace);
      }
    for (const namespace of namespaces) if (!open.has(namespace)) follow(namespace);
  };
  return { watch, stop: () => watch(new Set()) };
}
