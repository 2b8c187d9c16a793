/** All judges, in the order in which a report names them. */
import { lost } from "./buyers/lost.ts";
import { phantom } from "./buyers/phantom.ts";
import { toldTheTruth } from "./buyers/told-the-truth.ts";
import { unresolved } from "./buyers/unresolved.ts";
import type { Checker, Evidence, Verdict } from "./checker.ts";
import { moneyConserved } from "./money/money-conserved.ts";
import { providerAgrees } from "./money/provider-agrees.ts";
import { duplicated } from "./orders/duplicated.ts";
import { limitPerBuyer } from "./orders/limit-per-buyer.ts";
import { moves } from "./orders/moves.ts";
import { neverPaidAndCancelled } from "./orders/never-paid-and-cancelled.ts";
import { nothingStuck } from "./orders/nothing-stuck.ts";
import { oneOrderPerRequest } from "./orders/one-order-per-request.ts";
import { torn } from "./orders/torn.ts";
import { fencing } from "./protocol/fencing.ts";
import { outboxDelivery } from "./protocol/outbox-delivery.ts";
import { sagaCompensation } from "./protocol/saga-compensation.ts";
import { tccBarrier } from "./protocol/tcc-barrier.ts";
import { noOversell } from "./stock/no-oversell.ts";
import { stockConserved } from "./stock/stock-conserved.ts";

export const CHECKERS: readonly Checker[] = [
  noOversell, stockConserved, moneyConserved, providerAgrees, oneOrderPerRequest, limitPerBuyer, torn, neverPaidAndCancelled, nothingStuck,
  duplicated, moves, lost, phantom, toldTheTruth, unresolved, fencing, sagaCompensation, tccBarrier, outboxDelivery,
];

/**
 * Those that not every mode gives something to judge, by the modes that do. There, a table that is gone or has another name acquits nobody.
 */
const MUST_SPEAK: Readonly<Record<string, readonly Checker[]>> = {
  saga: [fencing, sagaCompensation],
  choreography: [outboxDelivery],
  tcc: [fencing, tccBarrier],
  outbox: [outboxDelivery],
};

/** @param mode whose evidence it is; where nobody says, whatever is not there is taken for what no mode had */
export function judge(evidence: Evidence, mode = ""): readonly Verdict[] {
  const expected = new Set(MUST_SPEAK[mode]?.map(({ name }) => name));
  return CHECKERS.map((checker) => {
    const verdict = checker.check(evidence);
    return verdict.verdict === "not-applicable" && expected.has(checker.name) ? { ...verdict, verdict: "unknown", why: `${verdict.why}, and ${mode} must have some` } : verdict;
  });
}

/** One no is a no; short of that, one judge who could not judge leaves it open. Whoever had nothing to judge in this mode has no say. */
export function overall(verdicts: readonly Verdict[]): "valid" | "invalid" | "unknown" {
  if (verdicts.some(({ verdict }) => verdict === "invalid")) return "invalid";
  const judged = verdicts.filter(({ verdict }) => verdict !== "not-applicable");
  return judged.length === 0 || judged.some(({ verdict }) => verdict === "unknown") ? "unknown" : "valid";
}
