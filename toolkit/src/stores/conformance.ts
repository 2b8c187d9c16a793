import { after, before, describe, it } from "node:test";
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { TripactError } from "../protocol/errors.ts";
import type { EntryWrite, OutboxMessage, StartWrite, Store, Summary, Verdict, Write } from "./store.ts";

export interface StoreUnderTest {
  /** Connected. */
  readonly store: Store;
  /** Another node's connected store on the same data. */
  second(): Promise<Store>;
  /** Closes whatever `second` opened, and takes the data away. */
  close(): Promise<void>;
}

/** What every store promises, as sentences. Time is left out: a store may run on a virtual clock. */
export function describeStore(name: string, open: () => Promise<StoreUnderTest>): void {
  describe(`the ${name} store`, () => {
    let opened: StoreUnderTest;
    let store: Store;
    let other: Store;
    before(async () => {
      opened = await open();
      store = opened.store;
      other = await opened.second();
    });
    after(async () => {
      await store.close();
      await opened.close();
    });
    const stores = (): Stores => ({ store, other });
    describe("start", () => starts(stores));
    describe("entries", () => entries(stores));
    describe("batches and texts", () => batches(stores));
    describe("mail", () => mails(stores));
    describe("claim", () => claims(stores));
    describe("membership", () => memberships(stores));
    describe("listing and pruning", () => listings(stores));
    describe("local SQL", () => localSteps(stores));
    it("is up, and closes twice without harm", async () => {
      assert.equal(store.health().state, "up");
      const third = await opened.second();
      await third.close();
      await third.close();
      assert.equal(store.health().state, "up");
    });
  });
}

interface Stores {
  readonly store: Store;
  readonly other: Store;
}

function starts(stores: () => Stores): void {
  it("journals header and opening entry, owned by the writer from epoch 1", async () => {
    const { store, other } = stores();
    const owner = randomUUID();
    const start = startOf({ input: '{"sku":"a"}', entry: '[{"kind":"started"}]' });
    assert.deepEqual(await write(store, owner, [start]), ["applied"]);
    const record = await readOne(other, start.gid);
    const { gid, definition, version, inputHash, input, summary } = start;
    assert.deepEqual(
      { ...record, entries: undefined, startedAtMs: 0, updatedAtMs: 0 },
      { gid, definition, version, inputHash, input, summary, owner, epoch: 1, seq: 1, mail: 0, mailSeen: 0, startedAtMs: 0, updatedAtMs: 0, entries: undefined, unread: [] },
    );
    assert.deepEqual(record.entries.map(({ seq, epoch, owner: who, entry }) => ({ seq, epoch, who, entry })), [{ seq: 1, epoch: 1, who: owner, entry: start.entry }]);
    assert.ok((record.entries[0]?.ageMs ?? -1) >= 0);
  });

  it("says `exists` to a second start of the gid, whoever asks, and leaves the first alone", async () => {
    const { store, other } = stores();
    const first = startOf();
    await write(store, randomUUID(), [first]);
    assert.deepEqual(await write(other, randomUUID(), [startOf({ gid: first.gid, inputHash: "another" })]), ["exists"]);
    assert.equal((await readOne(store, first.gid)).inputHash, first.inputHash);
  });

  it("lets exactly one of two simultaneous starts win", async () => {
    const { store, other } = stores();
    const start = startOf();
    const verdicts = await Promise.all([write(store, randomUUID(), [start]), write(other, randomUUID(), [start])]);
    assert.deepEqual(verdicts.flat().toSorted(), ["applied", "exists"]);
  });

  it("recognises its own start when the same flush is written again", async () => {
    const { store } = stores();
    const batch = { flushId: randomUUID(), owner: randomUUID(), writes: [startOf()] };
    assert.deepEqual(await store.journal.write(batch), ["applied"]);
    assert.deepEqual(await store.journal.write(batch), ["applied"]);
    assert.equal((await readOne(store, batch.writes[0]!.gid)).entries.length, 1);
  });

  it("may start and end in one write", async () => {
    const { store } = stores();
    const start = startOf({ summary: { status: "rolled-back", ended: true, late: false, outcome: '"why"' } });
    assert.deepEqual(await write(store, randomUUID(), [start]), ["applied"]);
    assert.deepEqual((await readOne(store, start.gid)).summary, start.summary);
  });

  it("takes an empty batch, and leaves unknown gids out of a read", async () => {
    const { store } = stores();
    assert.deepEqual(await write(store, randomUUID(), []), []);
    assert.deepEqual(await store.journal.read([gidOf("nobody")]), []);
    assert.deepEqual(await store.journal.read([]), []);
  });
}

