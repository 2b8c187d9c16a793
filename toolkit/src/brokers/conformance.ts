import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { TripactError } from "../protocol/errors.ts";
import { Refused } from "../protocol/outcome.ts";
import type { Envelope, Receipt, Sink } from "./broker.ts";

/** What the adapter puts behind its sink. It has taken the message when this resolves. */
export type Arrive = (envelope: Envelope) => Promise<void>;

/** `Arrive` in its two halves, for a receiver that decides inside a transaction and has taken the message when that commits. */
export interface Taking {
  readonly ask: Arrive;
  readonly took: (envelope: Envelope) => void;
}

export interface SinkUnderTest {
  readonly sink: Sink;
  /**
   * Whose answer a receipt is. `receiver`: of whoever takes the message, so what `arrive` throws decides it. `broker`: of something in
   * between, which says `done` when it keeps the message; `arrive` is then called later, and again when it threw.
   */
  readonly answeredBy: "receiver" | "broker";
  /** Takes away whatever the sink talks to: nothing arrives any more. It need not come back. */
  down(): Promise<void>;
  /** Closes whatever the adapter needed besides: a server, a port. */
  close(): Promise<void>;
}

/** What every sink does, whatever is behind it: a receipt for each message, in their order, and never a throw for what a receiver does. */
export function describeSink(name: string, open: (arrive: Arrive, taking: Taking) => Promise<SinkUnderTest>): void {
  describe(`sink: ${name}`, () => {
    const stage = new Stage(open);
    before(() => stage.open());
    after(() => stage.close());
    beforeEach(() => stage.clear());
    describe("what is done has arrived", () => arrivals(stage));
    describe("what a receipt means", () => meanings(stage));
    describe("batches", () => batches(stage));
    describe("order per key, if it promises that", () => orders(stage));
    describe("giving up and closing", () => endings(stage));
  });
}

const ARRIVE_WITHIN_MS = 10_000;
const open = new AbortController().signal;
const done: Receipt = { kind: "done" };

/** One opened sink, and what arrived behind it since the last `clear`. */
class Stage {
  arrived: Envelope[] = [];
  /** What the receiver does before it takes a message. */
  behave: Arrive = async () => {};
  readonly #open: (arrive: Arrive, taking: Taking) => Promise<SinkUnderTest>;
  #opened: SinkUnderTest | undefined;

  constructor(openSink: (arrive: Arrive, taking: Taking) => Promise<SinkUnderTest>) {
    this.#open = openSink;
  }

  get opened(): SinkUnderTest {
    assert.ok(this.#opened !== undefined);
    return this.#opened;
  }

  get sink(): Sink {
    return this.opened.sink;
  }

  async open(): Promise<void> {
    this.#opened = await this.another();
  }

  /** A second sink, whose receiver tells this stage as well. */
  another(): Promise<SinkUnderTest> {
    const taking: Taking = { ask: (envelope) => this.behave(envelope), took: (envelope) => void this.arrived.push(envelope) };
    return this.#open(async (envelope) => {
      await taking.ask(envelope);
      taking.took(envelope);
    }, taking);
  }

  async close(): Promise<void> {
    await this.sink.close();
    await this.opened.close();
  }

  clear(): void {
    this.arrived = [];
    this.behave = async () => {};
  }

  /** Messages with these ids, as they arrived. Behind a broker it takes a moment. */
  async arrivals(ids: readonly string[], count = ids.length): Promise<readonly Envelope[]> {
    const found = (): readonly Envelope[] => this.arrived.filter(({ id }) => ids.includes(id));
    if (this.opened.answeredBy === "broker") await eventually(() => found().length >= count);
    return found();
  }
}

async function eventually(holds: () => boolean): Promise<void> {
  const deadline = performance.now() + ARRIVE_WITHIN_MS;
  while (!holds() && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 10));
}

