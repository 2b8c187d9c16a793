import { lsnOf, lsnText } from "./lsn.ts";

/**
 * How far the log has been handled: the end of the last transaction of which everything was. What was merely received is not in it, so a server
 * that hears this keeps the rest for whoever comes back.
 */
export class Confirmed {
  #handled = 0n;

  get handled(): bigint {
    return this.#handled;
  }

  /** Transactions come in the order of their commits; an older end is one that is told again. */
  transactionHandled(endLsn: string): void {
    const end = lsnOf(endLsn);
    if (end > this.#handled) this.#handled = end;
  }

  /** What to give to `acknowledge`, which itself adds one byte; undefined before the first. */
  get toAcknowledge(): string | undefined {
    return this.#handled === 0n ? undefined : lsnText(this.#handled - 1n);
  }
}
