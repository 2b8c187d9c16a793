import { whyNoDisk } from "@tripact/testbed";
import { Client } from "pg";
import { FaultError, untilHealed, USUAL, type Fault } from "../fault.ts";

const HOLD_MS = 6_000;
const BACK_CAP_MS = 40_000;
const STATEMENT_CAP_MS = 5_000;
/** As many as the log keeps at its default size. */
const SEGMENTS_MAX = 64;

/**
 * Nothing new fits on the primary's disk, then there is room again. Postgres goes on as long as it can write over what it has: a table that must
 * grow is refused, and a log that needs its next segment stops the server (PANIC). Which of the two comes first is chance, so the victim is drawn.
 * Nobody fails over: a standby of the same size is as full, and whether the same server comes back by itself is the question.
 */
export const diskFull: Fault = {
  ...USUAL,
  name: "disk-full",
  mechanism: "every free block of the primary's own ext4 taken by a filler file, freed 6 s later; with victim \"log\" also at the end of a segment; the same server is started again until it runs",
  needsRoot: true,
  notPossible: whyNoDisk,
  disk: "own",
  load: "light",
  database: "restart",
  holdMs: HOLD_MS,
  victimsIn: () => ["tables", "log"],
  async inject({ databases: { disk, primary }, watch }, victim) {
    if (disk === undefined) throw new FaultError("nothing-to-hit", "the primary has no disk of its own, so it cannot be filled");
    await disk.fill();
    if (victim === "log") await useUpLog(primary.url());
    return async () => {
      await disk.free();
      const isBack = (): boolean => primary.pid !== undefined && (watch.timeline.at(-1)?.kind ?? "writable") === "writable";
      await untilHealed("the server takes writes", BACK_CAP_MS, () => watch.state === "gave-up" || isBack());
      if (watch.state === "gave-up") throw new FaultError("not-healed", `the server stays dead: ${watch.timeline.at(-1)?.detail}`);
    };
  },
};

/** Segments that were made beforehand are used up too, until one is missing and the server says so by its death. */
async function useUpLog(url: string): Promise<void> {
  for (let segment = 0; segment < SEGMENTS_MAX; segment += 1) {
    const client = new Client({ connectionString: url, connectionTimeoutMillis: STATEMENT_CAP_MS, query_timeout: STATEMENT_CAP_MS });
    client.on("error", () => undefined);
    try {
      await client.connect();
      await client.query("select pg_logical_emit_message(true, 'tripact-fault', '')");
      await client.query("select pg_switch_wal()");
    } catch {
      return;
    } finally {
      await client.end().catch(() => undefined);
    }
  }
}
