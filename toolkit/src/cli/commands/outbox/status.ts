import { setTimeout as sleep } from "node:timers/promises";
import { readNodes } from "../../../admin/nodes.ts";
import type { LaneRow, OutboxLog } from "../../../stores/outbox-log.ts";
import { EXIT, type Command } from "../../command.ts";
import { withLog } from "../../outbox-log.ts";
import { storeHelp, storeOptions } from "../../store.ts";
import { ownersOf, printStandings, type Relays } from "./print.ts";

/** A lock that stays free for half a second proves that its relay is dead, although its row says that it lives. */
const PROBE_MS = 800;
const PROBE_EVERY_MS = 50;

export const command: Command = {
  usage: "[--json]",
  details: `${storeHelp}
  --json               an array of objects instead of a table

  PENDING    committed, and not settled: what a relay has read and not stored counts too, for a second or five
  OLDEST     how long ago the oldest of them was written
  LANES      which relays have how many of the 64 lanes; "nobody", or one that is "gone", for longer than a few seconds: no relay runs`,
  options: { ...storeOptions, json: { type: "boolean" } },
  positionals: { min: 0, max: 0 },
  async run(args, io) {
    const { standings, lanes, relays } = await withLog(args, io, async (log) => {
      const rows = await log.lanes.list();
      return { standings: await log.desk.standings(), lanes: rows, relays: await relaysOf(log, rows) };
    });
    if (args.flag("json")) io.out(`${JSON.stringify(standings.map((it) => ({ ...it, lanes: ownersOf(it.subscription, lanes, relays) })), null, 2)}\n`);
    else io.out(`${printStandings(standings, lanes, relays)}\n`);
    return EXIT.ok;
  },
};

async function relaysOf({ membership }: OutboxLog, lanes: readonly LaneRow[]): Promise<Relays> {
  const nodes = await readNodes(membership);
  const owners = [...new Set(lanes.map(({ owner }) => owner))].filter((owner) => owner !== null);
  const gone = new Set(owners.filter((owner) => nodes.living(owner) === undefined));
  const untilMs = performance.now() + PROBE_MS;
  for (const owner of owners.filter((it) => !gone.has(it))) {
    let probe = await membership.probe(owner);
    while (probe === "unsure" && performance.now() < untilMs) {
      await sleep(PROBE_EVERY_MS);
      probe = await membership.probe(owner);
    }
    if (probe === "free") gone.add(owner);
  }
  return { nodes, gone };
}
