/** Which TCP sockets a process has, as Linux tells. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

export interface Sockets {
  /** Ports where it listens. */
  readonly listening: readonly number[];
  /** What it has opened or accepted. One that waits to be accepted is nobody's yet: it is known by the listening port. */
  readonly connections: readonly { readonly localPort: number; readonly remotePort: number }[];
}

const LISTEN = "0A";

/** @throws where there is no such process, or no /proc */
export function socketsOf(pid: number): Sockets {
  const inodes = new Set(inodesOf(pid));
  const rows = ["tcp", "tcp6"].flatMap((table) => rowsOf(readFileSync(`/proc/${pid}/net/${table}`, "utf8"))).filter(({ inode }) => inodes.has(inode));
  return {
    listening: rows.filter(({ state }) => state === LISTEN).map(({ localPort }) => localPort),
    connections: rows.filter(({ state }) => state !== LISTEN).map(({ localPort, remotePort }) => ({ localPort, remotePort })),
  };
}

function inodesOf(pid: number): readonly string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((descriptor) => {
    try {
      return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${descriptor}`))?.[1] ?? [];
    } catch {
      return []; // closed between the listing and the reading
    }
  });
}

interface SocketRow {
  readonly localPort: number;
  readonly remotePort: number;
  readonly state: string;
  readonly inode: string;
}

/** Below a heading, in columns: `0: 0100007F:1F90 0200007F:A3C4 01 …`, ports in hexadecimal, the inode tenth. */
export function rowsOf(table: string): readonly SocketRow[] {
  return table.split("\n").slice(1).flatMap((line) => {
    const [, local = "", remote = "", state = "", , , , , , inode] = line.trim().split(/\s+/);
    return inode === undefined ? [] : [{ localPort: portIn(local), remotePort: portIn(remote), state, inode }];
  });
}

function portIn(address: string): number {
  return Number.parseInt(address.slice(address.lastIndexOf(":") + 1), 16);
}
