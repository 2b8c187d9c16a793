import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { seed } from "../../../test/protocol/seed.ts";
import type { AfterTry } from "../../protocol/message.ts";
import type { Copy, LoggedMessage } from "../../stores/outbox-log.ts";
import { keyOf, Pipeline, type Flight, type Held, type OwnedLane, type Settled } from "./pipeline.ts";

/** Of four characters each: three fit. */
const BYTES_MAX = 12;

// A log, a sink and a retry table that are nothing but lists, driven by chance: whatever happens in whatever order, the sentences
// below hold. `TRIPACT_RUNS` for more lives.

const runs = Number(process.env["TRIPACT_RUNS"] ?? 1_000);

interface HeldKey {
  /** Copies on their way to the table. */
  uncommitted: number;
  readonly detached: Set<LoggedMessage>;
  /** Answers to those that were detached, until their copies are in the table. */
  readonly answers: Map<LoggedMessage, AfterTry>;
  /** In the table, by seq. */
  rows: LoggedMessage[];
}

/** Stands for the retry queue: the same rules, without time. */
class Table implements Held {
  readonly keys = new Map<string, HeldKey>();

  has(key: string): boolean {
    return this.keys.has(key);
  }

  add({ message }: Copy): void {
    this.of(message).uncommitted += 1;
  }

  of(message: LoggedMessage): HeldKey {
    const held = this.keys.get(keyOf(message)) ?? { uncommitted: 0, detached: new Set(), answers: new Map(), rows: [] };
    this.keys.set(keyOf(message), held);
    return held;
  }
}

const again: AfterTry = { kind: "again", state: "waiting", attempts: 1, delayMs: 1, error: "boom" };
const answers: readonly AfterTry[] = [
  { kind: "delivered" },
  { kind: "delivered" },
  again,
  { kind: "given-up", state: "parked", attempts: 1, error: "no" },
  { kind: "given-up", state: "skipped", attempts: 1, error: "no" },
];

class World {
  readonly table = new Table();
  readonly pipeline: Pipeline;
  readonly ordered: boolean;
  readonly lanes: readonly (readonly OwnedLane[])[] = [[{ lane: 0, epoch: 1 }], [{ lane: 1, epoch: 1 }]];
  readonly pages: { readonly lanes: readonly OwnedLane[]; readonly messages: readonly LoggedMessage[] }[] = [];
  readonly admitted: LoggedMessage[] = [];
  /** As the receiver saw them. */
  readonly applied: LoggedMessage[] = [];
  readonly skipped = new Set<LoggedMessage>();
  /** Skipped, and in the table. */
  readonly kept = new Set<LoggedMessage>();
  readonly requeued = new Set<LoggedMessage>();
  readonly copied = new Set<LoggedMessage>();
  readonly underWay: (readonly Flight[])[] = [];
  readonly unsaved: Settled[] = [];
  taken = 0;
  nowMs = 0;

  constructor(ordered: boolean) {
    this.ordered = ordered;
    this.pipeline = new Pipeline(this.table, ordered);
  }

  /** A page of one of two streams; a key belongs to one of them. */
  admit(count: number, choice: number): void {
    const stream = choice % 2;
    const messages = Array.from({ length: count }, (_, n): LoggedMessage => {
      const seq = this.admitted.length + n + 1;
      const key = `k${stream}${((choice >> 1) + n * (1 + (choice % 3))) % 3}`;
      return { seq, lane: stream, id: `id-${seq}`, topic: "t", key, payload: "1234", headers: "{}", recordedAtMs: 0 };
    });
    const lanes = this.lanes[stream] ?? [];
    this.pages.push({ lanes, messages });
    this.admitted.push(...messages);
    this.pipeline.admit({ lanes, cursor: String(this.pages.length), messages });
  }

  next(limit: number): void {
    const flights = this.pipeline.next(limit, BYTES_MAX, this.nowMs);
    assert.ok(flights.length <= limit, "no more than asked for");
    assert.ok(flights.length <= 3, "nor than fits");
    const out = new Set(this.underWay.flat().map(({ message }) => keyOf(message)));
    for (const { message } of flights) assert.ok(!out.has(keyOf(message)), "a key is in one delivery at a time");
    if (!this.ordered) assert.equal(new Set(flights.map(({ message }) => keyOf(message))).size, flights.length, "and alone in it, unless the sink keeps order");
    if (flights.length > 0) this.underWay.push(flights);
  }

  /** The sink answers a delivery: as it likes, but it does not go on with a key behind one that was not done. */
  land(which: number, choice: number): void {
    const flights = this.#take(which);
    const failed = new Set<string>();
    for (const [index, flight] of flights.entries()) {
      const key = keyOf(flight.message);
      const after = failed.has(key) ? again : (answers[(choice >> index) % answers.length] ?? again);
      if (after.kind === "delivered") this.applied.push(flight.message);
      else failed.add(key);
      if (after.kind === "given-up" && after.state === "skipped") this.skipped.add(flight.message);
      if (this.pipeline.landed(flight, after)) this.#answer(flight.message, after);
    }
  }

