/** A coordinator in a process of its own: takes orders on its standard input, and dies where it is told to. */
import { writeSync } from "node:fs";
import { flushCompileCache } from "node:module";
import { createInterface } from "node:readline";
import { createTripact, participant, saga, TripactError, type Saga, type Tripact } from "tripact";
import { httpParticipant } from "tripact/http";
import { postgresStore } from "tripact/postgres";
import "pg";
import { Crasher } from "./crash.ts";
import { secret, wallMs, type Order, type Report } from "./orders.ts";
import { around, watchedParticipant, watchedStore } from "./points.ts";
import { flows, planOf, shapes, type Flows, type Parties, type Work } from "./shapes.ts";

const crasher = new Crasher((point) => say({ said: "passed", point }));
let joined: Joined | undefined;

interface Joined {
  readonly tripact: Tripact;
  readonly parties: Parties;
  readonly flows: Flows;
  readonly gated: Saga<null, string>;
  readonly gate: Gate;
}

/** Synchronous: what was said before a SIGKILL is heard. */
function say(report: Report): void {
  writeSync(1, `${JSON.stringify(report)}\n`);
}

async function obey(order: Order): Promise<void> {
  if (order.do === "arm") return crasher.arm(order.arm);
  if (order.do === "join") {
    crasher.arm(order.arm);
    joined = await join(order);
    return say({ said: "joined", incarnation: (await joined.tripact.health()).incarnation });
  }
  if (joined === undefined) throw new Error(`${order.do} before join`);
  switch (order.do) {
    case "start": {
      crasher.arm(order.arm);
      const { drive, work } = shapes[order.shape];
      const options = { gid: order.gid };
      const started =
        drive === "plan" ? await joined.tripact.startPlan(planOf(joined.parties, work, order.gid), options) : await joined.tripact.start(joined.flows[drive], work as Work, options);
      return say({ said: "started", ...started });
    }
    case "start-many": {
      const { tripact, gated } = joined;
      await Promise.all(Array.from({ length: order.count }, (_, n) => tripact.start(gated, null, { gid: `${order.prefix}${n}` })));
      return say({ said: "started", gid: order.prefix, attached: false });
    }
    case "gate":
      return order.open ? joined.gate.open() : joined.gate.close();
    case "stop":
      await joined.tripact.stop();
      process.exit(0);
  }
}

async function join({ journalUrl, participantsUrl, tuning, waitForStoreMs }: Extract<Order, { do: "join" }>): Promise<Joined> {
  const { pass } = crasher;
  const parties: Parties = {
    stock: watchedParticipant(httpParticipant({ kind: "saga", name: "stock", url: `${participantsUrl}/stock`, secret }), pass),
    wallet: watchedParticipant(httpParticipant({ kind: "tcc", name: "wallet", url: `${participantsUrl}/wallet`, secret }), pass),
    ship: (branch) =>
      around(pass, `call ${branch.branch}.${branch.op}`, async () => {
        const response = await fetch(`${participantsUrl}/ship`, { method: "POST", headers: branch.headers(), signal: branch.signal });
        if (!response.ok) throw new Error(`ship answered ${response.status}`);
        return (await response.json()) as string;
      }),
  };
  const gate = new Gate();
  const definitions = flows(parties);
  const gated = gatedSaga(gate);
  const tripact = await createTripact({
    store: watchedStore(postgresStore({ url: journalUrl, applicationName: `coordinator ${process.pid}` }), pass),
    definitions: [...Object.values(definitions), gated],
    participants: [parties.stock, parties.wallet],
    onNotice: (notice) => say({ said: "notice", notice, atMs: wallMs() }),
    ...(waitForStoreMs === undefined ? {} : { waitForStoreMs }),
    ...tuning,
  });
  return { tripact, parties, flows: definitions, gated, gate };
}

class Gate {
  #waiting = Promise.withResolvers<void>();

  open(): void {
    this.#waiting.resolve();
  }

  close(): void {
    this.#waiting = Promise.withResolvers();
  }

  get opened(): Promise<void> {
    return this.#waiting.promise;
  }
}

/** Three steps of 5 ms each; the second one first waits until the gate is open. Idempotent by nature: nothing is written. */
function gatedSaga(gate: Gate): Saga<null, string> {
  const work = (): Promise<string> => new Promise((resolve) => setTimeout(resolve, 5, "worked"));
  const quick = participant<null, string>({ name: "quick", action: work, compensate: work });
  const behindGate = participant<null, string>({ name: "gated", action: () => gate.opened.then(work), compensate: work, timeoutMs: 600_000 });
  return saga("gated", async (tx) => {
    await tx.step("before", quick, null);
    await tx.step("gate", behindGate, null);
    return await tx.step("after", quick, null);
  });
}

createInterface({ input: process.stdin }).on("line", (line) => {
  const order = JSON.parse(line) as Order;
  obey(order).catch((error: unknown) => {
    const code = error instanceof TripactError ? error.code : "";
    say({ said: "failed", order, code, error: error instanceof Error ? error.message : String(error) });
  });
});
// Processes that are killed do not write it at their end.
flushCompileCache();
say({ said: "warm" });
