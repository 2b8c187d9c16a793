import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { TransactionEvent } from "../protocol/transaction.ts";
import { MemoryDatabase } from "../stores/memory/database.ts";
import { memoryStore } from "../stores/memory/store.ts";
import type { JournalRecord, Store, Summary } from "../stores/store.ts";
import { nodesOf, readNodes } from "./nodes.ts";
import { printTimeline } from "./print-timeline.ts";
import { timelineOf } from "./timeline.ts";

const FIRST = "1f3a9c2e-0000-4000-8000-000000000001";
const SECOND = "b07d55aa-0000-4000-8000-000000000002";
const runs = [{ definition: "plan", version: "1" }];
const forward: Summary = { status: "forward", ended: false, late: false };
const stock = { participant: "http://stock:1/hold", payload: { sku: "a" } };
const wallet = { participant: "http://wallet:2/pay", payload: { cents: 5 } };

/** Writes entries as coordinators do, at times that the story chooses. */
class Story {
  readonly #clock = { nowMs: Date.UTC(2026, 0, 2, 3, 4, 5) };
  readonly #database = new MemoryDatabase(() => this.#clock.nowMs);
  readonly store: Store = memoryStore(this.#database);
  #seq = 0;
  #epoch = 1;

  after(ms: number): this {
    this.#clock.nowMs += ms;
    return this;
  }

  async start(owner: string, events: readonly TransactionEvent[]): Promise<void> {
    const entry = JSON.stringify(events);
    const write = { kind: "start" as const, gid: "order-7", definition: "plan", version: "1", inputHash: "", input: "null", entry, summary: forward, messages: [] };
    assert.deepEqual(await this.store.journal.write({ flushId: "0", owner, writes: [write] }), ["applied"]);
    this.#seq = 1;
  }

  async entry(owner: string, events: readonly TransactionEvent[], summary: Partial<Summary> = {}): Promise<void> {
    this.#seq += 1;
    const common = { kind: "entry" as const, gid: "order-7", epoch: this.#epoch, seq: this.#seq, entry: JSON.stringify(events), mailSeen: 0, mailGuard: false, messages: [] };
    const written = await this.store.journal.write({ flushId: String(this.#seq), owner, writes: [{ ...common, summary: { ...forward, ...summary } }] });
    assert.deepEqual(written, ["applied"]);
  }

  async takeOver(owner: string, from: string): Promise<void> {
    await this.store.membership.fence(from);
    assert.deepEqual(await this.store.journal.claim({ claimId: `claim by ${owner}`, owner, from: [from], runs, limit: 10 }), ["order-7"]);
    this.#epoch += 1;
  }

  async record(): Promise<JournalRecord> {
    const [record] = await this.store.journal.read(["order-7"]);
    assert.ok(record !== undefined);
    return record;
  }
}

async function crashAndRecovery(): Promise<Story> {
  const story = new Story();
  const { membership } = story.store;
  await membership.join({ incarnation: FIRST, name: "worker-1", runs });
  await membership.join({ incarnation: SECOND, name: "worker-2", runs });
  const plan = { groups: [[{ kind: "tcc" as const, name: "hold", ...stock }], [{ kind: "step" as const, name: "pay", undo: "compensate" as const, ...wallet }]] };
  await story.start(FIRST, [{ kind: "started", deadlineMs: 30_000, plan }, { kind: "registered", branch: "hold", inputHash: "", offer: { kind: "tcc", guard: "barrier", target: stock } }]);
  await story.after(12).entry(FIRST, [{ kind: "attempted", branch: "hold", op: "try", code: "timeout", error: "no answer within 2000 ms", retryAfterMs: 50, spent: false }]);
  await story.after(70).entry(FIRST, [
    { kind: "done", branch: "hold", op: "try", result: { id: "h-1" } },
    { kind: "registered", branch: "pay", inputHash: "", offer: { kind: "step", guard: "barrier", undo: "target", target: wallet } },
  ]);
  await membership.leave(FIRST);
  await story.takeOver(SECOND, FIRST);
  await story.after(45).entry(SECOND, [{ kind: "recovered", by: SECOND, epoch: 2 }]);
  await story.after(8).entry(SECOND, [
    { kind: "refused", branch: "pay", op: "action", code: "insufficient-funds" },
    { kind: "roll-back-requested", reason: { kind: "refused", branch: "pay", code: "insufficient-funds" } },
    { kind: "decided", decision: "roll-back" },
  ], { status: "rolling-back" });
  await story.after(6).entry(SECOND, [{ kind: "refused", branch: "hold", op: "cancel", code: "already-shipped" }], { status: "rolling-back", parked: "second-phase-refused at hold: already-shipped" });
  await story.after(3_600_000).entry(SECOND, [{ kind: "operator-decided", branch: "hold", verdict: "done", who: "ana", why: "the parcel came back" }], { status: "rolled-back", ended: true });
  return story;
}

const golden = `\
order-7  plan@1
rolled back: pay refused (insufficient-funds)
started 2026-01-02T03:04:05.000Z, took 1 h

  +0.000s     #1  1f3a9c2e epoch 1           -     started: a plan of 2 branches, deadline 30 s
                                             hold  registered: tcc at http://stock:1/hold
  +0.012s     #2                             hold  try unknown (timeout): no answer within 2000 ms; again in 50 ms
  +0.082s     #3                             hold  try #2 done {"id":"h-1"}
                                             pay   registered: step at http://wallet:2/pay, can be undone
  +0.127s     #4  worker-2/b07d55aa epoch 2  -     taken over in epoch 2
  +0.135s     #5                             pay   action refused: insufficient-funds
                                             -     roll back asked for: pay refused (insufficient-funds)
                                             -     DECIDED: roll back, pay refused (insufficient-funds)
  +0.141s     #6                             hold  cancel refused: already-shipped
  +3600.141s  #7                             hold  ana decided done: the parcel came back
                                             -     ROLLED-BACK

branches
  hold  tcc   undone
  pay   step  refused  insufficient-funds
`;

describe("the timeline", () => {
  test("of a crash, a takeover, a refusal and a person's decision, whole", async () => {
    const story = await crashAndRecovery();
    assert.equal(printTimeline(timelineOf(await story.record(), await readNodes(story.store.membership))), golden);
  });

  test("names the owner, and what waits for it, while the transaction is open", async () => {
    const story = new Story();
    await story.store.membership.join({ incarnation: FIRST, name: "worker-1", runs });
    await story.start(FIRST, [{ kind: "started" }]);
    await story.store.journal.post("order-7", JSON.stringify({ kind: "cancel", by: "ana" }));
    const shown = printTimeline(timelineOf(await story.record(), await readNodes(story.store.membership)));
    assert.match(shown, /^order-7 {2}plan@1\nopen \(forward\)\nstarted .*, driven by worker-1\/1f3a9c2e in epoch 1\n1 request waits to be taken up\n/);
  });

  test("ends where a journal cannot be read, and says so", async () => {
    const story = new Story();
    await story.start(FIRST, [{ kind: "started" }]);
    await story.entry(FIRST, [{ kind: "done", branch: "never-registered", op: "action" }]);
    const timeline = timelineOf(await story.record(), nodesOf([]));
    assert.deepEqual(timeline.lines.map(({ kind }) => kind), ["started"]);
    assert.match(timeline.incomplete ?? "", /entry 2 cannot be read by this release: .*no branch never-registered/);
  });

  test("keeps the outcome when its entries were pruned", async () => {
    const story = await crashAndRecovery();
    await story.after(1_000).store.journal.prune({ entriesMs: 10, headersMs: 1e12, limit: 10 });
    const timeline = timelineOf(await story.record(), nodesOf([]));
    assert.equal(timeline.outcome.kind, "rolled-back");
    assert.match(timeline.incomplete ?? "", /pruned/);
  });

  test("says of a tombstone that it never started", async () => {
    const story = new Story();
    await story.store.journal.post("order-7", "{}");
    assert.equal(printTimeline(timelineOf(await story.record(), nodesOf([]))), "order-7\nnever started, and never will\nasked for 2026-01-02T03:04:05.000Z\n");
  });

  test("leaves out most of the attempts on a participant that is away", async () => {
    const story = new Story();
    await story.start(FIRST, [{ kind: "started" }, { kind: "registered", branch: "pay", inputHash: "", offer: { kind: "step", guard: "barrier", undo: "nothing" } }]);
    for (let attempt = 1; attempt <= 40; attempt += 1) await story.entry(FIRST, [{ kind: "attempted", branch: "pay", op: "action", code: "timeout", error: "no answer", retryAfterMs: 50, spent: false }]);
    await story.entry(FIRST, [{ kind: "done", branch: "pay", op: "action" }]);
    const timeline = timelineOf(await story.record(), nodesOf([]));
    assert.equal(timeline.lines.length, 43);
    const shown = printTimeline(timeline);
    assert.equal(shown.split("\n").filter((line) => line.includes("no answer")).length, 5, shown);
    assert.match(shown, /action #3 unknown[^\n]*\n {2}\.\.\. +35 more attempts \(--json has them all\)\n[^\n]*#39 unknown[^\n]*\n[^\n]*#40 unknown[^\n]*\n[^\n]*#41 done/);
  });

  test("says for how many attempts an entry stands", async () => {
    const story = new Story();
    await story.start(FIRST, [{ kind: "started" }, { kind: "registered", branch: "pay", inputHash: "", offer: { kind: "pivot", guard: "barrier" } }]);
    const attempt = { kind: "attempted", branch: "pay", op: "action", code: "timeout", error: "no answer", retryAfterMs: 50, spent: true } as const;
    await story.entry(FIRST, [attempt]);
    await story.entry(FIRST, [{ ...attempt, count: 24 }]);
    await story.entry(FIRST, [{ kind: "done", branch: "pay", op: "action" }]);
    const shown = printTimeline(timelineOf(await story.record(), nodesOf([])));
    assert.match(shown, /action unknown[^\n]*\n[^\n]*action #2 to #25 unknown[^\n]*\n[^\n]*action #26 done/);
  });

  test("shows control characters of error texts instead of obeying them", async () => {
    const story = new Story();
    await story.start(FIRST, [{ kind: "started" }, { kind: "registered", branch: "pay", inputHash: "", offer: { kind: "step", guard: "barrier", undo: "nothing" } }]);
    await story.entry(FIRST, [{ kind: "attempted", branch: "pay", op: "action", code: "threw", error: "\u001b[2Jgone\r\nforged line", retryAfterMs: 50, spent: false }]);
    const shown = printTimeline(timelineOf(await story.record(), nodesOf([])));
    assert.ok(shown.includes(String.raw`\u{1b}[2Jgone\u{d}\u{a}forged line`), shown);
  });
});
