import { performance } from "node:perf_hooks";
import { textOf, TripactError } from "../../../../protocol/errors.ts";
import type { Cursor, LogNotice } from "../../../outbox-log.ts";
import type { Connection } from "../../connection.ts";
import { positionOf, snapshotOf } from "../cursor.ts";
import { countedAsStandby, NoStream, publicationStatement, unfitPublication } from "./setup.ts";
import { Sightings } from "./sightings.ts";
import { WalStream, type StreamOptions } from "./stream.ts";

/** `slot`: how the name of the temporary slot begins. `publication`: made when it is missing, if this role may. */
export type WakeFromWal = boolean | { readonly slot?: string; readonly publication?: string };

export interface WalWakeOptions extends Omit<StreamOptions, "onCommit" | "statusEveryMs"> {
  /** An ordinary session, for a look at the server before each confirmation. */
  readonly eye: Connection;
  /** There is something new. */
  readonly wake: () => void;
}

/** Within this time, all commits are one wake-up. */
const WAKE_EVERY_MS = 2;
/** A wake-up that came too early comes again, this much later and then twice as long, up to the cap: a standby may be away for hours. */
const AGAIN_FIRST_MS = 1;
const AGAIN_CAP_MS = 250;
/** How much of the log a stream may hold back is a matter of this, besides what a long transaction holds back anyway. */
const STATUS_EVERY_MS = 10_000;
/** After a loss; and after a refusal that only a person can lift. */
const LOST = { firstMs: 100, capMs: 10_000 } as const;
const REFUSED = { firstMs: 1_000, capMs: 60_000 } as const;
/** A stream that lived for so long was a good one. */
const SETTLED_MS = 10_000;
const SLOT = /^[a-z0-9_]{1,40}$/;
const PUBLICATION = /^[a-z_][a-z0-9_]{0,62}$/;

/** The names, checked: they stand in statements that take no parameters. Undefined: not wanted. */
export function namesFor(wakeFromWal: WakeFromWal | undefined): { readonly slot: string; readonly publication: string } | undefined {
  if (wakeFromWal === undefined || wakeFromWal === false) return undefined;
  const { slot = "tripact_wake", publication = "tripact_outbox" } = wakeFromWal === true ? {} : wakeFromWal;
  if (!SLOT.test(slot)) throw new TripactError("invalid-option", "wakeFromWal.slot is 1 to 40 lower-case letters, digits, underscores.", { where: "wakeFromWal" });
  if (!PUBLICATION.test(publication)) throw new TripactError("invalid-option", "wakeFromWal.publication is a plain lower-case name of up to 63 letters, digits, underscores.", { where: "wakeFromWal" });
  return { slot, publication };
}

/**
 * Wakes the relay when the write-ahead log shows a commit that wrote to the outbox. Nothing rests on it: the table is the truth, and
 * without the stream notifications and the poll go on. So whatever is wrong with it is said once, and tried again.
 */
export class WalWake {
  readonly #options: WalWakeOptions;
  readonly #sightings = new Sightings();
  readonly #stop = new AbortController();
  #notify: (notice: LogNotice) => void = () => {};
  #running: Promise<void> | undefined;
  #state: { readonly kind: "new" } | { readonly kind: "on" } | { readonly kind: "off"; readonly detail: string } = { kind: "new" };
  #wakeTimer: NodeJS.Timeout | undefined;
  #wakeAgain = false;
  #againTimer: NodeJS.Timeout | undefined;
  #againMs = AGAIN_FIRST_MS;
  #kick: () => void = () => {};

  constructor(options: WalWakeOptions) {
    this.#options = options;
  }

  /** In the background: a slot may wait for other people's transactions. */
  start(notify: ((notice: LogNotice) => void) | undefined): void {
    if (notify !== undefined) this.#notify = notify;
    this.#running ??= this.#run();
  }

  /** The server is back: no need to wait any longer. */
  kick(): void {
    this.#kick();
  }

