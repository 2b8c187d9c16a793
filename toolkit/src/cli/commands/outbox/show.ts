import { CommandError, EXIT, type Command } from "../../command.ts";
import { messageId, withLog } from "../../outbox-log.ts";
import { storeHelp, storeOptions } from "../../store.ts";
import { printMessage } from "./print.ts";

export const command: Command = {
  usage: "<id> [--json]",
  details: `${storeHelp}
  --json               everything as an object, the payload whole

  pending    not delivered to this subscription yet
  settled    delivered, or of a topic that it does not take
             the rest: see tripact outbox list --help

Only looks. A message that all subscriptions have settled is gone when its partition is emptied, at least an hour later.`,
  options: { ...storeOptions, json: { type: "boolean" } },
  positionals: { min: 1, max: 1 },
  async run(args, io) {
    const id = messageId(args.positionals[0]);
    const found = await withLog(args, io, ({ desk }) => desk.find(id));
    if (found === undefined) throw new CommandError(EXIT.notFound, `no message has the id ${id}, or it was delivered everywhere and is gone`);
    io.out(args.flag("json") ? `${JSON.stringify(found, null, 2)}\n` : `${printMessage(found.message, found.standings, Date.now())}\n`);
    return EXIT.ok;
  },
};
