import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Answer } from "../protocol/outcome.ts";
import { fromWire, toWire, unknown } from "./answers.ts";

const read = (status: number, body: string, headers: Record<string, string> = {}): Answer => fromWire({ status, headers, body: Buffer.from(body) });
const codeOf = (answer: Answer): string => (answer.kind === "unknown" ? answer.code : answer.kind);

describe("an answer", () => {
  it("comes back as it was sent", () => {
    const answers: readonly Answer[] = [
      { kind: "done" },
      { kind: "done", result: null },
      { kind: "done", result: { 理由: ["\ud800", "\u0000"] } },
      { kind: "refused", code: "sold-out" },
      { kind: "refused", code: "sold-out", details: null },
      { kind: "refused", code: "sold-out", details: { left: 0 } },
      { kind: "pending", retryAfterMs: 0 },
      { kind: "pending", retryAfterMs: 1_234 },
      { kind: "key-reused", detail: "cents differ" },
      { kind: "pause", reason: "ask accounting" },
    ];
    for (const answer of answers) assert.deepEqual(fromWire(toWire(answer)), answer);
  });

  it("that is unknown keeps its name, and keeps its text to itself", () => {
    for (const code of ["expired", "signature-refused", "internal", "overloaded", "participant-timeout", "too-large", "bad-call"]) {
      const wire = toWire(unknown(code, "password=hunter2"));
      assert.equal(codeOf(fromWire(wire)), code);
      assert.ok(!Buffer.from(wire.body).toString().includes("hunter2"));
    }
    const other = toWire(unknown("pg-28P01", "x"));
    assert.deepEqual([other.status, Buffer.from(other.body).toString()], [500, '{"code":"internal"}']);
  });

  it("is done for every 2xx, with or without a result", () => {
    for (const status of [200, 201, 202, 204, 299]) assert.deepEqual(read(status, ""), { kind: "done" });
    assert.deepEqual(read(201, ' {"id": 1}\n'), { kind: "done", result: { id: 1 } });
  });

  it("is refused only by 409 with exactly our body", () => {
    assert.deepEqual(read(409, '{"code":"sold-out","details":[1]}'), { kind: "refused", code: "sold-out", details: [1] });
    for (const body of ["", "no", "null", "[]", '"sold-out"', "{}", '{"code":409}', '{"code":""}', '{"error":"x"}', '{"code":"x","message":"y"}', '{"code":"x"']) {
      assert.equal(codeOf(read(409, body)), "http-409", body);
    }
    for (const status of [400, 403, 404, 410, 412, 422, 428, 500, 503]) assert.equal(codeOf(read(status, '{"code":"sold-out"}')), `http-${status}`);
  });

  it("is a reused key, or a pause, only by name", () => {
    assert.deepEqual(read(422, '{"code":"key-reused","detail":"cents"}'), { kind: "key-reused", detail: "cents" });
    assert.equal(read(422, '{"code":"key-reused"}').kind, "key-reused");
    assert.equal(codeOf(read(422, '{"errors":["name is missing"]}')), "http-422");
    assert.deepEqual(read(428, '{"code":"pause","reason":"look"}'), { kind: "pause", reason: "look" });
    assert.equal(codeOf(read(428, "if-match is missing")), "http-428");
  });

  it("is expired only by name", () => {
    assert.equal(codeOf(read(410, '{"code":"expired"}')), "expired");
    assert.equal(codeOf(read(410, "gone")), "http-410");
    assert.equal(codeOf(read(500, '{"code":"expired"}')), "http-500");
  });

  it("says in four ways when to come back", () => {
    const wait = (body: string, headers: Record<string, string> = {}) => {
      const answer = read(425, body, headers);
      return answer.kind === "pending" ? answer.retryAfterMs : codeOf(answer);
    };
    assert.equal(wait('{"retryAfterMs":7}', { "retry-after-ms": "250", "retry-after": "9" }), 250);
    assert.equal(wait('{"retryAfterMs":7.5}', { "retry-after": "9" }), 8);
    assert.equal(wait("", { "retry-after": "9" }), 9_000);
    assert.equal(wait(""), 1_000);
    // What cannot be read must not become "at once", nor a timer that overflows into one.
    for (const text of ["", "-1", "soon", "NaN", "Infinity", "Wed, 21 Oct 2026 07:28:00 GMT"]) {
      assert.equal(wait("", { "retry-after-ms": text, "retry-after": text }), 1_000, text);
    }
    assert.equal(wait('{"retryAfterMs":-5}'), 1_000);
    assert.equal(wait('{"retryAfterMs":1e300}'), 86_400_000);
  });

  it("that points elsewhere is not followed, whatever it says", () => {
    for (const status of [300, 301, 302, 303, 304, 307, 308]) assert.equal(codeOf(read(status, '{"code":"sold-out"}')), "redirect");
  });
});
