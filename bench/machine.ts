import { describeMachine as describeHardware, machineText as textOf, type Machine as Hardware } from "@tripact/testbed";

/** What the figures were measured on, as the results files have it: with its software. */
export interface Machine extends Hardware {
  readonly node: string;
  readonly postgres: string;
}

/** @param dataFolder holds the databases */
export function describeMachine(dataFolder: string, postgresVersion: string): Machine {
  return { ...describeHardware(dataFolder), node: process.versions.node, postgres: postgresVersion };
}

export function machineText(machine: Machine): string {
  return textOf(machine, [`Node ${machine.node}`, `PostgreSQL ${machine.postgres}`]);
}
