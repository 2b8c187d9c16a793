/** What befalls the platform in mid-sale. Each heals as it would in a cluster: what ends is started again, with its settings and at its port. */
import { setTimeout as wait } from "node:timers/promises";
import type { Stage } from "./stage.ts";
import { until } from "./until.ts";

export interface Fault {
  readonly name: string;
  readonly target: string;
  /** Resolves when it is done. */
  strike(stage: Stage): Promise<void>;
  /** Resolves when all is up again. */
  heal(stage: Stage): Promise<void>;
}

const UP_AGAIN_CAP_MS = 20_000;
const POSTGRES_DOWN_MS = 300;

/** SIGKILL; its supervisor brings it back. */
export function killOf(target: string): Fault {
  return {
    name: "SIGKILL",
    target,
    async strike(stage) {
      const { pid } = stage.process(target);
      if (pid === undefined) throw new Error(`${target} is not running, so it cannot be killed`);
      await stage.process(target).kill();
    },
    heal: (stage) => until(`${target} is up again`, UP_AGAIN_CAP_MS, () => stage.process(target).up),
  };
}

/** SIGSTOP, and SIGCONT after `meanwhile`. */
export function pauseOf(target: string, meanwhile: () => Promise<void>): Fault {
  return {
    name: "SIGSTOP",
    target,
    async strike(stage) {
      stage.process(target).pause();
    },
    async heal(stage) {
      try {
        await meanwhile();
      } finally {
        stage.process(target).resume();
      }
    },
  };
}

/** The postmaster and every backend; its next start recovers from its log. */
export const postgresCrash: Fault = {
  name: "SIGKILL",
  target: "postgres",
  strike: ({ databases }) => databases.primary.crash(),
  async heal(stage) {
    await wait(POSTGRES_DOWN_MS);
    await stage.databases.primary.start();
    const processes = [...stage.platform.processes.values()];
    // One that ended over it comes back as well.
    await until("every process is up", UP_AGAIN_CAP_MS, () => processes.every(({ up }) => up));
  },
};
