/** The load generator's process: takes orders as lines on stdin, reports as lines on stdout, writes the history. See README.md. */
import { createInterface } from "node:readline";
import { SCHEMA } from "../history/line.ts";
import { openHistory } from "../history/writer.ts";
import { manyAddresses } from "./sending/addresses.ts";
import { startClock } from "./clock.ts";
import { Generator } from "./generator.ts";
import { OrderError, orderName, readOrder, type Report } from "./protocol.ts";
import { readSettings } from "./settings.ts";

/** A parent that does not read must not stop the load; it misses progress lines, and no other ones. */
const UNREAD_BYTES_MAX = 262_144;

const settings = readSettings(process.env);
const clock = startClock();
const { originMs, unixMs } = clock;
const history = await openHistory({ path: settings.historyPath, header: { kind: "header", schema: SCHEMA, run: settings.run, seed: settings.seed, originMs, unixMs } });
const ownAddresses = await manyAddresses(settings.target);

process.stdout.on("error", () => undefined);
const report = (line: Report): void => {
  if (line.kind === "progress" && process.stdout.writableLength > UNREAD_BYTES_MAX) return;
  process.stdout.write(`${JSON.stringify(line)}\n`);
};
const generator = new Generator({ ...settings, ownAddresses, clock, history, report });
if (!ownAddresses) console.error("load: all buyers share one source address; limits per address see a single client");
report({ kind: "ready", ownAddresses, originMs, unixMs });

let quit = false;
const orders = createInterface({ input: process.stdin });
for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => orders.close());
for await (const line of orders) {
  try {
    const order = readOrder(line);
    if (order.kind === "quit") {
      quit = true;
      break;
    }
    generator.follow(order);
  } catch (error) {
    if (!(error instanceof OrderError)) throw error;
    report({ kind: "refused", order: orderName(line), code: error.code, message: error.message });
  }
}
await generator.close();
// Without a parent that said so, the run was broken off, and its history says it.
if (!quit) await history.breakOff();
else report({ kind: "ended", unwritten: await history.close(clock.now()) });
process.stdin.destroy();
process.exitCode = quit ? 0 : 1;
