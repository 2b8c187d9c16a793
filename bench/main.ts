import { benchGateway } from "./gateway/bench.ts";
import { benchJournal } from "./journal/bench.ts";
import { BadUsage, parseCommand, usage } from "./options.ts";
import type { BenchCommand } from "./options.ts";
import { benchOutbox } from "./outbox/bench.ts";
import { benchPeers } from "./peers/bench.ts";
import { installPeers, peersAreInstalled } from "./peers/install.ts";
import { soak } from "./soak/soak.ts";

/** Progress goes to standard error, so that standard output is the table alone. */
function progress(line: string): void {
  console.error(line);
}

async function main(args: string[]): Promise<void> {
  const command = understood(args);
  if (command.kind === "help") {
    console.log(usage);
    return;
  }
  if (command.kind === "soak") return soak(command.plan, progress);
  if (command.kind === "gateway") return benchGateway(command.plan, progress);
  if (command.install && !peersAreInstalled()) await installPeers();
  switch (command.kind) {
    case "journal":
      return benchJournal(command.plan, progress);
    case "outbox":
      return benchOutbox(command.plan, progress);
    case "peers":
      return benchPeers(command.plan, progress);
  }
}

function understood(args: string[]): BenchCommand {
  try {
    return parseCommand(args);
  } catch (error) {
    if (!(error instanceof BadUsage)) throw error;
    console.error(`${error.message}\n\n${usage}`);
    process.exit(2);
  }
}

// Whatever was started is on a leash: leaving is all that Ctrl-C has to do.
process.once("SIGINT", () => process.exit(130));
await main(process.argv.slice(2));
