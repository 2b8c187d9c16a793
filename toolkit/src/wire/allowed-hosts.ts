import { lookup } from "node:dns";
import { BlockList, isIP } from "node:net";
import type { LookupFunction } from "node:net";
import { TripactError } from "../protocol/errors.ts";

/**
 * Where the coordinator may call. A URL can come from a plan that somebody submitted, so without this list a coordinator would be a way
 * into its own network.
 *
 * A list of `"name:port"` or `"name:*"` (IPv6 in brackets), or a function that is asked before every call, so that a host can be
 * taken off without a restart. Default: this machine only (127.0.0.0/8, [::1], localhost), any port.
 */
export type AllowHosts = readonly string[] | ((hostname: string, port: number) => boolean);

export interface Destination {
  /** As `URL.hostname` has it: lower-case, IPv6 in brackets. */
  readonly hostname: string;
  readonly port: number;
}

export type AllowedHosts = (destination: Destination) => boolean;

export function allowedHosts(hosts: AllowHosts | undefined): AllowedHosts {
  if (hosts === undefined) return isLoopback;
  if (typeof hosts === "function") return ({ hostname, port }) => hosts(hostname, port);
  const entries = new Set(hosts.map(checkEntry));
  return ({ hostname, port }) => entries.has(`${hostname}:${port}`) || entries.has(`${hostname}:*`);
}

/**
 * Resolves a name for one new connection, and refuses addresses that an allowed name has no business to have. Names are allowed, but
 * addresses are called, and who answers for a name may change his mind between two look-ups.
 */
export const guardedLookup: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true }, (error, addresses) => {
    const [first] = addresses ?? [];
    const stray = error === null ? addresses.find(({ address }) => !mayStandFor(hostname, address)) : undefined;
    if (error !== null) callback(error, []);
    else if (stray !== undefined) callback(notAllowed(hostname, stray.address), []);
    else if (options.all === true || first === undefined) callback(null, addresses);
    else callback(null, first.address, first.family);
  });
};

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8, "ipv4");
LOOPBACK.addAddress("::1", "ipv6");

// Link-local is where clouds keep their metadata service; the unspecified address is this machine under another name.
const NEVER_BEHIND_A_NAME = new BlockList();
NEVER_BEHIND_A_NAME.addSubnet("169.254.0.0", 16, "ipv4");
NEVER_BEHIND_A_NAME.addSubnet("0.0.0.0", 8, "ipv4");
NEVER_BEHIND_A_NAME.addSubnet("fe80::", 10, "ipv6");
NEVER_BEHIND_A_NAME.addAddress("::", "ipv6");
NEVER_BEHIND_A_NAME.addAddress("fd00:ec2::254", "ipv6");

export function mayStandFor(hostname: string, address: string): boolean {
  const family = isIP(address) === 6 ? "ipv6" : "ipv4";
  if (hostname === "localhost") return LOOPBACK.check(address, family);
  return !NEVER_BEHIND_A_NAME.check(address, family);
}

function isLoopback({ hostname }: Destination): boolean {
  const address = hostname.replace(/^\[(.*)\]$/, "$1");
  const family = isIP(address);
  return family === 0 ? address === "localhost" : LOOPBACK.check(address, family === 6 ? "ipv6" : "ipv4");
}

function checkEntry(entry: string): string {
  const lower = entry.toLowerCase();
  const port = /^(?:\[[0-9a-f:.]+\]|[^\s/@:[\]]+):(\*|[1-9]\d{0,4})$/.exec(lower)?.[1];
  if (port === "*" || Number(port) <= 65_535) return lower;
  throw new TripactError("invalid-option", 'An allowed host is "name:port" or "name:*".', { where: `allowHosts: ${JSON.stringify(entry)}` });
}

function notAllowed(hostname: string, address: string): TripactError {
  return new TripactError("host-not-allowed", `${hostname} now resolves to ${address}, which no allowed name may stand for.`, {
    where: hostname,
    hint: "Allow the address itself if it is really meant.",
  });
}
