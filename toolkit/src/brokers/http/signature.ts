import { hash } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { signText, verifyText } from "../../wire/signing.ts";
import type { SigningKey } from "../../wire/signing.ts";

/**
 * Events are signed so that nobody but the sender can make one, or change one on the way. The text that is signed, lines joined by "\n":
 *
 *     tripact-event-v1
 *     <tripact-sent-at>
 *     <name>:<value>      for each header whose name begins with `ce-`, in the order of the names
 *     <SHA-256 of the body's bytes, lower-case hex>
 *
 * Names in lower case, values exactly as they are sent: id, source, type, subject, time and every extension are covered, in structured
 * mode by the body. The header `tripact-signature` is `v1=` and its HMAC-SHA256 in lower-case hex. Attempt, idempotency key and the trace
 * of this one request decide nothing and are not covered. `tripact-sent-at` (Unix milliseconds) is new with every attempt: a request
 * that somebody kept is no good any more when the receiver's inbox may have forgotten it. Give each receiver a secret of its own: an
 * event does not name whom it was meant for.
 */
export function signEvent(key: SigningKey, headers: IncomingHttpHeaders, body: Uint8Array): string {
  return signText(key, signedText(headers, body));
}

/** True if one of the keys made this signature over these headers (lower-case names) and this body. */
export function verifyEvent(keys: readonly SigningKey[], signature: string, headers: IncomingHttpHeaders, body: Uint8Array): boolean {
  return verifyText(keys, signature, signedText(headers, body));
}

function signedText(headers: IncomingHttpHeaders, body: Uint8Array): string {
  const attributes = Object.keys(headers).filter((name) => name.startsWith("ce-")).sort();
  const lines = attributes.map((name) => `${name}:${String(headers[name])}`);
  return ["tripact-event-v1", String(headers["tripact-sent-at"]), ...lines, hash("sha256", body, "hex")].join("\n");
}
