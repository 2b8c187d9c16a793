import { plan, saga, type BranchContext, type Plan, type Runnable, type Saga } from "./doors.ts";
import type { Call } from "../src/transports/transport.ts";
import type { Participant, SagaParticipant, TccParticipant } from "../src/transports/participant.ts";
import { callByHand } from "./participants.ts";
import type { Random } from "../src/testing/virtual/random.ts";

/** What one node can reach: participants by name, and the same services by hand. */
export interface Reach {
  readonly stock: SagaParticipant<Json, Json>;
  readonly bank: SagaParticipant<Json, Json>;
  readonly wallet: TccParticipant<Json, Json>;
  readonly seats: TccParticipant<Json, Json>;
  /** Never refuses: what may come after a pivot. */
  readonly post: SagaParticipant<Json, Json>;
}
type Json = { readonly n: number };

export interface Flows {
  readonly definitions: readonly Runnable[];
  readonly byName: { readonly [name: string]: Saga<Json, unknown> };
}

/** A branch whose code is a closure: only the flow, run again, reaches its undo. */
function byHand(participant: Participant, op: Call["op"], branch: BranchContext): Promise<unknown> {
  const { gid, key, attempt, epoch, notAfterMs } = branch;
  return callByHand(participant.transport, { gid, branch: branch.branch, op, key, attempt, epoch, notAfterMs, payload: null }, branch.signal);
}

/** The same flows on every node; each node has its own wires. */
export function flowsFor(reach: Reach): Flows {
  const closures = saga("closures", async (tx, input: Json) => {
    await tx.step("reserve", async (b) => void (await byHand(reach.stock, "action", b)), { undo: (b) => byHand(reach.stock, "compensate", b) });
    await tx.step("charge", async (b) => void (await byHand(reach.bank, "action", b)), { undo: (b) => byHand(reach.bank, "compensate", b) });
    await tx.emit("order.placed", { key: tx.uuid(), payload: { n: input.n, at: tx.now() } });
    return { n: input.n };
  });
  const parallel = saga("parallel", async (tx, input: Json) => {
    const left = tx.step("left", reach.stock, input).then(() => tx.step("left-2", reach.bank, input));
    const right = tx.step("right", reach.bank, input).then(() => tx.tcc("right-2", reach.wallet, input));
    await Promise.all([left, right]);
    return input.n;
  });
  const tcc = saga("tcc", { deadlineMs: 60_000 }, async (tx, input: Json) => {
    await Promise.all([tx.tcc("pay", reach.wallet, input), tx.tcc("seat", reach.seats, input)]);
    return input.n;
  });
  const mixed = saga("mixed", async (tx, input: Json) => {
    await tx.tcc("pay", reach.wallet, input, { expiresAfterMs: 120_000 });
    await tx.step("reserve", reach.stock, input);
    if (input.n % 3 === 0) await tx.sleep(200);
    await tx.pivot("ship", reach.bank, input);
    await tx.step("thank", async (b) => void (await byHand(reach.post, "action", b)), { undo: "nothing" });
    return "shipped";
  });
  const byName = { closures, parallel, tcc, mixed };
  return { definitions: Object.values(byName), byName };
}

export function planFor(reach: Reach, random: Random): Plan {
  const n = random.between(1, 9);
  return plan({ stock: reach.stock, bank: reach.bank, wallet: reach.wallet, seats: reach.seats })
    .step("reserve", "stock", { n })
    .together((side) => side.tcc("pay", "wallet", { n }).tcc("seat", "seats", { n }))
    .step("charge", "bank", { n })
    .build();
}
