import { TripactError } from "../../protocol/errors.ts";
import type { DeliveryPolicy } from "../../protocol/message.ts";
import type { RetryPolicy } from "../../protocol/retry.ts";
import type { Sink } from "../../brokers/broker.ts";

/** Every default of a subscription, each with the reason for its value. Times in milliseconds. */
export const SUBSCRIPTION_DEFAULTS = {
  /** Deliveries in flight at once; a key is never in two of them. */
  workers: 4,
  /** Messages read and not settled yet: what a crash delivers twice at most, and what memory holds. */
  queueSize: 2_000,
  /** After this long a delivery's outcome is unknown. Longer than a busy receiver's commit, shorter than a pager's patience. */
  lockMs: 5_000,
  /** 100 ms to 30 s: a receiver that restarts is asked within a second, one that is down for an hour twice a minute. */
  retry: { baseMs: 100, factor: 2, capMs: 30_000, maxAttempts: 10 } satisfies RetryPolicy,
  /** Nobody answered: that says nothing against the message. */
  exhausted: "late",
  /** Order first: what follows on a key mostly rests on what came before. */
  onPark: "hold",
  /** A delivery that takes longer than this, and four times as long as usual, stands out: its worker is replaced, and when the queue is full it leaves the log for the retry table, so that other keys need not wait for it. */
  slowMs: 250,
  /** This many unknown ends in a row, and the receiver as a whole gets a pause, of a quarter of the time that it has been down and this at most: nothing is copied, no attempts are spent. */
  breakerAfter: 20,
  breakerPauseMs: 500,
  /** Messages of one key in the retry table; beyond it the key's lane stops and says so. */
  keyBacklogMax: 10_000,
  /** Keys that are held at once; beyond it the subscription stops reading and says so. */
  heldKeysMax: 10_000,
} as const;

/** Defaults of a relay as a whole. */
export const RELAY_DEFAULTS = {
  /**
   * Empty reads: the next one after `pollMinMs` for `hotMs` after something was found, then after twice as long each time, up to `pollMaxMs`.
   * A wake-up comes sooner. While it is hot, nobody need be woken: senders tell of their commits no more often than that.
   */
  pollMinMs: 2,
  hotMs: 100,
  pollMaxMs: 200,
  /** From one read of a subscription to the next at least, also when it is told of something: what is committed meanwhile goes together. 0: each wake-up reads. */
  gatherMs: 0,
  /** Cursors are stored this often at most, or with a copy. In between, a crash only means second deliveries. */
  saveEveryMs: 50,
  /** An idle subscription's cursor goes on this often, so that partitions can be emptied. */
  idleSaveMs: 5_000,
  /** A page read at once: beyond this a statement gains nothing and delays its first row. */
  pageMax: 1_000,
  /** Characters of payload in memory, per subscription; and in one page or delivery. Beyond it, fewer messages at a time. */
  queueBytesMax: 67_108_864,
  batchBytesMax: 8_388_608,
  /** Decisions of people, and keys of new lanes, are looked for this often; a wake-up comes sooner. */
  syncEveryMs: 2_000,
  tidyEveryMs: 10_000,
  /** Settled messages stay readable for this long at least. */
  keepMs: 3_600_000,
  stopWithinMs: 5_000,
  /** After trouble with the log, try again. */
  troubleMs: 100,
} as const;

export interface SubscriptionOptions {
  /** 1 to 64 letters, digits, dots, dashes, underscores. What it has read is remembered under this name. */
  readonly name: string;
  readonly sink: Sink;
  /** Exact names, or with `*` at the end. Default: all. */
  readonly topics?: readonly string[];
  /** `source`: 20 workers, a queue of 1,000, 3 tries 5 to 15 s apart, then parked. */
  readonly preset?: "source";
  readonly workers?: number;
  readonly queueSize?: number;
  readonly lockMs?: number;
  readonly retry?: Partial<RetryPolicy>;
  readonly exhausted?: "late" | "park";
  /** For all topics, or by topic (exact name). */
  readonly onPark?: "hold" | "skip" | Readonly<Record<string, "hold" | "skip">>;
  readonly slowMs?: number;
  readonly breakerAfter?: number;
  readonly breakerPauseMs?: number;
  readonly keyBacklogMax?: number;
  readonly heldKeysMax?: number;
  /**
   * One of the relays reads all 64 lanes, the others stand by and take over when it ends. For a subscription that one relay can carry: each reads the log, and
   * stores its progress, once instead of as often as there are relays. Where only some relays say so, lanes are shared. Default: false.
   */
  readonly undivided?: boolean;
}

type Widen<T> = T extends number ? number : T;
export type RelayTuning = { readonly [K in keyof typeof RELAY_DEFAULTS]: Widen<(typeof RELAY_DEFAULTS)[K]> };