  /** A page was read up to here. Had it come too early for something, it is read again. */
  read(cursor: Cursor): void {
    if (!this.#sightings.any) return;
    const { seen, upto } = positionOf(cursor);
    const said = this.#sightings.read(snapshotOf(upto?.snapshot ?? seen));
    if (said === "hidden") this.#soonAgain();
    else if (said === "appeared") {
      this.#againMs = AGAIN_FIRST_MS;
      this.#wake();
    }
  }

  /** Ends the stream. Twice without harm. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.#kick();
    await this.#running;
    this.#forget();
  }

  async #run(): Promise<void> {
    let failures = 0;
    while (!this.#stop.signal.aborted) {
      const startedMs = performance.now();
      const why = await this.#stream();
      this.#forget();
      if (this.#stop.signal.aborted) return;
      this.#say(why);
      failures = performance.now() - startedMs > SETTLED_MS && !why.lasting ? 1 : failures + 1;
      const { firstMs, capMs } = why.lasting ? REFUSED : LOST;
      await this.#pause(Math.min(firstMs * 2 ** Math.min(failures - 1, 20), capMs) * (0.5 + Math.random() / 2));
    }
  }

  /** One stream, from its beginning to its end. */
  async #stream(): Promise<NoStream> {
    const { signal } = this.#stop;
    let stream: WalStream;
    try {
      stream = await WalStream.open({ ...this.#options, statusEveryMs: STATUS_EVERY_MS, onCommit: (xid) => this.#seen(xid) }, signal);
    } catch (error) {
      return error instanceof NoStream ? error : new NoStream(`No stream of the write-ahead log: ${textOf(error)}.`, true);
    }
    this.#say("on");
    // What was committed before it began was shown to nobody.
    this.#wake();
    const { promise: aborted, resolve } = Promise.withResolvers<NoStream>();
    const abort = (): void => resolve(new NoStream("The log is closed.", false));
    signal.addEventListener("abort", abort, { once: true });
    if (signal.aborted) abort();
    const looks = new AbortController();
    const unfit = this.#confirmUntil(looks.signal, stream);
    try {
      return await Promise.race([stream.ended, unfit, aborted]);
    } finally {
      looks.abort();
      signal.removeEventListener("abort", abort);
      await stream.close();
    }
  }

  /**
   * Now and then the server may forget what we have handled: after a look whether that would still be harmless. Resolves when it would not.
   * Without an ordinary session there is no look, and no confirmation; that lasts as long as the server is away.
   */
  #confirmUntil(signal: AbortSignal, stream: WalStream): Promise<NoStream> {
    const { promise, resolve } = Promise.withResolvers<NoStream>();
    const look = async (): Promise<void> => {
      const { handled } = stream;
      const unfit = await this.#look();
      if (signal.aborted) return;
      if (unfit === undefined) stream.confirm(handled);
      else resolve(new NoStream(unfit, true));
    };
    const timer = setInterval(() => void look().catch(() => {}), STATUS_EVERY_MS);
    signal.addEventListener("abort", () => clearInterval(timer), { once: true });
    return promise;
  }

  async #look(): Promise<string | undefined> {
    const { eye, publication, applicationName } = this.#options;
    return eye.exclusive(async (session) => {
      const { rows } = await session.query({ reads: true, text: `select current_setting('synchronous_standby_names') as names` });
      const published = await session.query({ reads: true, text: publicationStatement(publication) });
      return countedAsStandby(String(rows[0]?.["names"]), applicationName) ?? unfitPublication(published.rows[0], publication);
    });
  }

  #seen(xid: number): void {
    this.#sightings.add(xid);
    this.#againMs = AGAIN_FIRST_MS;
    this.#wake();
  }

  /** The first at once, those after it together. */
  #wake(): void {
    if (this.#wakeTimer !== undefined) {
      this.#wakeAgain = true;
      return;
    }
    this.#wakeTimer = setTimeout(() => {
      this.#wakeTimer = undefined;
      if (!this.#wakeAgain) return;
      this.#wakeAgain = false;
      this.#wake();
    }, WAKE_EVERY_MS);
    this.#options.wake();
  }

  #soonAgain(): void {
    if (this.#againTimer !== undefined) return;
    this.#againTimer = setTimeout(() => {
      this.#againTimer = undefined;
      this.#wake();
    }, this.#againMs);
    this.#againMs = Math.min(this.#againMs * 2, AGAIN_CAP_MS);
  }

  #forget(): void {
    this.#sightings.clear();
    clearTimeout(this.#wakeTimer);
    clearTimeout(this.#againTimer);
    this.#wakeTimer = undefined;
    this.#againTimer = undefined;
    this.#wakeAgain = false;
    this.#againMs = AGAIN_FIRST_MS;
  }

  /** Once: a loss is followed by whatever a server says while it restarts; only what a person has to lift is worth a second word. */
  #say(now: "on" | NoStream): void {
    if (now === "on") {
      this.#state = { kind: "on" };
      this.#notify({ kind: "wal-wake-on" });
      return;
    }
    const { message: detail, lasting } = now;
    if (this.#state.kind === "off" && (!lasting || this.#state.detail === detail)) return;
    this.#state = { kind: "off", detail };
    this.#notify({ kind: "wal-wake-off", detail });
  }

  async #pause(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    this.#kick = resolve;
    if (this.#stop.signal.aborted) resolve();
    await promise;
    clearTimeout(timer);
    this.#kick = () => {};
  }
}
