/** A parent that starts a load and waits to be killed: `parent.fixture.ts TARGET HISTORY`. Prints the generator's process id. */
import { startLoad } from "../start.ts";

const [target = "", historyPath = ""] = process.argv.slice(2);
const load = await startLoad({ target, historyPath });
await load.start({ sku: "lamp", ratePerSecond: 200, seconds: 60, seed: 1 });
console.log(load.pid);
