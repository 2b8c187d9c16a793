import { createHmac, createSecretKey, hash, timingSafeEqual } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { TripactError } from "../../protocol/errors.ts";

/**
 * Calls are signed so that only a coordinator can move a participant, and nobody on the way can turn one call into another.
 * The text that is signed, six lines joined by "\n", with the header values exactly as they are sent:
 *
 *     tripact-v1
 *     <op>
 *     <tripact-gid>
 *     <tripact-branch>
 *     <tripact-not-after>
 *     <SHA-256 of the body's bytes, lower-case hex>
 *
 * The header `tripact-signature` is `v1=` and its HMAC-SHA256 in lower-case hex. There is no second time window: a call is good until
 * its `notAfter`, and playing it again before then is what every retry does; the barrier makes it harmless. Epoch, attempt and trace
 * context decide nothing and are not covered. Give each participant a secret of its own: a call does not name whom it was meant for.
 */
export interface SignedParts {
  readonly op: string;
  /** As in the headers: percent-encoded. */
  readonly gid: string;
  readonly branch: string;
  readonly notAfter: string;
  readonly body: Uint8Array;
}

export type SigningKey = KeyObject;

const SECRET_LENGTH_MIN = 16;
const SIGNATURE = /^v1=[0-9a-f]{64}$/;

export function signingKey(secret: string, where: string): SigningKey {
  if (typeof secret !== "string" || secret.length < SECRET_LENGTH_MIN) {
    throw new TripactError("invalid-option", `A signing secret has at least ${SECRET_LENGTH_MIN} characters.`, {
      where,
      hint: "Make one with: openssl rand -hex 32",
    });
  }
  return createSecretKey(secret, "utf8");
}

export function sign(key: SigningKey, parts: SignedParts): string {
  return `v1=${createHmac("sha256", key).update(signedText(parts)).digest("hex")}`;
}

/** True if one of the keys made this signature. Several keys are how a secret is rotated: first accept both, then sign with the new one. */
export function verify(keys: readonly SigningKey[], signature: string, parts: SignedParts): boolean {
  if (!SIGNATURE.test(signature)) return false;
  const given = Buffer.from(signature.slice(3), "hex");
  const text = signedText(parts);
  return keys.some((key) => timingSafeEqual(createHmac("sha256", key).update(text).digest(), given));
}

function signedText({ op, gid, branch, notAfter, body }: SignedParts): string {
  return `tripact-v1\n${op}\n${gid}\n${branch}\n${notAfter}\n${hash("sha256", body, "hex")}`;
}
