import assert from "node:assert/strict";
import test from "node:test";
import { BadUsage, levelsOf, parseCommand } from "./options.ts";

test("the journal bench with nothing said: three levels, three rounds", () => {
  assert.deepEqual(parseCommand(["journal"]), {
    kind: "journal",
    install: false,
    plan: { jsonFile: undefined, inFlight: [50, 500, 2000], measureMs: 4000, rounds: 3 },
  });
});

test("what is said wins over quick", () => {
  const command = parseCommand(["journal", "--quick", "--seconds", "2", "--json", "out.json"]);
  assert.deepEqual(command, {
    kind: "journal",
    install: false,
    plan: { jsonFile: "out.json", inFlight: [50, 500], measureMs: 2000, rounds: 1 },
  });
});

test("the peers bench installs what it measures", () => {
  const command = parseCommand(["peers"]);
  assert.ok(command.kind === "peers" && command.install);
});

test("the outbox bench has rounds and a time of its own, but no levels", () => {
  const command = parseCommand(["outbox", "--rounds", "5", "--install"]);
  assert.ok(command.kind === "outbox" && command.install && command.plan.rounds === 5);
});

test("nothing, or a call for help, is answered with the usage", () => {
  assert.deepEqual(parseCommand([]), { kind: "help" });
  assert.deepEqual(parseCommand(["journal", "--help"]), { kind: "help" });
});

for (const [why, args] of [
  ["an unknown bench", ["coffee"]],
  ["two benches", ["journal", "peers"]],
  ["an unknown option", ["journal", "--fast"]],
  ["a negative time", ["journal", "--seconds=-1"]],
  ["no rounds", ["journal", "--rounds", "0"]],
  ["a level that is no number", ["journal", "--in-flight", "50,many"]],
  ["a level for the outbox", ["outbox", "--in-flight", "50"]],
  ["a level for the gateway", ["gateway", "--in-flight", "50"]],
  ["an empty level", ["journal", "--in-flight", "50,"]],
] as const) {
  test(`${why} is refused`, () => assert.throws(() => parseCommand([...args]), BadUsage));
}

test("a refusal names the option and what it got", () => {
  assert.throws(() => levelsOf("50,many"), /--in-flight needs whole numbers from 1 to 10000, got "many"/);
});
