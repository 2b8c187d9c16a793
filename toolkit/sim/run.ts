import { createHash } from "node:crypto";
import { NeverStarted, Overloaded, TripactError } from "../src/protocol/errors.ts";
import { MemoryDatabase } from "../src/stores/memory/database.ts";
import { createTripact, type Tripact } from "./doors.ts";
import { violationsOf, type Told } from "./check.ts";
import { Faults, type Variant } from "./faults.ts";
import { remote, Service, wire } from "./participants.ts";
import { simStore, type SimStore, type Sightings } from "./store.ts";
import { flowsFor, planFor, type Flows, type Reach } from "./workload.ts";
import { Process } from "../src/testing/virtual/process.ts";
import { Random } from "../src/testing/virtual/random.ts";
import { World } from "../src/testing/virtual/world.ts";

export interface SimResult {
  readonly seed: number;
  readonly transactions: number;
  readonly crashes: number;
  /** Virtual time that passed. */
  readonly virtualMs: number;
  readonly violations: readonly string[];
  /** Hash of everything that happened: the same seed gives the same one. */
  readonly trace: string;
  readonly lines: readonly string[];
}

const TRANSACTIONS = 20;
const QUIET_AFTER_HEAL_MS = 600_000;

type ServiceName = keyof Reach;

/** One machine that runs a coordinator, crashes, and comes back as a new process. */
interface Machine {
  readonly name: string;
  process: Process;
  store: SimStore | undefined;
  tripact: Tripact | undefined;
  flows: Flows | undefined;
  reach: Reach | undefined;
}

export async function simulate(seed: number, variant?: Variant): Promise<SimResult> {
  const world = new World(new Random(seed));
  const faults = new Faults(world, variant);
  const sim = new Simulation(world, faults);
  return await sim.run(seed);
}

class Simulation {
  readonly #world: World;
  readonly #faults: Faults;
  readonly #database: MemoryDatabase;
  readonly #services: { readonly [name in ServiceName]: Service };
  readonly #machines: readonly Machine[];
  readonly #sightings: Sightings = new Map();
  readonly #told: Told = { accepted: new Set(), neverStarted: new Set(), ended: new Map() };
  readonly #client: Process;
  #settledClients = 0;

  constructor(world: World, faults: Faults) {
    this.#world = world;
    this.#faults = faults;
    this.#database = new MemoryDatabase(() => world.nowMs);
    const service = (name: ServiceName, refuses = faults.refuses): Service => new Service(world, faults, name, refuses);
    this.#services = { stock: service("stock"), bank: service("bank"), wallet: service("wallet"), seats: service("seats"), post: service("post", 0) };
    this.#client = new Process(world, "client");
    this.#machines = ["a", "b"].map((name) => ({ name, process: new Process(world, name), store: undefined, tripact: undefined, flows: undefined, reach: undefined }));
    faults.onCrash = (process, where) => this.#crash(process, where);
  }

