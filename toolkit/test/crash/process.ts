import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Child, ChildPool } from "../processes/child.ts";
import type { Order, Report } from "./orders.ts";
import type { ShapeName } from "./shapes.ts";

const file = fileURLToPath(import.meta.resolve("./coordinator.ts"));
const OVERLOADED_RETRY_MS = 20;

/** A coordinator process, seen from the test. */
export class CoordinatorProcess extends Child<Order, Report> {
  /** Joins the others at this journal. Throws what the coordinator could not. */
  async join(order: Omit<Extract<Order, { do: "join" }>, "do">): Promise<string> {
    this.order({ do: "join", ...order });
    const answer = await this.hears((it) => it.said === "joined" || it.said === "failed");
    if (answer?.said === "joined") return answer.incarnation;
    throw new Error(`a coordinator did not join: ${JSON.stringify(answer ?? "it ended")}`);
  }

  /** Starts a transaction as a patient caller would: `overloaded` is tried again. Throws any other refusal. */
  async start(shape: ShapeName, gid: string): Promise<void> {
    const concerns = (it: Report): boolean => (it.said === "started" && it.gid === gid) || (it.said === "failed" && it.order.do === "start" && it.order.gid === gid);
    for (let heard = 0; ; heard += 1) {
      this.order({ do: "start", shape, gid });
      let count = 0;
      const answer = await this.hears((it) => concerns(it) && (count += 1) > heard);
      if (answer?.said === "started") return;
      if (answer?.said !== "failed" || answer.code !== "overloaded") throw new Error(`${gid} did not start: ${JSON.stringify(answer ?? "the process ended")}`);
      await sleep(OVERLOADED_RETRY_MS);
    }
  }
}

/** Coordinators that are loaded and wait for their first order. */
export class WarmPool extends ChildPool<CoordinatorProcess> {
  constructor(size: number) {
    super(file, (leashed) => new CoordinatorProcess(leashed), size);
  }
}
