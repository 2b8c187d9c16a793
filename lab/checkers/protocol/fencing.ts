import type { EntryRow } from "../checker.ts";
import { checkingWherever } from "../findings.ts";
import { byGid } from "./story.ts";

/**
 * For each transaction of the journal: along its entries the epoch never falls, in one epoch one owner writes, no number is missing or
 * there twice, and its row is no older than its last entry. For each branch: what followed the decision was not first asked by an older
 * epoch than what came before it.
 */
export const fencing = checkingWherever("fencing", ["transactions", "entries", "barriers"], ({ transactions, entries, barriers }, findings) => {
  const entriesOf = byGid(entries);
  for (const { gid, kind, status, epoch, seq, pruned } of transactions) {
    // A tombstone has no entries.
    if (kind === "choreographed" || status === "never-started") continue;
    // Its entries are gone, and nobody can say any more who wrote them.
    if (pruned) findings.note("pruned", 1);
    if (pruned) continue;
    const own = entriesOf.get(gid) ?? [];
    findings.looked();
    const wrong = wrongAlong(own);
    if (wrong !== undefined) findings.add({ ...wrong, key: gid });
    const last = own.at(-1);
    const written = last === undefined ? 0 : last.seq;
    if (written !== seq) findings.add({ kind: "row-disagrees", key: gid, detail: `its row is at entry ${seq}, its last entry is ${written}` });
    else if (last !== undefined && last.epoch > epoch) findings.add({ kind: "row-disagrees", key: gid, detail: `its row is of epoch ${epoch}, its last entry of ${last.epoch}` });
  }
  for (const [key, rows] of Map.groupBy(barriers, ({ database, gid, branch }) => `${database}: ${gid}/${branch}`)) {
    const [before, after] = [rows.find(({ phase }) => phase === 1)?.epoch ?? null, rows.find(({ phase }) => phase === 2)?.epoch ?? null];
    if (before === null || after === null) continue;
    findings.looked();
    if (after < before) findings.add({ kind: "stale-call", key, detail: `begun by epoch ${before}, ended by epoch ${after}` });
  }
});

function wrongAlong(entries: readonly EntryRow[]): { readonly kind: string; readonly detail: string } | undefined {
  const owners = new Map<number, string>();
  let before: EntryRow | undefined;
  for (const entry of entries) {
    const { seq, epoch, owner } = entry;
    if (before !== undefined && epoch < before.epoch) return { kind: "stale-write", detail: `entry ${seq} is of epoch ${epoch}, entry ${before.seq} of ${before.epoch}` };
    if (seq !== (before?.seq ?? 0) + 1) return { kind: seq === before?.seq ? "twice" : "hole", detail: `entry ${seq} follows entry ${before?.seq ?? 0}` };
    const other = owners.get(epoch);
    if (owner !== null && other !== undefined && other !== owner) return { kind: "two-owners", detail: `epoch ${epoch} is of ${other} and, in entry ${seq}, of ${owner}` };
    if (owner !== null) owners.set(epoch, owner);
    before = entry;
  }
  return undefined;
}
