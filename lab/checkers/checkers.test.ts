import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { BarrierRow, EntryRow, Evidence, JournalEvent, MovementRow, Operation, OrderRow, PostingRow, TransactionRow } from "./checker.ts";
import { figuresOf } from "./figures.ts";
import { CHECKERS, judge, overall } from "./judge.ts";

// A sale of 10 units of 100 cents, 3 a buyer. Ann has bought two, Bob cancelled one, Cem gave one back, Dan came too late, Eve's request
// was lost on the way, Fay's answer was lost but she has bought one, Gus was limited. g1 lives and has one unit left to sell.

const order = (orderId: string, buyer: string, state: OrderRow["state"], more: Partial<OrderRow> = {}): OrderRow => ({
  orderId, seq: 1, sku: "pen", buyer, requestId: `r-${buyer}`, quantity: 1, cents: 100, chunk: null, state, because: null, placedAtMs: 1, expiresAtMs: 9, endedAtMs: 2, ...more,
});
const asked = (buyer: string, outcome: Operation["outcome"], more: Partial<Operation> = {}): Operation => ({
  sku: "pen", requestId: `r-${buyer}`, buyer, quantity: 1, intentMs: 1, completedMs: 5, outcome, evidence: outcome, ...more,
});
const moved = (reference: string, source: MovementRow["source"], target: MovementRow["target"], units = 1): Omit<MovementRow, "id"> => ({ sku: "pen", reference, source, target, units, atMs: 1 });
const capture = (orderId: string, buyer: string, cents = 100): readonly Omit<PostingRow, "id">[] => [
  { orderId, entry: "capture", account: `buyer:${buyer}`, cents: -cents }, { orderId, entry: "capture", account: "shop", cents },
];
const refund = (orderId: string, buyer: string): readonly Omit<PostingRow, "id">[] => [
  { orderId, entry: "refund", account: `buyer:${buyer}`, cents: 100 }, { orderId, entry: "refund", account: "shop", cents: -100 },
];
const numbered = <Row>(rows: readonly Row[]): readonly (Row & { readonly id: number })[] => rows.map((row, index) => ({ ...row, id: index + 1 }));
const paid = (orderId: string, buyer: string, cents = 100) => ({ orderId, buyer, cents, capture: "at-once", state: "captured", errand: null, changedAtMs: 1 }) as const;

// Of tripact's own: t1 was taken over and has committed; t2 was rolled back, two steps, a reservation and one that was refused; t3 is a
// choreography that was rolled back; two messages of one key, and one of another.

const event = (text: string): JournalEvent => {
  const [kind, branch = null, op = null, offer = null, undo = null] = text.split(" ").map((word) => (word === "-" ? null : word));
  return { kind: kind ?? "", branch, op: op as JournalEvent["op"], offer: offer as JournalEvent["offer"], undo: undo as JournalEvent["undo"] };
};
const written = (gid: string, seq: number, epoch: number, ...events: readonly string[]): EntryRow => ({ gid, seq, epoch, owner: seq === 1 ? null : `node-${epoch}`, events: events.map(event) });
const transaction = (gid: string, status: TransactionRow["status"], epoch: number, seq: number, more: Partial<TransactionRow> = {}): TransactionRow => ({ gid, kind: "coordinated", status, epoch, seq, pruned: false, endedAtMs: 2, ...more });
const barrier = (gid: string, branch: string, op: BarrierRow["op"], state: BarrierRow["state"] = "done", epoch: number | null = 1): BarrierRow => ({ database: "stock", gid, branch, phase: op === "action" || op === "try" ? 1 : 2, op, state, epoch });
const message = (seq: number, key: string) => ({ database: "orders", seq, id: messageId(seq), topic: "to-stock", key, setAside: false });
const delivery = (seq: number, transactionId: number) => ({ database: "stock", consumer: "stock", source: "shop/orders", id: messageId(seq), transactionId });
function messageId(seq: number): string {
  return `0190000${seq}-0000-7000-8000-000000000000`;
}

