import { closeSync, openSync } from "node:fs";
import type { Pass } from "./points.ts";

/** Where this process dies. */
export interface Arm {
  /** As a run without a crash reported it, `#2` for the second passage. Without one, every passage is reported and nobody dies. */
  readonly point?: string;
  /** A file that the dying process creates first: of several that are armed alike, only one dies. */
  readonly token?: string;
}

/** Counts passages, and kills this process at the one that it is armed for, as a power cut would: no handler, no flush, no goodbye. */
export class Crasher {
  readonly #report: (point: string) => void;
  #arm: Arm | undefined;
  #passages = new Map<string, number>();

  constructor(report: (point: string) => void) {
    this.#report = report;
  }

  arm(arm: Arm | undefined): void {
    this.#arm = arm;
    this.#passages = new Map();
  }

  readonly pass: Pass = (name) => {
    const count = (this.#passages.get(name) ?? 0) + 1;
    this.#passages.set(name, count);
    const point = count === 1 ? name : `${name} #${count}`;
    if (this.#arm === undefined) return;
    if (this.#arm.point === undefined) this.#report(point);
    else if (this.#arm.point === point && isFirst(this.#arm.token)) process.kill(process.pid, "SIGKILL");
  };
}

function isFirst(token: string | undefined): boolean {
  if (token === undefined) return true;
  try {
    closeSync(openSync(token, "wx"));
    return true;
  } catch {
    return false;
  }
}
