import assert from "node:assert/strict";
import { appendFileSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { tmpdir } from "node:os";
import * as consume from "node:stream/consumers";
import { test, type TestContext } from "node:test";
import { leashedFolder, removeLeashedFolder, spawnLeashed } from "@tripact/testbed";
import { SCHEMA, type Header, type Line, type Operation } from "./line.ts";
import { loadHistory, readHistory } from "./reader.ts";
import { openHistory, writeHistory, type HistoryFile, type HistoryWriter } from "./writer.ts";

const HEADER: Header = { kind: "header", schema: SCHEMA, run: "r", seed: 1, originMs: 5, unixMs: 6 };

function operation(number: number, more: Partial<Operation> = {}): Operation {
  const intent = { phase: 1, buyer: "buyer-1", requestId: `r-${number}`, quantity: 1 };
  return { kind: "operation", op: "purchase", key: `o-${number}`, intent, s: number, a: number + 1, c: number + 2, outcome: "accepted", evidence: "accepted", ...more };
}

function place(t: TestContext): string {
  const folder = leashedFolder(join(tmpdir(), "tripact-history-"));
  t.after(() => removeLeashedFolder(folder));
  return join(folder, "history.ndjson");
}

async function written(t: TestContext, lines: readonly Parameters<HistoryWriter["append"]>[0][]): Promise<string> {
  const path = place(t);
  const writer = await openHistory({ path, header: HEADER });
  for (const line of lines) writer.append(line);
  assert.equal(await writer.close(99), 0);
  return path;
}

test("what was written is read back, kind by kind, and the last line makes it complete", async (t) => {
  const lines = [
    { kind: "phase", phase: 1, at: 0, sku: "lamp", ratePerSecond: 10, seconds: 1, seed: 2, buyers: 3, firstBuyer: 0, quantity: 1, repeatShare: 0, returnShare: 1 },
    operation(1),
    operation(2, { a: null, outcome: "fail", evidence: "not sent: ECONNREFUSED" }),
    operation(3, { op: "settle", outcome: "info", before: "o-1", evidence: "“torn”" }),
    { kind: "fault", name: "kill", target: "stock", from: 3, to: 4 },
    { kind: "heal", name: "kill", target: "stock", from: 5, to: 6 },
    { kind: "final", orderId: "o-1", state: "paid", at: 7 },
    { kind: "clock", clock: "stock", at: 7, unixMs: 8 },
    { kind: "phase-end", phase: 1, at: 9, offered: 3 },
  ] as const satisfies readonly Line[];
  const path = await written(t, lines);
  const read: Line[] = [];
  for await (const item of readHistory(path)) if (item.kind === "line") read.push(item.line);
  assert.deepEqual(read, [HEADER, ...lines, { kind: "end", at: 99, lines: 10, unwritten: 0 }]);
  const history = await loadHistory(path);
  assert.deepEqual(history.ending, { kind: "complete", operations: 3 });
  const { operations, finals, phases, injections, clocks } = history;
  assert.deepEqual([operations.length, finals.length, phases.length, injections.length, clocks.length], [3, 1, 2, 2, 1]);
});

test("without an operation a history is empty, closed or not, down to no byte at all", async (t) => {
  const path = await written(t, [{ kind: "clock", clock: "stock", at: 7, unixMs: 8 }]);
  assert.deepEqual((await loadHistory(path)).ending, { kind: "empty" });
  truncateSync(path, 10);
  assert.deepEqual((await loadHistory(path)).ending, { kind: "empty" });
  truncateSync(path, 0);
  const { header, ending } = await loadHistory(path);
  assert.deepEqual([header, ending], [undefined, { kind: "empty" }]);
});

test("cut anywhere, a history is read up to the last whole line and is never complete", async (t) => {
  const path = await written(t, [operation(1), operation(2), operation(3)]);
  const whole = readFileSync(path);
  for (let bytes = whole.length - 1; bytes >= 0; bytes -= 1) {
    truncateSync(path, bytes);
    const { operations, ending } = await loadHistory(path);
    const lines = whole.subarray(0, bytes).toString().split("\n").length - 1;
    const expected = Math.min(Math.max(0, lines - 1), 3);
    assert.equal(operations.length, expected);
    assert.equal(ending.kind, expected === 0 ? "empty" : "broken-off", `${bytes} bytes`);
  }
});

test("a run that is broken off has everything but its last line", async (t) => {
  const path = place(t);
  const writer = await openHistory({ path, header: HEADER });
  writer.append(operation(1));
  await writer.breakOff();
  assert.deepEqual((await loadHistory(path)).ending, { kind: "broken-off", operations: 1, tornBytes: 0 });
});

test("what finds no room is counted, and makes a gap that a reader sees", async (t) => {
  const path = place(t);
  const writer = await openHistory({ path, header: HEADER, waitingBytesMax: 1_000 });
  for (let number = 0; number < 50; number += 1) writer.append(operation(number));
  const unwritten = writer.unwritten;
  assert.ok(unwritten > 40 && unwritten < 50, `${unwritten}`);
  await writer.flush();
  writer.append(operation(50));
  assert.equal(await writer.close(99), unwritten);
  writer.append(operation(51));
  assert.equal(await writer.close(100), unwritten);
  assert.deepEqual((await loadHistory(path)).ending, { kind: "gaps", operations: 51 - unwritten, missing: unwritten });
});

test("a full disk leaves no half line in the middle, and what did not fit is counted", async (t) => {
  const path = place(t);
  const script = `
    const { openHistory } = await import(${JSON.stringify(import.meta.resolve("./writer.ts"))});
    const writer = await openHistory({ path: ${JSON.stringify(path)}, header: ${JSON.stringify(HEADER)} });
    for (let number = 0; number < 100; number += 1) {
      writer.append(${JSON.stringify(operation(1))});
      await writer.flush();
    }
    console.log(await writer.close(99));`;
  // A limit of 8 blocks of 512 or 1,024 bytes, depending on the shell: some of the 100 lines of 170 bytes do not fit.
  const child = await spawnLeashed({ command: "sh", args: ["-c", 'ulimit -f 8; exec "$0" --input-type=module --eval "$1"', process.execPath, script], stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => child.killWhole());
  assert.ok(child.stdout);
  const unwritten = Number(await consume.text(child.stdout));
  const { ending, operations } = await loadHistory(path);
  assert.ok(operations.length > 10 && unwritten > 10, `${operations.length} written, ${unwritten} not`);
  assert.equal(operations.length + unwritten, 100);
  assert.notEqual(ending.kind, "complete");
});

test("a write that breaks in the middle is made again from its start", async (t) => {
  const path = place(t);
  const file = await open(path, "wx");
  let breaks = 3;
  const brittle: HistoryFile = {
    write: async (bytes, offset, length, position) => {
      if (breaks === 0) return file.write(bytes, offset, length, position);
      breaks -= 1;
      await file.write(bytes, offset, Math.floor(length / 2), position);
      throw new Error("no space left");
    },
    truncate: (bytes) => file.truncate(bytes),
    sync: () => file.sync(),
    close: () => file.close(),
  };
  const writer = writeHistory(brittle, HEADER);
  for (let number = 0; number < 5; number += 1) {
    writer.append(operation(number));
    await writer.flush();
  }
  assert.equal(breaks, 0);
  assert.equal(await writer.close(99), 0);
  const { ending, operations } = await loadHistory(path);
  assert.deepEqual(ending, { kind: "complete", operations: 5 });
  assert.deepEqual(operations.map(({ key }) => key), ["o-0", "o-1", "o-2", "o-3", "o-4"]);
});

test("lines taken out of the middle are a gap as well", async (t) => {
  const path = await written(t, [operation(1), operation(2), operation(3)]);
  const lines = readFileSync(path, "utf8").split("\n");
  writeFileSync(path, lines.toSpliced(2, 1).join("\n"));
  assert.deepEqual((await loadHistory(path)).ending, { kind: "gaps", operations: 2, missing: 1 });
});

test("a line is in the file soon, without a flush or a close", async (t) => {
  const path = place(t);
  const writer = await openHistory({ path, header: HEADER });
  writer.append(operation(1));
  const giveUpAt = performance.now() + 10_000;
  while (!readFileSync(path, "utf8").includes('"o-1"')) {
    assert.ok(performance.now() < giveUpAt, "never flushed");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await writer.breakOff();
});

test("no history is written over or into", async (t) => {
  const path = await written(t, [operation(1)]);
  await assert.rejects(openHistory({ path, header: HEADER }), { code: "exists" });
});

test("what is no history is an error that says so", async (t) => {
  const path = place(t);
  await assert.rejects(loadHistory(path), { code: "unreadable" });
  const header = JSON.stringify(HEADER);
  const good = JSON.stringify(operation(1));
  const bad: readonly (readonly [string, string])[] = [
    ["hello\n", "not-a-history"],
    ["[]\n", "not-a-history"],
    [`${good}\n`, "not-a-history"],
    [`${JSON.stringify({ ...HEADER, schema: 2 })}\n`, "another-schema"],
    [`${JSON.stringify({ ...HEADER, originMs: null })}\n`, "bad-line"],
    [`${header}\n\n`, "bad-line"],
    [`${header}\n{"kind":"oper\n${good}\n`, "bad-line"],
    [`${header}\n{"kind":"toString"}\n`, "bad-line"],
    [`${header}\n${header}\n`, "bad-line"],
    [`${header}\n${JSON.stringify({ ...operation(1), outcome: "maybe" })}\n`, "bad-line"],
    [`${header}\n${JSON.stringify({ ...operation(1), c: null })}\n`, "bad-line"],
    [`${header}\n${JSON.stringify({ ...operation(1), intent: { buyer: "x" } })}\n`, "bad-line"],
    [`${header}\n${JSON.stringify({ ...operation(1), before: 7 })}\n`, "bad-line"],
    [`${header}\n{"kind":"end","at":1,"lines":1,"unwritten":0}\n${good}\n`, "bad-line"],
    ["x".repeat(1_500_000), "not-a-history"],
  ];
  for (const [text, code] of bad) {
    writeFileSync(path, text);
    await assert.rejects(loadHistory(path), { name: "HistoryError", code }, text.slice(0, 200));
  }
  // The same torn text is none of these errors at the very end.
  writeFileSync(path, `${header}\n${good}\n`);
  appendFileSync(path, '{"kind":"oper');
  assert.deepEqual((await loadHistory(path)).ending, { kind: "broken-off", operations: 1, tornBytes: 13 });
});