const sale: Sound = {
  sales: [{ sku: "pen", units: 10, cents: 100, limitPerBuyer: 3 }],
  operations: [
    asked("ann", "info", { quantity: 2, completedMs: 3 }), asked("ann", "accepted", { orderId: "a", quantity: 2 }), asked("bob", "accepted", { orderId: "b" }), asked("cem", "accepted", { orderId: "c" }),
    asked("dan", "accepted", { orderId: "d" }), asked("eve", "info"), asked("fay", "info", { orderId: "f" }), asked("gus", "reject"), asked("hal", "fail"), asked("ivo", "info", { orderId: "i" }),
  ],
  finals: [
    { orderId: "a", state: "paid", atMs: 10 }, { orderId: "b", state: "cancelled", atMs: 10 }, { orderId: "c", state: "refunded", atMs: 12 }, { orderId: "c", state: "paid", atMs: 10 },
    { orderId: "d", state: "sold-out", atMs: 10 },
  ],
  orders: [
    order("a", "ann", "paid", { quantity: 2, cents: 200, chunk: "k1" }), order("b", "bob", "cancelled"), order("c", "cem", "refunded"), order("d", "dan", "sold-out"), order("f", "fay", "paid"),
    order("i", "ivo", "never-placed", { sku: null, buyer: null, requestId: null, quantity: null, cents: null, expiresAtMs: null }),
  ],
  events: [
    ...["placed", "stock reserved", "paid"].map((what) => ({ orderId: "a", atMs: 1, what })), ...["cancelled", "placed"].map((what) => ({ orderId: "b", atMs: 1, what })),
    ...["placed", "paid", "refunding", "refunded"].map((what) => ({ orderId: "c", atMs: 1, what })), { orderId: "d", atMs: 1, what: "placed" },
  ],
  allowances: [{ sku: "pen", buyer: "ann", units: 2 }, { sku: "pen", buyer: "bob", units: 0 }, { sku: "pen", buyer: "cem", units: 1 }, { sku: "pen", buyer: "fay", units: 1 }],
  items: [{ sku: "pen", initial: 10, free: 6 }],
  chunks: [
    { id: "k1", sku: "pen", gateway: "g1", leased: 3, reserved: 2, returned: 0, state: "open" }, { id: "k0", sku: "pen", gateway: "g0", leased: 2, reserved: 0, returned: 2, state: "closed" },
  ],
  holds: [
    { orderId: "a", sku: "pen", quantity: 2, chunk: "k1", state: "sold" }, { orderId: "b", sku: "pen", quantity: 1, chunk: null, state: "released" },
    { orderId: "c", sku: "pen", quantity: 1, chunk: null, state: "restocked" }, { orderId: "f", sku: "pen", quantity: 1, chunk: null, state: "sold" },
  ],
  movements: numbered([
    moved("pen", "outside", "free", 10), moved("k0", "free", "chunk", 2), moved("k0", "chunk", "free", 2), moved("k1", "free", "chunk", 3), moved("a", "chunk", "held", 2), moved("a", "held", "sold", 2),
    moved("b", "free", "held"), moved("b", "held", "free"), moved("c", "free", "held"), moved("c", "held", "sold"), moved("c", "sold", "free"), moved("f", "free", "held"), moved("f", "held", "sold"),
  ]),
  payments: [
    paid("a", "ann", 200), { orderId: "b", buyer: "bob", cents: 100, capture: "at-once", state: "voided", errand: null, changedAtMs: 1 },
    { orderId: "c", buyer: "cem", cents: 100, capture: "later", state: "refunded", errand: null, changedAtMs: 1 }, paid("f", "fay"),
  ],
  postings: numbered([...capture("a", "ann", 200), ...capture("c", "cem"), ...refund("c", "cem"), ...capture("f", "fay")]),
  charges: [
    { key: "a", cents: 200, state: "captured" }, { key: "b", cents: 100, state: "voided" }, { key: "c:1", cents: 100, state: "refunded" }, { key: "f", cents: 100, state: "captured" },
    { key: "b:0", cents: 100, state: "declined" },
  ],
  journals: [{ database: "orders", open: 0, parked: 0 }],
  mailboxes: [{ database: "orders", subscription: "stock", waiting: 0, parked: 0 }],
  transactions: [
    transaction("t1", "committed", 2, 3), transaction("t2", "rolled-back", 1, 4), transaction("t3", "rolled-back", 0, 0, { kind: "choreographed" }), transaction("t4", "committed", 1, 9, { pruned: true }),
    transaction("t5", "never-started", 0, 0), transaction("t6", "rolled-back", 1, 3),
  ],
  entries: [
    written("t1", 1, 0, "started", "registered reserve - step target"), written("t1", 2, 1, "done reserve action", "registered pay - tcc -"), written("t1", 3, 2, "recovered", "done pay try", "decided", "done pay confirm"),
    written("t2", 1, 0, "started", "registered reserve - step target", "registered wallet - tcc -"), written("t2", 2, 1, "done reserve action", "done wallet try", "registered note - sql closure"),
    written("t2", 3, 1, "done note action", "registered pay - step target", "refused pay action", "decided"), written("t2", 4, 1, "done wallet cancel", "done note compensate", "done reserve compensate"),
    written("t6", 1, 0, "started", "registered reserve - step target"), written("t6", 2, 1, "parked reserve"), written("t6", 3, 1, "done reserve action", "operator-decided reserve"),
  ],
  barriers: [
    barrier("t1", "reserve", "action"), barrier("t1", "pay", "try"), barrier("t1", "pay", "confirm", "done", 2),
    barrier("t2", "reserve", "action"), barrier("t2", "reserve", "compensate"), barrier("t2", "wallet", "try"), barrier("t2", "wallet", "cancel"), barrier("t2", "pay", "action", "refused"),
    barrier("t2", "late", "try", "tombstone"), barrier("t2", "late", "cancel", "empty"),
    barrier("t3", "reserve", "action", "done", null), barrier("t3", "reserve", "compensate", "done", null), barrier("t3", "pay", "action", "tombstone", null), barrier("t3", "pay", "compensate", "empty", null),
  ],
  messages: [message(1, "a"), message(2, "a"), message(3, "b"), { ...message(4, "b"), setAside: true }, { ...message(5, "x"), topic: "to-nobody" }],
  deliveries: [delivery(1, 100), delivery(2, 101), delivery(3, 100), { ...delivery(0, 90), id: messageId(0) }],
  livingGateways: ["g1"],
  historyIsWhole: true,
};

