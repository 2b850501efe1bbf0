/** Work that is begun before it is known to be needed: that it fails counts only where it is awaited. */
export function begun<T>(work: Promise<T>): Promise<T> {
  work.catch(() => {});
  return work;
}