  async run(seed: number): Promise<SimResult> {
    const { random } = this.#world;
    for (const machine of this.#machines) this.#boot(machine);
    for (let index = 0; index < TRANSACTIONS; index += 1) this.#world.at(random.between(1, this.#faults.healAtMs), this.#client, () => this.#submit(`t${index}`));
    this.#scheduleTrouble();
    const finished = await this.#world.run(() => this.#finished(), this.#faults.healAtMs + QUIET_AFTER_HEAL_MS);
    const violations = violationsOf(this.#database, Object.values(this.#services), this.#told, this.#sightings);
    if (!finished) violations.push(`stuck: not at rest ${QUIET_AFTER_HEAL_MS} ms after the last fault (${this.#settledClients} clients answered)`);
    const lines = this.#world.trace;
    const trace = createHash("sha256").update(lines.join("\n")).digest("hex").slice(0, 16);
    return { seed, transactions: this.#database.transactions.size, crashes: this.#faults.crashes, virtualMs: this.#world.nowMs, violations, trace, lines };
  }

  #finished(): boolean {
    if (!this.#faults.healed || this.#settledClients < TRANSACTIONS) return false;
    for (const row of this.#database.transactions.values()) if (!row.summary.ended) return false;
    return true;
  }

  #boot(machine: Machine): void {
    const { process } = machine;
    const store = simStore(process, this.#database, this.#faults, this.#sightings);
    const reach = this.#reachFrom(process);
    const flows = flowsFor(reach);
    machine.store = store;
    machine.reach = reach;
    machine.flows = flows;
    machine.tripact = undefined;
    const { stock, bank, wallet, seats, post } = reach;
    createTripact({
      store,
      clock: process.clock,
      definitions: flows.definitions,
      participants: [stock, bank, wallet, seats, post],
      nodeName: machine.name,
      // Most of a quiet second would be probes; a coarser watch finds the same deaths a little later.
      probeEveryMs: 200,
      // Two flushes side by side, which otherwise takes a hundred transactions.
      overlapFrom: 2,
      onNotice: (notice) => this.#world.log(`${machine.name} ${JSON.stringify(notice)}`),
    }).then(
      (tripact) => {
        machine.tripact = tripact;
        this.#world.log(`${machine.name} is up`);
      },
      (error: unknown) => {
        this.#world.log(`${machine.name} does not start: ${String(error)}`);
        this.#world.after(100, process, () => this.#boot(machine));
      },
    );
  }

  #reachFrom(process: Process): Reach {
    const reach = <Kind extends "saga" | "tcc">(kind: Kind, name: ServiceName) => remote(kind, this.#services[name], wire(this.#world, this.#faults, process, this.#services[name]));
    return { stock: reach("saga", "stock"), bank: reach("saga", "bank"), wallet: reach("tcc", "wallet"), seats: reach("tcc", "seats"), post: reach("saga", "post") };
  }

  #crash(process: Process, where: string): void {
    const machine = this.#machines.find((it) => it.process === process);
    if (machine === undefined || process.dead) return;
    this.#world.log(`${machine.name} crashes at ${where}`);
    process.dead = true;
    const { store } = machine;
    this.#world.after(this.#world.random.between(3, 5), undefined, () => store?.dropLock());
    machine.process = new Process(this.#world, machine.name);
    machine.tripact = undefined;
    this.#world.after(this.#world.random.between(20, 4_000), machine.process, () => this.#boot(machine));
  }

  /** Pauses past the lease, clock jumps and lost sessions, at random moments until the heal. */
  #scheduleTrouble(): void {
    const { random } = this.#world;
    const count = random.between(0, 4);
    for (let index = 0; index < count; index += 1) {
      const machine = random.pick(this.#machines);
      const kind = random.pick(["pause", "clock", "session"] as const);
      this.#world.at(random.between(100, this.#faults.healAtMs), undefined, () => {
        const { process } = machine;
        this.#world.log(`${machine.name} ${kind}`);
        if (kind === "pause") process.pausedUntilMs = this.#world.nowMs + random.between(500, 8_000);
        else if (kind === "clock") process.skewMs += random.pick([-3_600_000, 3_600_000]);
        else machine.store?.loseSession(random.between(1, 2_000));
      });
    }
  }

  /** A client that keeps asking, under the same gid, until it has an answer that it may believe. */
  #submit(gid: string): void {
    const { random } = this.#world;
    const shape = random.pick(["closures", "parallel", "tcc", "mixed", "plan"]);
    const n = random.between(1, 9);
    if (random.chance(0.1)) this.#world.after(random.between(0, 300), this.#client, () => this.#ask("cancel", gid, (tripact) => tripact.cancel(gid)));
    if (random.chance(0.03)) this.#ask("outcome", gid, (tripact) => tripact.outcome(gid));
    this.#submitAgain(gid, shape, n);
  }

  #submitAgain(gid: string, shape: string, n: number): void {
    const { random } = this.#world;
    const machine = random.pick(this.#machines);
    const { process, tripact, flows, reach } = machine;
    const again = (): void => {
      this.#world.after(random.between(50, 500), this.#client, () => this.#submitAgain(gid, shape, n));
    };
    if (tripact === undefined || flows === undefined || reach === undefined) return again();
    let answered = false;
    const finish = (then: () => void): void => {
      // An answer of a process that has died meanwhile never arrives.
      if (answered || process.dead) return;
      answered = true;
      then();
    };
    this.#world.after(10_000, this.#client, () => {
      if (!answered) {
        answered = true;
        again();
      }
    });
    const saga = flows.byName[shape];
    const started = saga === undefined ? tripact.startPlan(planFor(reach, new Random(n)), { gid }) : tripact.start(saga, { n }, { gid });
    started.then(
      () => {
        // Told at the node: durable from here on, even if the client never hears of it.
        this.#told.accepted.add(gid);
        finish(() => this.#awaitEnd(gid));
      },
      (error: unknown) =>
        finish(() => {
          this.#world.log(`${gid} ${error instanceof TripactError ? error.code : String(error)}`);
          if (!(error instanceof NeverStarted)) return again();
          this.#told.neverStarted.add(gid);
          this.#settledClients += 1;
        }),
    );
  }

  #awaitEnd(gid: string): void {
    const machine = this.#machines.find((it) => it.tripact !== undefined && !it.process.dead);
    const again = (): void => {
      this.#world.after(500, this.#client, () => this.#awaitEnd(gid));
    };
    if (machine?.tripact === undefined) return again();
    const { process } = machine;
    let over = false;
    // A question that dies with its process, or waits in a stopped one, is asked elsewhere.
    const cancel = this.#world.after(5_000, this.#client, () => {
      over = true;
      again();
    });
    const answered = (kind: string): void => {
      if (over || process.dead) return;
      cancel();
      over = true;
      if (kind === "open") return again();
      this.#world.log(`${gid} ${kind}`);
      this.#told.ended.set(gid, kind);
      this.#settledClients += 1;
    };
    machine.tripact.outcome(gid).then(
      (outcome) => answered(outcome.kind),
      () => answered("open"),
    );
  }

  #ask(what: string, gid: string, question: (tripact: Tripact) => Promise<{ readonly kind: string }>): void {
    const machine = this.#world.random.pick(this.#machines);
    if (machine.tripact === undefined) return;
    const { process } = machine;
    question(machine.tripact).then(
      (outcome) => {
        if (process.dead) return;
        this.#world.log(`${what} ${gid}: ${outcome.kind}`);
        if (outcome.kind === "never-started") this.#told.neverStarted.add(gid);
      },
      (error: unknown) => this.#world.log(`${what} ${gid}: ${error instanceof Overloaded ? "overloaded" : String(error)}`),
    );
  }
}
