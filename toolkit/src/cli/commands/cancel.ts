import { sentenceOf } from "../../admin/print-timeline.ts";
import { checkGid } from "../../protocol/ids.ts";
import { EXIT, type Command } from "../command.ts";
import { deliver, whoIn } from "../letter.ts";
import { lookAt } from "./outcome.ts";
import { storeHelp, storeOptions, withStore } from "../store.ts";

export const command: Command = {
  usage: "<gid> [--who NAME] [--wait-ms N]",
  details: `${storeHelp}
  --who NAME           default: the user of this shell
  --wait-ms N          how long to watch it being taken up (default 5000)

Loses to a decision that is already made (exit 6). An unknown gid never starts from now on.`,
  options: { ...storeOptions, who: { type: "string" }, "wait-ms": { type: "string" } },
  positionals: { min: 1, max: 1 },
  async run(args, io) {
    const gid = checkGid(args.positionals[0]);
    const by = whoIn(args);
    const waitMs = args.whole("wait-ms", 5_000, 0, 600_000);
    return await withStore(args, io, async (store) => {
      const delivery = await deliver(store, gid, { kind: "cancel", by }, waitMs);
      if (delivery.kind === "waiting") {
        io.out(`written down for ${gid}, not taken up yet: ${delivery.why}\n`);
        return EXIT.waiting;
      }
      const outcome = (await lookAt(store, gid)) ?? { kind: "never-started" as const, gid };
      io.out(`${gid}: ${sentenceOf(outcome)}\n`);
      const lost = outcome.kind === "committed" || (outcome.kind === "open" && outcome.phase === "committing");
      return lost ? EXIT.refused : EXIT.ok;
    });
  },
};
