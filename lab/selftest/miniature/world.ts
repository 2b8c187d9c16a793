/**
 * Who takes the next step, and who dies before it: decided by a seed alone. Nothing here waits and no clock is read, so that a seed
 * repeats a run to the letter.
 */
import { seeded } from "../../load/arrivals.ts";

/** A process: between two `yield`s nobody else does anything; at a `yield` it may be paused for as long as it likes, or killed. */
export type Steps = AsyncGenerator<void, void, void>;

export interface ProcessOptions {
  /** How often it may be killed. Default 0. */
  readonly kills?: number;
  /** Started anew, without a memory, after a kill. Default true. */
  readonly restarts?: boolean;
}

interface Running {
  readonly start: () => Steps;
  steps: Steps;
  begun: boolean;
  killsLeft: number;
  readonly restarts: boolean;
  readonly killed: () => void;
}

const STEPS_MAX = 5_000;
const KILL_SHARE = 0.25;
const STEP_MS = 10;

export class World {
  readonly #random: () => number;
  readonly #running: Running[] = [];
  readonly #timers: (() => Promise<void>)[] = [];
  /** Moves by a fixed amount a step: the time that a monotonic clock shows. */
  nowMs = 0;

  constructor(seed: number) {
    this.#random = seeded(seed);
  }

  chance(share: number): boolean {
    return this.#random() < share;
  }

  below(count: number): number {
    return Math.floor(this.#random() * count);
  }

  /** Starts a process; it takes its first step when its turn comes. `alive` tells whether it still runs. */
  spawn(start: () => Steps, { kills = 0, restarts = true }: ProcessOptions = {}): { readonly alive: () => boolean } {
    let dead = false;
    const running: Running = { start, steps: start(), begun: false, killsLeft: kills, restarts, killed: () => (dead = true) };
    this.#running.push(running);
    return { alive: () => !dead && this.#running.includes(running) };
  }

  /** Before every step, whoever takes it: what a timer does in a process that is not paused. */
  everyStep(timer: () => Promise<void>): void {
    this.#timers.push(timer);
  }

  /** Until every process has ended. */
  async run(): Promise<void> {
    for (let step = 0; this.#running.length > 0; step += 1) {
      if (step === STEPS_MAX) throw new Error(`the miniature did not come to an end within ${STEPS_MAX} steps`);
      this.nowMs += STEP_MS;
      for (const timer of this.#timers) await timer();
      const running = this.#running[this.below(this.#running.length)];
      if (running !== undefined) await this.#step(running);
    }
  }

  async #step(running: Running): Promise<void> {
    if (running.begun && running.killsLeft > 0 && this.chance(KILL_SHARE)) {
      running.killsLeft -= 1;
      await running.steps.return();
      if (running.restarts) Object.assign(running, { steps: running.start(), begun: false });
      else this.#end(running);
      return;
    }
    running.begun = true;
    const { done } = await running.steps.next();
    if (done === true) this.#end(running);
  }

  #end(running: Running): void {
    running.killed();
    this.#running.splice(this.#running.indexOf(running), 1);
  }

  /** A call over a wire that loses requests and answers. Who called learns no more than that nothing came back. */
  async call<Answer>(work: () => Promise<Answer>): Promise<Answer | "unknown"> {
    if (this.chance(0.25)) return "unknown";
    const answer = await work();
    return this.chance(0.25) ? "unknown" : answer;
  }
}
