/** What the compiler says about two-phase messages: the input is inferred from `messages`, answers are three words, outcomes are narrow. */
import { twoPhaseMessage, type Aborted, type CheckBack, type Prepared, type RollBackReason, type Submitted, type Tripact, type TwoPhaseMessage } from "tripact";
import { answers, crashAtEveryAwait, testSaga } from "tripact/testing";
import { holds, type Same } from "./same.ts";

interface Order {
  readonly buyer: string;
  readonly note?: string;
}
declare const tripact: Tripact;

const points = twoPhaseMessage("points", {
  messages: (order: Order) => [{ topic: "points.added", key: order.buyer, payload: order }],
  checkBack: async (asked) => {
    holds<Same<typeof asked, CheckBack<Order>>>();
    holds<Same<typeof asked.input, Order>>();
    return asked.attempt > 1 ? "refused" : "not-yet";
  },
  checkBackAfterMs: 1_000,
});
holds<Same<typeof points, TwoPhaseMessage<Order>>>();

export async function phases(): Promise<string> {
  const prepared = await points.prepare(tripact, { buyer: "ann" }, { gid: "g" });
  holds<Same<typeof prepared, Prepared>>();
  const submitted = await prepared.submit();
  holds<Same<typeof submitted, Submitted>>();
  holds<Same<typeof submitted.kind, "committed">>();
  const aborted = await points.abort(tripact, "g", "sold out");
  holds<Same<typeof aborted, Aborted>>();
  if (aborted.kind === "never-started") return aborted.gid;
  holds<Same<typeof aborted.reason, RollBackReason>>();
  // @ts-expect-error: a misspelt member
  await points.prepare(tripact, { buyr: "ann" });
  // @ts-expect-error: the input is missing
  await points.prepare(tripact);
  // @ts-expect-error: nothing but an answer ends it
  await points.prepare(tripact, { buyer: "ann" }, { deadlineMs: 5 });
  // @ts-expect-error: by gid
  await points.submit(tripact);
  return (await points.submit(tripact, "g")).kind;
}

const dated = twoPhaseMessage("dated", { messages: (at: { readonly day: Date }) => [{ topic: "t", key: "k", payload: at.day.getTime() }], checkBack: () => "done" });
// @ts-expect-error: a Date would arrive as a text
export const prepareDated = (): Promise<Prepared> => dated.prepare(tripact, { day: new Date() });

// @ts-expect-error: a message is JSON
twoPhaseMessage("date", { messages: (_: Order) => [{ topic: "t", key: "k", payload: new Date() }], checkBack: () => "done" });
// @ts-expect-error: a message has a key
twoPhaseMessage("keyless", { messages: (_: Order) => [{ topic: "t", payload: 1 }], checkBack: () => "done" });
// @ts-expect-error: three words are answers
twoPhaseMessage("yes", { messages: (_: Order) => [{ topic: "t", key: "k", payload: 1 }], checkBack: () => "yes" });
// @ts-expect-error: somebody has to be asked
twoPhaseMessage("silent", { messages: (_: Order) => [{ topic: "t", key: "k", payload: 1 }] });

export async function tests(): Promise<void> {
  await testSaga(points).given({ "check-back": answers.done() }).when({ buyer: "ann" }).expect({ committed: undefined });
  await crashAtEveryAwait(points, { buyer: "ann" });
  // @ts-expect-error: another input
  await crashAtEveryAwait(points, { buyer: 1 });
}
