import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { leashedFolder, removeLeashedFolder, spawnLeashed, type LeashedProcess } from "@tripact/testbed";
import type { Order, Report } from "./orders.ts";
import type { ShapeName } from "./shapes.ts";

const file = fileURLToPath(import.meta.resolve("./coordinator.ts"));
/** No wait in these tests is longer; what takes longer is stuck. */
export const CAP_MS = 30_000;
const OVERLOADED_RETRY_MS = 20;

/** A coordinator process, seen from the test. */
export class CoordinatorProcess {
  readonly #process: LeashedProcess;
  readonly reports: Report[] = [];
  #heard = Promise.withResolvers<void>();
  #over = false;

  private constructor(leashed: LeashedProcess) {
    this.#process = leashed;
    if (leashed.stdout === null) throw new Error("a coordinator without output");
    leashed.stdin?.on("error", () => undefined);
    createInterface({ input: leashed.stdout })
      .on("line", (line) => this.#tell(JSON.parse(line) as Report))
      .on("close", () => this.#tell(undefined));
  }

  static async spawn(compileCache: string): Promise<CoordinatorProcess> {
    return new CoordinatorProcess(
      await spawnLeashed({
        command: process.execPath,
        // Not our own execArgv: the test runner adds some twenty options to it.
        args: ["--conditions=tripact-source", file],
        env: { ...process.env, NODE_COMPILE_CACHE: compileCache },
        stdio: ["pipe", "pipe", "inherit"],
      }),
    );
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

  /** The first report, of all that came and will come, that `picks` picks; undefined when the process ends, or the cap comes, without it. */
  async hears(picks: (report: Report) => boolean): Promise<Report | undefined> {
    let capped = false;
    const cap = setTimeout(() => {
      capped = true;
      this.#wake();
    }, CAP_MS);
    try {
      for (let next = 0; ; ) {
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

  /** Joins the others at this journal. Throws what the coordinator could not. */
  async join(order: Omit<Extract<Order, { do: "join" }>, "do">): Promise<string> {
    this.order({ do: "join", ...order });
    const answer = await this.hears((it) => it.said === "joined" || it.said === "failed");
    if (answer?.said === "joined") return answer.incarnation;
    throw new Error(`a coordinator did not join: ${JSON.stringify(answer ?? "it ended")}`);
  }

  /** Starts a transaction as a patient caller would: `overloaded` is tried again. Throws any other refusal. */
  async start(shape: ShapeName, gid: string): Promise<void> {
    const concerns = (it: Report): boolean => (it.said === "started" && it.gid === gid) || (it.said === "failed" && it.order.do === "start" && it.order.gid === gid);
    for (let heard = 0; ; heard += 1) {
      this.order({ do: "start", shape, gid });
      let count = 0;
      const answer = await this.hears((it) => concerns(it) && (count += 1) > heard);
      if (answer?.said === "started") return;
      if (answer?.said !== "failed" || answer.code !== "overloaded") throw new Error(`${gid} did not start: ${JSON.stringify(answer ?? "the process ended")}`);
      await sleep(OVERLOADED_RETRY_MS);
    }
  }

  async exited(): Promise<void> {
    await this.#process.waitForExit();
    await this.hears(() => false);
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

/** Processes that are loaded and wait for their first order, so that no test waits for a start. */
export class WarmPool {
  readonly #compileCache = leashedFolder("/var/tmp/tripact-crash-");
  readonly #size: number;
  readonly #warm: Promise<CoordinatorProcess>[] = [];
  readonly #given: CoordinatorProcess[] = [];

  constructor(size: number) {
    this.#size = size;
  }

  async take(): Promise<CoordinatorProcess> {
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

  async #start(): Promise<CoordinatorProcess> {
    const started = await CoordinatorProcess.spawn(this.#compileCache);
    await started.hears((it) => it.said === "warm");
    return started;
  }
}
