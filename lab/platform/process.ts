/** One process of the platform: started by its file and its environment, watched, and at hand for everything that can befall it. */
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { spawnLeashed, type LeashedProcess } from "@tripact/testbed";
import { cpuMsOf } from "./cpu.ts";
import { PlatformError } from "./failure.ts";
import { LastLines } from "./last-lines.ts";

export interface ProcessPlan {
  /** As people know it: `stock`, `orders-2`. */
  readonly name: string;
  /** The file that Node runs. */
  readonly entry: string;
  /** Its environment, with nothing of ours but where programs are found. */
  readonly settings: Readonly<Record<string, string>>;
  /** It prints `ready` by then, or its start has failed. */
  readonly startCapMs?: number;
  /** After `stop` it ends by itself by then, or is killed. */
  readonly stopCapMs?: number;
  /** As an orchestrator would: one that ends without having been told to is started again after this time. Left out: it stays down. */
  readonly restartAfterMs?: number;
  /** Hears the id of each life of it, for whoever has to do with the process itself. */
  readonly onSpawn?: (pid: number) => void;
  /** Hears every line that the process prints, on either stream. */
  readonly onLine?: (line: string) => void;
}

/** Two cores that start eight Nodes at once are slow; a process that hangs is not to hold up a test for ever. */
const START_CAP_MS = 30_000;
/** Above the five seconds that a service gives itself. */
const STOP_CAP_MS = 7_000;
/** Nine Nodes that read the same few hundred files: the first one compiles them for the others, and for the next start. */
const COMPILE_CACHE = join(tmpdir(), "tripact-compile-cache");
const LAST_WORDS_MS = 500;
const LINES_IN_ERRORS = 12;

export class PlatformProcess {
  readonly name: string;
  readonly #plan: ProcessPlan;
  readonly #said = new LastLines();
  #wanted = false;
  #spawning: Promise<LeashedProcess> | undefined;
  #running: LeashedProcess | undefined;
  #ready = false;
  #paused = false;
  #restart: NodeJS.Timeout | undefined;
  #restarts = 0;
  #sinceMs = 0;
  /** Of lives that have ended. */
  #earlierCpuMs = 0;
  #seenCpuMs = 0;

  constructor(plan: ProcessPlan) {
    this.name = plan.name;
    this.#plan = plan;
  }

  /** Undefined while it is down. */
  get pid(): number | undefined {
    return this.#running?.pid;
  }

  /** It has said `ready` and has not ended since; a paused one is up. */
  get up(): boolean {
    return this.#ready;
  }

  /** When its present life began, by the wall clock; the last one's while it is down. */
  get sinceMs(): number {
    return this.#sinceMs;
  }

  /** How often the supervisor has brought it back. */
  get restarts(): number {
    return this.#restarts;
  }

  /** What it said last on its error stream, over all its lives. */
  get lastWords(): string {
    return this.#said.text();
  }

