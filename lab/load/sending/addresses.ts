/** A source address for each buyer, so that limits per address treat them as the many that they are. */
import { createServer } from "node:net";
import { once } from "node:events";

const PER_BYTE = 250;
/** 127.1.0.1 to 127.199.249.250: far from 127.0.0.1, where everything else listens. */
export const BUYERS_MAX = 199 * PER_BYTE * PER_BYTE;

/** @param buyer from 0 */
export function addressOf(buyer: number): string {
  const last = 1 + (buyer % PER_BYTE);
  const middle = Math.floor(buyer / PER_BYTE) % PER_BYTE;
  const first = 1 + Math.floor(buyer / (PER_BYTE * PER_BYTE));
  return `127.${first}.${middle}.${last}`;
}

/** Asking after orders is not buying, so it has addresses of its own. */
export function followerAddressOf(index: number): string {
  return `127.200.0.${1 + (index % PER_BYTE)}`;
}

/**
 * Whether this machine lets us send from all of 127.0.0.0/8 to this target: Linux does; macOS has only 127.0.0.1, and what is not
 * on loopback could not answer.
 */
export async function manyAddresses(target: URL): Promise<boolean> {
  if (!target.hostname.startsWith("127.")) return false;
  const server = createServer();
  try {
    server.listen(0, addressOf(0));
    await once(server, "listening");
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}
