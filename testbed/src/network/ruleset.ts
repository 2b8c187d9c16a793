/** Which packets are to be lost, as nftables is told. Nothing but numbers and our own words gets into it. */

/** Which packets: those to a port, those from it, or those of one TCP connection, in both directions. */
export type Packets =
  | { readonly kind: "to" | "from"; readonly port: number }
  | { readonly kind: "connection"; readonly ports: readonly [number, number] };

export interface PacketLoss {
  readonly packets: readonly Packets[];
  /** How many of a hundred, drawn for each packet; default all of them. */
  readonly percent?: number;
}

export class FirewallError extends Error {
  readonly code: "not-private" | "invalid-input";
  constructor(code: FirewallError["code"], message: string) {
    super(message);
    this.name = "FirewallError";
    this.code = code;
  }
}

/**
 * Where packets arrive, not where they leave: of one that its own firewall drops on the way out a sender is told, and TCP then tries again
 * by other rules than after a loss.
 */
export function rulesetOf(table: string, { packets, percent = 100 }: PacketLoss): string {
  if (packets.length === 0) throw new FirewallError("invalid-input", "no packets are named that should be lost");
  if (!(Number.isSafeInteger(percent) && percent >= 1 && percent <= 100)) throw new FirewallError("invalid-input", `percent must be a whole number from 1 to 100, got ${percent}`);
  const drop = percent === 100 ? "drop" : `numgen random mod 100 < ${percent} drop`;
  const rules = packets.map((some) => {
    switch (some.kind) {
      case "to":
        return `th dport ${portOf(some.port)} ${drop}`;
      case "from":
        return `th sport ${portOf(some.port)} ${drop}`;
      case "connection": {
        const [one, other] = some.ports.map(portOf);
        return `tcp sport . tcp dport { ${one} . ${other}, ${other} . ${one} } ${drop}`;
      }
    }
  });
  return [`table inet ${table} {`, "chain arriving {", "type filter hook input priority filter; policy accept;", ...new Set(rules), "}", "}", ""].join("\n");
}

function portOf(port: number): string {
  if (!(Number.isSafeInteger(port) && port >= 1 && port <= 65_535)) throw new FirewallError("invalid-input", `a port is a whole number from 1 to 65535, got ${port}`);
  return String(port);
}
