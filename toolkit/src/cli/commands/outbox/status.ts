import { readNodes } from "../../../admin/nodes.ts";
import { EXIT, type Command } from "../../command.ts";
import { withLog } from "../../outbox-log.ts";
import { storeHelp, storeOptions } from "../../store.ts";
import { ownersOf, printStandings } from "./print.ts";

export const command: Command = {
  usage: "[--json]",
  details: `${storeHelp}
  --json               an array of objects instead of a table

  PENDING    committed, and not settled: what a relay has read and not stored counts too, for a second or five
  OLDEST     how long ago the oldest of them was written
  LANES      which relays have how many of the 64 lanes; "nobody" or "gone" for longer than a few seconds: no relay runs`,
  options: { ...storeOptions, json: { type: "boolean" } },
  positionals: { min: 0, max: 0 },
  async run(args, io) {
    const { standings, lanes, nodes } = await withLog(args, io, async (log) => ({
      standings: await log.desk.standings(),
      lanes: await log.lanes.list(),
      nodes: await readNodes(log.membership),
    }));
    if (args.flag("json")) io.out(`${JSON.stringify(standings.map((it) => ({ ...it, lanes: ownersOf(it.subscription, lanes, nodes) })), null, 2)}\n`);
    else io.out(`${printStandings(standings, lanes, nodes)}\n`);
    return EXIT.ok;
  },
};
