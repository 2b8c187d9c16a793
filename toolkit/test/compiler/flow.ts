/** What the compiler says about flows: everything is inferred, the undo is typed by its step, what JSON loses does not compile. */
import { saga, type BranchContext, type Saga, type SagaParticipant, type SqlExecutor, type TccParticipant, type Tx } from "tripact";
import { holds, type Same } from "./same.ts";

interface Order {
  readonly sku: string;
  readonly cents: number;
}
interface Hold {
  readonly id: number;
  readonly until?: string;
}

declare const tx: Tx;
declare const order: Order;
declare const stock: SagaParticipant<Order, Hold>;
declare const wallet: TccParticipant<{ readonly cents: number }, { readonly paymentId: string }>;
declare function reserve(key: string): Promise<Hold>;

const purchase = saga("purchase", async (t, o: Order) => {
  const hold = await t.step("reserve", (b) => reserve(b.key), { undo: (_b, result) => result?.id });
  const pay = await t.tcc("pay", wallet, { cents: o.cents });
  return `${hold.id}/${pay.paymentId}`;
});
holds<Same<typeof purchase, Saga<Order, string>>>();

const early = saga("early", { version: "2", deadlineMs: 1_000 }, async (_t, o: Order) => o.cents > 0);
holds<Same<typeof early, Saga<Order, boolean>>>();

export async function results(): Promise<void> {
  const hold = await tx.step("reserve", () => reserve("k"), { undo: "nothing" });
  holds<Same<typeof hold, Hold>>();
  const plain = await tx.step("count", () => 7, { undo: "nothing" });
  holds<Same<typeof plain, number>>();
  const nothing = await tx.step("void", async () => undefined, { undo: "nothing" });
  holds<Same<typeof nothing, undefined>>();
  const called = await tx.step("called", stock, order);
  holds<Same<typeof called, Hold>>();
  const shipped = await tx.pivot("ship", async () => ({ parcel: "p" }));
  holds<Same<typeof shipped, { parcel: string }>>();
  const sent = await tx.pivot("send", stock, order);
  holds<Same<typeof sent, Hold>>();
  const paid = await tx.tcc("pay", wallet, { cents: 5 }, { expiresAfterMs: 60_000 });
  holds<Same<typeof paid, { readonly paymentId: string }>>();
  const row = await tx.sql("row", async (db) => (await db.execute("select 1", [])).rowCount ?? 0, { undo: "nothing" });
  holds<Same<typeof row, number>>();
}

export async function undo(): Promise<void> {
  await tx.step("typed", () => reserve("k"), {
    undo: (b, hold) => {
      holds<Same<typeof b, BranchContext>>();
      // Nobody may know how the step ended.
      holds<Same<typeof hold, Hold | undefined>>();
    },
  });
  // @ts-expect-error: the result may be undefined
  await tx.step("unknown", () => reserve("k"), { undo: (_b, hold) => hold.id });
  await tx.sql("row", async () => 7, {
    undo: (db, id) => {
      holds<Same<typeof db, SqlExecutor>>();
      // The row and its journal entry are one commit: an undo knows its result.
      holds<Same<typeof id, number>>();
    },
  });
  // @ts-expect-error: the undo must be said
  await tx.step("unsaid", () => 1);
  // @ts-expect-error: the undo must be said
  await tx.step("unsaid", () => 1, { timeoutMs: 5 });
  // @ts-expect-error: the undo must be said
  await tx.sql("unsaid", async () => 1);
  // @ts-expect-error: only "nothing" is a word for no undo
  await tx.step("misspelt", () => 1, { undo: "none" });
  // @ts-expect-error: there is no way back from a pivot
  await tx.pivot("pivot", () => 1, { undo: () => undefined });
}

export async function notJson(): Promise<void> {
  // @ts-expect-error: a Date would come back as a text
  await tx.step("date", () => new Date(), { undo: "nothing" });
  // @ts-expect-error: deep inside as well
  await tx.step("deep", async () => ({ at: [{ day: new Date() }] }), { undo: "nothing" });
  // @ts-expect-error: a bigint has no JSON form
  await tx.step("bigint", () => 1n, { undo: "nothing" });
  // @ts-expect-error: a function has no JSON form
  await tx.step("function", () => ({ go: () => 1 }), { undo: "nothing" });
  // @ts-expect-error: a Map would come back empty
  await tx.pivot("map", () => new Map<string, number>());
  // @ts-expect-error: neither does local SQL keep a Date
  await tx.sql("date", async () => new Date(), { undo: "nothing" });
  // @ts-expect-error: a message is JSON
  await tx.emit("topic", { key: "k", payload: { at: new Date() } });
  // @ts-expect-error: a message has a key
  await tx.emit("topic", { payload: 1 });
  await tx.emit("topic", { key: "k", payload: order });
}

export async function participants(): Promise<void> {
  // @ts-expect-error: a TCC participant is no saga step
  await tx.step("pay", wallet, { cents: 5 });
  // @ts-expect-error: a saga participant has no try
  await tx.tcc("reserve", stock, order);
  // @ts-expect-error: a TCC participant is no pivot
  await tx.pivot("pay", wallet, { cents: 5 });
  // @ts-expect-error: another input
  await tx.step("reserve", stock, { sku: "a" });
  // @ts-expect-error: a misspelt member
  await tx.tcc("pay", wallet, { cent: 5 });
  // @ts-expect-error: an input is missing
  await tx.step("reserve", stock);
}

// @ts-expect-error: what a flow returns is the transaction's result, and journaled
saga("dated", async (_t, _o: Order) => new Date());
// @ts-expect-error: with options as well
saga("dated", { version: "2" }, async (_t, _o: Order) => ({ at: [new Date()] }));
saga("silent", async (t, _o: Order) => await t.sleep(5));
