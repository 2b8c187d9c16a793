import { parseArgs } from "node:util";
import { caseNamed } from "./cases.ts";
import type { Case } from "./cases.ts";

/** Somebody who carries messages from a producer's transaction to a consumer's: our outbox and relay, or a peer's queue. */
export interface OutboxSystem {
  /** Its tables, in an empty database. */
  install(url: string): Promise<void>;
  /** The producer's side, in the producers' process. */
  openSender(task: SystemTask): Promise<Sender>;
  /** The consumer's side, in a process of its own. Resolves when it is ready; it then applies what comes until its process ends. */
  consume(task: SystemTask, applied: Applied): Promise<void>;
}

export interface SystemTask {
  /** The bench's own database, for this turn alone. */
  url: string;
  /** How it is set up: `documented`, `defaults`, or whatever else the system names. */
  variant: string;
  measured: Case;
}

export interface Sender {
  /** Writes messages in the transaction that is open on `db`. */
  send(db: Query, messages: readonly ShopMessage[]): Promise<void>;
  /** After a commit. */
  committed?(): void;
}

/** A statement on one connection, prepared there once. */
export type Query = (text: string, values: readonly unknown[]) => Promise<QueryResult>;

export interface QueryResult {
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  readonly rowCount: number | null;
}

/** What is sent: a payload with a number of its own. */
export interface ShopMessage {
  n: number;
  customer: string;
  cents: number;
  note: string;
}

/** To be called right after the commit of these messages' effects. */
export type Applied = (messages: readonly { readonly n: number }[]) => void;

/** What the bench tells both processes of a turn. */
export interface OutboxTask extends SystemTask {
  role: "producer" | "consumer";
  measureMs: number;
  /** Of an open loop. */
  perSecond: number;
}

/**
 * Milliseconds on the machine's monotonic clock (CLOCK_MONOTONIC): the same for every process, so a producer's moment and a consumer's
 * can be subtracted. `performance.now()` counts from each process's own start.
 */
export function machineMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Reads what the bench asked of this process. The database's address holds a password, so it comes in the environment. */
export function taskOfProcess(args = process.argv.slice(2)): OutboxTask {
  const { values } = parseArgs({
    args,
    options: {
      name: { type: "string" },
      "in-flight": { type: "string" },
      "measure-ms": { type: "string", default: "4000" },
      variant: { type: "string", default: "" },
      case: { type: "string", default: "single" },
      "per-second": { type: "string", default: "100" },
      role: { type: "string", default: "producer" },
    },
  });
  return {
    url: process.env["TRIPACT_BENCH_URL"] ?? "",
    variant: values.variant,
    measured: caseNamed(values.case),
    role: values.role === "consumer" ? "consumer" : "producer",
    measureMs: Number(values["measure-ms"]),
    perSecond: Number(values["per-second"]),
  };
}
