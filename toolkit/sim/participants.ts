import { Refused, type Answer } from "../src/protocol/outcome.ts";
import type { Call, Transport } from "../src/transports/transport.ts";
import type { Participant } from "../src/transports/participant.ts";
import type { Effect } from "../src/testing/effects.ts";
import type { Faults } from "./faults.ts";
import type { Process } from "../src/testing/virtual/process.ts";
import type { World } from "../src/testing/virtual/world.ts";
import type { Json } from "../src/protocol/json.ts";

type Row = { readonly kind: "done"; readonly result: Json } | { readonly kind: "refused"; readonly code: string };

/**
 * A remote service with a barrier, as a model: rows and effects change together, in one step of virtual time. It may say no, and it may
 * say no now and yes later (stock that comes back), unless the barrier has recorded the refusal.
 */
export class Service {
  readonly effects: Effect[] = [];
  readonly #rows = new Map<string, Row>();
  readonly #world: World;
  readonly #faults: Faults;
  readonly name: string;
  readonly #refuses: number;

  constructor(world: World, faults: Faults, name: string, refuses: number) {
    this.#world = world;
    this.#faults = faults;
    this.name = name;
    this.#refuses = refuses;
  }

  /** Executes one call that has arrived. */
  execute(call: Call): Answer {
    const key = `${call.key}/${call.op}`;
    const row = this.#rows.get(key);
    if (row !== undefined) return row.kind === "done" ? { kind: "done", result: row.result } : { kind: "refused", code: row.code };
    switch (call.op) {
      case "action":
      case "try":
        return this.#forward(call, key);
      case "compensate":
      case "cancel":
        return this.#undo(call, key);
      case "confirm":
        return this.#effect(call, key);
      case "wake":
      case "forget":
        return { kind: "unknown", code: "threw", error: `no ${call.op} here` };
    }
  }

  #forward(call: Call, key: string): Answer {
    if (this.#world.random.chance(this.#refuses)) {
      if (!this.#faults.broken("refusal-not-recorded")) this.#rows.set(key, { kind: "refused", code: "no" });
      return { kind: "refused", code: "no" };
    }
    return this.#effect(call, key);
  }

  #undo(call: Call, key: string): Answer {
    const forward = `${call.key}/${call.op === "cancel" ? "try" : "action"}`;
    const row = this.#rows.get(forward);
    if (row?.kind === "done") return this.#effect(call, key);
    // Empty roll back: a tombstone refuses the forward op should it still come.
    if (!this.#faults.broken("forward-after-undo")) this.#rows.set(forward, { kind: "refused", code: "already-undone" });
    this.#rows.set(key, { kind: "done", result: null });
    return { kind: "done", result: null };
  }

  #effect(call: Call, key: string): Answer {
    const { gid, branch, op } = call;
    if (this.#faults.broken("barrier-outside") && this.#world.random.chance(0.1)) {
      // The effect commits, the service dies, and its barrier row is gone.
      this.effects.push({ gid, branch, op, atMs: this.#world.nowMs });
      return { kind: "unknown", code: "reset", error: "the service died" };
    }
    const result = { by: this.name, n: this.effects.length };
    this.#rows.set(key, { kind: "done", result });
    this.effects.push({ gid, branch, op, atMs: this.#world.nowMs });
    return { kind: "done", result };
  }
}

/** The way from one process to a service: slow, lossy, and it may deliver twice, or long after the caller has given up. */
export function wire(world: World, faults: Faults, caller: Process, service: Service): Transport {
  return {
    features: { inProcess: false },
    async call(call, signal) {
      faults.maybeCrash(caller, `call ${call.key} ${call.op}`);
      const { random } = world;
      if (faults.broken("compensation-skipped-on-retry") && call.op === "compensate" && call.attempt > 1) return { kind: "done" };
      const answer = await new Promise<Answer>((resolve) => {
        signal.addEventListener("abort", () => resolve({ kind: "unknown", code: "aborted", error: "aborted" }));
        // A client that reads its own timeout as a no.
        if (faults.broken("unknown-as-refused")) world.after(1_500, caller, () => resolve({ kind: "refused", code: "timeout" }));
        const lost = random.chance(faults.lossRate);
        const arrivals = lost ? 0 : random.chance(faults.duplicateRate) ? 2 : 1;
        for (let copy = 0; copy < arrivals; copy += 1) {
          world.after(faults.delayMs(), undefined, () => {
            const result = service.execute(call);
            world.log(`${service.name} ${call.key} ${call.op} ${result.kind}`);
            if (!random.chance(faults.lossRate)) world.after(faults.delayMs(), caller, () => resolve(result));
          });
        }
      });
      faults.maybeCrash(caller, `answer ${call.key} ${call.op}`);
      return answer;
    },
    close: () => Promise.resolve(),
  };
}

export function remote<Kind extends "saga" | "tcc">(kind: Kind, service: Service, transport: Transport): Participant<Kind, { readonly n: number }, { readonly n: number }> {
  return { kind, target: service.name, transport, guard: "barrier" };
}

/** For closures in flows: the same wire, spoken by hand. */
export async function callByHand(transport: Transport, call: Call, signal: AbortSignal): Promise<Json> {
  const answer = await transport.call(call, signal);
  if (answer.kind === "done") return answer.result ?? null;
  if (answer.kind === "refused") throw new Refused(answer.code);
  throw new Error(answer.kind);
}