function entries(stores: () => Stores): void {
  it("appends entries in sequence and keeps the header up to date", async () => {
    const { store } = stores();
    const { owner, gid } = await started(store);
    const parked: Summary = { status: "rolling-back", ended: false, late: true, parked: "refused in phase two", outcome: '"no"' };
    assert.deepEqual(await write(store, owner, [entryOf(gid, 2, { entry: "[2]" })]), ["applied"]);
    assert.deepEqual(await write(store, owner, [entryOf(gid, 3, { entry: "[3]", summary: parked })]), ["applied"]);
    const record = await readOne(store, gid);
    assert.deepEqual(record.entries.slice(1).map(({ seq, entry, owner: who }) => [seq, entry, who]), [[2, "[2]", owner], [3, "[3]", owner]]);
    assert.deepEqual([record.seq, record.summary], [3, parked]);
    await write(store, owner, [entryOf(gid, 4)]);
    assert.deepEqual((await readOne(store, gid)).summary, openSummary, "what is no longer said is gone");
  });

  it("note 1: an owner whose reply was lost recognises its own flush, and does not fence itself", async () => {
    const { store } = stores();
    const { owner, gid } = await started(store);
    const batch = { flushId: randomUUID(), owner, writes: [entryOf(gid, 2)] };
    assert.deepEqual(await store.journal.write(batch), ["applied"]);
    assert.deepEqual(await store.journal.write(batch), ["applied"]);
    assert.equal((await readOne(store, gid)).entries.length, 2);
  });

  it("note 1: mine, but elsewhere: `reload`", async () => {
    const { store } = stores();
    const { owner, gid } = await started(store);
    await write(store, owner, [entryOf(gid, 2)]);
    assert.deepEqual(await write(store, owner, [entryOf(gid, 2)]), ["reload"], "another flush wrote 2");
    assert.deepEqual(await write(store, owner, [entryOf(gid, 5)]), ["reload"], "3 and 4 are missing");
  });

  it("note 1: another owner or another epoch: `fenced`", async () => {
    const { store, other } = stores();
    const { gid } = await started(store);
    assert.deepEqual(await write(other, randomUUID(), [entryOf(gid, 2)]), ["fenced"]);
    const { owner, gid: mine } = await started(store);
    assert.deepEqual(await write(store, owner, [entryOf(mine, 2, { epoch: 7 })]), ["fenced"]);
    assert.deepEqual(await write(store, owner, [entryOf(gidOf("nobody"), 2)]), ["fenced"]);
    assert.equal((await readOne(store, gid)).entries.length, 1);
  });

  it("note 3: fence and write are one chain: a fenced write leaves neither entry nor message nor change", async () => {
    const { store, other } = stores();
    const { owner, gid, definition } = await started(store);
    assert.deepEqual(await other.journal.claim({ claimId: randomUUID(), owner: randomUUID(), from: [owner], runs: [{ definition, version: "1" }], limit: 10 }), [gid]);
    const untouched = await readOne(store, gid);
    const stale = entryOf(gid, 2, { messages: [messageOf()], summary: { status: "committed", ended: true, late: false } });
    assert.deepEqual(await write(store, owner, [stale]), ["fenced"]);
    const afterwards = await readOne(store, gid);
    assert.deepEqual(afterwards.entries.map(({ entry }) => entry), untouched.entries.map(({ entry }) => entry));
    assert.deepEqual([afterwards.summary, afterwards.seq], [untouched.summary, untouched.seq]);
  });

  it("writes nothing to a transaction that has ended", async () => {
    const { store } = stores();
    const { owner, gid } = await started(store);
    await write(store, owner, [entryOf(gid, 2, { summary: endedSummary })]);
    assert.deepEqual(await write(store, owner, [entryOf(gid, 3)]), ["reload"]);
    assert.deepEqual((await readOne(store, gid)).summary, endedSummary);
  });
}

