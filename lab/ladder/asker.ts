/** The thread in which all rungs ask, and whose only work that is. It posts their questions, in the order of `RUNG_NAMES`, and ends. */
import { setTimeout as wait } from "node:timers/promises";
import { parentPort, workerData } from "node:worker_threads";
import { arrivals, seeded } from "../load/arrivals.ts";
import type { Question } from "./recovery.ts";
import { RUNG_NAMES, rungsOf, type Rung, type RungName } from "./rungs.ts";
import { stockReader, type StockReader, type StockReaderOptions } from "./stock-reader.ts";

export interface AskerPlan extends StockReaderOptions {
  readonly seed: number;
  readonly ratePerSecond: number;
  /** Unix time of the first question. */
  readonly originMs: number;
  /** From there. */
  readonly endMs: number;
}

const plan = workerData as AskerPlan;
const sinceOriginMs = (): number => performance.timeOrigin + performance.now() - plan.originMs;

/** Each with a reader of its own: connections that one has lost are not the other's. */
function rungNamed(name: RungName, { free }: StockReader): Rung {
  const rung = rungsOf(free).find((one) => one.name === name);
  if (rung === undefined) throw new Error(`there is no rung ${name}`);
  return rung;
}

/** Open loop: a question that waits keeps no other one waiting. */
async function askAll(rung: Rung, times: Iterable<number>): Promise<readonly Question[]> {
  const asked: Promise<Question>[] = [];
  for (const atMs of times) {
    const aheadMs = atMs - sinceOriginMs();
    if (aheadMs > 0) await wait(aheadMs);
    asked.push(ask(rung, atMs));
  }
  return Promise.all(asked);
}

async function ask(rung: Rung, atMs: number): Promise<Question> {
  const ageMs = await rung.ask().then((answer) => answer.ageMs, () => undefined);
  return { atMs, doneMs: sinceOriginMs(), ageMs };
}

const readers = RUNG_NAMES.map(() => stockReader(plan));
const asking = readers.map((reader, index) => askAll(rungNamed(RUNG_NAMES[index] ?? "none", reader), arrivals(plan.ratePerSecond, plan.endMs / 1_000, seeded(plan.seed + index))));
// Nothing is transferred; the list says that this is no window.
parentPort?.postMessage(await Promise.all(asking), []);
await Promise.all(readers.map((reader) => reader.close()));
