import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, it } from "node:test";
import { freePort } from "@tripact/testbed";
import { malformed } from "./checkers/appends.ts";
import { readAll, runClients } from "./clients.ts";
import { deskAt, toldBy, type Desk, type Told } from "./desk.ts";
import { ednFile, historyOf } from "./edn.ts";
import { DESKS, LIST_FAULTS } from "./faults.ts";
import type { MicroOp, Op } from "./history.ts";
import { LIST_APPEND_USAGE, parseListAppend } from "./options.ts";
import { ELEMENTS_MAX, Transactions } from "./plan.ts";
import { Recorder } from "./recorder.ts";
import { runListAppend, type ListAppendRun } from "./run.ts";
import { historyHeader, listAppendText } from "./table.ts";

const never = new AbortController().signal;

describe("the transactions", () => {
  it("are the same for a seed, append each element once, and have a key once each", () => {
    const of = (seed: number) => {
      const transactions = new Transactions(seed);
      return { asked: Array.from({ length: 500 }, () => transactions.next()), keys: transactions.keys };
    };
    const { asked, keys } = of(3);
    assert.deepEqual(of(3).asked, asked);
    assert.notDeepEqual(of(4).asked, asked);
    const appends = asked.flat().filter(([name]) => name === "append").map(String);
    assert.equal(new Set(appends).size, appends.length);
    assert.ok(asked.every((ops) => ops.length > 0 && new Set(ops.map(([, key]) => key)).size === ops.length));
    assert.ok(asked.flat().every(([, key]) => key < keys));
    const most = Math.max(...[...Map.groupBy(asked.flat().filter(([name]) => name === "append"), ([, key]) => key).values()].map((ops) => ops.length));
    assert.ok(most > ELEMENTS_MAX, "no list would ever be full");
  });
});

describe("what a desk's answer says", () => {
  const asked: readonly MicroOp[] = [["append", 1, 2], ["r", 3, null]];
  const told = (status: number, answer: unknown): Told => toldBy(status, JSON.stringify(answer), asked);

  it("is ok, fail, or that nobody knows", () => {
    assert.deepEqual(told(200, { outcome: "ok", txn: [["append", 1, 2], ["r", 3, [4]]] }), { type: "ok", value: [["append", 1, 2], ["r", 3, [4]]] });
    assert.deepEqual(told(200, { outcome: "fail", code: "refused" }), { type: "fail", value: asked, error: "refused" });
    assert.deepEqual(told(400, {}), { type: "fail", value: asked, error: "400" });
    assert.deepEqual(told(500, {}), { type: "info", value: asked, error: "500" });
    for (const txn of [undefined, [], [["append", 1, 2]], [["append", 1, 3], ["r", 3, []]], [["append", 1, 2], ["r", 4, []]], [["append", 1, 2], ["r", 3]], [["append", 1, 2], ["r", 3, ["4"]]]]) {
      assert.deepEqual([told(200, { outcome: "ok", txn }).type, told(200, { outcome: "ok", txn }).value], ["info", asked]);
    }
    assert.equal(toldBy(200, "<html>", asked).type, "info");
  });

  it("is fail where nobody listened, and unknown where somebody hung up", async () => {
    assert.equal((await deskAt(`http://127.0.0.1:${await freePort()}`, "t").append("a", asked, never)).type, "fail");
    const server = createServer((request) => request.socket.destroy()).listen(0, "127.0.0.1");
    await once(server, "listening");
    try {
      const heard = await deskAt(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, "t").append("a", asked, never);
      assert.deepEqual([heard.type, heard.value], ["info", asked]);
    } finally {
      server.close();
    }
  });
});

