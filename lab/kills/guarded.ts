/** What every guarded mode is put through, as tests: one fault after the other, on one platform. */
import { after, before, test, type TestContext } from "node:test";
import { startDatabases, type Databases } from "../platform/databases.ts";
import { rowsOf, type ModeName } from "../platform/mode-processes.ts";
import { killOf, postgresCrash, type Fault } from "./faults.ts";
import { killedBetweenGateAndPurchase, pausedPastItsLease } from "./gateway.ts";
import { assertHeld, summaryOf } from "./report.ts";
import { sellUnder, type SaleRun } from "./sale.ts";
import { openStage, type Stage } from "./stage.ts";

/** Another one with KILLS_SEED; what failed once is looked for again with its own. */
const SEED = Number(process.env["KILLS_SEED"] || 1);
if (!Number.isInteger(SEED) || SEED < 0 || SEED > 1_000_000) throw new Error(`KILLS_SEED is ${JSON.stringify(process.env["KILLS_SEED"])}; a whole number from 0 to 1000000 is needed`);
/** Sold out soon after the fault, or never. */
const FEW_UNITS = 200;
const MANY_UNITS = 5_000;
/** One mode with a coordinator and one with messages, each. */
const GATE_KILLED: readonly ModeName[] = ["saga", "outbox"];
const GATE_PAUSED: readonly ModeName[] = ["tcc", "choreography"];
/** Of two relays that do the same one is enough, and the provider belongs to others. */
const NOT_KILLED = ["provider", "relay-2"];

/** Tests on one platform. One that fails leaves it behind, so that the next ones are judged for themselves: they get a new one. */
export class Theatre {
  readonly #mode: ModeName;
  #databases: Databases | undefined;
  #stage: Stage | undefined;
  #sales = 0;

  constructor(mode: ModeName) {
    this.#mode = mode;
    before(async () => {
      this.#databases = await startDatabases({ servers: "single", endpoint: "direct" });
    });
    after(async () => {
      await this.#stage?.stop();
      await this.#databases?.stop();
    });
  }

  /** `play` gets a seed of its own. */
  test(name: string, play: (stage: Stage, seed: number, t: TestContext) => Promise<void>): void {
    this.#sales += 1;
    const seed = SEED * 100 + this.#sales;
    test(`${this.#mode}: ${name}`, async (t) => {
      const stage = await this.#open();
      try {
        await play(stage, seed, t);
      } catch (error) {
        this.#stage = undefined;
        await stage.stop();
        throw error;
      }
    });
  }

  async #open(): Promise<Stage> {
    if (this.#databases === undefined) throw new Error("the databases are not up");
    this.#stage ??= await openStage({ mode: this.#mode, databases: this.#databases, seed: SEED });
    return this.#stage;
  }
}

export function held(stage: Stage, run: SaleRun, t: TestContext): void {
  t.diagnostic(summaryOf(stage, run));
  assertHeld(stage, run);
}

/** Every process of the mode and the database, each killed in a sale of its own. */
export function killsIn(mode: ModeName): void {
  const theatre = new Theatre(mode);
  theatre.test("a sale without a fault is valid", async (stage, seed, t) => {
    held(stage, await sellUnder(stage, { sku: "quiet", units: FEW_UNITS, seed }), t);
  });
  const victims = rowsOf(mode).map(({ name }) => name).filter((name) => !NOT_KILLED.includes(name));
  const faults: readonly Fault[] = [...victims.map(killOf), postgresCrash];
  for (const [index, fault] of faults.entries()) {
    theatre.test(`${fault.name} of ${fault.target} in mid-sale loses, doubles and tears nothing`, async (stage, seed, t) => {
      const units = index % 2 === 0 ? MANY_UNITS : FEW_UNITS;
      held(stage, await sellUnder(stage, { sku: `kill-${fault.target}`, units, seed, fault }), t);
    });
  }
  // What a gateway does with its units is the same in every mode.
  if (GATE_KILLED.includes(mode)) {
    theatre.test("the gateway killed between gate and purchase: the units come back, and are sold", async (stage, seed, t) => {
      held(stage, await killedBetweenGateAndPurchase(stage, seed), t);
    });
  }
  if (GATE_PAUSED.includes(mode)) {
    theatre.test("the gateway stopped past its lease: it sells on, and no unit twice", async (stage, seed, t) => {
      held(stage, await pausedPastItsLease(stage, seed), t);
    });
  }
}
