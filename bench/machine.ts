import { statfsSync } from "node:fs";
import { cpus, release, totalmem, type } from "node:os";

/** What the figures were measured on. */
export interface Machine {
  cpu: string;
  cores: number;
  memoryGb: number;
  system: string;
  node: string;
  postgres: string;
  /** Of the folder that holds the databases. */
  fileSystem: string;
  /** On tmpfs fsync costs nothing, so every figure of a durable commit lies. */
  onTmpfs: boolean;
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

export function describeMachine(dataFolder: string, postgresVersion: string): Machine {
  const processors = cpus();
  const fileSystem = fileSystemOf(dataFolder);
  return {
    cpu: processors[0]?.model.trim() ?? "unknown",
    cores: processors.length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    system: `${type()} ${release()}`,
    node: process.versions.node,
    postgres: postgresVersion,
    fileSystem,
    onTmpfs: fileSystem === "tmpfs",
  };
}

function fileSystemOf(folder: string): string {
  const magic = statfsSync(folder).type;
  return fileSystems.get(magic) ?? `type 0x${magic.toString(16)}`;
}

export function machineText(machine: Machine): string {
  const { cpu, cores, memoryGb, system, node, postgres, fileSystem } = machine;
  const lines = [
    `${cpu}, ${cores} cores, ${memoryGb} GB, ${system}`,
    `Node ${node}, PostgreSQL ${postgres}, data on ${fileSystem}`,
  ];
  if (machine.onTmpfs) lines.push("WARNING: the data lies in memory (tmpfs): no figure below says anything about durability");
  return lines.join("\n");
}