function batches(stores: () => Stores): void {
  it("answers each write of a mixed batch for itself, in order", async () => {
    const { store } = stores();
    const owner = randomUUID();
    const [a, b, c, d, e] = ["a", "b", "c", "d", "e"].map((letter) => gidOf(letter)).toSorted() as [string, string, string, string, string];
    await write(store, owner, [startOf({ gid: a }), startOf({ gid: c })]);
    await write(store, randomUUID(), [startOf({ gid: d })]);
    await store.journal.post(e, "{}");
    const verdicts = await write(store, owner, [entryOf(a, 2), startOf({ gid: b }), startOf({ gid: c }), entryOf(d, 2), startOf({ gid: e })]);
    assert.deepEqual(verdicts, ["applied", "applied", "exists", "fenced", "never-started"]);
  });

  it("says and does the same with a write alone as with one in company", async () => {
    const { store } = stores();
    const parked: Summary = { status: "committing", ended: false, late: true, parked: "no answer", outcome: '{"result":1}' };
    for (const company of [false, true]) {
      const { owner, gid } = await started(store);
      const { gid: friend } = await started(store, owner);
      let friendSeq = 1;
      const flush = async (one: Write): Promise<Verdict | undefined> => {
        const writes = company ? [one, entryOf(friend, (friendSeq += 1)), startOf()] : [one];
        const inOrder = writes.toSorted((a, b) => (a.gid < b.gid ? -1 : 1));
        const verdicts = await write(store, owner, inOrder);
        assert.ok(verdicts.every((verdict, index) => inOrder[index] === one || verdict === "applied"), "nobody suffers for another");
        return verdicts[inOrder.indexOf(one)];
      };
      await store.journal.post(gid, "{}");
      const said = [
        await flush(entryOf(gid, 2, { mailGuard: true })),
        await flush(entryOf(gid, 3)),
        await flush(entryOf(gid, 2, { epoch: 2 })),
        await flush(startOf({ gid })),
        await flush(entryOf(gid, 2, { entry: "[2]", mailGuard: true, mailSeen: 1, summary: parked })),
        await flush(entryOf(gid, 3, { entry: "[3]", mailSeen: 1, summary: endedSummary })),
        await flush(entryOf(gid, 4)),
      ];
      assert.deepEqual(said, ["reload", "reload", "fenced", "exists", "applied", "applied", "reload"], company ? "in company" : "alone");
      const record = await readOne(store, gid);
      assert.deepEqual([record.seq, record.mailSeen, record.summary], [3, 1, endedSummary]);
      assert.deepEqual(record.entries.slice(1).map((journaled) => [journaled.seq, journaled.epoch, journaled.owner, journaled.entry]), [[2, 1, owner, "[2]"], [3, 1, owner, "[3]"]]);
    }
  });

  it("takes a thousand writes at once", async () => {
    const { store } = stores();
    const owner = randomUUID();
    const gids = Array.from({ length: 1_000 }, (_, index) => gidOf(String(index).padStart(4, "0"))).toSorted();
    assert.ok((await write(store, owner, gids.map((gid) => startOf({ gid })))).every((verdict) => verdict === "applied"));
    assert.ok((await write(store, owner, gids.map((gid) => entryOf(gid, 2)))).every((verdict) => verdict === "applied"));
    const records = await store.journal.read(gids);
    assert.equal(records.length, 1_000);
    assert.ok(records.every(({ seq, entries: journaled }) => seq === 2 && journaled.length === 2));
  });

  it("note 18: keeps every text that JSON.stringify makes, and never loses a batch to a reason's odd characters", async () => {
    const { store } = stores();
    const owner = randomUUID();
    const nasty = JSON.stringify({ nul: "\0", lone: "\uD800", quote: `"\\'{},`, nothing: null, line: "\n\u2028", emoji: "🧾" });
    const start = startOf({ input: nasty, entry: `[${nasty}]` });
    const calm = startOf();
    const inOrder = [start, calm].toSorted((one, two) => (one.gid < two.gid ? -1 : 1));
    assert.deepEqual(await write(store, owner, inOrder), ["applied", "applied"]);
    const halted = entryOf(start.gid, 2, { entry: `[${nasty}]`, summary: { ...openSummary, parked: 'a "reason" with \0 and \uD800', outcome: nasty }, messages: [messageOf({ key: "\0\uD800", payload: nasty })] });
    assert.deepEqual(await write(store, owner, [halted]), ["applied"]);
    const record = await readOne(store, start.gid);
    assert.deepEqual([record.input, record.summary.outcome, ...record.entries.map(({ entry }) => entry)], [nasty, nasty, `[${nasty}]`, `[${nasty}]`]);
    assert.match(record.summary.parked ?? "", /^a "reason" with /);
  });

  it("takes a payload of one MiB, and empty texts", async () => {
    const { store } = stores();
    const large = JSON.stringify("x".repeat(1_048_574));
    const start = startOf({ input: large, entry: `[${large}]`, inputHash: "", definition: "{", version: "" });
    assert.deepEqual(await write(store, randomUUID(), [start]), ["applied"]);
    const record = await readOne(store, start.gid);
    assert.ok(record.input === large && record.entries[0]?.entry === `[${large}]`);
    assert.deepEqual([record.definition, record.version, record.inputHash], ["{", "", ""]);
  });
}

