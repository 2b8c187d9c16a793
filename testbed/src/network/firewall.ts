/** Has the kernel lose packets, by nftables. Only in a private network: there is no way to touch the machine's own. */
import { run } from "../postgres/run.ts";
import { administratorsEnvironment, inPrivateNetwork } from "./private-network.ts";
import { FirewallError, rulesetOf, type PacketLoss } from "./ruleset.ts";

/** Lets them pass again. Twice does no harm. */
export type LetPass = () => Promise<void>;

let tables = 0;

/** From its resolution on, those packets are lost without a word to anybody. All rules come at once, or none does. */
export async function losePackets(loss: PacketLoss): Promise<LetPass> {
  if (!inPrivateNetwork()) throw new FirewallError("not-private", "packets are lost only in a private network, and this process is in the machine's own: start it by spawnInPrivateNetwork");
  tables += 1;
  const table = `tripact_${process.pid}_${tables}`;
  await nft(rulesetOf(table, loss));
  let passing: Promise<void> | undefined;
  return () => {
    passing ??= nft(`delete table inet ${table}\n`).catch((error: unknown) => {
      passing = undefined;
      throw error;
    });
    return passing;
  };
}

async function nft(commands: string): Promise<void> {
  await run("nft", ["-f", "-"], { env: administratorsEnvironment(), input: commands });
}
