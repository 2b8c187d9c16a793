import { losePackets, type LetPass, type Packets } from "@tripact/testbed";
import { FaultError, USUAL, type Fault, type Scene } from "../fault.ts";
import { EVERY_WIRE } from "./every-wire.ts";
import { OWN_NETWORK } from "./own-network.ts";

const PERCENT = 5;
const HOLD_MS = 10_000;

/** One in twenty packets between services, and between them and the database, in either direction. TCP sends it again, later. */
export const loss: Fault = {
  ...USUAL,
  ...OWN_NETWORK,
  name: "loss",
  mechanism: `nftables drops ${PERCENT} % of the packets between services, and to and from the database (numgen random)`,
  wires: EVERY_WIRE,
  holdMs: HOLD_MS,
  victimsIn: () => ["network"],
  inject: loseSome,
};

export function loseSome({ platform, databases }: Scene): Promise<LetPass> {
  const ports = [...platform.wires.map(({ proxy }) => proxy.port), databases.proxy?.port ?? []].flat();
  if (platform.wires.length === 0) throw new FaultError("nothing-to-hit", "no wire was laid between services, so none can lose anything");
  return losePackets({ percent: PERCENT, packets: ports.flatMap((port): readonly Packets[] => [{ kind: "to", port }, { kind: "from", port }]) });
}
