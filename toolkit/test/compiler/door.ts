/** What the compiler says at the door: inputs are checked, outcomes are the flow's own and narrow. */
import { participant, saga, type Json, type RollBackReason, type SqlExecutor, type TransactionOutcome, type Tripact } from "tripact";
import { answers, crashAtEveryAwait, testSaga } from "tripact/testing";
import { holds, type Same } from "./same.ts";

interface Order {
  readonly sku: string;
}
declare const tripact: Tripact;
declare const db: SqlExecutor;
const purchase = saga("purchase", async (_tx, order: Order) => ({ id: order.sku.length }));
const dated = saga("dated", async (_tx, at: { readonly day: Date }) => at.day.getTime());

export async function starts(): Promise<void> {
  await tripact.start(purchase, { sku: "a" }, { gid: "g", deadlineMs: 5 });
  await tripact.start(db, purchase, { sku: "a" }, { gid: "g" });
  // @ts-expect-error: a misspelt member
  await tripact.start(purchase, { skuu: "a" });
  // @ts-expect-error: a misspelt member
  await tripact.start(db, purchase, { skuu: "a" });
  // @ts-expect-error: the input is missing
  await tripact.run(purchase);
  // @ts-expect-error: a Date would arrive as a text
  await tripact.run(dated, { day: new Date() });
  // @ts-expect-error: nor is it one in a test
  testSaga(dated).when({ day: new Date() });
  // @ts-expect-error: a misspelt option
  await tripact.start(purchase, { sku: "a" }, { deadline: 5 });
}

export async function outcomes(): Promise<string> {
  const outcome = await tripact.run(purchase, { sku: "a" });
  holds<Same<typeof outcome, TransactionOutcome<{ id: number }>>>();
  // @ts-expect-error: only what is committed has a result
  holds<Same<typeof outcome.result, { id: number }>>();
  switch (outcome.kind) {
    case "committed":
      holds<Same<typeof outcome.result, { id: number }>>();
      return String(outcome.result.id);
    case "rolled-back":
      holds<Same<typeof outcome.reason, RollBackReason>>();
      return outcome.branches.map((branch) => branch.state).join();
    case "mixed":
      return outcome.decision;
    case "open":
      return outcome.parked ?? outcome.phase;
    case "never-started":
      return outcome.gid;
  }
}

export async function asked(): Promise<void> {
  const outcome = await tripact.outcome("g");
  // Of an unknown definition, the result is whatever the journal holds.
  if (outcome.kind === "committed") holds<Same<typeof outcome.result, Json | undefined>>();
  // @ts-expect-error: four verdicts
  await tripact.decide("g", "branch", "maybe", "because");
  // @ts-expect-error: a decision says why
  await tripact.decide("g", "branch", "done");
  await tripact.complete("g", "pay", { kind: "done", result: { id: 7 } });
  // @ts-expect-error: an answer is done or refused
  await tripact.complete("g", "pay", { kind: "unknown" });
}

export const wallet = participant({
  try: (_call, input: Order) => ({ paymentId: input.sku }),
  confirm: (_call, _input, result) => holds<Same<typeof result, { paymentId: string }>>(),
  // Nobody may know how the try ended.
  cancel: (_call, _input, result) => holds<Same<typeof result, { paymentId: string } | undefined>>(),
});

// @ts-expect-error: a saga participant says how it is undone
export const lopsided = participant({ action: () => 1 });

export async function tests(): Promise<void> {
  await testSaga(purchase).given({ reserve: answers.done() }).when({ sku: "a" }).expect({ committed: { id: 1 } });
  // @ts-expect-error: another result
  await testSaga(purchase).when({ sku: "a" }).expect({ committed: { id: "1" } });
  // @ts-expect-error: an op is misspelt
  testSaga(purchase).given({ pay: { tri: answers.done() } });
  // @ts-expect-error: another input
  await crashAtEveryAwait(purchase, { sku: 1 });
}
