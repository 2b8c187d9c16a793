import { hash } from "node:crypto";
import { signText, verifyText } from "../../wire/signing.ts";
import type { SigningKey } from "../../wire/signing.ts";

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

export function sign(key: SigningKey, parts: SignedParts): string {
  return signText(key, signedText(parts));
}

/** True if one of the keys made this signature over these parts. */
export function verify(keys: readonly SigningKey[], signature: string, parts: SignedParts): boolean {
  return verifyText(keys, signature, signedText(parts));
}

function signedText({ op, gid, branch, notAfter, body }: SignedParts): string {
  return `tripact-v1\n${op}\n${gid}\n${branch}\n${notAfter}\n${hash("sha256", body, "hex")}`;
}
