import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";

/** So many of this process are remembered: one that was handed out is often not listened on yet, and would look free. */
const REMEMBERED_MAX = 4_000;
const given = new Set<number>();

/**
 * A port on 127.0.0.1 that nobody uses, and that nobody in this process was given lately. Taken below the range that the kernel gives to outgoing connections
 * (from 32768 on Linux, 49152 on macOS), so that a stopped server finds its port free when it comes back.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const port = randomInt(20_000, 32_768);
    if (given.has(port)) continue;
    // Before the probe: whoever asks meanwhile gets another one.
    remember(port);
    if (await isFree(port)) return port;
  }
  throw new Error("no free port found between 20000 and 32767");
}

function remember(port: number): void {
  const [oldest] = given;
  if (given.size >= REMEMBERED_MAX && oldest !== undefined) given.delete(oldest);
  given.add(port);
}

async function isFree(port: number): Promise<boolean> {
  const probe = createServer();
  try {
    probe.listen(port, "127.0.0.1");
    await once(probe, "listening");
    return true;
  } catch {
    return false;
  } finally {
    probe.close();
  }
}