/** A subscription, checked and complete. */
export interface SubscriptionPlan {
  readonly name: string;
  readonly sink: Sink;
  readonly topics?: readonly string[];
  readonly workers: number;
  readonly queueSize: number;
  readonly lockMs: number;
  readonly slowMs: number;
  readonly breakerAfter: number;
  readonly breakerPauseMs: number;
  readonly keyBacklogMax: number;
  readonly heldKeysMax: number;
  readonly undivided: boolean;
  readonly policyOf: (topic: string) => DeliveryPolicy;
}

// The source document, chapter 2.5 and 3.3: workers, queue, tries, and its retry after 5 s, then 15 s.
const SOURCE = { workers: 20, queueSize: 1_000, lockMs: 5_000, retry: { baseMs: 5_000, factor: 3, capMs: 15_000, maxAttempts: 3 }, exhausted: "park" } as const;

const NAME = /^[\w.-]{1,64}$/;
const TOPIC = /^[^*\p{Cc}\p{Cs}]{0,255}\*?$/u;

/** Fills in the defaults and refuses what cannot work. Throws `invalid-option` with the option's name. */
export function planSubscription(options: SubscriptionOptions): SubscriptionPlan {
  const where = `subscriptions.${options.name}`;
  if (typeof options.name !== "string" || !NAME.test(options.name)) throw bad("A subscription's name has 1 to 64 letters, digits, dots, dashes or underscores.", "subscriptions.name");
  if (typeof options.sink?.deliver !== "function") throw bad("A subscription needs a sink to deliver to.", `${where}.sink`);
  for (const topic of options.topics ?? []) if (topic === "" || !TOPIC.test(topic)) throw bad(`"${topic}" is no topic: 1 to 255 characters, with * only at the end.`, `${where}.topics`);
  if (options.topics?.length === 0) throw bad("An empty list of topics would deliver nothing; leave it out for all.", `${where}.topics`);
  if (options.preset !== undefined && options.preset !== "source") throw bad('There is one preset, "source".', `${where}.preset`);
  const base = options.preset === "source" ? { ...SUBSCRIPTION_DEFAULTS, ...SOURCE } : SUBSCRIPTION_DEFAULTS;
  const retry: RetryPolicy = { ...base.retry, ...options.retry };
  const whole = (name: "workers" | "queueSize" | "lockMs" | "slowMs" | "breakerAfter" | "breakerPauseMs" | "keyBacklogMax" | "heldKeysMax"): number => {
    const value = options[name] ?? base[name];
    if (!Number.isInteger(value) || value < 1) throw bad(`${name} is a whole number above 0, not ${String(value)}.`, `${where}.${name}`);
    return value;
  };
  for (const [name, value] of Object.entries(retry)) if (!Number.isFinite(value) || value < 0) throw bad(`retry.${name} is a number, not negative; this is ${String(value)}.`, `${where}.retry.${name}`);
  if (retry.maxAttempts < 1 || retry.factor < 1) throw bad("retry.maxAttempts and retry.factor are at least 1.", `${where}.retry`);
  const exhausted = options.exhausted ?? base.exhausted;
  const { onPark = SUBSCRIPTION_DEFAULTS.onPark } = options;
  const parkOf = (topic: string): "hold" | "skip" => (typeof onPark === "string" ? onPark : (onPark[topic] ?? SUBSCRIPTION_DEFAULTS.onPark));
  return {
    name: options.name,
    sink: options.sink,
    ...(options.topics === undefined ? {} : { topics: options.topics }),
    workers: whole("workers"),
    queueSize: whole("queueSize"),
    lockMs: whole("lockMs"),
    slowMs: whole("slowMs"),
    breakerAfter: whole("breakerAfter"),
    breakerPauseMs: whole("breakerPauseMs"),
    keyBacklogMax: whole("keyBacklogMax"),
    heldKeysMax: whole("heldKeysMax"),
    undivided: options.undivided === true,
    policyOf: (topic) => ({ retry, exhausted, onPark: parkOf(topic) }),
  };
}

/** Sixteen partitions of ten minutes: a row's partition has its next turn after 150, and needs a while to be emptied. */
const KEEP_MS_MAX = 8_400_000;

export function tuneRelay(options: Partial<RelayTuning>): RelayTuning {
  const tuning: Record<keyof RelayTuning, number> = { ...RELAY_DEFAULTS };
  for (const name of Object.keys(RELAY_DEFAULTS) as (keyof RelayTuning)[]) {
    const value = options[name] ?? RELAY_DEFAULTS[name];
    if (!Number.isFinite(value) || value < 0) throw bad(`${name} is a number, not negative; this is ${String(value)}.`, name);
    tuning[name] = value;
  }
  if (tuning.keepMs > KEEP_MS_MAX) throw bad(`keepMs is at most ${KEEP_MS_MAX}: a partition that is still kept when its next turn comes is never emptied.`, "keepMs");
  return tuning;
}

function bad(what: string, where: string): TripactError {
  return new TripactError("invalid-option", what, { where });
}
