import type { Frame } from "./pgoutput.ts";

/** The tables whose inserts wake a relay: the log, or its partitions where a publication names those. */
const LOG = /^outbox(?:_\d\d)?$/;
/** A session meets one relation a table; far more would mean that this is somebody else's stream. */
const RELATIONS_MAX = 1_000;

/** How far a stream is understood: which transaction is being told, whether it wrote to the log, and what may be confirmed. Pure. */
export class Progress {
  readonly #relations = new Map<number, boolean>();
  #open: { readonly xid: number; wrote: boolean } | undefined;
  #received = 0n;
  #handled = 0n;

  /** Where the server is. */
  get received(): bigint {
    return this.#received;
  }

  /** Everything before it has been dealt with. */
  get handled(): bigint {
    return this.#handled;
  }

  /** The id of a transaction that wrote to the log, when its commit has come; in the 32 bits that it has in the stream. */
  take(frame: Frame): number | undefined {
    if (frame.kind === "keepalive") {
      this.#received = larger(this.#received, frame.end);
      // In the middle of a transaction it speaks of what we have not got yet.
      if (this.#open === undefined) this.#handled = larger(this.#handled, frame.end);
      return undefined;
    }
    const { change } = frame;
    switch (change.kind) {
      case "begin":
        if (this.#open !== undefined) throw new RangeError("a transaction within a transaction");
        this.#open = { xid: change.xid, wrote: false };
        return undefined;
      case "relation":
        if (this.#relations.size >= RELATIONS_MAX) throw new RangeError(`more than ${RELATIONS_MAX} relations`);
        this.#relations.set(change.id, change.schema === "tripact" && LOG.test(change.name));
        return undefined;
      case "insert":
        if (this.#open === undefined) throw new RangeError("an insert outside a transaction");
        if (this.#relations.get(change.relation) === true) this.#open.wrote = true;
        return undefined;
      case "commit": {
        const { xid, wrote } = this.#open ?? missing();
        this.#open = undefined;
        this.#received = larger(this.#received, change.end);
        this.#handled = larger(this.#handled, change.end);
        return wrote ? xid : undefined;
      }
      case "other":
        return undefined;
    }
  }
}

function missing(): never {
  throw new RangeError("a commit without a begin");
}

function larger(one: bigint, other: bigint): bigint {
  return one > other ? one : other;
}
