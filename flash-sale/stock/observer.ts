/**
 * Which gateways have gone silent, and which chunks are due, by this process's own clock. Pure: what was read, and when, comes in. For
 * silence only time counts in which beats could be read: a database that is away, or a process that stands still, proves nothing about a
 * gateway.
 */
import type { Unclosed } from "./chunks.ts";

export interface Reading {
  /** Monotonic. The beats are those of some moment between the two. */
  readonly fromMs: number;
  readonly untilMs: number;
  readonly chunks: readonly Unclosed[];
}

export interface Due {
  /** Their beats stood still for `leaseMs`. */
  readonly silent: readonly Unclosed[];
  /** To ask the workers about; the one that was asked about longest ago comes first. */
  readonly questions: readonly { readonly chunk: Unclosed; readonly step: Step }[];
}

/**
 * `tell`: has been closing for `graceMs`; the workers are to know. `settle`: they have known for `graceMs`; what they list now is all there
 * will be.
 */
export type Step = "tell" | "settle";

export interface ObserverOptions {
  readonly leaseMs: number;
  readonly graceMs: number;
}

/** More than this between two readings counts as this: beats could not be heard in it. */
const GAP_MS_MAX = 1_000;
/** One chunk is asked about no more often. */
const ASK_AGAIN_MS = 500;

type Watched =
  | { readonly kind: "open"; readonly beat: string; readonly stillMs: number }
  /** Since when it waits for this step. */
  | { readonly kind: "closing"; readonly step: Step; readonly sinceMs: number; readonly askedMs: number };

export class Observer {
  readonly #options: ObserverOptions;
  #watched = new Map<string, Watched>();
  #lastUntilMs: number | undefined;

  constructor(options: ObserverOptions) {
    this.#options = options;
  }

  /** Remembers what this reading has; chunks that are not in it are forgotten. */
  observe({ fromMs, untilMs, chunks }: Reading): Due {
    // From the end of one reading to the begin of the next: never more than passed between the two beats.
    const passedMs = this.#lastUntilMs === undefined ? 0 : Math.min(Math.max(fromMs - this.#lastUntilMs, 0), GAP_MS_MAX);
    this.#lastUntilMs = untilMs;
    const due = chunks.map((chunk) => ({ chunk, watched: next(this.#watched.get(chunk.id), chunk, { passedMs, untilMs }) }));
    this.#watched = new Map(due.map(({ chunk, watched }) => [chunk.id, watched]));

    const { leaseMs, graceMs } = this.#options;
    const silent = due.filter(({ watched }) => watched.kind === "open" && watched.stillMs >= leaseMs).map(({ chunk }) => chunk);
    const questions = due
      .flatMap(({ chunk, watched }) => (watched.kind === "closing" && !chunk.empty ? [{ chunk, ...watched }] : []))
      .filter(({ sinceMs, askedMs }) => sinceMs + graceMs <= fromMs && askedMs + ASK_AGAIN_MS <= fromMs)
      .toSorted((one, other) => one.askedMs - other.askedMs)
      .map(({ chunk, step }) => ({ chunk, step }));
    return { silent, questions };
  }

  /** The workers are being asked about this one, whether they answer or not. */
  asked(id: string, nowMs: number): void {
    const watched = this.#watched.get(id);
    if (watched?.kind === "closing") this.#watched.set(id, { ...watched, askedMs: nowMs });
  }

  /** The workers have answered for the first time. */
  told(id: string, nowMs: number): void {
    const watched = this.#watched.get(id);
    if (watched?.kind === "closing") this.#watched.set(id, { ...watched, step: "settle", sinceMs: nowMs });
  }
}

function next(known: Watched | undefined, { kind, beat }: Unclosed, { passedMs, untilMs }: { readonly passedMs: number; readonly untilMs: number }): Watched {
  if (kind === "closing") return known?.kind === "closing" ? known : { kind, step: "tell", sinceMs: untilMs, askedMs: Number.NEGATIVE_INFINITY };
  return known?.kind === "open" && known.beat === beat ? { ...known, stillMs: known.stillMs + passedMs } : { kind, beat, stillMs: 0 };
}
