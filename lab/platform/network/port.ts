import { once } from "node:events";
import { createServer } from "node:net";
import { freePort } from "@tripact/testbed";
import { PlatformError } from "../failure.ts";

const HOST = "127.0.0.1";

/** Says, before anything is started, that somebody else listens there; `advice` is what to do about it. */
export async function checkPortIsFree(port: number, advice: string): Promise<void> {
  const probe = createServer();
  try {
    probe.listen(port, HOST);
    await once(probe, "listening");
  } catch (error) {
    throw new PlatformError("port-in-use", `port ${port} of ${HOST} cannot be had (${codeOf(error)}): ${advice}`, { cause: error });
  } finally {
    probe.close();
  }
}

/** That many different free ports. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const ports = new Set<number>();
  for (let attempt = 0; ports.size < count && attempt < 10 * count; attempt += 1) ports.add(await freePort());
  if (ports.size < count) throw new Error(`only ${ports.size} of ${count} free ports found`);
  return [...ports];
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error) || !("code" in error)) return String(error);
  if (error.code === "EADDRINUSE") return "in use by another program";
  return error.code === "EACCES" ? "not allowed to this user" : String(error.code);
}
