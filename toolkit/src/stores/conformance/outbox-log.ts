import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { TripactError } from "../../protocol/errors.ts";
import { LANES, type ClaimedLane, type Copy, type LoggedMessage, type OutboxLog, type Page, type ReadQuery } from "../outbox-log.ts";

export interface SampleMessage {
  readonly topic: string;
  readonly key: string;
  readonly payload?: string;
  readonly headers?: string;
}

export interface OutboxLogUnderTest {
  /** Connected. */
  readonly log: OutboxLog;
  /** Another relay's connected log on the same data. */
  second(): Promise<OutboxLog>;
  /** Commits messages in one transaction; returns their ids. */
  send(messages: readonly SampleMessage[]): Promise<readonly string[]>;
  /** Ends the session that `log` has read in, as a failover does. */
  loseSession(): Promise<void>;
  /** From now on messages go where `tidy` does not look for the ones before. */
  turn(): Promise<void>;
  /** Closes whatever `second` opened, and takes the data away. */
  close(): Promise<void>;
}

/** What every outbox's log promises to a relay, as sentences. Time is left out: a log may run on a virtual clock. */
export function describeOutboxLog(name: string, open: () => Promise<OutboxLogUnderTest>): void {
  describe(`outbox log: ${name}`, () => {
    const stage = new Stage(open);
    before(() => stage.open());
    after(() => stage.close());
    describe("reading", () => reading(stage));
    describe("pages and cursors", () => paging(stage));
    describe("lanes", () => lanes(stage));
    describe("settling", () => settling(stage));
    describe("retries", () => retries(stage));
    describe("the desk", () => desk(stage));
    describe("tidying", () => tidying(open));
    it("a cursor does not outlive its session", () => losesCursors(stage));
    it("is up, and closes twice without harm", async () => {
      const third = await stage.opened.second();
      assert.equal(third.health().state, "up");
      await third.close();
      await third.close();
    });
  });
}

const ALL = Array.from({ length: LANES }, (_, lane) => lane);

/** A subscription of a test's own, read by one relay: topics begin with its name, so that tests do not see each other's messages. */
interface Reader {
  readonly name: string;
  readonly owner: string;
  readonly claimed: readonly ClaimedLane[];
  readonly read: (query?: Partial<ReadQuery>) => Promise<Page>;
  readonly settle: (cursor: string, copies?: readonly Copy[], lanes?: readonly ClaimedLane[]) => Promise<readonly number[]>;
}

class Stage {
  readonly #open: () => Promise<OutboxLogUnderTest>;
  #opened: OutboxLogUnderTest | undefined;
  #other: OutboxLog | undefined;
  #names = 0;

  constructor(openLog: () => Promise<OutboxLogUnderTest>) {
    this.#open = openLog;
  }

