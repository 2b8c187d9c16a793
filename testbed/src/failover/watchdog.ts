import type { PostgresServer } from "../postgres/postgres.ts";
import type { Target, TcpProxy } from "../proxy/tcp-proxy.ts";
import { machineMs, Probe, type Probed } from "./probe.ts";

export interface WatchOptions {
  /** From the start of one probe to the start of the next; default 100. */
  readonly probeEveryMs?: number;
  /** The same after a failed probe: how fast a suspicion is confirmed; default `probeEveryMs`. */
  readonly confirmEveryMs?: number;
  /** How long one probe waits for its answer; default 500. A killed server says no at once, only a silent one takes this long. */
  readonly probeTimeoutMs?: number;
  /** That many failed probes in a row, and the server is dead; default 3. */
  readonly failuresInRow?: number;
  /** Is told of every probe of the primary: when the database itself was down. */
  readonly onProbe?: (probed: Probed) => void;
}

/**
 * - `suspected`: the first failed probe of the row began. `declared`: the last one failed, so the server counts as dead.
 * - `fenced`: the old process is gone whole. `promoted`, `restarted`: another, or the same, takes sessions again.
 * - `repointed`: new connections through the endpoint go there, and old ones were reset.
 * - `writable`: a write through the endpoint was committed.
 * - `gave-up`: nothing more will be done, and why.
 */
export type StepKind = "suspected" | "declared" | "fenced" | "promoted" | "restarted" | "repointed" | "writable" | "gave-up";

export interface Step {
  readonly kind: StepKind;
  /** Which death this belongs to, from 1. */
  readonly death: number;
  /** Milliseconds of the machine's monotonic clock (`process.hrtime`). */
  readonly atMs: number;
  readonly detail: string;
}

export type WatchState = "watching" | "recovering" | "gave-up" | "stopped";

export interface Watch {
  readonly state: WatchState;
  /** Everything that was done, oldest first. */
  readonly timeline: readonly Step[];
  /** Rows of failed probes that ended before the server counted as dead. */
  readonly falseSuspicions: number;
  /** Ends the watch and its connections; a recovery under way is carried through to its repointing. Twice does no harm. */
  stop(): Promise<void>;
}

/** A server, and where the watchdog reaches it. */
export interface Watched {
  readonly server: PostgresServer;
  readonly at: Target;
}

/** Brings a server back, or another in its place; tells each step. Rejects when nothing more can be done. */
export type Remedy = (tell: (kind: StepKind, detail?: string) => void) => Promise<Watched>;

// It leaves a record in the write-ahead log, so it commits as a business write does, and needs no table.
const write = "select pg_logical_emit_message(true, 'tripact-probe', '')";

/** Watches one server through trivial queries and has it recovered when it is dead. */
export class Watchdog implements Watch {
  readonly timeline: Step[] = [];
  state: WatchState = "watching";
  falseSuspicions = 0;
  readonly #options: Required<Omit<WatchOptions, "onProbe">>;
  readonly #onProbe: (probed: Probed) => void;
  readonly #endpoint: TcpProxy;
  readonly #remedy: Remedy;
  #probe: Probe;
  /** While a recovery has not yet been seen to take writes. */
  #writeProbe: Probe | undefined;
  #death = 0;
  #stopping = false;
  #wake: () => void = () => {};
  #loop: Promise<void> = Promise.resolve();

  constructor(watched: Watched, endpoint: TcpProxy, remedy: Remedy, options: WatchOptions) {
    const { probeEveryMs = 100, confirmEveryMs = probeEveryMs, probeTimeoutMs = 500, failuresInRow = 3, onProbe = () => {} } = options;
    this.#options = { probeEveryMs, confirmEveryMs, probeTimeoutMs, failuresInRow };
    for (const [name, value] of Object.entries(this.#options)) {
      if (!Number.isSafeInteger(value) || value < 1) throw new RangeError(`${name} must be a whole number of at least 1, got ${value}`);
    }
    this.#onProbe = onProbe;
    this.#endpoint = endpoint;
    this.#remedy = remedy;
    this.#probe = this.#probeOf(watched);
  }

  /** Resolves when the server has answered once, so that what is seen later is a change. */
  async start(): Promise<void> {
    for (let left = this.#options.failuresInRow; left > 0; left -= 1) {
      const probed = await this.#probe.ask();
      if (probed.kind === "answered") {
        this.#loop = this.#watch();
        return;
      }
      if (left === 1) throw new Error(`the server to be watched does not answer: ${probed.because}`);
    }
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#probe.close();
    this.#writeProbe?.close();
    this.#wake();
    await this.#loop;
    // A recovery that was carried through has opened another one.
    this.#probe.close();
    if (this.state !== "gave-up") this.state = "stopped";
  }

  async #watch(): Promise<void> {
    const row: { fromMs: number; because: string }[] = [];
    while (!this.#stopping && this.state === "watching") {
      const probed = await this.#probe.ask();
      if (this.#stopping) return;
      this.#onProbe(probed);
      switch (probed.kind) {
        case "answered":
          if (row.length > 0) this.falseSuspicions += 1;
          row.length = 0;
          await this.#tryWrite();
          break;
        case "failed":
          row.push(probed);
          if (row.length < this.#options.failuresInRow) break;
          await this.#recover(row);
          row.length = 0;
          continue;
      }
      const everyMs = row.length > 0 ? this.#options.confirmEveryMs : this.#options.probeEveryMs;
      await this.#pause(probed.fromMs + everyMs - machineMs());
    }
  }

  async #recover(row: readonly { readonly fromMs: number; readonly because: string }[]): Promise<void> {
    this.#death += 1;
    this.state = "recovering";
    this.#probe.close();
    this.#writeProbe?.close();
    this.#writeProbe = undefined;
    this.#tell("suspected", row[0]?.because, row[0]?.fromMs);
    this.#tell("declared", `${row.length} probes in a row failed, the last one: ${row.at(-1)?.because}`);
    try {
      const watched = await this.#remedy((kind, detail) => this.#tell(kind, detail));
      this.#probe = this.#probeOf(watched);
      this.#writeProbe = this.#probeOf({ server: watched.server, at: this.#endpoint }, write);
      this.state = "watching";
    } catch (error) {
      this.state = "gave-up";
      this.#tell("gave-up", error instanceof Error ? error.message : String(error));
    }
  }

  async #tryWrite(): Promise<void> {
    const probe = this.#writeProbe;
    if (probe === undefined) return;
    const probed = await probe.ask();
    if (probed.kind === "failed") return;
    probe.close();
    this.#writeProbe = undefined;
    this.#tell("writable", "", probed.toMs);
  }

  #probeOf({ server, at }: Watched, question = "select 1"): Probe {
    return new Probe({ server, at, question, timeoutMs: this.#options.probeTimeoutMs });
  }

  #tell(kind: StepKind, detail = "", atMs = machineMs()): void {
    this.timeline.push({ kind, death: this.#death, atMs, detail });
  }

  #pause(ms: number): Promise<void> {
    if (ms <= 0 || this.#stopping) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** Gives up on a step that takes too long. What it waited for may still happen. */
export async function within<Result>(capMs: number, what: string, step: Promise<Result>): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const cap = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took more than ${capMs} ms`)), capMs);
  });
  return Promise.race([step, cap]).finally(() => clearTimeout(timer));
}
