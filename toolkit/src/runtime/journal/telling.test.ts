import { describe, it } from "node:test";
import assert from "node:assert/strict";
import { participant, Refused, saga, type Notice } from "tripact";
import { eventually, gate, nodes } from "../../../test/memory/nodes.ts";

const kinds = (notices: readonly Notice[], ...of: Notice["kind"][]): string[] => notices.map(({ kind }) => kind).filter((kind) => of.includes(kind));

describe("an operator is told", () => {
  it("of a transaction that parks because its confirm was refused", async (t) => {
    const { node, notices } = nodes(t);
    const wallet = participant({ name: "wallet", try: () => 1, confirm: () => Promise.reject(new Refused("gone")), cancel: () => undefined });
    const paying = saga("paying", async (tx, _: null) => await tx.tcc("pay", wallet, null));
    const tripact = await node({ definitions: [paying], participants: [wallet] });
    await tripact.start(paying, null, { gid: "g" });
    await eventually(() => kinds(notices, "parked").length > 0, "it parks");
    assert.deepEqual(notices.find(({ kind }) => kind === "parked"), { kind: "parked", gid: "g", branch: "pay", reason: "second-phase-refused", detail: "gone" });
  });

  it("once that a branch is late, and once that it is no more", async (t) => {
    const { node, notices } = nodes(t);
    let calls = 0;
    const wallet = participant({
      name: "wallet",
      try: () => 1,
      confirm: () => {
        calls += 1;
        if (calls < 20) throw new Error("away");
      },
      cancel: () => undefined,
    });
    const paying = saga("paying", async (tx, _: null) => await tx.tcc("pay", wallet, null));
    const tripact = await node({ definitions: [paying], participants: [wallet], breakerAfter: 1_000 });
    assert.equal((await tripact.run(paying, null, { gid: "g" })).kind, "committed");
    assert.deepEqual(kinds(notices, "late", "late-over"), ["late", "late-over"]);
  });

  it("nothing of lateness where spent attempts decide to roll back", async (t) => {
    const { node, notices } = nodes(t);
    const failing = saga("failing", async (tx, _: null) => await tx.step("a", () => Promise.reject(new Error("away")), { undo: () => undefined }));
    const tripact = await node({ definitions: [failing] });
    assert.equal((await tripact.run(failing, null, { gid: "g" })).kind, "rolled-back");
    assert.deepEqual(kinds(notices, "late", "rolled-back"), ["rolled-back"]);
  });

  it("that it is rolled back when everything is undone, not when that is decided", async (t) => {
    const { node, notices } = nodes(t);
    const [undoing, waits] = [gate(), gate()];
    const declined = saga("declined", async (tx, _: null) => {
      await tx.step("hold", () => 1, {
        undo: async () => {
          undoing.open();
          await waits.opened;
        },
      });
      throw new Refused("no");
    });
    const tripact = await node({ definitions: [declined] });
    const end = tripact.run(declined, null, { gid: "g" });
    await undoing.opened;
    assert.deepEqual(kinds(notices, "rolled-back"), []);
    waits.open();
    assert.equal((await end).kind, "rolled-back");
    assert.deepEqual(notices.find(({ kind }) => kind === "rolled-back"), { kind: "rolled-back", gid: "g", reason: { kind: "refused-by-flow", code: "no" } });
  });
});
