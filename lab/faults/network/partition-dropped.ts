import { losePackets, type Packets } from "@tripact/testbed";
import type { Fault } from "../fault.ts";
import { partition } from "../wires/partition.ts";
import { laidWires } from "../wires/wire.ts";
import { OWN_NETWORK } from "./own-network.ts";

function dropped(name: string, mechanism: string, packetsAt: (port: number) => readonly Packets[]): Fault {
  return {
    ...partition,
    ...OWN_NETWORK,
    name,
    mechanism,
    inject: (scene, victim) => losePackets({ packets: laidWires(scene.platform, partition.wires, victim).flatMap(({ proxy }) => packetsAt(proxy.port)) }),
  };
}

/** As `partition`, by the kernel: neither data nor acknowledgements nor handshakes, so nobody connects either. Healed, TCP is as far behind as its own retries. */
export const partitionDropped = dropped("partition-dropped", "nftables drops every packet between orders and stock", (port) => [{ kind: "to", port }, { kind: "from", port }]);

/** One way: the stock hears what is asked and does it, and nobody hears its answer. */
export const repliesDropped = dropped("replies-dropped", "nftables drops every packet from stock to orders", (port) => [{ kind: "from", port }]);
