import { connect, createServer } from 'node:net';

/** A TCP port of the loopback address that was free a moment ago; a starter that finds it taken asks for another. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => {
        if (address && typeof address === 'object') resolve(address.port);
        else reject(new Error('no free port on 127.0.0.1'));
      });
    });
  });
}

/** Sends `request` to a loopback port and returns the first bytes of the answer; null when nobody answers in `ms`. */
export function ask(port: number, request: string, ms = 1000): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const finish = (answer: string | null) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(ms, () => finish(null));
    socket.once('error', () => finish(null));
    socket.once('close', () => finish(null));
    socket.once('data', (data) => finish(data.toString()));
    socket.write(request);
  });
}
