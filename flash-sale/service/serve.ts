/** Runs one service in this process until it is told to stop: SIGTERM or SIGINT, and a second one does not wait. */
import { once } from "node:events";
import type { Server } from "node:http";
import { drain } from "./drain.ts";

export interface Running {
  readonly server: Server;
  readonly port: number;
  /** Told to calls that come during the stop, as JSON; `STOPPING` where it is left out. */
  readonly refusal?: string;
  /** Ends what was begun, in this order, when no call is under way any more; one that would not end is broken off. */
  stop(): Promise<void>;
}

const HOST = "127.0.0.1";
/** A stop that hangs is a kill that comes late. */
const STOP_WITHIN_MS = 5_000;

/** Listens, prints `ready`, waits for the signal, stops. Errors at the start end the process with their message. */
export async function serve(name: string, open: () => Promise<Running>): Promise<void> {
  const running = await open();
  await listen(running.server, running.port);
  console.log(`ready ${name}`);
  await Promise.race([once(process, "SIGTERM"), once(process, "SIGINT")]);
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => process.exit(1));
  const cap = setTimeout(() => process.exit(1), STOP_WITHIN_MS);
  await drain(running.server, running.refusal);
  await running.stop();
  running.server.closeAllConnections();
  clearTimeout(cap);
}

async function listen(server: Server, port: number): Promise<void> {
  server.listen(port, HOST);
  await once(server, "listening");
}

/** For people who read a service's error stream: which service, and what. */
export function errorsOf(name: string): (error: unknown) => void {
  return (error) => console.error(`${name}: ${describe(error)}`);
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}: ${describe(error.cause)}`;
}
