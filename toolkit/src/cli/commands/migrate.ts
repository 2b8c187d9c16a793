import { migrateBarrier } from "../../participants/migrate.ts";
import { loadPg } from "../../stores/postgres/driver.ts";
import { makeDebeziumLayout } from "../../stores/postgres/outbox/debezium.ts";
import { migrate } from "../../stores/postgres/migrate.ts";
import { outcomeOf, placeOf } from "../../stores/postgres/outcome.ts";
import type { SqlExecutor } from "../../stores/sql.ts";
import { EXIT, usageError, type Command } from "../command.ts";
import { storeHelp, storeOptions, urlOf, withRights } from "../store.ts";

const CONNECT_TIMEOUT_MS = 5_000;

export const command: Command = {
  usage: "[--participant | --debezium]",
  details: `${storeHelp}
  --participant        the tables of barrier and inbox, in a participant's own database, instead of the journal's
  --debezium           with them the view tripact.outbox_debezium: for applications that write Debezium's outbox layout

Safe to repeat, and for two at once.`,
  options: { ...storeOptions, participant: { type: "boolean" }, debezium: { type: "boolean" } },
  positionals: { min: 0, max: 0 },
  async run(args, io) {
    const url = urlOf(args, io);
    const [participant, debezium] = [args.flag("participant"), args.flag("debezium")];
    if (participant && debezium) throw usageError("--debezium is for the sender's database, --participant for a receiver's: say one");
    const applied = await (participant || debezium ? inTransaction(url, participant ? migrateBarrier : migrateWithDebezium) : migrate(url)).catch((error: unknown) => {
      throw withRights(error, url);
    });
    for (const name of applied) io.out(`applied ${name}\n`);
    io.out(`${placeOf(url)} is up to date\n`);
    return EXIT.ok;
  },
};

async function migrateWithDebezium(db: SqlExecutor): Promise<readonly string[]> {
  const applied = await migrate(db);
  await makeDebeziumLayout(db);
  return [...applied, "debezium layout"];
}

async function inTransaction(url: string, work: (db: SqlExecutor) => Promise<readonly string[]>): Promise<readonly string[]> {
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
    const applied = await work({ execute: (text, values) => client.query({ text, values: [...values] }) });
    await client.query({ text: "commit" });
    return applied;
  } catch (error) {
    throw outcomeOf(error, "reading", place);
  } finally {
    await client.end();
  }
}
