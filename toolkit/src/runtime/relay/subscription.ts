import { TripactError } from "../../protocol/errors.ts";
import { afterTry, type AfterTry, type Receipt } from "../../protocol/message.ts";
import { retryDelayMs } from "../../protocol/retry.ts";
import type { Cursor, LoggedMessage, OutboxLog } from "../../stores/outbox-log.ts";
import type { Clock } from "../clock.ts";
import type { Notify } from "../notices.ts";
import { Claims } from "./claims.ts";
import { Delivery } from "./delivery.ts";
import type { RelayTuning, SubscriptionPlan } from "./options.ts";
import { afterEach, Pipeline, type Flight } from "./pipeline.ts";
import { clipped, RetryQueue } from "./retry-queue.ts";
import { Settling } from "./settling.ts";
import { Sizing } from "./sizing.ts";
import { Streams, type Stream } from "./streams.ts";
import { Pace, Timers } from "./timers.ts";

export interface SubscriptionParts {
  readonly plan: SubscriptionPlan;
  readonly log: OutboxLog;
  readonly source: string;
  readonly clock: Clock;
  readonly tuning: RelayTuning;
  readonly notify: Notify;
  readonly owner: () => string;
  /** Ours, and recently confirmed: without that nothing is delivered. */
  readonly mayDeliver: () => boolean;
  /** Lanes were let go of, or are wanted again: time to look who takes what. */
  readonly onLanes: () => void;
}

const DETACH_LOOK_MS = 50;

/**
 * One subscription on one relay: reads what became visible, hands it to the sink key by key, and moves the cursors behind what is settled. Whatever goes wrong with
 * the log ends in `#restart`: forget what was read and claim the lanes again; the cursors in the log are the truth.
 */
export class Subscription {
  readonly #parts: SubscriptionParts;
  readonly #delivery: Delivery;
  #pipeline: Pipeline;
  #retries: RetryQueue;
  readonly #streams = new Streams();
  readonly #claims: Claims;
  #leaving = new Set<number>();
  /** Counts restarts: answers to what an earlier life asked are not for us. */
  #life = 0;
  #reading = false;
  /** The queue was too full to read on: to be done when there is room. */
  #waitsForRoom = false;
  #settling: Settling;
  readonly #pace: Pace;
  readonly #sizing = new Sizing();
  #toldTooMany = false;
  readonly #timers: Timers;
  /** No more is read. */
  #stopping = false;
  /** No more is delivered. */
  #drained = false;
  #stopped = false;

  constructor(parts: SubscriptionParts) {
    this.#parts = parts;
    this.#timers = new Timers(parts.clock);
    this.#claims = new Claims({ subscription: parts.plan.name, lanes: parts.log.lanes, owner: parts.owner });
    const { pollMinMs: minMs, hotMs, pollMaxMs: maxMs, gatherMs } = parts.tuning;
    this.#pace = new Pace({ minMs, hotMs, maxMs, gatherMs });
    this.#delivery = new Delivery({ ...parts, mayRetry: () => !this.#stopping && parts.mayDeliver(), onRoom: () => this.#dispatch() });
    this.#retries = this.#newRetries();
    this.#pipeline = new Pipeline(this.#retries, parts.plan.sink.features.ordered);
    this.#settling = this.#newSettling();
  }

  get lanes(): readonly number[] {
    return this.#streams.lanes;
  }

