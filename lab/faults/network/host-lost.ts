import { livingProcesses, losePackets, socketsOf, type LetPass, type Packets } from "@tripact/testbed";
import { FaultError, untilHealed, USUAL, type Fault } from "../fault.ts";
import { OWN_NETWORK } from "./own-network.ts";

/** Longer than it may take the others to notice: what brings the purchases back is to be them, not its return. */
const HOLD_MS = 10_000;
const STOPPED_CAP_MS = 2_000;

/**
 * A purchase worker's machine is gone: no packet of it or to it arrives, and then it is dead. The kernel would otherwise close its
 * connections for it, and everybody would know at once.
 */
export const hostLost: Fault = {
  ...USUAL,
  ...OWN_NETWORK,
  name: "host-lost",
  mechanism: "nftables drops every packet from and to a purchase worker, then SIGKILL; 10 s later the way is free and it is started again",
  holdMs: HOLD_MS,
  victimsIn: () => ["orders-1", "orders-2"],
  async inject({ platform }, victim) {
    const process = platform.processes.get(victim);
    const pid = process?.pid;
    if (process === undefined || pid === undefined) throw new FaultError("nothing-to-hit", `${victim} is not running, so its host cannot be lost`);
    // Standing still, it opens no connection between the listing and the firewall.
    process.pause();
    let letPass: LetPass;
    try {
      await untilHealed(`${victim} stands still`, STOPPED_CAP_MS, () => livingProcesses().some((row) => row.pid === pid && row.state === "T"));
      letPass = await losePackets({ packets: packetsOf(pid) });
    } catch (error) {
      process.resume();
      throw error;
    }
    await process.killForGood();
    return async () => {
      await letPass();
      if (process.pid === undefined) await process.start();
    };
  },
};

function packetsOf(pid: number): readonly Packets[] {
  const { listening, connections } = socketsOf(pid);
  const others = connections.filter(({ localPort }) => !listening.includes(localPort));
  return [
    ...listening.flatMap((port): readonly Packets[] => [{ kind: "to", port }, { kind: "from", port }]),
    ...others.map(({ localPort, remotePort }): Packets => ({ kind: "connection", ports: [localPort, remotePort] })),
  ];
}
