import { textOf } from "../../protocol/errors.ts";
import type { Journal, Mail } from "../../stores/store.ts";
import type { Notify } from "../notices.ts";

export interface MailboxParts {
  readonly journal: Journal;
  readonly owner: () => string;
  readonly mayRead: () => boolean;
  readonly deliver: (mail: Mail) => void;
  readonly notify: Notify;
  readonly limit: number;
}

/** Reads the letters that were left for the transactions of this node. One reading at a time; a wish during one leads to one more. */
export class Mailbox {
  readonly #parts: MailboxParts;
  #running = false;
  #again = false;

  constructor(parts: MailboxParts) {
    this.#parts = parts;
  }

  read(): void {
    this.#again = true;
    if (this.#running) return;
    this.#running = true;
    this.#readAll().catch((error: unknown) => this.#parts.notify({ kind: "store", error: textOf(error) }));
  }

  async #readAll(): Promise<void> {
    const { journal, owner, mayRead, deliver, limit } = this.#parts;
    try {
      while (this.#again && mayRead()) {
        this.#again = false;
        for (const mail of await journal.mail(owner(), limit)) deliver(mail);
      }
    } finally {
      // In the same turn as the last look at the wish: one that came in between would be granted by nobody.
      this.#running = false;
    }
  }
}
