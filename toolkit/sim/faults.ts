import type { Process } from "../src/testing/virtual/process.ts";
import type { World } from "../src/testing/virtual/world.ts";

/** Ways to build this wrong, each of which some checker must catch. */
export const VARIANTS = [
  "ack-before-commit",
  "barrier-outside",
  "compensation-skipped-on-retry",
  "fence-beside-write",
  "forward-after-undo",
  "lease-by-wall-clock",
  "no-fencing",
  "own-flush-foreign",
  "refusal-not-recorded",
  "unknown-as-refused",
] as const;
export type Variant = (typeof VARIANTS)[number];

/** What goes wrong in one run, and how often. Ends at `healAtMs`: from then on everything answers. */
export class Faults {
  readonly variant: Variant | undefined;
  readonly healAtMs: number;
  readonly refuses: number;
  readonly #world: World;
  readonly #loss: number;
  readonly #duplicate: number;
  readonly #crash: number;
  readonly #slowMs: number;
  onCrash: (process: Process, where: string) => void = () => undefined;
  crashes = 0;

  constructor(world: World, variant: Variant | undefined) {
    const { random } = world;
    this.#world = world;
    this.variant = variant;
    this.healAtMs = random.between(2_000, 20_000);
    this.refuses = random.pick([0, 0.05, 0.2]);
    this.#loss = random.pick([0, 0.02, 0.2]);
    this.#duplicate = random.pick([0, 0.1]);
    this.#crash = random.pick([0, 0.002, 0.01]);
    this.#slowMs = random.pick([5, 50, 4_000]);
  }

  broken(variant: Variant): boolean {
    return this.variant === variant;
  }

  get healed(): boolean {
    return this.#world.nowMs >= this.healAtMs;
  }

  get lossRate(): number {
    return this.healed ? 0 : this.#loss;
  }

  get duplicateRate(): number {
    return this.healed ? 0 : this.#duplicate;
  }

  /** Mostly a millisecond or two; sometimes long past every timeout. */
  delayMs(): number {
    const { random } = this.#world;
    if (this.healed || !random.chance(0.05)) return random.between(1, 4);
    return random.between(1, this.#slowMs);
  }

  /** A crash at any await on a port. */
  maybeCrash(process: Process, where: string): void {
    if (this.healed || process.dead || !this.#world.random.chance(this.#crash)) return;
    this.crashes += 1;
    this.onCrash(process, where);
  }
}