function arrivals(stage: Stage): void {
  const carries = async (message: Envelope): Promise<void> => {
    assert.deepEqual(await stage.sink.deliver([message], open), [done]);
    assert.deepEqual((await stage.arrivals([message.id])).map(told), [told(message)]);
  };
  // A broker says when it took a message itself, and counts its own tries.
  const told = (envelope: Envelope): Envelope => (stage.opened.answeredBy === "broker" ? { ...envelope, attempt: 1, recordedAtMs: 0 } : envelope);

  it("as it was sent, with every field", async () => {
    const headers = { tenant: "acme", traceparent: `00-${"ab".repeat(16)}-${"cd".repeat(8)}-01`, tracestate: "vendor=1" };
    await carries(sampleEnvelope({ headers, attempt: 7, recordedAtMs: 1_760_000_000_123 }));
  });

  it("with keys, topics and sources in any script", async () => {
    for (const text of ["订单-42", "заказ", "🛒", 'a/b c?d#e&f=%2F+;,"\'', "é\u0301", "x".repeat(255)]) {
      await carries(sampleEnvelope({ topic: text, key: text, source: text }));
    }
  });

  it("with headers of any name and any text", async () => {
    const headers = {
      "X-Tenant": "acme", 名: "值", "": "nameless", empty: "", id: "1", data: "2", tripactheaders: "{}", ["__proto__"]: "own",
      nul: "\u0000", lone: "\ud800", line: "a\r\nb: c", spaces: "  a  ", percent: "100%25", quoted: '"a\\"', c1: "\u0085",
    };
    await carries(sampleEnvelope({ headers }));
    await carries(sampleEnvelope({ headers: { long: "x".repeat(8_000), others: "ж".repeat(3_500) } }));
  });

  it("with texts that databases and parsers dislike", async () => {
    for (const value of ["\u0000", "\ud800", "\u2028", "𝄞", "\\", '"', "\r\n", null, 0, -0.5, 1e300, [], {}, { ["__proto__"]: 1, data: { id: 2 } }, ""]) {
      await carries(sampleEnvelope({ payload: JSON.stringify(value) }));
    }
  });

  it("with a payload of 1 MiB", async () => {
    await carries(sampleEnvelope({ payload: JSON.stringify("x".repeat(1_048_576 - 2)) }));
  });

  it("only after it was taken", async () => {
    if (stage.opened.answeredBy === "broker") return;
    const { promise: taken, resolve: take } = Promise.withResolvers<void>();
    const message = sampleEnvelope();
    stage.behave = () => taken;
    let receipts: readonly Receipt[] | undefined;
    const delivery = stage.sink.deliver([message], open).then((given) => (receipts = given));
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(receipts, undefined, "a receipt for what nobody has taken yet");
    take();
    await delivery;
    assert.deepEqual(receipts, [done]);
    assert.deepEqual(stage.arrived.map(({ id }) => id), [message.id]);
  });

  it("twice under one id when it was sent twice, or once if the sink deduplicates", async () => {
    const message = sampleEnvelope();
    const again = { ...message, attempt: 2 };
    for (const sent of [message, again]) assert.deepEqual(await stage.sink.deliver([sent], open), [done]);
    const once = stage.sink.features.deduplicates;
    assert.deepEqual((await stage.arrivals([message.id], once ? 1 : 2)).map(told), (once ? [message] : [message, again]).map(told));
  });
}

function meanings(stage: Stage): void {
  it("refused: the receiver said so, with its code", async () => {
    if (stage.opened.answeredBy === "broker") return;
    stage.behave = () => Promise.reject(new Refused("unknown-sku"));
    const [receipt] = await stage.sink.deliver([sampleEnvelope()], open);
    assert.ok(receipt?.kind === "refused");
    assert.equal(receipt.code, "unknown-sku");
    assert.notEqual(receipt.error, "");
    assert.deepEqual(stage.arrived, []);
  });

  it("unknown: the receiver failed, whatever with", async () => {
    if (stage.opened.answeredBy === "broker") return;
    for (const thrown of [new Error("out of disk"), new TypeError("x is not a function"), new TripactError("store-unreachable", "no database"), "text"]) {
      stage.behave = () => Promise.reject(thrown);
      const [receipt] = await stage.sink.deliver([sampleEnvelope()], open);
      assert.equal(receipt?.kind, "unknown");
    }
  });

  it("done: a message that failed once and is sent again", async () => {
    const message = sampleEnvelope();
    let failures = 1;
    stage.behave = async () => {
      if ((failures -= 1) >= 0) throw new Error("not today");
    };
    const [first] = await stage.sink.deliver([message], open);
    if (first?.kind !== "done") assert.deepEqual(await stage.sink.deliver([{ ...message, attempt: 2 }], open), [done]);
    assert.equal((await stage.arrivals([message.id])).length, 1);
  });

  it("unknown, never refused: a receiver that is not there", async () => {
    const other = await stage.another();
    try {
      await other.down();
      const receipts = await other.sink.deliver([sampleEnvelope(), sampleEnvelope()], AbortSignal.timeout(5_000));
      assert.deepEqual(receipts.map(({ kind }) => kind), ["unknown", "unknown"]);
    } finally {
      await other.sink.close();
      await other.close();
    }
  });
}

function batches(stage: Stage): void {
  it("a receipt for each message, in their order", async () => {
    if (stage.opened.answeredBy === "broker") return;
    const messages = ["done", "refused", "unknown", "done"].map((topic) => sampleEnvelope({ topic }));
    stage.behave = async ({ topic }) => {
      if (topic === "refused") throw new Refused("no");
      if (topic === "unknown") throw new Error("maybe");
    };
    const receipts = await stage.sink.deliver(messages, open);
    assert.deepEqual(receipts.map(({ kind }) => kind), messages.map(({ topic }) => topic));
  });

  it("none for none", async () => {
    assert.deepEqual(await stage.sink.deliver([], open), []);
  });

  it("as many at once as it says", async () => {
    const messages = Array.from({ length: stage.sink.features.batchMax }, () => sampleEnvelope());
    const receipts = await stage.sink.deliver(messages, open);
    assert.deepEqual(receipts, messages.map(() => done));
    const ids = messages.map(({ id }) => id);
    assert.deepEqual((await stage.arrivals(ids)).map(({ id }) => id).toSorted(), ids.toSorted());
  });

  it("and not one more: that is the relay's mistake, and nothing of it is sent", async () => {
    const messages = Array.from({ length: stage.sink.features.batchMax + 1 }, () => sampleEnvelope());
    await assert.rejects(stage.sink.deliver(messages, open), TripactError);
    assert.deepEqual(stage.arrived, []);
  });
}

