import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';

/** The server's end of a WebSocket that carries text (RFC 6455): all that Socket Mode needs. */
export interface WebSocketConnection {
  send(text: string): void;
  /** Says goodbye; TCP stays open, as at Slack: https://github.com/slackapi/node-slack-sdk/issues/2752 */
  close(): void;
  /** Cuts the connection without a word. */
  destroy(): void;
}

const TEXT = 0x1;
const CLOSE = 0x8;
const PING = 0x9;
const PONG = 0xa;
const MAX_FRAME = 16 * 1024 * 1024;

/** Answers the handshake of an upgrade request; undefined (and a cut connection) when it is none. */
export function acceptWebSocket(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  on: {
    text(text: string): void;
    /** The other end has said goodbye, or is gone. */
    closed(): void;
  },
): WebSocketConnection | undefined {
  const key = request.headers['sec-websocket-key'];
  if (typeof key !== 'string') {
    socket.destroy();
    return undefined;
  }
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );

  const write = (opcode: number, payload: Buffer): void => {
    if (socket.writable) socket.write(frame(opcode, payload));
  };
  // Slack pings; a client may take silence for a dead connection.
  const pings = setInterval(() => write(PING, Buffer.from('ping')), 5000);
  pings.unref();

  let buffer = head;
  let message: Buffer[] = [];
  const read = (data: Buffer): void => {
    buffer = Buffer.concat([buffer, data]);
    for (;;) {
      const next = parseFrame(buffer);
      if (next === 'bad') {
        socket.destroy();
        return;
      }
      if (!next) return;
      buffer = buffer.subarray(next.size);
      if (next.opcode === CLOSE) {
        write(CLOSE, next.payload);
        on.closed();
      } else if (next.opcode === PING) {
        write(PONG, next.payload);
      } else if (next.opcode !== PONG) {
        message.push(next.payload);
        if (next.final) {
          on.text(Buffer.concat(message).toString());
          message = [];
        }
      }
    }
  };
  socket.on('data', read);
  socket.on('error', () => socket.destroy());
  socket.once('close', () => {
    clearInterval(pings);
    on.closed();
  });
  read(Buffer.alloc(0));

  return {
    send: (text) => write(TEXT, Buffer.from(text)),
    close() {
      write(CLOSE, Buffer.from([0x03, 0xe8]));
    },
    destroy: () => socket.destroy(),
  };
}

function frame(opcode: number, payload: Buffer): Buffer {
  const { length } = payload;
  const head = [0x80 | opcode];
  if (length < 126) head.push(length);
  else if (length < 0x10000) head.push(126, length >> 8, length & 0xff);
  else {
    const long = Buffer.alloc(8);
    long.writeBigUInt64BE(BigInt(length));
    head.push(127, ...long);
  }
  return Buffer.concat([Buffer.from(head), payload]);
}

/** The first frame of a client in the buffer; null when it is not complete yet, 'bad' when it breaks the protocol. */
function parseFrame(buffer: Buffer): { opcode: number; final: boolean; payload: Buffer; size: number } | null | 'bad' {
  if (buffer.length < 2) return null;
  const first = buffer.readUInt8(0);
  const second = buffer.readUInt8(1);
  if ((second & 0x80) === 0) return 'bad';
  let length = second & 0x7f;
  let offset = 2;
  if (length === 126) {
    if (buffer.length < 4) return null;
    length = buffer.readUInt16BE(2);
    offset = 4;
  } else if (length === 127) {
    if (buffer.length < 10) return null;
    length = Number(buffer.readBigUInt64BE(2));
    offset = 10;
  }
  if (length > MAX_FRAME) return 'bad';
  const size = offset + 4 + length;
  if (buffer.length < size) return null;
  const mask = buffer.subarray(offset, offset + 4);
  const payload = Buffer.from(buffer.subarray(offset + 4, size));
  for (let i = 0; i < payload.length; i += 1) payload[i] = (payload[i] ?? 0) ^ (mask[i % 4] ?? 0);
  return { opcode: first & 0x0f, final: (first & 0x80) !== 0, payload, size };
}
