import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { Ajv2020 } from "ajv/dist/2020.js";
import { MODE_NAMES } from "../platform/mode-processes.ts";
import { brokenPromises, compared, rotated, type Results } from "./figures.ts";
import { measured, NAIVE, RESULTS, SAGA } from "./figures.fixture.ts";

const schema = JSON.parse(readFileSync(new URL("../../docs/start.schema.json", import.meta.url), "utf8")) as Record<string, unknown>;
const fits = new Ajv2020({ strict: true, allowUnionTypes: true, allErrors: true }).compile(schema);

function complaints(results: unknown): readonly string[] {
  return fits(JSON.parse(JSON.stringify(results))) ? [] : (fits.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
}

test("the figures are as the schema in docs says", () => {
  assert.deepEqual(complaints(RESULTS), []);
  const { load, modes } = RESULTS;
  const unkilled = { ...RESULTS, incomplete: "interrupted", load: { ...load, primaryKilledPerSecond: null }, modes: { ...modes, saga: { ...SAGA, primaryKilled: null } } };
  assert.deepEqual(complaints(unkilled), []);
});

test("the schema refuses a mode that it does not know, a figure too many or too few, and a negative count", () => {
  const { paid: _, ...unpaid } = SAGA;
  const wrong: readonly [Partial<Record<keyof Results, unknown>>, RegExp][] = [
    [{ modes: { sagas: SAGA } }, /additional properties/],
    [{ modes: { saga: unpaid } }, /'paid'/],
    [{ modes: { saga: { ...SAGA, more: 1 } } }, /additional properties/],
    [{ modes: { saga: { ...SAGA, oversold: -1 } } }, />= 0/],
    [{ modes: { saga: { ...SAGA, primaryKilled: undefined } } }, /'primaryKilled'/],
    [{ modes: { saga: { ...SAGA, primaryKilled: { ...SAGA.primaryKilled, lost: -1 } } } }, />= 0/],
    [{ modes: { saga: { ...SAGA, primaryKilled: { ...SAGA.primaryKilled, rtoFirstMs: null } } } }, /must be number/],
    [{ modes: { saga: { ...SAGA, primaryKilled: { ...SAGA.primaryKilled, verdict: "guilty" } } } }, /allowed values/],
    [{ modes: {} }, /fewer than 1/],
    [{ incomplete: undefined }, /'incomplete'/],
    [{ schema: 1 }, /constant/],
  ];
  for (const [change, complaint] of wrong) assert.match(complaints({ ...RESULTS, ...change }).join("; "), complaint);
});

test("the schema knows every mode, and describes every field with its unit", () => {
  const { properties, $defs } = schema as { properties: { modes: { properties: object } }; $defs: Record<"mode" | "primaryKilled", { properties: object }> };
  assert.deepEqual(Object.keys(properties.modes.properties), MODE_NAMES);
  assert.deepEqual(Object.keys($defs.mode.properties), Object.keys(SAGA));
  assert.deepEqual(Object.keys($defs.primaryKilled.properties), Object.keys(SAGA.primaryKilled ?? {}));
  const fields = { ...$defs.mode.properties, ...$defs.primaryKilled.properties };
  for (const [name, field] of Object.entries(fields)) assert.match((field as { description: string }).description, /Unit: |No unit\./, name);
});

test("goodput is set against naive's, where there is one", () => {
  const both = compared([measured("saga", 442), measured("naive", 500)]);
  assert.deepEqual(Object.entries(both).map(([mode, { goodputVsNaive }]) => [mode, goodputVsNaive]), [["saga", 0.884], ["naive", 1]]);
  assert.deepEqual(both.saga, SAGA);
  assert.equal(compared([measured("saga", 442)]).saga?.goodputVsNaive, null);
  assert.equal(compared([measured("saga", 442), measured("naive", 0)]).saga?.goodputVsNaive, null);
});

test("a guarded mode has to be seen without harm; naive promises nothing", () => {
  assert.deepEqual(brokenPromises({ naive: NAIVE, saga: SAGA }, { naive: ["torn: 3 times"] }), []);
  assert.deepEqual(brokenPromises({ tcc: { ...SAGA, oversold: 2, stuck: null }, outbox: { ...SAGA, lost: 1, duplicated: 4 } }, { outbox: ["money-conserved: 1 times"] }), [
    "tcc: oversold 2",
    "tcc: stuck is not known",
    "outbox: lost 1",
    "outbox: duplicated 4",
    "outbox: money-conserved: 1 times",
  ]);
});

test("the seed says which mode is first; all have their turn", () => {
  assert.deepEqual(rotated(MODE_NAMES, 10), MODE_NAMES);
  assert.deepEqual(rotated(MODE_NAMES, 3), ["tcc", "outbox", "naive", "saga", "choreography"]);
  assert.deepEqual(rotated(["saga"], 3), ["saga"]);
});
