import { connectRedis } from '../../src/adapters/redis/connection.ts';
import { auditEntry, auditOn } from './audit.ts';
import { silentLog } from './silent-log.ts';

/** A process that appends to the audit as fast as it can: `append-audit.ts REDIS_URL NAME COUNT`. */
const [url = '', name = '', count = '0'] = process.argv.slice(2);
const redis = await connectRedis(url, { role: 'requests', log: silentLog() });
const { audit } = auditOn(redis);
await audit.start();
// Some one by one, as a busy bot does, and the rest at once.
const half = Math.floor(Number(count) / 2);
for (let i = 0; i < half; i++) await audit.record(auditEntry(`${name} ${i}`));
await Promise.all(
  Array.from({ length: Number(count) - half }, (_, i) => audit.record(auditEntry(`${name} ${half + i}`))),
);
redis.disconnect();
