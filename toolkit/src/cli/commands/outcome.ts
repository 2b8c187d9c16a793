import { sentenceOf } from "../../admin/print-timeline.ts";
import { checkGid } from "../../protocol/ids.ts";
import { systemClock } from "../../runtime/clock.ts";
import { outcomeOfRecord } from "../../runtime/reading.ts";
import type { TransactionOutcome } from "../../runtime/outcome.ts";
import type { Store } from "../../stores/store.ts";
import { EXIT, type Command } from "../command.ts";
import { notFound, storeHelp, storeOptions, withStore } from "../store.ts";

export const command: Command = {
  usage: "<gid> [--settle] [--json]",
  details: `${storeHelp}
  --settle             an unknown gid never starts from now on (without it, this only looks)
  --json               the outcome as an object`,
  options: { ...storeOptions, settle: { type: "boolean" }, json: { type: "boolean" } },
  positionals: { min: 1, max: 1 },
  async run(args, io) {
    const gid = checkGid(args.positionals[0]);
    const outcome = await withStore(args, io, async (store) => {
      const known = await lookAt(store, gid);
      if (known !== undefined || !args.flag("settle")) return known;
      // To answer "no" is to make it so. If a start won the race, there is an outcome now.
      await store.journal.post(gid, JSON.stringify({ kind: "nudge" }));
      return await lookAt(store, gid);
    });
    if (outcome === undefined) throw notFound(`${gid}; it may still start (--settle makes sure that it never does)`);
    io.out(args.flag("json") ? `${JSON.stringify(outcome, null, 2)}\n` : `${gid}: ${sentenceOf(outcome)}\n`);
    return EXIT.ok;
  },
};

/** As the journal has it. Writes nothing. */
export async function lookAt(store: Store, gid: string): Promise<TransactionOutcome | undefined> {
  const [record] = await store.journal.read([gid]);
  return record === undefined ? undefined : outcomeOfRecord(record, { clock: systemClock, notify: () => undefined });
}