type Sound = { readonly [Part in keyof Evidence]: NonNullable<Evidence[Part]> };
type Listed = Exclude<keyof Sound, "historyIsWhole">;
type Change = (sound: Sound) => Partial<Sound>;

/** Changes those rows of a part that have all of `where`. */
const change = <Part extends Listed>(part: Part, where: Partial<Sound[Part][number] & object>, what: Partial<Sound[Part][number] & object>): Change => (sound) => {
  const fits = (row: object): boolean => Object.entries(where).every(([name, value]) => row[name as keyof typeof row] === value);
  assert.ok(sound[part].some((row) => fits(row as object)), "nothing to change");
  return { [part]: sound[part].map((row) => (fits(row as object) ? { ...(row as object), ...what } : row)) };
};
const add = <Part extends Listed>(part: Part, ...rows: readonly Sound[Part][number][]): Change => (sound) => ({ [part]: [...sound[part], ...rows] });
const drop = <Part extends Listed>(part: Part, where: (row: Sound[Part][number]) => boolean): Change => (sound) => ({ [part]: (sound[part] as readonly Sound[Part][number][]).filter((row) => !where(row)) });
const after = (...changes: readonly Change[]): Sound => changes.reduce<Sound>((sound, next) => ({ ...sound, ...next(sound) }), sale);
const next = (...rows: readonly Omit<MovementRow, "id">[]): Change => (sound) => ({ movements: numbered([...sound.movements, ...rows]) });

const stuck = { orderId: "z", sku: "pen", quantity: 1, chunk: null };

