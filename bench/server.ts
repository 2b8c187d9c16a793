import { Client } from "pg";
import { startPostgres } from "@tripact/testbed";

/** The one Postgres that everybody in a bench run is measured on, with the defaults of its version. */
export interface BenchServer {
  version: string;
  dataFolder: string;
  /** A new empty database for one contestant's turn. */
  openTurn(): Promise<{ url: string; close(): Promise<void> }>;
  stop(): Promise<void>;
}

export async function startBenchServer(): Promise<BenchServer> {
  const server = await startPostgres();
  let turns = 0;
  const execute = async (statement: string): Promise<void> => {
    const client = new Client({ connectionString: server.url() });
    await client.connect();
    try {
      await client.query(statement);
    } finally {
      await client.end();
    }
  };
  return {
    version: server.version,
    dataFolder: server.dataFolder,
    async openTurn() {
      turns += 1;
      const name = `turn_${turns}`;
      await execute(`create database ${name}`);
      // Otherwise the pages that one contestant dirtied are written out on the next one's time.
      await execute("checkpoint");
      return { url: server.url(name), close: () => execute(`drop database if exists ${name} with (force)`) };
    },
    stop: () => server.stop("fast"),
  };
}
