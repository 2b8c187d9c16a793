import { RETENTION } from "../../runtime/defaults.ts";
import type { Store } from "../../stores/store.ts";
import { EXIT, usageError, type Command } from "../command.ts";
import { storeHelp, storeOptions, withStore } from "../store.ts";

const DAY_MS = 86_400_000;
const DAYS_MAX = 36_500;
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
    const entriesMs = args.whole("entries-days", RETENTION.entriesMs / DAY_MS, 0, DAYS_MAX) * DAY_MS;
    const headersMs = args.whole("headers-days", RETENTION.headersMs / DAY_MS, 0, DAYS_MAX) * DAY_MS;
    if (headersMs < entriesMs) throw usageError(`--headers-days (${headersMs / DAY_MS}) is at least --entries-days (${entriesMs / DAY_MS})`);
    // The store counts both in one number: stories first, when nothing is old enough to be forgotten, and then the rest.
    const { stories, gids } = await withStore(args, io, async (store) => ({
      stories: await prune(store, entriesMs, DAYS_MAX * DAY_MS),
      gids: await prune(store, entriesMs, headersMs),
    }));
    io.out(`deleted ${stories} ${stories === 1 ? "story" : "stories"}, forgot ${gids} ${gids === 1 ? "gid" : "gids"}\n`);
    return EXIT.ok;
  },
};

async function prune(store: Store, entriesMs: number, headersMs: number): Promise<number> {
  for (let total = 0; ; ) {
    const touched = await store.journal.prune({ entriesMs, headersMs, limit: SLICE });
    total += touched;
    if (touched < SLICE) return total;
  }
}