/** What is wrong, and who has to say so, with the kind that he gives it: nobody more, nobody less. Some are only near a wrong: nobody may object. */
const WRONG: readonly (readonly [name: string, changes: readonly Change[], expected: readonly string[]])[] = [
  ["more sold than there are", [change("holds", { orderId: "f" }, { quantity: 9 }), change("orders", { orderId: "f" }, { quantity: 9 })],
    ["no-oversell oversold", "stock-conserved units-made", "stock-conserved movements-disagree", "limit-per-buyer over-limit", "limit-per-buyer allowance-disagrees"]],
  ["more paid than there are, with no units behind it", [(sound) => ({ orders: [...sound.orders, order("z", "zoe", "paid", { quantity: 8 })] }), add("operations", asked("zoe", "accepted", { orderId: "z" }))],
    ["no-oversell oversold", "limit-per-buyer over-limit", "limit-per-buyer allowance-disagrees", "torn stock", "lost no-answer"]],
  ["paid, and whoever asked is told nothing for ever", [drop("finals", ({ orderId }) => orderId === "a")], ["lost no-answer"]],
  ["sold twice for a while", [next(moved("x", "free", "held", 8), moved("x", "held", "free", 8))], ["no-oversell oversold", "no-oversell below-zero"]],
  ["units out of an empty chunk", [next(moved("y", "chunk", "free", 3), moved("y", "free", "chunk", 3))], ["no-oversell below-zero"]],
  ["more units than were put on sale", [change("sales", {}, { units: 9 })], ["stock-conserved another-amount"]],
  ["a unit that is nowhere", [change("items", {}, { free: 5 })], ["stock-conserved units-lost", "stock-conserved movements-disagree"]],
  ["a unit that came from nowhere", [change("items", {}, { free: 7 })], ["stock-conserved units-made", "stock-conserved movements-disagree"]],
  ["half a movement", [drop("movements", ({ reference, target }) => reference === "c" && target === "free")], ["stock-conserved movements-disagree"]],
  ["a unit left behind in a closed chunk", [change("chunks", { id: "k0" }, { returned: 1 }), change("items", {}, { free: 5 })], ["stock-conserved units-lost", "stock-conserved movements-disagree"]],
  ["a chunk of what was never on offer", [add("chunks", { id: "k9", sku: "cap", gateway: "g1", leased: 1, reserved: 0, returned: 0, state: "open" })], ["stock-conserved no-item"]],
  ["an entry that does not add up", [drop("postings", ({ orderId, account }) => orderId === "a" && account !== "shop")], ["money-conserved unbalanced"]],
  ["captured, and not in the books", [drop("postings", ({ orderId }) => orderId === "a")], ["money-conserved postings-disagree"]],
  ["refunded, and not in the books", [drop("postings", ({ orderId, entry }) => orderId === "c" && entry === "refund")], ["money-conserved postings-disagree"]],
  ["booked without a payment", [(sound) => ({ postings: numbered([...sound.postings, ...capture("b9", "bob")]) })], ["money-conserved no-payment"]],
  ["booked to another buyer", [change("postings", { orderId: "f", account: "buyer:fay" }, { account: "buyer:ann" })], ["money-conserved another-buyer"]],
  ["a refund that is still due", [change("payments", { orderId: "c" }, { state: "refund-due", errand: "refund" }), change("charges", { key: "c:1" }, { state: "captured" })], ["money-conserved refund-due", "nothing-stuck order"]],
  ["cancelled, and the refund is still due", [change("payments", { orderId: "b" }, { state: "refund-due", errand: "refund" }), change("charges", { key: "b" }, { state: "captured" })], ["money-conserved refund-due", "nothing-stuck order"]],
  ["cancelled, and the money is still set aside", [change("payments", { orderId: "b" }, { state: "authorised" }), change("charges", { key: "b" }, { state: "authorised" })], ["torn payment", "never-paid-and-cancelled cancelled", "nothing-stuck order"]],
  ["captured there, nothing of it here", [change("charges", { key: "b" }, { state: "captured" })], ["provider-agrees captured-there-only", "never-paid-and-cancelled cancelled"]],
  ["given back here, kept there", [change("charges", { key: "c:1" }, { state: "captured" })], ["provider-agrees captured-there-only"]],
  ["captured here, nothing of it there", [drop("charges", ({ key }) => key === "a")], ["provider-agrees captured-here-only"]],
  ["another amount there", [change("charges", { key: "a" }, { cents: 201 })], ["provider-agrees another-amount"]],
  ["set aside there for ever", [change("charges", { key: "b" }, { state: "authorised" })], ["provider-agrees set-aside"]],
  ["two orders of one request, by rows", [add("orders", order("a2", "ann", "cancelled"))], ["one-order-per-request two-orders"]],
  ["two orders of one request, by answers", [add("operations", asked("ann", "info", { orderId: "a2" }))], ["one-order-per-request two-orders"]],
  ["more than the limit", [change("sales", {}, { limitPerBuyer: 1 })], ["limit-per-buyer over-limit"]],
  ["an allowance above the limit", [change("allowances", { buyer: "bob" }, { units: 4 })], ["limit-per-buyer allowance-over-limit", "limit-per-buyer allowance-disagrees"]],
  ["an allowance that a cancelled order still spends", [change("allowances", { buyer: "bob" }, { units: 1 })], ["limit-per-buyer allowance-disagrees"]],
  ["an order that spends no allowance", [drop("allowances", ({ buyer }) => buyer === "fay")], ["limit-per-buyer allowance-disagrees"]],
  ["an order of no sale", [change("orders", { orderId: "d" }, { sku: "cap" }), change("operations", { buyer: "dan" }, { sku: "cap" })], ["limit-per-buyer no-sale"]],
  ["paid, and no units", [drop("holds", ({ orderId }) => orderId === "f"), drop("movements", ({ reference }) => reference === "f"), change("items", {}, { free: 7 })], ["torn stock"]],
  ["called paid, and no units", [drop("holds", ({ orderId }) => orderId === "a"), drop("movements", ({ reference }) => reference === "a"), change("chunks", { id: "k1" }, { reserved: 0 })], ["torn stock", "lost without-effect"]],
  ["paid, and no money", [drop("payments", ({ orderId }) => orderId === "f"), drop("postings", ({ orderId }) => orderId === "f"), drop("charges", ({ key }) => key === "f")], ["torn payment"]],
  ["paid with too little", [change("payments", { orderId: "f" }, { cents: 1 }), drop("postings", ({ orderId }) => orderId === "f"), (sound) => ({ postings: numbered([...sound.postings, ...capture("f", "fay", 1)]) }), change("charges", { key: "f" }, { cents: 1 })], ["torn terms"]],
  ["paid by another buyer", [change("payments", { orderId: "f" }, { buyer: "ann" }), change("postings", { orderId: "f", account: "buyer:fay" }, { account: "buyer:ann" })], ["torn terms"]],
  ["refunded, and keeps the units", [change("holds", { orderId: "c" }, { state: "sold" }), change("items", {}, { free: 5 }), drop("movements", ({ reference, target }) => reference === "c" && target === "free")], ["torn stock"]],
  ["cancelled, and keeps the units", [change("holds", { orderId: "b" }, { state: "sold" }), change("items", {}, { free: 5 }), change("movements", { reference: "b", source: "held" }, { target: "sold" })], ["torn stock", "never-paid-and-cancelled cancelled"]],
  ["cancelled, and paid", [change("payments", { orderId: "b" }, { state: "captured" }), change("charges", { key: "b" }, { state: "captured" }), (sound) => ({ postings: numbered([...sound.postings, ...capture("b", "bob")]) })], ["torn payment", "never-paid-and-cancelled cancelled"]],
  ["never placed, and charged", [add("payments", paid("i", "ivo")), add("charges", { key: "i", cents: 100, state: "captured" }), (sound) => ({ postings: numbered([...sound.postings, ...capture("i", "ivo")]) })], ["torn payment", "never-paid-and-cancelled never-placed"]],
  ["an order that is still on its way", [change("orders", { orderId: "d" }, { state: "placed", endedAtMs: null }), drop("finals", ({ orderId }) => orderId === "d"), add("allowances", { sku: "pen", buyer: "dan", units: 1 })], ["nothing-stuck order", "lost never-final"]],
  ["units that are still held", [change("holds", { orderId: "f" }, { state: "held" }), drop("movements", ({ reference, target }) => reference === "f" && target === "sold")], ["nothing-stuck order", "torn stock"]],
  ["a chunk of a gateway that is no more", [(_) => ({ livingGateways: [] })], ["nothing-stuck chunk"]],
  ["the provider still to be told", [change("payments", { orderId: "b" }, { errand: "void" })], ["nothing-stuck order"]],
  ["a transaction that has not ended", [change("journals", {}, { open: 2, parked: 1 })], ["nothing-stuck transaction"]],
  ["a message that waits", [change("mailboxes", {}, { waiting: 1 })], ["nothing-stuck message"]],
  ["a message that is parked", [change("mailboxes", {}, { parked: 1 })], ["nothing-stuck message"]],
  ["an order twice", [add("orders", order("d", "dan", "sold-out"))], ["duplicated order"]],
  ["a hold twice", [add("holds", { orderId: "b", sku: "pen", quantity: 1, chunk: null, state: "released" })], ["duplicated hold"]],
  ["a payment twice", [add("payments", { orderId: "b", buyer: "bob", cents: 100, capture: "at-once", state: "voided", errand: null, changedAtMs: 1 })], ["duplicated payment"]],
  ["charged twice", [add("charges", { key: "a:2", cents: 200, state: "captured" })], ["duplicated charge", "provider-agrees another-amount"]],
  ["charged twice, once given back", [add("charges", { key: "a:2", cents: 200, state: "refunded" })], ["duplicated charge"]],
  ["booked twice", [(sound) => ({ postings: numbered([...sound.postings, ...capture("f", "fay")]) })], ["duplicated posting", "money-conserved postings-disagree"]],
  ["reserved twice", [next(moved("f", "free", "held"), moved("x", "held", "free"))], ["duplicated movement"]],
  ["released twice", [next(moved("x", "free", "held"), moved("b", "held", "free"))], ["duplicated movement"]],
  ["a cancelled order that is paid", [add("events", { orderId: "b", atMs: 2, what: "paid" })], ["moves no-such-move"]],
  ["paid twice", [add("events", { orderId: "a", atMs: 2, what: "paid" })], ["moves twice"]],
  ["a state that it left", [add("events", { orderId: "d", atMs: 2, what: "expired" })], ["moves row-disagrees"]],
  ["an event of no order", [add("events", { orderId: "z", atMs: 2, what: "placed" })], ["moves row-disagrees"]],
  ["accepted, and no row", [drop("orders", ({ orderId }) => orderId === "d"), drop("events", ({ orderId }) => orderId === "d")], ["lost no-order", "told-the-truth differs"]],
  ["accepted, and never placed", [add("operations", asked("ivo", "accepted", { orderId: "i" }))], ["lost no-order"]],
  ["accepted, and no id", [add("operations", asked("jon", "accepted"))], ["lost no-order"]],
  ["called paid, and cancelled", [add("finals", { orderId: "b", state: "paid", atMs: 1 })], ["lost unpaid", "told-the-truth differs"]],
  ["never asked for", [drop("operations", ({ buyer }) => buyer === "fay")], ["phantom not-asked"]],
  ["bought after a no", [change("operations", { buyer: "fay" }, { outcome: "reject" })], ["phantom after-a-no"]],
  ["bought after a fail", [change("operations", { buyer: "fay" }, { outcome: "fail" })], ["phantom after-a-no"]],
  ["units without an order", [add("holds", { ...stuck, state: "sold" }), change("items", {}, { free: 5 }), next(moved("z", "free", "held"), moved("z", "held", "sold"))], ["phantom no-order"]],
  ["money without an order", [add("payments", paid("z", "zoe")), add("charges", { key: "z", cents: 100, state: "captured" }), (sound) => ({ postings: numbered([...sound.postings, ...capture("z", "zoe")]) })], ["phantom no-order"]],
  ["told one thing, then another", [add("finals", { orderId: "d", state: "declined", atMs: 9 })], ["told-the-truth differs"]],
  ["told that it was given back, then paid", [add("finals", { orderId: "c", state: "paid", atMs: 13 })], ["told-the-truth changed"]],
  ["told cancelled, and sold out", [change("finals", { orderId: "b" }, { state: "expired" })], ["told-the-truth differs"]],
  ["nobody knows, and it is still on its way", [change("orders", { orderId: "f" }, { state: "placed", endedAtMs: null })], ["unresolved not-final", "nothing-stuck order"]],
  ["nobody knows, and there are two", [add("operations", asked("fay", "info", { orderId: "f2" })), add("orders", order("f2", "fay", "sold-out"))], ["unresolved two-answers", "one-order-per-request two-orders"]],
  ["told no when all was over, and there is an order", [add("operations", asked("fay", "reject", { settling: true }))], ["unresolved two-answers"]],
  ["told nothing when all was over", [add("operations", asked("eve", "info", { settling: true }))], ["unresolved no-answer"]],
  ["told no when all was over, and there is none", [add("operations", asked("eve", "info", { settling: true }), asked("eve", "reject", { settling: true }))], []],
  ["told no while it was under way, and there is an order", [add("operations", asked("fay", "reject"))], []],
  ["a write of an older epoch", [change("entries", { gid: "t1", seq: 2 }, { epoch: 2, owner: "node-2" }), change("entries", { gid: "t1", seq: 3 }, { epoch: 1 })], ["fencing stale-write"]],
  ["a row that an older one wrote last", [change("transactions", { gid: "t1" }, { epoch: 1 })], ["fencing row-disagrees"]],
  ["two owners in one epoch", [change("entries", { gid: "t2", seq: 3 }, { owner: "node-9" })], ["fencing two-owners"]],
  ["an entry that is missing", [drop("entries", ({ gid, seq }) => gid === "t2" && seq === 3)], ["fencing hole"]],
  ["an entry twice", [add("entries", written("t1", 3, 2))], ["fencing twice"]],
  ["a last entry that is missing", [drop("entries", ({ gid, seq }) => gid === "t1" && seq === 3)], ["fencing row-disagrees"]],
  ["ended by whoever had it before", [change("barriers", { gid: "t1", branch: "pay", op: "try" }, { epoch: 2 }), change("barriers", { gid: "t1", op: "confirm" }, { epoch: 1 })], ["fencing stale-call"]],
  ["a step that was not undone", [change("entries", { gid: "t2", seq: 4 }, { events: ["done wallet cancel", "done reserve compensate"].map(event) })], ["saga-compensation not-undone"]],
  ["a no that came after the participant's row", [change("barriers", { gid: "t2", branch: "pay", op: "action" }, { state: "done" })], []],
  ["a reservation that was refused after its row", [change("entries", { gid: "t2", seq: 3 }, { events: ["done note action", "registered pay - tcc -", "refused pay try", "decided"].map(event) }), change("barriers", { gid: "t2", branch: "pay", op: "action" }, { op: "try", state: "done" })], []],
  ["a step that was undone, by the journal only", [drop("barriers", ({ gid, branch, op }) => gid === "t2" && branch === "reserve" && op === "compensate")], ["saga-compensation left-behind"]],
  ["a step that was undone as if it had never come", [change("barriers", { gid: "t2", branch: "reserve", op: "compensate" }, { state: "empty" })], ["saga-compensation left-behind"]],
  ["a choreography's step that was not undone", [drop("barriers", ({ gid, op }) => gid === "t3" && op === "compensate")], ["saga-compensation left-behind"]],
  ["the first step undone first", [change("entries", { gid: "t2", seq: 4 }, { events: ["done wallet cancel", "done reserve compensate", "done note compensate"].map(event) })], ["saga-compensation wrong-order"]],
  ["a refused step undone", [change("entries", { gid: "t2", seq: 4 }, { events: ["done pay compensate", "done wallet cancel", "done note compensate", "done reserve compensate"].map(event) })], ["saga-compensation undone-without-need"]],
  ["a refusal that proves nothing, undone", [change("entries", { gid: "t2", seq: 3 }, { events: ["done note action", "registered pay - step target", "attempted pay action", "refused pay action", "decided"].map(event) }),
    change("entries", { gid: "t2", seq: 4 }, { events: ["done pay compensate", "done wallet cancel", "done note compensate", "done reserve compensate"].map(event) })], []],
  ["undone what was refused, by the barrier", [add("barriers", barrier("t2", "pay", "compensate"))], ["saga-compensation undone-without-need"]],
  ["undone, and committed", [change("entries", { gid: "t1", seq: 3 }, { events: ["recovered", "done pay try", "decided", "done pay confirm", "done reserve compensate"].map(event) })], ["saga-compensation undone-though-committed"]],
  ["undone by a participant, and committed", [add("barriers", barrier("t1", "reserve", "compensate"))], ["saga-compensation undone-though-committed"]],
  ["rolled back after its pivot", [change("entries", { gid: "t2", seq: 2 }, { events: ["done reserve action", "done wallet try", "registered note - pivot -"].map(event) })], ["saga-compensation rolled-back-after-pivot"]],
  ["a try after its cancel", [change("barriers", { gid: "t2", branch: "late", op: "try" }, { state: "done" })], ["tcc-barrier hanging"]],
  ["a cancel that leaves no tombstone", [drop("barriers", ({ branch, op }) => branch === "late" && op === "try")], ["tcc-barrier no-tombstone"]],
  ["a cancel that undoes what was never tried", [change("barriers", { branch: "late", op: "cancel" }, { state: "done" })], ["tcc-barrier cancelled-untried"]],
  ["confirmed, and never tried", [drop("barriers", ({ gid, op }) => gid === "t1" && op === "try")], ["tcc-barrier confirmed-untried"]],
  ["a try twice", [add("barriers", barrier("t1", "pay", "try"))], ["tcc-barrier twice"]],
  ["confirmed and cancelled", [add("barriers", barrier("t1", "pay", "cancel", "done", 2))], ["tcc-barrier twice"]],
  ["confirmed, and rolled back", [change("barriers", { gid: "t2", branch: "wallet", op: "cancel" }, { op: "confirm" })], ["tcc-barrier against-decision"]],
  ["tried, and never ended", [drop("barriers", ({ gid, op }) => gid === "t1" && op === "confirm")], ["tcc-barrier left-behind"]],
  ["a message that nobody has taken in", [drop("deliveries", ({ id }) => id === messageId(2))], ["outbox-delivery lost"]],
  ["a message taken in twice", [add("deliveries", delivery(2, 102))], ["outbox-delivery twice"]],
  ["a message that was rolled back", [drop("messages", ({ id }) => id === messageId(2))], ["outbox-delivery never-written"]],
  ["the second message first", [change("deliveries", { id: messageId(1) }, { transactionId: 102 })], ["outbox-delivery out-of-order"]],
  ["two messages in one transaction", [change("deliveries", { id: messageId(1) }, { transactionId: 101 })], []],
  ["a message that failed, and is not behind the next", [(sound) => ({ messages: sound.messages.map((each) => (each.seq === 3 ? { ...each, setAside: true } : each)) })], []],
  ["nobody knows, and there are units but no order", [change("operations", { buyer: "eve" }, { orderId: "z" }), add("holds", { ...stuck, state: "sold" }), change("items", {}, { free: 5 }), next(moved("z", "free", "held"), moved("z", "held", "sold"))], ["unresolved no-order", "phantom no-order"]],
];

