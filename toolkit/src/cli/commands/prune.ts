import { RETENTION } from "../../runtime/defaults.ts";
import { EXIT, usageError, type Command } from "../command.ts";
import { storeHelp, storeOptions, withStore } from "../store.ts";

const DAY_MS = 86_400_000;
const SLICE = 1_000;

export const command: Command = {
  usage: "[--entries-days N] [--headers-days N]",
  details: `${storeHelp}
  --entries-days N     keep the story of ended transactions this long (default ${RETENTION.entriesMs / DAY_MS})
  --headers-days N     keep their gid and outcome this long (default ${RETENTION.headersMs / DAY_MS}): longer than any client retries,
                       for a gid that is forgotten would start again

In slices of ${SLICE}; open transactions are never touched.`,
  options: { ...storeOptions, "entries-days": { type: "string" }, "headers-days": { type: "string" } },
  positionals: { min: 0, max: 0 },
  async run(args, io) {
    const entriesMs = args.whole("entries-days", RETENTION.entriesMs / DAY_MS, 0, 36_500) * DAY_MS;
    const headersMs = args.whole("headers-days", RETENTION.headersMs / DAY_MS, 0, 36_500) * DAY_MS;
    if (headersMs < entriesMs) throw usageError("--headers-days is at least --entries-days");
    const pruned = await withStore(args, io, async (store) => {
      for (let total = 0; ; ) {
        const touched = await store.journal.prune({ entriesMs, headersMs, limit: SLICE });
        total += touched;
        if (touched < SLICE) return total;
      }
    });
    io.out(`pruned ${pruned} ${pruned === 1 ? "transaction" : "transactions"}\n`);
    return EXIT.ok;
  },
};
