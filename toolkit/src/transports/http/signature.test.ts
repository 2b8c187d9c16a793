import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { TripactError } from "../../protocol/errors.ts";
import { signingKey } from "../../wire/signing.ts";
import { sign, verify } from "./signature.ts";
import type { SignedParts } from "./signature.ts";

const key = signingKey("correct horse battery staple", "secret");
const other = signingKey("another secret of good length", "secret");
const parts: SignedParts = { op: "try", gid: "order-1", branch: "pay", notAfter: "1760000000000", body: Buffer.from('{"payload":{"cents":500}}') };

describe("a signature", () => {
  it("is what another language computes from the description", () => {
    // printf 'tripact-v1\ntry\norder-1\npay\n1760000000000\n%s' $(printf '{"payload":{"cents":500}}' | sha256sum | cut -c1-64) | openssl dgst -sha256 -hmac 'correct horse battery staple'
    assert.equal(sign(key, parts), "v1=0370f7f826721336c918f33a795abcae410c2941db9ba9730e6fa2fecb57959a");
  });

  it("covers op, gid, branch, time and body", () => {
    const signature = sign(key, parts);
    assert.ok(verify([key], signature, parts));
    const tampered: readonly Partial<SignedParts>[] = [
      { op: "cancel" },
      { gid: "order-2" },
      { branch: "stock" },
      { notAfter: "1760000000001" },
      { body: Buffer.from('{"payload":{"cents":501}}') },
      { body: Buffer.alloc(0) },
      // Nothing may move from one line to the next.
      { gid: "order-1\npay", branch: "1760000000000", notAfter: "" },
    ];
    for (const change of tampered) assert.equal(verify([key], signature, { ...parts, ...change }), false, JSON.stringify(change));
  });

  it("is good under any of the participant's secrets, and under no other", () => {
    assert.ok(verify([other, key], sign(key, parts), parts));
    assert.equal(verify([other], sign(key, parts), parts), false);
    assert.equal(verify([], sign(key, parts), parts), false);
  });

  it("has one form", () => {
    const hex = sign(key, parts).slice(3);
    for (const form of ["", hex, `v2=${hex}`, `v1=${hex.toUpperCase()}`, `v1=${hex}00`, `v1=${hex.slice(2)}`, `v1=${hex}\n`, `v1=${"zz".repeat(32)}`]) {
      assert.equal(verify([key], form, parts), false, form);
    }
  });

  it("needs a secret worth the name", () => {
    assert.throws(() => signingKey("too short", "secrets[1]"), (error: unknown) => error instanceof TripactError && error.where === "secrets[1]");
  });
});
