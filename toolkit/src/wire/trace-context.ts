// W3C Trace Context: https://www.w3.org/TR/trace-context/
const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;
const TRACESTATE = /^[\x20-\x7e]{1,512}$/;

/** A broken trace must not stop a payment: whoever finds one leaves it out. */
export function isTraceparent(value: unknown): value is string {
  return typeof value === "string" && TRACEPARENT.test(value);
}

export function isTracestate(value: unknown): value is string {
  return typeof value === "string" && TRACESTATE.test(value);
}
