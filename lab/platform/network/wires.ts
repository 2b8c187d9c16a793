/** Proxies between kinds of processes, each a wire that can be made to fail. */
import { startProxy, type TcpProxy } from "@tripact/testbed";
import type { ProcessKind, Wiring } from "../mode-processes.ts";

export interface WirePlan {
  readonly from: ProcessKind;
  readonly to: ProcessKind;
}

/** What every process of one kind reaches one process through. */
export interface Wire {
  readonly from: ProcessKind;
  readonly to: ProcessKind;
  /** The called process's name. */
  readonly toName: string;
  readonly proxy: TcpProxy;
}

interface Laid {
  readonly wires: readonly Wire[];
  readonly seenAt: NonNullable<Wiring["seenAt"]>;
}

/** A plan for a kind that the mode does not have is passed over, and one that is named twice is laid once. */
export async function layWires(plans: readonly WirePlan[], rows: readonly { readonly kind: ProcessKind; readonly name: string }[], ports: Wiring["ports"]): Promise<Laid> {
  const wires: Wire[] = [];
  const seenAt: Partial<Record<ProcessKind, Record<string, number>>> = {};
  const kinds = new Set(rows.map(({ kind }) => kind));
  for (const { from, to } of plans) {
    if (!kinds.has(from)) continue;
    for (const { name } of rows.filter(({ kind }) => kind === to)) {
      const known = (seenAt[from] ??= {});
      if (known[name] !== undefined) continue;
      const proxy = await startProxy({ target: { host: "127.0.0.1", port: ports[name] ?? 0 } });
      known[name] = proxy.port;
      wires.push({ from, to, toName: name, proxy });
    }
  }
  return { wires, seenAt };
}
