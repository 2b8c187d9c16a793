import { randomBytes } from "node:crypto";
import { Client } from "pg";
import { identifier, startPostgres } from "./postgres.ts";

export interface FreshDatabase {
  readonly name: string;
  /** A superuser's connection string. */
  readonly url: string;
  /** Ends every session in it and deletes it. */
  drop(): Promise<void>;
}

/** How the run's one shared server reaches each test file: a superuser's connection string. */
export const sharedServerVariable = "TRIPACT_TEST_POSTGRES";

/**
 * Makes an empty database for one test file. All files of a run share the server that `global-setup.ts` started; a
 * file that is run by itself gets a server of its own, which ends with the process.
 * @param name lower-case letters, digits and `_`, for people who look at the server; made unique.
 */
export async function freshDatabase(name: string): Promise<FreshDatabase> {
  const admin = process.env[sharedServerVariable] ?? (await ownServerUrl());
  const unique = identifier(`${name}_${randomBytes(4).toString("hex")}`);
  await execute(admin, `create database ${unique}`);
  const url = new URL(admin);
  url.pathname = `/${unique}`;
  return {
    name: unique,
    url: url.href,
    drop: () => dropDatabase(admin, unique),
  };
}

/** A pool that has ended may still be saying goodbye: to be cut off then is an error nobody waits for. It gets a second. */
async function dropDatabase(admin: string, name: string): Promise<void> {
  const patientUntilMs = performance.now() + 1_000;
  while (performance.now() < patientUntilMs) {
    try {
      return await execute(admin, `drop database if exists ${name}`);
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  await execute(admin, `drop database if exists ${name} with (force)`);
}

let ownServer: ReturnType<typeof startPostgres> | undefined;

async function ownServerUrl(): Promise<string> {
  ownServer ??= startPostgres();
  return (await ownServer).url();
}

async function execute(url: string, statement: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
