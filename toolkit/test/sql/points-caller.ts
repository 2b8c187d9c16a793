/** A caller in a process of its own, with a coordinator in it: prepares, works, submits, and says each. It is killed after one of them. */
import pg from "pg";
import { createTripact } from "tripact";
import { postgresStore } from "tripact/postgres";
import { pointsOn, work } from "./points.ts";

const [url = "", gid = "", until = ""] = process.argv.slice(2);
const pool = new pg.Pool({ connectionString: url });
const points = pointsOn(pool, 2_000);
const tripact = await createTripact({ store: postgresStore({ url }), definitions: [points], nodeName: "caller" });
const reached = async (step: string): Promise<void> => {
  process.stdout.write(`${step}\n`);
  // Here it is killed.
  if (step === until) await new Promise((resolve) => setTimeout(resolve, 60_000));
};

await reached("begun");
const prepared = await points.prepare(tripact, { buyer: gid, points: 5 }, { gid });
await reached("prepared");
if (await work(pool, gid)) {
  await reached("worked");
  await prepared.submit();
}
await reached("submitted");
