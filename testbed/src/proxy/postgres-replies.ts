import type { ReplyWatcher } from "./tcp-proxy.ts";

/**
 * Picks the reply in which Postgres says that a command is complete, by the command's tag (`COMMIT`, `INSERT 0 1`, …):
 * with `TcpProxy.cutAfter` it makes a commit that took place and whose caller does not know it. Plain connections only, no TLS.
 */
export function afterCommand(tag: RegExp): ReplyWatcher {
  return () => {
    const messages = new ServerMessages();
    return (bytes) => messages.read(bytes).some(({ type, body }) => type === COMMAND_COMPLETE && tag.test(tagOf(body)));
  };
}

const WROTE = /^(?:COMMIT|(?:INSERT \d+|UPDATE|DELETE|MERGE) [1-9]\d*)$/;
const IDLE = "I".charCodeAt(0);

/**
 * Picks the end of whatever committed a write: a `COMMIT`, or a statement that was a transaction by itself. Not seen: a `select` that
 * writes, whose tag does not say so.
 */
export function afterCommit(): ReplyWatcher {
  return () => {
    const messages = new ServerMessages();
    let last = "";
    return (bytes) => {
      let committed = false;
      for (const { type, body } of messages.read(bytes)) {
        if (type === COMMAND_COMPLETE) last = tagOf(body);
        else if (body[0] === IDLE) {
          committed ||= WROTE.test(last);
          last = "";
        }
      }
      return committed;
    };
  };
}

const COMMAND_COMPLETE = "C".charCodeAt(0);
const READY_FOR_QUERY = "Z".charCodeAt(0);
const HEADER_BYTES = 5;
/** No tag is longer. */
const BODY_BYTES_MAX = 256;

interface ServerMessage {
  readonly type: number;
  readonly body: Buffer;
}

/** Reads what a server says on one connection. Of the messages that nobody asks for only the length is looked at. */
class ServerMessages {
  #unread: Buffer = Buffer.alloc(0);
  #skip = 0;

  /** The ends of commands and of their transactions. */
  read(bytes: Buffer): readonly ServerMessage[] {
    const found: ServerMessage[] = [];
    let rest = this.#unread.length === 0 ? bytes : Buffer.concat([this.#unread, bytes]);
    while (rest.length > 0) {
      if (this.#skip > 0) {
        const skipped = Math.min(this.#skip, rest.length);
        this.#skip -= skipped;
        rest = rest.subarray(skipped);
        continue;
      }
      if (rest.length < HEADER_BYTES) break;
      // A message is a type byte, a length that counts itself but not the type, and a body.
      const type = rest.readUInt8(0);
      const end = 1 + rest.readUInt32BE(1);
      const isAsked = type === COMMAND_COMPLETE || type === READY_FOR_QUERY;
      if (end < HEADER_BYTES || (isAsked && end > HEADER_BYTES + BODY_BYTES_MAX)) {
        // Begun in the middle of a message. The next chunk most likely begins with one.
        rest = Buffer.alloc(0);
        break;
      }
      if (!isAsked) {
        this.#skip = end;
        continue;
      }
      if (rest.length < end) break;
      found.push({ type, body: rest.subarray(HEADER_BYTES, end) });
      rest = rest.subarray(end);
    }
    this.#unread = rest;
    return found;
  }
}

function tagOf(body: Buffer): string {
  return body.toString("latin1").replace(/\0$/, "");
}
