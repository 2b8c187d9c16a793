import type { ReplyWatcher } from "./tcp-proxy.ts";

const commandComplete = "C".charCodeAt(0);
const headerBytes = 5;

/**
 * Picks the reply in which Postgres says that a command is complete, by the command's tag (`COMMIT`, `INSERT 0 1`, …):
 * with `TcpProxy.cutAfter` it makes a commit that took place and whose caller does not know it. Plain connections only, no TLS.
 */
export function afterCommand(tag: RegExp): ReplyWatcher {
  return () => {
    let unread: Buffer = Buffer.alloc(0);
    return (bytes) => {
      unread = Buffer.concat([unread, bytes]);
      // A message is a type byte, a length that counts itself but not the type, and a body.
      while (unread.length >= headerBytes) {
        const end = 1 + unread.readUInt32BE(1);
        if (unread.length < end) return false;
        const body = unread.subarray(headerBytes, end);
        if (unread[0] === commandComplete && tag.test(body.toString("latin1").replace(/\0$/, ""))) return true;
        unread = unread.subarray(end);
      }
      return false;
    };
  };
}
