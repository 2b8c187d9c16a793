import { writeFile } from "node:fs/promises";
import type { Machine } from "../machine.ts";

export interface SoakSample {
  readonly second: number;
  readonly applied: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  readonly logBytes: number;
  readonly cursorBytes: number;
}

export interface SoakFile {
  readonly schema: 1;
  readonly bench: "soak";
  readonly machine: Machine;
  readonly minutes: number;
  readonly perSecond: number;
  readonly payloadBytes: number;
  readonly slotSeconds: number;
  readonly sent: number;
  readonly applied: number;
  readonly notices: Readonly<Record<string, number>>;
  /** Medians of the samples of each third, and the largest sizes in it. */
  readonly thirds: readonly { readonly name: string; readonly p50Ms: number; readonly p95Ms: number; readonly p99Ms: number; readonly logBytesMax: number; readonly cursorBytesMax: number }[];
  readonly samples: readonly SoakSample[];
}

export async function writeSoak(file: string, results: SoakFile): Promise<void> {
  await writeFile(file, `${JSON.stringify(results, null, 2)}\n`);
}
