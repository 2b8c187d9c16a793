import assert from "node:assert/strict";
import { test } from "node:test";
import { TripactError } from "../../protocol/errors.ts";
import { outcomeOf } from "./outcome.ts";

const reported = (code: string): Error => Object.assign(new Error("the server says"), { code });

test("what the server reports has rolled its statement back: it passes, and is no bug that would end a flush", () => {
  // Internal error, corrupted index, revoked right, object in use, ended while idle, a statement that a restart forgot or a proxy doubled.
  for (const code of ["XX000", "XX002", "42501", "55006", "25P03", "25P04", "26000", "42P05", "40001", "53300", "57014"]) {
    const outcome = outcomeOf(reported(code), "writing", "host:5432/db");
    assert.ok(outcome instanceof TripactError && outcome.code === "store-unreachable", `${code}: ${String(outcome)}`);
  }
});

test("a statement that we wrote wrong stays a bug", () => {
  const wrong = reported("42601");
  assert.equal(outcomeOf(wrong, "writing", "host:5432/db"), wrong);
});
