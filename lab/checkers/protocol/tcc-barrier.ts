import type { BarrierRow, TransactionRow } from "../checker.ts";
import { checkingWherever, type Findings } from "../findings.ts";
import { byGid, hasEnded, saidNo, storyOf } from "./story.ts";

/**
 * For each reservation, as its participant's barrier has it: idempotent (each phase once, confirmed or cancelled but not both); empty
 * rollback (a cancel that found no try has undone nothing, and left a tombstone); no hanging (no try stands after such a cancel). And when
 * its transaction has ended, what stood was confirmed or cancelled, as was decided; but for one that answered no after its row was there,
 * and so vouches that nothing is left.
 */
export const tccBarrier = checkingWherever("tcc-barrier", ["transactions", "entries", "barriers"], ({ transactions, entries, barriers }, findings) => {
  const entriesOf = byGid(entries);
  const noes = (gid: string): ReadonlySet<string> => new Set(storyOf(entriesOf.get(gid) ?? []).branches.filter(saidNo).map(({ name }) => name));
  const ends = new Map(transactions.map((transaction) => [transaction.gid, transaction]));
  const reservations = Map.groupBy(barriers.filter(({ op }) => op === "try" || op === "confirm" || op === "cancel"), ({ database, gid, branch }) => `${database}: ${gid}/${branch}`);
  for (const [key, rows] of reservations) {
    findings.looked();
    const tries = rows.filter(({ phase }) => phase === 1);
    const ended = rows.filter(({ phase }) => phase === 2);
    if (tries.length > 1 || ended.length > 1) findings.add({ kind: "twice", key, detail: rows.map(({ op, state }) => `${op} ${state}`).join(", ") });
    const pair: Pair = { key, tried: tries[0]?.state, end: ended[0] };
    judgePair(pair, findings);
    const transaction = ends.get(rows[0]?.gid ?? "");
    if (transaction === undefined) findings.note("transactionNotKnown", 1);
    else judgeEnd(pair, transaction, noes(transaction.gid).has(rows[0]?.branch ?? ""), findings);
  }
});

interface Pair {
  readonly key: string;
  readonly tried: BarrierRow["state"] | undefined;
  readonly end: BarrierRow | undefined;
}

function judgePair({ key, tried, end }: Pair, findings: Findings): void {
  if (end === undefined) return;
  const say = (kind: string, detail: string): void => findings.add({ kind, key, detail });
  if (end.op === "confirm") {
    if (tried !== "done") say("confirmed-untried", `it is confirmed, and its try ${tried === undefined ? "is not there" : `was ${tried}`}`);
  } else if (end.state === "empty") {
    if (tried === "done") say("hanging", "a cancel found nothing to undo, and the try stands");
    else if (tried === undefined) say("no-tombstone", "a cancel found nothing to undo, and a try that comes late would be taken");
  } else if (tried !== "done") say("cancelled-untried", `a cancel has undone something, and its try ${tried === undefined ? "is not there" : `was ${tried}`}`);
}

function judgeEnd({ key, tried, end }: Pair, transaction: TransactionRow, refused: boolean, findings: Findings): void {
  const { status } = transaction;
  // Where somebody made a branch end the other way, it has.
  if (!hasEnded(transaction) || status === "mixed") return;
  const wanted = status === "committed" ? "confirm" : "cancel";
  if (end !== undefined && end.op !== wanted && end.state === "done") findings.add({ kind: "against-decision", key, detail: `the transaction is ${status}, and this was ended by ${end.op}` });
  else if (tried === "done" && end === undefined && !refused) findings.add({ kind: "left-behind", key, detail: `the transaction is ${status}, and the try was never ended` });
}
