import type { Judge, TcpProxy } from "@tripact/testbed";
import { FaultError } from "../fault.ts";
import { carriersTo, wireFault } from "./wire.ts";

const CHOOSE_MS = 2_500;
const CHOSEN_SHARE = 0.5;
const CHOSEN_MAX = 40;
const SEEN_MAX = 10_000;
/** From the last that is chosen until its payment window (15 s) has passed: an interruption that is shorter is retried, and nothing is to be undone. */
const HOLD_MS = 18_000;

/** Where the services' protocols name the order: a call's header, an event's, and plain JSON. */
const ORDER = /(?:tripact-gid|ce-subject): *([0-9a-f]{32})\b|"orderId":"([0-9a-f]{32})"/gi;

/**
 * The stock holds the units, and the payment is not to be had for this purchase: what is asked for it is cut before it arrives, or after it
 * was done, and so is the taking back. All others pay meanwhile.
 */
export const secondStepInterrupted = wireFault({
  name: "second-step-interrupted",
  mechanism: `TCP proxy that reads which order a request is for: of those first seen within ${CHOOSE_MS / 1_000} s half (${CHOSEN_MAX} at most) have every request to the payment cut, before it arrives or after it was done, until their payment window has passed`,
  wires: carriersTo("payment"),
  victims: ["payment"],
  // It answers everybody else.
  dependency: "database",
  holdMs: HOLD_MS,
  breaking: (random) => {
    const interruption = new Interruption(random, performance.now());
    const breaks = (proxy: TcpProxy): void => proxy.intercept(() => interruption.judge(() => performance.now()));
    return Object.assign(breaks, { check: () => interruption.check() });
  },
});

type Way = "before" | "after" | "not";

/** Who is interrupted, and how: drawn when an order is first seen, and kept. */
export class Interruption {
  readonly #ways = new Map<string, Way>();
  readonly #random: () => number;
  readonly #choosesUntilMs: number;
  #chosen = 0;

  constructor(random: () => number, nowMs: number) {
    this.#random = random;
    this.#choosesUntilMs = nowMs + CHOOSE_MS;
  }

  /** @throws FaultError where nobody was interrupted */
  check(): void {
    if (this.#chosen === 0) throw new FaultError("nothing-to-hit", "no order was seen to interrupt");
  }

  /** Of one connection. */
  judge(nowMs: () => number): Judge {
    let cutsAnswer = false;
    return (direction, bytes) => {
      if (direction === "to-caller") return cutsAnswer ? "cut" : "forward";
      const ways = ordersIn(bytes).map((order) => this.#wayOf(order, nowMs()));
      cutsAnswer ||= ways.includes("after");
      return ways.includes("before") ? "cut" : "forward";
    };
  }

  #wayOf(order: string, nowMs: number): Way {
    const known = this.#ways.get(order);
    if (known !== undefined) return known;
    if (nowMs > this.#choosesUntilMs || this.#chosen >= CHOSEN_MAX || this.#ways.size >= SEEN_MAX) return "not";
    const drawn = this.#random();
    const way = drawn >= CHOSEN_SHARE ? "not" : drawn < CHOSEN_SHARE / 2 ? "before" : "after";
    if (way !== "not") this.#chosen += 1;
    this.#ways.set(order, way);
    return way;
  }
}

function ordersIn(bytes: Buffer): readonly string[] {
  return [...bytes.toString("latin1").matchAll(ORDER)].flatMap(([, header, body]) => header ?? body ?? []);
}