  get opened(): OutboxLogUnderTest {
    assert.ok(this.#opened !== undefined);
    return this.#opened;
  }

  get log(): OutboxLog {
    return this.opened.log;
  }

  /** Another relay. */
  get other(): OutboxLog {
    assert.ok(this.#other !== undefined);
    return this.#other;
  }

  async open(): Promise<void> {
    this.#opened = await this.#open();
    this.#other = await this.#opened.second();
  }

  async close(): Promise<void> {
    await this.log.close();
    await this.opened.close();
  }

  async node(log: OutboxLog = this.log): Promise<string> {
    const incarnation = randomUUID();
    assert.ok(await log.membership.join({ incarnation, name: "a relay", runs: [] }));
    return incarnation;
  }

  topic(): string {
    return `t${(this.#names += 1)}`;
  }

  /** Claims all lanes of a subscription. `topic` is its name and what it reads. */
  async reader(topic = this.topic(), { log = this.log, owner }: { readonly log?: OutboxLog; readonly owner?: string } = {}): Promise<Reader> {
    const incarnation = owner ?? (await this.node(log));
    const claimed = await log.lanes.claim({ subscription: topic, owner: incarnation, lanes: ALL });
    assert.equal(claimed.length, LANES);
    const first = claimed[0]?.cursor ?? "";
    return {
      name: topic,
      owner: incarnation,
      claimed,
      read: (query) => log.messages.read({ lanes: ALL, cursor: first, topics: [topic], limit: 100, ...query }),
      settle: (cursor, copies = [], some = claimed) => log.messages.settle({ subscription: topic, owner: incarnation, lanes: some, cursor, copies }),
    };
  }

  /** Messages `key:payload` of one topic, in one transaction. */
  say(topic: string, ...messages: readonly string[]): Promise<readonly string[]> {
    return this.opened.send(
      messages.map((message) => {
        const [key = "", payload = ""] = message.split(":");
        return { topic, key, payload };
      }),
    );
  }
}

const said = (messages: readonly LoggedMessage[]): readonly string[] => messages.map(({ key, payload }) => `${key}:${payload}`);
const copyOf = (message: LoggedMessage | undefined, state: Copy["state"] = "waiting", attempts = 1, error = "boom"): Copy => {
  assert.ok(message !== undefined);
  return { message, state, attempts, error };
};
const laneOf = (claimed: readonly ClaimedLane[], lane: number | undefined): ClaimedLane => {
  const found = claimed.find((of) => of.lane === lane);
  assert.ok(found !== undefined);
  return found;
};

function reading(stage: Stage): void {
  it("hands out what was committed, as it was sent and in that order", async () => {
    const topic = stage.topic();
    const odd = { topic, key: "ключ 🛒", payload: '{"a":"\\u0000\\ud800\\"\\\\"}', headers: '{"tenant":"acme"}' };
    const [id] = await stage.opened.send([odd]);
    await stage.say(topic, "b:2", "a:3");
    await stage.say(topic, "b:4");
    const reader = await stage.reader(topic);
    const { messages, more } = await reader.read();
    const [first] = messages;
    assert.deepEqual([first?.id, first?.topic, first?.key, first?.payload, first?.headers], [id, topic, odd.key, odd.payload, odd.headers]);
    assert.deepEqual(said(messages.slice(1)), ["b:2", "a:3", "b:4"]);
    assert.deepEqual(messages.map(({ seq }) => seq), messages.map(({ seq }) => seq).toSorted((a, b) => a - b));
    assert.equal(more, false);
    assert.ok(messages.every(({ recordedAtMs }) => Number.isInteger(recordedAtMs)));
  });

  it("a key has one lane for ever, and a read sees only the lanes that it asks for", async () => {
    const reader = await stage.reader();
    await stage.say(reader.name, ...Array.from({ length: 40 }, (_, n) => `k${n % 20}:${n}`));
    const { messages } = await reader.read();
    const lanesByKey = Map.groupBy(messages, ({ key }) => key);
    for (const ofKey of lanesByKey.values()) assert.equal(new Set(ofKey.map(({ lane }) => lane)).size, 1);
    assert.ok(messages.every(({ lane }) => ALL.includes(lane)));
    const lane = messages[0]?.lane ?? -1;
    const some = await reader.read({ lanes: [lane] });
    assert.deepEqual(some.messages, messages.filter((message) => message.lane === lane));
    assert.ok(some.messages.length < messages.length);
    assert.deepEqual((await reader.read({ lanes: [] })).messages, []);
  });

  it("hands out the topics that were asked for: exact names, or with * at the end, and nothing else means anything", async () => {
    const base = stage.topic();
    const reader = await stage.reader(base);
    const names = ["order.placed", "order.paid", "orderX", "o%", "o_", "o\\", "ox"];
    for (const name of names) await stage.say(`${base}.${name}`, `k:${name}`);
    const of = async (...topics: readonly string[]): Promise<readonly string[]> =>
      (await reader.read({ topics: topics.map((topic) => `${base}.${topic}`) })).messages.map(({ payload }) => payload);
    assert.deepEqual(await of("order.*"), ["order.placed", "order.paid"]);
    assert.deepEqual(await of("order.paid", "ox"), ["order.paid", "ox"]);
    assert.deepEqual([await of("o%"), await of("o_"), await of("o\\"), await of("o_*")], [["o%"], ["o_"], ["o\\"], ["o_"]]);
    assert.deepEqual(await of("*"), names);
  });
}

function paging(stage: Stage): void {
  it("what was read is not read again from the page's cursor; what came since is", async () => {
    const reader = await stage.reader();
    await stage.say(reader.name, "k:1");
    const first = await reader.read();
    assert.deepEqual(said(first.messages), ["k:1"]);
    const second = await reader.read({ cursor: first.cursor });
    assert.deepEqual([second.messages, second.more], [[], false]);
    await stage.say(reader.name, "k:2");
    assert.deepEqual(said((await reader.read({ cursor: second.cursor })).messages), ["k:2"]);
    assert.deepEqual(said((await reader.read()).messages), ["k:1", "k:2"], "and from the old one all of it");
  });

  it("a backlog is read page by page, each message once; what comes meanwhile comes after it", async () => {
    const reader = await stage.reader();
    await stage.say(reader.name, ...Array.from({ length: 7 }, (_, n) => `k:${n}`));
    const seen: string[] = [];
    let page = await reader.read({ limit: 3 });
    seen.push(...said(page.messages));
    assert.deepEqual([seen.length, page.more], [3, true]);
    await stage.say(reader.name, "k:7");
    for (let reads = 0; reads < 5; reads += 1) {
      page = await reader.read({ limit: 3, cursor: page.cursor });
      seen.push(...said(page.messages));
    }
    assert.deepEqual(seen, Array.from({ length: 8 }, (_, n) => `k:${n}`));
    assert.equal(page.more, false);
  });

  it("a page that is exactly full leaves nothing behind", async () => {
    const reader = await stage.reader();
    await stage.say(reader.name, "k:0", "k:1", "k:2");
    const page = await reader.read({ limit: 3 });
    assert.deepEqual([page.messages.length, page.more], [3, false]);
  });

  it("a backlog that is larger than any page keeps its order", async () => {
    const reader = await stage.reader();
    const all = Array.from({ length: 2_600 }, (_, n) => `k${n % 7}:${n}`);
    for (let from = 0; from < all.length; from += 650) await stage.say(reader.name, ...all.slice(from, from + 650));
    const seen: string[] = [];
    let page = await reader.read({ limit: 1_000 });
    for (; page.messages.length > 0; page = await reader.read({ limit: 1_000, cursor: page.cursor })) seen.push(...said(page.messages));
    assert.deepEqual(seen, all);
  });

  it("`upto`: lanes that stand apart come together where another read has been", async () => {
    const reader = await stage.reader();
    await stage.say(reader.name, ...Array.from({ length: 20 }, (_, n) => `k${n}:1`));
    const half = ALL.slice(0, 32);
    const rest = ALL.slice(32);
    const ahead = await reader.read({ lanes: half });
    await stage.say(reader.name, ...Array.from({ length: 20 }, (_, n) => `k${n}:2`));
    const behind = await reader.read({ lanes: rest, upto: ahead.cursor });
    assert.equal(behind.cursor, ahead.cursor, "they stand together");
    assert.ok(ahead.messages.length > 0 && behind.messages.length > 0);
    assert.deepEqual(said([...ahead.messages, ...behind.messages]).toSorted(), Array.from({ length: 20 }, (_, n) => `k${n}:1`).toSorted());
    const together = await reader.read({ cursor: ahead.cursor });
    assert.deepEqual(said(together.messages), Array.from({ length: 20 }, (_, n) => `k${n}:2`));
  });

  it("`upto` never takes lanes back: what they have read beyond it is not read again", async () => {
    const reader = await stage.reader();
    await stage.say(reader.name, "k:1");
    const early = await reader.read();
    await stage.say(reader.name, "k:2");
    const late = await reader.read();
    const page = await reader.read({ cursor: late.cursor, upto: early.cursor });
    assert.deepEqual([page.messages, page.more], [[], false]);
    assert.deepEqual(said((await reader.read({ cursor: page.cursor })).messages), []);
  });
}

function lanes(stage: Stage): void {
  it("belong to one relay at a time; another gets them when they are let go of", async () => {
    const reader = await stage.reader();
    const other = await stage.node(stage.other);
    const claim = { subscription: reader.name, owner: other, lanes: [3, 1, 2] };
    assert.deepEqual(await stage.other.lanes.claim(claim), []);
    await stage.log.lanes.release({ subscription: reader.name, owner: other, lanes: [1] });
    assert.deepEqual(await stage.other.lanes.claim(claim), [], "one cannot let go of what is another's");
    await stage.log.lanes.release({ subscription: reader.name, owner: reader.owner, lanes: [1, 3] });
    assert.deepEqual((await stage.other.lanes.claim(claim)).map(({ lane, epoch, restarted }) => [lane, epoch, restarted]), [[1, 2, false], [3, 2, false]]);
    const listed = await stage.log.lanes.list(reader.name);
    assert.equal(listed.length, LANES);
    assert.deepEqual(listed.slice(0, 4).map(({ lane, owner, epoch }) => [lane, owner, epoch]), [
      [0, reader.owner, 1],
      [1, other, 2],
      [2, reader.owner, 1],
      [3, other, 2],
    ]);
  });

  it("of two simultaneous claims each lane goes to one", async () => {
    const subscription = stage.topic();
    const [a, b] = [await stage.node(), await stage.node(stage.other)];
    const won = await Promise.all([stage.log.lanes.claim({ subscription, owner: a, lanes: ALL }), stage.other.lanes.claim({ subscription, owner: b, lanes: ALL })]);
    assert.deepEqual(won.flat().map(({ lane }) => lane).toSorted((x, y) => x - y), ALL);
  });

  it("their owner may claim them again, with the cursor as it was settled", async () => {
    const reader = await stage.reader();
    await stage.say(reader.name, "k:1");
    const page = await reader.read();
    assert.deepEqual((await reader.settle(page.cursor)).toSorted((a, b) => a - b), ALL);
    await stage.say(reader.name, "k:2");
    const again = await stage.reader(reader.name, { owner: reader.owner });
    assert.deepEqual(again.claimed.map(({ epoch }) => epoch), ALL.map(() => 2));
    assert.deepEqual(said((await again.read()).messages), ["k:2"]);
  });

  it("of a relay that was fenced, or that has left, go to whoever is alive, and never to one who is not", async () => {
    const reader = await stage.reader();
    const other = await stage.node(stage.other);
    const claim = (owner: string): Promise<readonly ClaimedLane[]> => stage.other.lanes.claim({ subscription: reader.name, owner, lanes: [5] });
    assert.deepEqual(await claim(randomUUID()), [], "a relay that never joined");
    assert.equal(await stage.other.membership.fence(reader.owner), true);
    assert.deepEqual(await claim(reader.owner), [], "one that was fenced");
    assert.deepEqual((await claim(other)).map(({ lane }) => lane), [5]);
    await stage.other.membership.leave(other);
    const third = await stage.node(stage.other);
    assert.deepEqual((await claim(third)).map(({ epoch }) => epoch), [3]);
  });
}

function settling(stage: Stage): void {
  it("fenced by owner and epoch: whoever lost a lane moves nothing, and copies nothing", async () => {
    const reader = await stage.reader();
    await stage.say(reader.name, "k:1");
    const page = await reader.read();
    const message = page.messages[0];
    const [lane, elsewhere] = [laneOf(reader.claimed, message?.lane), laneOf(reader.claimed, ((message?.lane ?? 0) + 1) % LANES)];
    await stage.log.lanes.release({ subscription: reader.name, owner: reader.owner, lanes: [lane.lane] });
    const other = await stage.node(stage.other);
    assert.equal((await stage.other.lanes.claim({ subscription: reader.name, owner: other, lanes: [lane.lane] })).length, 1);
    assert.deepEqual(await reader.settle(page.cursor, [copyOf(message)], [lane, elsewhere]), [elsewhere.lane]);
    assert.deepEqual(await stage.log.desk.list({ subscription: reader.name, limit: 9 }), []);
    const [again] = await stage.other.lanes.claim({ subscription: reader.name, owner: other, lanes: [lane.lane] });
    const unmoved = await stage.other.messages.read({ lanes: [lane.lane], cursor: again?.cursor ?? "", topics: [reader.name], limit: 9 });
    assert.deepEqual(said(unmoved.messages), ["k:1"]);
  });

  it("an epoch that is over counts as another owner's", async () => {
    const reader = await stage.reader();
    await stage.say(reader.name, "k:1");
    const page = await reader.read();
    const again = await stage.reader(reader.name, { owner: reader.owner });
    assert.deepEqual(await reader.settle(page.cursor, [copyOf(page.messages[0])]), []);
    assert.deepEqual(said((await again.read()).messages), ["k:1"]);
    assert.deepEqual(await stage.log.desk.list({ subscription: reader.name, limit: 9 }), []);
  });

  it("copies are written with the cursor, once, however often it is settled", async () => {
    const reader = await stage.reader();
    await stage.say(reader.name, "k:1", "k:2", "x:3");
    const page = await reader.read();
    const copies = [copyOf(page.messages[0], "late", 3, "odd \u0000\ud800 text"), { message: page.messages[1]!, state: "waiting" as const, attempts: 0 }];
    for (let times = 0; times < 2; times += 1) assert.equal((await reader.settle(page.cursor, copies)).length, LANES);
    const rows = await stage.log.desk.list({ subscription: reader.name, limit: 9 });
    assert.deepEqual(rows.map(({ message, state, attempts }) => [message, state, attempts]), [
      [page.messages[0], "late", 3],
      [page.messages[1], "waiting", 0],
    ]);
    assert.match(rows[0]?.error ?? "", /^odd/);
    assert.equal(rows[1]?.error, undefined);
    assert.deepEqual((await (await stage.reader(reader.name, { owner: reader.owner })).read()).messages, []);
  });

  it("a cursor in the middle of a backlog is kept as well", async () => {
    const reader = await stage.reader();
    const ids = await stage.say(reader.name, "k:1", "k:2", "k:3", "k:4");
    const page = await reader.read({ limit: 2 });
    await reader.settle(page.cursor);
    const standings = await Promise.all(ids.map(async (id) => (await stage.log.desk.find(id))?.standings.find(({ subscription }) => subscription === reader.name)?.state));
    assert.deepEqual(standings, ["settled", "settled", "pending", "pending"]);
    await stage.say(reader.name, "k:5");
    const again = await stage.reader(reader.name, { owner: reader.owner });
    const first = await again.read();
    const second = await again.read({ cursor: first.cursor });
    assert.deepEqual(said([...first.messages, ...second.messages]), ["k:3", "k:4", "k:5"]);
  });

  it("subscriptions do not know each other", async () => {
    const topic = stage.topic();
    const owner = await stage.node();
    const reader = await stage.reader(topic, { owner });
    await stage.say(topic, "k:1");
    const page = await reader.read();
    await reader.settle(page.cursor, [copyOf(page.messages[0])]);
    const [other] = await stage.log.lanes.claim({ subscription: `${topic}-other`, owner, lanes: [page.messages[0]?.lane ?? 0] });
    const theirs = await stage.log.messages.read({ lanes: ALL, cursor: other?.cursor ?? "", topics: [topic], limit: 9 });
    assert.deepEqual(said(theirs.messages), ["k:1"], "a new one begins at the oldest message");
    assert.deepEqual(await stage.log.retries.held({ subscription: `${topic}-other`, lanes: ALL, limit: 9 }), []);
  });
}

/** A subscription with these messages in its retry table. */
async function withRetries(stage: Stage, messages: readonly string[], state: (said: string) => Copy["state"] = () => "waiting"): Promise<Reader & { readonly rows: readonly LoggedMessage[] }> {
  const reader = await stage.reader();
  await stage.say(reader.name, ...messages);
  const page = await reader.read();
  await reader.settle(page.cursor, page.messages.map((message) => copyOf(message, state(`${message.key}:${message.payload}`))));
  return { ...reader, rows: page.messages };
}

function retries(stage: Stage): void {
  it("a key that is held: its first row and how many there are, in the order of the first rows", async () => {
    const { name, rows } = await withRetries(stage, ["a:1", "b:2", "a:3", "skipped:4", "c:5"], (of) => (of === "skipped:4" ? "skipped" : of === "b:2" ? "parked" : "waiting"));
    const held = await stage.log.retries.held({ subscription: name, lanes: ALL, limit: 9 });
    assert.deepEqual(held.map(({ key, count, head }) => [key, count, head.id, head.seq, head.state, head.attempts]), [
      ["a", 2, rows[0]?.id, rows[0]?.seq, "waiting", 1],
      ["b", 1, rows[1]?.id, rows[1]?.seq, "parked", 1],
      ["c", 1, rows[4]?.id, rows[4]?.seq, "waiting", 1],
    ]);
    assert.deepEqual((await stage.log.retries.held({ subscription: name, lanes: ALL, limit: 2 })).map(({ key }) => key), ["a", "b"]);
    const lane = rows[1]?.lane ?? -1;
    assert.ok((await stage.log.retries.held({ subscription: name, lanes: [lane], limit: 9 })).every((of) => of.lane === lane));
    assert.deepEqual(await stage.log.retries.held({ subscription: name, lanes: [], limit: 9 }), []);
  });

  it("next: the first rows of the key in order, and nothing behind a parked one", async () => {
    const { name, rows } = await withRetries(stage, ["a:1", "b:9", "a:2", "a:3", "a:4"], (of) => (of === "a:3" ? "parked" : "waiting"));
    const next = async (limit: number): Promise<readonly string[]> =>
      (await stage.log.retries.next({ subscription: name, lane: rows[0]?.lane ?? -1, topic: name, key: "a", limit })).map(({ message, state }) => `${message.payload} ${state}`);
    assert.deepEqual(await next(9), ["1 waiting", "2 waiting", "3 parked"]);
    assert.deepEqual(await next(1), ["1 waiting"]);
  });

  it("record: what was delivered goes, what was not says so", async () => {
    const { name, owner, rows } = await withRetries(stage, ["a:1", "a:2", "a:3"]);
    const [one, two, three] = rows as readonly [LoggedMessage, LoggedMessage, LoggedMessage];
    const { lane } = one;
    const recorded = await stage.log.retries.record({
      subscription: name,
      owner,
      retried: [
        { ...place(one), state: "delivered", attempts: 0 },
        { ...place(two), state: "late", attempts: 7, error: "still down" },
        { ...place(three), state: "skipped", attempts: 1 },
      ],
    });
    assert.deepEqual(recorded, [lane]);
    const left = await stage.log.desk.list({ subscription: name, limit: 9 });
    assert.deepEqual(left.map(({ message, state, attempts, error }) => [message.id, state, attempts, error]), [
      [two.id, "late", 7, "still down"],
      [three.id, "skipped", 1, undefined],
    ]);
  });

  it("record: only who owns the lane", async () => {
    const { name, owner, rows } = await withRetries(stage, ["a:1"]);
    const [row] = rows as readonly [LoggedMessage];
    const retried = [{ ...place(row), state: "delivered" as const, attempts: 0 }];
    const other = await stage.node(stage.other);
    assert.deepEqual(await stage.other.retries.record({ subscription: name, owner: other, retried }), []);
    await stage.log.lanes.release({ subscription: name, owner, lanes: [row.lane] });
    assert.deepEqual(await stage.log.retries.record({ subscription: name, owner, retried }), []);
    assert.equal((await stage.log.desk.list({ subscription: name, limit: 9 })).length, 1);
  });

  it("note 26: a seq that was given twice: a row is the message with its id, and no other", async () => {
    const reader = await withRetries(stage, ["a:1"]);
    const [row] = reader.rows as readonly [LoggedMessage];
    const twin: LoggedMessage = { ...row, id: randomUUID(), payload: "2" };
    const page = await reader.read();
    await reader.settle(page.cursor, [copyOf(twin)]);
    const ids = async (): Promise<readonly string[]> => (await stage.log.desk.list({ subscription: reader.name, limit: 9 })).map(({ message }) => message.id);
    assert.deepEqual((await ids()).toSorted(), [row.id, twin.id].toSorted(), "the copy of the twin is not taken for the row");
    const { name: subscription, owner } = reader;
    await stage.log.retries.record({ subscription, owner, retried: [{ ...place(twin), state: "delivered", attempts: 0 }] });
    assert.deepEqual(await ids(), [row.id]);
    await stage.log.retries.record({ subscription, owner, retried: [{ ...place(twin), state: "parked", attempts: 3 }] });
    assert.equal((await stage.log.desk.list({ subscription, limit: 9 }))[0]?.state, "waiting");
  });
}

const place = ({ seq, id, lane }: LoggedMessage): { readonly seq: number; readonly id: string; readonly lane: number } => ({ seq, id, lane });

function desk(stage: Stage): void {
  it("lists what is in the retry table, by whatever was asked for", async () => {
    const { name, rows } = await withRetries(stage, ["a:1", "b:2", "a:3"], (of) => (of === "b:2" ? "parked" : "waiting"));
    const list = async (query: Parameters<OutboxLog["desk"]["list"]>[0]): Promise<readonly string[]> => said((await stage.log.desk.list(query)).map(({ message }) => message));
    assert.deepEqual(await list({ subscription: name, limit: 9 }), ["a:1", "b:2", "a:3"]);
    assert.deepEqual(await list({ topic: name, state: "parked", limit: 9 }), ["b:2"]);
    assert.deepEqual(await list({ topic: name, key: "a", limit: 1 }), ["a:1"]);
    assert.equal((await stage.log.desk.list({ subscription: name, limit: 1 }))[0]?.message.id, rows[0]?.id);
  });

  it("finds a message, and where it stands with each subscription", async () => {
    const reader = await stage.reader();
    const standing = async (id = ""): Promise<unknown> => {
      const found = await stage.log.desk.find(id);
      const own = found?.standings.find(({ subscription }) => subscription === reader.name);
      return [own?.state, own?.behind, own?.retry?.state];
    };
    assert.equal(await stage.log.desk.find(randomUUID()), undefined);
    const [one, two, other] = await stage.say(reader.name, "k:1", "k:2", "other:3");
    assert.deepEqual(await standing(one), ["pending", undefined, undefined]);
    const page = await reader.read();
    await reader.settle(page.cursor, [copyOf(page.messages[0], "parked"), { message: page.messages[1]!, state: "waiting", attempts: 0 }]);
    const [three] = await stage.say(reader.name, "k:4");
    assert.deepEqual(await standing(one), ["parked", undefined, "parked"]);
    assert.deepEqual(await standing(two), ["waiting", one, "waiting"]);
    assert.deepEqual(await standing(other), ["settled", undefined, undefined]);
    assert.deepEqual(await standing(three), ["pending", one, undefined]);
    assert.equal((await stage.log.desk.find(two ?? ""))?.message.payload, "2");
  });

  it("requeues all that is parked or skipped, or exactly what is named, and remembers who said so", async () => {
    const { name, rows } = await withRetries(stage, ["a:1", "b:2", "c:3"], (of) => (of === "a:1" ? "parked" : of === "b:2" ? "skipped" : "late"));
    const decision = { subscription: name, who: "ann", reason: "repaired" };
    const heard = new Promise<void>((resolve) => {
      const stop = stage.log.membership.listen((what) => {
        if (what !== "desk") return;
        stop();
        resolve();
      });
    });
    assert.equal(await stage.log.desk.requeue({ ids: "all-parked", ...decision }), 2);
    await heard;
    const list = await stage.log.desk.list({ subscription: name, limit: 9 });
    assert.deepEqual(list.map(({ state, attempts, error, decidedBy, decidedReason }) => [state, attempts, error, decidedBy, decidedReason]), [
      ["waiting", 0, undefined, "ann", "repaired"],
      ["waiting", 0, undefined, "ann", "repaired"],
      ["late", 1, "boom", undefined, undefined],
    ]);
    assert.equal(await stage.log.desk.requeue({ ids: [rows[2]?.id ?? ""], ...decision }), 1);
    assert.equal((await stage.log.desk.list({ subscription: name, state: "waiting", limit: 9 })).length, 3);
    const unknown = { code: "unknown-subscription" };
    await assert.rejects(stage.log.desk.requeue({ ids: [rows[2]?.id ?? ""], ...decision, subscription: `${name}-other` }), unknown);
    await assert.rejects(stage.log.desk.list({ subscription: `${name}-other`, limit: 9 }), unknown);
  });

  it("discards exactly what is named: it holds nothing any more, no try changes it, and the record stays", async () => {
    const { name, owner, rows } = await withRetries(stage, ["a:1", "a:2"], (of) => (of === "a:1" ? "parked" : "waiting"));
    const [one, two] = rows as readonly [LoggedMessage, LoggedMessage];
    const decision = { subscription: name, who: "ann", reason: "obsolete" };
    await assert.rejects(stage.log.desk.discard({ ids: "all-parked", ...decision }), says("invalid-input"));
    assert.equal(await stage.log.desk.discard({ ids: [one.id], ...decision }), 1);
    assert.equal(await stage.log.desk.discard({ ids: [one.id], ...decision }), 0);
    for (const state of ["delivered", "late"] as const) await stage.log.retries.record({ subscription: name, owner, retried: [{ ...place(one), state, attempts: 0 }] });
    assert.equal((await stage.log.retries.held({ subscription: name, lanes: ALL, limit: 9 }))[0]?.head.id, two.id);
    const [kept] = await stage.log.desk.list({ subscription: name, state: "discarded", limit: 9 });
    assert.deepEqual([kept?.message.id, kept?.decidedBy, kept?.decidedReason], [one.id, "ann", "obsolete"]);
  });

  it("says how far each subscription is behind", async () => {
    const states: readonly Copy["state"][] = ["waiting", "late", "parked", "skipped"];
    const reader = await withRetries(stage, ["a:0", "b:1", "c:2", "d:3"], (of) => states[Number(of.split(":")[1])] ?? "waiting");
    const own = async (): Promise<unknown> => {
      const mine = (await stage.log.desk.standings()).find(({ subscription }) => subscription === reader.name);
      return [mine?.pending, mine?.waiting, mine?.late, mine?.parked, mine?.skipped];
    };
    assert.deepEqual(await own(), [0, 1, 1, 1, 1]);
    await stage.say(reader.name, "e:5", "e:6");
    assert.deepEqual(await own(), [2, 1, 1, 1, 1]);
  });
}

/** On data of its own: what one subscription has not settled, all keep. */
function tidying(open: () => Promise<OutboxLogUnderTest>): void {
  const stage = new Stage(open);
  before(() => stage.open());
  after(() => stage.close());

  it("takes what every subscription has settled and nobody wants to see any more, and nothing else", async () => {
    const { log, opened } = stage;
    const topic = stage.topic();
    const [id = ""] = await stage.say(topic, "k:1");
    await opened.turn();
    const isThere = async (): Promise<boolean> => (await log.desk.find(id)) !== undefined;
    assert.equal(await log.messages.tidy(-1_000), 0, "nobody has read it yet");
    const owner = await stage.node();
    const [one, two] = [await stage.reader(topic, { owner }), await stage.reader(`${topic}-other`, { owner })];
    assert.equal(await log.messages.tidy(-1_000), 0, "nobody has settled it yet");
    const page = await one.read();
    await one.settle(page.cursor);
    assert.equal(await log.messages.tidy(-1_000), 0, "one has not settled it yet");
    await two.settle(page.cursor, [], two.claimed.slice(1));
    assert.equal(await log.messages.tidy(-1_000), 0, "one lane has not settled it yet");
    await two.settle(page.cursor, [], two.claimed.slice(0, 1));
    assert.equal(await log.messages.tidy(3_600_000), 0, "it is kept a while");
    assert.equal(await isThere(), true);
    assert.equal(await log.messages.tidy(-1_000), 1);
    assert.equal(await isThere(), false);
    await stage.say(topic, "k:2");
    assert.deepEqual(said((await one.read({ cursor: page.cursor })).messages), ["k:2"], "and the cursors go on");
  });
}

async function losesCursors(stage: Stage): Promise<void> {
  const reader = await stage.reader();
  await stage.say(reader.name, "k:1");
  const page = await reader.read();
  await stage.opened.loseSession();
  await assert.rejects(answered(() => reader.read({ cursor: page.cursor })), says("cursor-lost"), "what was read in the old session");
  await assert.rejects(answered(() => reader.read()), says("cursor-lost"), "what was claimed in the old session");
  await assert.rejects(answered(() => reader.settle(page.cursor)), says("cursor-lost"));
  const again = await stage.reader(reader.name, { owner: reader.owner });
  assert.deepEqual(said((await again.read()).messages), ["k:1"]);
}

/** A log that has just lost its session may say so first. */
async function answered<T>(ask: () => Promise<T>): Promise<T> {
  const untilMs = performance.now() + 10_000;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      const waits = error instanceof TripactError && (error.code === "store-unreachable" || error.code === "store-unknown");
      if (!waits || performance.now() > untilMs) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

function says(code: string): (error: unknown) => boolean {
  return (error) => error instanceof TripactError && error.code === code;
}
