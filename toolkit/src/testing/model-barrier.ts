import type { Answer, Op } from "../protocol/outcome.ts";
import type { Asked } from "./answers.ts";
import type { Effect } from "./effects.ts";
import type { World } from "./virtual/world.ts";

type Row = Extract<Answer, { kind: "done" | "refused" }>;

const FORWARD_OF: { readonly [op in Op]?: Op } = { compensate: "action", cancel: "try" };

/** A call that holds a key; one that held it too long has lost its connection, and its effect is rolled back. */
interface Holder {
  over: Promise<unknown>;
  evicted: boolean;
}

/** Shorter than an op's timeout: a call that waits behind a hung one still gets its answer in time. */
const LOCK_WAIT_MS = 1_000;

/**
 * The barrier of `tripact/barrier` as a model, around any code: one effect per (gid, branch, op), refusals recorded, an undo without its
 * forward op leaves a tombstone that refuses it for good. It belongs to the participants: it outlives every coordinator.
 */
export class ModelBarrier {
  readonly effects: Effect[] = [];
  readonly #rows = new Map<string, Row>();
  /** Calls under one key wait for each other, as they would for the row's lock. */
  readonly #holders = new Map<string, Holder>();
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  async run(asked: Asked, code: () => Promise<Answer>): Promise<Answer> {
    const { key } = asked;
    const before = this.#holders.get(key);
    const { promise, resolve } = Promise.withResolvers<void>();
    const holder: Holder = { over: promise, evicted: false };
    this.#holders.set(key, holder);
    try {
      if (before !== undefined) {
        await Promise.race([before.over, new Promise<void>((awake) => this.#world.after(LOCK_WAIT_MS, undefined, awake))]);
        before.evicted = true;
      }
      return await this.#run(asked, code, holder);
    } finally {
      resolve();
      if (this.#holders.get(key) === holder) this.#holders.delete(key);
    }
  }

  /** Whether the forward effect under this key is there. */
  holds(key: string): boolean {
    return ["action", "try"].some((op) => this.#rows.get(`${key}/${op}`)?.kind === "done");
  }

  async #run(asked: Asked, code: () => Promise<Answer>, holder: Holder): Promise<Answer> {
    const { gid, branch, op, key } = asked;
    const row = this.#rows.get(`${key}/${op}`);
    if (row !== undefined) return row;
    const forward = FORWARD_OF[op];
    if (forward !== undefined && this.#rows.get(`${key}/${forward}`)?.kind !== "done") {
      this.#rows.set(`${key}/${forward}`, { kind: "refused", code: "already-undone" });
      this.#rows.set(`${key}/${op}`, { kind: "done" });
      return { kind: "done" };
    }
    const answer = await code();
    if (holder.evicted) return { kind: "unknown", code: "reset", error: "the connection was lost" };
    if (answer.kind === "done") {
      this.#rows.set(`${key}/${op}`, answer);
      this.effects.push({ gid, branch, op, atMs: this.#world.nowMs });
    } else if (answer.kind === "refused" && (op === "action" || op === "try")) {
      this.#rows.set(`${key}/${op}`, answer);
    }
    return answer;
  }
}
