import type { Effect, LedgerOp, Told } from "./ledger.ts";

/** One delivery of a branch, in the order in which they were answered. */
export interface Heard {
  readonly op: LedgerOp;
  readonly told: Told;
}

/** What is wrong with one branch, once everything was answered, in sentences; empty if nothing is. Pure. */
export function violationsOf(heard: readonly Heard[], effects: readonly Effect[]): string[] {
  const count = (op: LedgerOp): number => effects.filter((effect) => effect.op === op).length;
  const told = (op: LedgerOp, kind: Told["kind"]): boolean => heard.some((one) => one.op === op && one.told.kind === kind);
  const forwards = count("action") + count("try");
  const undos = count("compensate") + count("cancel");
  const undone = told("compensate", "done") || told("cancel", "done");

  return [
    ...allOps.filter((op) => count(op) > 1).map((op) => `${op} took effect ${count(op)} times`),
    ...(undos > forwards ? ["an undo took effect without its forward op"] : []),
    ...(undone && forwards !== undos ? [`undone, yet ${forwards} forward and ${undos} undo effects stand`] : []),
    ...(count("confirm") > count("try") ? ["confirm took effect without a try"] : []),
    ...(count("confirm") > 0 && count("cancel") > 0 ? ["confirmed and cancelled"] : []),
    ...(forwardLast(effects) ? ["a forward op took effect after what follows it"] : []),
    ...allOps.flatMap((op) => truthOf(op, count(op), told)),
    ...allOps.flatMap((op) => changesOf(op, heard)),
    ...missedIn(heard),
  ];
}

const allOps: readonly LedgerOp[] = ["action", "compensate", "try", "confirm", "cancel"];

function isForward(op: LedgerOp): boolean {
  return op === "action" || op === "try";
}

function forwardLast(effects: readonly Effect[]): boolean {
  const last = effects.at(-1);
  return effects.length > 1 && last !== undefined && isForward(last.op);
}

/** Done means that the effect is there, refused that it is not. An undo that is done may have had nothing to do. */
function truthOf(op: LedgerOp, effects: number, told: (op: LedgerOp, kind: Told["kind"]) => boolean): string[] {
  const mayBeEmpty = op === "compensate" || op === "cancel";
  return [
    ...(told(op, "done") && effects === 0 && !mayBeEmpty ? [`${op} was told done and has no effect`] : []),
    ...(told(op, "refused") && effects > 0 && isForward(op) ? [`${op} was told refused and has an effect`] : []),
  ];
}

/** What was answered once is answered for ever: the same kind, result and code. */
function changesOf(op: LedgerOp, heard: readonly Heard[]): string[] {
  const answers = heard.filter((one) => one.op === op && one.told.kind !== "unknown").map(({ told }) => told);
  // A confirm that came before its try is right to be done after it.
  const settled = answers.findIndex((told) => !(told.kind === "refused" && told.code === "confirm-without-try"));
  const kept = settled === -1 ? [] : answers.slice(settled).map((told) => JSON.stringify(told));
  return new Set(kept).size > 1 ? [`${op} was answered ${[...new Set(kept)].join(", then ")}`] : [];
}

/** What must not be refused: an undo unless confirmed, a confirm of a standing try. */
function missedIn(heard: readonly Heard[]): string[] {
  const missed: string[] = [];
  const done = new Set<LedgerOp>();
  for (const { op, told } of heard) {
    if (told.kind === "done") done.add(op);
    if (told.kind !== "refused") continue;
    if (op === "compensate") missed.push(`compensate was refused: ${told.code}`);
    if (op === "cancel" && !done.has("confirm")) missed.push(`cancel was refused: ${told.code}`);
    if (op === "confirm" && done.has("try") && !done.has("cancel")) missed.push(`confirm of a standing try was refused: ${told.code}`);
  }
  return missed;
}
