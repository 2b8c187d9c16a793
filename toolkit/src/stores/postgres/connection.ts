import { performance } from "node:perf_hooks";
import { TripactError } from "../../protocol/errors.ts";
import { askAgainInMs } from "../../protocol/retry.ts";
import type { PgResult } from "./driver.ts";
import { unreachable, wordsOf } from "./outcome.ts";
import { Session } from "./session.ts";
import type { Backend, SessionOptions, Statement } from "./session.ts";

export interface ConnectionOptions extends SessionOptions {
  /** The `synchronous_commit` that the next statement needs; it changes while a standby is lost. */
  readonly commitLevel: () => string;
  /** Runs on every new session before anybody else may use it. */
  readonly prepare?: (session: Session) => Promise<void>;
  readonly behind?: Behind;
  /** `wentSilent`: the server did not answer, and may not know that we have given up. */
  readonly onLost?: (wentSilent: boolean) => void;
  /** After a reconnect, not after the first connect. */
  readonly onBack?: () => void;
}

/**
 * After a loss one comes back so much later than `first`, up to twice as much, or, where it is `unlessAsked`, as soon as somebody has work for it. A new session is a new process of
 * the server with nothing cached, some 8 ms of work on both sides; a server that is back gets all of them at once, and until they are through nobody gets anything done.
 */
export interface Behind {
  readonly first: () => Connection;
  readonly ms: number;
  readonly unlessAsked?: boolean;
}

/** `new`: never opened. `waiting`: connected, but a lost session's backend still waits for the standby with our row locks. */
export type ConnectionState = "new" | "up" | "waiting" | "down" | "closed";

const RETRY_MAX_MS = 1_000;
/** How long a statement waits for a reconnect before it says `store-unreachable`. Those behind it wait at the same time, not after it. */
const PATIENCE_MS = 1_000;
const PREDECESSOR_POLL_MS = 20;
/** When one server ends, its sessions hear of it within this time of each other. */
const HEARD_WITHIN_MS = 100;

/**
 * One dedicated connection: a queue of statements on one session, which is replaced when it is lost. A new session serves nobody until
 * the backend of the lost one is gone: otherwise a retry would run into its predecessor's row locks, and each retry leak a backend.
 */
export class Connection {
  readonly #options: ConnectionOptions;
  #session: Session | undefined;
  #state: ConnectionState = "new";
  #predecessor: Backend | undefined;
  #problem: unknown;
  #downSinceMs = 0;
  /** Which `open` is the one that counts. */
  #opening = 0;
  #queue: Promise<unknown> = Promise.resolve();
  /** How many wait until it is back. */
  #asking = 0;
  #letsOthersFirst = false;
  #changed = Promise.withResolvers<void>();

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** Why it is not up. */
  get problem(): string {
    return this.#problem === undefined ? "" : wordsOf(this.#problem);
  }

  /** It was lost, and has not tried to come back yet. */
  get letsOthersFirst(): boolean {
    return this.#letsOthersFirst;
  }

  get session(): Session | undefined {
    return this.#session;
  }