function mails(stores: () => Stores): void {
  it("leaves mail for the owner, counted within the gid", async () => {
    const { store, other } = stores();
    const { owner, gid } = await started(store);
    assert.deepEqual(await other.journal.post(gid, '{"n":1}'), { kind: "posted", owner, n: 1 });
    assert.deepEqual(await other.journal.post(gid, '{"n":2}'), { kind: "posted", owner, n: 2 });
    const unread = [{ gid, n: 1, body: '{"n":1}' }, { gid, n: 2, body: '{"n":2}' }];
    assert.deepEqual(await store.journal.mail(owner, 10), unread);
    assert.deepEqual(await store.journal.mail(owner, 1), unread.slice(0, 1));
    assert.deepEqual(await store.journal.mail(randomUUID(), 10), []);
    assert.deepEqual((await readOne(store, gid)).unread, unread);
    await write(store, owner, [entryOf(gid, 2, { mailSeen: 1 })]);
    assert.deepEqual(await store.journal.mail(owner, 10), unread.slice(1));
    const { mail, mailSeen, unread: rest } = await readOne(store, gid);
    assert.deepEqual([mail, mailSeen, rest], [2, 1, unread.slice(1)]);
  });

  it("note 22: a guarded decision does not overtake mail; an unguarded entry may", async () => {
    const { store } = stores();
    const { owner, gid } = await started(store);
    await store.journal.post(gid, "{}");
    assert.deepEqual(await write(store, owner, [entryOf(gid, 2, { mailGuard: true })]), ["reload"]);
    assert.deepEqual(await write(store, owner, [entryOf(gid, 2)]), ["applied"]);
    assert.deepEqual(await write(store, owner, [entryOf(gid, 3, { mailSeen: 1, mailGuard: true })]), ["applied"]);
  });

  it("note 22: of a cancel and a guarded commit that race, one sees the other", async () => {
    const { store, other } = stores();
    for (let round = 0; round < 20; round += 1) {
      const { owner, gid } = await started(store);
      const commit = entryOf(gid, 2, { mailGuard: true, summary: endedSummary });
      const [[verdict], posted] = await Promise.all([write(store, owner, [commit]), other.journal.post(gid, "{}")]);
      assert.deepEqual([verdict, posted.kind], verdict === "applied" ? ["applied", "ended"] : ["reload", "posted"]);
    }
  });

  it("note 6: to answer no is to make it so: a post to an unknown gid is a tombstone that refuses a late start", async () => {
    const { store, other } = stores();
    const gid = gidOf("late");
    assert.deepEqual(await other.journal.post(gid, "{}"), { kind: "never-started" });
    assert.deepEqual(await other.journal.post(gid, "{}"), { kind: "never-started" });
    assert.deepEqual(await write(store, randomUUID(), [startOf({ gid })]), ["never-started"]);
    const { summary, owner, entries: journaled } = await readOne(store, gid);
    assert.deepEqual([summary.status, summary.ended, owner, journaled], ["never-started", true, null, []]);
  });

  it("notes 6 and 32: of a start and a post that race for a gid, one wins and both are told", async () => {
    const { store, other } = stores();
    for (let round = 0; round < 20; round += 1) {
      const start = startOf();
      const [[verdict], posted] = await Promise.all([write(store, randomUUID(), [start]), other.journal.post(start.gid, "{}")]);
      assert.deepEqual([verdict, posted.kind], verdict === "applied" ? ["applied", "posted"] : ["never-started", "never-started"]);
    }
  });

  it("says `ended` of what has ended", async () => {
    const { store } = stores();
    const { owner, gid } = await started(store);
    await write(store, owner, [entryOf(gid, 2, { summary: endedSummary })]);
    assert.deepEqual(await store.journal.post(gid, "{}"), { kind: "ended" });
    assert.deepEqual(await store.journal.mail(owner, 10), []);
  });
}

