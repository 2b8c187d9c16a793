/** What the compiler says about plans: participants are named by the keys of a typed map. */
import { plan, resultOf, type Plan, type SagaParticipant, type TccParticipant } from "tripact";
import { holds, type Same } from "./same.ts";

declare const bank: SagaParticipant<{ readonly cents: number; readonly to?: { readonly iban: string } }, { readonly id: string }>;
declare const wallet: TccParticipant<{ readonly holdId: string }, null>;

const built = plan({ bank, wallet })
  .step("debit", "bank", { cents: 5 })
  .tcc("pay", "wallet", { holdId: "h" }, { expiresAfterMs: 60_000 })
  .build();
holds<Same<typeof built, Plan>>();

// Any part of a payload may be an earlier result.
plan({ bank, wallet }).step("debit", "bank", { cents: 5 }).tcc("pay", "wallet", { holdId: resultOf("debit", "/id") });
plan({ bank, wallet }).step("debit", "bank", { cents: resultOf("earlier"), to: { iban: resultOf("earlier", "/iban") } });
plan({ bank, wallet }).step("debit", "bank", resultOf("earlier"));
plan({ bank, wallet }).together((side) => side.step("debit", "bank", { cents: 5 }).tcc("pay", "wallet", { holdId: "h" }));

// @ts-expect-error: nobody is called bankk
plan({ bank, wallet }).step("debit", "bankk", { cents: 5 });
// @ts-expect-error: side by side as well
plan({ bank, wallet }).together((side) => side.step("debit", "bnak", { cents: 5 }));
// @ts-expect-error: a TCC participant is no step
plan({ bank, wallet }).step("pay", "wallet", { holdId: "h" });
// @ts-expect-error: a saga participant has no try
plan({ bank, wallet }).tcc("debit", "bank", { cents: 5 });
// @ts-expect-error: a TCC participant is no pivot
plan({ bank, wallet }).pivot("pay", "wallet", { holdId: "h" });
// @ts-expect-error: another payload
plan({ bank, wallet }).step("debit", "bank", { cents: "5" });
// @ts-expect-error: a misspelt member
plan({ bank, wallet }).step("debit", "bank", { cent: 5 });
// @ts-expect-error: a step is compensated, or nothing has to be undone
plan({ bank, wallet }).step("debit", "bank", { cents: 5 }, { undo: "none" });
// @ts-expect-error: a message is JSON
plan({ bank, wallet }).emit("paid", { key: "k", payload: new Date() });