  /** Whose statements may be at work: ours now, and one whose reply was lost. */
  get backends(): readonly Backend[] {
    return [this.#session?.backend, this.#predecessor].filter((backend) => backend !== undefined);
  }

  /** The first connect: one try. */
  async open(): Promise<void> {
    if (this.#state === "closed") throw this.#refusal();
    this.#opening += 1;
    const opening = this.#opening;
    const session = await this.#newSession();
    if (opening !== this.#opening) {
      // Closed or reset meanwhile: nobody else knows of this session.
      await session.close();
      throw this.#refusal();
    }
    this.#adopt(session);
  }

  /** Undoes `open`. */
  async reset(): Promise<void> {
    if (this.#state === "closed") return;
    this.#opening += 1;
    this.#letsOthersFirst = false;
    this.#predecessor = undefined;
    const session = this.#session;
    this.#session = undefined;
    this.#setState("new");
    await session?.close();
  }

  async query(statement: Statement): Promise<PgResult> {
    return this.exclusive((session) => session.query(statement));
  }

  /** Several statements on one session, nobody else in between. */
  async exclusive<T>(work: (session: Session) => Promise<T>): Promise<T> {
    const askedMs = performance.now();
    const turn = this.#queue.then(async () => {
      const session = await this.#ready(askedMs);
      await raiseTo(session, this.#options.commitLevel());
      return work(session);
    });
    this.#queue = turn.catch(() => {});
    return turn;
  }

  /** The way to the server is in doubt: whoever is at work has this long to answer, from its question on, and whoever is idle is asked. */
  doubt(silenceMs: number): void {
    if (this.#state !== "up") return;
    this.#session?.doubt(silenceMs);
    this.query({ text: "select", reads: true }).catch(() => {});
  }

  /** Waits for the statement in flight, at most this long, then closes. Twice without harm. */
  async close(waitsMs = Infinity): Promise<void> {
    if (this.#state === "closed") return;
    this.#opening += 1;
    const wasUp = this.#state === "up";
    const session = this.#session;
    this.#setState("closed");
    if (wasUp) await atMost(waitsMs, this.#queue);
    await session?.close();
  }

  async #ready(askedMs: number): Promise<Session> {
    if (this.#state === "up" && this.#session !== undefined) return this.#session;
    const enough = Promise.withResolvers<"enough">();
    const untilMs = Math.max(askedMs, this.#downSinceMs) + PATIENCE_MS;
    const timer = setTimeout(() => enough.resolve("enough"), Math.max(0, untilMs - performance.now()));
    this.#asking += 1;
    if (this.#asking === 1) this.#tell();
    try {
      while (this.#state === "down" || this.#state === "waiting") {
        if ((await Promise.race([this.#changed.promise, enough.promise])) === "enough") break;
      }
    } finally {
      this.#asking -= 1;
      clearTimeout(timer);
    }
    if (this.#state === "up" && this.#session !== undefined) return this.#session;
    throw this.#refusal();
  }

  #refusal(): TripactError {
    const { place } = this.#options;
    switch (this.#state) {
      case "new":
        return new TripactError("not-connected", "Call connect() first.", { where: place });
      case "closed":
        return new TripactError("stopped", "The store is closed.", { where: place });
      case "waiting":
        return unreachable("An earlier commit still waits for its standby.", place);
      case "up":
      case "down":
        return unreachable(`No connection to Postgres: ${this.problem}.`, place, this.#problem);
    }
  }

  async #newSession(): Promise<Session> {
    const level = this.#options.commitLevel();
    const session = await Session.open({ ...this.#options, settings: [...this.#options.settings, `set synchronous_commit = ${level}`] });
    session.commitLevel = level;
    try {
      await this.#options.prepare?.(session);
      return session;
    } catch (error) {
      await session.close();
      throw error;
    }
  }

  #adopt(session: Session): void {
    this.#session = session;
    this.#setState("up");
    void session.ended.then((why) => this.#replace(session, why));
  }

  async #replace(lost: Session, why: string): Promise<void> {
    if (this.#session !== lost || !this.#isOpen()) return;
    const opening = this.#opening;
    const isOver = (): boolean => !this.#isOpen() || opening !== this.#opening;
    this.#session = undefined;
    this.#predecessor = lost.backend;
    this.#problem = new Error(why);
    this.#downSinceMs = performance.now();
    this.#setState("down");
    this.#options.onLost?.(lost.wentSilent);
    await this.#letFirst(isOver);
    while (!isOver()) {
      try {
        const session = await this.#newSession();
        await this.#outlive(session, lost.backend, isOver);
        if (isOver()) return await session.close();
        this.#predecessor = undefined;
        this.#adopt(session);
        this.#options.onBack?.();
        return;
      } catch (error) {
        if (isOver()) return;
        this.#problem = error;
        await this.#pause(askAgainInMs(performance.now() - this.#downSinceMs, RETRY_MAX_MS) * (0.5 + Math.random() / 2), isOver);
      }
    }
  }

  /** Waits until the lost session's backend is gone; ends it unless it waits for the standby, which only the standby can end. */
  async #outlive(session: Session, lost: Backend, isOver: () => boolean): Promise<void> {
    try {
      while (!isOver()) {
        const { rows } = await session.query({
          reads: true,
          text: `select wait_event is not distinct from 'SyncRep' as waits,
                        case when wait_event is distinct from 'SyncRep' then pg_terminate_backend(pid) end as ended
                   from pg_stat_get_activity($1) where extract(epoch from backend_start)::text = $2`,
          values: [lost.pid, lost.startedAt],
        });
        const predecessor = rows[0];
        if (predecessor === undefined || isOver()) return;
        this.#setState(predecessor["waits"] === true ? "waiting" : "down");
        await this.#pause(PREDECESSOR_POLL_MS, isOver);
      }
    } catch (error) {
      await session.close();
      if (!isOver()) this.#setState("down");
      throw error;
    }
  }

  async #letFirst(isOver: () => boolean): Promise<void> {
    const { behind } = this.#options;
    if (behind === undefined) return;
    const first = behind.first();
    const isDown = (): boolean => first.state === "down" || first.state === "waiting";
    const isWanted = (): boolean => isOver() || (behind.unlessAsked === true && this.#asking > 0);
    this.#letsOthersFirst = true;
    // It may hear of the same loss a moment after us.
    await this.#pause(HEARD_WITHIN_MS, isWanted);
    do {
      while (!isWanted() && isDown()) await Promise.race([this.#changed.promise, first.#changed.promise]);
      // Nor do those that come later come together.
      await this.#pause(behind.ms * (1 + Math.random()), isWanted);
    } while (!isWanted() && isDown());
    // Where this is another life by now, that one says it.
    if (!isOver()) this.#letsOthersFirst = false;
  }

  // A method, because the compiler believes that a state checked before an await still holds after it.
  #isOpen(): boolean {
    return this.#state !== "closed";
  }

  #setState(state: ConnectionState): void {
    if (this.#state === "closed") return;
    this.#state = state;
    this.#tell();
  }

  #tell(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }

  /** Sleeps, but not through what ends it. */
  async #pause(ms: number, isOver: () => boolean): Promise<void> {
    if (ms <= 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    while (!isOver()) {
      const woken = await Promise.race([promise.then(() => true), this.#changed.promise.then(() => false)]);
      if (woken) return;
    }
    clearTimeout(timer);
  }
}

/** Brings a session to this `synchronous_commit`, unless it is there. */
async function raiseTo(session: Session, level: string): Promise<void> {
  if (session.commitLevel === level) return;
  await session.query({ text: `set synchronous_commit = ${level}`, reads: true });
  session.commitLevel = level;
}

async function atMost(ms: number, work: Promise<unknown>): Promise<void> {
  if (ms === Infinity) return void (await work);
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(late.resolve, ms);
  await Promise.race([work, late.promise]);
  clearTimeout(timer);
}
