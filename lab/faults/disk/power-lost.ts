import { whyNoDisk } from "@tripact/testbed";
import { FaultError, untilHealed, type Fault, type Scene } from "../fault.ts";
import { primaryKilled } from "../primary-killed.ts";
import { primaryRestarted } from "../primary-restarted.ts";

const OFF_MS = 3_000;
const BACK_CAP_MS = 40_000;

/** The primary's host without power: its disk keeps what was flushed, and nobody runs there any more. The standby takes over. */
export const powerLost: Fault = {
  ...primaryKilled,
  name: "power-lost",
  mechanism: "ext4 shutdown of the primary's own disk, SIGKILL of the postmaster and every backend; the standby is promoted",
  needsRoot: true,
  notPossible: whyNoDisk,
  disk: "own",
  load: "light",
  async inject(scene, victim) {
    await cutPower(scene);
    return primaryKilled.inject(scene, victim);
  },
};

/** The host comes back with what its disk holds, and so does the server: what was acknowledged must be there. */
export const powerLostRestarted: Fault = {
  ...powerLost,
  name: "power-lost-restarted",
  mechanism: "ext4 shutdown of the primary's own disk, SIGKILL of the postmaster and every backend; 3 s later mounted again, and the same server is started",
  database: primaryRestarted.database,
  spendsStandby: false,
  holdMs: OFF_MS,
  async inject(scene) {
    const disk = await cutPower(scene);
    await scene.databases.primary.crash();
    return async () => {
      await disk.powerOn();
      await untilHealed("the server takes writes", BACK_CAP_MS, () => scene.watch.state === "gave-up" || scene.watch.timeline.at(-1)?.kind === "writable");
      if (scene.watch.state === "gave-up") throw new FaultError("not-healed", `the server stays dead: ${scene.watch.timeline.at(-1)?.detail}`);
    };
  },
};

/** The disk first: what a server writes while it dies must not reach it. */
async function cutPower({ databases: { disk, primary } }: Scene): Promise<NonNullable<Scene["databases"]["disk"]>> {
  if (disk === undefined) throw new FaultError("nothing-to-hit", "the primary has no disk of its own, so its power cannot be cut");
  if (primary.pid === undefined) throw new FaultError("nothing-to-hit", "the primary is not running, so its power cannot be cut");
  await disk.losePower();
  return disk;
}
