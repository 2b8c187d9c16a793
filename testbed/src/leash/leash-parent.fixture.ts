/**
 * A parent for the leash's tests. It starts a web server that ignores SIGTERM, a Postgres with a backend that is too busy
 * to notice its postmaster's death, and makes a folder; then it waits to be killed. With `--stubborn` its first Ctrl-C
 * starts a shutdown that never ends and the second gives up, as in a service that drains.
 */
import { once } from "node:events";
import { Client } from "pg";
import { startPostgres } from "../postgres/postgres.ts";
import { leashedFolder, spawnLeashed } from "./leash.ts";

const folder = leashedFolder("/var/tmp/tripact-leash-test-");
const webServer = await spawnLeashed({
  command: process.execPath,
  args: ["--eval", `process.on("SIGTERM", () => {}); require("node:http").createServer().listen(0, "127.0.0.1", () => console.log("up"));`],
  stdio: ["ignore", "pipe", "inherit"],
});
if (webServer.stdout !== null) await once(webServer.stdout, "data");

const postgres = await startPostgres();
const busy = new Client({ connectionString: postgres.url() });
await busy.connect();
busy.on("error", () => {}); // the backend is killed under it
busy.query("do $$ begin loop end loop; end $$").catch(() => {});

if (process.argv.includes("--stubborn")) {
  let presses = 0;
  process.on("SIGINT", () => {
    presses += 1;
    if (presses === 2) process.exit(130);
    const client = new Client({ connectionString: postgres.url() });
    client
      .connect()
      .then(() => client.query("select 1"))
      .then(() => console.log("draining, Postgres still serves"))
      .catch((error: unknown) => console.log(`draining, but Postgres is gone: ${String(error)}`));
  });
}
console.log(JSON.stringify({ folders: [folder, postgres.dataFolder] }));
