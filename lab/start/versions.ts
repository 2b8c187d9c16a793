import { readFileSync } from "node:fs";

/** Of what was measured. */
export interface Versions {
  readonly tripact: string;
  readonly node: string;
  readonly postgres: string;
}

export function versionsWith(postgres: string): Versions {
  const manifest = JSON.parse(readFileSync(new URL("../../toolkit/package.json", import.meta.url), "utf8")) as { version: string };
  return { tripact: manifest.version, node: process.versions.node, postgres };
}

export function versionsText({ tripact, node, postgres }: Versions): readonly string[] {
  return [`tripact ${tripact}`, `Node ${node}`, `PostgreSQL ${postgres}, primary and synchronous standby`];
}
