import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import "../../test/protocol/seed.ts";
import { TripactError } from "./errors.ts";
import { branchKey, checkBranch, checkGid } from "./ids.ts";

const invalid = (error: unknown): boolean => error instanceof TripactError && error.code === "invalid-gid";

test("a gid is what people call their orders", () => {
  for (const gid of ["o-1", "订单/17", "a b", "🛒", "x".repeat(128)]) assert.equal(checkGid(gid), gid);
});

test("a gid that would break logs, headers or the database is refused", () => {
  const bad = ["", "x".repeat(129), "a\nb", "a\u0000b", "a\u007f", "\u0085", "\ud800", "a\udfffb", 7, undefined, null, {}];
  for (const gid of bad) assert.throws(() => checkGid(gid), invalid, JSON.stringify(gid));
});

test("a branch's name is a gid without a slash", () => {
  assert.equal(checkBranch("reserve"), "reserve");
  for (const name of ["a/b", "", "a\tb"]) assert.throws(() => checkBranch(name), invalid);
});

test("no two branches share a key", () => {
  const gid = fc.string({ minLength: 1, maxLength: 8, unit: fc.constantFrom("a", "/", "b") });
  const branch = fc.string({ minLength: 1, maxLength: 8, unit: fc.constantFrom("a", "b") });
  fc.assert(
    fc.property(gid, branch, gid, branch, (gid1, branch1, gid2, branch2) => {
      assert.equal(branchKey(gid1, branch1) === branchKey(gid2, branch2), gid1 === gid2 && branch1 === branch2);
    }),
  );
});
