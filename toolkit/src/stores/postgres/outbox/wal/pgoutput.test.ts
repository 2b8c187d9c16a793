import assert from "node:assert/strict";
import { test } from "node:test";
import { frameOf, statusUpdate, type Change } from "./pgoutput.ts";
import { Progress } from "./progress.ts";
import { Sightings } from "./sightings.ts";

function data(...parts: readonly Buffer[]): Buffer {
  return Buffer.concat([Buffer.from("w"), Buffer.alloc(24), ...parts]);
}

function int(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function long(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(value);
  return bytes;
}

const begin = (xid: number): Buffer => data(Buffer.from("B"), long(1n), long(0n), int(xid));
const commit = (end: bigint): Buffer => data(Buffer.from("C\0"), long(1n), long(end), long(0n));
const relation = (id: number, schema: string, name: string): Buffer => data(Buffer.from("R"), int(id), Buffer.from(`${schema}\0${name}\0d\0\0`));
const insertInto = (id: number): Buffer => data(Buffer.from("I"), int(id), Buffer.from("N\0\0"));
const keepalive = (end: bigint, wantsReply = 0): Buffer => Buffer.concat([Buffer.from("k"), long(end), long(0n), Buffer.from([wantsReply])]);

function change(frame: Buffer): Change {
  const parsed = frameOf(frame);
  assert.equal(parsed.kind, "data");
  return parsed.kind === "data" ? parsed.change : assert.fail();
}

test("what the parser reads of each message", () => {
  assert.deepEqual(change(begin(0xfffffffe)), { kind: "begin", xid: 0xfffffffe });
  assert.deepEqual(change(commit(0xffff_ffff_0000_0001n)), { kind: "commit", end: 0xffff_ffff_0000_0001n });
  assert.deepEqual(change(relation(7, "tripact", "outbox")), { kind: "relation", id: 7, schema: "tripact", name: "outbox" });
  assert.deepEqual(change(insertInto(7)), { kind: "insert", relation: 7 });
  for (const kind of "OYTUDM") assert.deepEqual(change(data(Buffer.from(kind))), { kind: "other" });
  assert.deepEqual(frameOf(keepalive(2n ** 63n, 1)), { kind: "keepalive", end: 2n ** 63n, wantsReply: true });
});

test("whatever is cut short, or unknown, is an error and never a number", () => {
  const shortest = new Map([[begin(1), 46], [commit(1n), 51], [relation(1, "s", "n"), 34], [insertInto(1), 31], [keepalive(1n), 18]]);
  for (const [whole, length] of shortest) {
    for (let cut = 0; cut < length; cut += 1) assert.throws(() => frameOf(whole.subarray(0, cut)), RangeError, `${whole.toString("latin1")} cut to ${cut}`);
    frameOf(whole.subarray(0, length));
  }
  assert.throws(() => frameOf(Buffer.from("x")), RangeError);
  assert.throws(() => frameOf(data(Buffer.from("?"))), RangeError);
});

test("a status update has its positions as 64 bits", () => {
  const update = statusUpdate({ written: 0xffff_ffff_ffff_fff0n, flushed: 0x1_0000_0000n, nowMs: 946_684_800_001, wantsReply: true });
  assert.equal(update.toString("latin1", 0, 1), "r");
  assert.deepEqual([update.readBigUInt64BE(1), update.readBigUInt64BE(9), update.readBigUInt64BE(17)], [0xffff_ffff_ffff_fff0n, 0x1_0000_0000n, 0n]);
  assert.deepEqual([update.readBigInt64BE(25), update.readUInt8(33), update.length], [1_000n, 1, 34]);
});

test("only a commit with an insert into the log counts, and nothing is handled in the middle of a transaction", () => {
  const progress = new Progress();
  const take = (frame: Buffer): number | undefined => progress.take(frameOf(frame));
  assert.equal(take(keepalive(10n)), undefined);
  assert.equal(progress.handled, 10n);
  take(begin(5));
  take(relation(1, "tripact", "outbox"));
  take(insertInto(1));
  take(keepalive(99n));
  assert.deepEqual([progress.handled, progress.received], [10n, 99n]);
  assert.equal(take(commit(20n)), 5);
  assert.equal(progress.handled, 20n);

  take(begin(6));
  for (const [id, schema, name] of [[2, "public", "outbox"], [3, "tripact", "outbox_retry"], [4, "tripact", "outbox_lane"]] as const) {
    take(relation(id, schema, name));
    take(insertInto(id));
  }
  assert.equal(take(commit(30n)), undefined, "other tables do not count");
  take(begin(7));
  take(relation(5, "tripact", "outbox_07"));
  take(insertInto(5));
  assert.equal(take(commit(40n)), 7, "a partition does");
  take(keepalive(15n));
  assert.equal(progress.handled, 40n, "positions never go back");
});

test("what does not fit together is an error", () => {
  const cases = [[begin(1), begin(2)], [commit(1n)], [insertInto(1)]];
  for (const frames of cases) {
    const progress = new Progress();
    assert.throws(() => frames.forEach((frame) => progress.take(frameOf(frame))), RangeError);
  }
});

test("a read that came too early is told so until the table shows what the log showed", () => {
  const sightings = new Sightings();
  sightings.add(100);
  sightings.add(103);
  assert.equal(sightings.read({ xmax: "100", running: [] }), "hidden", "not even begun, as this snapshot sees it");
  assert.equal(sightings.read({ xmax: "104", running: ["100"] }), "hidden");
  assert.equal(sightings.read({ xmax: "104", running: [] }), "appeared");
  assert.equal(sightings.any, false);
  sightings.add(104);
  assert.equal(sightings.read({ xmax: "105", running: [] }), "nothing", "nobody came too early");
});

test("transaction ids are compared across a wrap-around of their 32 bits", () => {
  const beyond = 3n * 2n ** 32n;
  const cases = [
    { xid: 5, xmax: beyond + 6n, running: [], said: "nothing" },
    { xid: 5, xmax: beyond + 6n, running: [beyond + 5n], said: "hidden" },
    { xid: 0xffffffff, xmax: beyond + 6n, running: [], said: "nothing" },
    { xid: 0xffffffff, xmax: beyond + 6n, running: [beyond - 1n], said: "hidden" },
    { xid: 3, xmax: beyond - 2n, running: [], said: "hidden" },
    { xid: 5, xmax: 4n, running: [], said: "hidden" },
  ];
  for (const { xid, xmax, running, said } of cases) {
    const sightings = new Sightings();
    sightings.add(xid);
    assert.equal(sightings.read({ xmax: xmax.toString(), running: running.map(String) }), said, `${xid} at ${xmax}`);
  }
});

test("no more sightings are kept than are good for", () => {
  const sightings = new Sightings();
  for (let xid = 1; xid <= 20_000; xid += 1) sightings.add(xid);
  assert.equal(sightings.read({ xmax: "20001", running: ["10000"] }), "nothing", "the oldest half is forgotten");
  for (let xid = 1; xid <= 20_000; xid += 1) sightings.add(xid);
  assert.equal(sightings.read({ xmax: "20001", running: ["10001"] }), "hidden");
});
