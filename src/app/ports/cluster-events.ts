/** A pod came, went, or is somebody else's, or has other labels, or has ended or is being deleted. Other changes of pods are not told. */
export interface PodChange {
  readonly namespace: string;
  readonly name: string;
  /** Its labels; null: it was not there. */
  readonly before: Readonly<Record<string, string>> | null;
  /** Its labels; null: it is gone. */
  readonly now: Readonly<Record<string, string>> | null;
}

/** Is told what happens in the cluster around grants; not of what the first list has. What was missed in a gap is told after it. */
export interface ClusterListener {
  readonly onPod: (change: PodChange) => void;
  /**
   * A Deployment, StatefulSet, DaemonSet or Job was deleted, and another may have its name already; or a ReplicaSet became or is no longer that
   * of a workload. No event of a pod need tell of either.
   */
  readonly onWorkload: (kind: string, namespace: string, name: string) => void;
  /** A NetworkPolicy there that is not of a grant of this instance came, went, or has another spec. */
  readonly onPolicy: (namespace: string) => void;
}
