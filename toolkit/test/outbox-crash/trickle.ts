import { setTimeout as sleep } from "node:timers/promises";
import type { Sender, Sent } from "./shop.ts";

export interface Pace {
  /** A transaction this often, and what fails is not sent again. */
  readonly everyMs: number;
  /** Per transaction, of the keys in turn. */
  readonly messages: number;
  readonly work?: Sent["work"];
}

/** A steady load: one transaction after the other, and now and then one that is rolled back. */
export class Trickle {
  readonly #acknowledged: string[] = [];
  readonly #done: Promise<void>;
  /** Commits whose acknowledgement did not come: sent or not. */
  unanswered = 0;
  #over = false;

  constructor(sender: Sender, keys: readonly string[], { everyMs, messages, work }: Pace) {
    this.#done = this.#run(everyMs, async (round) => {
      const batch = Array.from({ length: messages }, (_, n) => ({ key: keys[(round * messages + n) % keys.length] ?? "", ...(work === undefined ? {} : { work }) }));
      if (round % 10 === 9) await sender.sendInVain(...batch);
      else this.#acknowledged.push(...(await sender.send(...batch)));
    });
  }

  /** How many messages were acknowledged. */
  get count(): number {
    return this.#acknowledged.length;
  }

  /** Ends it; the ids that were acknowledged. */
  async end(): Promise<readonly string[]> {
    this.#over = true;
    await this.#done;
    return this.#acknowledged;
  }

  async #run(everyMs: number, sendOne: (round: number) => Promise<void>): Promise<void> {
    for (let round = 0; !this.#over; round += 1) {
      await sendOne(round).catch(() => {
        this.unanswered += 1;
      });
      await sleep(everyMs);
    }
  }
}
