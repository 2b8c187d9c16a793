/** A database that is asked the same again and again while it may die: a connection that broke is made anew for the next question. */
import { setTimeout as wait } from "node:timers/promises";
import type pg from "pg";
import { connect, type Connected, type DatabaseName } from "../../evidence/snapshot.ts";

export class Asking {
  readonly name: DatabaseName;
  readonly #url: string;
  readonly #capMs: number;
  #connected: Connected | undefined;

  constructor(name: DatabaseName, url: string, capMs: number) {
    this.name = name;
    this.#url = url;
    this.#capMs = capMs;
  }

  /** Undefined where nobody could tell. */
  async ask<Answer>(question: (client: pg.Client) => Promise<Answer>): Promise<Answer | undefined> {
    try {
      const { client } = (this.#connected ??= await connect(this.name, this.#url, this.#capMs));
      return await question(client);
    } catch {
      await this.close();
      return undefined;
    }
  }

  async close(): Promise<void> {
    const connected = this.#connected;
    this.#connected = undefined;
    await connected?.close();
  }
}

export interface Looking {
  /** Twice does no harm. */
  stop(): Promise<void>;
}

export interface Looks {
  /** Between two of them: looking costs the servers something too. */
  readonly everyMs: number;
  readonly most: number;
}

/** One look after the other, until it is stopped or enough; then `end`. */
export function lookAgainAndAgain({ everyMs, most }: Looks, look: () => Promise<void>, end: () => Promise<unknown>): Looking {
  const stopping = new AbortController();
  const loop = async (): Promise<void> => {
    for (let looks = 0; looks < most && !stopping.signal.aborted; looks += 1) {
      await look();
      await wait(everyMs, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
    await end();
  };
  const looping = loop();
  return {
    stop: () => {
      stopping.abort();
      return looping;
    },
  };
}
