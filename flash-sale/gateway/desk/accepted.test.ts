import assert from "node:assert/strict";
import { it } from "node:test";
import type { OrdersDoor } from "../../contracts.ts";
import type { Asking } from "../../service/ask.ts";
import { AcceptedReader } from "./accepted-reader.ts";
import { Accepted } from "./accepted.ts";

const order = (orderId: string, buyer = orderId, quantity = 1): { orderId: string; buyer: string; quantity: number } => ({ orderId, buyer, quantity });

it("beyond its bound the first orders are forgotten, and their buyers with them", () => {
  const accepted = new Accepted(3);
  for (const id of ["a", "b", "c", "d"]) accepted.remember(order(id), 0);
  accepted.remember(order("d"), 0);
  assert.equal(accepted.size, 3);
  assert.deepEqual([accepted.knows("a"), accepted.quantityOf("a")], [false, undefined]);
  assert.deepEqual([accepted.knows("d"), accepted.quantityOf("d")], [true, 1]);
  accepted.remember(order("e", "b", 2), 0);
  assert.equal(accepted.isLimited("b", 1, 2, 0), true, "counts what is remembered");
  assert.equal(accepted.isLimited("b", 1, 3, 0), false);
});

/** Rows as a worker gives them: by number, only those that are committed, and the last ones once more with the next page. */
function ordersWith(rows: Map<number, ReturnType<typeof order>>, again = 0): Asking<OrdersDoor> & { questions: number[] } {
  const questions: number[] = [];
  const answer = (after: number): unknown => {
    questions.push(after);
    const found = [...rows].filter(([seq]) => seq > after).toSorted(([a], [b]) => a - b).slice(0, 5_000);
    return { orders: found.map(([, row]) => row), after: found.at(-1 - again)?.[0] ?? after };
  };
  const ask: Asking<OrdersDoor>["ask"] = async (_path, question) => answer((question as { after: number }).after) as never;
  return { ask, questions, close: async () => undefined };
}

it("reads what is there once, though the last rows come again with each page", async () => {
  for (const [count, questions] of [[3, 1], [1_000, 1], [4_999, 1], [5_000, 2], [12_000, 3]] as const) {
    const rows = new Map(Array.from({ length: count }, (_, index) => [index + 1, order(`o${index + 1}`)]));
    const accepted = new Accepted(100_000);
    const orders = ordersWith(rows, 1_000);
    await new AcceptedReader(orders, "lamp", accepted).load(0);
    assert.deepEqual([accepted.size, orders.questions.length], [count, questions]);
  }
});

it("a row that commits after a later one was read is found by the second look", async () => {
  const rows = new Map([1, 2, 4].map((seq) => [seq, order(`o${seq}`)]));
  const accepted = new Accepted(100);
  const orders = ordersWith(rows);
  const reader = new AcceptedReader(orders, "lamp", accepted);
  await reader.load(0);
  assert.equal(accepted.size, 3);
  rows.set(3, order("o3"));
  rows.set(5, order("o5"));
  await reader.refresh(500);
  assert.deepEqual([accepted.knows("o3"), accepted.knows("o5")], [false, true]);
  await reader.refresh(5_000);
  assert.equal(accepted.knows("o3"), true);
});

it("looks back only as far as ten seconds, and reads the rest once", async () => {
  const rows = new Map<number, ReturnType<typeof order>>();
  const accepted = new Accepted(100_000);
  const orders = ordersWith(rows);
  const reader = new AcceptedReader(orders, "lamp", accepted);
  await reader.load(0);
  for (let now = 500; now <= 60_000; now += 500) {
    rows.set(now, order(`o${now}`));
    await reader.refresh(now);
  }
  assert.equal(accepted.size, 120);
  assert.ok((orders.questions.at(-1) ?? 0) >= 40_000, `the last look began at ${orders.questions.at(-1)}`);
});

it("loads all pages at the start", async () => {
  const rows = new Map(Array.from({ length: 12_001 }, (_, index) => [index + 1, order(`o${index}`)]));
  const accepted = new Accepted(100_000);
  await new AcceptedReader(ordersWith(rows), "lamp", accepted).load(0);
  assert.equal(accepted.size, 12_001);
});
