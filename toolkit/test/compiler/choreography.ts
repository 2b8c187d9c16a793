/** What the compiler says about choreographies: both sides are typed by the definition, and only by it. */
import { choreography, json, type Choreography, type Initiator } from "tripact/choreography";
import { holds, type Same } from "./same.ts";

interface Order {
  readonly sku: string;
  readonly cents: number;
}
interface Hold {
  readonly id: number;
}

const purchase = choreography("purchase", { input: json<Order>(), deadlineMs: 1_000 })
  .step("reserve", { payload: (order) => ({ sku: order.sku }), result: json<Hold>() })
  .step("rate", { after: [], result: json<{ readonly risk: number }>() })
  .step("charge", {
    after: ["reserve", "rate"],
    payload: (order, results) => {
      holds<Same<typeof order, Order>>();
      holds<Same<typeof results, { readonly reserve: Hold; readonly rate: { readonly risk: number } }>>();
      return order.cents * results.rate.risk;
    },
    result: json<string>(),
  })
  // The default is a chain: it sees what the step before it saw, and that step.
  .step("ship", { payload: (_order, { charge, reserve }) => [charge, reserve.id] as const });

purchase.participant("reserve", {
  action: async (_db, { payload, input, results }) => {
    holds<Same<typeof payload, { sku: string }>>();
    holds<Same<typeof input, Order>>();
    holds<Same<keyof typeof results, never>>();
    return { id: 7 };
  },
  compensate: async (_db, { result }) => holds<Same<typeof result, Hold>>(),
});
purchase.participant("rate", {
  // Without a payload of its own a step is given the input.
  action: async (_db, { payload }) => (holds<Same<typeof payload, Order>>(), { risk: 1 }),
  compensate: "nothing",
});
purchase.participant("charge", {
  action: async (_db, { payload }) => (holds<Same<typeof payload, number>>(), "receipt"),
  compensate: async (_db, { result }) => holds<Same<typeof result, string>>(),
});
purchase.participant("ship", {
  action: async (_db, { payload }) => {
    holds<Same<typeof payload, readonly [string, number]>>();
    return undefined;
  },
  compensate: "nothing",
});

const initiator = purchase.initiator({
  committed: async (_db, { input, results }) => {
    holds<Same<typeof input, Order>>();
    holds<Same<typeof results.charge, string>>();
    holds<Same<typeof results.ship, undefined>>();
  },
  rolledBack: async () => undefined,
});
holds<Same<typeof initiator extends Initiator<Order, infer R> ? keyof R : never, "reserve" | "rate" | "charge" | "ship">>();

declare const begun: Choreography<Order>;
// @ts-expect-error: no such step
purchase.participant("pay", { action: async () => undefined, compensate: "nothing" });
// @ts-expect-error: the result is declared as a Hold
purchase.participant("reserve", { action: async () => "h", compensate: "nothing" });
// @ts-expect-error: how it is undone must be said
purchase.participant("reserve", { action: async () => ({ id: 7 }) });
// @ts-expect-error: a step's name is taken once
purchase.step("reserve");
// @ts-expect-error: only a step that stands before it can be waited for
begun.step("later", { after: ["ship"] });
// @ts-expect-error: rate is not among the steps that led to it
purchase.step("gift", { after: ["reserve"], payload: (_order, results) => results.rate });
// @ts-expect-error: a Date would come back as text
json<{ readonly at: Date }>();
