import { createInterface } from "node:readline";
import { leashedFolder, removeLeashedFolder, spawnLeashed, type LeashedProcess, type ProcessExit } from "@tripact/testbed";

/** No wait in these tests is longer; what takes longer is stuck. */
export const CAP_MS = 30_000;

/** A process that takes orders on its standard input and reports on its standard output, a JSON line each, seen from the test. */
export class Child<Order, Report> {
  readonly #process: LeashedProcess;
  readonly reports: Report[] = [];
  #heard = Promise.withResolvers<void>();
  #over = false;

  constructor(leashed: LeashedProcess) {
    this.#process = leashed;
    if (leashed.stdout === null) throw new Error("a child without output");
    leashed.stdin?.on("error", () => undefined);
    createInterface({ input: leashed.stdout })
      .on("line", (line) => this.#tell(JSON.parse(line) as Report))
      .on("close", () => this.#tell(undefined));
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** It has died, and everything that it said before has been heard. */
  get over(): boolean {
    return this.#over;
  }

  order(order: Order): void {
    this.#process.stdin?.write(`${JSON.stringify(order)}\n`);
  }

  kill(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  /** The first report, of all that came from number `from` on and will come, that `picks` picks; undefined when the process ends, or the cap comes, without it. */
  async hears(picks: (report: Report) => boolean, from = 0): Promise<Report | undefined> {
    let capped = false;
    const cap = setTimeout(() => {
      capped = true;
      this.#wake();
    }, CAP_MS);
    try {
      for (let next = from; ; ) {
        const report = this.reports[next];
        if (report !== undefined && picks(report)) return report;
        if (report !== undefined) next += 1;
        else if (this.#over || capped) return undefined;
        else await this.#heard.promise;
      }
    } finally {
      clearTimeout(cap);
    }
  }

  async exited(): Promise<ProcessExit> {
    const exit = await this.#process.waitForExit();
    await this.hears(() => false);
    return exit;
  }

  /** Ends it without ceremony. Twice without harm. */
  async end(): Promise<void> {
    await this.#process.killWhole();
  }

  #tell(report: Report | undefined): void {
    if (report === undefined) this.#over = true;
    else this.reports.push(report);
    this.#wake();
  }

  #wake(): void {
    this.#heard.resolve();
    this.#heard = Promise.withResolvers();
  }
}

/** A child as the pool sees it: which orders it takes is its own business. */
interface Warm {
  hears(picks: (report: { readonly said: string }) => boolean): Promise<unknown>;
  end(): Promise<void>;
}

/** Processes of one program that are loaded and wait for their first order, so that no test waits for a start. */
export class ChildPool<C extends Warm> {
  readonly #compileCache = leashedFolder("/var/tmp/tripact-crash-");
  readonly #file: string;
  readonly #of: (leashed: LeashedProcess) => C;
  readonly #size: number;
  readonly #warm: Promise<C>[] = [];
  readonly #given: C[] = [];

  constructor(file: string, of: (leashed: LeashedProcess) => C, size: number) {
    this.#file = file;
    this.#of = of;
    this.#size = size;
  }

  async take(): Promise<C> {
    while (this.#warm.length <= this.#size) this.#warm.push(this.#start());
    const taken = await this.#warm.shift();
    if (taken === undefined) throw new Error("an empty pool");
    this.#given.push(taken);
    return taken;
  }

  async close(): Promise<void> {
    const started = await Promise.all(this.#warm);
    await Promise.all([...started, ...this.#given].map((it) => it.end()));
    removeLeashedFolder(this.#compileCache);
  }

  async #start(): Promise<C> {
    const started = this.#of(
      await spawnLeashed({
        command: process.execPath,
        // Not our own execArgv: the test runner adds some twenty options to it.
        args: ["--conditions=tripact-source", this.#file],
        env: { ...process.env, NODE_COMPILE_CACHE: this.#compileCache },
        stdio: ["pipe", "pipe", "inherit"],
      }),
    );
    await started.hears((it) => it.said === "warm");
    return started;
  }
}
