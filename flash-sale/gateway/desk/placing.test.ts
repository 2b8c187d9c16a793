import assert from "node:assert/strict";
import test from "node:test";
import type { OrdersDoor, Placed, Placement } from "../../contracts.ts";
import { Unknown, type Asking } from "../../service/ask.ts";
import { Placing } from "./placing.ts";

// One of two workers is on a host that is gone: nothing that is sent there is answered, or refused. The clock is ours.

interface Asked {
  readonly worker: string;
  readonly timeoutMs: number | undefined;
  readonly answer: () => void;
  readonly timeOut: () => void;
}

const placement: Placement = { orderId: "o", sku: "vase", buyer: "b", requestId: "r", quantity: 1, chunk: "c" };

function shop(): { readonly placing: Placing; readonly asked: Asked[]; pass(ms: number): void } {
  let nowMs = 0;
  const asked: Asked[] = [];
  const placed: Placed = { kind: "placed", orderId: "o", again: false };
  const workerNamed = (name: string): Asking<OrdersDoor> => ({
    ask: (path, _, { timeoutMs } = {}) => {
      const { promise, resolve, reject } = Promise.withResolvers<never>();
      // Every door's answer in one type: only placements are asked for here.
      asked.push({ worker: name, timeoutMs, answer: () => resolve(placed as never), timeOut: () => reject(new Unknown(path, "timeout")) });
      return promise;
    },
    close: () => Promise.resolve(),
  });
  const placing = new Placing({ workers: [workerNamed("gone"), workerNamed("alive")], clock: () => nowMs, onError: (error) => assert.fail(String(error)) });
  return { placing, asked, pass: (ms) => (nowMs += ms) };
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Until one was asked of the worker that is gone, and its time was up. */
async function fallsSilent({ placing, asked }: ReturnType<typeof shop>): Promise<void> {
  const placed = [placing.place(placement), placing.place(placement)];
  asked.find(({ worker }) => worker === "gone")?.timeOut();
  await settled();
  for (const { answer } of asked.filter(({ worker }) => worker === "alive")) answer();
  await Promise.all(placed);
  asked.length = 0;
}

test("a worker that does not answer is left alone for a while, and then tried by one question, which waits for less", async () => {
  const sale = shop();
  await fallsSilent(sale);
  const during = [1, 2, 3].map(() => sale.placing.place(placement));
  assert.deepEqual(sale.asked.map(({ worker }) => worker), ["alive", "alive", "alive"]);
  sale.pass(1_001);
  const later = [1, 2, 3, 4].map(() => sale.placing.place(placement));
  const trials = sale.asked.filter(({ worker }) => worker === "gone");
  assert.deepEqual(trials.map(({ timeoutMs }) => timeoutMs), [500]);
  trials[0]?.timeOut();
  await settled();
  for (const { answer } of sale.asked.filter(({ worker }) => worker === "alive")) answer();
  assert.deepEqual((await Promise.all([...during, ...later])).map(({ kind }) => kind), Array.from({ length: 7 }, () => "placed"));
});

test("once it answers it is asked in turn again, and given its full time", async () => {
  const sale = shop();
  await fallsSilent(sale);
  sale.pass(1_001);
  const tried = [sale.placing.place(placement), sale.placing.place(placement)];
  for (const { answer } of sale.asked) answer();
  await Promise.all(tried);
  sale.asked.length = 0;
  const placed = [1, 2, 3, 4].map(() => sale.placing.place(placement));
  const again = sale.asked.filter(({ worker }) => worker === "gone");
  assert.deepEqual(again.map(({ timeoutMs }) => timeoutMs), [2_000, 2_000]);
  for (const { answer } of sale.asked) answer();
  await Promise.all(placed);
});

test("while none of them answers, each is given its full time", async () => {
  const sale = shop();
  await fallsSilent(sale);
  const placed = sale.placing.place(placement);
  for (const [index] of ["alive", "gone"].entries()) {
    sale.asked[index]?.timeOut();
    await settled();
  }
  assert.deepEqual(await placed, { kind: "unknown" });
  sale.asked.length = 0;
  sale.pass(1_001);
  void sale.placing.place(placement);
  assert.deepEqual(sale.asked.map(({ timeoutMs }) => timeoutMs), [2_000]);
});

test("where it is the only one left, it is waited for", async () => {
  const sale = shop();
  await fallsSilent(sale);
  const placed = sale.placing.place(placement);
  sale.asked[0]?.timeOut();
  await settled();
  assert.deepEqual(sale.asked.map(({ worker, timeoutMs }) => [worker, timeoutMs]), [["alive", 2_000], ["gone", 2_000]]);
  sale.asked[1]?.answer();
  assert.deepEqual(await placed, { kind: "placed", orderId: "o", again: false });
});
