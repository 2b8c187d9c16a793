import { textOf, TripactError } from "../../protocol/errors.ts";
import type { Desk, OutboxLog } from "../../stores/outbox-log.ts";
import type { Heard, StoreHealth } from "../../stores/store.ts";
import { systemClock, type Clock } from "../clock.ts";
import type { Notice, Notify } from "../notices.ts";
import { tune, type Tuning } from "../options.ts";
import { Ownership } from "../ownership/ownership.ts";
import { lanesOf, runsOf } from "./assignment.ts";
import { planSubscription, tuneRelay, type RelayTuning, type SubscriptionOptions } from "./options.ts";
import { Subscription } from "./subscription.ts";
import { Timers } from "./timers.ts";

export interface RelayOptions extends Partial<RelayTuning> {
  /** The outbox to read: `postgresOutboxLog({ url })`. The relay connects it, and closes it when it stops. */
  readonly log: OutboxLog;
  /** Names this outbox to receivers: (source, id) names a message everywhere. 1 to 200 characters, as in CloudEvents: `shop/orders`. */
  readonly source: string;
  readonly subscriptions: readonly SubscriptionOptions[];
  /** For people: who holds which lanes. */
  readonly nodeName?: string;
  /** Hears what an operator may want to know; safe to log. */
  readonly onNotice?: (notice: Notice) => void;
  readonly clock?: Clock;
  /** As of a coordinator: how soon a relay that stands still is replaced. */
  readonly leaseMs?: number;
  readonly beatEveryMs?: number;
  readonly probeEveryMs?: number;
}

export interface RelayHealth {
  readonly log: StoreHealth;
  readonly ready: boolean;
  readonly incarnation: string;
  readonly subscriptions: readonly {
    readonly name: string;
    readonly lanes: number;
    /** Read, not settled. */
    readonly open: number;
    /** Keys with a message that failed. */
    readonly heldKeys: number;
  }[];
}

export interface Relay {
  /** Joined, and every lane that is ours by now is read. */
  ready(): boolean;
  health(): RelayHealth;
  /** There is something new: a sender in this process need not wait for a poll or a notification. */
  wake(): void;
  /** What failed, what waits behind it, and a person's word about it. */
  readonly desk: Desk;
  /** Delivers what it has read, stores how far it came, hands its lanes over, closes sinks and log. Twice without harm. */
  stop(): Promise<void>;
}

/** For each of the last words of a relay that stops. */
const GOODBYE_MS = 1_000;

const SOURCE = /^[^\p{Cc}\p{Cs}\s]{1,200}$/u;

/**
 * Delivers what has been committed to an outbox to the sinks of its subscriptions: at least once, in order per key. Several relays of one
 * outbox share its lanes; one that dies is replaced within some 50 ms.
 */
export async function createRelay(options: RelayOptions): Promise<Relay> {
  const tuning = tuneRelay(options);
  const { leaseMs, beatEveryMs, probeEveryMs } = options;
  const nodes = tune({
    ...(leaseMs === undefined ? {} : { leaseMs }),
    ...(beatEveryMs === undefined ? {} : { beatEveryMs }),
    ...(probeEveryMs === undefined ? {} : { probeEveryMs }),
  });
  if (typeof options.source !== "string" || !SOURCE.test(options.source)) {
    throw new TripactError("invalid-option", "A relay's source is text of 1 to 200 characters without spaces.", { where: "source", hint: "Name the sending service and its outbox, such as shop/orders." });
  }
  const plans = options.subscriptions.map(planSubscription);
  if (plans.length === 0) throw new TripactError("invalid-option", "A relay needs at least one subscription.", { where: "subscriptions" });
  const names = new Set(plans.map(({ name }) => name));
  if (names.size < plans.length) throw new TripactError("invalid-option", "Two subscriptions have the same name.", { where: "subscriptions" });
  await options.log.connect(options.onNotice);
  const relay = new RunningRelay(options, plans, tuning, nodes);
  try {
    await relay.start();
  } catch (error) {
    await relay.stop();
    throw error;
  }
  return relay;
}

class RunningRelay implements Relay {
  readonly desk: Desk;
  readonly #log: OutboxLog;
  readonly #clock: Clock;
  readonly #tuning: RelayTuning;
  readonly #nodes: Tuning;
  readonly #notify: Notify;
  readonly #ownership: Ownership;
  readonly #subscriptions: ReadonlyMap<string, Subscription>;
  readonly #sinks: ReadonlySet<{ close(): Promise<void> }>;
  readonly #timers: Timers;
  #assigning: Promise<void> | undefined;
  #assignAgain = false;
  #stopped: Promise<void> | undefined;

