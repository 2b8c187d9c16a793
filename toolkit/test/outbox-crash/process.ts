import { fileURLToPath } from "node:url";
import type { Notice, RelayHealth } from "tripact/relay";
import { Child, ChildPool } from "../processes/child.ts";
import type { Order, Report } from "./orders.ts";

const file = fileURLToPath(import.meta.resolve("./relay.ts"));

/** A relay process, seen from the test. */
export class RelayProcess extends Child<Order, Report> {
  /** Joins the others at this log. Throws what the relay could not. */
  async join(order: Omit<Extract<Order, { do: "join" }>, "do">): Promise<string> {
    this.order({ do: "join", ...order });
    const answer = await this.hears((it) => it.said === "joined" || it.said === "failed");
    if (answer?.said === "joined") return answer.incarnation;
    throw new Error(`a relay did not join: ${JSON.stringify(answer ?? "it ended")}`);
  }

  async health(): Promise<RelayHealth> {
    const from = this.reports.length;
    this.order({ do: "health" });
    const answer = await this.hears((it) => it.said === "health", from);
    if (answer?.said !== "health") throw new Error("a relay does not say how it is");
    return answer.health;
  }

  /** A notice of this kind, of all that came from report `from` on and will come, and when it came. */
  async notices<K extends Notice["kind"]>(kind: K, from = 0): Promise<number | undefined> {
    const report = await this.hears((it) => it.said === "notice" && it.notice.kind === kind, from);
    return report?.said === "notice" ? report.atMs : undefined;
  }

  /** Stops, and answers with how long that took; the process ends by itself. */
  async stop(times = 1): Promise<number> {
    this.order({ do: "stop", times });
    const answer = await this.hears((it) => it.said === "stopped" || (it.said === "failed" && it.order.do === "stop"));
    if (answer?.said !== "stopped") throw new Error(`a relay did not stop: ${JSON.stringify(answer ?? "it ended")}`);
    const { code, signal } = await this.exited();
    if (code !== 0) throw new Error(`a relay that stopped ended with ${code ?? signal}`);
    return answer.tookMs;
  }
}

/** Relays that are loaded and wait for their first order. */
export class WarmRelays extends ChildPool<RelayProcess> {
  constructor(size: number) {
    super(file, (leashed) => new RelayProcess(leashed), size);
  }
}
