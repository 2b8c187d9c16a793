import type { BarrierRow, TransactionRow } from "../checker.ts";
import { checkingWherever, type Findings } from "../findings.ts";
import { byGid, saidNo, storyOf, type Branch, type Story } from "./story.ts";

/**
 * For each transaction that has ended: rolled back ⇒ every step that is known to have happened was undone, none that surely did not, and
 * the last begun first; committed ⇒ nothing that happened was undone; and its participants' barriers say the same, but for one that
 * answered no after its row was there, as one who waits for somebody else's word does: by its no it vouches that nothing is left. A
 * choreography is judged by the barriers alone: its undos go to everybody at once. Where a person had a word, nobody else has one.
 */
export const sagaCompensation = checkingWherever("saga-compensation", ["transactions", "entries", "barriers"], ({ transactions, entries, barriers }, findings) => {
  const [entriesOf, barriersOf] = [byGid(entries), byGid(barriers)];
  for (const transaction of transactions) {
    const { gid, status, pruned } = transaction;
    if (status !== "committed" && status !== "rolled-back") continue;
    const story = storyOf(entriesOf.get(gid) ?? []);
    if (story.byPerson) findings.note("byPerson", 1);
    if (story.byPerson) continue;
    const rows = (barriersOf.get(gid) ?? []).filter(({ op }) => op === "action" || op === "compensate");
    const steps = story.branches.filter(({ offer }) => offer === "step" || offer === "sql" || offer === "pivot");
    if (steps.length === 0 && rows.length === 0) continue;
    findings.looked();
    if (!pruned) judgeSteps(gid, status, { ...story, branches: steps }, findings);
    judgeBarriers(transaction, steps, rows, findings);
  }
});

function judgeSteps(gid: string, status: "committed" | "rolled-back", { branches, takenOver }: Story, findings: Findings): void {
  const undone = branches.filter(({ done }) => done.has("compensate"));
  if (status === "committed") {
    // A refusal that proves nothing is undone, though the flow went on without it.
    for (const { name, done } of undone) if (done.has("action")) findings.add({ kind: "undone-though-committed", key: gid, detail: `${name} was done, and undone` });
    return;
  }
  for (const { name, offer, undo, done, refused, attempted } of branches) {
    const happened = done.has("action");
    if (offer === "pivot" && happened) findings.add({ kind: "rolled-back-after-pivot", key: gid, detail: `${name} was done, and there was no way back` });
    else if (happened && undo !== "nothing" && !done.has("compensate")) findings.add({ kind: "not-undone", key: gid, detail: `${name} was done` });
    else if (refused && !happened && done.has("compensate") && !attempted && !takenOver) findings.add({ kind: "undone-without-need", key: gid, detail: `${name} was refused` });
  }
  for (const [place, later] of undone.entries()) {
    const earlier = undone[place - 1];
    if (earlier !== undefined && undoneAt(earlier) < undoneAt(later)) findings.add({ kind: "wrong-order", key: gid, detail: `${earlier.name} was undone before ${later.name}, which was begun after it` });
  }
}

const undoneAt = ({ done }: Branch): number => done.get("compensate") ?? 0;

function judgeBarriers({ gid, kind, status }: TransactionRow, steps: readonly Branch[], rows: readonly BarrierRow[], findings: Findings): void {
  const undoneBy = new Map(steps.filter((step) => !saidNo(step)).map(({ name, undo }) => [name, undo]));
  for (const [branch, own] of Map.groupBy(rows, ({ database, branch: name }) => `${database}: ${name}`)) {
    const [before, after] = [own.find(({ phase }) => phase === 1), own.find(({ phase }) => phase === 2)];
    const happened = before?.state === "done";
    if (after?.state === "done" && !happened) findings.add({ kind: "undone-without-need", key: gid, detail: `${branch} undid what was ${before?.state ?? "never there"}` });
    else if (after?.state === "done" && status === "committed") findings.add({ kind: "undone-though-committed", key: gid, detail: `${branch} was done, and undone` });
    const undone = undoneBy.get(before?.branch ?? "");
    const mayBeUndone = kind === "choreographed" || undone === "target";
    if (happened && status === "rolled-back" && mayBeUndone && after?.state !== "done") findings.add({ kind: "left-behind", key: gid, detail: `${branch} was done, and its undo ${after === undefined ? "never came" : `is ${after.state}`}` });
  }
}
