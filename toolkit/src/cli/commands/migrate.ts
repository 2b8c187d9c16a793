import { migrateBarrier } from "../../participants/migrate.ts";
import { loadPg } from "../../stores/postgres/driver.ts";
import { migrate } from "../../stores/postgres/migrate.ts";
import { outcomeOf, placeOf } from "../../stores/postgres/outcome.ts";
import { EXIT, type Command } from "../command.ts";
import { storeHelp, storeOptions, urlOf, withRights } from "../store.ts";

const CONNECT_TIMEOUT_MS = 5_000;

export const command: Command = {
  usage: "[--participant]",
  details: `${storeHelp}
  --participant        the tables of barrier and inbox, in a participant's own database, instead of the journal's

Safe to repeat, and for two at once.`,
  options: { ...storeOptions, participant: { type: "boolean" } },
  positionals: { min: 0, max: 0 },
  async run(args, io) {
    const url = urlOf(args, io);
    const applied = await (args.flag("participant") ? migrateParticipant(url) : migrate(url)).catch((error: unknown) => {
      throw withRights(error, url);
    });
    for (const name of applied) io.out(`applied ${name}\n`);
    io.out(`${placeOf(url)} is up to date\n`);
    return EXIT.ok;
  },
};

async function migrateParticipant(url: string): Promise<readonly string[]> {
  const { Client } = await loadPg();
  const place = placeOf(url);
  const client = new Client({ connectionString: url, connectionTimeoutMillis: CONNECT_TIMEOUT_MS, application_name: "tripact migrate", keepAlive: true });
  client.on("error", () => undefined); // the statement in flight says it
  try {
    await client.connect();
  } catch (error) {
    throw outcomeOf(error, "connecting", place);
  }
  try {
    await client.query({ text: "begin" });
    const applied = await migrateBarrier({ execute: (text, values) => client.query({ text, values: [...values] }) });
    await client.query({ text: "commit" });
    return applied;
  } catch (error) {
    throw outcomeOf(error, "reading", place);
  } finally {
    await client.end();
  }
}
