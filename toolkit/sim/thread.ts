import { parentPort, workerData } from "node:worker_threads";
import { runSeeds, type SeedsOptions } from "./seeds.ts";

// Data of our own making: `inThread` in seeds.ts is the only one who starts this.
const part = workerData as SeedsOptions & { readonly every: number };
parentPort?.postMessage(await runSeeds(part), []);
