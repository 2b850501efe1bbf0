import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';

/**
 * Runs `work` while no other process on this machine runs work under the same lock file. The lock is SQLite's, hence the
 * kernel's: it ends with its holder, however that dies, so there are no stale locks to judge. The file stays.
 *
 * @param waiting is told, about every half second while somebody else holds the lock, for how many milliseconds.
 */
export async function withLock<T>(file: string, waiting: (ms: number) => void, work: () => Promise<T>): Promise<T> {
  const database = new DatabaseSync(file);
  try {
    const start = Date.now();
    while (!tryLock(database)) {
      waiting(Date.now() - start);
      await delay(500);
    }
    return await work();
  } finally {
    database.close();
  }
}

function tryLock(database: DatabaseSync): boolean {
  try {
    database.exec('BEGIN EXCLUSIVE');
    return true;
  } catch (error) {
    if (error instanceof Error && error.message.includes('locked')) return false;
    throw error;
  }
}