function claims(stores: () => Stores): void {
  it("takes over in slices, bumping owner and epoch, and leaves entries and mail for the read that follows", async () => {
    const { store, other } = stores();
    const owner = randomUUID();
    const heir = randomUUID();
    const definition = `claimed-${randomUUID()}`;
    const gids = Array.from({ length: 5 }, () => gidOf("claim")).toSorted();
    await write(store, owner, gids.map((gid) => startOf({ gid, definition })));
    await store.journal.post(gids[0]!, "{}");
    const claim = async () => other.journal.claim({ claimId: randomUUID(), owner: heir, from: [owner], runs: [{ definition, version: "1" }], limit: 3 });
    const slices = [await claim(), await claim(), await claim()];
    assert.deepEqual(slices.map(({ length }) => length), [3, 2, 0]);
    assert.deepEqual(slices.flat().toSorted(), gids);
    const records = await other.journal.read(gids);
    assert.ok(records.every(({ owner: who, epoch, seq }) => who === heir && epoch === 2 && seq === 1));
    assert.deepEqual((await other.journal.mail(heir, 10)).map(({ gid }) => gid), [gids[0]]);
    assert.deepEqual(await write(other, heir, [entryOf(gids[0]!, 2, { epoch: 2, mailSeen: 1 })]), ["applied"]);
  });

  it("releases what is ours, for the next claim, which may leave it out", async () => {
    const { store, other } = stores();
    const [node, heir] = [nodeOf("releasing"), nodeOf("heir")];
    for (const joining of [node, heir]) await store.membership.join(joining);
    const definition = `released-${randomUUID()}`;
    const gids = Array.from({ length: 3 }, () => gidOf("release")).toSorted();
    const [first, second, foreign] = [gids[0]!, gids[1]!, gids[2]!];
    await write(store, node.incarnation, [startOf({ gid: first, definition }), startOf({ gid: second, definition })]);
    await write(store, heir.incarnation, [startOf({ gid: foreign, definition })]);
    await store.journal.release(node.incarnation, [first, foreign, gidOf("nobody")]);
    assert.deepEqual((await store.journal.list({ state: "unclaimed", definition, limit: 9 })).map(({ gid }) => gid), [first]);
    assert.deepEqual(await write(store, node.incarnation, [entryOf(first, 2)]), ["fenced"], "nobody writes what he has given up");
    const claim = (except: readonly string[]) => other.journal.claim({ claimId: randomUUID(), owner: heir.incarnation, from: [], runs: [{ definition, version: "1" }], except, limit: 9 });
    assert.deepEqual(await claim([first, "quote\"d, {odd}"]), []);
    assert.deepEqual(await claim([second]), [first]);
    assert.equal((await readOne(store, first)).epoch, 2);
  });

  it("gives each transaction to one of two claimants", async () => {
    const { store, other } = stores();
    const owner = randomUUID();
    const definition = `raced-${randomUUID()}`;
    const gids = Array.from({ length: 60 }, () => gidOf("race")).toSorted();
    await write(store, owner, gids.map((gid) => startOf({ gid, definition })));
    const claimAll = async (claimant: Store): Promise<readonly string[]> => {
      const won: string[] = [];
      for (let rounds = 0; rounds < 100; rounds += 1) {
        won.push(...(await claimant.journal.claim({ claimId: randomUUID(), owner: randomUUID(), from: [owner], runs: [{ definition, version: "1" }], limit: 7 })));
      }
      return won;
    };
    const won = await Promise.all([claimAll(store), claimAll(other)]);
    assert.deepEqual(won.flat().toSorted(), gids);
  });

  it("note 11: claims only what the claimant runs", async () => {
    const { store, other } = stores();
    const { owner, gid, definition } = await started(store);
    const heir = randomUUID();
    assert.deepEqual(await other.journal.claim({ claimId: randomUUID(), owner: heir, from: [owner], runs: [{ definition, version: "2" }, { definition: "else", version: "1" }], limit: 10 }), []);
    assert.deepEqual(await other.journal.claim({ claimId: randomUUID(), owner: heir, from: [owner], runs: [], limit: 10 }), []);
    assert.equal((await readOne(store, gid)).owner, owner);
  });

  it("claims nothing from a node that lives, whatever it is told, and everything once it is fenced or gone", async () => {
    const { store, other } = stores();
    const node = nodeOf("alive");
    assert.equal(await store.membership.join(node), true);
    const { gid, definition } = await started(store, node.incarnation);
    const claim = { claimId: randomUUID(), owner: randomUUID(), from: [node.incarnation], runs: [{ definition, version: "1" }], limit: 10 };
    assert.deepEqual(await other.journal.claim(claim), []);
    assert.equal(await other.membership.fence(node.incarnation), true);
    assert.deepEqual(await other.journal.claim(claim), [gid]);
    await store.membership.leave(node.incarnation);
  });

  it("never claims what has ended", async () => {
    const { store, other } = stores();
    const { owner, gid, definition } = await started(store);
    await write(store, owner, [entryOf(gid, 2, { summary: endedSummary })]);
    assert.deepEqual(await other.journal.claim({ claimId: randomUUID(), owner: randomUUID(), from: [owner], runs: [{ definition, version: "1" }], limit: 10 }), []);
  });
}