describe("the clients", () => {
  const answers = (told: (value: readonly MicroOp[]) => Told): Desk => ({ append: async (_, value) => told(value) });

  it("write a history that can be judged: nobody is heard of again after an unknown end", async () => {
    let turn = 0;
    const desk = answers((value) => ({ type: (["ok", "fail", "info"] as const)[(turn += 1) % 3] ?? "ok", value }));
    const recorder = new Recorder();
    const transactions = new Transactions(1);
    await runClients({ desks: [desk, desk], recorder, signal: never }, transactions, { clients: 3, ratePerSecond: 2_000, seconds: 0.1 });
    assert.ok(recorder.history.some(({ type }) => type === "info"));
    await readAll({ desks: [desk], recorder, signal: never }, 3, 3);
    assert.equal(malformed(recorder.history), undefined);
  });

  it("say when a list could not be read again", async () => {
    const recorder = new Recorder();
    let failures = 2;
    const flaky = answers((value) => ({ type: (failures -= 1) >= 0 ? "info" : "ok", value }));
    assert.equal(await readAll({ desks: [flaky], recorder, signal: never }, 20, 2), true);
    assert.equal(recorder.history.filter(({ type }) => type === "ok").flatMap(({ value }) => value).length, 20);
    assert.equal(await readAll({ desks: [], recorder: new Recorder(), signal: never }, 1, 2), false);
  });
});

describe("the options", () => {
  it("are read, and have defaults", () => {
    const { fault, ...rest } = parseListAppend(["--fault", "coordinator-killed", "--mode", "tcc", "--clients", "3", "--out", "x.edn"]);
    assert.equal(fault.name, "coordinator-killed");
    assert.deepEqual(rest, { mode: "tcc", clients: 3, ratePerSecond: 50, seconds: 20, seed: 1, outFile: "x.edn" });
    assert.equal(parseListAppend([]).fault.name, "none");
    assert.ok(LIST_FAULTS.every(({ name }) => LIST_APPEND_USAGE.includes(name)));
  });

  for (const wrong of [["--mode", "acid"], ["--fault", "earthquake"], ["--clients", "0"], ["--rate", "1e3"], ["--seconds", "601"], ["--out", ""], ["--nonsense"]]) {
    it(`are refused: ${wrong.join(" ")}`, () => assert.throws(() => parseListAppend(wrong), { code: "bad-usage" }));
  }
});

describe("a run", { timeout: 240_000 }, () => {
  for (const mode of ["saga", "tcc"] as const) {
    it(`by ${mode} keeps what it has answered while a coordinator is killed`, async () => {
      const options = parseListAppend(["--mode", mode, "--fault", "coordinator-killed", "--seconds", "6", "--rate", "60", "--out", "x.edn"]);
      const run = await runListAppend(options, { signal: never, onPhase: () => undefined });
      const verdicts = Object.fromEntries(run.verdicts.map(({ checker, verdict }) => [checker, verdict]));
      const expected = { appends: "valid", fencing: "valid", "saga-compensation": "valid", "tcc-barrier": mode === "tcc" ? "valid" : "not-applicable" };
      assert.deepEqual([verdicts, run.notes], [expected, []], listAppendText(run, options));
      assert.ok((DESKS as readonly string[]).includes(run.victim));
      counted(run);
      assert.deepEqual(historyOf(ednFile(run.history, historyHeader(run, options))).map(plain), run.history.map(plain));
    });
  }

  it("ends in good order when it is broken off", async () => {
    const breaking = new AbortController();
    const run = runListAppend(parseListAppend([]), { signal: breaking.signal, onPhase: (phase) => (phase === "appending" ? breaking.abort(new Error("enough")) : undefined) });
    await assert.rejects(run, /enough/);
  });
});

/** Without the judge: what was answered ok is in the databases once, and what failed is not. */
function counted({ history, kept: { lists, aside } }: ListAppendRun): void {
  const times = (key: number, element: number): number => lists.get(key)?.filter((each) => each === element).length ?? 0;
  const appends = (type: Op["type"]) => history.filter((op) => op.type === type).flatMap(({ value }) => value.flatMap((op) => (op[0] === "append" ? [times(op[1], op[2])] : [])));
  const [ok, fail] = [appends("ok"), appends("fail")];
  assert.ok(ok.length > 30 && fail.length > 0, `${ok.length} ok, ${fail.length} fail`);
  assert.deepEqual([ok.filter((count) => count !== 1), fail.filter((count) => count !== 0), aside], [[], [], []]);
  const last = new Map(history.filter(({ type }) => type === "ok").flatMap(({ value }) => value.flatMap((op) => (op[0] === "r" ? [[op[1], op[2]] as const] : []))));
  for (const [key, list] of lists) if (list.length > 0) assert.deepEqual(last.get(key), list, `list ${key} was read last as something else`);
}

const plain = ({ error: _, ...op }: Op): Omit<Op, "error"> => op;
