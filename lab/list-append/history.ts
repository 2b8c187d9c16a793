/** What clients asked and heard, as Jepsen writes it down: an operation begins, and ends in one of three ways. */

/** `["append", key, element]`, and `["r", key, what was read]`: null where nothing was, or not yet. */
export type MicroOp = readonly ["append", number, number] | readonly ["r", number, readonly number[] | null];

/** `fail`: known without effect. `info`: nobody told, so it may have happened, or may happen yet; its process is never heard of again. */
export type OpType = "invoke" | "ok" | "fail" | "info";

export interface Op {
  /** Its place in the history, from 0. */
  readonly index: number;
  readonly type: OpType;
  readonly process: number;
  readonly value: readonly MicroOp[];
  /** By the clients' monotonic clock, from the first operation. */
  readonly timeNs: number;
  readonly error?: string;
}

/** By key, as the keepers' databases have them. */
export type Lists = ReadonlyMap<number, readonly number[]>;