function memberships(stores: () => Stores): void {
  it("joins, beats, and is seen by others with what it runs", async () => {
    const { store, other } = stores();
    const node = nodeOf("one", [{ definition: "purchase", version: "3" }]);
    assert.equal(await store.membership.join(node), true);
    const row = async (from: Store) => (await from.membership.beat(randomUUID())).find(({ incarnation }) => incarnation === node.incarnation);
    const first = await row(other);
    assert.deepEqual([first?.name, first?.fenced, first?.runs], ["one", false, node.runs]);
    const own = (await store.membership.beat(node.incarnation)).find(({ incarnation }) => incarnation === node.incarnation);
    assert.ok(own !== undefined && first !== undefined && own.beat > first.beat);
    assert.equal((await row(other))?.beat, own.beat);
    // After a lost session: whoever is back was seen.
    assert.equal(await store.membership.join(node), true);
    assert.equal((await row(other))?.beat, own.beat + 1);
    await store.membership.leave(node.incarnation);
    assert.equal(await row(other), undefined);
  });

  it("fences once, and the fenced node reads it and cannot come back under its name", async () => {
    const { store, other } = stores();
    const node = nodeOf("two");
    await store.membership.join(node);
    assert.deepEqual([await other.membership.fence(node.incarnation), await other.membership.fence(node.incarnation)], [true, false]);
    assert.equal((await store.membership.beat(node.incarnation)).find(({ incarnation }) => incarnation === node.incarnation)?.fenced, true);
    assert.equal(await store.membership.join(node), false);
    assert.equal(await other.membership.fence(randomUUID()), false);
    await store.membership.leave(node.incarnation);
  });

  it("a probe says `held` while its holder lives, and `free` to whoever saw it held", async () => {
    const { store, other } = stores();
    const node = nodeOf("three");
    await store.membership.join(node);
    assert.equal(await other.membership.probe(node.incarnation), "held");
    assert.equal(await other.membership.probe(node.incarnation), "held");
    await store.membership.leave(node.incarnation);
    assert.equal(await other.membership.probe(node.incarnation), "free");
  });

  it("leaving hands over what is open", async () => {
    const { store, other } = stores();
    const node = nodeOf("four");
    await store.membership.join(node);
    const { gid, definition } = await started(store, node.incarnation);
    await store.membership.leave(node.incarnation);
    const heir = randomUUID();
    assert.deepEqual(await other.journal.claim({ claimId: randomUUID(), owner: heir, from: [node.incarnation], runs: [{ definition, version: "1" }], limit: 10 }), [gid]);
    assert.equal((await readOne(other, gid)).epoch, 2);
  });

  it("an announcement reaches the other node", async () => {
    const { store, other } = stores();
    const heard = Promise.withResolvers<string>();
    const stop = other.membership.listen((topic) => heard.resolve(topic));
    store.membership.announce("mail");
    assert.equal(await heard.promise, "mail");
    stop();
  });
}