  /** Starts it, or starts it again with the same settings and so at the same port; resolves when it is ready. */
  async start(): Promise<void> {
    if (this.#spawning !== undefined || this.#running !== undefined) throw new PlatformError("already-running", `${this.name} is running already`);
    clearTimeout(this.#restart);
    this.#wanted = true;
    try {
      await this.#launch();
    } catch (error) {
      this.#wanted = false;
      throw error;
    }
  }

  /** SIGKILL, with everything that it has started; resolves when nothing of it runs. A supervised one comes back. */
  async kill(): Promise<void> {
    const running = this.#running ?? (await this.#spawning?.catch(() => undefined));
    if (running === undefined) return;
    this.cpuMs();
    await running.killWhole();
    this.#ended(running);
  }

  /** The same, and its supervisor is gone with it: it stays down until `start`. */
  async killForGood(): Promise<void> {
    this.#wanted = false;
    clearTimeout(this.#restart);
    await this.kill();
  }

  /** SIGSTOP: its sockets stay open and nobody reads them. */
  pause(): void {
    if (this.#running === undefined) return;
    this.#paused = true;
    this.#running.kill("SIGSTOP");
  }

  /** SIGCONT; harmless when it was not paused, or is down. */
  resume(): void {
    this.#paused = false;
    this.#running?.kill("SIGCONT");
  }

  /** SIGTERM, and SIGKILL when that is not obeyed in time. It stays down until `start`. Twice does no harm, nor does it in mid-start. */
  async stop(): Promise<void> {
    this.#wanted = false;
    clearTimeout(this.#restart);
    const running = this.#running ?? (await this.#spawning?.catch(() => undefined));
    if (running === undefined) return;
    this.cpuMs();
    running.kill("SIGTERM");
    // A stopped process does not see a signal before it goes on.
    if (this.#paused) this.resume();
    const inTime = await within(this.#plan.stopCapMs ?? STOP_CAP_MS, running.exited.then(() => true), false);
    if (!inTime) await running.killWhole();
    this.#ended(running);
  }

  /** CPU time of all its lives, in ms; undefined where the system does not tell. A life that ended by itself counts as last looked at. */
  cpuMs(): number | undefined {
    if (this.#running === undefined) return this.#earlierCpuMs;
    const now = cpuMsOf(this.#running.pid);
    if (now === undefined) return undefined;
    this.#seenCpuMs = now;
    return this.#earlierCpuMs + now;
  }

  async #launch(): Promise<void> {
    const { entry, settings } = this.#plan;
    const env = { PATH: process.env["PATH"], TZ: "UTC", NODE_COMPILE_CACHE: COMPILE_CACHE, ...ownConditions(), ...settings };
    this.#spawning = spawnLeashed({ command: process.execPath, args: [...process.execArgv, entry], env, stdio: ["ignore", "pipe", "pipe"] });
    let child: LeashedProcess;
    try {
      child = await this.#spawning;
      this.#running = child;
      this.#sinceMs = Date.now();
      this.#plan.onSpawn?.(child.pid);
    } finally {
      this.#spawning = undefined;
    }
    void child.exited.then(() => this.#ended(child));
    try {
      await this.#untilReady(child);
    } catch (error) {
      await child.killWhole();
      this.#ended(child);
      throw error;
    }
    this.#ready = this.#running === child;
  }

  async #untilReady(child: LeashedProcess): Promise<void> {
    const { name, startCapMs = START_CAP_MS } = this.#plan;
    const errorsRead = this.#hear(child.stderr, (line) => this.#said.push(line));
    const ready = new Promise<"ready">((resolve) => {
      void this.#hear(child.stdout, (line) => {
        if (/^ready\b/.test(line)) resolve("ready");
      });
    });
    const came = await within(startCapMs, Promise.race([ready, child.exited]), "late" as const);
    if (came === "ready") return;
    if (came === "late") throw new PlatformError("not-ready", `${name} is not ready after ${startCapMs} ms. Its last lines:\n${this.#said.text(LINES_IN_ERRORS)}`);
    await within(LAST_WORDS_MS, errorsRead, undefined);
    if (!this.#wanted) throw new PlatformError("stopped", `${name} was stopped while it started`);
    const how = came.signal === null ? `with code ${came.code}` : `by ${came.signal}`;
    throw new PlatformError("not-ready", `${name} ended ${how} before it was ready. Its last lines:\n${this.#said.text(LINES_IN_ERRORS)}`);
  }

  /** Reads a stream to its end: one that nobody reads fills up, and its writer stands still. */
  #hear(stream: Readable | null, hears: (line: string) => void): Promise<void> {
    if (stream === null) return Promise.resolve();
    const lines = createInterface({ input: stream });
    lines.on("line", (line) => {
      hears(line);
      this.#plan.onLine?.(line);
    });
    return new Promise((resolve) => lines.once("close", resolve));
  }

  #ended(child: LeashedProcess): void {
    if (this.#running !== child) return;
    this.#running = undefined;
    this.#ready = false;
    this.#paused = false;
    this.#earlierCpuMs += this.#seenCpuMs;
    this.#seenCpuMs = 0;
    this.#superviseAgain();
  }

  #superviseAgain(): void {
    const { restartAfterMs } = this.#plan;
    if (!this.#wanted || restartAfterMs === undefined) return;
    clearTimeout(this.#restart);
    this.#restart = setTimeout(() => {
      if (!this.#wanted || this.#running !== undefined || this.#spawning !== undefined) return;
      this.#restarts += 1;
      // Its end has ordered the next try already; without a child there was none.
      this.#launch().catch((error: unknown) => {
        this.#said.push(error instanceof Error ? error.message : String(error));
        if (this.#running === undefined) this.#superviseAgain();
      });
    }, restartAfterMs);
  }
}

/** What `promise` gives, or `late` after the cap. */
async function within<T, Late>(capMs: number, promise: Promise<T>, late: Late): Promise<T | Late> {
  let timer: NodeJS.Timeout | undefined;
  const cap = new Promise<Late>((resolve) => {
    timer = setTimeout(() => resolve(late), capMs);
  });
  try {
    return await Promise.race([promise, cap]);
  } finally {
    clearTimeout(timer);
  }
}

/** Whether `tripact` means its source or its build is said to this process, by npm; the services are to run the same. */
function ownConditions(): Readonly<Record<string, string>> {
  const options = process.env["NODE_OPTIONS"];
  return options === undefined ? {} : { NODE_OPTIONS: options };
}
