/** One line of text into one line of history, or an error that says what is wrong with it. */
import { OUTCOMES, SCHEMA, type Line } from "./line.ts";

/**
 * `unreadable`: the file cannot be read. `not-a-history`: its first line is no header. `another-schema`: a header that this code does not
 * know. `bad-line`: a whole line that cannot be what it says. A torn last line is none of them.
 */
export type HistoryFault = "unreadable" | "exists" | "not-a-history" | "another-schema" | "bad-line";

export class HistoryError extends Error {
  readonly code: HistoryFault;
  constructor(code: HistoryFault, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "HistoryError";
    this.code = code;
  }
}

type Check = (value: unknown) => boolean;
type Checks = Readonly<Record<string, Check>>;

const text: Check = (value) => typeof value === "string" && value !== "";
const number: Check = (value) => typeof value === "number" && Number.isFinite(value);
const count: Check = (value) => Number.isSafeInteger(value) && Number(value) >= 0;
const orAbsent = (check: Check): Check => (value) => value === undefined || check(value);
const among = (allowed: readonly unknown[]): Check => (value) => allowed.includes(value);

const INTENT: Checks = { phase: count, buyer: text, requestId: text, quantity: count, again: among([undefined, true]) };
const INJECTION: Checks = { name: text, target: (value) => typeof value === "string", from: number, to: number };
const KINDS: Readonly<Record<Line["kind"], Checks>> = {
  header: { schema: among([SCHEMA]), run: text, seed: number, originMs: number, unixMs: number },
  operation: {
    op: among(["purchase", "settle"]), key: text, intent: (value) => isRecord(value) && faultIn(value, INTENT) === undefined,
    s: number, a: (value) => value === null || number(value), c: number, outcome: among(OUTCOMES), evidence: text, before: orAbsent(text),
  },
  final: { orderId: text, state: text, at: number },
  phase: {
    phase: count, at: number, sku: text, ratePerSecond: number, seconds: number, seed: number, buyers: count, firstBuyer: count,
    quantity: count, repeatShare: number, returnShare: number,
  },
  "phase-end": { phase: count, at: number, offered: count },
  fault: INJECTION,
  heal: INJECTION,
  clock: { clock: text, at: number, unixMs: number },
  end: { at: number, lines: count, unwritten: count },
};

/** @param row of the file, from 1; the first one has to be the header, and no other one may be. */
export function decodeLine(json: string, row: number): Line {
  const decoded = parse(json);
  if (row === 1 && (!isRecord(decoded) || decoded["kind"] !== "header")) throw new HistoryError("not-a-history", "the first line is no header");
  if (!isRecord(decoded)) throw new HistoryError("bad-line", `line ${row} is no JSON object: ${json.slice(0, 120)}`);
  const kind = decoded["kind"];
  if (!isKind(kind)) throw new HistoryError("bad-line", `line ${row} is of no known kind: ${json.slice(0, 120)}`);
  if (kind === "header" && row > 1) throw new HistoryError("bad-line", `line ${row} is a second header`);
  if (kind === "header" && decoded["schema"] !== SCHEMA) throw new HistoryError("another-schema", `schema ${JSON.stringify(decoded["schema"])}; this code reads ${SCHEMA}`);
  const fault = faultIn(decoded, KINDS[kind]);
  if (fault !== undefined) throw new HistoryError("bad-line", `line ${row}: "${fault}" of a ${kind} is ${JSON.stringify(decoded[fault]) ?? "missing"}`);
  return decoded as unknown as Line;
}

function faultIn(value: Record<string, unknown>, checks: Checks): string | undefined {
  for (const name in checks) if (checks[name]?.(value[name]) !== true) return name;
  return undefined;
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

function isKind(value: unknown): value is Line["kind"] {
  return typeof value === "string" && Object.hasOwn(KINDS, value);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
