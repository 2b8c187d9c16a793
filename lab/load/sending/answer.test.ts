import assert from "node:assert/strict";
import { test } from "node:test";
import { classify, classifyError } from "./answer.ts";

const answer = (status: number, body: unknown): string => {
  const { outcome, evidence, orderId } = classify(status, typeof body === "string" ? body : JSON.stringify(body));
  return [outcome, evidence, ...(orderId === undefined ? [] : [orderId])].join(" | ");
};

test("only the answers of the contract say anything; all others may have happened", () => {
  assert.equal(answer(202, { kind: "accepted", orderId: "o" }), "accepted | accepted | o");
  assert.equal(answer(409, { kind: "sold-out", orderId: "o" }), "reject | sold-out");
  assert.equal(answer(409, { kind: "limited" }), "reject | limited");
  assert.equal(answer(429, { kind: "limited" }), "reject | too-often");
  assert.equal(answer(403, { kind: "closed" }), "reject | closed");
  assert.equal(answer(409, { kind: "conflict" }), "reject | conflict");
  for (const status of [400, 404, 413, 415]) assert.equal(answer(status, { kind: "invalid" }), "reject | invalid");
  assert.equal(answer(503, { kind: "overloaded" }), "fail | overloaded");
  assert.equal(answer(503, { kind: "unknown", orderId: "o" }), "info | unknown | o");
  assert.equal(answer(503, { kind: "unknown" }), "info | unknown");
});

test("a half answer, a lie about the status or a promise without its id is no answer", () => {
  assert.equal(answer(202, { kind: "accepted" }), "info | torn answer");
  assert.equal(answer(202, { kind: "accepted", orderId: 7 }), "info | torn answer");
  assert.equal(answer(200, { kind: "accepted", orderId: "o" }), "info | unexpected 200 accepted | o");
  assert.equal(answer(500, { kind: "sold-out" }), "info | unexpected 500 sold-out");
  assert.equal(answer(409, { kind: "overloaded" }), "info | unexpected 409 overloaded");
  assert.equal(answer(503, { code: "failed" }), "info | unexpected 503");
  assert.equal(answer(502, "<html>"), "info | torn answer, status 502");
  assert.equal(answer(409, ""), "info | torn answer, status 409");
  assert.equal(answer(409, "null"), "info | torn answer, status 409");
  assert.equal(answer(409, '["sold-out"]'), "info | torn answer, status 409");
});

test("an error is a failure before the first byte, and a doubt after it", () => {
  const error = (code: string): Error => Object.assign(new Error("x"), { code });
  assert.deepEqual(classifyError(error("ECONNREFUSED"), false), { outcome: "fail", evidence: "not sent: ECONNREFUSED" });
  assert.deepEqual(classifyError(error("timeout"), false), { outcome: "fail", evidence: "not sent: timeout" });
  for (const code of ["UND_ERR_SOCKET", "ECONNRESET", "EPIPE"]) assert.deepEqual(classifyError(error(code), true), { outcome: "info", evidence: "reset" });
  assert.deepEqual(classifyError(error("timeout"), true), { outcome: "info", evidence: "timeout" });
  assert.deepEqual(classifyError(new TypeError("x"), true), { outcome: "info", evidence: "broken answer: TypeError" });
});
