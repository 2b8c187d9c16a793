/** How the provider signs what it posts: HMAC-SHA256 over time and body, so that neither can be changed, nor an old one be sent for ever. */
import { createHmac, timingSafeEqual } from "node:crypto";

export const TIMESTAMP_HEADER = "provider-timestamp";
export const SIGNATURE_HEADER = "provider-signature";
/** Wide: a callback may be very late, and a repeated one is harmless. */
export const SIGNED_WITHIN_MS = 24 * 60 * 60 * 1_000;

export interface Signed {
  readonly [TIMESTAMP_HEADER]: string;
  readonly [SIGNATURE_HEADER]: string;
}

export function sign(secret: string, body: string, at: number): Signed {
  const timestamp = String(at);
  return { [TIMESTAMP_HEADER]: timestamp, [SIGNATURE_HEADER]: digestOf(secret, timestamp, body).toString("hex") };
}

/** Header values are as they arrived: missing, doubled, or anything else. */
export function isSigned(secret: string, body: string, headers: Readonly<Record<string, string | readonly string[] | undefined>>, now: number): boolean {
  const timestamp = headers[TIMESTAMP_HEADER];
  const signature = headers[SIGNATURE_HEADER];
  if (typeof timestamp !== "string" || typeof signature !== "string" || !/^\d{1,15}$/.test(timestamp)) return false;
  if (Math.abs(now - Number(timestamp)) > SIGNED_WITHIN_MS) return false;
  const given = Buffer.from(signature, "hex");
  const expected = digestOf(secret, timestamp, body);
  return given.length === expected.length && timingSafeEqual(given, expected);
}

function digestOf(secret: string, timestamp: string, body: string): Buffer {
  return createHmac("sha256", secret).update(`${timestamp}.${body}`).digest();
}
