/** What befalls wires between services: one proxy, or several, that break in the same way until the heal. */
import type { TcpProxy } from "@tripact/testbed";
import type { ProcessKind } from "../../platform/mode-processes.ts";
import type { Wire, WirePlan } from "../../platform/network/wires.ts";
import { FaultError, once, USUAL, type Fault, type Scene } from "../fault.ts";

/** Whoever carries a purchase to a participant: a worker, and a relay where messages do. */
export function carriersTo(...participants: readonly ProcessKind[]): readonly WirePlan[] {
  return participants.flatMap((to) => (["orders", "relay"] as const).map((from) => ({ from, to })));
}

/** Not a process: all wires of the fault at once. */
export const EVERY_WIRE = "every wire";

interface WireFault extends Pick<Fault, "name" | "mechanism" | "wires" | "holdMs"> {
  /** Called ones, or every wire. */
  readonly victims: readonly string[];
  readonly dependency?: Fault["dependency"];
  /** Made anew for each injection. `pass()` is the heal. */
  readonly breaking: (random: () => number) => Breaking;
}

/** Breaks one wire. */
interface Breaking {
  (proxy: TcpProxy): void | Promise<void>;
  /** For one that hits only some of what goes over a wire. @throws FaultError after the heal, where it has hit nothing */
  check?(): void;
}

export function wireFault({ victims, breaking, ...what }: WireFault): Fault {
  return {
    ...USUAL,
    dependency: "wire",
    ...what,
    victimsIn: () => victims,
    async inject({ platform, random }, victim) {
      const wires = laidWires(platform, what.wires, victim);
      const breaks = breaking(random);
      const check = once(() => breaks.check?.());
      const heal = async (): Promise<void> => {
        await Promise.all(wires.map(({ proxy }) => proxy.pass()));
        check();
      };
      try {
        for (const { proxy } of wires) await breaks(proxy);
      } catch (error) {
        await heal().catch(() => undefined);
        throw error;
      }
      return heal;
    },
  };
}

/** Of those that were planned, the ones to the victim. @throws where none was laid */
export function laidWires({ wires }: Scene["platform"], plans: readonly WirePlan[], victim: string): readonly Wire[] {
  const isOurs = ({ from, to }: WirePlan): boolean => plans.some((plan) => plan.from === from && plan.to === to);
  const laid = wires.filter((wire) => isOurs(wire) && (victim === EVERY_WIRE || wire.toName === victim));
  if (laid.length === 0) throw new FaultError("nothing-to-hit", `no wire leads to ${victim}`);
  return laid;
}