function listings(stores: () => Stores): void {
  it("lists by state and definition, newest first, page by page", async () => {
    const { store } = stores();
    const owner = randomUUID();
    const definition = `listed-${randomUUID()}`;
    const gids = Array.from({ length: 6 }, () => gidOf("list")).toSorted();
    await write(store, owner, gids.map((gid) => startOf({ gid, definition })));
    const parked: Summary = { ...openSummary, parked: "look here" };
    await write(store, owner, [entryOf(gids[0]!, 2, { summary: parked }), entryOf(gids[1]!, 2, { summary: { ...openSummary, late: true } }), entryOf(gids[2]!, 2, { summary: endedSummary })]);
    const gidsIn = async (state?: "open" | "parked" | "late" | "unclaimed" | "ended") =>
      (await store.journal.list({ ...(state === undefined ? {} : { state }), definition, limit: 100 })).map(({ gid }) => gid).toSorted();
    assert.deepEqual(await gidsIn(), gids);
    assert.deepEqual(await gidsIn("parked"), gids.slice(0, 1));
    assert.deepEqual(await gidsIn("late"), gids.slice(1, 2));
    assert.deepEqual(await gidsIn("ended"), gids.slice(2, 3));
    assert.deepEqual(await gidsIn("open"), gids.filter((_, index) => index !== 2));
    assert.deepEqual(await gidsIn("unclaimed"), gids.filter((_, index) => index !== 2), "its owner never joined");
    assert.deepEqual((await store.journal.list({ gid: gids[0]!, limit: 100 })).map(({ gid, summary }) => [gid, summary.parked]), [[gids[0], "look here"]]);
    assert.deepEqual(await store.journal.list({ gid: gidOf("nobody"), limit: 100 }), []);

    const pages: string[] = [];
    let last: { startedAtMs: number; gid: string } | undefined;
    for (let page = 0; page < 4; page += 1) {
      const headers = await store.journal.list({ definition, limit: 2, ...(last === undefined ? {} : { before: last }) });
      for (const header of headers) {
        assert.ok(last === undefined || header.startedAtMs <= last.startedAtMs);
        last = { startedAtMs: header.startedAtMs, gid: header.gid };
        pages.push(header.gid);
      }
    }
    assert.deepEqual(pages.toSorted(), gids, "every transaction on exactly one page");
  });

  it("counts what is open, parked, late and unclaimed", async () => {
    const { store } = stores();
    const node = nodeOf("counter");
    await store.membership.join(node);
    const earlier = await store.journal.counts();
    const { gid } = await started(store, node.incarnation);
    await write(store, node.incarnation, [entryOf(gid, 2, { summary: { ...openSummary, parked: "why", late: true } })]);
    await started(store);
    const counts = await store.journal.counts();
    assert.deepEqual(counts, { open: earlier.open + 2, parked: earlier.parked + 1, late: earlier.late + 1, unclaimed: earlier.unclaimed + 1 });
    await store.membership.leave(node.incarnation);
  });

  it("prunes entries first and headers later, in bounded batches, and never what is open", async () => {
    const { store } = stores();
    const open = await started(store);
    const done = [await started(store), await started(store)];
    for (const { owner, gid } of done) await write(store, owner, [entryOf(gid, 2, { summary: { ...endedSummary, outcome: '"kept"' } })]);
    const never = Number.MAX_SAFE_INTEGER / 1_000;
    assert.equal(await store.journal.prune({ entriesMs: never, headersMs: never, limit: 1_000 }), 0);
    assert.equal(await store.journal.prune({ entriesMs: 0, headersMs: never, limit: 1 }), 1);
    while ((await store.journal.prune({ entriesMs: 0, headersMs: never, limit: 1_000 })) > 0);
    for (const { gid } of done) {
      const { entries: journaled, summary, inputHash } = await readOne(store, gid);
      assert.deepEqual([journaled, summary.outcome, inputHash], [[], '"kept"', "hash"]);
      assert.deepEqual(await write(store, randomUUID(), [startOf({ gid })]), ["exists"], "a pruned gid does not start again");
    }
    while ((await store.journal.prune({ entriesMs: 0, headersMs: 0, limit: 1_000 })) > 0);
    assert.deepEqual(await store.journal.read(done.map(({ gid }) => gid)), []);
    assert.equal((await readOne(store, open.gid)).entries.length, 1);
  });
}

