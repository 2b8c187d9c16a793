import assert from "node:assert/strict";
import test from "node:test";
import { interruptible } from "./interruptible.ts";

test("a promise that comes, fails, or is not waited for any more", async () => {
  const interrupting = new AbortController();
  assert.equal(await interruptible(Promise.resolve(1), interrupting.signal), 1);
  await assert.rejects(interruptible(Promise.reject(new Error("no")), interrupting.signal), /^Error: no$/);
  const waiting = interruptible(new Promise(() => undefined), interrupting.signal);
  const reason = new Error("Ctrl-C");
  interrupting.abort(reason);
  await assert.rejects(waiting, reason);
  await assert.rejects(interruptible(Promise.resolve(1), interrupting.signal), reason);
});
