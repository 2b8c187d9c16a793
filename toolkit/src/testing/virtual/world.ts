import type { Random } from "./random.ts";

/** Who runs a task: it may be stopped for a while, and it may die. */
export interface Runner {
  readonly dead: boolean;
  readonly pausedUntilMs: number;
}

interface Task {
  readonly atMs: number;
  readonly order: number;
  readonly process: Runner | undefined;
  readonly run: () => void;
  cancelled: boolean;
}

/** Tasks that share one turn of Node's event loop: the loop's own poll costs more than a task. */
const TASKS_A_TURN = 64;

/**
 * Virtual time. It moves only when no microtask is pending: each task runs in a macrotask of its own, and what it resolves is done
 * before the next. Two runs of one seed therefore do the same things in the same order.
 */
export class World {
  readonly random: Random;
  readonly trace: string[] = [];
  nowMs = 0;
  steps = 0;
  /** Asked before time moves: while somebody does real work (real I/O in a participant), time waits. */
  mayMove: () => boolean = () => true;
  #order = 0;
  /** A binary heap; cancelled tasks stay in it until they come up. */
  readonly #tasks: Task[] = [];

  constructor(random: Random) {
    this.random = random;
  }

  log(line: string): void {
    this.trace.push(`${this.nowMs} ${line}`);
  }

  at(atMs: number, process: Runner | undefined, run: () => void): () => void {
    const task: Task = { atMs: Math.max(atMs, this.nowMs), order: this.#order, process, run, cancelled: false };
    this.#order += 1;
    this.#push(task);
    return () => {
      task.cancelled = true;
    };
  }

  after(ms: number, process: Runner | undefined, run: () => void): () => void {
    return this.at(this.nowMs + ms, process, run);
  }

  /** Runs until `done`, or until nothing is left, or past `untilMs`. True if `done`. Throws what a task throws. */
  run(done: () => boolean, untilMs: number): Promise<boolean> {
    return new Promise((resolve, reject) => {
      let over = false;
      const next = (): void => {
        if (over) return;
        try {
          const end = this.#next(done, untilMs);
          if (end === undefined) return;
          over = true;
          resolve(end);
        } catch (error) {
          over = true;
          reject(error);
        }
      };
      // Immediates of one phase run one by one, with all microtasks of each done before the next.
      const turn = (): void => {
        if (over) return;
        for (let slot = 0; slot < TASKS_A_TURN; slot += 1) setImmediate(next);
        setImmediate(turn);
      };
      turn();
    });
  }

  /** Runs one task. Undefined: there is more to do. */
  #next(done: () => boolean, untilMs: number): boolean | undefined {
    if (done()) return true;
    if (!this.mayMove()) return undefined;
    for (;;) {
      if ((this.#tasks[0]?.atMs ?? Number.POSITIVE_INFINITY) > untilMs) return false;
      const task = this.#pop();
      if (task === undefined) return false;
      if (task.cancelled || task.process?.dead === true) continue;
      if (task.process !== undefined && task.process.pausedUntilMs > task.atMs) {
        // A stopped process runs its timers when it wakes, in their old order.
        this.#push({ ...task, atMs: task.process.pausedUntilMs });
        continue;
      }
      this.nowMs = task.atMs;
      this.steps += 1;
      task.run();
      return undefined;
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
