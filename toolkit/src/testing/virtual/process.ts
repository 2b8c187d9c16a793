import type { Clock } from "../../runtime/clock.ts";
import type { World } from "./world.ts";

/** One incarnation of an operating system process in virtual time: it may be stopped, and it may die; a dead one never runs again. */
export class Process {
  readonly name: string;
  readonly world: World;
  dead = false;
  pausedUntilMs = 0;
  /** How far this machine's wall clock is off. */
  skewMs = 0;

  constructor(world: World, name: string) {
    this.world = world;
    this.name = name;
  }

  readonly clock: Clock = {
    nowMs: () => this.world.nowMs,
    wallMs: () => 1_700_000_000_000 + this.world.nowMs + this.skewMs,
    after: (ms, then) => this.world.after(Math.max(ms, 0), this, then),
    turn: (then) => {
      this.world.after(0, this, then);
    },
    random: () => this.world.random.next(),
    uuid: () => this.world.random.uuid(),
  };

  /** A promise that never settles once this process is dead: nothing of it goes on. */
  async io<T>(delayMs: number, work: () => T | Promise<T>, backMs: number): Promise<T> {
    await new Promise<void>((resolve) => this.world.after(delayMs, undefined, resolve));
    const result = await work();
    await new Promise<void>((resolve) => this.world.after(backMs, this, resolve));
    return result;
  }
}
