import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { freshDatabase, startProxy } from "@tripact/testbed";
import { createRelay, postgresOutboxLog, type OutboxLog, type Relay, type RelayOptions, type SubscriptionOptions } from "../../src/relay.ts";
import { migrate } from "../../src/stores/postgres/migrate.ts";
import type { ClaimedLane, LoggedMessage } from "../../src/stores/outbox-log.ts";
import { byHighWaterMark, byIdBelowXmin, bySnapshot, byTransaction, type Reader } from "./readers.ts";
import { eventually, openWriter, toldSink, type ToldSink, type Writer } from "./scene.ts";

// Each way that is known to fail is written down here, where no user can find it, and has to ring. No chance is involved: every interleaving is
// made of transactions that are held open. What the toolkit does passes the same script.

const database = await freshDatabase("broken_variants");
const elsewhere = await freshDatabase("broken_variants_elsewhere");
after(() => Promise.all([database.drop(), elsewhere.drop()]));
await migrate(database.url);

// Reading.

type Verdict = "loses" | "reorders" | "waits";

interface Step {
  readonly run: () => Promise<unknown>;
  /** What is committed when it has run. */
  readonly commits?: readonly string[];
}

interface Cast {
  readonly topic: string;
  readonly one: Writer;
  readonly two: Writer;
  /** In another database of the cluster. */
  readonly foreign: Writer;
}

interface Script {
  readonly name: string;
  readonly steps: (cast: Cast) => readonly Step[];
  readonly rings: Readonly<Record<"by high-water mark" | "by id below xmin" | "by transaction", Verdict | "passes">>;
}

const scripts: readonly Script[] = [
  {
    name: "design 8: an earlier id is committed after a later one",
    steps: ({ topic, one, two }) => [
      { run: async () => (await one.begin(), await one.send(topic, "a:1")) },
      { run: () => two.send(topic, "b:2"), commits: ["b:2"] },
      { run: () => one.commit(), commits: ["a:1"] },
    ],
    rings: { "by high-water mark": "loses", "by id below xmin": "waits", "by transaction": "waits" },
  },
  {
    // In one insert the id is given a moment before the transaction has its own; here the moment lasts.
    name: "design 8: an id is given before its transaction has one",
    steps: ({ topic, one, two }) => {
      let seq: unknown;
      return [
        { run: async () => (seq = await seqWithoutTransactionId(one)) },
        { run: () => two.send(topic, "b:2"), commits: ["b:2"] },
        {
          run: async () => {
            await one.query(`insert into tripact.outbox (seq, id, topic, key, payload) values ($1, gen_random_uuid(), $2, 'a', '"1"')`, [seq, topic]);
            await one.commit();
          },
          commits: ["a:1"],
        },
      ];
    },
    rings: { "by high-water mark": "loses", "by id below xmin": "loses", "by transaction": "passes" },
  },
  {
    name: "note 12: who began first locks the key second",
    steps: ({ topic, one, two }) => [
      { run: async () => (await one.begin(), await one.query("select pg_current_xact_id()")) },
      { run: () => two.send(topic, "k:1"), commits: ["k:1"] },
      { run: async () => (await one.send(topic, "k:2"), await one.commit()), commits: ["k:2"] },
    ],
    rings: { "by high-water mark": "passes", "by id below xmin": "waits", "by transaction": "reorders" },
  },
  {
    name: "note 13: a writer in another database of the cluster stands idle",
    steps: ({ topic, one, foreign }) => [
      { run: async () => (await foreign.begin(), await foreign.query("select pg_current_xact_id()")) },
      { run: () => one.send(topic, "a:1", "b:2"), commits: ["a:1", "b:2"] },
      { run: () => foreign.rollback() },
    ],
    rings: { "by high-water mark": "passes", "by id below xmin": "waits", "by transaction": "waits" },
  },
];

describe("how a log is read", () => {
  for (const [index, script] of scripts.entries()) {
    test(script.name, async (t) => {
      const topic = `script-${index}`;
      const [one, two, foreign, eyes] = await Promise.all([database.url, database.url, elsewhere.url, database.url].map(openWriter));
      assert.ok(one !== undefined && two !== undefined && foreign !== undefined && eyes !== undefined);
      const log = postgresOutboxLog({ url: database.url });
      await log.connect();
      t.after(async () => {
        await log.close();
        await Promise.all([one, two, foreign, eyes].map((writer) => writer.end()));
      });
      const readers = {
        "by snapshot": await bySnapshot(log, topic),
        [AT_THE_END]: await bySnapshot(log, topic),
        "by high-water mark": byHighWaterMark(eyes.client, topic),
        "by id below xmin": byIdBelowXmin(eyes.client, topic),
        "by transaction": byTransaction(eyes.client, topic),
      };
      const verdicts = await play(script.steps({ topic, one, two, foreign }), readers);
      assert.deepEqual(verdicts["by snapshot"], new Set(), "what the toolkit does");
      assert.deepEqual(verdicts[AT_THE_END], new Set(["waits"]), "what it does when it comes late, and finds all at once");
      for (const [name, verdict] of Object.entries(script.rings)) {
        if (verdict !== "passes") assert.ok(verdicts[name]?.has(verdict), `${name} ${verdict}: ${[...(verdicts[name] ?? [])].join(", ")}`);
      }
    });
  }
});

