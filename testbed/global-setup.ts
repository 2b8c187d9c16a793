import { sharedServerVariable } from "./src/postgres/fresh-database.ts";
import { startPostgres, type PostgresServer } from "./src/postgres/postgres.ts";

// `node --test --test-global-setup` calls these two, in the runner's own process; the test files inherit its environment.
let server: PostgresServer | undefined;

export async function globalSetup(): Promise<void> {
  server = await startPostgres();
  process.env[sharedServerVariable] = server.url();
}

export async function globalTeardown(): Promise<void> {
  await server?.remove();
}