  putBack(which: number): void {
    for (const message of this.pipeline.putBack(this.#take(which))) this.#answer(message, again);
  }

  detach(): void {
    for (const message of this.pipeline.detach(this.nowMs - 2)) this.table.of(message).detached.add(message);
  }

  takeSettled(): void {
    for (const settled of this.pipeline.takeSettled()) {
      for (const { message } of settled.copies) {
        assert.ok(!this.copied.has(message), "a message is copied once");
        this.copied.add(message);
      }
      // Pages are taken in order, whole: the cursor names the last of them.
      for (; this.taken < Number(settled.cursor); this.taken += 1) {
        const page = this.pages[this.taken];
        assert.equal(page?.lanes, settled.lanes, "neighbours of the same lanes");
        for (const message of page?.messages ?? []) assert.ok(this.applied.includes(message) || this.copied.has(message), `the cursor passed ${message.id}, which is neither done nor copied`);
      }
      this.unsaved.push(settled);
    }
  }

  /** A cursor is stored, with its copies. */
  save(): void {
    for (const { message, state } of this.unsaved.shift()?.copies ?? []) {
      if (state === "skipped") {
        this.kept.add(message);
        continue;
      }
      const held = this.table.of(message);
      held.uncommitted -= 1;
      held.rows = [...held.rows, message].sort((a, b) => a.seq - b.seq);
      this.#recordAnswers(held);
    }
    this.#free();
  }

  /** The first row of a held key is tried again. */
  retry(which: number, succeeds: boolean): void {
    const ready = [...this.table.keys].filter(([, held]) => held.uncommitted === 0 && held.detached.size === 0 && held.rows.length > 0);
    const [key, held] = ready[which % Math.max(1, ready.length)] ?? [];
    const head = held?.rows[0];
    if (key === undefined || held === undefined || head === undefined) return;
    if (!this.requeued.has(head)) assert.ok(!this.underWay.flat().some(({ message }) => keyOf(message) === key), "what is tried again is not overtaken by a delivery, nor the other way round");
    if (!succeeds) return;
    held.rows.shift();
    this.applied.push(head);
    this.#free();
  }

  /** A person wants a skipped message after all: from now on it holds its key, and only its own place in the order is lost. */
  requeue(): void {
    const [message] = this.kept;
    if (message === undefined) return;
    this.kept.delete(message);
    this.requeued.add(message);
    const held = this.table.of(message);
    held.rows = [...held.rows, message].sort((a, b) => a.seq - b.seq);
  }

  /** Everything goes well from here. */
  drain(): void {
    for (let rounds = 0; rounds < 10_000; rounds += 1) {
      this.next(3);
      if (this.underWay.length > 0) this.land(0, 0);
      this.takeSettled();
      this.save();
      this.retry(0, true);
      const rest = this.pipeline.open + this.unsaved.length + this.table.keys.size + this.underWay.length;
      if (rest === 0) return;
    }
    assert.fail("it never comes to rest");
  }

  #take(which: number): readonly Flight[] {
    return this.underWay.splice(which % Math.max(1, this.underWay.length), 1)[0] ?? [];
  }

  #answer(message: LoggedMessage, after: AfterTry): void {
    const held = this.table.of(message);
    held.answers.set(message, after);
    this.#recordAnswers(held);
    this.#free();
  }

  #recordAnswers(held: HeldKey): void {
    if (held.uncommitted > 0) return;
    for (const [message, after] of held.answers) {
      held.detached.delete(message);
      held.answers.delete(message);
      const leaves = after.kind === "delivered" || (after.kind === "given-up" && after.state === "skipped");
      if (leaves) held.rows = held.rows.filter((row) => row !== message);
      if (after.kind === "given-up" && after.state === "skipped") this.kept.add(message);
    }
  }

  #free(): void {
    for (const [key, held] of this.table.keys) if (held.uncommitted === 0 && held.detached.size === 0 && held.rows.length === 0) this.table.keys.delete(key);
  }
}

function act(world: World, [op, a, b]: readonly [number, number, number]): void {
  world.nowMs += 1;
  switch (op % 12) {
    case 0:
    case 1:
      return world.admit(a % 5, b);
    case 2:
    case 3:
    case 4:
      return world.next(1 + (a % 4));
    case 5:
    case 6:
      return world.land(a, b);
    case 7:
      return world.putBack(a);
    case 8:
      return world.detach();
    case 9:
      world.takeSettled();
      return world.save();
    case 10:
      return world.retry(a, b % 3 > 0);
    default:
      return world.requeue();
  }
}

for (const ordered of [true, false]) {
  test(`note 24: whatever happens, nothing is lost or passed over, and each key keeps its order (${ordered ? "several of a key at once" : "one of a key at a time"})`, () => {
    const tapes = fc.array(fc.tuple(fc.nat(1_000), fc.nat(1_000), fc.nat(100_000)), { maxLength: 80, size: "max" });
    const life = (tape: readonly (readonly [number, number, number])[]): void => {
      const world = new World(ordered);
      for (const step of tape) act(world, step);
      world.drain();
      for (const message of world.admitted) {
        const times = world.applied.filter((it) => it === message).length;
        assert.equal(times, world.kept.has(message) ? 0 : 1, `${message.id} is done ${times} times`);
      }
      const inOrder = world.applied.filter((message) => !world.skipped.has(message));
      for (const [key, ofKey] of Map.groupBy(inOrder, keyOf)) {
        const seqs = ofKey.map(({ seq }) => seq);
        assert.deepEqual(seqs, seqs.toSorted((x, y) => x - y), `the order of ${key}`);
      }
    };
    fc.assert(fc.property(tapes, life), { seed, numRuns: runs });
  });
}
