/** Keeps the history: whoever begins and ends operations says so here, at the moment itself. */
import type { MicroOp, Op } from "./history.ts";

export class Recorder {
  readonly #ops: Op[] = [];
  #originNs: bigint | undefined;

  get history(): readonly Op[] {
    return this.#ops;
  }

  add(op: Pick<Op, "type" | "process" | "error"> & { readonly value: readonly MicroOp[] }): void {
    const nowNs = process.hrtime.bigint();
    this.#originNs ??= nowNs;
    this.#ops.push({ index: this.#ops.length, timeNs: Number(nowNs - this.#originNs), ...op });
  }
}