function orders(stage: Stage): void {
  const numbered = (key: string, count: number): Envelope[] => Array.from({ length: count }, (_, n) => sampleEnvelope({ key, payload: String(n) }));
  const of = (key: string): string[] => stage.arrived.filter((envelope) => envelope.key === key).map(({ payload }) => payload);

  it("messages of one key arrive as they were given", async () => {
    if (!stage.sink.features.ordered) return;
    const [a, b] = [keyOf(), keyOf()];
    const count = Math.min(20, Math.floor(stage.sink.features.batchMax / 2));
    const others = numbered(b, count);
    const messages = numbered(a, count).flatMap((message, n) => [message, ...others.slice(n, n + 1)]);
    stage.behave = () => new Promise((resolve) => setTimeout(resolve, Math.random() * 3));
    const receipts = await stage.sink.deliver(messages, open);
    assert.ok(receipts.every(({ kind }) => kind === "done"));
    await stage.arrivals(messages.map(({ id }) => id));
    const inOrder = Array.from({ length: count }, (_, n) => String(n));
    assert.deepEqual([of(a), of(b)], [inOrder, inOrder]);
  });

  it("and a key stops at the first that was not done, while others go on", async () => {
    if (!stage.sink.features.ordered || stage.opened.answeredBy === "broker") return;
    const [a, b] = [keyOf(), keyOf()];
    stage.behave = async ({ key, payload }) => {
      if (key === a && payload === "1") throw new Error("not now");
    };
    const receipts = await stage.sink.deliver([...numbered(a, 3), ...numbered(b, 3)], open);
    assert.deepEqual(receipts.map(({ kind }) => kind), ["done", "unknown", "unknown", "done", "done", "done"]);
    assert.deepEqual([of(a), of(b)], [["0"], ["0", "1", "2"]]);
  });
}

function endings(stage: Stage): void {
  it("unknown, and nothing is sent: given up before it began", async () => {
    const messages = [sampleEnvelope(), sampleEnvelope()];
    const receipts = await stage.sink.deliver(messages, AbortSignal.abort());
    assert.deepEqual(receipts.map(({ kind }) => kind), ["unknown", "unknown"]);
    const probe = sampleEnvelope();
    assert.deepEqual(await stage.sink.deliver([probe], open), [done]);
    await stage.arrivals([probe.id]);
    assert.deepEqual(stage.arrived.map(({ id }) => id), [probe.id]);
  });

  it("unknown at once: given up on the way", async () => {
    if (stage.opened.answeredBy === "broker") return;
    const controller = new AbortController();
    stage.behave = () => {
      controller.abort(new DOMException("no lane of ours any more", "AbortError"));
      return new Promise(() => {});
    };
    const receipts = await stage.sink.deliver([sampleEnvelope(), sampleEnvelope()], controller.signal);
    assert.deepEqual(receipts.map(({ kind }) => kind), ["unknown", "unknown"]);
  });

  it("closing waits for what is in flight, and takes nothing more", async () => {
    const other = await stage.another();
    const { promise: taken, resolve: take } = Promise.withResolvers<void>();
    const { promise: there, resolve: isThere } = Promise.withResolvers<void>();
    stage.behave = () => {
      isThere();
      return taken;
    };
    const message = sampleEnvelope();
    try {
      const delivery = other.sink.deliver([message], open);
      await there;
      const closing = other.sink.close();
      const [late] = await other.sink.deliver([sampleEnvelope()], open);
      assert.equal(late?.kind, "unknown");
      take();
      assert.deepEqual(await delivery, [done]);
      await closing;
      assert.deepEqual((await stage.arrivals([message.id])).map(({ id }) => id), [message.id]);
    } finally {
      await other.close();
    }
  });

  it("closes twice without harm", async () => {
    const other = await stage.another();
    await Promise.all([other.sink.close(), other.sink.close()]);
    await other.sink.close();
    await other.close();
  });
}

let made = 0;
const keyOf = (): string => `key-${(made += 1)}`;

/** A message with everything that it needs, and an id of its own. */
export function sampleEnvelope(envelope: Partial<Envelope> = {}): Envelope {
  return {
    id: `01997c2e-0000-7000-8000-${String((made += 1)).padStart(12, "0")}`,
    source: "orders",
    topic: "order.placed",
    key: `order-${made}`,
    payload: '{"sku":"A","quantity":1}',
    headers: {},
    recordedAtMs: 1_760_000_000_000,
    attempt: 1,
    ...envelope,
  };
}
