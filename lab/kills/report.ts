/** A sale's run in words: a line for whoever watches, and everything that is known where a promise was broken. */
import assert from "node:assert/strict";
import type { Verdict } from "../checkers/checker.ts";
import { figuresOf } from "../checkers/figures.ts";
import { overall } from "../checkers/judge.ts";
import type { SaleRun } from "./sale.ts";
import type { Stage } from "./stage.ts";

const LAST_WORDS_CHARACTERS = 600;

export function summaryOf(stage: Stage, run: SaleRun): string {
  const [accepted, soldOut, unknown, refused] = [total(run, "accepted"), total(run, "soldOut"), total(run, "unknown"), total(run, "overloaded") + total(run, "notSent")];
  const paid = run.settled.phases.reduce((sum, phase) => sum + phase.paid, 0);
  return `${stage.mode}, ${run.fault}, seed ${run.seed}: ${total(run, "offered")} offered, ${accepted} accepted, ${soldOut} sold out, ${refused} not taken, ${unknown} unknown, ${paid} paid; ${overall(run.verdicts)}`;
}

export function total({ offers }: SaleRun, count: "offered" | "accepted" | "soldOut" | "unknown" | "overloaded" | "notSent"): number {
  return offers.reduce((sum, phase) => sum + phase[count], 0);
}

/** Every judge is content, nothing is open, and business was done; otherwise the message says all there is to say. */
export function assertHeld(stage: Stage, run: SaleRun): void {
  const { oversold, lost, duplicated, phantom, torn, stuck, unresolved } = figuresOf(run.verdicts);
  const figures = { oversold, lost: lost?.operations ?? null, duplicated, phantom, torn, stuck, unresolved, unwritten: run.unwritten };
  const problems = [
    ...run.verdicts.filter(({ verdict }) => verdict !== "valid" && verdict !== "not-applicable").map(inWords),
    ...(run.rest.kind === "quiet" ? [] : [`not at rest after ${Math.round(run.rest.tookMs)} ms: ${JSON.stringify(run.rest.open)}`]),
    ...Object.entries(figures).filter(([, figure]) => figure !== 0).map(([name, figure]) => `${name}: ${figure ?? "not known"}`),
    ...(run.settled.unresolved === 0 ? [] : [`${run.settled.unresolved} requests were asked again and never answered`]),
    // Nothing can go wrong where nothing is sold.
    ...(run.settled.phases.some(({ paid }) => paid > 0) ? [] : ["nothing was sold"]),
  ];
  if (problems.length === 0) return;
  const words = [...stage.platform.processes.values()].map(({ name, restarts, lastWords }) => `  ${name} (${restarts} restarts): ${lastWords.slice(-LAST_WORDS_CHARACTERS)}`);
  assert.fail([summaryOf(stage, run), ...problems.map((problem) => `  ${problem}`), "last words:", ...words].join("\n"));
}

export function inWords(verdict: Verdict): string {
  switch (verdict.verdict) {
    case "valid":
      return `${verdict.checker}: valid`;
    case "unknown":
      return `${verdict.checker}: could not judge, ${verdict.why}`;
    case "not-applicable":
      return `${verdict.checker}: not applicable, ${verdict.why}`;
    case "invalid":
      return `${verdict.checker}: ${JSON.stringify(verdict.counts.kinds)}; worst: ${JSON.stringify(verdict.worst)}; the first ones: ${JSON.stringify(verdict.examples)}`;
  }
}
