/** One desk, asked over HTTP, and what its answer, or none, says about a transaction. */
import type { MicroOp, Op } from "./history.ts";

export type Told = Pick<Op, "value"> & { readonly type: "ok" | "fail" | "info"; readonly error?: string };

export interface Desk {
  /** Never throws for what a desk does. */
  append(id: string, value: readonly MicroOp[], signal: AbortSignal): Promise<Told>;
}

/** Above a transaction's deadline and its undoing. */
const ANSWER_CAP_MS = 8_000;
const ERROR_CHARS_MAX = 200;

export function deskAt(origin: string, token: string): Desk {
  return {
    async append(id, value, signal) {
      const txn = value.map((op) => (op[0] === "append" ? op : ["r", op[1]]));
      try {
        const response = await fetch(`${origin}/append`, {
          method: "POST",
          headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
          body: JSON.stringify({ id, txn }),
          signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_CAP_MS)]),
        });
        return toldBy(response.status, await response.text(), value);
      } catch (error) {
        const text = textOf(error);
        // Nobody listened, so nothing was sent. After any other failure it may have been.
        return { type: /ECONNREFUSED/.test(text) ? "fail" : "info", value, error: text };
      }
    },
  };
}

export function toldBy(status: number, body: string, asked: readonly MicroOp[]): Told {
  const unknown = (error: string): Told => ({ type: "info", value: asked, error: error.slice(0, ERROR_CHARS_MAX) });
  // Refused at the door: it was never begun.
  if (status >= 400 && status < 500) return { type: "fail", value: asked, error: `${status}` };
  if (status !== 200) return unknown(`${status}`);
  const answer = answerIn(body);
  if (answer?.outcome === "fail") return { type: "fail", value: asked, error: String(answer.code).slice(0, ERROR_CHARS_MAX) };
  const value = answer?.outcome === "ok" ? answered(answer.txn, asked) : undefined;
  return value === undefined ? unknown(`not understood: ${body}`) : { type: "ok", value };
}

function answerIn(body: string): { readonly outcome?: unknown; readonly code?: unknown; readonly txn?: unknown } | undefined {
  try {
    const answer: unknown = JSON.parse(body);
    return typeof answer === "object" && answer !== null ? answer : undefined;
  } catch {
    return undefined;
  }
}

/** The same micro-operations as were asked, with their reads filled in; undefined where they are not. */
function answered(txn: unknown, asked: readonly MicroOp[]): readonly MicroOp[] | undefined {
  if (!Array.isArray(txn) || txn.length !== asked.length) return undefined;
  const value: MicroOp[] = [];
  for (const [place, [name, key, what]] of asked.entries()) {
    const found: unknown = txn[place];
    if (!Array.isArray(found) || found[0] !== name || found[1] !== key) return undefined;
    if (name === "append") {
      if (found[2] !== what) return undefined;
      value.push([name, key, what]);
    } else {
      const list: unknown = found[2];
      if (list !== null && !(Array.isArray(list) && list.every((element) => Number.isSafeInteger(element)))) return undefined;
      value.push(["r", key, list as readonly number[] | null]);
    }
  }
  return value;
}

function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error).slice(0, ERROR_CHARS_MAX);
  const code = error.cause instanceof Error && "code" in error.cause ? String(error.cause.code) : error.name;
  return `${code}: ${error.message}`.slice(0, ERROR_CHARS_MAX);
}
