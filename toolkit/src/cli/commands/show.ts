import { readNodes } from "../../admin/nodes.ts";
import { printTimeline } from "../../admin/print-timeline.ts";
import { timelineOf } from "../../admin/timeline.ts";
import { checkGid } from "../../protocol/ids.ts";
import { EXIT, type Command } from "../command.ts";
import { recordOf, storeHelp, storeOptions, withStore } from "../store.ts";

export const command: Command = {
  usage: "<gid> [--json]",
  details: `${storeHelp}
  --json               the timeline as an object

Every line is a journaled event: when (since the start), in which entry, by which node, at which branch. Only looks.`,
  options: { ...storeOptions, json: { type: "boolean" } },
  positionals: { min: 1, max: 1 },
  async run(args, io) {
    const gid = checkGid(args.positionals[0]);
    const timeline = await withStore(args, io, async (store) => timelineOf(await recordOf(store, gid), await readNodes(store.membership)));
    io.out(args.flag("json") ? `${JSON.stringify(timeline, null, 2)}\n` : printTimeline(timeline));
    return EXIT.ok;
  },
};
