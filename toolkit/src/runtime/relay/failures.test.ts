import assert from "node:assert/strict";
import test, { after } from "node:test";
import { freshDatabase } from "@tripact/testbed";
import { Pool } from "pg";
import type { Envelope, Receipt, Sink } from "../../brokers/broker.ts";
import { send } from "../../participants/outbox.ts";
import { pgTransactions } from "../../participants/transaction.ts";
import { migrate } from "../../stores/postgres/migrate.ts";
import { createRelay, postgresOutboxLog, type Notice, type Relay, type SubscriptionOptions } from "../../relay.ts";

const database = await freshDatabase("relay_failures");
const pool = new Pool({ connectionString: database.url, max: 8 });
after(async () => {
  await pool.end();
  await database.drop();
});
const open = pgTransactions(pool);
await migrate(database.url);

interface Told {
  readonly sink: Sink;
  /** `key:payload` of what was done, in order. */
  readonly done: string[];
  readonly tries: Map<string, number>;
  answer: (message: Envelope) => Receipt | Promise<Receipt>;
}

/** A sink that says what the test tells it to. */
function toldSink(ordered: boolean): Told {
  const told: Told = {
    done: [],
    tries: new Map(),
    answer: () => ({ kind: "done" }),
    sink: {
      features: { name: "told", persistent: false, ordered, deduplicates: false, batchMax: 10 },
      async deliver(messages) {
        const failed = new Set<string>();
        const receipts: Receipt[] = [];
        for (const message of messages) {
          const name = `${message.key}:${message.payload}`;
          if (failed.has(message.key)) {
            receipts.push({ kind: "unknown", error: "behind" });
            continue;
          }
          told.tries.set(name, (told.tries.get(name) ?? 0) + 1);
          const receipt = await told.answer(message);
          if (receipt.kind === "done") told.done.push(name);
          else failed.add(message.key);
          receipts.push(receipt);
        }
        return receipts;
      },
      close: async () => {},
    },
  };
  return told;
}

