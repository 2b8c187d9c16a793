import { twoPhaseMessage, type CheckBackAnswer, type Tripact } from "tripact";
import { Stage } from "../../src/testing/stage.ts";
import { Process } from "../../src/testing/virtual/process.ts";

export interface Order {
  readonly buyer: string;
  readonly points: number;
}
export const ORDER: Order = { buyer: "ann", points: 5 };
export const TOPICS: readonly string[] = ["points.added", "mail.wanted"];
export const CHECK_BACK_AFTER_MS = 2_000;

/** How the check-back behaves. `patient`: not-yet until the work has had ten seconds. `away`: the first two asks fail. */
export type Manner = "entombs" | "patient" | "away";
const PATIENCE_MS = 10_000;

/** Stands for a Redis: each function is one script, atomic, and outlives every process here. */
export class LocalStore {
  readonly #works = new Set<string>();
  readonly #tombstones = new Set<string>();
  checksTombstones = true;

  /** False: a tombstone is there, and nothing is done. */
  work(gid: string): boolean {
    if (this.checksTombstones && this.#tombstones.has(gid)) return false;
    this.#works.add(gid);
    return true;
  }

  lookOrEntomb(gid: string): "done" | "refused" {
    if (this.#works.has(gid)) return "done";
    this.#tombstones.add(gid);
    return "refused";
  }

  isDone(gid: string): boolean {
    return this.#works.has(gid);
  }

  isEntombed(gid: string): boolean {
    return this.#tombstones.has(gid);
  }
}

/** One caller's life in one process, which is also a coordinator's; what it awaits never ends once that process is dead. */
export interface Caller {
  readonly tripact: Tripact;
  readonly gid: string;
  /** Virtual time passes. */
  readonly pause: (ms: number) => Promise<void>;
}

export interface Node {
  readonly process: Process;
  readonly tripact: Promise<Tripact>;
  /** Calls of its ports, by name, as they were reached. */
  readonly reached: string[];
}

/** A two-phase message on one journal in virtual time, with nodes that come, die and are replaced. */
export class Theatre {
  readonly local = new LocalStore();
  /** When the check-back was asked. */
  readonly asks: number[] = [];
  readonly nodes: Node[] = [];
  readonly gid = "g";
  readonly points;
  readonly stage;
  manner: Manner;

  constructor(manner: Manner = "entombs") {
    this.manner = manner;
    this.points = twoPhaseMessage("points", {
      messages: (order: Order) => TOPICS.map((topic) => ({ topic, key: order.buyer, payload: order })),
      checkBackAfterMs: CHECK_BACK_AFTER_MS,
      checkBack: ({ gid, preparedAtMs }) => this.#answer(gid, preparedAtMs),
    });
    this.stage = new Stage(this.points, { barrier: "yours", tuning: { retry: { capMs: 500 } } });
  }

  get nowMs(): number {
    return this.stage.world.nowMs;
  }

  get sent(): readonly string[] {
    return this.stage.database.outbox.map(({ topic }) => topic);
  }

  get status(): string | undefined {
    return this.stage.database.transactions.get(this.gid)?.summary.status;
  }

  get isEnded(): boolean {
    return this.stage.database.transactions.get(this.gid)?.summary.ended === true;
  }

  get journal(): string {
    return this.stage.database.transactions.get(this.gid)?.entries.map(({ entry }) => entry).join("\n") ?? "";
  }

  /** A coordinator; it dies at its port call number `killAt`, if it gets there. */
  boot(killAt?: number): Node {
    const process = new Process(this.stage.world, `node ${this.nodes.length + 1}`);
    const reached: string[] = [];
    const tripact = this.stage.boot(process, (point) => {
      if (process.dead) return;
      reached.push(point);
      if (reached.length - 1 === killAt) this.kill(node);
    });
    const node = { process, tripact, reached };
    this.nodes.push(node);
    return node;
  }

  /** Its lock falls a little later. */
  kill({ process }: Node): void {
    process.dead = true;
    const { database, world } = this.stage;
    world.after(4, undefined, () => {
      for (const row of database.nodes.values()) if (row.name === process.name) database.locks.delete(row.incarnation);
    });
  }

  /** Runs a caller on a node. */
  async call<T>(node: Node, script: (caller: Caller) => Promise<T>): Promise<T> {
    const tripact = await node.tripact;
    return await script({ tripact, gid: this.gid, pause: (ms) => node.process.io(ms, () => undefined, 0) });
  }

  /** Lets time pass until `enough`, and no longer than an hour. */
  async until(enough: () => boolean): Promise<boolean> {
    return await this.stage.until(this.gid, () => enough());
  }

  async pass(ms: number): Promise<void> {
    await this.stage.world.run(() => false, this.nowMs + ms);
  }

  /** Runs a caller on a node to its end, with time. */
  async perform<T>(node: Node, script: (caller: Caller) => Promise<T>): Promise<T> {
    const ends: (() => T)[] = [];
    this.call(node, script).then(
      (value) => ends.push(() => value),
      (error: unknown) =>
        ends.push(() => {
          throw error;
        }),
    );
    await this.until(() => ends.length > 0);
    const [end] = ends;
    if (end === undefined) throw new Error(`the caller does not come to its end: ${this.journal}`);
    return end();
  }

  #answer(gid: string, preparedAtMs: number): CheckBackAnswer {
    this.asks.push(this.nowMs);
    if (this.manner === "away" && this.asks.length <= 2) throw new Error("nobody home");
    const ageMs = 1_700_000_000_000 + this.nowMs - preparedAtMs;
    if (this.manner === "patient" && ageMs < PATIENCE_MS && !this.local.isDone(gid)) return "not-yet";
    return this.local.lookOrEntomb(gid);
  }
}
