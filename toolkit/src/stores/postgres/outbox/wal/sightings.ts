import type { Snapshot } from "../cursor.ts";

/** Beyond this the oldest are forgotten, and left to the poll. */
const KEPT_MAX = 10_000;
const HALF = 1n << 31n;
const WHOLE = 1n << 32n;

/**
 * Transactions that the write-ahead log has shown and no read has. It shows a commit when that is on the primary's disk; the table shows it when the standby has it,
 * which may be much later, or never. So a wake-up can come too early, and must then come again. Pure.
 */
export class Sightings {
  readonly #hidden = new Set<number>();
  #missed = false;

  /** A transaction id in the 32 bits that the stream has. */
  add(xid: number): void {
    this.#hidden.add(xid);
    for (const oldest of this.#hidden) {
      if (this.#hidden.size <= KEPT_MAX) break;
      this.#hidden.delete(oldest);
    }
  }

  get any(): boolean {
    return this.#hidden.size > 0;
  }

  /**
   * What a read with this snapshot has to say: `hidden`, it came too early for something; `appeared`, what earlier reads came too early for is
   * there by now, and others may have to read again too; `nothing`.
   */
  read(snapshot: Snapshot): "hidden" | "appeared" | "nothing" {
    const xmax = BigInt(snapshot.xmax);
    const running = new Set(snapshot.running);
    for (const xid of this.#hidden) {
      const id = widened(xid, xmax);
      if (id < xmax && !running.has(id.toString())) this.#hidden.delete(xid);
    }
    if (this.#hidden.size > 0) {
      this.#missed = true;
      return "hidden";
    }
    if (!this.#missed) return "nothing";
    this.#missed = false;
    return "appeared";
  }

  /** The stream is lost, and with it maybe the server that showed them. */
  clear(): void {
    this.#hidden.clear();
    this.#missed = false;
  }
}

/** The id of 64 bits next to `xmax` that ends in these 32. */
function widened(xid: number, xmax: bigint): bigint {
  const id = (xmax / WHOLE) * WHOLE + BigInt(xid);
  if (id - xmax >= HALF && id >= WHOLE) return id - WHOLE;
  return xmax - id > HALF ? id + WHOLE : id;
}
