import assert from "node:assert/strict";
import test from "node:test";
import { BadUsage } from "../command-line.ts";
import { parseCommand } from "./options.ts";

test("with nothing said: all modes, 8 s, 5,000 a second for 1,000 units, and the drawn seed", () => {
  assert.deepEqual(parseCommand([], 42), {
    kind: "start",
    plan: { once: false, mode: undefined, seconds: 8, ratePerSecond: 5_000, units: 1_000, jsonFile: undefined, port: 8_080, seed: 42, kill: true, verbose: false },
  });
});

test("everything that can be said", () => {
  const args = "--once --mode tcc --seconds 20 --rate 100 --units 7 --json out.json --port 9000 --seed 3 --no-kill --verbose".split(" ");
  assert.deepEqual(parseCommand(args, 42), {
    kind: "start",
    plan: { once: true, mode: "tcc", seconds: 20, ratePerSecond: 100, units: 7, jsonFile: "out.json", port: 9_000, seed: 3, kill: false, verbose: true },
  });
});

test("a call for help is answered whatever else is said", () => {
  assert.deepEqual(parseCommand(["--once", "--help"], 1), { kind: "help" });
});

for (const [args, message] of [
  [["--fast"], /Unknown option '--fast'/],
  [["saga"], /Unexpected argument 'saga'/],
  [["--mode", "sagas"], /--mode is one of naive, saga, choreography, tcc, outbox, got "sagas"/],
  [["--mode"], /--mode/],
  [["--seconds", "0"], /--seconds needs a whole number from 1 to 600, got "0"/],
  [["--seconds", "1.5"], /--seconds needs a whole number/],
  [["--rate", "1e3"], /--rate needs a whole number from 1 to 50000, got "1e3"/],
  [["--rate=-1"], /--rate/],
  [["--units", "many"], /--units needs .* got "many"/],
  [["--units", ""], /--units needs .* got ""/],
  [["--port", "65536"], /--port needs a whole number from 1 to 65535, got "65536"/],
  [["--seed", "x"], /--seed/],
  [["--json", ""], /--json needs a file's name/],
  [["--once=yes"], /--once/],
  [["--no-kill=yes"], /--no-kill/],
  [["--kill"], /Unknown option '--kill'/],
] as const) {
  test(`refused: ${args.join(" ")}`, () => {
    assert.throws(() => parseCommand(args, 1), (error) => error instanceof BadUsage && message.test(error.message));
  });
}
