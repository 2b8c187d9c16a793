import { afterCommit } from "@tripact/testbed";
import { Cuts } from "../cuts.ts";
import { FaultError, once, USUAL, type Fault } from "../fault.ts";

const HOLD_MS = 4_000;
const CUTS_MAX = 12;
const PAUSE_MAX_MS = 600;

/** It is committed, on both servers, and whoever committed it hears a reset. Which of all sessions it hits is a matter of who commits first. */
export const cutAfterCommit: Fault = {
  ...USUAL,
  name: "cut-after-commit",
  mechanism: `TCP proxy that reads PostgreSQL's replies: the one to a commit is dropped and its session reset, up to ${CUTS_MAX} times within ${HOLD_MS / 1_000} s`,
  holdMs: HOLD_MS,
  victimsIn: () => ["postgres"],
  async inject({ databases: { proxy }, random }) {
    if (proxy === undefined) throw new FaultError("nothing-to-hit", "everybody connects to the database directly, so there is no proxy to cut at");
    const cuts = new Cuts({ cutsMax: CUTS_MAX, pauseMaxMs: PAUSE_MAX_MS, random });
    proxy.intercept(() => {
      const committed = afterCommit()();
      return (direction, bytes) => (direction === "to-caller" && committed(bytes) && cuts.take(performance.now()) ? "cut" : "forward");
    });
    const check = once(() => cuts.check());
    return async () => {
      await proxy.pass();
      check();
    };
  },
};