async function eventually(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const untilMs = performance.now() + 15_000;
  while (!(await holds())) {
    assert.ok(performance.now() < untilMs, `within 15 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

interface Scene {
  readonly told: Told;
  readonly relay: Relay;
  readonly notices: Notice[];
  readonly say: (...messages: readonly string[]) => Promise<readonly string[]>;
  readonly subscription: string;
  readonly of: (key: string) => readonly string[];
}

let scenes = 0;

async function scene(options: Partial<SubscriptionOptions>, play: (scene: Scene) => Promise<void>, ordered = true): Promise<void> {
  const name = `scene-${(scenes += 1)}`;
  const told = toldSink(ordered);
  const notices: Notice[] = [];
  const relay = await createRelay({
    log: postgresOutboxLog({ url: database.url }),
    source: "test",
    onNotice: (notice) => notices.push(notice),
    syncEveryMs: 50,
    subscriptions: [{ name, topics: [name], sink: told.sink, retry: { baseMs: 20, capMs: 50, maxAttempts: 3 }, slowMs: 60, ...options }],
  });
  const sendAll = (...messages: readonly string[]): Promise<readonly string[]> =>
    open((db) =>
      send(
        db,
        messages.map((message) => ({ topic: name, key: message.split(":")[0] ?? "", payload: Number(message.split(":")[1]) })),
      ),
    );
  try {
    await play({ subscription: name, told, relay, notices, say: sendAll, of: (key) => told.done.filter((it) => it.startsWith(`${key}:`)) });
  } finally {
    await relay.stop();
  }
  assert.deepEqual(notices.filter(({ kind }) => kind === "bug"), []);
}

const fail = (error: string): Receipt => ({ kind: "unknown", error });
const no: Receipt = { kind: "refused", code: "poison", error: "cannot be read" };

for (const ordered of [true, false]) {
  test(`a message that fails turns late and is tried on; those behind it wait, other keys do not (${ordered ? "an ordered sink" : "one at a time"})`, () =>
    scene(
      {},
      async ({ subscription, told, relay, notices, say, of }) => {
        let broken = true;
        told.answer = ({ key, payload }) => (broken && key === "bad" && payload === "2" ? fail("boom") : { kind: "done" });
        await say("bad:1", "bad:2", "bad:3", "good:1");
        await say("bad:4", "good:2");
        await eventually(() => of("good").length === 2 && notices.some(({ kind }) => kind === "message-late"), "the good ones are delivered, the bad one is late");
        await say("bad:5", "good:3");
        await eventually(() => of("good").length === 3, "the next good one is delivered");
        assert.deepEqual(of("bad"), ["bad:1"]);
        await eventually(async () => (await relay.desk.list({ subscription, limit: 10 })).length === 4, "those behind the bad one are copied");
        const rows = await relay.desk.list({ subscription, limit: 10 });
        assert.deepEqual(rows.map(({ message, state }) => `${message.payload} ${state}`), ["2 late", "3 waiting", "4 waiting", "5 waiting"]);
        const standing = await relay.desk.find(rows[1]?.message.id ?? "");
        assert.equal(standing?.standings.find(({ state }) => state === "waiting")?.behind, rows[0]?.message.id);
        broken = false;
        await eventually(() => of("bad").length === 5, "all bad ones are delivered");
        await say("bad:6");
        await eventually(() => of("bad").length === 6, "and the key is free");
        assert.deepEqual(of("bad"), [1, 2, 3, 4, 5, 6].map((n) => `bad:${n}`));
        assert.deepEqual(await relay.desk.list({ subscription, limit: 10 }), []);
      },
      ordered,
    ));
}

test("an answered no parks, and holds its key until a person requeues it", () =>
  scene({}, async ({ subscription, told, relay, notices, say, of }) => {
    let poisoned = true;
    told.answer = ({ payload }) => (poisoned && payload === "1" ? no : { kind: "done" });
    const [first] = await say("k:1", "k:2", "other:7");
    await eventually(() => notices.some(({ kind }) => kind === "message-parked") && of("other").length === 1, "parked");
    await say("k:3");
    await eventually(async () => (await relay.desk.list({ subscription, limit: 9 })).length === 3, "the third waits behind");
    assert.deepEqual(of("k"), []);
    assert.deepEqual((await relay.desk.list({ subscription, state: "parked", limit: 9 })).map(({ message, error }) => [message.id, error]), [[first, "poison: cannot be read"]]);
    assert.equal(told.tries.get("k:1"), 1);
    poisoned = false;
    assert.equal(await relay.desk.requeue({ ids: "all-parked", subscription, who: "ann", reason: "repaired" }), 1);
    await eventually(() => of("k").length === 3, "all are delivered");
    assert.deepEqual(of("k"), ["k:1", "k:2", "k:3"]);
  }));

test("a parked message that a person discards is never delivered, and its key goes on", () =>
  scene({}, async ({ subscription, told, relay, say, of }) => {
    told.answer = ({ payload }) => (payload === "1" ? no : { kind: "done" });
    const [first = ""] = await say("k:1", "k:2");
    await eventually(async () => (await relay.desk.list({ subscription, state: "parked", limit: 9 })).length === 1, "parked");
    assert.equal(await relay.desk.discard({ ids: [first], who: "ann", reason: "obsolete" }), 1);
    await eventually(() => of("k").length === 1, "the next one is delivered");
    await say("k:3");
    await eventually(() => of("k").length === 2, "and the one after it");
    assert.deepEqual(of("k"), ["k:2", "k:3"]);
    const found = await relay.desk.find(first);
    const retry = found?.standings.map((it) => it.retry).find((it) => it !== undefined);
    assert.deepEqual([retry?.state, retry?.decidedBy, retry?.decidedReason], ["discarded", "ann", "obsolete"]);
  }));

test('onPark "skip": the key goes on past a parked message, which a person can requeue', () =>
  scene({ onPark: "skip" }, async ({ subscription, told, relay, say, of }) => {
    let poisoned = true;
    told.answer = ({ payload }) => (poisoned && payload === "1" ? no : { kind: "done" });
    await say("k:1", "k:2");
    await say("k:3");
    await eventually(() => of("k").length === 2, "the later ones are delivered");
    await eventually(async () => (await relay.desk.list({ subscription, state: "skipped", limit: 9 })).length === 1, "the first is kept");
    poisoned = false;
    await relay.desk.requeue({ ids: "all-parked", subscription, who: "ann", reason: "repaired" });
    await eventually(() => of("k").length === 3, "the skipped one is delivered");
    await say("k:4");
    await eventually(() => of("k").length === 4, "the key is free");
  }));

test("behind one that is skipped, a message of the same delivery has not been tried: it is not given up with it", () =>
  scene({ onPark: "skip", exhausted: "park", retry: { baseMs: 5, factor: 2, capMs: 10, maxAttempts: 1 } }, async ({ subscription, told, relay, say, of }) => {
    told.answer = ({ payload }) => (["1", "3"].includes(payload) ? no : { kind: "done" });
    await say("k:1", "k:2", "k:3", "k:4");
    await eventually(() => of("k").length === 2, "those that can be read are delivered");
    assert.deepEqual(of("k"), ["k:2", "k:4"]);
    assert.deepEqual([told.tries.get("k:2"), told.tries.get("k:4")], [1, 1]);
    await eventually(async () => (await relay.desk.list({ subscription, state: "skipped", limit: 9 })).length === 2, "the others are kept");
  }));

test("a delivery that hangs does not hold up other keys; its message is tried again when it is overdue", () =>
  scene({ lockMs: 2_000 }, async ({ told, say, of }) => {
    let hangs = true;
    told.answer = ({ key }) => {
      if (!hangs || key !== "slow") return { kind: "done" };
      hangs = false;
      return new Promise(() => undefined);
    };
    await say("slow:1");
    await eventually(() => told.tries.get("slow:1") === 1, "it hangs");
    for (let n = 0; n < 5; n += 1) await say(`fast:${n}`, `slow:${n + 2}`);
    await eventually(() => of("fast").length === 5, "the others are delivered");
    assert.deepEqual(of("slow"), []);
    await eventually(() => of("slow").length === 6, "after its time it is tried again");
    assert.deepEqual(of("slow"), [1, 2, 3, 4, 5, 6].map((n) => `slow:${n}`));
  }));

for (const [what, answer] of [["nothing", undefined], ["too few receipts", []], ["what is no receipt", [null, { kind: "yes" }, 7]]] as const) {
  test(`a sink that answers with ${what} has answered unknown: its messages are tried again, none is stuck`, () =>
    scene({}, async ({ told, say, of }) => {
      const deliver = told.sink.deliver.bind(told.sink);
      let odd = 3;
      told.sink.deliver = (messages, signal) => (odd-- > 0 ? Promise.resolve(answer as unknown as readonly Receipt[]) : deliver(messages, signal));
      await say("a:1", "b:1", "a:2");
      await eventually(() => told.done.length === 3, "all are delivered");
      assert.deepEqual(of("a"), ["a:1", "a:2"]);
    }));
}

test("deliveries that hang take neither the workers nor the queue from the others: they leave for the retry table", () =>
  scene({ lockMs: 600, workers: 2, queueSize: 8 }, async ({ subscription, told, relay, say, of }) => {
    let hangs = true;
    told.answer = ({ key }) => (hangs && key.startsWith("slow") ? new Promise(() => undefined) : { kind: "done" });
    await say("slow1:1", "fast:0");
    await eventually(() => told.tries.get("slow1:1") === 1, "it hangs");
    await say("slow2:1", "slow3:1", "slow4:1");
    for (let n = 1; n < 20; n += 1) await say(`fast:${n}`);
    await eventually(() => of("fast").length === 20, "the others are delivered");
    await eventually(async () => (await relay.desk.list({ subscription, limit: 9 })).length > 0, "those that hang are in the retry table");
    hangs = false;
    await eventually(() => [1, 2, 3, 4].every((n) => of(`slow${n}`).length === 1), "and delivered in the end");
    await eventually(async () => (await relay.desk.list({ subscription, limit: 9 })).length === 0, "nothing is left over");
  }));

test("while the receiver is down nothing is copied beyond the first few, and no attempts are spent", () =>
  scene({ breakerAfter: 3, breakerPauseMs: 50 }, async ({ subscription, told, relay, notices, say, of }) => {
    let down = true;
    told.answer = () => (down ? fail("connection refused") : { kind: "done" });
    for (let n = 0; n < 20; n += 1) await say(...Array.from({ length: 10 }, (_, key) => `k${key}:${n}`));
    await eventually(() => notices.some(({ kind }) => kind === "subscription-paused"), "it pauses");
    const copied = await relay.desk.list({ subscription, limit: 1_000 });
    assert.ok(copied.length <= 60, `few are copied: ${copied.length}`);
    down = false;
    await eventually(() => told.done.length === 200, "all are delivered");
    for (let key = 0; key < 10; key += 1) assert.deepEqual(of(`k${key}`), Array.from({ length: 20 }, (_, n) => `k${key}:${n}`));
    assert.ok(notices.some(({ kind }) => kind === "subscription-resumed"));
  }));

test("a key with too much in the retry table stops its lane, says so, and goes on when there is room", () =>
  scene({ keyBacklogMax: 5 }, async ({ told, notices, say, of }) => {
    let broken = true;
    told.answer = ({ key }) => (broken && key === "bad" ? fail("boom") : { kind: "done" });
    for (let n = 0; n < 12; n += 1) {
      await say(`bad:${n}`);
      if (n === 0) await eventually(() => (told.tries.get("bad:0") ?? 0) > 0, "it fails");
    }
    await eventually(() => notices.some(({ kind }) => kind === "lane-stopped"), "the lane stops");
    broken = false;
    await eventually(() => of("bad").length === 12, "all are delivered");
    assert.deepEqual(of("bad"), Array.from({ length: 12 }, (_, n) => `bad:${n}`));
  }));

test('preset "source": three tries, then parked', () =>
  scene({ preset: "source", retry: { baseMs: 5, factor: 3, capMs: 15, maxAttempts: 3 } }, async ({ subscription, told, relay, say }) => {
    told.answer = () => fail("boom");
    await say("k:1");
    await eventually(async () => (await relay.desk.list({ subscription, state: "parked", limit: 9 })).length === 1, "parked");
    assert.equal(told.tries.get("k:1"), 3);
  }));
