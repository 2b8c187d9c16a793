/**
 * As much of the streaming replication protocol and of `pgoutput` (version 1) as a wake-up needs: which transaction inserted into which
 * table, and where its commit ends. Columns are never looked at. Positions have 64 bits, so they are bigints everywhere.
 * Source: the PostgreSQL manual, "Streaming Replication Protocol" and "Logical Replication Message Formats".
 */

/** What the server puts into one CopyData. */
export type Frame =
  | { readonly kind: "data"; readonly change: Change }
  /** Everything up to `end` has been sent, or was of no interest. */
  | { readonly kind: "keepalive"; readonly end: bigint; readonly wantsReply: boolean };

export type Change =
  | { readonly kind: "begin"; readonly xid: number }
  | { readonly kind: "commit"; readonly end: bigint }
  | { readonly kind: "relation"; readonly id: number; readonly schema: string; readonly name: string }
  | { readonly kind: "insert"; readonly relation: number }
  | { readonly kind: "other" };

/** Origin, type, truncate, update, delete, message: they may come, and mean nothing here. */
const OTHERS = "OYTUDM";
const DATA_HEADER = 25;
const KEEPALIVE_LENGTH = 18;
/** PostgreSQL counts microseconds from 2000-01-01. */
const EPOCH_MS = 946_684_800_000;

/** Throws a `RangeError` for whatever is shorter than it has to be, or unknown: the stream is no longer understood then. */
export function frameOf(chunk: Buffer): Frame {
  const kind = letterAt(chunk, 0);
  if (kind === "k") {
    need(chunk, KEEPALIVE_LENGTH, "a keepalive");
    return { kind: "keepalive", end: chunk.readBigUInt64BE(1), wantsReply: chunk.readUInt8(17) === 1 };
  }
  if (kind !== "w") throw new RangeError(`an unknown frame ${JSON.stringify(kind)}`);
  need(chunk, DATA_HEADER + 1, "a data frame");
  return { kind: "data", change: changeOf(chunk.subarray(DATA_HEADER)) };
}

function changeOf(data: Buffer): Change {
  const kind = letterAt(data, 0);
  switch (kind) {
    case "B":
      // The commit's position, its time, its transaction.
      need(data, 21, "a begin");
      return { kind: "begin", xid: data.readUInt32BE(17) };
    case "C":
      // Flags, the commit's position, the position behind it, its time.
      need(data, 26, "a commit");
      return { kind: "commit", end: data.readBigUInt64BE(10) };
    case "R": {
      need(data, 7, "a relation");
      const schema = textAt(data, 5);
      const { text: name } = textAt(data, schema.next);
      // The empty schema is pg_catalog.
      return { kind: "relation", id: data.readUInt32BE(1), schema: schema.text, name };
    }
    case "I":
      need(data, 6, "an insert");
      return { kind: "insert", relation: data.readUInt32BE(1) };
    default:
      if (!OTHERS.includes(kind)) throw new RangeError(`an unknown change ${JSON.stringify(kind)}`);
      return { kind: "other" };
  }
}

/**
 * A standby status update. `flushed` is what the server may forget; 0 leaves that as it is, and keeps us from ever being counted as a
 * synchronous standby.
 */
export function statusUpdate(status: { readonly written: bigint; readonly flushed: bigint; readonly nowMs: number; readonly wantsReply: boolean }): Buffer {
  const update = Buffer.alloc(34);
  update.write("r", 0, "latin1");
  update.writeBigUInt64BE(status.written, 1);
  update.writeBigUInt64BE(status.flushed, 9);
  update.writeBigUInt64BE(0n, 17);
  update.writeBigInt64BE(BigInt(Math.round(status.nowMs - EPOCH_MS)) * 1_000n, 25);
  update.writeUInt8(status.wantsReply ? 1 : 0, 33);
  return update;
}

function letterAt(bytes: Buffer, at: number): string {
  need(bytes, at + 1, "a message");
  return String.fromCharCode(bytes.readUInt8(at));
}

function textAt(bytes: Buffer, from: number): { readonly text: string; readonly next: number } {
  const end = bytes.indexOf(0, from);
  if (end < 0) throw new RangeError("a name without an end");
  return { text: bytes.toString("utf8", from, end), next: end + 1 };
}

function need(bytes: Buffer, length: number, what: string): void {
  if (bytes.length < length) throw new RangeError(`${what} of ${bytes.length} bytes, at least ${length} are needed`);
}