const AT_THE_END = "by snapshot, at the end";

/** Everybody reads after every step, but for who comes late, and once more at the end. */
async function play(steps: readonly Step[], readers: Readonly<Record<string, Reader>>): Promise<Readonly<Record<string, Set<Verdict>>>> {
  const sent: string[] = [];
  const delivered = new Map<string, string[]>(Object.keys(readers).map((name) => [name, []]));
  const missed = new Map<string, Set<string>>(Object.keys(readers).map((name) => [name, new Set()]));
  const readAll = async (isEnd: boolean): Promise<void> => {
    for (const [name, reader] of Object.entries(readers)) {
      const seen = delivered.get(name) ?? [];
      if (isEnd || name !== AT_THE_END) seen.push(...(await reader.read()));
      for (const message of sent) if (!seen.includes(message)) missed.get(name)?.add(message);
    }
  };
  for (const { run, commits = [] } of steps) {
    await run();
    sent.push(...commits);
    await readAll(false);
  }
  await readAll(true);
  return Object.fromEntries(Object.keys(readers).map((name) => [name, judge(sent, delivered.get(name) ?? [], missed.get(name) ?? new Set())]));
}

function judge(sent: readonly string[], delivered: readonly string[], missed: ReadonlySet<string>): Set<Verdict> {
  const verdicts = new Set<Verdict>();
  const ofKey = (all: readonly string[], message: string): string => all.filter((it) => it.split(":")[0] === message.split(":")[0]).join();
  for (const message of sent) {
    if (!delivered.includes(message)) verdicts.add("loses");
    else if (missed.has(message)) verdicts.add("waits");
    if (delivered.includes(message) && ofKey(delivered, message) !== ofKey(sent, message)) verdicts.add("reorders");
  }
  return verdicts;
}

/** A number of the sequence, in a transaction that has none of its own yet. (One number in 32 is logged, and that needs one.) */
async function seqWithoutTransactionId(writer: Writer): Promise<unknown> {
  for (let tries = 0; tries < 3; tries += 1) {
    await writer.begin();
    const [taken] = await writer.query("select nextval('tripact.outbox_seq') as seq");
    const [open] = await writer.query("select pg_current_xact_id_if_assigned() is null as none");
    if (open?.["none"] === true) return taken?.["seq"];
    await writer.rollback();
  }
  throw new Error("every number came with a transaction id");
}

// Delivering: the same relay, on a log that is wrong in one way.

const slowly: Partial<SubscriptionOptions> = { workers: 1, slowMs: 60_000, lockMs: 60_000, retry: { baseMs: 10, capMs: 20 } };

function relayOf(log: OutboxLog, subscription: string, topic: string, sink: ToldSink, options: Partial<RelayOptions> = {}): Promise<Relay> {
  return createRelay({ log, source: "test", stopWithinMs: 100, ...options, subscriptions: [{ name: subscription, topics: [topic], sink, ...slowly }] });
}

/** Broken: the cursor is stored as soon as a page is read. */
function settlesEarly(log: OutboxLog): OutboxLog {
  const claimed = new Map<number, ClaimedLane>();
  let mine = { subscription: "", owner: "" };
  return {
    ...portOf(log),
    lanes: {
      ...methodsOf(log.lanes, ["release", "list"]),
      claim: async (claim) => {
        mine = claim;
        const lanes = await log.lanes.claim(claim);
        for (const lane of lanes) claimed.set(lane.lane, lane);
        return lanes;
      },
    },
    messages: {
      ...methodsOf(log.messages, ["settle", "tidy"]),
      read: async (query) => {
        const page = await log.messages.read(query);
        const lanes = query.lanes.flatMap((lane) => claimed.get(lane) ?? []);
        await log.messages.settle({ ...mine, lanes, cursor: page.cursor, copies: [] });
        return page;
      },
    },
  };
}

/** Broken: a message that failed is tried again by itself, and its key knows nothing of it. */
function holdsNoKeys(log: OutboxLog): OutboxLog {
  const alone = (message: LoggedMessage): LoggedMessage => ({ ...message, key: `${message.key}:${message.seq}` });
  return {
    ...portOf(log),
    messages: {
      ...methodsOf(log.messages, ["settle", "tidy"]),
      read: async (query) => {
        const page = await log.messages.read(query);
        return { ...page, messages: page.messages.map(alone) };
      },
    },
  };
}

function counting(log: OutboxLog, count: () => void): OutboxLog {
  return {
    ...portOf(log),
    messages: {
      ...methodsOf(log.messages, ["settle", "tidy"]),
      read: (query) => {
        count();
        return log.messages.read(query);
      },
    },
  };
}

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 500));

function portOf(log: OutboxLog): OutboxLog {
  const { features, lanes, messages, retries, desk, membership } = log;
  return { features, lanes, messages, retries, desk, membership, ...methodsOf(log, ["connect", "health", "announce", "close"]) };
}

