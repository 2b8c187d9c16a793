import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { signingKey } from "../../wire/signing.ts";
import { signEvent, verifyEvent } from "./signature.ts";

const key = signingKey("correct horse battery staple", "secret");
const other = signingKey("another secret of good length", "secret");
const body = Buffer.from('{"cents":500}');
const headers = {
  "content-type": "application/json",
  "ce-specversion": "1.0",
  "ce-id": "0199a1b2-0000-7000-8000-000000000001",
  "ce-source": "orders",
  "ce-type": "order.placed",
  "ce-subject": "%E8%AE%A2%E5%8D%95-42",
  "ce-time": "2025-10-09T08:53:20.000Z",
  "ce-tenant": "acme",
  "tripact-sent-at": "1760000000123",
  "tripact-attempt": "1",
  "idempotency-key": "orders/0199a1b2-0000-7000-8000-000000000001",
};

describe("an event's signature", () => {
  it("is what another language computes from the description", () => {
    // { printf 'tripact-event-v1\n1760000000123\n'
    //   printf '%s\n' 'ce-type:order.placed' 'ce-id:0199a1b2-0000-7000-8000-000000000001' 'ce-source:orders' 'ce-specversion:1.0' 'ce-subject:%E8%AE%A2%E5%8D%95-42' 'ce-tenant:acme' 'ce-time:2025-10-09T08:53:20.000Z' | LC_ALL=C sort -t: -k1,1
    //   printf '%s' '{"cents":500}' | sha256sum | cut -c1-64 | tr -d '\n'
    // } | openssl dgst -sha256 -hmac 'correct horse battery staple'
    assert.equal(signEvent(key, headers, body), "v1=51bb8f8ff070a38ad934f9e6de7d55645c88d79640115c14eb974967eda3fc45");
  });

  it("covers every attribute, the time of sending and the body", () => {
    const signature = signEvent(key, headers, body);
    assert.ok(verifyEvent([key], signature, headers, body));
    const { "ce-tenant": _, ...without } = headers;
    const tampered: readonly Record<string, string>[] = [
      ...["ce-id", "ce-source", "ce-type", "ce-subject", "ce-time", "ce-specversion", "ce-tenant", "tripact-sent-at"].map((name) => ({ ...headers, [name]: "1" })),
      without,
      { ...headers, "ce-admin": "true" },
      // Nothing may move from a name to its value.
      { ...without, "ce-tenan": "t:acme" },
    ];
    for (const changed of tampered) assert.equal(verifyEvent([key], signature, changed, body), false, JSON.stringify(changed));
    assert.equal(verifyEvent([key], signature, headers, Buffer.from('{"cents":501}')), false);
    assert.equal(verifyEvent([key], signature, headers, Buffer.alloc(0)), false);
  });

  it("leaves open what decides nothing", () => {
    const signature = signEvent(key, headers, body);
    const onTheWay = { ...headers, "tripact-attempt": "9", "idempotency-key": "x", traceparent: "y", via: "1.1 proxy", "content-type": "application/json; charset=utf-8" };
    assert.ok(verifyEvent([key], signature, onTheWay, body));
  });

  it("is good under any of the receiver's secrets, and under no other", () => {
    const signature = signEvent(key, headers, body);
    assert.ok(verifyEvent([other, key], signature, headers, body));
    assert.equal(verifyEvent([other], signature, headers, body), false);
    assert.equal(verifyEvent([], signature, headers, body), false);
    for (const form of ["", signature.slice(3), signature.replace("v1", "v2"), signature.toUpperCase(), `${signature}00`, `${signature}\n`]) {
      assert.equal(verifyEvent([key], form, headers, body), false, form);
    }
  });
});
