/** Every pair of state and event, tried: what the table takes, and that everything else is refused by name. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import {
  cancelled, commitAsked, deadline, decided, done, given, message, noAnswer, notYet, parked, recovered, refused, reservation, said, started, step,
} from "../../test/protocol/story.ts";
import { IllegalTransition } from "./errors.ts";
import { evolve, takes } from "./evolve.ts";
import { UNBORN, type EventKind, type Transaction, type TransactionEvent, type TransactionKind } from "./transaction.ts";

const forward = [started(), reservation("seat")];
const held = [...forward, done("seat", "try")];

/** One transaction of each kind, with something still to be asked wherever that can be. */
const states: { readonly [S in TransactionKind]: Transaction } = {
  unborn: UNBORN,
  forward: given(...forward).state,
  committing: given(...held, commitAsked(), decided("commit")).state,
  "rolling-back": given(...held, cancelled(), decided("roll-back")).state,
  committed: given(...held, commitAsked(), decided("commit"), done("seat", "confirm")).state,
  "rolled-back": given(...held, cancelled(), decided("roll-back"), done("seat", "cancel")).state,
  mixed: given(...held, commitAsked(), decided("commit"), said("refused", "seat")).state,
};

/** One row for each event; a new event does not compile, nor pass, before it has its row. */
const rows: { readonly [E in EventKind]: string } = {
  //                        unborn  forward  committing  rolling-back  committed  rolled-back  mixed
  "started":              "takes   -        -           -             -          -            -",
  "registered":           "-       takes    -           -             -          -            -",
  "attempted":            "-       takes    takes       takes         -          -            -",
  "pending":              "-       takes    takes       takes         -          -            -",
  "done":                 "-       takes    takes       takes         -          -            -",
  "refused":              "-       takes    takes       takes         -          -            -",
  "emitted":              "-       takes    -           -             -          -            -",
  "recorded":             "-       takes    -           -             -          -            -",
  "roll-back-requested":  "-       takes    takes       takes         takes      takes        takes",
  "commit-requested":     "-       takes    -           -             -          -            -",
  "deadline-reached":     "-       takes    -           -             -          -            -",
  "decided":              "-       takes    -           -             -          -            -",
  "parked":               "-       takes    takes       takes         -          -            -",
  "operator-decided":     "-       takes    takes       takes         -          -            -",
  "recovered":            "-       takes    takes       takes         -          -            -",
};

const columns: readonly TransactionKind[] = ["unborn", "forward", "committing", "rolling-back", "committed", "rolled-back", "mixed"];

/** An event of each kind that fits the state, so that only the table can refuse it. */
function fitting(kind: EventKind, state: Transaction): TransactionEvent {
  const op = state.kind === "committing" ? "confirm" : state.kind === "rolling-back" ? "cancel" : "try";
  const events: Record<EventKind, TransactionEvent> = {
    started: started(),
    registered: step("stock"),
    attempted: noAnswer("seat", op),
    pending: notYet("seat", op, 10),
    done: done("seat", op),
    refused: refused("seat", op),
    emitted: message("m1"),
    recorded: { kind: "recorded", source: "now", value: 1 },
    "roll-back-requested": cancelled(),
    "commit-requested": commitAsked(),
    "deadline-reached": deadline(),
    decided: decided("roll-back"),
    parked: parked("paused", "seat"),
    "operator-decided": said("retry", "seat"),
    recovered: recovered(),
  };
  return events[kind];
}

test("every event that the protocol knows has its row", () => {
  // Types are gone at run time, so the union is read where it is written.
  const source = readFileSync(new URL("./transaction.ts", import.meta.url), "utf8");
  const union = source.slice(source.indexOf("export type TransactionEvent ="), source.indexOf("export type EventKind"));
  const kinds = [...union.matchAll(/readonly kind: "([a-z-]+)"/g)].map(([, kind]) => kind);
  assert.deepEqual(new Set(kinds), new Set(Object.keys(rows)));
});

for (const [kind, row] of Object.entries(rows) as [EventKind, string][]) {
  const cells = row.trim().split(/\s+/);
  for (const [index, name] of columns.entries()) {
    const allowed = cells[index] === "takes";
    test(`${name} ${allowed ? "takes" : "refuses"} ${kind}`, () => {
      assert.equal(cells.length, columns.length);
      // A decision has to be asked for first.
      const state = kind === "decided" && name === "forward" ? given(...forward, cancelled()).state : states[name];
      const event = fitting(kind, state);
      assert.equal(event.kind, kind);
      assert.equal(state.kind, name);
      assert.equal(takes(name, kind), allowed);
      if (allowed) evolve(state, event);
      else assert.throws(() => evolve(state, event), illegal(name, kind));
    });
  }
}

function illegal(state: string, event: string): (error: unknown) => boolean {
  return (error) => error instanceof IllegalTransition && error.code === "illegal-transition" && error.message.startsWith(`${state} does not take ${event}`);
}