/** Methods of a class as properties. */
function methodsOf<T extends object, K extends keyof T>(of: T, names: readonly K[]): Pick<T, K> {
  const methods: Partial<Pick<T, K>> = {};
  for (const name of names) {
    const method = of[name];
    assert.ok(typeof method === "function");
    methods[name] = method.bind(of) as T[K];
  }
  return methods as Pick<T, K>;
}

describe("how a relay delivers", () => {
  const delivered = async (wrong: (log: OutboxLog) => OutboxLog, topic: string): Promise<readonly string[]> => {
    const proxy = await startProxy({ target: { host: "127.0.0.1", port: Number(new URL(database.url).port) } });
    const writer = await openWriter(database.url);
    const through = new URL(database.url);
    through.port = String(proxy.port);
    const [dying, living] = [toldSink(), toldSink()];
    dying.answer = () => new Promise(() => undefined);
    const first = await relayOf(wrong(postgresOutboxLog({ url: through.href })), topic, topic, dying);
    const rest: { stop(): Promise<void> }[] = [first];
    try {
      await writer.send(topic, "k:1");
      await eventually("the first relay has asked its sink", () => dying.asked.length === 1);
      await proxy.reset();
      rest.push(await relayOf(wrong(postgresOutboxLog({ url: database.url })), topic, topic, living));
      await writer.send(topic, "k:2");
      await eventually("the second relay has taken over", () => living.done.includes("k:2"));
      return living.done;
    } finally {
      await Promise.all(rest.map((relay) => relay.stop()));
      await proxy.close();
      await writer.end();
    }
  };

  test("design 8: a relay dies between its sink's answer and the cursor: the message is delivered again", async () => {
    assert.deepEqual(await delivered((log) => log, "dies"), ["k:1", "k:2"]);
  });

  test("design 8: it rings when the cursor moves before the sink has answered: the message is lost", async () => {
    assert.deepEqual(await delivered(settlesEarly, "dies-early"), ["k:2"]);
  });

  const retried = async (wrong: (log: OutboxLog) => OutboxLog, topic: string): Promise<readonly string[]> => {
    const writer = await openWriter(database.url);
    const sink = toldSink();
    let broken = true;
    sink.answer = ({ payload }) => (broken && payload === '"1"' ? { kind: "unknown", error: "not now" } : { kind: "done" });
    await writer.send(topic, "k:1", "k:2", "other:3");
    const relay = await relayOf(wrong(postgresOutboxLog({ url: database.url })), topic, topic, sink);
    const plain = (): readonly string[] => sink.done.map((it) => it.replace(/:\d+:/, ":")).filter((it) => it.startsWith("k:"));
    try {
      await eventually("the other key is delivered", () => sink.done.some((it) => it.startsWith("other")));
      broken = false;
      await eventually("both are delivered", () => plain().length === 2);
      return plain();
    } finally {
      await relay.stop();
      await writer.end();
    }
  };

  test("note 24: what follows on a key waits behind the one that failed, other keys do not", async () => {
    assert.deepEqual(await retried((log) => log, "holds"), ["k:1", "k:2"]);
  });

  test("note 24: it rings when a retry does not hold its key: the order is lost", async () => {
    assert.deepEqual(await retried(holdsNoKeys, "holds-nothing"), ["k:2", "k:1"]);
  });

  test("design 8: a notification that is lost costs a poll; where it is the only wake-up, the message stays", async () => {
    const neverMs = 3_600_000;
    const onlyTold: Partial<RelayOptions> = { pollMinMs: neverMs, pollMaxMs: neverMs, beatEveryMs: neverMs, leaseMs: 2 * neverMs };
    const writer = await openWriter(database.url);
    const [right, deaf] = [toldSink(), toldSink()];
    let reads = 0;
    const relays = [
      await relayOf(postgresOutboxLog({ url: database.url }), "polls", "told", right, { leaseMs: 2 * neverMs }),
      await relayOf(counting(postgresOutboxLog({ url: database.url }), () => (reads += 1)), "is-told", "told", deaf, onlyTold),
    ];
    const bell = postgresOutboxLog({ url: database.url });
    await bell.connect();
    try {
      // The deaf one is well: it hears what it is told.
      await writer.send("told", "k:0");
      bell.announce();
      await eventually("both have heard", () => right.done.length === 1 && deaf.done.length === 1);
      // The bell may still ring: until the deaf one has come to rest.
      for (let before = -1; before !== reads; await pause()) before = reads;
      // The sender dies between its commit and its announcement.
      await writer.send("told", "k:1");
      await eventually("the poll has found it", () => right.done.length === 2);
      await pause();
      assert.deepEqual(deaf.done, ["k:0"], "nobody has told it, and nothing else would wake it");
      bell.announce();
      await eventually("it is told at last", () => deaf.done.length === 2);
    } finally {
      await bell.close();
      await Promise.all(relays.map((relay) => relay.stop()));
      await writer.end();
    }
  });
});
