/** What the gateway's answer to a purchase says about its effect. Whatever is not understood may have happened. */
import type { Outcome } from "../../history/line.ts";

export interface Answer {
  readonly outcome: Outcome;
  readonly evidence: string;
  /** The order that was promised, or may have been. */
  readonly orderId?: string;
}

const TORN: Answer = { outcome: "info", evidence: "torn answer" };

/** By status and kind; any other pair is `info`. */
const ANSWERS: Readonly<Record<string, Answer>> = {
  "202 accepted": { outcome: "accepted", evidence: "accepted" },
  "409 sold-out": { outcome: "reject", evidence: "sold-out" },
  "409 limited": { outcome: "reject", evidence: "limited" },
  "429 limited": { outcome: "reject", evidence: "too-often" },
  "403 closed": { outcome: "reject", evidence: "closed" },
  "409 conflict": { outcome: "reject", evidence: "conflict" },
  "400 invalid": { outcome: "reject", evidence: "invalid" },
  "404 invalid": { outcome: "reject", evidence: "invalid" },
  "413 invalid": { outcome: "reject", evidence: "invalid" },
  "415 invalid": { outcome: "reject", evidence: "invalid" },
  "503 overloaded": { outcome: "fail", evidence: "overloaded" },
  "503 unknown": { outcome: "info", evidence: "unknown" },
};

export function classify(status: number, body: string): Answer {
  const decoded = parse(body);
  if (decoded === undefined) return { ...TORN, evidence: `${TORN.evidence}, status ${status}` };
  if (typeof decoded["kind"] !== "string") return { outcome: "info", evidence: `unexpected ${status}` };
  const orderId = typeof decoded["orderId"] === "string" && decoded["orderId"] !== "" ? decoded["orderId"] : undefined;
  const meaning = `${status} ${decoded["kind"]}`;
  const answer = Object.hasOwn(ANSWERS, meaning) ? ANSWERS[meaning] : undefined;
  if (answer === undefined) return { outcome: "info", evidence: `unexpected ${meaning.slice(0, 60)}`, ...(orderId === undefined ? {} : { orderId }) };
  // A promise without its number is none that anybody could ask after.
  if (answer.outcome === "accepted" && orderId === undefined) return TORN;
  return orderId === undefined || answer.outcome === "reject" || answer.outcome === "fail" ? answer : { ...answer, orderId };
}

/**
 * What an error of the connection says: nothing happened if no byte had left, otherwise nobody knows.
 * @param started whether the request's first byte may have left
 */
export function classifyError(error: Error, started: boolean): Answer {
  const code = "code" in error && typeof error.code === "string" ? error.code : error.name;
  if (!started) return { outcome: "fail", evidence: `not sent: ${code}` };
  if (code === "timeout" || code === "abandoned") return { outcome: "info", evidence: code };
  if (code === "UND_ERR_SOCKET" || code === "ECONNRESET" || code === "EPIPE") return { outcome: "info", evidence: "reset" };
  return { outcome: "info", evidence: `broken answer: ${code}` };
}

function parse(body: string): Record<string, unknown> | undefined {
  try {
    const decoded: unknown = JSON.parse(body);
    return typeof decoded === "object" && decoded !== null && !Array.isArray(decoded) ? (decoded as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
