import assert from "node:assert/strict";
import test from "node:test";
import type { Heard, Membership, NodeRow } from "../../stores/store.ts";
import { handClock } from "../../../test/memory/hand-clock.ts";
import { tune } from "../options.ts";
import { Ownership } from "./ownership.ts";

const PEER = "00000000-0000-4000-8000-000000000000";

/** Answers wait while it is shut. */
function door() {
  let opened = Promise.withResolvers<void>();
  opened.resolve();
  return {
    pass: (): Promise<void> => opened.promise,
    shut: (): void => {
      opened = Promise.withResolvers<void>();
    },
    open: (): void => opened.resolve(),
  };
}

/** Ourselves and a peer, on a store that does what the test says. */
function byHand() {
  const { clock, goTo } = handClock();
  const ears = new Set<(heard: Heard) => void>();
  const rows = new Map<string, NodeRow>();
  const fenced: string[] = [];
  const [lock, listen] = [door(), door()];
  const raise = (incarnation: string): void => {
    const row = rows.get(incarnation) ?? { incarnation, name: incarnation, beat: 0, fenced: false, runs: [] };
    rows.set(incarnation, { ...row, beat: row.beat + 1 });
  };
  raise(PEER);
  const membership: Membership = {
    join: async ({ incarnation }) => {
      await lock.pass();
      raise(incarnation);
      return true;
    },
    beat: async (incarnation) => {
      await listen.pass();
      raise(incarnation);
      return [...rows.values()];
    },
    probe: async () => "unsure",
    fence: async (incarnation) => {
      const row = rows.get(incarnation);
      if (row !== undefined) rows.set(incarnation, { ...row, fenced: true });
      fenced.push(incarnation);
      return true;
    },
    leave: async () => undefined,
    announce: () => undefined,
    listen: (hear) => {
      ears.add(hear);
      return () => ears.delete(hear);
    },
  };
  const opened: number[] = [];
  const tuning = tune();
  const ownership = new Ownership({
    membership,
    name: "us",
    runs: [],
    clock,
    tuning,
    notify: () => undefined,
    onDead: () => undefined,
    onFenced: () => undefined,
    onOpen: () => void opened.push(clock.nowMs()),
    onHeard: () => undefined,
  });
  const tell = (heard: Heard): void => ears.forEach((hear) => hear(heard));
  const goOn = (ms: number): Promise<void> => goTo(clock.nowMs() + ms);
  return {
    ownership,
    tuning,
    fenced,
    opened,
    lock,
    listen,
    raise,
    tell,
    goOn,
    /** The server goes, and comes back with the lock's session. */
    away: async (ms: number): Promise<void> => {
      lock.shut();
      listen.shut();
      tell("lost");
      await goOn(ms);
      lock.open();
      tell("back");
      await goOn(0);
    },
  };
}

test("who has its lock back goes on, although the session that beats is not back yet", async () => {
  const { ownership, opened, listen, away, goOn } = byHand();
  await ownership.start();
  assert.deepEqual(opened, [0]);
  await away(100);
  assert.deepEqual([opened, ownership.mayCall()], [[0, 100], true]);
  listen.open();
  await goOn(0);
  assert.deepEqual(opened, [0, 100], "and is told once");
  await ownership.stop();
});

for (const [name, share] of [["longer than the lease", 2], ["a little shorter than the lease", 0.85]] as const) {
  test(`after an outage ${name} nobody is taken for dead: no counter could rise`, async () => {
    const { ownership, tuning, fenced, listen, away, raise, goOn } = byHand();
    await ownership.start();
    // The peer's counter was seen to stand still for a moment already.
    await goOn(tuning.beatEveryMs);
    await away(share * tuning.leaseMs);
    listen.open();
    await goOn(tuning.beatEveryMs);
    raise(PEER);
    await goOn(tuning.leaseMs);
    assert.deepEqual(fenced, []);
    await goOn(2 * tuning.leaseMs);
    assert.deepEqual(fenced, [PEER], "who does not beat now is dead");
    await ownership.stop();
  });
}

test("a lock that is lost again while the answer is on its way is taken back", async () => {
  const { ownership, tuning, lock, tell, goOn } = byHand();
  await ownership.start();
  tell("lost");
  lock.shut();
  tell("back");
  await goOn(0);
  // The statement was answered, and the session ended in the same breath.
  lock.open();
  tell("lost");
  await goOn(0);
  assert.equal(ownership.mayWrite(), false);
  await goOn(tuning.beatEveryMs);
  assert.equal(ownership.mayWrite(), true);
  await ownership.stop();
});