  /** Messages read and not settled, and keys that are held. */
  get backlog(): { readonly open: number; readonly heldKeys: number } {
    return { open: this.#pipeline.open, heldKeys: this.#retries.size };
  }

  start(): void {
    this.#timers.every("detach", DETACH_LOOK_MS, () => this.#detachSlow());
    this.#timers.every("sync", this.#parts.tuning.syncEveryMs, () => this.#sync());
    this.#timers.every("save", this.#parts.tuning.saveEveryMs, () => this.#collect());
  }

  /** There may be something new. However often that is said, it is looked for every `gatherMs` at most: what came meanwhile goes together. */
  wake(): void {
    const nowMs = this.#parts.clock.nowMs();
    this.#pace.heat(nowMs);
    this.#dispatch();
    // A read that is under way sets the timer when it is back.
    if (this.#reading) return;
    const restMs = this.#pace.restMs(nowMs);
    if (restMs > 0) return this.#timers.later("poll", restMs, () => this.#read());
    this.#timers.cancel("poll");
    this.#read();
  }

  /** A person has decided on a key; it may be one that we do not hold. */
  look(): void {
    this.#sync();
  }
  /** These lanes should be ours and no others: what is more is let go of when it is settled, what is missing is claimed where it is free. */
  async want(wanted: readonly number[]): Promise<void> {
    const { plan, log, notify } = this.#parts;
    if (await this.#claims.releaseAllBut([...this.lanes, ...wanted])) this.#parts.onLanes();
    const have = new Set(this.lanes);
    for (const lane of have) if (!wanted.includes(lane)) this.#leaving.add(lane);
    const back = wanted.filter((lane) => this.#leaving.delete(lane));
    this.#letGo();
    if (back.length > 0) this.#resumeLanes();
    const missing = wanted.filter((lane) => !have.has(lane));
    if (missing.length === 0 || this.#stopping) return;
    const life = this.#life;
    const claimed = await this.#claims.claim(missing);
    if (life !== this.#life || claimed.length === 0) return;
    const held = await this.#claims.orDoubt(log.retries.held({ subscription: plan.name, lanes: claimed.map(({ lane }) => lane), limit: plan.heldKeysMax }));
    if (life !== this.#life) return;
    this.#retries.load(held);
    this.#streams.add(claimed);
    notify({ kind: "lanes-claimed", subscription: plan.name, lanes: claimed.length });
    const restarted = claimed.filter((lane) => lane.restarted).length;
    if (restarted > 0) notify({ kind: "log-restarted", subscription: plan.name, lanes: restarted });
    this.wake();
  }

  /** Somebody else has our lanes, or the session is gone: nothing of this life counts any more. */
  restart(): void {
    this.#life += 1;
    this.#retries.stop();
    this.#retries = this.#newRetries();
    this.#pipeline = new Pipeline(this.#retries, this.#parts.plan.sink.features.ordered);
    this.#settling.stop();
    this.#settling = this.#newSettling();
    this.#streams.clear();
    this.#leaving.clear();
    this.#claims.doubt();
    this.#delivery.forget();
    this.#parts.onLanes();
  }

  /** Delivers what it has read, stores how far it came, lets go of its lanes. What takes longer than `withinMs` is left to the next relay. */
  async stop(withinMs: number): Promise<void> {
    const { clock } = this.#parts;
    this.#stopping = true;
    const untilMs = clock.nowMs() + withinMs;
    while ((this.#pipeline.open > 0 || this.#delivery.busy > 0) && !this.#delivery.isDown && clock.nowMs() < untilMs) await this.#pause(5);
    this.#drained = true;
    this.#detachSlow(0);
    this.#collect();
    while (this.#settling.pending && clock.nowMs() < untilMs) {
      this.#collect();
      await this.#pause(5);
    }
    this.#stopped = true;
    this.#life += 1;
    this.#timers.stop();
    this.#retries.stop();
    this.#settling.stop();
    this.#delivery.forget();
    const { lanes } = this;
    this.#streams.clear();
    if (lanes.length > 0) await this.#claims.release(lanes);
  }

  #newRetries(): RetryQueue {
    const { plan, log, clock, owner, tuning, notify } = this.#parts;
    return new RetryQueue({
      subscription: plan.name,
      owner,
      retries: log.retries,
      clock,
      batchMax: () => (plan.sink.features.ordered ? this.#delivery.batch(plan.sink.features.batchMax) : 1),
      troubleMs: tuning.troubleMs,
      deliver: (messages, attempts) => this.#delivery.again(messages, attempts),
      judge: (message, attempts, receipt) => this.#judge(message, attempts, receipt),
      onFenced: () => this.restart(),
      onTrouble: (error) => notify({ kind: "store", error: clipped(error) }),
      onFreed: () => this.#resumeLanes(),
    });
  }

  #judge(message: LoggedMessage, attempts: number, receipt: Receipt): AfterTry {
    const { plan, clock, notify } = this.#parts;
    const after = afterTry(plan.policyOf(message.topic), attempts, receipt, clock.random());
    const { id, topic, key } = message;
    if (after.kind === "given-up") notify({ kind: "message-parked", subscription: plan.name, id, topic, key, state: after.state, error: clipped(after.error) });
    else if (after.kind === "again" && after.state === "late" && after.attempts === plan.policyOf(topic).retry.maxAttempts) {
      notify({ kind: "message-late", subscription: plan.name, id, topic, key, error: clipped(after.error) });
    }
    return after;
  }

  // Reading.

  #read(): void {
    const { plan, tuning } = this.#parts;
    if (this.#reading || this.#stopping || !this.#parts.mayDeliver()) return;
    const { open, bytes } = this.#pipeline;
    const room = Math.min(plan.queueSize - open, this.#sizing.within(tuning.queueBytesMax - bytes));
    this.#waitsForRoom = room <= 0 || this.#holdsTooMany();
    if (this.#waitsForRoom) return;
    const streams = this.#streams.readable();
    if (streams.length === 0) return;
    this.#reading = true;
    this.#pace.looks(this.#parts.clock.nowMs());
    const life = this.#life;
    this.#readRound(streams, Math.min(room, tuning.pageMax, Math.max(1, this.#sizing.within(tuning.batchBytesMax)))).then(
      (found) => {
        this.#reading = false;
        if (life !== this.#life) return this.#read();
        this.#dispatch();
        if (found === 0) this.#collect();
        const nowMs = this.#parts.clock.nowMs();
        const more = streams.some((stream) => stream.more);
        if (found > 0 || more) this.#pace.heat(nowMs);
        else this.#pace.foundNothing(nowMs);
        if (more) this.#read();
        else this.#timers.later("poll", this.#pace.everyMs, () => this.#read());
      },
      (error: unknown) => {
        this.#reading = false;
        if (life === this.#life) this.#trouble(error);
      },
    );
  }

  /** Every stream once. The first reads up to now, the others no further than that: so those that have no backlog stand together afterwards. */
  async #readRound(streams: readonly Stream[], limit: number): Promise<number> {
    const { log, plan } = this.#parts;
    const life = this.#life;
    let found = 0;
    let first: Cursor | undefined;
    for (const stream of streams) {
      this.#streams.stop(stream, (lane) => this.#leaving.has(lane));
      if (stream.lanes.length === 0) continue;
      const page = await log.messages.read({
        lanes: stream.lanes.map(({ lane }) => lane),
        cursor: stream.cursor,
        ...(first === undefined ? {} : { upto: first }),
        ...(plan.topics === undefined ? {} : { topics: plan.topics }),
        limit,
      });
      if (life !== this.#life) return 0;
      stream.cursor = page.cursor;
      stream.more = page.more;
      this.#sizing.saw(page.messages);
      this.#pipeline.admit({ lanes: stream.lanes, cursor: page.cursor, messages: page.messages });
      if (page.messages.length > 0) this.#dispatch();
      if (!page.more) first ??= page.cursor;
      found += page.messages.length;
    }
    this.#streams.merge();
    this.#stopLanes();
    return found;
  }

  /** Every other message fails: what waits in the table is enough. */
  #holdsTooMany(): boolean {
    const { plan, notify } = this.#parts;
    const tooMany = this.#retries.size >= plan.heldKeysMax;
    if (tooMany && !this.#toldTooMany) notify({ kind: "subscription-paused", subscription: plan.name, error: `${plan.heldKeysMax} keys wait in the retry table` });
    if (!tooMany && this.#toldTooMany) notify({ kind: "subscription-resumed", subscription: plan.name });
    this.#toldTooMany = tooMany;
    return tooMany;
  }

  #stopLanes(): void {
    const { plan, notify } = this.#parts;
    const longest = this.#retries.longest();
    if (longest === undefined || longest.count < plan.keyBacklogMax) return;
    const stream = this.#streams.readable().find((it) => it.lanes.some(({ lane }) => lane === longest.lane));
    if (stream === undefined) return;
    this.#streams.stop(stream, (lane) => lane === longest.lane);
    notify({ kind: "lane-stopped", subscription: plan.name, ...longest });
  }

  #resumeLanes(): void {
    const longest = this.#retries.longest();
    if (longest !== undefined && longest.count >= this.#parts.plan.keyBacklogMax) return;
    this.#streams.resume((lane) => this.#leaving.has(lane));
    this.#read();
  }

  // Delivering.

  #dispatch(): void {
    const { plan, clock, mayDeliver } = this.#parts;
    const { batchMax } = plan.sink.features;
    while (!this.#drained && mayDeliver()) {
      const limit = this.#delivery.room(batchMax);
      if (limit === 0) return;
      const flights = this.#pipeline.next(limit, this.#parts.tuning.batchBytesMax, clock.nowMs());
      if (flights.length === 0) return;
      const life = this.#life;
      const pipeline = this.#pipeline;
      this.#delivery.first(flights.map(({ message }) => message), (receipts) => {
        if (life !== this.#life) return;
        if (receipts === undefined) this.#putBack(flights);
        else this.#landed(flights, receipts);
        this.#collect();
        this.#dispatch();
        // Whatever is new will be told of, or polled for: a read for each delivery would cost as much as the delivery.
        if (this.#waitsForRoom && pipeline.open < plan.queueSize / 2) this.#read();
      });
    }
  }

  /** The receiver seems to be down. What has left for the retry table meanwhile was not tried either. */
  #putBack(flights: readonly Flight[]): void {
    const delayMs = this.#parts.tuning.troubleMs;
    for (const message of this.#pipeline.putBack(flights)) this.#retries.answered(message, { kind: "again", state: "waiting", attempts: 0, delayMs, error: "not tried yet" });
  }

  #landed(flights: readonly Flight[], receipts: readonly Receipt[]): void {
    for (const [flight, after] of afterEach(flights, receipts, (message, receipt) => this.#judge(message, 0, receipt))) {
      if (this.#pipeline.landed(flight, after)) this.#retries.answered(flight.message, after);
    }
  }

  /** What stands out leaves the log when others wait for it: those that cannot be read, or a relay that should have the lane. */
  #detachSlow(slowMs = this.#delivery.slowMs): void {
    const { plan } = this.#parts;
    this.#delivery.look();
    if (slowMs > 0 && this.#leaving.size === 0 && this.#pipeline.open < plan.queueSize) return;
    const slow = this.#pipeline.detach(this.#parts.clock.nowMs() - slowMs);
    if (slow.length === 0) return;
    this.#retries.detached(slow);
    this.#collect();
  }

  // Settling.

  #collect(): void {
    this.#settling.collect(this.#pipeline.takeSettled());
    const idle = this.#pipeline.open === 0 && this.#pace.isIdle;
    this.#settling.write(this.#leaving.size > 0 || this.#stopping ? "now" : idle ? "idle" : "usual");
    this.#letGo();
  }

  #newSettling(): Settling {
    const { plan, log, owner, clock, tuning } = this.#parts;
    return new Settling({
      subscription: plan.name,
      log,
      owner,
      clock,
      tuning,
      onCommitted: (copies) => this.#retries.committed(copies, (attempts, topic) => (attempts === 0 ? 0 : retryDelayMs(plan.policyOf(topic).retry, attempts, clock.random()))),
      onFenced: () => this.restart(),
      onTrouble: (error) => this.#trouble(error),
      onWritten: () => this.#letGo(),
    });
  }

  /** Lanes that should go, and of which nothing is under way any more. */
  #letGo(): void {
    if (this.#leaving.size === 0 || this.#stopping || this.#reading) return;
    const gone = this.lanes.filter((lane) => this.#leaving.has(lane) && !this.#pipeline.covers(lane) && !this.#retries.busy(lane) && !this.#settling.covers(lane));
    if (gone.length === 0) return;
    this.#streams.remove(gone);
    for (const lane of gone) this.#leaving.delete(lane);
    this.#claims.release(gone).then(
      () => this.#parts.onLanes(),
      (error: unknown) => this.#trouble(error),
    );
  }

  // Upkeep.

  #sync(): void {
    const { log, plan } = this.#parts;
    const { lanes } = this;
    if (lanes.length === 0 || this.#stopping) return;
    const life = this.#life;
    log.retries.held({ subscription: plan.name, lanes, limit: plan.heldKeysMax }).then(
      (held) => {
        if (life === this.#life) this.#retries.load(held);
      },
      (error: unknown) => {
        if (life === this.#life) this.#trouble(error);
      },
    );
  }

  #trouble(error: unknown): void {
    const { notify, tuning } = this.#parts;
    if (this.#stopped) return;
    if (error instanceof TripactError && error.code === "cursor-lost") return this.restart();
    notify({ kind: "store", error: clipped(error) });
    this.#timers.later("poll", tuning.troubleMs, () => this.#read());
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.#parts.clock.after(ms, resolve));
  }
}
