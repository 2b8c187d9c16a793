import { TripactError } from "./errors.ts";

const LENGTH_MAX = 128;
// Control characters break logs and headers; the slash separates gid and branch in a key.
const FORBIDDEN = /[\p{Cc}\p{Cs}]/u;

/** Checks a gid at the door: 1 to 128 characters, no control characters, no lone surrogates. */
export function checkGid(gid: unknown): string {
  return checkName(gid, "gid");
}

/** Checks a branch's (step's) name: as a gid, and without a slash. */
export function checkBranch(branch: unknown): string {
  const name = checkName(branch, "branch");
  if (name.includes("/")) throw new TripactError("invalid-gid", "A branch's name has no slash.", { where: name });
  return name;
}

/** The stable idempotency key of a branch: the same for the forward op and its undo. The barrier adds the op. */
export function branchKey(gid: string, branch: string): string {
  return `${gid}/${branch}`;
}

// W3C Trace Context, level 1.
const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** A broken trace must not stop a payment: what is no trace context is left out. */
export function traceparentIn(value: unknown): { readonly traceparent?: string } {
  return typeof value === "string" && TRACEPARENT.test(value) ? { traceparent: value } : {};
}

function checkName(value: unknown, what: string): string {
  if (typeof value !== "string") throw new TripactError("invalid-gid", `A ${what} is a string, not ${typeof value}.`);
  if (value.length === 0 || value.length > LENGTH_MAX) {
    throw new TripactError("invalid-gid", `A ${what} has 1 to ${LENGTH_MAX} characters, this has ${value.length}.`);
  }
  if (FORBIDDEN.test(value)) throw new TripactError("invalid-gid", `A ${what} has no control characters.`, { where: JSON.stringify(value) });
  return value;
}
