import { createHmac, createSecretKey, timingSafeEqual } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { TripactError } from "../protocol/errors.ts";

/**
 * Version 1 of a signature: `v1=` and the HMAC-SHA256 of a text in lower-case hex. What the text says, and so what a signature covers,
 * is for each kind of request to define; its first line names the kind, so that no signature of one is good for another.
 */
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

/** The keys of a side that only verifies. Throws `invalid-option` for none: it would accept nothing. */
export function signingKeys(secrets: readonly string[]): readonly SigningKey[] {
  if (secrets.length === 0) {
    throw new TripactError("invalid-option", "Only signed requests are accepted, and it takes a secret to check them.", { where: "secrets" });
  }
  return secrets.map((secret, index) => signingKey(secret, `secrets[${index}]`));
}

export function signText(key: SigningKey, text: string): string {
  return `v1=${createHmac("sha256", key).update(text).digest("hex")}`;
}

/** True if one of the keys made this signature. Several keys are how a secret is rotated: first accept both, then sign with the new one. */
export function verifyText(keys: readonly SigningKey[], signature: string, text: string): boolean {
  if (!SIGNATURE.test(signature)) return false;
  const given = Buffer.from(signature.slice(3), "hex");
  return keys.some((key) => timingSafeEqual(createHmac("sha256", key).update(text).digest(), given));
}
