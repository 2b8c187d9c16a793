import { performance } from "node:perf_hooks";
import { textOf } from "../../../../protocol/errors.ts";
import type { PgClient, PgModule, PgWire } from "../../driver.ts";
import { frameOf, statusUpdate } from "./pgoutput.ts";
import { Progress } from "./progress.ts";
import { NoStream, prepareSlot, sessionRefused, SLOT_WITHIN_MS, type Names } from "./setup.ts";

export interface StreamOptions extends Names {
  readonly pg: () => Promise<PgModule>;
  readonly url: string;
  readonly connectTimeoutMs: number;
  /** How often the server is told where we are, and asked for a sign of life. */
  readonly statusEveryMs: number;
  /** A commit with an insert into the log has been seen. Must not throw. */
  readonly onCommit: (xid: number) => void;
}

/** Answers that may be missing in a row before the server counts as gone. */
const SILENT_STATUSES = 3;
const GOODBYE_MS = 1_000;

/** One session that streams the write-ahead log from a temporary slot, which ends with it. Never replaced: see `WalWake`. */
export class WalStream {
  /** Resolves, with the reason, when the stream is over. */
  readonly ended: Promise<NoStream>;
  readonly #client: PgClient;
  readonly #options: StreamOptions;
  readonly #progress = new Progress();
  readonly #resolveEnded: (why: NoStream) => void;
  #wire: PgWire | undefined;
  #copying: Promise<unknown> = Promise.resolve();
  #over = false;
  #heardMs = performance.now();
  #timer: NodeJS.Timeout | undefined;

  private constructor(client: PgClient, options: StreamOptions) {
    this.#client = client;
    this.#options = options;
    const { promise, resolve } = Promise.withResolvers<NoStream>();
    this.ended = promise;
    this.#resolveEnded = resolve;
    client.on("error", (error) => this.#finish(sessionRefused(error)));
    client.on("end", () => this.#finish(new NoStream("The server closed the stream.", false)));
  }

  /** Rejects with a `NoStream`, and leaves nothing behind then. Aborted: the same, at once. */
  static async open(options: StreamOptions, signal: AbortSignal): Promise<WalStream> {
    const { Client } = await options.pg();
    const client = new Client({
      connectionString: options.url,
      connectionTimeoutMillis: options.connectTimeoutMs,
      application_name: options.applicationName,
      keepAlive: true,
      replication: "database",
    });
    const stream = new WalStream(client, options);
    const giveUp = (): void => stream.#kill(new NoStream("The log is closed.", false));
    const late = setTimeout(() => stream.#kill(new NoStream("The stream did not begin in time.", false)), options.connectTimeoutMs + SLOT_WITHIN_MS);
    signal.addEventListener("abort", giveUp, { once: true });
    try {
      if (signal.aborted) giveUp();
      // Awaited by the race, so neither can reject unseen.
      await Promise.race([stream.#begin(), stream.ended.then((why) => Promise.reject(why))]);
      return stream;
    } catch (error) {
      const why = sessionRefused(error);
      stream.#kill(why);
      throw why;
    } finally {
      clearTimeout(late);
      signal.removeEventListener("abort", giveUp);
    }
  }

  /** Everything before it has been dealt with. */
  get handled(): bigint {
    return this.#progress.handled;
  }

  /**
   * Lets the server forget what is before this position. Taken back in the same breath: as long as our last word names no position on
   * our disk, nobody's commit waits for us, and none is let go by us (`synchronous_standby_names`).
   */
  confirm(position: bigint): void {
    this.#say({ flushed: position, wantsReply: false });
    this.#say({ flushed: 0n, wantsReply: false });
  }

  /** Ends the stream and its slot. Resolves when the session is over, or after a second each for its two ends. */
  async close(): Promise<void> {
    const wire = this.#wire;
    if (!this.#over && wire !== undefined) {
      wire.endCopyFrom();
      await within(GOODBYE_MS, this.#copying);
    }
    const gone = this.#client.end().catch(() => {});
    await within(GOODBYE_MS, gone);
    this.#finish(new NoStream("The log is closed.", false));
  }

  async #begin(): Promise<void> {
    try {
      await this.#client.connect();
    } catch (error) {
      throw sessionRefused(error);
    }
    const slot = await prepareSlot(this.#client, this.#options, SILENT_STATUSES * this.#options.statusEveryMs);
    const wire = this.#client.connection;
    if (!isWire(wire)) throw new NoStream("This driver cannot stream. Needed: pg 8.11 or later.", true);
    const { promise: started, resolve } = Promise.withResolvers<void>();
    wire.on("replicationStart", () => resolve());
    wire.on("copyData", ({ chunk }) => this.#take(chunk));
    const copying = this.#client.query({ text: `START_REPLICATION SLOT "${slot}" LOGICAL 0/0 (proto_version '1', publication_names '${this.#options.publication}')` });
    this.#copying = copying.then(
      () => this.#finish(new NoStream("The server ended the stream.", false)),
      (error: unknown) => this.#finish(sessionRefused(error)),
    );
    // What ends the copy before it starts ends the session's promise too, which the caller awaits as well.
    await started;
    this.#wire = wire;
    this.#heardMs = performance.now();
    this.#timer = setInterval(() => this.#beat(), this.#options.statusEveryMs);
  }

  #take(chunk: Buffer): void {
    if (this.#over) return;
    this.#heardMs = performance.now();
    try {
      const frame = frameOf(chunk);
      const xid = this.#progress.take(frame);
      if (xid !== undefined) this.#options.onCommit(xid);
      if (frame.kind === "keepalive" && frame.wantsReply) this.#say({ flushed: 0n, wantsReply: false });
    } catch (error) {
      this.#kill(new NoStream(`The stream is not understood: ${textOf(error)}.`, true));
    }
  }

  #beat(): void {
    // Where this process itself stood still, the answer may have come meanwhile: it is read before the immediate.
    setImmediate(() => {
      if (this.#over) return;
      const silentMs = performance.now() - this.#heardMs;
      if (silentMs > SILENT_STATUSES * this.#options.statusEveryMs) return this.#kill(new NoStream("The server does not answer.", false));
      this.#say({ flushed: 0n, wantsReply: true });
    });
  }

  #say({ flushed, wantsReply }: { readonly flushed: bigint; readonly wantsReply: boolean }): void {
    if (this.#over) return;
    this.#wire?.sendCopyFromChunk(statusUpdate({ written: this.#progress.received, flushed, nowMs: Date.now(), wantsReply }));
  }

  #kill(why: NoStream): void {
    this.#finish(why);
    void this.#client.end().catch(() => {});
  }

  #finish(why: NoStream): void {
    this.#over = true;
    clearInterval(this.#timer);
    this.#resolveEnded(why);
  }
}

async function within(ms: number, what: Promise<unknown>): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  await Promise.race([what, late]);
  clearTimeout(timer);
}

function isWire(wire: PgWire | undefined): wire is PgWire {
  return wire !== undefined && typeof wire.on === "function" && typeof wire.sendCopyFromChunk === "function" && typeof wire.endCopyFrom === "function";
}