/** Who has nothing to judge in modes without coordinator, reservations or messages. */
const OF_SOME_MODES: readonly string[] = ["fencing", "saga-compensation", "tcc-barrier", "outbox-delivery"];

const alarms = (evidence: Evidence): readonly string[] => judge(evidence).flatMap(({ checker, verdict, counts }) => (verdict === "invalid" ? Object.keys(counts.kinds).map((kind) => `${checker} ${kind}`) : []));

describe("the judges", () => {
  it("find nothing in a sale in which everything went right", () => {
    const verdicts = judge(sale);
    assert.deepEqual(verdicts.map(({ checker, verdict }) => `${checker} ${verdict}`), CHECKERS.map(({ name }) => `${name} valid`));
    assert.equal(overall(verdicts), "valid");
    assert.deepEqual(figuresOf(verdicts), { oversold: 0, lost: { operations: 0, units: 0, cents: 0, oldestAtMs: null }, duplicated: 0, phantom: 0, torn: 0, stuck: 0, unresolved: 0 });
    assert.deepEqual(verdicts.find(({ checker }) => checker === "nothing-stuck")?.counts.noted, { leasedUnits: 1 });
  });

  for (const [name, changes, expected] of WRONG) {
    it(`say what is wrong: ${name}`, () => assert.deepEqual(alarms(after(...changes)).toSorted(), expected.toSorted()));
  }

  it("have each been heard", () => {
    const heard = new Set(WRONG.flatMap(([, , expected]) => expected.map((alarm) => alarm.split(" ")[0])));
    assert.deepEqual(CHECKERS.map(({ name }) => name).filter((name) => !heard.has(name)), []);
  });

  it("know nothing where nothing was read, asked or found", () => {
    const nobody: Evidence = { ...sale, operations: null };
    assert.equal(judge(nobody).find(({ checker }) => checker === "lost")?.verdict, "unknown");
    for (const rows of [null, []] as const) {
      const nothing = Object.fromEntries(Object.entries(sale).map(([part, value]) => [part, Array.isArray(value) && part !== "livingGateways" ? rows : value])) as unknown as Evidence;
      const verdicts = judge(nothing);
      const none = rows === null ? "unknown" : "not-applicable";
      assert.deepEqual(verdicts.map(({ verdict }) => verdict), CHECKERS.map(({ name }) => (OF_SOME_MODES.includes(name) ? none : "unknown")), JSON.stringify(verdicts));
      assert.equal(overall(verdicts), "unknown");
      assert.deepEqual(figuresOf(verdicts), { oversold: null, lost: null, duplicated: null, phantom: null, torn: null, stuck: null, unresolved: null });
    }
    assert.equal(overall([]), "unknown");
  });

  it("have no say where there is nothing of their kind, which acquits nobody", () => {
    const bare: Evidence = { ...sale, transactions: [], entries: [], barriers: [], messages: [], deliveries: [] };
    const verdicts = judge(bare);
    assert.deepEqual(verdicts.filter(({ verdict }) => verdict !== "valid").map(({ checker, verdict }) => `${checker} ${verdict}`), OF_SOME_MODES.map((name) => `${name} not-applicable`));
    assert.equal(overall(verdicts), "valid");
    assert.equal(overall(verdicts.filter(({ verdict }) => verdict === "not-applicable")), "unknown");
    assert.equal(overall(judge({ ...bare, barriers: null })), "unknown");
  });

  it("do not take it for acquitted where the mode must have some", () => {
    const bare: Evidence = { ...sale, transactions: [], entries: [], barriers: [], messages: [], deliveries: [] };
    const unknownIn = (mode: string): readonly string[] => judge(bare, mode).flatMap(({ checker, verdict }) => (verdict === "unknown" ? [checker] : []));
    const found = Object.fromEntries(["naive", "choreography", "saga", "tcc", "outbox"].map((mode) => [mode, unknownIn(mode)]));
    assert.deepEqual(found, { naive: [], choreography: ["outbox-delivery"], saga: ["fencing", "saga-compensation"], tcc: ["fencing", "tcc-barrier"], outbox: ["outbox-delivery"] });
    assert.equal(overall(judge(bare, "saga")), "unknown");
    assert.equal(overall(judge(sale, "saga")), "valid");
  });

  it("note what they pass over", () => {
    const noted = Object.fromEntries(judge(sale).map(({ checker, counts }) => [checker, counts.noted]));
    assert.deepEqual(OF_SOME_MODES.map((name) => noted[name]), [{ pruned: 1 }, { byPerson: 1 }, {}, { setAside: 1, takenInByNobody: 1, perhapsEmptied: 1 }]);
    // Nobody knows the outbox of a source of which nothing is left.
    const emptied = judge({ ...sale, deliveries: sale.deliveries.map((each) => ({ ...each, id: messageId(9), source: "another" })) }).find(({ checker }) => checker === "outbox-delivery");
    assert.deepEqual([emptied?.verdict, emptied?.counts.noted["perhapsEmptied"]], ["not-applicable", 4]);
  });

  it("say which part they miss, each of them for each of its parts", () => {
    const missed = new Set<string>();
    for (const part of Object.keys(sale) as (keyof Evidence)[]) {
      if (part === "livingGateways" || part === "historyIsWhole") continue;
      for (const verdict of judge({ ...sale, [part]: null })) {
        if (verdict.verdict !== "unknown") continue;
        assert.equal(verdict.why, `not read: ${part}`);
        missed.add(verdict.checker);
      }
    }
    assert.equal(missed.size, CHECKERS.length);
    const silent = judge({ ...sale, operations: [] }).filter(({ verdict }) => verdict === "unknown").map(({ checker }) => checker);
    assert.deepEqual(silent.toSorted(), ["lost", "one-order-per-request", "phantom", "unresolved"]);
  });

  it("call nothing valid by a history with gaps, and nobody a phantom whose line may be missing", () => {
    const gaps = { ...sale, historyIsWhole: false };
    const unknown = judge(gaps).filter(({ verdict }) => verdict === "unknown").map(({ checker }) => checker);
    assert.deepEqual(unknown.toSorted(), ["lost", "one-order-per-request", "phantom", "told-the-truth", "unresolved"]);
    const fay = { ...gaps, operations: sale.operations.filter(({ buyer }) => buyer !== "fay") };
    assert.deepEqual(judge(fay).find(({ checker }) => checker === "phantom")?.counts.noted, { notInHistory: 1 });
    const broken = { ...gaps, orders: sale.orders.filter(({ orderId }) => orderId !== "d") };
    assert.equal(judge(broken).find(({ checker }) => checker === "lost")?.verdict, "invalid");
  });

  it("keep the first and the worst, and few of the many", () => {
    const many = Array.from({ length: 500 }, (_, n) => asked(`b${n}`, "accepted", { orderId: `o${n}`, quantity: n === 300 ? 3 : 1, completedMs: 1_000 - n }));
    const verdict = judge(after(add("operations", ...many))).find(({ checker }) => checker === "lost");
    assert.ok(verdict?.verdict === "invalid");
    assert.deepEqual([verdict.first.key, verdict.worst.key, verdict.worst.cents, verdict.examples.length], ["o0", "o300", 300, 10]);
    assert.deepEqual(figuresOf([verdict]).lost, { operations: 500, units: 502, cents: 50_200, oldestAtMs: 501 });
  });

  it("measure what was lost by the request where there is no row, and date it by the first answer", () => {
    const figures = figuresOf(judge(after(drop("orders", ({ orderId }) => orderId === "a"))));
    assert.deepEqual(figures.lost, { operations: 1, units: 2, cents: 200, oldestAtMs: 5 });
  });

  it("count oversold units, doubles and everything that is stuck", () => {
    const figures = figuresOf(judge(after(
      change("holds", { orderId: "f" }, { quantity: 12 }), change("journals", {}, { open: 3 }), change("mailboxes", {}, { waiting: 2, parked: 1 }), change("payments", { orderId: "b" }, { errand: "void" }),
      add("orders", order("a2", "ann", "cancelled"), order("d", "dan", "sold-out")),
    )));
    assert.deepEqual([figures.oversold, figures.duplicated, figures.stuck, figures.torn], [4, 2, 7, 1]);
  });

  it("take a request without a sale for one of the only sale", () => {
    const bare = sale.operations.map(({ sku: _, ...operation }) => operation);
    assert.equal(overall(judge({ ...sale, operations: bare })), "valid");
  });
});