function localSteps(stores: () => Stores): void {
  it("is there exactly when the feature says so", () => {
    const { store } = stores();
    assert.equal(store.localSql !== undefined, store.features.localSql);
  });

  it("commits the entry with the body's result, and throws what the body threw", async () => {
    const { store } = stores();
    if (store.localSql === undefined) return;
    const { owner, gid } = await started(store);
    const seal = (result: string) => ({ flushId: randomUUID(), write: entryOf(gid, 2, { entry: `["${result}"]` }) });
    await assert.rejects(store.localSql.run(owner, () => Promise.reject(new Error("no stock")), seal), /no stock/);
    assert.equal((await readOne(store, gid)).seq, 1);
    assert.deepEqual(await store.localSql.run(owner, () => Promise.resolve("sold"), seal), { verdict: "applied", result: "sold" });
    assert.equal((await readOne(store, gid)).entries[1]?.entry, '["sold"]');
    assert.equal((await store.localSql.run(owner, () => Promise.resolve("again"), seal)).verdict, "reload");
    assert.equal((await store.localSql.run(randomUUID(), () => Promise.resolve("stale"), () => ({ flushId: randomUUID(), write: entryOf(gid, 3) }))).verdict, "fenced");
  });
}

export const openSummary: Summary = { status: "forward", ended: false, late: false };
export const endedSummary: Summary = { status: "committed", ended: true, late: false, outcome: "{}" };

export function gidOf(name: string): string {
  return `${name}-${randomUUID()}`;
}

export function startOf(some: Partial<StartWrite> = {}): StartWrite {
  return { kind: "start", gid: gidOf("gid"), definition: "purchase", version: "1", inputHash: "hash", input: "{}", entry: "[1]", summary: openSummary, messages: [], ...some };
}

export function entryOf(gid: string, seq: number, some: Partial<EntryWrite> = {}): EntryWrite {
  return { kind: "entry", gid, epoch: 1, seq, entry: `[${seq}]`, summary: openSummary, mailSeen: 0, mailGuard: false, messages: [], ...some };
}

export function messageOf(some: Partial<OutboxMessage> = {}): OutboxMessage {
  return { id: randomUUID(), topic: "order.placed", key: "k", payload: "{}", headers: "{}", ...some };
}

function nodeOf(name: string, runs: readonly { definition: string; version: string }[] = []) {
  return { incarnation: randomUUID(), name, runs };
}

/** One flush. */
export async function write(store: Store, owner: string, writes: readonly Write[]): Promise<readonly Verdict[]> {
  return store.journal.write({ flushId: randomUUID(), owner, writes });
}

/** A transaction of a definition of its own, so that other tests' claims leave it alone. */
async function started(store: Store, owner: string = randomUUID()): Promise<{ owner: string; gid: string; definition: string }> {
  const start = startOf({ definition: `purchase-${randomUUID()}` });
  assert.deepEqual(await write(store, owner, [start]), ["applied"]);
  return { owner, gid: start.gid, definition: start.definition };
}

export async function readOne(store: Store, gid: string) {
  const [record] = await store.journal.read([gid]);
  if (record === undefined) throw new TripactError("unknown-transaction", "The journal does not know this gid.", { where: gid });
  return record;
}
