import type { Clock } from "../src/runtime/clock.ts";
import type { Random } from "./random.ts";

interface Task {
  readonly atMs: number;
  readonly order: number;
  readonly process: Process | undefined;
  readonly run: () => void;
  cancelled: boolean;
}

/**
 * Virtual time. Time moves only when no microtask is pending: each task runs in a macrotask of its own, and what it resolves is done
 * before the next. Two runs of one seed therefore do the same things in the same order.
 */
export class World {
  readonly random: Random;
  readonly trace: string[] = [];
  nowMs = 0;
  #order = 0;
  #tasks: Task[] = [];
  /** Cancelled tasks may stay in the heap; this many are real. */
  steps = 0;

  constructor(random: Random) {
    this.random = random;
  }

  log(line: string): void {
    this.trace.push(`${this.nowMs} ${line}`);
  }

  at(atMs: number, process: Process | undefined, run: () => void): () => void {
    const task: Task = { atMs: Math.max(atMs, this.nowMs), order: this.#order, process, run, cancelled: false };
    this.#order += 1;
    this.#push(task);
    return () => {
      task.cancelled = true;
    };
  }

  after(ms: number, process: Process | undefined, run: () => void): () => void {
    return this.at(this.nowMs + ms, process, run);
  }

  /** Runs until `done`, or until nothing is left, or past `untilMs`. True if `done`. */
  async run(done: () => boolean, untilMs: number): Promise<boolean> {
    for (;;) {
      if (done()) return true;
      const task = this.#pop();
      if (task === undefined || task.atMs > untilMs) return false;
      if (task.cancelled || task.process?.dead === true) continue;
      if (task.process !== undefined && task.process.pausedUntilMs > task.atMs) {
        // A stopped process runs its timers when it wakes, in their old order.
        this.#push({ ...task, atMs: task.process.pausedUntilMs });
        continue;
      }
      this.nowMs = task.atMs;
      this.steps += 1;
      task.run();
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  }

  #push(task: Task): void {
    const tasks = this.#tasks;
    tasks.push(task);
    let at = tasks.length - 1;
    while (at > 0) {
      const up = (at - 1) >> 1;
      if (before(tasks[up], task)) break;
      tasks[at] = tasks[up] as Task;
      at = up;
    }
    tasks[at] = task;
  }

  #pop(): Task | undefined {
    const tasks = this.#tasks;
    const first = tasks[0];
    const last = tasks.pop();
    if (first === undefined || last === undefined || tasks.length === 0) return first;
    let at = 0;
    for (;;) {
      let down = 2 * at + 1;
      if (down >= tasks.length) break;
      if (down + 1 < tasks.length && before(tasks[down + 1], tasks[down])) down += 1;
      if (before(last, tasks[down])) break;
      tasks[at] = tasks[down] as Task;
      at = down;
    }
    tasks[at] = last;
    return first;
  }
}

function before(a: Task | undefined, b: Task | undefined): boolean {
  if (a === undefined || b === undefined) return a !== undefined;
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

/** One incarnation of an operating system process: it may be stopped, and it may die; a dead one never runs again. */
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
