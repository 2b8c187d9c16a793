/** What figures were measured on. */
import { statfsSync } from "node:fs";
import { cpus, release, totalmem, type } from "node:os";

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly system: string;
  /** Of the folder that holds the data. */
  readonly fileSystem: string;
  /** On tmpfs fsync costs nothing: no figure then says anything about durability. */
  readonly onTmpfs: boolean;
}

const fileSystems = new Map<number, string>([
  [0xef53, "ext4"],
  [0x01021994, "tmpfs"],
  [0x9123683e, "btrfs"],
  [0x58465342, "xfs"],
  [0x794c7630, "overlay"],
  [0x2fc12fc1, "zfs"],
  [0x6969, "nfs"],
  [0x1a, "apfs"],
]);

export function describeMachine(dataFolder: string): Machine {
  const processors = cpus();
  const magic = statfsSync(dataFolder).type;
  const fileSystem = fileSystems.get(magic) ?? `type 0x${magic.toString(16)}`;
  return {
    cpu: processors[0]?.model.trim() ?? "unknown",
    cores: processors.length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    system: `${type()} ${release()}`,
    fileSystem,
    onTmpfs: fileSystem === "tmpfs",
  };
}

/** @param software what ran on it, as `Node 26.10.0` */
export function machineText({ cpu, cores, memoryGb, system, fileSystem, onTmpfs }: Machine, software: readonly string[]): string {
  const lines = [`${cpu}, ${cores} cores, ${memoryGb} GB, ${system}; data on ${fileSystem}`, software.join(", ")];
  if (onTmpfs) lines.push("WARNING: the data lies in memory (tmpfs): no figure here says anything about durability");
  return lines.join("\n");
}
