import { Refused } from "../../../protocol/outcome.ts";
import type { SqlExecutor } from "../../../stores/sql.ts";
import type { OpenTransaction } from "../../transaction.ts";

export type LedgerOp = "action" | "compensate" | "try" | "confirm" | "cancel";

/** One delivery of one op. */
export interface Ask {
  readonly gid: string;
  readonly branch: string;
  readonly op: LedgerOp;
  /** The business says no this time, after it has already written: the write has to go with it. */
  readonly refuse: boolean;
}

/** What the coordinator got to hear. `seq` is the result of an op that took effect; an empty undo has none. */
export type Told =
  | { readonly kind: "done"; readonly seq?: number }
  | { readonly kind: "refused"; readonly code: string }
  | { readonly kind: "unknown"; readonly error: string };

export type Deliver = (ask: Ask) => Promise<Told>;

export interface Effect {
  readonly seq: number;
  readonly op: LedgerOp;
}

/** A business whose every effect is a row, without any key that would hide a second one. */
export interface Ledger {
  work(db: SqlExecutor, ask: Ask): Promise<{ readonly seq: number }>;
  effectsOf(gid: string): Promise<readonly Effect[]>;
}

export async function openLedger(open: OpenTransaction): Promise<Ledger> {
  await open((db) =>
    db.execute("create table if not exists effect (seq int generated always as identity, gid text, branch text, op text)", []),
  );
  return {
    async work(db, { gid, branch, op, refuse }) {
      const { rows } = await db.execute("insert into effect (gid, branch, op) values ($1, $2, $3) returning seq", [gid, branch, op]);
      if (refuse) throw new Refused("no-funds", { op });
      return { seq: Number(rows[0]?.seq) };
    },
    async effectsOf(gid) {
      const { rows } = await open((db) => db.execute("select seq, op from effect where gid = $1 order by seq", [gid]));
      return rows as unknown as readonly Effect[];
    },
  };
}

/** Makes an answer of what a participant returned or threw, as a transport does. */
export async function toldBy(work: () => Promise<{ readonly seq: number } | undefined>): Promise<Told> {
  try {
    const result = await work();
    return result === undefined ? { kind: "done" } : { kind: "done", seq: result.seq };
  } catch (error) {
    if (error instanceof Refused) return { kind: "refused", code: error.code };
    return { kind: "unknown", error: String(error) };
  }
}
