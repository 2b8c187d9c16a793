import { describe, it } from "node:test";
import assert from "node:assert/strict";
import { setTimeout as wait } from "node:timers/promises";
import { participant, saga } from "tripact";
import { eventually, gate, nodes } from "../../../test/memory/nodes.ts";

describe("calls that are called off", () => {
  it("say nothing about the participant: its breaker stays closed", async (t) => {
    const { node, notices } = nodes(t);
    let begun = 0;
    const slow = participant({ name: "slow", action: async (call) => {
      begun += 1;
      await new Promise((resolve) => call.signal.addEventListener("abort", resolve, { once: true }));
      throw new Error("aborted");
    }, compensate: () => undefined });
    const definition = saga("using", async (tx, _: number) => await tx.step("use", slow, null));
    const tripact = await node({ definitions: [definition], participants: [slow], breakerAfter: 3, opTimeoutMs: 10_000 });
    const gids = Array.from({ length: 6 }, (_, n) => `g${n}`);
    for (const [n, gid] of gids.entries()) await tripact.start(definition, n, { gid });
    await eventually(() => begun === gids.length, "all are called");
    await Promise.all(gids.map((gid) => tripact.cancel(gid)));
    await eventually(async () => (await tripact.health()).journal?.open === 0, "all have ended");
    assert.ok(!notices.some(({ kind }) => kind === "participant-paused"));
  });

  it("undo nothing at an unguarded participant once another node has taken over", async (t) => {
    const { node, dropLockOf } = nodes(t);
    const asked = gate();
    const undone: string[] = [];
    const definition = (name: string) => saga("paying", async (tx, _: null) => {
      await tx.step("pay", () => 1, {
        undo: () => void undone.push(name),
        unguarded: { settleMs: 150, ask: () => {
          asked.open();
          // There again after the settle time, as a lost call that landed late would be.
          return Promise.resolve(name === "a");
        } },
      });
      throw new Error("roll back");
    });
    const [mine, theirs] = [definition("a"), definition("b")];
    const a = await node({ definitions: [mine] });
    await a.start(mine, null, { gid: "g" });
    await asked.opened;
    const b = await node({ definitions: [theirs] });
    await dropLockOf(a);
    assert.equal((await b.run(theirs, null, { gid: "g" })).kind, "rolled-back");
    await wait(200);
    assert.deepEqual(undone, ["a"]);
  });
});
