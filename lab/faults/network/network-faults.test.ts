import assert from "node:assert/strict";
import { text } from "node:stream/consumers";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { spawnInPrivateNetwork, whyNoPrivateNetwork } from "@tripact/testbed";
import { FAULTS } from "../all.ts";

// Real processes, a real Postgres and the kernel's firewall, in a private network; the services are stand-ins.

const FIXTURE = fileURLToPath(import.meta.resolve("./network-faults.fixture.ts"));

test("each does what it says, and healed nothing of it is left", { timeout: 180_000 }, async (t) => {
  const why = await whyNoPrivateNetwork();
  if (why !== undefined) {
    t.skip(why);
    return;
  }
  const inside = await spawnInPrivateNetwork({ command: process.execPath, args: [...process.execArgv, FIXTURE], stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => inside.killWhole());
  assert.ok(inside.stdout);
  const [said, { code }] = await Promise.all([text(inside.stdout), inside.exited]);
  assert.equal(code, 0);
  const seen = JSON.parse(said) as Readonly<Record<string, unknown>>;
  const partitioned = { silent: true, orders: false, relays: false, itself: true, answersLate: true, healed: true, left: [] };
  assert.deepEqual(seen["partition-dropped"], { ...partitioned, rules: 4 });
  assert.deepEqual(seen["replies-dropped"], { ...partitioned, rules: 2 });
  const lossy = { answered: true, missed: [], extraRules: 0, left: [] };
  const { bothDelays, ...loss } = seen["loss"] as Readonly<Record<string, unknown>>;
  assert.deepEqual(loss, lossy);
  assert.equal(typeof bothDelays, "boolean");
  assert.deepEqual(seen["delay-and-loss"], { ...lossy, bothDelays: true });
  assert.deepEqual(seen["host-lost"], { callersKnown: 2, silent: true, down: true, refusesOrAnswers: false, other: true, anotherOne: true, healed: true, left: [] });
});

test("outside of a private network each says what it lacks", () => {
  const own = FAULTS.filter(({ network }) => network === "own");
  assert.deepEqual(own.map(({ name }) => name), ["partition-dropped", "replies-dropped", "loss", "delay-and-loss", "host-lost"]);
  for (const fault of own) {
    assert.equal(fault.needsRoot, true, fault.name);
    assert.match(fault.notPossible() ?? "", /a network of its own/, fault.name);
  }
});