  constructor(options: RelayOptions, plans: readonly ReturnType<typeof planSubscription>[], tuning: RelayTuning, nodes: Tuning) {
    this.#log = options.log;
    this.desk = options.log.desk;
    this.#clock = options.clock ?? systemClock;
    this.#timers = new Timers(this.#clock);
    this.#tuning = tuning;
    this.#nodes = nodes;
    this.#notify = options.onNotice ?? (() => undefined);
    this.#sinks = new Set(plans.map(({ sink }) => sink));
    this.#ownership = new Ownership({
      membership: options.log.membership,
      name: options.nodeName ?? `relay of ${options.source}`,
      runs: plans.map(({ name, undivided }) => runsOf(name, undivided)),
      clock: this.#clock,
      tuning: nodes,
      notify: this.#notify,
      onDead: () => this.#assign(),
      onFenced: () => this.#restart(),
      onOpen: () => this.#open(),
      onHeard: (heard) => this.#heard(heard),
    });
    this.#subscriptions = new Map(
      plans.map((plan) => [
        plan.name,
        new Subscription({
          plan,
          log: options.log,
          source: options.source,
          clock: this.#clock,
          tuning,
          notify: this.#notify,
          owner: () => this.#ownership.incarnation,
          mayDeliver: () => this.#ownership.mayCall(),
          onLanes: () => {
            this.#log.membership.announce("nodes");
            this.#assign();
          },
        }),
      ]),
    );
  }

  async start(): Promise<void> {
    for (const subscription of this.#subscriptions.values()) subscription.start();
    await this.#ownership.start();
    this.#log.membership.announce("nodes");
    await this.#assignment();
    this.#timers.every("assign", this.#nodes.beatEveryMs, () => this.#assign());
    this.#timers.every("tidy", this.#tuning.tidyEveryMs, () => this.#tidy());
  }

  ready(): boolean {
    if (this.#stopped !== undefined || !this.#ownership.mayCall()) return false;
    return [...this.#subscriptions].every(([name, { lanes }]) => lanes.length === this.#wanted(name).length);
  }

  health(): RelayHealth {
    return {
      log: this.#log.health(),
      ready: this.ready(),
      incarnation: this.#ownership.incarnation,
      subscriptions: [...this.#subscriptions].map(([name, { lanes, backlog }]) => ({ name, lanes: lanes.length, ...backlog })),
    };
  }

  wake(): void {
    for (const subscription of this.#subscriptions.values()) subscription.wake();
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    this.#timers.stop();
    const subscriptions = [...this.#subscriptions.values()].map((subscription) => subscription.stop(this.#tuning.stopWithinMs));
    await this.#atMost(this.#tuning.stopWithinMs + GOODBYE_MS, Promise.all(subscriptions));
    await this.#atMost(GOODBYE_MS, this.#ownership.stop());
    this.#log.membership.announce("nodes");
    await this.#atMost(GOODBYE_MS, Promise.all([...this.#sinks].map((sink) => sink.close())));
    await this.#log.close();
  }

  /** A log or a receiver may never answer. What is not said by then, peers find out. */
  async #atMost(ms: number, work: Promise<unknown>): Promise<void> {
    const late = Promise.withResolvers<void>();
    const cancel = this.#clock.after(ms, late.resolve);
    const quietly = (error: unknown): void => this.#notify({ kind: "store", error: textOf(error) });
    await Promise.race([work.catch(quietly), late.promise]);
    cancel();
  }

  #heard(heard: Heard): void {
    if (heard === "outbox") this.wake();
    else if (heard === "desk") for (const subscription of this.#subscriptions.values()) subscription.look();
    else if (heard === "nodes") this.#look();
    else if (heard === "lost") this.#restart();
  }

  #look(): void {
    this.#ownership.look().then(
      () => this.#assign(),
      (error: unknown) => this.#notify({ kind: "store", error: textOf(error) }),
    );
  }

  #open(): void {
    this.#assign();
    this.wake();
  }

  #restart(): void {
    for (const subscription of this.#subscriptions.values()) subscription.restart();
  }

  #wanted(name: string): readonly number[] {
    return lanesOf(this.#ownership.incarnation, name, this.#ownership.nodes());
  }

  #assign(): void {
    this.#assignment().catch((error: unknown) => {
      if (this.#stopped !== undefined) return;
      this.#notify({ kind: "store", error: textOf(error) });
      this.#timers.later("again", this.#tuning.troubleMs, () => this.#assign());
    });
  }

  /** One at a time; a request meanwhile leads to one more. */
  #assignment(): Promise<void> {
    this.#assignAgain = true;
    this.#assigning ??= this.#assignAll().finally(() => {
      this.#assigning = undefined;
    });
    return this.#assigning;
  }

  async #assignAll(): Promise<void> {
    while (this.#assignAgain && this.#stopped === undefined) {
      this.#assignAgain = false;
      if (!this.#ownership.mayWrite()) return;
      for (const [name, subscription] of this.#subscriptions) await subscription.want(this.#wanted(name));
    }
  }

  #tidy(): void {
    this.#log.messages.tidy(this.#tuning.keepMs).catch((error: unknown) => this.#notify({ kind: "store", error: textOf(error) }));
  }
}
