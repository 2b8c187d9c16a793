import type { ParseArgsOptionsConfig } from "node:util";
import { textOf, TripactError } from "../protocol/errors.ts";
import type { JournalRecord, Store } from "../stores/store.ts";
import { placeOf, sqlStateOf } from "../stores/postgres/outcome.ts";
import { postgresStore, type PostgresStoreOptions } from "../stores/postgres/store.ts";
import { CommandError, EXIT, usageError, type Args, type Io } from "./command.ts";

/** Options of every command that works on a store. */
export const storeOptions = { url: { type: "string" } } as const satisfies ParseArgsOptionsConfig;
export const storeHelp = "  --url URL            postgres://user@host:port/database; or TRIPACT_URL, which other users of this machine cannot read";

/** The store's URL. It may hold a password, so no message repeats it. */
export function urlOf(args: Args, io: Io): string {
  const given = args.text("url");
  const url = given ?? io.env["TRIPACT_URL"];
  if (url === undefined || url === "") throw usageError("no store: say --url postgres://user@host:port/database, or set TRIPACT_URL");
  const parsed = URL.parse(url);
  const from = given === undefined ? "TRIPACT_URL" : "--url";
  if (parsed === null) throw usageError(`${from} cannot be read as a URL; it looks like postgres://user@host:port/database`);
  if (parsed.protocol !== "postgres:" && parsed.protocol !== "postgresql:") throw usageError(`${from} begins with postgres://, not ${parsed.protocol}//`);
  return url;
}

/** Connects, works, and closes, whatever happens. */
export async function withStore<T>(args: Args, io: Io, work: (store: Store) => Promise<T>, options: Partial<PostgresStoreOptions> = {}): Promise<T> {
  const url = urlOf(args, io);
  const store = postgresStore({ url, applicationName: "tripact cli", ...options });
  try {
    await store.connect();
    return await work(store);
  } catch (error) {
    throw withRights(error, url);
  } finally {
    await store.close();
  }
}

/** Postgres says what it denies, but neither where nor to whom. */
export function withRights(error: unknown, url: string): unknown {
  const told = error instanceof TripactError ? error.cause : error;
  if (sqlStateOf(told) !== "42501") return error;
  const hint = "The role in the URL has to be the one that ran `npx tripact migrate`, or be granted its rights; to migrate it needs create on the database.";
  return new CommandError(EXIT.unfit, `${textOf(told)} [${placeOf(url)}] ${hint}`);
}

export async function recordOf(store: Store, gid: string): Promise<JournalRecord> {
  const [record] = await store.journal.read([gid]);
  if (record === undefined) throw notFound(gid);
  return record;
}

export function notFound(gid: string): CommandError {
  return new CommandError(EXIT.notFound, `no transaction has the gid ${gid}`);
}
